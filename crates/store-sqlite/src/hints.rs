//! Which index is a statement to use, if somebody says so? One that is not there is refused; one that is of no use is not used.

use parsimony_model::Value;
use parsimony_model::query::Hint;
use parsimony_store::{Selection, StoreError};
use rusqlite::{CachedStatement, Connection};

use crate::error::store_error;
use crate::sql::{Param, Sql, quote};
use crate::tables::{Table, field_of_key};

/// The name of the index on `objectId`, as Parse knows it.
pub(crate) const ID_INDEX: &str = "_id_";

/// The key of a hint that asks for no index at all.
const NATURAL: &str = "$natural";

/// What stands after the name of the table; nothing if nothing is said, or if SQLite finds the index by itself.
pub(crate) fn clause(table: &Table, selection: &Selection) -> Result<Option<String>, StoreError> {
    let Some(hint) = &selection.advice.hint else { return Ok(None) };
    let name = match hint {
        Hint::Name(name) if name == ID_INDEX => return Ok(None),
        Hint::Name(name) => table.schema.indexes.get_key_value(name.as_str()).map(|(name, _)| name),
        Hint::Keys(keys) => {
            let wanted: Vec<(String, &Value)> = keys.iter().map(|(key, value)| (field_of_key(key), value)).collect();
            match wanted.as_slice() {
                [(key, _)] if key == NATURAL => return Ok(Some(" NOT INDEXED".to_owned())),
                [(key, _)] if key == "objectId" => return Ok(None),
                _ => {}
            }
            let same = |index: &parsimony_model::schema::Index| {
                let keys = index.keys.iter().map(|(key, value)| (field_of_key(key), value));
                keys.eq(wanted.iter().map(|(key, value)| (key.clone(), *value)))
            };
            table.schema.indexes.iter().find(|(_, index)| same(index)).map(|(name, _)| name)
        }
    };
    match name {
        // MongoDB's words.
        None => Err(StoreError::InvalidQuery("hint provided does not correspond to an existing index".to_owned())),
        Some(name) => Ok(table.indexes.get(name).map(|index| format!(" INDEXED BY {}", quote(&index.name)))),
    }
}

/// A statement's text, and the same without its hint.
#[derive(Debug, Clone)]
pub(crate) struct Hinted {
    /// The text.
    pub(crate) text: String,
    /// What to run if SQLite cannot use the index: then it is of no use.
    pub(crate) otherwise: Option<String>,
}

impl Hinted {
    /// A statement that begins so, and what it binds.
    pub(crate) fn new(select: Sql, hint: Option<&str>, rest: Sql) -> (Self, Vec<Param>) {
        let text = |hint: &str| format!("{}{hint}{}", select.text, rest.text);
        let made = match hint {
            None => Self { text: text(""), otherwise: None },
            Some(hint) => Self { text: text(hint), otherwise: Some(text("")) },
        };
        let mut params = select.params;
        params.extend(rest.params);
        (made, params)
    }

    /// The same after this.
    pub(crate) fn prefixed(&self, start: &str) -> Self {
        let with = |text: &String| format!("{start}{text}");
        Self { text: with(&self.text), otherwise: self.otherwise.as_ref().map(with) }
    }

    /// Compiles it.
    pub(crate) fn prepare<'c>(&self, connection: &'c Connection) -> Result<CachedStatement<'c>, StoreError> {
        match (connection.prepare_cached(&self.text), &self.otherwise) {
            (Err(error), Some(otherwise)) if error.to_string().contains("no query solution") => {
                connection.prepare_cached(otherwise).map_err(store_error)
            }
            (outcome, _) => outcome.map_err(store_error),
        }
    }
}
