//! What do SQLite's errors mean?

use parsimony_store::StoreError;
use rusqlite::ffi::{self, ErrorCode};

use crate::hints::ID_INDEX;
use crate::tables::Table;

/// What an error means where no value can collide.
pub(crate) fn store_error(error: rusqlite::Error) -> StoreError {
    match error {
        rusqlite::Error::SqliteFailure(cause, text) => failure(cause, text.unwrap_or_default()),
        rusqlite::Error::SqlInputError { error, msg, .. } => failure(error, msg),
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..)
        | rusqlite::Error::InvalidColumnType(..) => StoreError::Corrupt(error.to_string()),
        other => StoreError::unavailable(other),
    }
}

/// What an error means for a write to this table: a collision tells the index.
pub(crate) fn write_error(table: &Table, error: rusqlite::Error) -> StoreError {
    match store_error(error) {
        StoreError::Duplicate { index } => StoreError::Duplicate { index: index_of(table, &index) },
        other => other,
    }
}

fn failure(cause: ffi::Error, text: String) -> StoreError {
    match cause.code {
        ErrorCode::ConstraintViolation => match text.strip_prefix("UNIQUE constraint failed: ") {
            Some(place) => StoreError::Duplicate { index: place.to_owned() },
            None => StoreError::Unfit(text),
        },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::SchemaChanged => StoreError::Conflict(text),
        ErrorCode::OperationInterrupted => StoreError::Timeout,
        ErrorCode::TooBig => StoreError::Unfit("The object is too large.".to_owned()),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Corrupt(text),
        ErrorCode::Unknown => by_text(text),
        _ => StoreError::unavailable(if text.is_empty() { cause.to_string() } else { text }),
    }
}

/// SQLite has one number for all that can be wrong with a statement.
fn by_text(text: String) -> StoreError {
    // No statement asks for what never was there: another request changed the class in between.
    if ["no such column", "no such table", "has no column named"].iter().any(|start| text.contains(start)) {
        return StoreError::Conflict(format!("the class has changed meanwhile: {text}"));
    }
    if ["too many SQL variables", "Expression tree is too large", "string or blob too big"]
        .iter()
        .any(|start| text.contains(start))
    {
        return StoreError::InvalidQuery("The query has too many conditions.".to_owned());
    }
    StoreError::Unavailable(text)
}

/// SQLite names the columns of the index (`table.a, table.b`), or an index over expressions (`index 'name'`).
fn index_of(table: &Table, place: &str) -> String {
    if let Some(name) = place.strip_prefix("index '").and_then(|rest| rest.strip_suffix('\'')) {
        let found =
            table.indexes.iter().find(|(_, index)| index.name == name || index.missing.as_deref() == Some(name));
        return found.map_or_else(|| name.to_owned(), |(name, _)| name.to_string());
    }
    let column = |part: &str| {
        let stripped = part.strip_prefix(table.name.as_str()).and_then(|rest| rest.strip_prefix('.'));
        stripped.unwrap_or(part).to_owned()
    };
    let columns: Vec<String> = place.split(", ").map(column).collect();
    if columns == ["objectId"] {
        return ID_INDEX.to_owned();
    }
    let found = table.indexes.iter().find(|(_, index)| index.unique && index.columns == columns);
    found.map_or_else(|| columns.join(", "), |(name, _)| name.to_string())
}
