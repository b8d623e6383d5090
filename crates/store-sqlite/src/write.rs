//! Inserting, changing, deleting, and the members of relations: planned where it is asked for, run on the writer.

use std::sync::Arc;

use compact_str::CompactString;
use parsimony_model::schema::FieldType;
use parsimony_model::update::top;
use parsimony_model::{Map, Object, ObjectId, Op, Value};
use parsimony_store::{Change, Join, Link, Selection, StoreError};
use rusqlite::Connection;
use rusqlite::types::Value as SqlValue;

use crate::error::{store_error, write_error};
use crate::find::{Find, plan_ids};
use crate::geo::is_area;
use crate::patterns::Patterns;
use crate::rows::Shape;
use crate::sql::{Sql, bind, quote};
use crate::tables::{BASE_COLUMNS, Table, Tables};
use crate::values::{acl_to_sql, as_read, to_json, to_sql};

/// A new row, ready to be written.
#[derive(Debug)]
pub(crate) struct Insert {
    table: Arc<Table>,
    /// Values by the place of their column; the others are NULL.
    values: Vec<(usize, SqlValue)>,
}

impl Insert {
    /// Plans it: every value must fit its column.
    pub(crate) fn plan(tables: &Tables, object: &Object) -> Result<Self, StoreError> {
        let table = tables.expect(&object.class)?;
        let mut values = Vec::with_capacity(BASE_COLUMNS.len() + object.fields.len());
        let date = |date: Option<parsimony_model::Date>| date.map_or(SqlValue::Null, |date| date.millis().into());
        let [readers, writers] = acl_to_sql(object.acl.as_ref());
        values.push((0, SqlValue::Text(object.id.as_str().to_owned())));
        values.extend([(1, date(object.created_at)), (2, date(object.updated_at)), (3, readers), (4, writers)]);
        for (field, value) in &object.fields {
            if !field.starts_with('_')
                && !value.is_null()
                && let Some((place, value)) = encode(table, field, value)?
            {
                values.push((BASE_COLUMNS.len() + place, value));
            }
        }
        values.extend([(5, nulls(table, &object.fields)), (6, internal(&object.fields))]);
        Ok(Self { table: Arc::clone(table), values })
    }

    /// Writes it.
    pub(crate) fn run(&self, connection: &Connection) -> Result<(), StoreError> {
        let mut statement = connection.prepare_cached(&self.table.insert).map_err(store_error)?;
        for (place, value) in &self.values {
            statement.raw_bind_parameter(place + 1, value).map_err(store_error)?;
        }
        statement.raw_execute().map_err(|error| write_error(&self.table, error))?;
        Ok(())
    }
}

/// The place of a field's column and what goes into it. `None` for relations: their members are in a join table.
fn encode(table: &Table, field: &str, value: &Value) -> Result<Option<(usize, SqlValue)>, StoreError> {
    let Some((place, _, column)) = table.columns.get_full(field) else {
        if table.joins.contains_key(field) && matches!(value, Value::Relation(_) | Value::Null) {
            return Ok(None);
        }
        return Err(StoreError::Unfit(format!("{}.{field} is not a field that can be set.", table.schema.name)));
    };
    if let Value::Polygon(border) = value
        && column.kind == FieldType::Polygon
        && !is_area(border)
    {
        return Err(StoreError::crossed_area());
    }
    match to_sql(&column.kind, value) {
        Some(value) => Ok(Some((place, value))),
        None if value.is_null() => Ok(Some((place, SqlValue::Null))),
        None => Err(mismatch(table, field, &column.kind, value)),
    }
}

fn mismatch(table: &Table, field: &str, expected: &FieldType, value: &Value) -> StoreError {
    let class = &table.schema.name;
    let actual = match FieldType::of(value) {
        Ok(Some(actual)) => actual.to_string(),
        Ok(None) | Err(_) => "Object".to_owned(),
    };
    StoreError::Unfit(format!("schema mismatch for {class}.{field}; expected {expected} but got {actual}"))
}

/// The names of the fields that are `null`, for the column that tells them from those that are missing.
fn nulls(table: &Table, fields: &Map) -> SqlValue {
    let is_null = |value: &Value| match value {
        Value::Null => true,
        Value::Number(number) => number.is_nan(),
        _ => false,
    };
    let nulls = fields.iter().filter(|(field, value)| is_null(value) && table.columns.contains_key(field.as_str()));
    let nulls: Vec<&str> = nulls.map(|(field, _)| field.as_str()).collect();
    if nulls.is_empty() { SqlValue::Null } else { SqlValue::Text(serde_json::to_string(&nulls).unwrap_or_default()) }
}

/// The internal fields, which share a column.
fn internal(fields: &Map) -> SqlValue {
    let internal = fields.iter().filter(|(field, _)| field.starts_with('_'));
    let internal: Map = internal.map(|(field, value)| (field.clone(), value.clone())).collect();
    if internal.is_empty() { SqlValue::Null } else { SqlValue::Text(to_json(&Value::Object(internal))) }
}

/// A change of the first object that a selection finds, ready to run.
#[derive(Debug)]
pub(crate) struct AmendFirst {
    find: Find,
    amend: Amend,
}

impl AmendFirst {
    /// Plans it. `None` if the class is not there, so that there is nothing to change.
    pub(crate) fn plan(
        tables: &Tables,
        patterns: &Patterns,
        selection: &Selection,
        change: &Change,
    ) -> Result<Option<Self>, StoreError> {
        let Some(amend) = Amend::plan(tables, selection, change)? else { return Ok(None) };
        let mut first = selection.clone();
        first.keys.clear();
        if first.filter.as_id().is_none() {
            first.limit = Some(first.limit.map_or(1, |limit| limit.min(1)));
        }
        Ok(Find::plan(tables, patterns, &first)?.map(|find| Self { find, amend }))
    }

    /// Changes the object and gives it as it is afterwards.
    pub(crate) fn run(&self, connection: &Connection) -> Result<Option<Object>, StoreError> {
        let Some(mut object) = self.find.run(connection)?.into_iter().next() else { return Ok(None) };
        self.amend.change(connection, &mut object)?;
        Ok(Some(object))
    }
}

/// A change of every object that a selection finds, ready to run.
#[derive(Debug)]
pub(crate) struct AmendEvery {
    ids: Sql,
    amend: Amend,
}

impl AmendEvery {
    /// Plans it. `None` if the class is not there, so that there is nothing to change.
    pub(crate) fn plan(
        tables: &Tables,
        patterns: &Patterns,
        selection: &Selection,
        change: &Change,
    ) -> Result<Option<Self>, StoreError> {
        let Some(amend) = Amend::plan(tables, selection, change)? else { return Ok(None) };
        let ids = plan_ids(tables, patterns, &amend.table, selection)?;
        Ok(Some(Self { ids, amend }))
    }

    /// Changes the objects and tells how many there were.
    pub(crate) fn run(&self, connection: &Connection) -> Result<u64, StoreError> {
        let table = &self.amend.table;
        let shape = Shape::whole(table);
        let mut changed = 0;
        for id in run_ids(connection, &self.ids)? {
            let mut statement = connection.prepare_cached(&table.select_by_id).map_err(store_error)?;
            let mut rows = statement.query([&id]).map_err(store_error)?;
            let found = rows.next().map_err(store_error)?.map(|row| shape.object(row)).transpose()?;
            drop(rows);
            if let Some(mut object) = found {
                self.amend.change(connection, &mut object)?;
                changed += 1;
            }
        }
        Ok(changed)
    }
}

/// A change that fits its table.
#[derive(Debug)]
struct Amend {
    table: Arc<Table>,
    change: Change,
}

impl Amend {
    fn plan(tables: &Tables, selection: &Selection, change: &Change) -> Result<Option<Self>, StoreError> {
        let Some(table) = tables.get(selection.class.name.as_str()) else { return Ok(None) };
        for (path, op) in &change.update.0 {
            check_op(table, path, op)?;
        }
        Ok(Some(Self { table: Arc::clone(table), change: change.clone() }))
    }

    /// Applies the change to an object that was read, and writes the columns it touches.
    fn change(&self, connection: &Connection, object: &mut Object) -> Result<(), StoreError> {
        let Change { update, acl, updated_at } = &self.change;
        update.apply(&mut object.fields).map_err(|error| StoreError::Unfit(error.message.into()))?;
        let mut touched: Vec<&str> = update.0.keys().map(|path| top(path)).collect();
        touched.sort_unstable();
        touched.dedup();
        let mut sql = Sql::new(format!("UPDATE {} SET \"updatedAt\"=", quote(&self.table.name)));
        object.updated_at = Some(*updated_at);
        sql.bind(SqlValue::Integer(updated_at.millis()));
        for field in &touched {
            if self.table.joins.contains_key(*field) {
                object.fields.shift_remove(*field);
                continue;
            }
            if let Some(value) = object.fields.get_mut(*field) {
                *value = as_read(value);
            }
            if let Some(column) = self.table.columns.get(*field) {
                let value = object.fields.get(*field).unwrap_or(&Value::Null);
                let value = encode(&self.table, field, value)?.map_or(SqlValue::Null, |(_, value)| value);
                sql.push(&format!(",{}=", column.quoted)).bind(value);
            }
        }
        sql.push(",\"_nulls\"=").bind(nulls(&self.table, &object.fields));
        if touched.iter().any(|field| field.starts_with('_')) {
            sql.push(",\"_internal\"=").bind(internal(&object.fields));
        }
        if let Some(acl) = acl {
            object.acl.clone_from(acl);
            let [readers, writers] = acl_to_sql(acl.as_ref());
            sql.push(",\"_rperm\"=").bind(readers).push(",\"_wperm\"=").bind(writers);
        }
        sql.push(" WHERE \"objectId\"=").bind(SqlValue::Text(object.id.as_str().to_owned()));
        let mut statement = connection.prepare_cached(&sql.text).map_err(store_error)?;
        bind(&mut statement, &sql.params)?;
        statement.raw_execute().map_err(|error| write_error(&self.table, error))?;
        Ok(())
    }
}

/// Refuses what can be refused before an object is read.
fn check_op(table: &Table, path: &CompactString, op: &Op) -> Result<(), StoreError> {
    let field = top(path);
    let known = field.starts_with('_') || table.columns.contains_key(field) || table.joins.contains_key(field);
    if !known {
        return Err(StoreError::Unfit(format!("{}.{field} is not a field that can be set.", table.schema.name)));
    }
    match op {
        Op::Relate { .. } => Err(StoreError::Unfit("A relation is not changed by an update.".to_owned())),
        Op::Set(value) if field == path.as_str() && !field.starts_with('_') => encode(table, field, value).map(drop),
        _ => Ok(()),
    }
}

fn run_ids(connection: &Connection, sql: &Sql) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare_cached(&sql.text).map_err(store_error)?;
    bind(&mut statement, &sql.params)?;
    let mut rows = statement.raw_query();
    let mut ids = Vec::new();
    while let Some(row) = rows.next().map_err(store_error)? {
        ids.push(row.get(0).map_err(store_error)?);
    }
    Ok(ids)
}

/// Plans the deletion of what a selection finds. `None` if the class is not there.
pub(crate) fn plan_delete(
    tables: &Tables,
    patterns: &Patterns,
    selection: &Selection,
) -> Result<Option<Sql>, StoreError> {
    let Some(table) = tables.get(selection.class.name.as_str()) else { return Ok(None) };
    let mut sql = Sql::new(format!("DELETE FROM {} WHERE \"objectId\" IN (", quote(&table.name)));
    sql.append(plan_ids(tables, patterns, table, selection)?).push(")");
    Ok(Some(sql))
}

/// Runs a statement that changes rows, and tells how many.
pub(crate) fn execute(connection: &Connection, sql: &Sql) -> Result<u64, StoreError> {
    let mut statement = connection.prepare_cached(&sql.text).map_err(store_error)?;
    bind(&mut statement, &sql.params)?;
    Ok(statement.raw_execute().map_err(store_error)? as u64)
}

/// Rows of a relation, ready to be written.
#[derive(Debug)]
pub(crate) struct Fill {
    text: String,
    links: Vec<Link>,
}

impl Fill {
    /// Plans it.
    pub(crate) fn plan(tables: &Tables, join: &Join, links: &[Link]) -> Result<Self, StoreError> {
        Ok(Self { text: ENTER.replace("{}", &quote(join_table(tables, join)?)), links: links.to_vec() })
    }

    /// Writes them.
    pub(crate) fn run(&self, connection: &Connection) -> Result<(), StoreError> {
        let mut statement = connection.prepare_cached(&self.text).map_err(store_error)?;
        for link in &self.links {
            statement.execute([link.owner.as_str(), link.member.as_str()]).map_err(store_error)?;
        }
        Ok(())
    }
}

/// A member enters a relation, unless it is in it.
const ENTER: &str = "INSERT OR IGNORE INTO {} (\"owningId\",\"relatedId\") VALUES (?,?)";

fn join_table<'t>(tables: &'t Tables, join: &Join) -> Result<&'t str, StoreError> {
    let table = tables.join(join.class.as_str(), join.field.as_str());
    table.ok_or_else(|| StoreError::Unfit(format!("{}.{} is no relation.", join.class, join.field)))
}

/// Members that enter or leave a relation, ready to be written.
#[derive(Debug)]
pub(crate) struct Members {
    text: String,
    owner: String,
    ids: Vec<String>,
}

impl Members {
    /// Those who enter.
    pub(crate) fn enter(
        tables: &Tables,
        join: &Join,
        owner: &ObjectId,
        members: &[ObjectId],
    ) -> Result<Self, StoreError> {
        Self::plan(tables, join, owner, members, ENTER)
    }

    /// Those who leave.
    pub(crate) fn leave(
        tables: &Tables,
        join: &Join,
        owner: &ObjectId,
        members: &[ObjectId],
    ) -> Result<Self, StoreError> {
        Self::plan(tables, join, owner, members, "DELETE FROM {} WHERE \"owningId\"=? AND \"relatedId\"=?")
    }

    fn plan(
        tables: &Tables,
        join: &Join,
        owner: &ObjectId,
        members: &[ObjectId],
        text: &str,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            text: text.replace("{}", &quote(join_table(tables, join)?)),
            owner: owner.as_str().to_owned(),
            ids: members.iter().map(|id| id.as_str().to_owned()).collect(),
        })
    }

    /// Writes them.
    pub(crate) fn run(&self, connection: &Connection) -> Result<(), StoreError> {
        let mut statement = connection.prepare_cached(&self.text).map_err(store_error)?;
        for member in &self.ids {
            statement.execute([&self.owner, member]).map_err(store_error)?;
        }
        Ok(())
    }
}
