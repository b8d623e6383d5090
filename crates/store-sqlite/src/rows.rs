//! How does a row become an object?

use std::sync::Arc;

use compact_str::CompactString;
use parsimony_model::query::SCORE_FIELD;
use parsimony_model::{Acl, Date, Map, Object, Value};
use parsimony_store::StoreError;
use rusqlite::Row;
use rusqlite::types::ValueRef;

use crate::error::store_error;
use crate::sql::{Sql, quote};
use crate::tables::{BASE_COLUMNS, Column, Table};
use crate::values::{from_json, from_sql, object_id};

/// Which columns a statement gives.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    table: Arc<Table>,
    wanted: Wanted,
    /// Whether the last column is the score of a text search.
    scored: bool,
}

#[derive(Debug, Clone)]
enum Wanted {
    All,
    /// These fields, by their place among the columns, and these internal ones.
    Some {
        places: Vec<usize>,
        internal: Vec<CompactString>,
    },
}

impl Shape {
    /// Whole rows.
    pub(crate) fn whole(table: &Arc<Table>) -> Self {
        Self { table: Arc::clone(table), wanted: Wanted::All, scored: false }
    }

    /// These fields only, unless there are none.
    pub(crate) fn only(table: &Arc<Table>, keys: &[String]) -> Self {
        if keys.is_empty() {
            return Self::whole(table);
        }
        let mut places: Vec<usize> = keys.iter().filter_map(|key| table.columns.get_index_of(key.as_str())).collect();
        places.sort_unstable();
        places.dedup();
        let internal = keys.iter().filter(|key| key.starts_with('_')).map(|key| key.as_str().into()).collect();
        Self { table: Arc::clone(table), wanted: Wanted::Some { places, internal }, scored: false }
    }

    /// `SELECT … FROM …`, with the score of a text search if one is given.
    pub(crate) fn select(&mut self, score: Option<Sql>) -> Sql {
        self.scored = score.is_some();
        let fields: Box<dyn Iterator<Item = &Column>> = match &self.wanted {
            Wanted::All if score.is_none() => return Sql::new(&*self.table.select),
            Wanted::All => Box::new(self.table.columns.values()),
            Wanted::Some { places, .. } => {
                let fields = places.iter().filter_map(|place| self.table.columns.get_index(*place));
                Box::new(fields.map(|(_, column)| column))
            }
        };
        let columns = BASE_COLUMNS.iter().map(|name| quote(name)).chain(fields.map(|column| column.quoted.clone()));
        let mut sql = Sql::new(format!("SELECT {}", columns.collect::<Vec<_>>().join(",")));
        if let Some(score) = score {
            sql.push(",").append(score);
        }
        sql.push(&format!(" FROM {}", quote(&self.table.name)));
        sql
    }

    /// The object in a row of [`Self::select`].
    pub(crate) fn object(&self, row: &Row<'_>) -> Result<Object, StoreError> {
        let get = |place: usize| row.get_ref(place).map_err(store_error);
        let nulls = names(get(5)?)?;
        let mut fields = Map::default();
        let mut field = |name: &CompactString, value: Option<Value>| match value {
            Some(value) => drop(fields.insert(name.clone(), value)),
            None if nulls.contains(name) => drop(fields.insert(name.clone(), Value::Null)),
            None => {}
        };
        match &self.wanted {
            Wanted::All => {
                for (place, (name, column)) in self.table.columns.iter().enumerate() {
                    field(name, from_sql(&column.kind, get(BASE_COLUMNS.len() + place)?)?);
                }
            }
            Wanted::Some { places, .. } => {
                let columns = places.iter().filter_map(|place| self.table.columns.get_index(*place));
                for (place, (name, column)) in columns.enumerate() {
                    field(name, from_sql(&column.kind, get(BASE_COLUMNS.len() + place)?)?);
                }
            }
        }
        if let Some(Value::Object(internal)) = json(get(6)?)? {
            match &self.wanted {
                Wanted::All => fields.extend(internal),
                Wanted::Some { internal: wanted, .. } => {
                    fields.extend(internal.into_iter().filter(|(name, _)| wanted.contains(name)));
                }
            }
        }
        if self.scored {
            let columns = match &self.wanted {
                Wanted::All => self.table.columns.len(),
                Wanted::Some { places, .. } => places.len(),
            };
            let score = get(BASE_COLUMNS.len() + columns)?.as_f64();
            let score = score.map_err(|error| StoreError::Corrupt(error.to_string()))?;
            fields.insert(SCORE_FIELD.into(), Value::Number(score));
        }
        Ok(Object {
            class: self.table.schema.name.clone(),
            id: object_id(text(get(0)?)?.unwrap_or_default())?,
            created_at: date(get(1)?)?,
            updated_at: date(get(2)?)?,
            acl: acl(get(3)?, get(4)?)?,
            fields,
        })
    }
}

/// How many bytes of text and blobs a row has.
pub(crate) fn bytes(row: &Row<'_>) -> usize {
    let length = |place: usize| match row.get_ref(place) {
        Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => bytes.len(),
        _ => 0,
    };
    (0..row.as_ref().column_count()).map(length).sum()
}

fn text(value: ValueRef<'_>) -> Result<Option<&str>, StoreError> {
    value.as_str_or_null().map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn date(value: ValueRef<'_>) -> Result<Option<Date>, StoreError> {
    let millis = value.as_i64_or_null().map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(millis.map(Date::from_millis))
}

fn json(value: ValueRef<'_>) -> Result<Option<Value>, StoreError> {
    text(value)?.map(from_json).transpose()
}

fn names(value: ValueRef<'_>) -> Result<Vec<CompactString>, StoreError> {
    match text(value)? {
        Some(text) => serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string())),
        None => Ok(Vec::new()),
    }
}

fn acl(readers: ValueRef<'_>, writers: ValueRef<'_>) -> Result<Option<Acl>, StoreError> {
    if readers == ValueRef::Null && writers == ValueRef::Null {
        return Ok(None);
    }
    let (readers, writers) = (names(readers)?, names(writers)?);
    Ok(Some(Acl::from_lists(readers.iter().map(CompactString::as_str), writers.iter().map(CompactString::as_str))))
}
