//! What keeps a unique index from being made?

use parsimony_model::schema::Index;
use parsimony_model::update::top;
use parsimony_store::{Duplicates, StoreError};
use rusqlite::Connection;

use crate::classes::parts;
use crate::error::store_error;
use crate::sql::quote;
use crate::tables::{Table, field_of_key};
use crate::values::object_id;

/// Of how many groups of equal objects some are named, and how many objects in all.
const SHOWN_MAX: [u32; 2] = [3, 6];

/// Objects that a unique index could not tell apart.
pub(crate) fn find(connection: &Connection, table: &Table, index: &Index) -> Result<Duplicates, StoreError> {
    // What no object has yet is missing everywhere, and nothing that is missing collides.
    let is_new = |key: &str| table.schema.kind(top(&field_of_key(key))).is_none() && !key.starts_with('_');
    if index.keys.keys().any(|key| is_new(key)) {
        return Ok(Duplicates::default());
    }
    let Some(parts) = parts(table, "", index)? else { return Ok(Duplicates::default()) };
    let keys: Vec<&str> = parts.keys().map(String::as_str).collect();
    let there: Vec<String> = keys.iter().map(|key| format!("{key} IS NOT NULL")).collect();
    let (keys, there, name) = (keys.join(","), there.join(" AND "), quote(&table.name));
    let groups = format!("FROM {name} WHERE {there} GROUP BY {keys} HAVING count(*)>1");
    let text = format!("SELECT count(*),coalesce(sum(n),0) FROM (SELECT count(*) AS n {groups})");
    let (groups_found, objects): (i64, i64) =
        connection.query_row(&text, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(store_error)?;
    let mut duplicates =
        Duplicates { groups: groups_found.unsigned_abs(), objects: objects.unsigned_abs(), samples: Vec::new() };
    if groups_found > 0 {
        let [groups_max, objects_max] = SHOWN_MAX;
        let text = format!(
            "SELECT \"objectId\" FROM {name} WHERE ({keys}) IN (SELECT {keys} {groups} LIMIT {groups_max}) \
             ORDER BY {keys},\"objectId\" LIMIT {objects_max}"
        );
        let mut statement = connection.prepare(&text).map_err(store_error)?;
        let mut rows = statement.query([]).map_err(store_error)?;
        while let Some(row) = rows.next().map_err(store_error)? {
            let id: String = row.get(0).map_err(store_error)?;
            duplicates.samples.push(object_id(&id)?);
        }
    }
    Ok(duplicates)
}
