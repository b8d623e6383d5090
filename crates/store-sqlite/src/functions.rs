//! What can a statement ask that SQL cannot say? Functions of ours, registered with each connection.

use std::sync::Arc;

use compact_str::CompactString;
use regex::Regex;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{FromSqlError, Value as SqlValue, ValueRef};
use rusqlite::{Connection, Error};

use crate::geo;
use crate::inside::Condition;
use crate::patterns::Patterns;
use crate::sort_key;
use crate::text;

/// `granted(list, grants)`: whether a JSON list of names has one of another such list.
pub(crate) const GRANTED: &str = "granted";
/// `matches(text, pattern)`: whether a text matches an expression of the store's [`Patterns`].
pub(crate) const MATCHES: &str = "matches";
/// `inside(json, condition)`: whether what is in a column meets an encoded [`Condition`].
pub(crate) const INSIDE: &str = "inside";
/// `sort_key(json, path, descending)`: what a path into a column sorts by.
pub(crate) const SORT_KEY: &str = "sort_key";

/// `fold(text)`: a text without its case. It may stand in an index.
const FOLD: &str = "fold";

/// The SQL text of what is in a column, without its case.
pub(crate) fn without_case(column: &str) -> String {
    format!("{FOLD}({column})")
}

/// What a function may fail with.
pub(crate) type Broken = Box<dyn std::error::Error + Send + Sync>;

/// Registers them all. What a bound value means is worked out once per run of a statement, not once per row.
pub(crate) fn register(connection: &Connection, patterns: &Arc<Patterns>) -> rusqlite::Result<()> {
    geo::functions::register(connection)?;
    text::functions::register(connection)?;
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function(GRANTED, 2, flags, |context| {
        let grants = context.get_or_create_aux(1, names)?;
        let Some(list) = text(context, 0)? else { return Ok(false) };
        let list: Vec<CompactString> = serde_json::from_str(list).map_err(broken)?;
        Ok(list.iter().any(|name| grants.contains(name)))
    })?;
    // An index may use only what SQLite is told to be harmless.
    let in_index = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function(FOLD, 1, in_index, |context| Ok(text(context, 0)?.map(str::to_lowercase)))?;
    let known = Arc::clone(patterns);
    connection.create_scalar_function(MATCHES, 2, flags, move |context| {
        let regex: Arc<Arc<Regex>> = context
            .get_or_create_aux(1, |key| -> Result<_, Broken> { known.get(key.as_str()?).map_err(Into::into) })?;
        Ok(text(context, 0)?.is_some_and(|text| regex.is_match(text)))
    })?;
    let known = Arc::clone(patterns);
    connection.create_scalar_function(INSIDE, 2, flags, move |context| {
        let condition: Arc<Condition> = context.get_or_create_aux(1, |encoded| -> Result<_, Broken> {
            Condition::decode(encoded.as_str()?, &known).map_err(Into::into)
        })?;
        condition.is_met(text(context, 0)?).map_err(broken)
    })?;
    connection.create_scalar_function(SORT_KEY, 3, flags, |context| -> rusqlite::Result<SqlValue> {
        let path: Arc<Vec<String>> =
            context.get_or_create_aux(1, |path| -> Result<_, Broken> { Ok(serde_json::from_str(path.as_str()?)?) })?;
        let descending: bool = context.get(2)?;
        sort_key::of(text(context, 0)?, &path, descending).map_err(broken)
    })
}

fn names(list: ValueRef<'_>) -> Result<Vec<CompactString>, Broken> {
    Ok(serde_json::from_str(list.as_str()?)?)
}

/// An argument that is text or NULL.
pub(crate) fn text<'c>(context: &'c Context<'_>, place: usize) -> rusqlite::Result<Option<&'c str>> {
    context.get_raw(place).as_str_or_null().map_err(|error: FromSqlError| broken(error))
}

/// A failure of ours as one of SQLite's.
pub(crate) fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::UserFunctionError(Box::new(error))
}
