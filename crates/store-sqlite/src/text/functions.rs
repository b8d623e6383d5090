//! What can a statement ask about texts? Functions of ours, registered with each connection.

use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};

use super::tables::{Kind, TEXT_FINDS, TEXT_SCORE, TEXT_TERMS, terms};
use super::{Search, decode};
use crate::functions::{Broken, broken, text};

/// The texts in the columns that are given from this argument on, each after its kind.
fn texts(context: &Context<'_>, first: usize) -> rusqlite::Result<Vec<String>> {
    let mut texts = Vec::new();
    for place in (first..context.len()).step_by(2) {
        let kind = text(context, place)?.unwrap_or_default();
        if place + 1 < context.len()
            && let Some(text) = text(context, place + 1)?
        {
            texts.extend(Kind::texts(kind, text).map_err(broken)?);
        }
    }
    Ok(texts)
}

fn search(context: &Context<'_>) -> rusqlite::Result<Arc<Search>> {
    context.get_or_create_aux(0, |encoded| -> Result<_, Broken> { Ok(decode(encoded.as_str()?)?) })
}

/// Registers them all.
pub(crate) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    connection
        .create_scalar_function(TEXT_FINDS, -1, flags, |context| Ok(search(context)?.finds(&texts(context, 1)?)))?;
    connection
        .create_scalar_function(TEXT_SCORE, -1, flags, |context| Ok(search(context)?.score(&texts(context, 1)?)))?;
    // A trigger may use only what SQLite is told to be harmless.
    let in_trigger = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function(TEXT_TERMS, -1, in_trigger, |context| Ok(terms(&texts(context, 0)?)))
}
