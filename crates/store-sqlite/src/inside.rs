//! Does a value inside a list or an object meet a condition? The statement hands the column's JSON to this code, so that lists on
//! the way, types and `null` count as they do in MongoDB; no path or value of a client becomes a part of SQL or of a JSON path.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use parsimony_model::query::{Constraint, Pattern};
use parsimony_model::value::json;
use parsimony_model::{Map, Value};
use parsimony_store::StoreError;
use regex::Regex;

use crate::patterns::Patterns;
use crate::values::stored;

/// A condition on what is inside a column.
#[derive(Debug)]
pub(crate) struct Condition {
    path: Vec<String>,
    test: Test,
    opposite: bool,
    /// What the column's text contains if it meets the condition: a quick way to no.
    needle: Option<String>,
}

#[derive(Debug)]
enum Test {
    Equals(Value),
    Compared(Value, fn(Ordering) -> bool),
    In(Vec<Value>),
    All(Vec<Value>),
    ContainedBy(Vec<Value>),
    Exists,
    Matches(Vec<Arc<Regex>>),
}

/// A condition as a text that a statement can bind. `None` for the constraints that no path can have.
pub(crate) fn encode(
    path: &[&str],
    constraint: &Constraint,
    patterns: &Patterns,
) -> Result<Option<String>, StoreError> {
    let one = |value: &Value| stored(value).into_owned();
    let many = |values: &[Value]| Value::Array(values.iter().map(one).collect());
    let keys = |all: &[Pattern]| -> Result<Value, StoreError> {
        let keys: Result<Vec<String>, _> = all.iter().map(|pattern| patterns.check(pattern)).collect();
        Ok(keys?.into())
    };
    let (test, operand) = match constraint {
        Constraint::Equals(value) => ("equals", one(value)),
        Constraint::NotEquals(value) => ("!equals", one(value)),
        Constraint::Less(value) => ("less", one(value)),
        Constraint::LessOrEqual(value) => ("lessOrEqual", one(value)),
        Constraint::Greater(value) => ("greater", one(value)),
        Constraint::GreaterOrEqual(value) => ("greaterOrEqual", one(value)),
        Constraint::In(values) => ("in", many(values)),
        Constraint::NotIn(values) => ("!in", many(values)),
        Constraint::All(values) => ("all", many(values)),
        Constraint::AllMatch(all) => ("matches", keys(all)?),
        Constraint::ContainedBy(values) => ("containedBy", many(values)),
        Constraint::Exists(true) => ("exists", Value::Null),
        Constraint::Exists(false) => ("!exists", Value::Null),
        Constraint::Matches(pattern) => ("matches", keys(std::slice::from_ref(pattern))?),
        Constraint::SameText(_)
        | Constraint::Text(_)
        | Constraint::Near { .. }
        | Constraint::WithinBox { .. }
        | Constraint::WithinPolygon(_)
        | Constraint::WithinSphere { .. }
        | Constraint::Intersects(_)
        | Constraint::InQuery(..)
        | Constraint::Select(..) => return Ok(None),
    };
    let path = Value::Array(path.iter().map(|part| (*part).into()).collect());
    let encoded = json::write(&Value::Array(vec![path, test.into(), operand]));
    Ok(Some(String::from_utf8(encoded).unwrap_or_default()))
}

impl Condition {
    /// Reads what [`encode`] wrote.
    pub(crate) fn decode(encoded: &str, patterns: &Patterns) -> Result<Self, StoreError> {
        let broken = || StoreError::Corrupt("a condition cannot be read".to_owned());
        let Ok(Value::Array(parts)) = json::read(encoded.as_bytes()) else { return Err(broken()) };
        let Ok([path, test, operand]) = <[Value; 3]>::try_from(parts) else { return Err(broken()) };
        let path: Vec<String> =
            path.as_array().unwrap_or_default().iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let test = test.as_str().ok_or_else(broken)?;
        let (test, opposite) = test.strip_prefix('!').map_or((test, false), |test| (test, true));
        let needle = if test == "equals" && !opposite { needle(&operand) } else { None };
        let values = |operand: Value| match operand {
            Value::Array(values) => values,
            _ => Vec::new(),
        };
        let test = match test {
            "equals" => Test::Equals(operand),
            "less" => Test::Compared(operand, Ordering::is_lt),
            "lessOrEqual" => Test::Compared(operand, Ordering::is_le),
            "greater" => Test::Compared(operand, Ordering::is_gt),
            "greaterOrEqual" => Test::Compared(operand, Ordering::is_ge),
            "in" => Test::In(values(operand)),
            "all" => Test::All(values(operand)),
            "containedBy" => Test::ContainedBy(values(operand)),
            "exists" => Test::Exists,
            "matches" => {
                let keys = values(operand);
                Test::Matches(
                    keys.iter().filter_map(Value::as_str).map(|key| patterns.get(key)).collect::<Result<_, _>>()?,
                )
            }
            _ => return Err(broken()),
        };
        Ok(Self { path, test, opposite, needle })
    }

    /// Whether the column's text meets it.
    pub(crate) fn is_met(&self, text: Option<&str>) -> Result<bool, StoreError> {
        if let (Some(needle), Some(text)) = (&self.needle, text)
            && !text.contains(needle.as_str())
        {
            return Ok(false);
        }
        let whole = read(text)?;
        let mut found = Vec::new();
        match &whole {
            Some(whole) => reach(Cow::Borrowed(whole), &self.path, &mut found),
            None => found.push(None),
        }
        Ok(self.test.holds(&found) != self.opposite)
    }
}

/// The text that a value must leave in the JSON of whatever contains it, if there is just one.
fn needle(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Object(_) | Value::Array(_) | Value::File(_) => None,
        scalar => String::from_utf8(json::write(scalar)).ok(),
    }
}

/// What is at a path in a column's text; `None` stands for an object on the way that does not have it.
pub(crate) fn at(text: &str, path: &[String]) -> Result<Vec<Option<Value>>, StoreError> {
    let whole = read(Some(text))?.unwrap_or_default();
    let mut found = Vec::new();
    reach(Cow::Borrowed(&whole), path, &mut found);
    Ok(found.into_iter().map(|value| value.map(Cow::into_owned)).collect())
}

/// The values at a path in a column's text, lists taken apart.
pub(crate) fn values(text: &str, path: &[String]) -> Result<Vec<Value>, StoreError> {
    let mut values = Vec::new();
    for value in at(text, path)?.into_iter().flatten() {
        match value {
            Value::Array(items) => values.extend(items),
            value => values.push(value),
        }
    }
    Ok(values)
}

fn read(text: Option<&str>) -> Result<Option<Value>, StoreError> {
    let read = |text: &str| {
        json::read(text.as_bytes()).map_err(|error| StoreError::Corrupt(format!("JSON in a column: {}", error.message)))
    };
    text.map(read).transpose()
}

/// Collects what is at a path; `None` stands for an object on the way that does not have it.
///
/// MongoDB: a path goes through lists, both by number and into each object in them.
fn reach<'v>(value: Cow<'v, Value>, path: &[String], found: &mut Vec<Option<Cow<'v, Value>>>) {
    let Some((key, rest)) = path.split_first() else {
        found.push(Some(value));
        return;
    };
    match value {
        Cow::Borrowed(Value::Array(items)) => {
            let before = found.len();
            if let Some(item) = key.parse().ok().and_then(|index: usize| items.get(index)) {
                reach(Cow::Borrowed(item), rest, found);
            }
            for item in items.iter().filter(|item| !matches!(item, Value::Array(_)) && has_parts(item)) {
                reach(Cow::Borrowed(item), path, found);
            }
            if found.len() == before {
                found.push(None);
            }
        }
        Cow::Borrowed(Value::Object(map)) => match map.get(key.as_str()) {
            Some(value) => reach(Cow::Borrowed(value), rest, found),
            None => found.push(None),
        },
        other => match parts(&other).swap_remove(key.as_str()) {
            Some(part) => reach(Cow::Owned(part), rest, found),
            None => found.push(None),
        },
    }
}

fn has_parts(value: &Value) -> bool {
    matches!(value, Value::Object(_) | Value::Pointer(_) | Value::File(_) | Value::GeoPoint(_))
}

/// The parts of a value that is an object in MongoDB.
pub(crate) fn parts(value: &Value) -> Map {
    let mut map = Map::default();
    let mut part = |key: &str, value: Value| drop(map.insert(key.into(), value));
    match value {
        Value::Pointer(pointer) => {
            part("__type", "Pointer".into());
            part("className", pointer.class.as_str().into());
            part("objectId", pointer.id.as_str().into());
        }
        Value::File(file) => {
            part("__type", "File".into());
            part("name", file.name.as_str().into());
            if let Some(url) = &file.url {
                part("url", url.as_str().into());
            }
        }
        Value::GeoPoint(point) => {
            part("__type", "GeoPoint".into());
            part("latitude", point.latitude.into());
            part("longitude", point.longitude.into());
        }
        _ => {}
    }
    map
}

type Found<'v> = [Option<Cow<'v, Value>>];

impl Test {
    fn holds(&self, found: &Found<'_>) -> bool {
        match self {
            Self::Equals(value) => is_there(found, value),
            Self::Compared(Value::Null, includes) => includes(Ordering::Equal) && is_there(found, &Value::Null),
            Self::Compared(value, fits) => {
                any(found, |candidate| candidate.is_some_and(|candidate| compare(candidate, value).is_some_and(*fits)))
            }
            Self::In(values) => values.iter().any(|value| is_there(found, value)),
            Self::All(values) => !values.is_empty() && values.iter().all(|value| is_there(found, value)),
            Self::ContainedBy(values) => found.iter().flatten().all(|value| match value.as_ref() {
                Value::Array(items) => items.iter().all(|item| values.iter().any(|value| same(item, value))),
                _ => true,
            }),
            Self::Exists => found.iter().any(Option::is_some),
            Self::Matches(all) => all.iter().all(|regex| {
                any(found, |candidate| candidate.and_then(Value::as_str).is_some_and(|text| regex.is_match(text)))
            }),
        }
    }
}

/// Whether a test holds for something found, or for an element of a list found.
fn any(found: &Found<'_>, test: impl Fn(Option<&Value>) -> bool) -> bool {
    found.iter().any(|candidate| {
        let candidate = candidate.as_deref();
        let items = candidate.and_then(Value::as_array).unwrap_or_default();
        test(candidate) || items.iter().any(|item| test(Some(item)))
    })
}

fn is_there(found: &Found<'_>, value: &Value) -> bool {
    any(found, |candidate| candidate.map_or(value.is_null(), |candidate| same(candidate, value)))
}

/// Files are the same by name: a URL depends on where the server is.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::File(a), Value::File(b)) => a.name == b.name,
        _ => a == b,
    }
}

/// The order of two values of the same type.
fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.partial_cmp(b),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        (Value::Pointer(a), Value::Pointer(b)) if a.class == b.class => Some(a.id.cmp(&b.id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(text: &str, path: &[&str], constraint: &Constraint) -> bool {
        let patterns = Patterns::default();
        let encoded = encode(path, constraint, &patterns).unwrap().unwrap();
        Condition::decode(&encoded, &patterns).unwrap().is_met(Some(text)).unwrap()
    }

    #[test]
    fn paths_go_through_lists_and_typed_values() {
        let list = r#"[{"a":1},{"a":[2,3]},{"b":{"__type":"Pointer","className":"C","objectId":"x"}},5]"#;
        for (path, value, expected) in [
            ("a", Value::from(1), true),
            ("a", 3.into(), true),
            ("a", 4.into(), false),
            ("1.a", 3.into(), true),
            ("0.a", 3.into(), false),
            ("a", Value::Null, true),
            ("b.objectId", "x".into(), true),
            ("3", 5.into(), true),
        ] {
            let path: Vec<&str> = path.split('.').collect();
            assert_eq!(met(list, &path, &Constraint::Equals(value.clone())), expected, "{path:?} {value:?}");
            assert_eq!(met(list, &path, &Constraint::NotEquals(value)), !expected);
        }
    }

    #[test]
    fn types_are_kept_apart() {
        for (text, value, expected) in [
            ("[true]", Value::from(1), false),
            ("[1]", true.into(), false),
            (r#"["1"]"#, 1.into(), false),
            (r#"[{"__type":"Date","iso":"2024-01-01T00:00:00.000Z"}]"#, "2024-01-01T00:00:00.000Z".into(), false),
            (r#"["say \"1\""]"#, "1".into(), false),
            (r#"["a","1"]"#, "1".into(), true),
        ] {
            assert_eq!(met(text, &[], &Constraint::Equals(value.clone())), expected, "{text} {value:?}");
        }
    }
}
