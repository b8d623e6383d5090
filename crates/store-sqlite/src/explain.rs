//! How would SQLite answer? Its plan, told as MongoDB tells its own: the names of the stages, the index, what it cost.

use std::time::Instant;

use parsimony_model::aggregate::{Datum, Document, Pipeline, datum};
use parsimony_model::query::Verbosity;
use parsimony_store::{Selection, StoreError};
use rusqlite::Connection;

use crate::aggregate::Aggregate;
use crate::error::store_error;
use crate::find::Find;
use crate::hints::ID_INDEX;
use crate::objects::Shared;
use crate::sql::bind;
use crate::tables::Table;

/// What is explained.
#[derive(Debug)]
enum Question {
    Find(Find),
    Aggregate(Box<Aggregate>),
}

/// A question for a plan, ready to run.
#[derive(Debug)]
pub(crate) struct Explain {
    /// `None` if the class is not there.
    question: Option<Question>,
    /// Names in the file and of the class, with the keys, of each index.
    indexes: Vec<(String, String, Document)>,
    namespace: String,
    /// The stages around the reading of rows, the outermost first.
    around: Vec<Document>,
    command: Document,
    verbosity: Verbosity,
}

fn text(text: &str) -> Datum {
    Datum::String(text.to_owned())
}

fn document<const N: usize>(fields: [(&str, Datum); N]) -> Document {
    fields.into_iter().map(|(key, datum)| (key.into(), datum)).collect()
}

impl Explain {
    /// Plans what is to be explained.
    pub(crate) fn plan(
        shared: &Shared,
        selection: &Selection,
        pipeline: Option<&Pipeline>,
        verbosity: Verbosity,
    ) -> Result<Self, StoreError> {
        let (tables, patterns) = (shared.tables.load_full(), &shared.patterns);
        let class = selection.class.name.as_str();
        let indexes = tables.get(class).map(|table| indexes(table)).unwrap_or_default();
        let (question, command) = match pipeline {
            None => {
                let command = document([("find", text(class))]);
                (Find::plan(&tables, patterns, selection)?.map(Question::Find), command)
            }
            Some(pipeline) => {
                let stages = pipeline.documents().iter().cloned().map(Datum::Document).collect();
                let command = document([("aggregate", text(class)), ("pipeline", Datum::Array(stages))]);
                let plan = Aggregate::plan(shared, selection, pipeline)?;
                (plan.map(|plan| Question::Aggregate(Box::new(plan))), command)
            }
        };
        let around = if pipeline.is_none() { around(selection) } else { Vec::new() };
        Ok(Self { question, indexes, namespace: class.to_owned(), around, command, verbosity })
    }

    /// The plan.
    pub(crate) fn run(&self, connection: &Connection) -> Result<Document, StoreError> {
        let details = self.details(connection)?;
        let mut winning = self.stage(&details);
        for around in self.around.iter().rev() {
            let mut outer = around.clone();
            outer.insert("inputStage".into(), Datum::Document(winning));
            winning = outer;
        }
        let planner = document([
            ("namespace", text(&self.namespace)),
            ("winningPlan", Datum::Document(winning)),
            ("rejectedPlans", Datum::Array(Vec::new())),
            ("details", Datum::Array(details.into_iter().map(Datum::String).collect())),
        ]);
        let mut plan = document([("explainVersion", text("1")), ("queryPlanner", Datum::Document(planner))]);
        if self.verbosity != Verbosity::QueryPlanner {
            plan.insert("executionStats".into(), Datum::Document(self.stats(connection)?));
        }
        let server = document([("store", text("SQLite")), ("version", text(rusqlite::version()))]);
        plan.insert("command".into(), Datum::Document(self.command.clone()));
        plan.insert("serverInfo".into(), Datum::Document(server));
        plan.insert("ok".into(), Datum::Int(1));
        Ok(plan)
    }

    /// What SQLite says that it will do, line by line.
    fn details(&self, connection: &Connection) -> Result<Vec<String>, StoreError> {
        let (statement, params) = match &self.question {
            None => return Ok(Vec::new()),
            Some(Question::Find(find)) => find.statement(),
            Some(Question::Aggregate(aggregate)) => aggregate.statement(),
        };
        let explained = statement.prefixed("EXPLAIN QUERY PLAN ");
        let mut statement = explained.prepare(connection)?;
        bind(&mut statement, params)?;
        let mut rows = statement.raw_query();
        let mut details = Vec::new();
        while let Some(row) = rows.next().map_err(store_error)? {
            details.push(row.get(3).map_err(store_error)?);
        }
        Ok(details)
    }

    /// How rows are read, and whether they are sorted afterwards.
    fn stage(&self, details: &[String]) -> Document {
        let Some(reading) = details.iter().find(|line| line.starts_with("SCAN") || line.starts_with("SEARCH")) else {
            return document([("stage", text("EOF"))]);
        };
        let index = reading.split_once(" INDEX ").map(|(_, rest)| rest.split(" (").next().unwrap_or(rest));
        let stage = match index {
            None if reading.starts_with("SCAN") => {
                document([("stage", text("COLLSCAN")), ("direction", text("forward"))])
            }
            None => document([("stage", text("OTHER")), ("detail", text(reading))]),
            Some(name) => {
                let known = self.indexes.iter().find(|(file, ..)| file == name.trim());
                let mut scan = document([("stage", text("IXSCAN"))]);
                if let Some((_, name, keys)) = known {
                    scan.insert("keyPattern".into(), Datum::Document(keys.clone()));
                    scan.insert("indexName".into(), text(name));
                }
                document([("stage", text("FETCH")), ("inputStage", Datum::Document(scan))])
            }
        };
        let sorts =
            details.iter().any(|line| line.contains("B-TREE FOR ORDER BY") || line.contains("TERM OF ORDER BY"));
        if sorts { document([("stage", text("SORT")), ("inputStage", Datum::Document(stage))]) } else { stage }
    }

    fn stats(&self, connection: &Connection) -> Result<Document, StoreError> {
        let start = Instant::now();
        let returned = match &self.question {
            None => 0,
            Some(Question::Find(find)) => find.run(connection)?.len(),
            Some(Question::Aggregate(aggregate)) => aggregate.run(connection)?.len(),
        };
        let whole = |number: u128| Datum::whole(i64::try_from(number).unwrap_or(i64::MAX));
        Ok(document([
            ("executionSuccess", Datum::Bool(true)),
            ("nReturned", whole(returned as u128)),
            ("executionTimeMillis", whole(start.elapsed().as_millis())),
        ]))
    }
}

/// The stages around the reading of rows that a selection asks for.
fn around(selection: &Selection) -> Vec<Document> {
    let number = |number: u64| Datum::whole(i64::try_from(number).unwrap_or(i64::MAX));
    let limit = selection.limit.map(|limit| document([("stage", text("LIMIT")), ("limitAmount", number(limit))]));
    let skip =
        (selection.skip > 0).then(|| document([("stage", text("SKIP")), ("skipAmount", number(selection.skip))]));
    limit.into_iter().chain(skip).collect()
}

fn indexes(table: &Table) -> Vec<(String, String, Document)> {
    let own = table.indexes.iter().flat_map(|(name, built)| {
        let keys = table.schema.indexes.get(name).map(|index| index.keys.clone()).unwrap_or_default();
        let keys = datum::document(keys.into_iter().collect());
        std::iter::once(&built.name)
            .chain(&built.missing)
            .map(move |file| (file.clone(), name.to_string(), keys.clone()))
    });
    let id = format!("sqlite_autoindex_{}_1", table.name);
    let keys = document([("_id", Datum::Int(1))]);
    own.chain([(id, ID_INDEX.to_owned(), keys)]).collect()
}
