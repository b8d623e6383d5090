//! What does a pipeline give? `model::aggregate` runs it; the rows come from here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parsimony_model::aggregate::{Datum, Document, Failure, Flow, Pipeline, Prepared, Run, Source, Take, layout};
use parsimony_model::{Date, Object};
use parsimony_store::{Selection, StoreError};
use rusqlite::Connection;
use rusqlite::types::Value as SqlValue;

use crate::error::store_error;
use crate::filter::{self, Writer};
use crate::hints::{self, Hinted};
use crate::objects::Shared;
use crate::open::Limits;
use crate::rows::Shape;
use crate::sql::{Param, bind, quote};
use crate::tables::{Table, Tables};

/// A pipeline, ready to run.
#[derive(Debug)]
pub(crate) struct Aggregate {
    rows: Rows,
    pipeline: Prepared,
    tables: Arc<Tables>,
    limits: Limits,
    prefix: String,
}

/// A statement that gives objects.
#[derive(Debug)]
struct Rows {
    text: Hinted,
    params: Vec<Param>,
    shape: Shape,
}

impl Aggregate {
    /// Plans it. `None` if the class is not there, so that there are no rows.
    pub(crate) fn plan(
        shared: &Shared,
        selection: &Selection,
        pipeline: &Pipeline,
    ) -> Result<Option<Self>, StoreError> {
        let (tables, patterns, limits) = (shared.tables.load_full(), &shared.patterns, shared.limits.clone());
        let prefix = shared.prefix.clone();
        let Some(table) = tables.get(selection.class.name.as_str()) else { return Ok(None) };
        let pipeline = pipeline.prepared(&selection.class).map_err(|failure| refusal(failure, &limits))?;
        let mut leading = selection.clone().ordered(pipeline.order.clone()).range(pipeline.skip, pipeline.limit);
        leading.filter = leading.filter.and(pipeline.filter.clone());
        let mut shape = Shape::only(table, &pipeline.keys);
        let writer = Writer { tables: &tables, table, patterns };
        let hint = hints::clause(table, &leading)?;
        let mut rest = filter::condition(&writer, &leading)?;
        rest.append(filter::order_and_range(&writer, &leading));
        let (text, params) = Hinted::new(shape.select(None), hint.as_deref(), rest);
        Ok(Some(Self { rows: Rows { text, params, shape }, pipeline, tables, limits, prefix }))
    }

    /// The statement that gives it rows, and its values.
    pub(crate) fn statement(&self) -> (Hinted, &[Param]) {
        (self.rows.text.clone(), &self.rows.params)
    }

    /// What it gives.
    pub(crate) fn run(&self, connection: &Connection) -> Result<Vec<Document>, StoreError> {
        let end = Instant::now() + Duration::from_millis(self.limits.pipeline_millis_max);
        let is_late = || Instant::now() > end;
        let (now, chance) = now_and_chance(connection)?;
        let run = Run::new(now, chance, self.limits.pipeline_bytes_max, &is_late);
        let mut collections = Collections { connection, tables: &self.tables, prefix: &self.prefix };
        let mut rows = |take: &mut Take<'_>| self.rows.each(connection, &mut |object| take(layout::row(object)));
        self.pipeline.run(&mut rows, &mut collections, &run).map_err(|failure| refusal(failure, &self.limits))
    }
}

fn refusal(failure: Failure, limits: &Limits) -> StoreError {
    match failure {
        Failure::Refused(text) => StoreError::InvalidQuery(text),
        Failure::OnlyMongo(what) => StoreError::Unsupported(format!("The embedded store has no {what}.")),
        Failure::TooLarge => StoreError::InvalidQuery(format!(
            "The pipeline needs more memory than it may have: {} MiB.",
            limits.pipeline_bytes_max >> 20
        )),
        Failure::TooSlow => StoreError::Timeout,
        Failure::Source(cause) => match cause.downcast::<StoreError>() {
            Ok(cause) => *cause,
            Err(cause) => StoreError::unavailable(cause),
        },
    }
}

/// The time, and a number that nobody knows before. Time and chance come from SQLite: the store has no clock of its own.
fn now_and_chance(connection: &Connection) -> Result<(Date, u64), StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT CAST(unixepoch('subsec')*1000 AS INTEGER),random()").map_err(store_error)?;
    let both: (i64, i64) = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(store_error)?;
    Ok((Date::from_millis(both.0), both.1.cast_unsigned()))
}

fn source(error: StoreError) -> Failure {
    Failure::Source(Box::new(error))
}

impl Rows {
    fn each(
        &self,
        connection: &Connection,
        take: &mut dyn FnMut(Object) -> Result<Flow, Failure>,
    ) -> Result<(), Failure> {
        let failed = |error| source(store_error(error));
        let mut statement = self.text.prepare(connection).map_err(source)?;
        bind(&mut statement, &self.params).map_err(source)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(failed)? {
            if take(self.shape.object(row).map_err(source)?)? == Flow::Enough {
                break;
            }
        }
        Ok(())
    }
}

/// The collections as they would be called in MongoDB.
struct Collections<'c> {
    connection: &'c Connection,
    tables: &'c Tables,
    prefix: &'c str,
}

impl Collections<'_> {
    fn objects(&self, table: &Arc<Table>, id: Option<&str>, take: &mut Take<'_>) -> Result<(), Failure> {
        let (text, params) = match id {
            None => (&table.select, Vec::new()),
            Some(id) => (&table.select_by_id, vec![Param::One(SqlValue::Text(id.to_owned()))]),
        };
        let text = Hinted { text: text.to_string(), otherwise: None };
        let rows = Rows { text, params, shape: Shape::whole(table) };
        rows.each(self.connection, &mut |object| take(layout::row(object)))
    }

    /// The rows of a relation.
    fn members(&self, table: &str, take: &mut dyn FnMut(Document) -> Result<Flow, Failure>) -> Result<(), Failure> {
        let failed = |error| source(store_error(error));
        let text = format!("SELECT \"relatedId\",\"owningId\" FROM {}", quote(table));
        let mut statement = self.connection.prepare_cached(&text).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let id = |place: usize| row.get(place).map(Datum::String).map_err(failed);
            let document = [("relatedId", id(0)?), ("owningId", id(1)?)];
            if take(document.into_iter().map(|(key, datum)| (key.into(), datum)).collect())? == Flow::Enough {
                break;
            }
        }
        Ok(())
    }
}

impl Source for Collections<'_> {
    fn each(&mut self, collection: &str, id: Option<&str>, take: &mut Take<'_>) -> Result<(), Failure> {
        let collection = collection.strip_prefix(self.prefix).unwrap_or(collection);
        if let Some(table) = self.tables.get(collection) {
            return self.objects(table, id, take);
        }
        let relation = collection.strip_prefix("_Join:").and_then(|rest| rest.rsplit_once(':'));
        match relation.and_then(|(field, class)| self.tables.join(class, field)) {
            // Its rows have no ids that anybody knows.
            Some(table) if id.is_none() => self.members(table, take),
            _ => Ok(()),
        }
    }
}
