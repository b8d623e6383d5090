//! Which index does SQLite keep for an index of a class? Most are its own; words are in a table beside, and so are places,
//! whether or not there is an index for them.

use indexmap::IndexMap;
use parsimony_model::schema::{FieldType, Index};
use parsimony_store::StoreError;
use rusqlite::Connection;

use crate::error::store_error;
use crate::filter::Writer;
use crate::functions;
use crate::patterns::Patterns;
use crate::sql::{free_name, quote};
use crate::tables::{BASE_COLUMNS, Table, TableIndex, Tables, field_of_key};
use crate::text;

/// Columns that a text search may look into; SQLite bounds the arguments of a function.
const TEXT_COLUMNS_MAX: usize = 50;

/// Drops an index.
pub(crate) fn drop(connection: &Connection, table: &mut Table, name: &str) -> Result<(), StoreError> {
    let dropped = table.schema.indexes.shift_remove(name);
    if dropped.is_some_and(|index| index.is_for_text()) && table.words.take().is_some() {
        text::tables::drop(connection, &table.name).map_err(store_error)?;
    }
    let Some(index) = table.indexes.shift_remove(name) else { return Ok(()) };
    for name in std::iter::once(&index.name).chain(&index.missing) {
        connection.execute(&format!("DROP INDEX {}", quote(name)), []).map_err(store_error)?;
    }
    Ok(())
}

/// Adds an index. One of the same name and make is left as it is.
pub(crate) fn add(connection: &Connection, table: &mut Table, name: &str, index: &Index) -> Result<(), StoreError> {
    if let Some(known) = table.schema.indexes.get(name) {
        if known == index {
            return Ok(());
        }
        return Err(StoreError::Unfit(format!("Index {name} exists with other keys or options.")));
    }
    if name.contains('\0') {
        return Err(StoreError::Unfit("The name of an index cannot contain a NUL character.".to_owned()));
    }
    if index.is_for_text() {
        if table.schema.text_index().is_some() {
            return Err(StoreError::Unfit(format!("The class {} has another index for text.", table.schema.name)));
        }
        table.schema.indexes.insert(name.into(), index.clone());
        return add_words(connection, table);
    }
    let only = condition(table, index)?;
    match (parts(table, index), only) {
        (Some(parts), Ok(only)) => build(connection, table, (name, index), (&parts, only))?,
        // An index that is only remembered makes queries no wrong; a unique one would let in what it promises to refuse.
        _ if index.unique => {
            return Err(StoreError::Unsupported(format!("The embedded store cannot keep the unique index {name}.")));
        }
        _ => {}
    }
    table.schema.indexes.insert(name.into(), index.clone());
    Ok(())
}

/// Gives a text index that an older server only remembered its words. Tells whether there was one.
pub(crate) fn complete(connection: &Connection, table: &mut Table) -> Result<bool, StoreError> {
    if table.words.is_some() || table.schema.text_index().is_none() {
        return Ok(false);
    }
    add_words(connection, table)?;
    Ok(table.words.is_some())
}

/// Makes the table of words for the class's text index.
fn add_words(connection: &Connection, table: &mut Table) -> Result<(), StoreError> {
    let columns = table.text_columns("");
    if columns.len() > TEXT_COLUMNS_MAX {
        return Err(StoreError::Unfit(format!("An index for text can have {TEXT_COLUMNS_MAX} fields.")));
    }
    if !columns.is_empty() {
        text::tables::create(connection, &table.name, &columns).map_err(store_error)?;
        table.words = Some(text::tables::name(&table.name));
    }
    Ok(())
}

/// What SQLite cannot keep.
pub(crate) struct Unkept;

/// The condition of a partial index, as SQL without values to bind.
pub(crate) fn condition(table: &Table, index: &Index) -> Result<Result<Option<String>, Unkept>, StoreError> {
    let unfit = |error: parsimony_model::ParseError| StoreError::Unfit(error.message.into());
    let Some(filter) = index.condition(&table.schema).map_err(unfit)? else { return Ok(Ok(None)) };
    let (tables, patterns) = (Tables::default(), Patterns::default());
    let text = Writer { tables: &tables, table, patterns: &patterns }.in_schema(&filter)?;
    Ok(text.map(Some).ok_or(Unkept))
}

fn build(
    connection: &Connection,
    table: &mut Table,
    (name, index): (&str, &Index),
    (parts, only): (&IndexMap<String, Part>, Option<String>),
) -> Result<(), StoreError> {
    let wanted = format!("{}.{name}", table.name);
    let known = |name: &str| {
        let names = table.indexes.values().flat_map(|known| std::iter::once(&known.name).chain(&known.missing));
        names.into_iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    let built = free_name(&wanted, known);
    let keys: Vec<String> =
        parts.iter().map(|(text, part)| format!("{text}{}", if part.descending { " DESC" } else { "" })).collect();
    // Only a condition on every key could use a sparse index of several; and NULLs never collide anyway.
    let condition = match parts.first() {
        Some((text, _)) if index.sparse && parts.len() == 1 => Some(format!("{text} IS NOT NULL")),
        _ => only.clone(),
    };
    let create = |built: &str, keys: &[String], condition: Option<String>| {
        let unique = if index.unique { "UNIQUE " } else { "" };
        let only = condition.map(|condition| format!(" WHERE {condition}")).unwrap_or_default();
        let text =
            format!("CREATE {unique}INDEX {} ON {} ({}){only}", quote(built), quote(&table.name), keys.join(","));
        connection.execute(&text, []).map_err(|error| match store_error(error) {
            StoreError::Duplicate { .. } => StoreError::Duplicate { index: name.to_owned() },
            other => other,
        })
    };
    create(&built, &keys, condition)?;
    let mut missing = None;
    if let Some((keys, condition)) = missing_values(parts, index, only.as_deref()) {
        let beside = free_name(&wanted, |name| built.eq_ignore_ascii_case(name) || known(name));
        create(&beside, &keys, Some(condition))?;
        missing = Some(beside);
    }
    let columns = parts.iter().map(|(text, part)| part.column.clone().unwrap_or_else(|| text.clone())).collect();
    table.indexes.insert(name.into(), TableIndex { name: built, columns, unique: index.unique, missing, only });
    Ok(())
}

/// MongoDB: to a unique index missing values are equal; a sparse one leaves out objects that have none of its fields. The
/// keys and the condition of the index that sees to it, if one is needed.
fn missing_values(parts: &IndexMap<String, Part>, index: &Index, only: Option<&str>) -> Option<(Vec<String>, String)> {
    if !index.unique || (index.sparse && parts.len() == 1) {
        return None;
    }
    let keys = parts.keys().flat_map(|text| [format!("ifnull({text},0)"), format!("({text} IS NULL)")]).collect();
    let any = |test: &str| parts.keys().map(|text| format!("{text} {test}")).collect::<Vec<_>>().join(" OR ");
    let conditions = [
        Some(format!("({})", any("IS NULL"))),
        index.sparse.then(|| format!("({})", any("IS NOT NULL"))),
        only.map(|only| format!("({only})")),
    ];
    Some((keys, conditions.into_iter().flatten().collect::<Vec<_>>().join(" AND ")))
}

/// A key of an index that SQLite can keep.
pub(crate) struct Part {
    /// The column's own name, if it is one.
    column: Option<String>,
    descending: bool,
}

/// The keys of an index as SQL texts. `None` if SQLite cannot keep it, so that the class only remembers it.
pub(crate) fn parts(table: &Table, index: &Index) -> Option<IndexMap<String, Part>> {
    let mut parts = IndexMap::new();
    for (key, direction) in &index.keys {
        let field = field_of_key(key);
        let descending = match (direction.as_f64(), direction.as_str()) {
            (Some(direction), _) if direction != 0.0 => direction < 0.0,
            // What it is for, an index in order can do too.
            (_, Some("hashed")) => false,
            _ => return None,
        };
        let (text, column) = match field.split_once('.') {
            None if BASE_COLUMNS.contains(&field.as_str()) => (quote(&field), Some(field.clone())),
            None if field.starts_with('_') => (expression("\"_internal\"", &field)?, None),
            None => {
                let column = table.columns.get(field.as_str())?;
                match column.kind {
                    // What is asked of these is rarely the whole of it.
                    FieldType::Array | FieldType::Object | FieldType::GeoPoint | FieldType::Polygon => return None,
                    FieldType::String if index.ignore_case => (functions::without_case(&column.quoted), None),
                    _ => (column.quoted.clone(), Some(column.name.clone())),
                }
            }
            Some((first, rest)) => {
                let column = table.columns.get(first).filter(|column| column.kind == FieldType::Object)?;
                (expression(&column.quoted, rest)?, None)
            }
        };
        parts.insert(text, Part { column, descending });
    }
    (!parts.is_empty()).then_some(parts)
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
