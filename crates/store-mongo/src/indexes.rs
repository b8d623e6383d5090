//! What is an index to the server, and what do its options say?

use std::time::Duration;

use bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::IndexModel;
use mongodb::options::IndexOptions;
use parsimony_model::schema::{Field, FieldType, Index};
use parsimony_model::{ClassSchema, FieldName, Map, ObjectId, Pointer, Value};
use parsimony_store::{Scope, Selection, StoreError};

use crate::documents::{self, spelled_out};
use crate::filter::{self, Purpose};
use crate::names;

/// The columns of an index, each with its kind.
pub(crate) fn keys(class: &ClassSchema, index: &Index) -> Document {
    let kind = |kind: &Value| match spelled_out(kind) {
        Bson::Double(number) => Bson::Int32(number as i32),
        other => other,
    };
    index.keys.iter().map(|(path, value)| (names::column(class, path).into_owned(), kind(value))).collect()
}

/// An index as the server wants it.
pub(crate) fn model(class: &ClassSchema, name: &str, index: &Index) -> Result<IndexModel, StoreError> {
    let mut options = IndexOptions::default();
    options.name = Some(name.to_owned());
    options.unique = index.unique.then_some(true);
    options.sparse = index.sparse.then_some(true);
    options.collation = index.ignore_case.then(names::without_case);
    options.expire_after = index.expire_after_seconds.map(Duration::from_secs);
    options.partial_filter_expression = condition(class, index)?;
    if index.is_for_text() {
        // Otherwise the server takes a field called `language` for the object's language, and refuses those it does not know.
        options.language_override = Some(names::NO_FIELD.to_owned());
    }
    names::complete_index(&class.name, name, &mut options);
    Ok(IndexModel::builder().keys(keys(class, index)).options(options).build())
}

/// The condition of a partial index.
pub(crate) fn condition(class: &ClassSchema, index: &Index) -> Result<Option<Document>, StoreError> {
    let unfit = |error: parsimony_model::ParseError| StoreError::Unfit(error.message.into());
    let Some(condition) = index.condition(class).map_err(unfit)? else { return Ok(None) };
    let selection = Selection::new(class.clone().into(), condition, Scope::Everything);
    filter::document(&selection, &selection.filter, Purpose::Match).map(Some)
}

/// Parse: a column for areas gets its geographic index when it is made.
pub(crate) fn of_areas<'a>(fields: impl IntoIterator<Item = (&'a FieldName, &'a Field)>) -> Vec<IndexModel> {
    let areas = fields.into_iter().filter(|(_, field)| field.kind == FieldType::Polygon);
    areas.map(|(name, _)| IndexModel::builder().keys(doc! { name.as_str(): "2dsphere" }).build()).collect()
}

/// Tells an index what the server says of its options.
pub(crate) fn take_options(index: &mut Index, options: &IndexOptions) -> Result<(), StoreError> {
    index.unique = options.unique.unwrap_or(false);
    index.sparse = options.sparse.unwrap_or(false);
    index.ignore_case = options.collation.is_some();
    index.expire_after_seconds = options.expire_after.map(|duration| duration.as_secs());
    index.partial_filter = match &options.partial_filter_expression {
        None => None,
        Some(condition) => {
            let stored = RawDocumentBuf::try_from(condition).map_err(|cause| StoreError::Corrupt(cause.to_string()))?;
            Some(conditions(&documents::map(&stored)?))
        }
    };
    Ok(())
}

/// A stored condition as a `where`.
fn conditions(stored: &Map) -> Map {
    let all = |part: &Value| match part {
        Value::Object(part) => Value::Object(conditions(part)),
        other => other.clone(),
    };
    let one = |(column, value): (&compact_str::CompactString, &Value)| match value {
        Value::Array(parts) if column.starts_with('$') => {
            (column.clone(), Value::Array(parts.iter().map(all).collect()))
        }
        Value::String(text) if column.starts_with(names::POINTER) => {
            (names::path_of(column).as_ref().into(), pointer(text).unwrap_or_else(|| value.clone()))
        }
        _ => (names::path_of(column).as_ref().into(), value.clone()),
    };
    stored.iter().map(one).collect()
}

fn pointer(text: &str) -> Option<Value> {
    let (class, id) = text.split_once('$')?;
    let class = parsimony_model::ClassName::parse(class).ok()?;
    Some(Value::Pointer(Pointer::new(class, ObjectId::parse(id).ok()?)))
}
