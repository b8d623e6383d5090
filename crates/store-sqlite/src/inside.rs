//! Does a value inside a list or an object meet a condition? The statement hands the column's JSON to this code, so that lists on
//! the way, types and `null` count as they do in MongoDB; no path or value of a client becomes a part of SQL or of a JSON path.

use std::borrow::Cow;

use compact_str::CompactString;
use parsimony_model::Value;
use parsimony_model::query::matches::{self, Purpose, Reached};
use parsimony_model::query::{Constraint, Pattern};
use parsimony_model::value::json;
use parsimony_store::StoreError;

use crate::patterns::{self, Patterns};
use crate::values::stored;

/// A condition on what is inside a column.
#[derive(Debug)]
pub(crate) struct Condition {
    condition: matches::Condition,
    /// What the column's text contains if it meets the condition: a quick way to no.
    needle: Option<String>,
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
        Constraint::NotEquals(value) => ("notEquals", one(value)),
        Constraint::Less(value) => ("less", one(value)),
        Constraint::LessOrEqual(value) => ("lessOrEqual", one(value)),
        Constraint::Greater(value) => ("greater", one(value)),
        Constraint::GreaterOrEqual(value) => ("greaterOrEqual", one(value)),
        Constraint::In(values) => ("in", many(values)),
        Constraint::NotIn(values) => ("notIn", many(values)),
        Constraint::All(values) => ("all", many(values)),
        Constraint::AllMatch(all) => ("matches", keys(all)?),
        Constraint::ContainedBy(values) => ("containedBy", many(values)),
        Constraint::Exists(there) => ("exists", (*there).into()),
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
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let needle = if test == "equals" { needle(&operand) } else { None };
        let values = |operand: Value| match operand {
            Value::Array(values) => values,
            _ => Vec::new(),
        };
        let constraint = match test {
            "equals" => Constraint::Equals(operand),
            "notEquals" => Constraint::NotEquals(operand),
            "less" => Constraint::Less(operand),
            "lessOrEqual" => Constraint::LessOrEqual(operand),
            "greater" => Constraint::Greater(operand),
            "greaterOrEqual" => Constraint::GreaterOrEqual(operand),
            "in" => Constraint::In(values(operand)),
            "notIn" => Constraint::NotIn(values(operand)),
            "all" => Constraint::All(values(operand)),
            "containedBy" => Constraint::ContainedBy(values(operand)),
            "exists" => Constraint::Exists(operand.is_truthy()),
            "matches" => {
                let keys = values(operand);
                Constraint::AllMatch(keys.iter().filter_map(Value::as_str).map(patterns::pattern).collect())
            }
            _ => return Err(broken()),
        };
        let compile = |pattern: &Pattern| patterns.get(&patterns::key(pattern));
        let condition = matches::Condition::new(&path, &constraint, compile)?.ok_or_else(broken)?;
        Ok(Self { condition, needle })
    }

    /// Whether the column's text meets it.
    pub(crate) fn is_met(&self, text: Option<&str>) -> Result<bool, StoreError> {
        if let (Some(needle), Some(text)) = (&self.needle, text)
            && !text.contains(needle.as_str())
        {
            return Ok(false);
        }
        let whole = read(text)?;
        Ok(self.condition.is_met(whole.as_ref().map(kept).as_deref()))
    }
}

/// What a whole column holds, as MongoDB keeps it: of its types only places and areas are not kept as they are.
fn kept(whole: &Value) -> Cow<'_, Value> {
    match whole {
        Value::GeoPoint(_) | Value::Polygon(_) => matches::column(whole),
        _ => Cow::Borrowed(whole),
    }
}

/// The text that a value must leave in the JSON of whatever contains it, if there is just one.
fn needle(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Object(_) | Value::Array(_) | Value::File(_) | Value::GeoPoint(_) | Value::Polygon(_) => {
            None
        }
        // It has two spellings.
        Value::Number(number) if *number == 0.0 => None,
        scalar => String::from_utf8(json::write(scalar)).ok(),
    }
}

/// What is at a path in a column's text.
pub(crate) fn at(text: &str, path: &[String], purpose: Purpose) -> Result<Vec<Reached<'static>>, StoreError> {
    let whole = read(Some(text))?.unwrap_or_default();
    let whole = kept(&whole);
    let path: Vec<CompactString> = path.iter().map(CompactString::from).collect();
    let mut found = Vec::new();
    matches::reach(&whole, &path, purpose, &mut found);
    Ok(found.into_iter().map(Reached::into_owned).collect())
}

/// The values at a path in a column's text, lists taken apart.
pub(crate) fn values(text: &str, path: &[String]) -> Result<Vec<Value>, StoreError> {
    let mut values = Vec::new();
    for reached in at(text, path, Purpose::Distinct)? {
        match reached.value().map(Cow::into_owned) {
            Some(Value::Array(items)) => values.extend(items),
            Some(value) => values.push(value),
            None => {}
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
