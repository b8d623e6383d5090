//! What does a JSON column, or a path in one, sort by? MongoDB's order of types, and within each type its order of values.

use std::borrow::Cow;
use std::cmp::Ordering;

use parsimony_model::Value;
use parsimony_model::query::matches::{Purpose, Reached, parts};
use parsimony_store::StoreError;
use rusqlite::types::Value as SqlValue;

use crate::inside::at;

/// The key of what is at a path of a column; of a list it is that of its least or greatest element.
pub(crate) fn of(text: Option<&str>, path: &[String], descending: bool) -> Result<SqlValue, StoreError> {
    let Some(text) = text else { return Ok(NULL) };
    let mut best: Option<SqlValue> = None;
    let keys = at(text, path, Purpose::Sort)?.into_iter().flat_map(|reached| match reached {
        Reached::Missing => vec![NULL],
        Reached::Value(value) | Reached::Element(value) if value.as_array().is_some_and(<[Value]>::is_empty) => {
            vec![EMPTY_LIST]
        }
        Reached::Value(value) => match value.as_ref() {
            Value::Array(items) => items.iter().map(of_value).collect(),
            value => vec![of_value(value)],
        },
        Reached::Element(value) => vec![of_value(&value)],
    });
    for key in keys {
        let better = match &best {
            None => true,
            Some(best) => {
                let order = compare(&key, best);
                if descending { order.is_gt() } else { order.is_lt() }
            }
        };
        if better {
            best = Some(key);
        }
    }
    Ok(best.unwrap_or(NULL))
}

/// MongoDB: an empty list comes before what is null or missing.
const EMPTY_LIST: SqlValue = SqlValue::Null;

/// Less than any number; JSON has none that is as small.
const NULL: SqlValue = SqlValue::Real(f64::NEG_INFINITY);

/// SQLite sorts NULL, numbers, text, blobs; the types that MongoDB sorts after text become blobs.
fn of_value(value: &Value) -> SqlValue {
    match value {
        Value::Null => NULL,
        Value::Number(number) => SqlValue::Real(*number),
        Value::String(text) => SqlValue::Text(text.clone()),
        other => {
            let mut bytes = vec![rank(other)];
            write(other, &mut bytes);
            SqlValue::Blob(bytes)
        }
    }
}

fn compare(a: &SqlValue, b: &SqlValue) -> Ordering {
    let rank = |key: &SqlValue| match key {
        SqlValue::Null => 0,
        SqlValue::Integer(_) | SqlValue::Real(_) => 1,
        SqlValue::Text(_) => 2,
        SqlValue::Blob(_) => 3,
    };
    match (a, b) {
        (SqlValue::Real(a), SqlValue::Real(b)) => a.total_cmp(b),
        (SqlValue::Text(a), SqlValue::Text(b)) => a.cmp(b),
        (SqlValue::Blob(a), SqlValue::Blob(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// What ends a text, a list and an object; it is less than all that could go on.
const END: u8 = 0;

/// The place of a type among the types; never [`END`].
fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 5,
        Value::Bytes(_) => 6,
        Value::Bool(_) => 7,
        Value::Date(_) => 8,
        _ => 4,
    }
}

/// Bytes that are in the order of the values they stand for, among values of one type.
fn write(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::Null => {}
        Value::Number(number) => {
            // With the sign turned over, and all else too where it is negative, the bits are in the order of numbers.
            let bits = number.to_bits();
            let turned = if number.is_sign_negative() { !bits } else { bits ^ (1 << 63) };
            bytes.extend(turned.to_be_bytes());
        }
        Value::String(text) => {
            bytes.extend(text.as_bytes());
            bytes.push(END);
        }
        Value::Array(items) => {
            for item in items {
                bytes.push(rank(item));
                write(item, bytes);
            }
            bytes.push(END);
        }
        // MongoDB: the shorter one is less.
        Value::Bytes(data) => {
            bytes.extend(data.len().to_be_bytes());
            bytes.extend(data);
        }
        Value::Bool(value) => bytes.push(u8::from(*value)),
        Value::Date(date) => bytes.extend((date.millis() ^ i64::MIN).to_be_bytes()),
        // MongoDB: of two entries the types are compared, then the names, then the values.
        other => {
            let entries = match other {
                Value::Object(map) => Cow::Borrowed(map),
                other => Cow::Owned(parts(other)),
            };
            for (name, value) in entries.iter() {
                bytes.push(rank(value));
                bytes.extend(name.as_bytes());
                bytes.push(END);
                write(value, bytes);
            }
            bytes.push(END);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_order(values: &[&str]) {
        let path = ["a".to_owned()];
        let key = |json: &str| of(Some(&format!(r#"{{"a":{json}}}"#)), &path, false).unwrap();
        for pair in values.windows(2) {
            assert_eq!(compare(&key(pair[0]), &key(pair[1])), Ordering::Less, "{pair:?}");
        }
    }

    #[test]
    fn types_have_mongodb_s_order() {
        let date = |year: &str| format!(r#"{{"__type":"Date","iso":"{year}-01-01T00:00:00.000Z"}}"#);
        in_order(&["null", "-1", "2", r#""a""#, r#""b""#, "{}", "false", "true", &date("1950"), &date("2020")]);
    }

    #[test]
    fn objects_are_compared_entry_by_entry() {
        in_order(&[
            "{}",
            r#"{"x":null}"#,
            r#"{"x":-1.5}"#,
            r#"{"x":-1}"#,
            r#"{"x":2}"#,
            r#"{"x":2,"y":0}"#,
            r#"{"x":10}"#,
            r#"{"y":1}"#,
            r#"{"x":"a"}"#,
            r#"{"x":"ab"}"#,
            r#"{"x":{"y":1}}"#,
            r#"{"x":[1]}"#,
            r#"{"x":[1,1]}"#,
            r#"{"x":true}"#,
        ]);
    }

    #[test]
    fn a_list_sorts_by_its_least_or_its_greatest() {
        let path = ["a".to_owned()];
        let text = Some(r#"{"a":[3,1,2]}"#);
        assert_eq!(of(text, &path, true).unwrap(), SqlValue::Real(3.0));
        assert_eq!(of(text, &path, false).unwrap(), SqlValue::Real(1.0));
        assert_eq!(of(Some("[3,1,2]"), &[], false).unwrap(), SqlValue::Real(1.0));
        assert_eq!(of(Some("[]"), &[], false).unwrap(), SqlValue::Null);
        assert_eq!(of(Some(r#"{"a":{}}"#), &["a".to_owned(), "b".to_owned()], false).unwrap(), NULL);
    }
}
