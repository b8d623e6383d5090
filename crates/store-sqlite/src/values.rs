//! How does a value become what SQLite stores, and come back?

use std::borrow::Cow;

use parsimony_model::schema::FieldType;
use parsimony_model::value::json;
use parsimony_model::{Acl, Date, File, ObjectId, Pointer, Value};
use parsimony_store::StoreError;
use rusqlite::types::{Value as SqlValue, ValueRef};

/// A value as a store keeps it: pointers where an `include` put whole objects.
pub(crate) fn stored(value: &Value) -> Cow<'_, Value> {
    if holds_included(value) { Cow::Owned(without_included(value)) } else { Cow::Borrowed(value) }
}

fn holds_included(value: &Value) -> bool {
    match value {
        Value::Included(_) => true,
        Value::Array(items) => items.iter().any(holds_included),
        Value::Object(map) => map.values().any(holds_included),
        _ => false,
    }
}

fn without_included(value: &Value) -> Value {
    match value {
        Value::Included(object) => Value::Pointer(object.pointer()),
        Value::Array(items) => Value::Array(items.iter().map(without_included).collect()),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (key.clone(), without_included(value))).collect())
        }
        other => other.clone(),
    }
}

/// A value as the field of an object holds it after it was stored and read again.
pub(crate) fn as_read(value: &Value) -> Value {
    match value {
        Value::File(file) => Value::File(File { name: file.name.clone(), url: None }),
        Value::Number(number) if number.is_nan() => Value::Null,
        other => stored(other).into_owned(),
    }
}

/// What a column of this type holds for a value; `None` if the value is of another type.
pub(crate) fn to_sql(kind: &FieldType, value: &Value) -> Option<SqlValue> {
    Some(match (kind, value) {
        (FieldType::String, Value::String(text)) => SqlValue::Text(text.clone()),
        // SQLite has no NaN.
        (FieldType::Number, Value::Number(number)) if number.is_nan() => SqlValue::Null,
        (FieldType::Number, Value::Number(number)) => SqlValue::Real(*number),
        (FieldType::Boolean, Value::Bool(value)) => SqlValue::Integer(i64::from(*value)),
        (FieldType::Date, Value::Date(date)) => SqlValue::Integer(date.millis()),
        (FieldType::Bytes, Value::Bytes(bytes)) => SqlValue::Blob(bytes.clone()),
        (FieldType::File, Value::File(file)) => SqlValue::Text(file.name.clone()),
        (FieldType::Pointer(class), Value::Pointer(pointer)) if pointer.class == *class => {
            SqlValue::Text(pointer.id.as_str().to_owned())
        }
        (FieldType::Pointer(class), Value::Included(object)) if object.class == *class => {
            SqlValue::Text(object.id.as_str().to_owned())
        }
        (FieldType::GeoPoint, Value::GeoPoint(_))
        | (FieldType::Polygon, Value::Polygon(_))
        | (FieldType::Array, Value::Array(_))
        | (FieldType::Object, Value::Object(_)) => SqlValue::Text(to_json(value)),
        _ => return None,
    })
}

/// A value as JSON text.
pub(crate) fn to_json(value: &Value) -> String {
    String::from_utf8(json::write(stored(value).as_ref())).unwrap_or_default()
}

/// The value that a column of this type holds; `None` for NULL.
pub(crate) fn from_sql(kind: &FieldType, value: ValueRef<'_>) -> Result<Option<Value>, StoreError> {
    let wrong = || StoreError::Corrupt(format!("a column of type {kind} holds a value of type {}", value.data_type()));
    if value == ValueRef::Null {
        return Ok(None);
    }
    let text = || value.as_str().map_err(|_other| wrong());
    Ok(Some(match kind {
        FieldType::String => Value::String(text()?.to_owned()),
        FieldType::Number => match value {
            ValueRef::Real(number) => Value::Number(number),
            ValueRef::Integer(number) => Value::Number(number as f64),
            _ => return Err(wrong()),
        },
        FieldType::Boolean => Value::Bool(value.as_i64().map_err(|_other| wrong())? != 0),
        FieldType::Date => Value::Date(Date::from_millis(value.as_i64().map_err(|_other| wrong())?)),
        FieldType::Bytes => Value::Bytes(value.as_blob().map_err(|_other| wrong())?.to_vec()),
        FieldType::File => Value::File(File { name: text()?.to_owned(), url: None }),
        FieldType::Pointer(class) => Value::Pointer(Pointer::new(class.clone(), object_id(text()?)?)),
        FieldType::Object | FieldType::Array | FieldType::GeoPoint | FieldType::Polygon => from_json(text()?)?,
        FieldType::Relation(_) | FieldType::Acl => return Err(wrong()),
    }))
}

/// The value in a JSON text that a column holds.
pub(crate) fn from_json(text: &str) -> Result<Value, StoreError> {
    json::read(text.as_bytes()).map_err(|error| StoreError::Corrupt(format!("JSON in a column: {}", error.message)))
}

/// The id in a column.
pub(crate) fn object_id(text: &str) -> Result<ObjectId, StoreError> {
    ObjectId::parse(text).map_err(|error| StoreError::Corrupt(format!("an id in a column: {error}")))
}

/// The two lists of an ACL as JSON text: who may read, who may write.
pub(crate) fn acl_to_sql(acl: Option<&Acl>) -> [SqlValue; 2] {
    let list = |names: Vec<&str>| SqlValue::Text(serde_json::to_string(&names).unwrap_or_default());
    match acl {
        Some(acl) => [list(acl.readers().collect()), list(acl.writers().collect())],
        None => [SqlValue::Null, SqlValue::Null],
    }
}

/// The affinity of a column.
pub(crate) const fn sql_type(kind: &FieldType) -> &'static str {
    match kind {
        FieldType::Number => "REAL",
        FieldType::Boolean | FieldType::Date => "INTEGER",
        FieldType::Bytes => "BLOB",
        FieldType::String
        | FieldType::File
        | FieldType::Pointer(_)
        | FieldType::Object
        | FieldType::Array
        | FieldType::GeoPoint
        | FieldType::Polygon
        | FieldType::Relation(_)
        | FieldType::Acl => "TEXT",
    }
}

#[cfg(test)]
mod tests {
    use parsimony_model::{ClassName, Map, Object, map};

    use super::*;

    #[test]
    fn only_values_of_the_column_s_type_fit() {
        let user = ClassName::parse("_User").unwrap();
        let pointer =
            |class: &str| Value::Pointer(Pointer::new(ClassName::parse(class).unwrap(), ObjectId::parse("x").unwrap()));
        let kind = FieldType::Pointer(user);
        assert_eq!(to_sql(&kind, &pointer("_User")), Some(SqlValue::Text("x".to_owned())));
        assert_eq!(to_sql(&kind, &pointer("Boss")), None);
        assert_eq!(to_sql(&FieldType::Boolean, &1.into()), None);
        assert_eq!(to_sql(&FieldType::Number, &true.into()), None);
        assert_eq!(to_sql(&FieldType::String, &1.into()), None);
    }

    #[test]
    fn whole_objects_are_stored_as_pointers() {
        let object = Object {
            class: ClassName::parse("C").unwrap(),
            id: ObjectId::parse("x").unwrap(),
            created_at: None,
            updated_at: None,
            acl: None,
            fields: Map::default(),
        };
        let value = Value::Object(map! { "list" => Value::Array(vec![Value::Included(Box::new(object))]) });
        assert_eq!(to_json(&value), r#"{"list":[{"__type":"Pointer","className":"C","objectId":"x"}]}"#);
    }
}
