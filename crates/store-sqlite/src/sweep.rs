//! What goes when its time is over? Objects of a class with an index that says so, a minute later at most.

use std::sync::Arc;
use std::time::Duration;

use parsimony_model::ClassName;
use parsimony_model::schema::FieldType;
use rusqlite::types::Value as SqlValue;
use tokio::sync::oneshot;

use crate::objects::Shared;
use crate::sql::{Sql, quote};
use crate::tables::{Table, field_of_key};
use crate::worker::{Message, job};
use crate::write;

/// Objects that are removed with one write; others take their turn between two.
const ROWS_MAX: u64 = 1_000;

/// The time, as columns have it. The database's own clock counts, as in MongoDB.
const NOW: &str = "CAST(unixepoch('subsec')*1000 AS INTEGER)";

/// Sweeps now and then, until the store is closed.
pub(crate) fn run(shared: &Shared, writer: &flume::Sender<Message>, stopped: &flume::Receiver<()>, every: Duration) {
    while let Err(flume::RecvTimeoutError::Timeout) = stopped.recv_timeout(every) {
        let tables = shared.tables.load_full();
        for table in tables.0.values() {
            for statement in statements(table) {
                sweep(&table.schema.name, &Arc::new(statement), writer, stopped);
            }
        }
    }
}

/// Runs a statement as long as there is more for it to do.
fn sweep(class: &ClassName, statement: &Arc<Sql>, writer: &flume::Sender<Message>, stopped: &flume::Receiver<()>) {
    loop {
        let (reply, answer) = oneshot::channel();
        let work = Arc::clone(statement);
        let asked = writer.send(Message::Write(job(move |connection| write::execute(connection, &work), reply)));
        match answer.blocking_recv() {
            Ok(Ok(removed)) => {
                if removed > 0 {
                    tracing::debug!(%class, removed, "objects were removed whose time was over");
                }
                if removed < ROWS_MAX || stopped.is_disconnected() {
                    return;
                }
            }
            Ok(Err(error)) => {
                tracing::warn!(%class, %error, "objects could not be removed whose time is over");
                return;
            }
            Err(_) if asked.is_err() => return,
            Err(_) => return,
        }
    }
}

/// The statements that remove the objects of a class whose time is over, one for each index that says so.
fn statements(table: &Table) -> Vec<Sql> {
    let one = |(name, index): (&compact_str::CompactString, &parsimony_model::schema::Index)| {
        let seconds = index.expire_after_seconds?;
        let (key, _) = index.keys.first()?;
        let field = field_of_key(key);
        if table.schema.kind(&field) != Some(FieldType::Date) {
            return None;
        }
        let column = table.columns.get(field.as_str()).map_or_else(|| quote(&field), |column| column.quoted.clone());
        let name_of_table = quote(&table.name);
        let mut sql = Sql::new(format!(
            "DELETE FROM {name_of_table} WHERE rowid IN (SELECT rowid FROM {name_of_table} WHERE {column}<={NOW}-"
        ));
        sql.bind(SqlValue::Integer(i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX)));
        if let Some(only) = table.indexes.get(name).and_then(|built| built.only.as_ref()) {
            sql.push(&format!(" AND ({only})"));
        }
        sql.push(&format!(" LIMIT {ROWS_MAX})"));
        Some(sql)
    };
    table.schema.indexes.iter().filter_map(one).collect()
}
