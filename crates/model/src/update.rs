//! What does an update do: Parse's `__op`s, read once and applied the same way everywhere.

use compact_str::CompactString;
use indexmap::IndexMap;

use crate::error::{ErrorCode, ParseError};
use crate::value::{Map, Pointer, Value};

/// What happens to one field.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// It gets this value.
    Set(Value),
    /// It goes.
    Delete,
    /// A number is added.
    Increment(f64),
    /// Elements are appended.
    Add(Vec<Value>),
    /// Elements that are missing are appended.
    AddUnique(Vec<Value>),
    /// Every equal element goes.
    Remove(Vec<Value>),
    /// Members enter and leave a relation. Relations live in join tables, so stores never see this one.
    Relate {
        /// Who enters.
        add: Vec<Pointer>,
        /// Who leaves.
        remove: Vec<Pointer>,
    },
}

/// What happens to each field; a key may be a path such as `stats.wins`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Update(pub IndexMap<CompactString, Op, crate::hashing::Keyed>);

impl Op {
    /// Reads the value of a field in a body: a plain value, or `{"__op": …}`.
    pub fn parse(value: Value) -> Result<Self, ParseError> {
        let Value::Object(map) = &value else { return Ok(Self::Set(value)) };
        let Some(op) = map.get("__op") else { return Ok(Self::Set(value)) };
        match op.as_str() {
            Some("Delete") => Ok(Self::Delete),
            Some("Increment") => match map.get("amount") {
                Some(Value::Number(amount)) => Ok(Self::Increment(*amount)),
                _ => Err(ParseError::new(ErrorCode::InvalidJson, "incrementing must provide a number")),
            },
            Some("Add") => elements(map, "add").map(Self::Add),
            Some("AddUnique") => elements(map, "add").map(Self::AddUnique),
            Some("Remove") => elements(map, "remove").map(Self::Remove),
            Some("AddRelation") => Ok(Self::Relate { add: pointers(map)?, remove: Vec::new() }),
            Some("RemoveRelation") => Ok(Self::Relate { add: Vec::new(), remove: pointers(map)? }),
            Some("Batch") => batch(map),
            _ => Err(ParseError::new(
                ErrorCode::InvalidJson,
                format!(
                    "The {} operator is not supported.",
                    op.as_str().map(crate::names::shorten).unwrap_or_default()
                ),
            )),
        }
    }

    /// The value the field has afterwards; `None` means it has none.
    pub fn apply(&self, before: Option<&Value>) -> Result<Option<Value>, ParseError> {
        Ok(Some(match self {
            Self::Set(value) => value.clone(),
            Self::Delete => return Ok(None),
            Self::Relate { .. } => return Ok(before.cloned()),
            Self::Increment(amount) => match before {
                None => Value::Number(*amount),
                Some(Value::Number(number)) => Value::Number(number + amount),
                Some(_) => return Err(wrong("Cannot increment a value that is not a number")),
            },
            Self::Add(items) => {
                let mut list = list(before)?;
                list.extend(items.iter().cloned());
                Value::Array(list)
            }
            Self::AddUnique(items) => {
                let mut list = list(before)?;
                for item in items {
                    if !list.contains(item) {
                        list.push(item.clone());
                    }
                }
                Value::Array(list)
            }
            // Parse: where there is no list, nothing is taken from it, and there is none afterwards.
            Self::Remove(_) if before.is_none() => return Ok(None),
            Self::Remove(items) => {
                let mut list = list(before)?;
                list.retain(|element| !items.contains(element));
                Value::Array(list)
            }
        }))
    }

    /// Whether the client cannot know the outcome, so that the answer has to tell it.
    pub fn is_computed(&self) -> bool {
        matches!(self, Self::Increment(_) | Self::Add(_) | Self::AddUnique(_) | Self::Remove(_))
    }
}

fn wrong(text: &'static str) -> ParseError {
    ParseError::new(ErrorCode::IncorrectType, text)
}

fn list(before: Option<&Value>) -> Result<Vec<Value>, ParseError> {
    match before {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => Ok(items.clone()),
        Some(_) => Err(wrong("Cannot add to or remove from a value that is not an array")),
    }
}

fn elements(map: &Map, verb: &str) -> Result<Vec<Value>, ParseError> {
    match map.get("objects") {
        Some(Value::Array(items)) => Ok(items.clone()),
        _ => Err(ParseError::new(ErrorCode::InvalidJson, format!("objects to {verb} must be an array"))),
    }
}

fn pointers(map: &Map) -> Result<Vec<Pointer>, ParseError> {
    let bad = || ParseError::new(ErrorCode::InvalidJson, "objects of a relation must be an array of pointers");
    let items = map.get("objects").and_then(Value::as_array).ok_or_else(bad)?;
    items.iter().map(|item| item.as_pointer().ok_or_else(bad)).collect()
}

fn batch(map: &Map) -> Result<Op, ParseError> {
    let bad = || ParseError::new(ErrorCode::InvalidJson, "ops of a Batch must be relation operations");
    let (mut add, mut remove) = (Vec::new(), Vec::new());
    for op in map.get("ops").and_then(Value::as_array).ok_or_else(bad)? {
        match Op::parse(op.clone())? {
            Op::Relate { add: more, remove: fewer } => {
                add.extend(more);
                remove.extend(fewer);
            }
            _ => return Err(bad()),
        }
    }
    Ok(Op::Relate { add, remove })
}

impl Update {
    /// Reads the body of a save.
    pub fn parse(body: Map) -> Result<Self, ParseError> {
        body.into_iter().map(|(key, value)| Ok((key, Op::parse(value)?))).collect::<Result<_, _>>().map(Self)
    }

    /// The same for an object that is not there yet. Parse: elements are then compared with nothing, not even with each
    /// other, and what is taken from nothing leaves an empty list.
    #[must_use]
    pub fn of_new(self) -> Self {
        let op = |op| match op {
            Op::AddUnique(items) => Op::Set(Value::Array(items)),
            Op::Remove(_) => Op::Set(Value::Array(Vec::new())),
            op => op,
        };
        self.0.into_iter().map(|(field, old)| (field, op(old))).collect()
    }

    /// Sets a field.
    pub fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.0.insert(field.into(), Op::Set(value.into()));
    }

    /// The operation on exactly this key.
    pub fn get(&self, key: &str) -> Option<&Op> {
        self.0.get(key)
    }

    /// The value this update sets on exactly this key.
    pub fn value(&self, key: &str) -> Option<&Value> {
        match self.0.get(key) {
            Some(Op::Set(value)) => Some(value),
            _ => None,
        }
    }

    /// Whether it touches the field, also below it.
    pub fn touches(&self, field: &str) -> bool {
        self.0.contains_key(field) || self.touches_below(field)
    }

    /// Whether it changes a part of a field.
    pub fn touches_below(&self, field: &str) -> bool {
        self.0.keys().any(|key| is_below(key, field))
    }

    /// Does it all to these fields.
    pub fn apply(&self, fields: &mut Map) -> Result<(), ParseError> {
        for (path, op) in &self.0 {
            match path.split_once('.') {
                None => match op.apply(fields.get(path))? {
                    Some(value) => {
                        fields.insert(path.clone(), value);
                    }
                    None => {
                        fields.shift_remove(path);
                    }
                },
                Some((first, rest)) => {
                    let before = fields.get(first).cloned().filter(|value| !value.is_null());
                    let after = apply_below(before.unwrap_or_else(|| Value::Object(Map::default())), rest, op)?;
                    fields.insert(first.into(), after);
                }
            }
        }
        Ok(())
    }
}

impl FromIterator<(CompactString, Op)> for Update {
    fn from_iter<I: IntoIterator<Item = (CompactString, Op)>>(ops: I) -> Self {
        Self(ops.into_iter().collect())
    }
}

/// Whether a path leads to a part of a field.
pub fn is_below(path: &str, field: &str) -> bool {
    path.strip_prefix(field).is_some_and(|rest| rest.starts_with('.'))
}

/// The first part of a path.
pub fn top(path: &str) -> &str {
    path.split_once('.').map_or(path, |(first, _)| first)
}

fn apply_below(container: Value, path: &str, op: &Op) -> Result<Value, ParseError> {
    let (key, rest) = path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)));
    let change = |before: Option<&Value>| match rest {
        None => op.apply(before),
        Some(rest) => {
            let below = before.cloned().filter(|value| !value.is_null());
            apply_below(below.unwrap_or_else(|| Value::Object(Map::default())), rest, op).map(Some)
        }
    };
    match container {
        Value::Object(mut map) => {
            match change(map.get(key))? {
                Some(value) => {
                    map.insert(key.into(), value);
                }
                None => {
                    map.shift_remove(key);
                }
            }
            Ok(Value::Object(map))
        }
        Value::Array(mut items) => {
            let Ok(index) = key.parse::<usize>() else { return Err(wrong("An array is changed by a number")) };
            // A far index would fill the gap with nulls: bounded, so that one request cannot fill the memory.
            if index > items.len().saturating_add(1_000) {
                return Err(wrong("An array cannot be extended that far"));
            }
            let value = change(items.get(index))?.unwrap_or_default();
            if index >= items.len() {
                items.resize(index + 1, Value::Null);
            }
            if let Some(slot) = items.get_mut(index) {
                *slot = value;
            }
            Ok(Value::Array(items))
        }
        _ => Err(wrong("A part of a value that is no object cannot be changed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::json;

    fn map(text: &str) -> Map {
        json::read(text.as_bytes()).unwrap().as_object().unwrap().clone()
    }

    fn after(fields: &str, body: &str) -> Result<String, ParseError> {
        let mut fields = map(fields);
        Update::parse(map(body))?.apply(&mut fields)?;
        Ok(String::from_utf8(json::write(&Value::Object(fields))).unwrap())
    }

    #[test]
    fn every_op_has_its_effect() {
        for (fields, body, expected) in [
            (r#"{"a":1}"#, r#"{"a":2,"b":null}"#, r#"{"a":2,"b":null}"#),
            (r#"{"a":1,"b":2}"#, r#"{"a":{"__op":"Delete"}}"#, r#"{"b":2}"#),
            (
                r#"{"a":1}"#,
                r#"{"a":{"__op":"Increment","amount":2},"b":{"__op":"Increment","amount":-1}}"#,
                r#"{"a":3,"b":-1}"#,
            ),
            (r#"{"a":[1]}"#, r#"{"a":{"__op":"Add","objects":[1,2]}}"#, r#"{"a":[1,1,2]}"#),
            (r#"{"a":[1]}"#, r#"{"a":{"__op":"AddUnique","objects":[1,2]}}"#, r#"{"a":[1,2]}"#),
            (r#"{"a":[1,2,1]}"#, r#"{"a":{"__op":"Remove","objects":[1]}}"#, r#"{"a":[2]}"#),
            (r#"{"b":1}"#, r#"{"a":{"__op":"Remove","objects":[1]}}"#, r#"{"b":1}"#),
            (
                r#"{"a":{"b":1}}"#,
                r#"{"a.b":{"__op":"Increment","amount":1},"a.c.d":5}"#,
                r#"{"a":{"b":2,"c":{"d":5}}}"#,
            ),
            (r#"{"a":[1,2]}"#, r#"{"a.1":5}"#, r#"{"a":[1,5]}"#),
        ] {
            assert_eq!(after(fields, body).unwrap(), expected, "{body}");
        }
    }

    #[test]
    fn malformed_ops_are_refused() {
        for (body, code) in [
            (r#"{"a":{"__op":"Increment","amount":"1"}}"#, 107),
            (r#"{"a":{"__op":"Add","objects":1}}"#, 107),
            (r#"{"a":{"__op":"Nope"}}"#, 107),
            (r#"{"s":{"__op":"Increment","amount":1}}"#, 111),
            (r#"{"s":{"__op":"Add","objects":[1]}}"#, 111),
            (r#"{"n":{"__op":"Increment","amount":1}}"#, 111),
            (r#"{"n":{"__op":"AddUnique","objects":[1]}}"#, 111),
            (r#"{"s.x":1}"#, 111),
            (r#"{"a.999999999":1}"#, 111),
            (r#"{"r":{"__op":"AddRelation","objects":[1]}}"#, 107),
        ] {
            assert_eq!(after(r#"{"s":"text","a":[],"n":null}"#, body).unwrap_err().number(), Some(code), "{body}");
        }
    }
}
