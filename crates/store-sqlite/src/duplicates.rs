//! What keeps a unique index from being made?

use parsimony_model::schema::Index;
use parsimony_model::update::top;
use parsimony_store::{Duplicates, StoreError};
use rusqlite::Connection;
use rusqlite::types::Value as SqlValue;

use crate::error::store_error;
use crate::indexes::{condition, parts};
use crate::sql::quote;
use crate::tables::{Table, field_of_key};
use crate::values::object_id;

/// Of how many groups of equal objects some are named, and how many of each.
const SHOWN_MAX: [u32; 2] = [3, 2];

/// Objects that a unique index could not tell apart.
pub(crate) fn find(connection: &Connection, table: &Table, index: &Index) -> Result<Duplicates, StoreError> {
    // What the class does not have yet is missing in every object.
    let is_there = |key: &str| table.schema.kind(top(&field_of_key(key))).is_some() || key.starts_with('_');
    let known = index.keys.iter().filter(|(key, _)| is_there(key));
    let known = Index { keys: known.map(|(key, kind)| (key.clone(), kind.clone())).collect(), ..index.clone() };
    let keys: Vec<String> = match parts(table, &known) {
        Some(parts) => parts.into_keys().collect(),
        None if known.keys.is_empty() => Vec::new(),
        None => return Ok(Duplicates::default()),
    };
    // Where there is a new field, nothing can be in an index with a condition on it; that it cannot be kept is told later.
    let Ok(Ok(only)) = condition(table, index) else { return Ok(Duplicates::default()) };
    let there: Vec<String> = keys.iter().map(|key| format!("{key} IS NOT NULL")).collect();
    // Missing values are equal; but a sparse index leaves out what has none at all.
    let sparse = index.sparse.then(|| if there.is_empty() { "0".to_owned() } else { there.join(" OR ") });
    let conditions: Vec<String> = sparse.into_iter().chain(only).map(|condition| format!("({condition})")).collect();
    let conditions = if conditions.is_empty() { "1".to_owned() } else { conditions.join(" AND ") };
    Groups { name: quote(&table.name), keys, conditions }.find(connection)
}

/// Rows that are equal in some keys.
struct Groups {
    /// The table.
    name: String,
    keys: Vec<String>,
    /// Which rows count.
    conditions: String,
}

impl Groups {
    fn find(&self, connection: &Connection) -> Result<Duplicates, StoreError> {
        let Self { name, keys, conditions } = self;
        let by = if keys.is_empty() { "NULL".to_owned() } else { keys.join(",") };
        let groups = format!("FROM {name} WHERE {conditions} GROUP BY {by} HAVING count(*)>1");
        let text = format!("SELECT count(*),coalesce(sum(n),0) FROM (SELECT count(*) AS n {groups})");
        let (found, objects): (i64, i64) =
            connection.query_row(&text, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(store_error)?;
        let mut duplicates =
            Duplicates { groups: found.unsigned_abs(), objects: objects.unsigned_abs(), samples: Vec::new() };
        if found > 0 {
            let [groups_max, _] = SHOWN_MAX;
            let text = format!("SELECT {by} {groups} ORDER BY {by} LIMIT {groups_max}");
            let mut statement = connection.prepare(&text).map_err(store_error)?;
            let mut rows = statement.query([]).map_err(store_error)?;
            while let Some(row) = rows.next().map_err(store_error)? {
                let values: Result<Vec<SqlValue>, _> = (0..keys.len()).map(|place| row.get(place)).collect();
                self.some(connection, &values.map_err(store_error)?, &mut duplicates)?;
            }
        }
        Ok(duplicates)
    }

    /// Names some of the rows with these values.
    fn some(&self, connection: &Connection, values: &[SqlValue], found: &mut Duplicates) -> Result<(), StoreError> {
        let Self { name, keys, conditions } = self;
        let equal: String = keys.iter().map(|key| format!(" AND {key} IS ?")).collect::<Vec<_>>().concat();
        let [_, objects_max] = SHOWN_MAX;
        let text = format!(
            "SELECT \"objectId\" FROM {name} WHERE {conditions}{equal} ORDER BY \"objectId\" LIMIT {objects_max}"
        );
        let mut statement = connection.prepare(&text).map_err(store_error)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values)).map_err(store_error)?;
        while let Some(row) = rows.next().map_err(store_error)? {
            let id: String = row.get(0).map_err(store_error)?;
            found.samples.push(object_id(&id)?);
        }
        Ok(())
    }
}
