//! How are places found quickly? Beside each column of places or areas is a table of the boxes around them (an R*Tree), which
//! triggers keep up to date.

use parsimony_model::query::places::sphere::Bounds;
use rusqlite::Connection;
use rusqlite::types::Value as SqlValue;

use crate::sql::{Sql, quote};

/// `place_bound(json, end)`: an end of the box around what is in a column; 0 and 1 along the first axis, and so on.
pub(crate) const PLACE_BOUND: &str = "place_bound";

/// The ends of a box in the order of their columns.
const ENDS: [&str; 6] = ["x0", "x1", "y0", "y1", "z0", "z1"];

/// The end of a box with this number.
pub(crate) fn end(bounds: &Bounds, number: i64) -> Option<f64> {
    let ends = [bounds.x.low, bounds.x.high, bounds.y.low, bounds.y.high, bounds.z.low, bounds.z.high];
    ends.get(usize::try_from(number).ok()?).copied()
}

/// The name of the table of boxes beside a column.
///
/// No table of a class, no join table and no index has this sign in its name; and as it ends with it, no table that SQLite
/// makes for one has the name of another.
pub(crate) fn name(table: &str, column: &str) -> String {
    format!("{table}@{column}@")
}

/// Makes the table of boxes beside a column, and fills it.
pub(crate) fn create(connection: &Connection, table: &str, column: &str) -> rusqlite::Result<()> {
    let boxes = name(table, column);
    let (row, quoted) = (quote(table), quote(&boxes));
    let column = quote(column);
    let ends = ENDS.join(",");
    let values = |source: &str| {
        let ends = (0..ENDS.len()).map(|end| format!("{PLACE_BOUND}({source}{column},{end})"));
        ends.collect::<Vec<_>>().join(",")
    };
    let insert = format!("INSERT INTO {quoted} (id,{ends})");
    let remove = format!("DELETE FROM {quoted} WHERE id=old.rowid");
    let trigger = |event: &str| quote(&format!("{boxes}{event}"));
    connection.execute_batch(&format!(
        "CREATE VIRTUAL TABLE {quoted} USING rtree(id,{ends});
         CREATE TRIGGER {} AFTER INSERT ON {row} WHEN new.{column} IS NOT NULL BEGIN
             {insert} VALUES (new.rowid,{}); END;
         CREATE TRIGGER {} AFTER UPDATE OF {column} ON {row} BEGIN
             {remove};
             {insert} SELECT new.rowid,{} WHERE new.{column} IS NOT NULL; END;
         CREATE TRIGGER {} AFTER DELETE ON {row} WHEN old.{column} IS NOT NULL BEGIN {remove}; END;
         {insert} SELECT rowid,{} FROM {row} WHERE {column} IS NOT NULL;",
        trigger("insert"),
        values("new."),
        trigger("update"),
        values("new."),
        trigger("delete"),
        values(""),
    ))
}

/// Drops the table of boxes beside a column, before the column goes.
pub(crate) fn drop(connection: &Connection, table: &str, column: &str) -> rusqlite::Result<()> {
    let boxes = name(table, column);
    for event in ["insert", "update", "delete"] {
        connection.execute_batch(&format!("DROP TRIGGER IF EXISTS {}", quote(&format!("{boxes}{event}"))))?;
    }
    connection.execute_batch(&format!("DROP TABLE {}", quote(&boxes)))
}

/// `rowid IN (…)`: the rows whose box meets another.
pub(crate) fn meeting(boxes: &str, bounds: &Bounds, sql: &mut Sql) {
    sql.push(&format!("rowid IN (SELECT id FROM {} WHERE ", quote(boxes)));
    let parts = [("x0", "x1", bounds.x), ("y0", "y1", bounds.y), ("z0", "z1", bounds.z)];
    for (place, (low, high, span)) in parts.into_iter().enumerate() {
        let and = if place == 0 { "" } else { " AND " };
        sql.push(&format!("{and}{low}<=")).bind(SqlValue::Real(span.high));
        sql.push(&format!(" AND {high}>=")).bind(SqlValue::Real(span.low));
    }
    sql.push(")");
}
