//! Finding, counting and distinct values: planned where the question is asked, run on the thread of a connection.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use parsimony_model::aggregate::Datum;
use parsimony_model::value::json;
use parsimony_model::{Object, Value};
use parsimony_store::{Scope, Selection, StoreError};
use rusqlite::types::Value as SqlValue;
use rusqlite::{CachedStatement, Connection};

use crate::error::store_error;
use crate::filter::{self, Source, Writer};
use crate::hints::{self, Hinted};
use crate::inside;
use crate::patterns::Patterns;
use crate::rows::{self, Shape};
use crate::sql::{Param, Sql, bind, quote};
use crate::streams::Hand;
use crate::tables::{Table, Tables};
use crate::values::from_sql;

/// The text of a statement: kept with the table, or made for the question.
#[derive(Debug)]
enum Text {
    Kept(Arc<str>),
    Made(Hinted),
}

/// A statement, ready to run.
#[derive(Debug)]
struct Step {
    text: Text,
    params: Vec<Param>,
}

impl Step {
    fn prepare<'c>(&self, connection: &'c Connection) -> Result<CachedStatement<'c>, StoreError> {
        match &self.text {
            Text::Kept(text) => connection.prepare_cached(text).map_err(store_error),
            Text::Made(made) => made.prepare(connection),
        }
    }

    fn run(&self, connection: &Connection, shape: &Shape) -> Result<Vec<Object>, StoreError> {
        let mut statement = self.prepare(connection)?;
        bind(&mut statement, &self.params)?;
        let mut rows = statement.raw_query();
        let mut objects = Vec::new();
        while let Some(row) = rows.next().map_err(store_error)? {
            objects.push(shape.object(row)?);
        }
        Ok(objects)
    }

    fn hand_over(&self, connection: &Connection, shape: &Shape, hand: &mut Hand<Object>) -> Result<(), StoreError> {
        let mut statement = self.prepare(connection)?;
        bind(&mut statement, &self.params)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(store_error)? {
            hand.over(shape.object(row)?, rows::bytes(row))?;
        }
        Ok(())
    }
}

/// A find, ready to run.
#[derive(Debug)]
pub(crate) struct Find {
    /// Statements of which each looks further than the one before. Most finds have only the last.
    nearer: Vec<Step>,
    last: Step,
    /// As many objects are all that is wanted.
    enough: usize,
    shape: Shape,
    by_id: bool,
}

impl Find {
    /// Plans a find. `None` if the class is not there, so that nothing can be found.
    pub(crate) fn plan(
        tables: &Tables,
        patterns: &Patterns,
        selection: &Selection,
    ) -> Result<Option<Self>, StoreError> {
        let Some(table) = tables.get(selection.class.name.as_str()) else { return Ok(None) };
        let hint = hints::clause(table, selection)?;
        let is_plain = selection.keys.is_empty() && selection.skip == 0 && selection.limit != Some(0);
        if let (Some(id), Scope::Everything, true) = (selection.filter.as_id(), &selection.scope, is_plain) {
            let params = vec![Param::One(SqlValue::Text(id.to_owned()))];
            let last = Step { text: Text::Kept(Arc::clone(&table.select_by_id)), params };
            return Ok(Some(Self { nearer: Vec::new(), last, enough: 1, shape: Shape::whole(table), by_id: true }));
        }
        let mut shape = Shape::only(table, &selection.keys);
        let writer = Writer { tables, table, patterns };
        let score = if selection.score { writer.score(&selection.filter) } else { None };
        let select = shape.select(score);
        let step = |selection: &Selection| -> Result<Step, StoreError> {
            let mut rest = filter::source(&writer, selection)?;
            rest.append(filter::order_and_range(&writer, selection));
            let (made, params) = Hinted::new(select.clone(), hint.as_deref(), rest);
            Ok(Step { text: Text::Made(made), params })
        };
        let nearer = nearer(table, selection).iter().map(step).collect::<Result<_, _>>()?;
        let enough = selection.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let by_id = selection.filter.as_id().is_some();
        Ok(Some(Self { nearer, last: step(selection)?, enough, shape, by_id }))
    }

    /// Whether it finds one object at most, by its id.
    pub(crate) const fn is_by_id(&self) -> bool {
        self.by_id
    }

    /// Whether it looks only once.
    pub(crate) const fn is_one_statement(&self) -> bool {
        self.nearer.is_empty()
    }

    /// Hands over what is found by the statement that looks everywhere.
    pub(crate) fn hand_over(&self, connection: &Connection, hand: &mut Hand<Object>) -> Result<(), StoreError> {
        self.last.hand_over(connection, &self.shape, hand)
    }

    /// The text of the statement that looks everywhere, and its values.
    pub(crate) fn statement(&self) -> (Hinted, &[Param]) {
        let text = match &self.last.text {
            Text::Kept(text) => Hinted { text: text.to_string(), otherwise: None },
            Text::Made(made) => made.clone(),
        };
        (text, &self.last.params)
    }

    /// How many statements it may come to.
    #[cfg(test)]
    pub(crate) fn steps(&self) -> usize {
        self.nearer.len() + 1
    }

    /// What is found.
    pub(crate) fn run(&self, connection: &Connection) -> Result<Vec<Object>, StoreError> {
        for step in &self.nearer {
            let found = step.run(connection, &self.shape)?;
            if found.len() >= self.enough {
                return Ok(found);
            }
        }
        self.last.run(connection, &self.shape)
    }
}

/// How far the first of several searches by distance looks, in radians: about 600 m.
const FIRST_RADIANS: f64 = 1e-4;
/// How much further each looks than the one before: sixteen times the area.
const FURTHER: f64 = 4.0;
/// Those that look further than this look everywhere.
const LAST_RADIANS: f64 = 0.5;

/// Searches that look less far: if one of them finds enough, nothing that is further away has to be looked at.
fn nearer(table: &Table, selection: &Selection) -> Vec<Selection> {
    let Some((path, _, radians_max)) = selection.filter.near() else { return Vec::new() };
    if selection.limit.is_none() || !selection.order.is_empty() || !table.places.contains_key(path) {
        return Vec::new();
    }
    let furthest = radians_max.map_or(LAST_RADIANS, |radians| radians.min(LAST_RADIANS));
    let radii = std::iter::successors(Some(FIRST_RADIANS), |radians| Some(radians * FURTHER));
    let within = |radians| {
        let mut selection = selection.clone();
        selection.filter = selection.filter.within(radians);
        selection
    };
    radii.take_while(|radians| *radians < furthest).map(within).collect()
}

/// Plans a count. `None` if the class is not there.
pub(crate) fn plan_count(
    tables: &Tables,
    patterns: &Patterns,
    selection: &Selection,
) -> Result<Option<Count>, StoreError> {
    let Some(table) = tables.get(selection.class.name.as_str()) else { return Ok(None) };
    let hint = hints::clause(table, selection)?;
    let select = Sql::new(format!("SELECT count(*) FROM {}", quote(&table.name)));
    let condition = filter::condition(&Writer { tables, table, patterns }, selection)?;
    let (text, params) = Hinted::new(select, hint.as_deref(), condition);
    Ok(Some(Count { text, params }))
}

/// A count, ready to run.
#[derive(Debug)]
pub(crate) struct Count {
    text: Hinted,
    params: Vec<Param>,
}

/// Runs a count.
pub(crate) fn count(connection: &Connection, count: &Count) -> Result<u64, StoreError> {
    let mut statement = count.text.prepare(connection)?;
    bind(&mut statement, &count.params)?;
    let mut rows = statement.raw_query();
    let row = rows.next().map_err(store_error)?;
    let count: i64 = row.map_or(Ok(0), |row| row.get(0)).map_err(store_error)?;
    Ok(count.unsigned_abs())
}

/// A question for distinct values, ready to run.
#[derive(Debug)]
pub(crate) struct Distinct {
    sql: Sql,
    source: Source,
}

impl Distinct {
    /// Plans it. `None` if no object can have the field.
    pub(crate) fn plan(
        tables: &Tables,
        patterns: &Patterns,
        selection: &Selection,
        field: &str,
    ) -> Result<Option<Self>, StoreError> {
        let Some(table) = tables.get(selection.class.name.as_str()) else { return Ok(None) };
        let writer = Writer { tables, table, patterns };
        let Some((column, source)) = writer.source(field) else { return Ok(None) };
        let mut sql = Sql::new(format!("SELECT DISTINCT {column} FROM {}", quote(&table.name)));
        sql.append(filter::condition(&writer, selection)?);
        sql.push(&format!(" AND {column} IS NOT NULL"));
        Ok(Some(Self { sql, source }))
    }

    /// The values, without null.
    pub(crate) fn run(&self, connection: &Connection) -> Result<Vec<Value>, StoreError> {
        let mut statement = connection.prepare_cached(&self.sql.text).map_err(store_error)?;
        bind(&mut statement, &self.sql.params)?;
        let mut rows = statement.raw_query();
        let mut values = Vec::new();
        let mut seen = HashSet::new();
        while let Some(row) = rows.next().map_err(store_error)? {
            let value = row.get_ref(0).map_err(store_error)?;
            match &self.source {
                Source::Typed(kind) => values.extend(from_sql(kind, value)?),
                Source::Json(path) => {
                    let text = value.as_str().map_err(|error| StoreError::Corrupt(error.to_string()))?;
                    let found = inside::values(text, path)?.into_iter();
                    values.extend(found.filter(|value| !value.is_null() && seen.insert(json::write(value))));
                }
            }
        }
        // In the order in which MongoDB gives them.
        values.sort_by_cached_key(|value| InOrder(Datum::inside(value.clone())));
        Ok(values)
    }
}

/// A value, compared as MongoDB does.
#[derive(PartialEq)]
struct InOrder(Datum);

impl Eq for InOrder {}

impl PartialOrd for InOrder {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for InOrder {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.order(&other.0)
    }
}

/// Plans the finding of ids: of what a change of many changes.
pub(crate) fn plan_ids(
    tables: &Tables,
    patterns: &Patterns,
    table: &Table,
    selection: &Selection,
) -> Result<Sql, StoreError> {
    let writer = Writer { tables, table, patterns };
    let mut sql = Sql::new(format!("SELECT \"objectId\" FROM {}", quote(&table.name)));
    sql.append(filter::condition(&writer, selection)?);
    sql.append(filter::order_and_range(&writer, selection));
    Ok(sql)
}
