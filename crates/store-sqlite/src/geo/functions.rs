//! What can a statement ask about places? Functions of ours, registered with each connection.

use std::sync::Arc;

use parsimony_model::query::places::sphere::vector;
use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};

use super::tables::{PLACE_BOUND, end};
use super::{Condition, Spot, decode};
use crate::functions::{Broken, broken, text};

/// `somewhere(json, condition)`: whether what is in a column meets an encoded [`Condition`].
pub(crate) const SOMEWHERE: &str = "somewhere";
/// `place_distance(json, center)`: how far it is from a place, in radians.
pub(crate) const PLACE_DISTANCE: &str = "place_distance";

fn spot(context: &Context<'_>) -> rusqlite::Result<Option<Spot>> {
    text(context, 0)?.map(super::spot).transpose().map_err(broken)
}

/// Registers them all.
pub(crate) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function(SOMEWHERE, 2, flags, |context| {
        let condition: Arc<Condition> =
            context.get_or_create_aux(1, |encoded| -> Result<_, Broken> { Ok(decode(encoded.as_str()?)?) })?;
        Ok(spot(context)?.is_some_and(|spot| condition.is_met(&spot)))
    })?;
    connection.create_scalar_function(PLACE_DISTANCE, 2, flags, |context| {
        let center: Arc<s2::point::Point> = context.get_or_create_aux(1, |center| -> Result<_, Broken> {
            match super::spot(center.as_str()?)? {
                Spot::Place(center) => Ok(vector(center)),
                Spot::Area(_) => Err("a distance is from a place".into()),
            }
        })?;
        Ok(spot(context)?.map(|spot| spot.distance(&center)))
    })?;
    // A trigger may use only what SQLite is told to be harmless.
    let in_trigger = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function(PLACE_BOUND, 2, in_trigger, |context| {
        let number: i64 = context.get(1)?;
        Ok(spot(context)?.and_then(|spot| end(&spot.bounds(), number)))
    })
}
