//! Which of two values comes first, and are they the same? As MongoDB compares them.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::reach::parts;
use crate::value::{Map, Value};

/// The place of a type among the types. Values of different ranks are never less or greater to a condition.
pub(super) const fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Object(_)
        | Value::Pointer(_)
        | Value::Included(_)
        | Value::File(_)
        | Value::GeoPoint(_)
        | Value::Polygon(_)
        | Value::Relation(_) => 4,
        Value::Array(_) => 5,
        Value::Bytes(_) => 6,
        Value::Bool(_) => 7,
        Value::Date(_) => 8,
    }
}

/// Whether they are the same; of objects, the order of the keys counts.
pub fn equal(a: &Value, b: &Value) -> bool {
    rank(a) == rank(b) && order_of_same_rank(a, b).is_eq()
}

/// Which comes first: first by type, then by value.
pub fn order(a: &Value, b: &Value) -> Ordering {
    rank(a).cmp(&rank(b)).then_with(|| order_of_same_rank(a, b))
}

fn order_of_same_rank(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => order_of_numbers(*a, *b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
        (Value::Array(a), Value::Array(b)) => order_of_lists(a, b),
        (Value::Pointer(a), Value::Pointer(b)) => {
            a.class.as_str().cmp(b.class.as_str()).then_with(|| a.id.as_str().cmp(b.id.as_str()))
        }
        _ => order_of_objects(&entries(a), &entries(b)),
    }
}

fn entries(value: &Value) -> Cow<'_, Map> {
    match value {
        Value::Object(map) => Cow::Borrowed(map),
        other => Cow::Owned(parts(other)),
    }
}

/// NaN comes before every other number and is equal to itself; so is -0 to 0.
fn order_of_numbers(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

fn order_of_lists(a: &[Value], b: &[Value]) -> Ordering {
    let pairs = a.iter().zip(b).map(|(a, b)| order(a, b));
    pairs.into_iter().find(|order| order.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
}

/// Type, then name, then value of each field.
fn order_of_objects(a: &Map, b: &Map) -> Ordering {
    let pairs = a.iter().zip(b).map(|((a_key, a), (b_key, b))| {
        rank(a).cmp(&rank(b)).then_with(|| a_key.cmp(b_key)).then_with(|| order_of_same_rank(a, b))
    });
    pairs.into_iter().find(|order| order.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
}
