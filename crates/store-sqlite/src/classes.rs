//! Creating, changing and dropping classes: each is one transaction of the writer, and gives the tables as they are afterwards.

use indexmap::IndexMap;
use parsimony_model::schema::{Field, FieldType, Index};
use parsimony_model::{ClassName, ClassSchema, FieldName};
use parsimony_store::{ClassChange, StoreError};
use rusqlite::{Connection, params};

use crate::error::store_error;
use crate::functions;
use crate::sql::{free_name, quote};
use crate::tables::{BASE_COLUMNS, SCHEMA_TABLE, Table, TableIndex, Tables, field_of_key};
use crate::values::sql_type;

/// Columns that a class may have; SQLite's own bound is 2,000.
const COLUMNS_MAX: usize = 1_900;

/// Creates a class. `None` if it is there.
pub(crate) fn create(
    connection: &Connection,
    tables: &Tables,
    class: &ClassSchema,
) -> Result<Option<Tables>, StoreError> {
    if tables.get(class.name.as_str()).is_some() {
        return Ok(None);
    }
    let mut table = Table::new(class, tables);
    check_width(&table)?;
    let mut columns = String::from(
        "\"objectId\" TEXT PRIMARY KEY NOT NULL,\"createdAt\" INTEGER,\"updatedAt\" INTEGER,\"_rperm\" TEXT,\
         \"_wperm\" TEXT,\"_nulls\" TEXT,\"_internal\" TEXT",
    );
    for column in table.columns.values() {
        columns.extend([",", &column.quoted, " ", sql_type(&column.kind)]);
    }
    run(connection, &format!("CREATE TABLE {} ({columns})", quote(&table.name)))?;
    for join in table.joins.values() {
        create_join(connection, join)?;
    }
    for (name, index) in &class.indexes {
        add_index(connection, &mut table, name, index)?;
    }
    table.finish();
    store(connection, &table)?;
    Ok(Some(tables.with(table)))
}

/// Changes a class. `None` if it is not there.
pub(crate) fn change(
    connection: &Connection,
    tables: &Tables,
    name: &ClassName,
    change: &ClassChange,
) -> Result<Option<(ClassSchema, Tables)>, StoreError> {
    let Some(table) = tables.get(name.as_str()) else { return Ok(None) };
    let mut table = Table::clone(table);
    for index in &change.drop_indexes {
        drop_index(connection, &mut table, index)?;
    }
    for field in &change.drop_fields {
        drop_field(connection, &mut table, field)?;
    }
    for (field, options) in &change.set_fields {
        set_field(connection, &mut table, tables, (field, options))?;
    }
    check_width(&table)?;
    if let Some(permissions) = &change.permissions {
        table.schema.permissions = Some(permissions.clone());
    }
    table.schema.append_only = change.append_only.unwrap_or(table.schema.append_only);
    for (index, options) in &change.add_indexes {
        add_index(connection, &mut table, index, options)?;
    }
    table.finish();
    store(connection, &table)?;
    Ok(Some((table.schema.clone(), tables.with(table))))
}

/// Drops a class with its objects and join tables. `None` if it is not there.
pub(crate) fn drop_class(
    connection: &Connection,
    tables: &Tables,
    name: &ClassName,
) -> Result<Option<Tables>, StoreError> {
    let Some(table) = tables.get(name.as_str()) else { return Ok(None) };
    for join in table.joins.values() {
        run(connection, &format!("DROP TABLE {}", quote(join)))?;
    }
    run(connection, &format!("DROP TABLE {}", quote(&table.name)))?;
    connection
        .execute(&format!("DELETE FROM {} WHERE name=?", quote(SCHEMA_TABLE)), [name.as_str()])
        .map_err(store_error)?;
    Ok(Some(tables.without(name)))
}

fn run(connection: &Connection, text: &str) -> Result<(), StoreError> {
    connection.execute(text, []).map_err(store_error)?;
    Ok(())
}

fn store(connection: &Connection, table: &Table) -> Result<(), StoreError> {
    let text = format!("INSERT OR REPLACE INTO {} (name,definition) VALUES (?,?)", quote(SCHEMA_TABLE));
    connection.execute(&text, params![table.schema.name.as_str(), table.to_definition()]).map_err(store_error)?;
    Ok(())
}

fn check_width(table: &Table) -> Result<(), StoreError> {
    if BASE_COLUMNS.len() + table.columns.len() > COLUMNS_MAX {
        return Err(StoreError::Unfit(format!("The class {} has too many fields.", table.schema.name)));
    }
    Ok(())
}

fn create_join(connection: &Connection, join: &str) -> Result<(), StoreError> {
    run(
        connection,
        &format!(
            "CREATE TABLE {} (\"owningId\" TEXT NOT NULL,\"relatedId\" TEXT NOT NULL,\
             PRIMARY KEY (\"owningId\",\"relatedId\")) WITHOUT ROWID",
            quote(join)
        ),
    )?;
    // No class table and no other join has a dot in its name, so neither has this a namesake.
    let index = quote(&format!("{join}.relatedId"));
    run(connection, &format!("CREATE INDEX {index} ON {} (\"relatedId\")", quote(join)))
}

fn set_field(
    connection: &Connection,
    table: &mut Table,
    tables: &Tables,
    (field, options): (&FieldName, &Field),
) -> Result<(), StoreError> {
    if let Some(known) = table.schema.fields.get_mut(field.as_str()) {
        if known.kind != options.kind {
            return Err(StoreError::Unfit(format!(
                "schema mismatch for {}.{field}; expected {} but got {}",
                table.schema.name, known.kind, options.kind
            )));
        }
        known.clone_from(options);
        return Ok(());
    }
    let name = table.add_field(field, options, tables);
    if let FieldType::Relation(_) = options.kind {
        return create_join(connection, &name);
    }
    check_width(table)?;
    let text = format!("ALTER TABLE {} ADD COLUMN {} {}", quote(&table.name), quote(&name), sql_type(&options.kind));
    run(connection, &text)
}

fn drop_field(connection: &Connection, table: &mut Table, field: &FieldName) -> Result<(), StoreError> {
    if table.schema.fields.shift_remove(field.as_str()).is_none() {
        return Ok(());
    }
    if let Some(join) = table.joins.shift_remove(field.as_str()) {
        return run(connection, &format!("DROP TABLE {}", quote(&join)));
    }
    let Some(column) = table.columns.shift_remove(field.as_str()) else { return Ok(()) };
    let is_on_it =
        |index: &Index| index.keys.keys().any(|key| parsimony_model::update::top(&field_of_key(key)) == field.as_str());
    let indexes = table.schema.indexes.iter().filter(|(_, index)| is_on_it(index));
    let indexes: Vec<String> = indexes.map(|(name, _)| name.to_string()).collect();
    for index in indexes {
        drop_index(connection, table, &index)?;
    }
    let name = quote(&table.name);
    run(connection, &format!("ALTER TABLE {name} DROP COLUMN {}", column.quoted))?;
    let text = format!(
        "UPDATE {name} SET \"_nulls\"=(SELECT CASE WHEN count(*)>0 THEN json_group_array(value) END \
         FROM json_each(\"_nulls\") WHERE value<>?1) WHERE \"_nulls\" IS NOT NULL AND instr(\"_nulls\",?2)>0"
    );
    connection.execute(&text, params![field.as_str(), format!("\"{field}\"")]).map_err(store_error)?;
    table.retired.push(column.name);
    Ok(())
}

fn drop_index(connection: &Connection, table: &mut Table, name: &str) -> Result<(), StoreError> {
    table.schema.indexes.shift_remove(name);
    match table.indexes.shift_remove(name) {
        Some(index) => run(connection, &format!("DROP INDEX {}", quote(&index.name))),
        None => Ok(()),
    }
}

/// Adds an index. One of the same name and make is left as it is.
fn add_index(connection: &Connection, table: &mut Table, name: &str, index: &Index) -> Result<(), StoreError> {
    if let Some(known) = table.schema.indexes.get(name) {
        if known == index {
            return Ok(());
        }
        return Err(StoreError::Unfit(format!("Index {name} exists with other keys or options.")));
    }
    if let Some(parts) = parts(table, name, index)? {
        build_index(connection, table, (name, index), parts)?;
    }
    table.schema.indexes.insert(name.into(), index.clone());
    Ok(())
}

fn build_index(
    connection: &Connection,
    table: &mut Table,
    (name, index): (&str, &Index),
    parts: IndexMap<String, Part>,
) -> Result<(), StoreError> {
    if name.contains('\0') {
        return Err(StoreError::Unfit("The name of an index cannot contain a NUL character.".to_owned()));
    }
    let wanted = format!("{}.{name}", table.name);
    let built = free_name(&wanted, |name| table.indexes.values().any(|known| known.name.eq_ignore_ascii_case(name)));
    let keys: Vec<String> =
        parts.iter().map(|(text, part)| format!("{text}{}", if part.descending { " DESC" } else { "" })).collect();
    // Only a condition on every key could use a sparse index of several; and NULLs never collide anyway.
    let only = match parts.first() {
        Some((text, _)) if index.sparse && parts.len() == 1 => format!(" WHERE {text} IS NOT NULL"),
        _ => String::new(),
    };
    let unique = if index.unique { "UNIQUE " } else { "" };
    let text = format!("CREATE {unique}INDEX {} ON {} ({}){only}", quote(&built), quote(&table.name), keys.join(","));
    connection.execute(&text, []).map_err(|error| match store_error(error) {
        StoreError::Duplicate { .. } => StoreError::Duplicate { index: name.to_owned() },
        other => other,
    })?;
    let columns = parts.into_iter().map(|(text, part)| part.column.unwrap_or(text)).collect();
    table.indexes.insert(name.into(), TableIndex { name: built, columns, unique: index.unique });
    Ok(())
}

/// A key of an index that SQLite can keep.
pub(crate) struct Part {
    /// The column's own name, if it is one.
    column: Option<String>,
    descending: bool,
}

/// The keys of an index as SQL texts. `None` if SQLite cannot keep it, so that the class only remembers it.
pub(crate) fn parts(table: &Table, name: &str, index: &Index) -> Result<Option<IndexMap<String, Part>>, StoreError> {
    let mut parts = IndexMap::new();
    for (key, direction) in &index.keys {
        let field = field_of_key(key);
        let descending = match direction.as_f64() {
            Some(direction) if direction != 0.0 => direction < 0.0,
            _ => return unkept(name, index),
        };
        let text_and_column = match field.split_once('.') {
            None if BASE_COLUMNS.contains(&field.as_str()) => Some((quote(&field), Some(field.clone()))),
            None if field.starts_with('_') => expression("\"_internal\"", &field).map(|text| (text, None)),
            None => match table.columns.get(field.as_str()) {
                // What is asked of a list or an object is rarely the whole of it.
                Some(column) if matches!(column.kind, FieldType::Array | FieldType::Object) => None,
                Some(column) if index.ignore_case && column.kind == FieldType::String => {
                    Some((functions::without_case(&column.quoted), None))
                }
                Some(column) => Some((column.quoted.clone(), Some(column.name.clone()))),
                None => None,
            },
            Some((first, rest)) => match table.columns.get(first) {
                Some(column) if column.kind == FieldType::Object => {
                    expression(&column.quoted, rest).map(|text| (text, None))
                }
                _ => None,
            },
        };
        let Some((text, column)) = text_and_column else { return unkept(name, index) };
        parts.insert(text, Part { column, descending });
    }
    Ok(if parts.is_empty() { None } else { Some(parts) })
}

/// An index that is only remembered makes queries no wrong; a unique one would let in what it promises to refuse.
fn unkept<T>(name: &str, index: &Index) -> Result<Option<T>, StoreError> {
    if index.unique {
        return Err(StoreError::Unsupported(format!("The embedded store cannot keep the unique index {name}.")));
    }
    Ok(None)
}

/// A path into JSON as SQL. It stands in the text of the index, so only plain names get into it.
fn expression(column: &str, path: &str) -> Option<String> {
    let is_plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
    };
    let mut text = format!("json_extract({column},'$");
    for part in path.split('.') {
        if !is_plain(part) {
            return None;
        }
        text.extend([".\"", part, "\""]);
    }
    text.push_str("')");
    Some(text)
}
