//! How does a condition become SQL? What a client sent is always a bound value; the text holds names of ours only.

use std::borrow::Cow;

use parsimony_model::query::matches::{self, column as column_form, in_column};
use parsimony_model::query::{Constraint, Filter, Order, Pattern};
use parsimony_model::schema::FieldType;
use parsimony_model::{ClassName, Value};
use parsimony_store::{Scope, Selection, StoreError};
use rusqlite::types::Value as SqlValue;

use crate::functions::{self, GRANTED, INSIDE, MATCHES, SORT_KEY};
use crate::inside;
use crate::patterns::{self, Patterns};
use crate::sql::{Sql, quote};
use crate::tables::{Table, Tables};
use crate::values::to_sql;

/// More parts than this are put in nested brackets: SQLite bounds the depth of `a OR b OR c`.
const PARTS_MAX: usize = 100;

/// Where a path leads.
pub(crate) enum Place<'a> {
    /// A column that holds values of one type.
    Column { column: &'a str, kind: &'a FieldType, field: &'a str },
    /// What is inside a column of JSON. The field's name is there if the path is all of the column.
    Inside { column: &'a str, path: Vec<&'a str>, field: Option<&'a str> },
    /// Nowhere: no object has it.
    Nowhere,
}

/// Writes conditions on one class.
pub(crate) struct Writer<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) table: &'a Table,
    pub(crate) patterns: &'a Patterns,
}

/// What follows the `FROM` of a find: the condition, and before it the rows of a relation whose members are asked for.
///
/// Joined, they are read one by one until enough is found; as a condition, SQLite would gather all of them first.
pub(crate) fn source(writer: &Writer<'_>, selection: &Selection) -> Result<Sql, StoreError> {
    let Some((relatives, besides)) = selection.members() else { return condition(writer, selection) };
    let join = writer.tables.join(relatives.owner.class.as_str(), relatives.field.as_str());
    let Some(join) = join else { return condition(writer, selection) };
    // No column of a class has a dot in its name.
    let mut sql =
        Sql::new(format!(" JOIN (SELECT \"relatedId\" AS \"member.id\" FROM {} WHERE \"owningId\"=", quote(join)));
    sql.bind(SqlValue::Text(relatives.owner.id.as_str().to_owned()));
    sql.push(") ON \"member.id\"=\"objectId\"");
    sql.append(condition_of(writer, &besides, &selection.scope)?);
    Ok(sql)
}

/// ` WHERE …`, for the filter and the scope of a selection.
pub(crate) fn condition(writer: &Writer<'_>, selection: &Selection) -> Result<Sql, StoreError> {
    condition_of(writer, &selection.filter, &selection.scope)
}

fn condition_of(writer: &Writer<'_>, filter: &Filter, scope: &Scope) -> Result<Sql, StoreError> {
    let mut sql = Sql::new(" WHERE ");
    writer.filter(filter, &mut sql)?;
    let (column, grants) = match scope {
        Scope::Everything => return Ok(sql),
        Scope::ReadableBy(grants) => ("\"_rperm\"", grants),
        Scope::WritableBy(grants) => ("\"_wperm\"", grants),
    };
    let grants = SqlValue::Text(serde_json::to_string(grants).unwrap_or_default());
    sql.push(&format!(" AND ({column} IS NULL OR {GRANTED}({column},")).bind(grants).push("))");
    Ok(sql)
}

/// ` ORDER BY … LIMIT … OFFSET …`.
pub(crate) fn order_and_range(writer: &Writer<'_>, selection: &Selection) -> Sql {
    let mut sql = Sql::default();
    for key in &selection.order {
        writer.order_key(key, &selection.filter, &mut sql);
    }
    if selection.order.is_empty() {
        writer.nearest_first(&selection.filter, &mut sql);
    }
    if selection.limit.is_some() || selection.skip > 0 {
        let number = |number: u64| SqlValue::Integer(i64::try_from(number).unwrap_or(i64::MAX));
        // SQLite: a negative limit is none.
        let limit = selection.limit.map_or(SqlValue::Integer(-1), number);
        sql.push(" LIMIT ").bind(limit).push(" OFFSET ").bind(number(selection.skip));
    }
    sql
}

impl Writer<'_> {
    fn filter(&self, filter: &Filter, sql: &mut Sql) -> Result<(), StoreError> {
        match filter {
            Filter::And(parts) if parts.is_empty() => drop(sql.push("1")),
            Filter::Or(parts) if parts.is_empty() => drop(sql.push("0")),
            Filter::And(parts) => {
                // SQLite asks in this order, and a search costs more than most other questions.
                let (mut quick, searches): (Vec<&Filter>, Vec<&Filter>) =
                    parts.iter().partition(|part| !is_search(part));
                quick.extend(searches);
                self.parts(&quick, " AND ", sql)?;
            }
            Filter::Or(parts) => self.parts(&parts.iter().collect::<Vec<_>>(), " OR ", sql)?,
            Filter::Nor(parts) if parts.is_empty() => drop(sql.push("1")),
            Filter::Nor(parts) => {
                sql.push("(");
                self.parts(&parts.iter().collect::<Vec<_>>(), " OR ", sql)?;
                // A comparison with NULL is neither true nor false; here it counts as not true.
                sql.push(" IS NOT TRUE)");
            }
            Filter::Field(path, Constraint::Text(search)) => self.is_said(path, search, sql),
            Filter::Field(path, constraint) => match self.place(path) {
                Place::Column { column, kind, field } => self.on_column((column, kind, field), constraint, sql)?,
                Place::Inside { column, path, field } => self.on_inside((column, &path, field), constraint, sql)?,
                Place::Nowhere => {
                    let compile = |pattern: &_| self.patterns.get(&patterns::key(pattern));
                    let condition = matches::Condition::new(&[], constraint, compile)?;
                    let met = condition.ok_or_else(|| refusal(constraint))?.is_met(None);
                    sql.push(if met { "1" } else { "0" });
                }
            },
            Filter::RelatedTo(relatives) => {
                match self.tables.join(relatives.owner.class.as_str(), relatives.field.as_str()) {
                    Some(join) => {
                        sql.push(&format!(
                            "\"objectId\" IN (SELECT \"relatedId\" FROM {} WHERE \"owningId\"=",
                            quote(join)
                        ));
                        sql.bind(SqlValue::Text(relatives.owner.id.as_str().to_owned())).push(")");
                    }
                    None => drop(sql.push("0")),
                }
            }
            Filter::Relates { field, members } => match self.table.joins.get(field.as_str()) {
                Some(join) => {
                    let members = members.iter().map(|id| SqlValue::Text(id.as_str().to_owned())).collect();
                    sql.push(&format!(
                        "\"objectId\" IN (SELECT \"owningId\" FROM {} WHERE \"relatedId\" IN ",
                        quote(join)
                    ));
                    sql.bind_list(members).push(")");
                }
                None => drop(sql.push("0")),
            },
        }
        Ok(())
    }

    fn parts(&self, parts: &[&Filter], separator: &str, sql: &mut Sql) -> Result<(), StoreError> {
        sql.push("(");
        if parts.len() > PARTS_MAX {
            let (first, second) = parts.split_at(parts.len() / 2);
            self.parts(first, separator, sql)?;
            sql.push(separator);
            self.parts(second, separator, sql)?;
        } else {
            for (place, part) in parts.iter().enumerate() {
                if place > 0 {
                    sql.push(separator);
                }
                self.filter(part, sql)?;
            }
        }
        sql.push(")");
        Ok(())
    }

    /// Where a path leads.
    pub(crate) fn place<'p>(&'p self, path: &'p str) -> Place<'p> {
        let (field, below) = path.split_once('.').map_or((path, None), |(field, below)| (field, Some(below)));
        let inside = |column, field| {
            let path = below.map(|below| below.split('.').collect()).unwrap_or_default();
            Place::Inside { column, path, field: below.is_none().then_some(field) }
        };
        match field {
            "objectId" if below.is_none() => Place::Column { column: "\"objectId\"", kind: &FieldType::String, field },
            "createdAt" if below.is_none() => Place::Column { column: "\"createdAt\"", kind: &FieldType::Date, field },
            "updatedAt" if below.is_none() => Place::Column { column: "\"updatedAt\"", kind: &FieldType::Date, field },
            "_rperm" => inside("\"_rperm\"", field),
            "_wperm" => inside("\"_wperm\"", field),
            _ if field.starts_with('_') => {
                Place::Inside { column: "\"_internal\"", path: path.split('.').collect(), field: None }
            }
            _ => match self.table.columns.get(field) {
                Some(column) => match &column.kind {
                    FieldType::Array | FieldType::Object => inside(&column.quoted, field),
                    FieldType::GeoPoint | FieldType::Polygon if below.is_some() => inside(&column.quoted, field),
                    kind if below.is_none() => Place::Column { column: &column.quoted, kind, field },
                    _ => Place::Nowhere,
                },
                None => Place::Nowhere,
            },
        }
    }

    fn on_column(
        &self,
        (column, kind, field): (&str, &FieldType, &str),
        constraint: &Constraint,
        sql: &mut Sql,
    ) -> Result<(), StoreError> {
        if matches!(kind, FieldType::GeoPoint | FieldType::Polygon) && !is_simple(constraint) {
            return self.on_inside((column, &[], Some(field)), constraint, sql);
        }
        match constraint {
            Constraint::Equals(Value::Null) => drop(sql.push(column).push(" IS NULL")),
            Constraint::NotEquals(Value::Null) => drop(sql.push(column).push(" IS NOT NULL")),
            Constraint::Equals(value) => compare(column, "=", operand(kind, value), sql),
            Constraint::NotEquals(value) => match operand(kind, value) {
                Some(value) => drop(sql.push(column).push(" IS NOT ").bind(value)),
                None => drop(sql.push("1")),
            },
            Constraint::Less(value) => compare_order((column, kind), "<", value, sql),
            Constraint::Greater(value) => compare_order((column, kind), ">", value, sql),
            // MongoDB: null is at most null.
            Constraint::LessOrEqual(Value::Null) | Constraint::GreaterOrEqual(Value::Null) => {
                sql.push(column).push(" IS NULL");
            }
            Constraint::LessOrEqual(value) => compare_order((column, kind), "<=", value, sql),
            Constraint::GreaterOrEqual(value) => compare_order((column, kind), ">=", value, sql),
            Constraint::In(values) => is_in((column, kind), values, sql),
            Constraint::NotIn(values) => is_not_in((column, kind), values, sql),
            Constraint::All(values) if values.is_empty() => drop(sql.push("0")),
            Constraint::All(values) => {
                // Parse: here a pointer or a file is one that is inside a list, which no column but a list holds.
                let each = values.iter().map(|value| match column_form(value) {
                    Cow::Borrowed(value) => Filter::equals(field, value.clone()),
                    Cow::Owned(_) => Filter::nothing(),
                });
                let each: Vec<Filter> = each.collect();
                self.parts(&each.iter().collect::<Vec<_>>(), " AND ", sql)?;
            }
            // MongoDB: only a list can hold something else.
            Constraint::ContainedBy(_) => drop(sql.push("1")),
            Constraint::Exists(there) => exists((column, field), *there, sql),
            Constraint::Matches(pattern) => self.is_match((column, kind), pattern, sql)?,
            Constraint::SameText(_) if *kind != FieldType::String => drop(sql.push("0")),
            Constraint::SameText(text) => {
                sql.push(&functions::without_case(column)).push("=").bind(SqlValue::Text(text.to_lowercase()));
            }
            Constraint::AllMatch(all) => {
                sql.push("(1");
                for pattern in all {
                    sql.push(" AND ");
                    self.is_match((column, kind), pattern, sql)?;
                }
                sql.push(")");
            }
            Constraint::Near { .. }
            | Constraint::WithinBox { .. }
            | Constraint::WithinPolygon(_)
            | Constraint::WithinSphere { .. }
            | Constraint::Intersects(_) => self.is_somewhere((column, kind, field), constraint, sql),
            Constraint::Text(_) | Constraint::InQuery(..) | Constraint::Select(..) => return Err(refusal(constraint)),
        }
        Ok(())
    }

    /// A condition as it can stand in the text of an index: without values to bind, and on columns alone. `None` for others.
    pub(crate) fn in_schema(&self, filter: &Filter) -> Result<Option<String>, StoreError> {
        if !self.is_on_columns(filter) {
            return Ok(None);
        }
        let mut sql = Sql::default();
        self.filter(filter, &mut sql)?;
        Ok(sql.with_values())
    }

    fn is_on_columns(&self, filter: &Filter) -> bool {
        match filter {
            Filter::And(parts) | Filter::Or(parts) | Filter::Nor(parts) => {
                parts.iter().all(|part| self.is_on_columns(part))
            }
            Filter::Field(path, _) => matches!(self.place(path), Place::Column { .. }),
            Filter::RelatedTo(_) | Filter::Relates { .. } => false,
        }
    }

    fn is_match(&self, (column, kind): (&str, &FieldType), pattern: &Pattern, sql: &mut Sql) -> Result<(), StoreError> {
        let key = self.patterns.check(pattern)?;
        match kind {
            FieldType::String | FieldType::File => {}
            FieldType::Pointer(class) => {
                sql.push(&format!("{MATCHES}("));
                pointer_text(column, class, sql);
                sql.push(",").bind(SqlValue::Text(key)).push(")");
                return Ok(());
            }
            _ => {
                sql.push("0");
                return Ok(());
            }
        }
        sql.push("(");
        if let Some(start) = patterns::literal_start(pattern) {
            // A range can use an index.
            sql.push(column).push(">=").bind(SqlValue::Text(start.to_owned())).push(" AND ");
            if let Some(end) = after(start) {
                sql.push(column).push("<").bind(SqlValue::Text(end)).push(" AND ");
            }
        }
        sql.push(&format!("{MATCHES}({column},")).bind(SqlValue::Text(key)).push("))");
        Ok(())
    }

    fn on_inside(
        &self,
        (column, path, field): (&str, &[&str], Option<&str>),
        constraint: &Constraint,
        sql: &mut Sql,
    ) -> Result<(), StoreError> {
        if let (Constraint::Exists(there), Some(field)) = (constraint, field) {
            exists((column, field), *there, sql);
            return Ok(());
        }
        let is_list =
            self.table.columns.get(field.unwrap_or_default()).is_none_or(|column| column.kind == FieldType::Array);
        let constraint = if path.is_empty() && !is_list { in_column(constraint) } else { Cow::Borrowed(constraint) };
        let condition = SqlValue::Text(encode(path, &constraint, self.patterns)?);
        sql.push("(");
        if let Constraint::Equals(Value::String(text)) = &*constraint
            && let Some(expression) = self.indexed(column, path)
        {
            // The index holds lists as text that begins with a bracket; the condition proper looks into those.
            sql.push(&format!("({expression}=")).bind(SqlValue::Text(text.clone()));
            sql.push(&format!(" OR ({expression}>='[' AND {expression}<'\\')) AND "));
        }
        sql.push(&format!("{INSIDE}({column},")).bind(condition).push("))");
        Ok(())
    }

    /// The expression of the index on a path, if there is one.
    fn indexed(&self, column: &str, path: &[&str]) -> Option<&str> {
        if self.table.indexed_paths.is_empty() || path.is_empty() {
            return None;
        }
        let owner =
            self.table.columns.iter().find(|(_, known)| known.quoted == column).map(|(field, _)| field.as_str());
        let path = path.join(".");
        let path = owner.map_or_else(|| path.clone(), |field| format!("{field}.{path}"));
        self.table.indexed_paths.get(&path).map(String::as_str)
    }

    fn order_key(&self, key: &Order, filter: &Filter, sql: &mut Sql) {
        let separator = if sql.text.is_empty() { " ORDER BY " } else { "," };
        if key.is_by_score() {
            // Without a search there is no score, so all are equal in it.
            if let Some(score) = self.score(filter) {
                sql.push(separator).append(score).push(" DESC");
            }
            return;
        }
        let direction = if key.descending { " DESC" } else { "" };
        let mut by_sort_key = |column: &str, path: &[&str]| {
            let path = SqlValue::Text(serde_json::to_string(path).unwrap_or_default());
            sql.push(separator).push(&format!("{SORT_KEY}({column},")).bind(path);
            sql.push(if key.descending { ",1)" } else { ",0)" }).push(direction);
        };
        match self.place(&key.path) {
            Place::Column { column, kind: FieldType::GeoPoint | FieldType::Polygon, .. } => by_sort_key(column, &[]),
            Place::Column { column, kind, .. } => {
                // MongoDB: the shorter bytes come first.
                if *kind == FieldType::Bytes {
                    sql.push(separator).push(&format!("length({column})")).push(direction);
                    sql.push(",");
                } else {
                    sql.push(separator);
                }
                sql.push(column).push(direction);
            }
            Place::Inside { column, path, .. } => by_sort_key(column, &path),
            // All objects are equal in what none has.
            Place::Nowhere => {}
        }
    }

    /// What a selection's distinct values come from: a column of a type, or a column of JSON and a path in it.
    pub(crate) fn source(&self, path: &str) -> Option<(String, Source)> {
        match self.place(path) {
            Place::Column { column, kind, .. } => Some((column.to_owned(), Source::Typed(kind.clone()))),
            Place::Inside { column, path, .. } => {
                Some((column.to_owned(), Source::Json(path.iter().map(|part| (*part).to_owned()).collect())))
            }
            Place::Nowhere => None,
        }
    }
}

/// How a column's values are read.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// As values of a type.
    Typed(FieldType),
    /// As what is at a path in JSON.
    Json(Vec<String>),
}

/// Whether a condition is a search by place or by text.
fn is_search(filter: &Filter) -> bool {
    match filter {
        Filter::Field(_, Constraint::Text(_)) => true,
        Filter::Field(_, constraint) => constraint.is_about_places(),
        _ => false,
    }
}

fn encode(path: &[&str], constraint: &Constraint, patterns: &Patterns) -> Result<String, StoreError> {
    inside::encode(path, constraint, patterns)?.ok_or_else(|| refusal(constraint))
}

fn refusal(constraint: &Constraint) -> StoreError {
    match constraint {
        Constraint::InQuery(..) | Constraint::Select(..) => {
            StoreError::InvalidQuery("A subquery was not answered.".to_owned())
        }
        Constraint::SameText(_) => StoreError::Unfit("Only a text field is compared without its case.".to_owned()),
        _ => StoreError::InvalidQuery("Only a field of places or areas is somewhere.".to_owned()),
    }
}

/// Whether a column of places or areas can be asked it as any other column.
fn is_simple(constraint: &Constraint) -> bool {
    match constraint {
        Constraint::Equals(value) | Constraint::NotEquals(value) => value.is_null(),
        Constraint::Exists(_) | Constraint::Text(_) | Constraint::SameText(_) => true,
        other => other.is_about_places(),
    }
}

/// What a column of this type can be equal to.
fn operand(kind: &FieldType, value: &Value) -> Option<SqlValue> {
    match (kind, column_form(value).as_ref()) {
        // Parse: a file is its name, and a pointer in a column is text too.
        (FieldType::String | FieldType::File, Value::String(text)) => Some(SqlValue::Text(text.clone())),
        (FieldType::Pointer(class), Value::String(text)) => {
            let id = text.strip_prefix(class.as_str())?.strip_prefix('$')?;
            Some(SqlValue::Text(id.to_owned()))
        }
        _ => to_sql(kind, value),
    }
}

/// The text that a pointer is in a column of MongoDB's.
fn pointer_text(column: &str, class: &ClassName, sql: &mut Sql) {
    sql.push("(").bind(SqlValue::Text(format!("{class}$"))).push(&format!("||{column})"));
}

fn compare_order((column, kind): (&str, &FieldType), operator: &str, value: &Value, sql: &mut Sql) {
    match (kind, column_form(value).as_ref(), operand(kind, value)) {
        (FieldType::Pointer(class), Value::String(text), None) => {
            pointer_text(column, class, sql);
            sql.push(operator).bind(SqlValue::Text(text.clone()));
        }
        // MongoDB: the shorter bytes are less.
        (FieldType::Bytes, Value::Bytes(bytes), Some(value)) => {
            let length = SqlValue::Integer(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
            sql.push(&format!("(length({column}),{column}){operator}(")).bind(length).push(",").bind(value).push(")");
        }
        (.., operand) => compare(column, operator, operand, sql),
    }
}

/// Present, or `null`: the names of fields that are `null` are in a column of their own.
fn exists((column, field): (&str, &str), there: bool, sql: &mut Sql) {
    // Inside the quotes of JSON, a plain name cannot be a part of another.
    let name = SqlValue::Text(format!("\"{field}\""));
    let null = "\"_nulls\" IS NOT NULL AND instr(\"_nulls\",";
    if there {
        sql.push(&format!("({column} IS NOT NULL OR ({null}")).bind(name).push(")>0))");
    } else {
        sql.push(&format!("({column} IS NULL AND NOT ({null}")).bind(name).push(")>0))");
    }
}

fn compare(column: &str, operator: &str, operand: Option<SqlValue>, sql: &mut Sql) {
    match operand {
        Some(value) => drop(sql.push(column).push(operator).bind(value)),
        // MongoDB: a value of another type is neither equal, nor less, nor greater.
        None => drop(sql.push("0")),
    }
}

fn is_in((column, kind): (&str, &FieldType), values: &[Value], sql: &mut Sql) {
    let mut fitting: Vec<SqlValue> = values.iter().filter_map(|value| operand(kind, value)).collect();
    let null = values.iter().any(Value::is_null);
    sql.push("(");
    if null {
        sql.push(column).push(" IS NULL OR ");
    }
    match fitting.pop() {
        None => drop(sql.push("0")),
        Some(only) if fitting.is_empty() => drop(sql.push(column).push("=").bind(only)),
        Some(last) => {
            fitting.push(last);
            sql.push(column).push(" IN ").bind_list(fitting);
        }
    }
    sql.push(")");
}

fn is_not_in((column, kind): (&str, &FieldType), values: &[Value], sql: &mut Sql) {
    let fitting: Vec<SqlValue> = values.iter().filter_map(|value| operand(kind, value)).collect();
    let null = values.iter().any(Value::is_null);
    sql.push("(");
    match (fitting.is_empty(), null) {
        (true, true) => drop(sql.push(column).push(" IS NOT NULL")),
        (true, false) => drop(sql.push("1")),
        // NULL is not "not in" anything, which is right here.
        (false, true) => drop(sql.push(column).push(" NOT IN ").bind_list(fitting)),
        (false, false) => {
            sql.push(column).push(" IS NULL OR ").push(column).push(" NOT IN ").bind_list(fitting);
        }
    }
    sql.push(")");
}

/// The least text that is greater than every text with this start; `None` if there is none.
fn after(start: &str) -> Option<String> {
    let mut chars: Vec<char> = start.chars().collect();
    while let Some(last) = chars.pop() {
        // The numbers of characters have a gap, which the text cannot hold.
        let next = (u32::from(last) + 1..=0x10_FFFF).find_map(char::from_u32);
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
