//! Creating, changing and dropping classes: each is one transaction of the writer, and gives the tables as they are afterwards.

use compact_str::CompactString;
use parsimony_model::schema::{Field, FieldType, Index};
use parsimony_model::{ClassName, ClassSchema, FieldName};
use parsimony_store::{ClassChange, StoreError};
use rusqlite::{Connection, params};

use crate::error::store_error;
use crate::geo;
use crate::indexes;
use crate::sql::quote;
use crate::tables::{BASE_COLUMNS, Column, SCHEMA_TABLE, Table, Tables, field_of_key};
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
        // With a name, the number of a row stays the same whatever becomes of the file: other tables know rows by it.
        "\"_row\" INTEGER PRIMARY KEY,\"objectId\" TEXT NOT NULL UNIQUE,\"createdAt\" INTEGER,\"updatedAt\" INTEGER,\
         \"_rperm\" TEXT,\"_wperm\" TEXT,\"_nulls\" TEXT,\"_internal\" TEXT",
    );
    for column in table.columns.values() {
        columns.extend([",", &column.quoted, " ", sql_type(&column.kind)]);
    }
    run(connection, &format!("CREATE TABLE {} ({columns})", quote(&table.name)))?;
    for join in table.joins.values() {
        create_join(connection, join)?;
    }
    add_places(connection, &mut table)?;
    for (name, index) in &class.indexes {
        indexes::add(connection, &mut table, name, index)?;
    }
    table.finish();
    store(connection, &table)?;
    Ok(Some(tables.with(table)))
}

/// Gives classes that an older server made what they lack.
pub(crate) fn complete(connection: &Connection, tables: &Tables) -> Result<Tables, StoreError> {
    let mut all = tables.clone();
    for table in tables.0.values() {
        let mut table = Table::clone(table);
        let added = add_places(connection, &mut table)?;
        if indexes::complete(connection, &mut table)? || added {
            store(connection, &table)?;
            all = all.with(table);
        }
    }
    Ok(all)
}

/// Gives each column of places or areas its table of boxes. Tells whether one was made.
fn add_places(connection: &Connection, table: &mut Table) -> Result<bool, StoreError> {
    let lacks = |(field, column): &(&CompactString, &Column)| {
        matches!(column.kind, FieldType::GeoPoint | FieldType::Polygon) && !table.places.contains_key(*field)
    };
    let lacking: Vec<_> =
        table.columns.iter().filter(lacks).map(|(field, column)| (field.clone(), column.name.clone())).collect();
    for (field, column) in &lacking {
        geo::tables::create(connection, &table.name, column).map_err(store_error)?;
        table.places.insert(field.clone(), geo::tables::name(&table.name, column));
    }
    Ok(!lacking.is_empty())
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
        indexes::drop(connection, &mut table, index)?;
    }
    for field in &change.drop_fields {
        drop_field(connection, &mut table, field)?;
    }
    for (field, options) in &change.set_fields {
        set_field(connection, &mut table, tables, (field, options))?;
    }
    check_width(&table)?;
    add_places(connection, &mut table)?;
    if let Some(permissions) = &change.permissions {
        table.schema.permissions = Some(permissions.clone());
    }
    table.schema.append_only = change.append_only.unwrap_or(table.schema.append_only);
    for (index, options) in &change.add_indexes {
        indexes::add(connection, &mut table, index, options)?;
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
    for beside in table.joins.values().chain(table.places.values()).chain(&table.words) {
        run(connection, &format!("DROP TABLE {}", quote(beside)))?;
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
    let on_it = table.schema.indexes.iter().filter(|(_, index)| is_on_it(index));
    let on_it: Vec<String> = on_it.map(|(name, _)| name.to_string()).collect();
    for index in on_it {
        indexes::drop(connection, table, &index)?;
    }
    if table.places.shift_remove(field.as_str()).is_some() {
        geo::tables::drop(connection, &table.name, &column.name).map_err(store_error)?;
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
