//! Data that may not come in at all: `requestKeywordDenylist`.

use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Op, ParseError, Update, Value};

use crate::options::DeniedKeyword;

/// Refuses a body with a denied key or value at any depth (105).
pub(crate) fn refuse_denied(denied: &[DeniedKeyword], body: &Map) -> Result<(), ParseError> {
    let found = denied.iter().find(|keyword| in_map(keyword, body));
    found.map_or(Ok(()), |keyword| Err(prohibited(keyword)))
}

/// As [`refuse_denied`], for what a hook made of a body that has been looked at: only what it changed is looked at again.
pub(super) fn refuse_denied_changes(
    denied: &[DeniedKeyword],
    asked: &Update,
    update: &Update,
) -> Result<(), ParseError> {
    let changed = || update.0.iter().filter(|(field, op)| asked.0.get(*field) != Some(*op));
    let found = denied.iter().find(|keyword| changed().any(|(field, op)| in_op(keyword, field, op)));
    found.map_or(Ok(()), |keyword| Err(prohibited(keyword)))
}

fn prohibited(keyword: &DeniedKeyword) -> ParseError {
    let mut shown = Map::default();
    let text = keyword.key.as_ref().filter(|_| keyword.is_text);
    for (name, pattern) in [("key", &keyword.key), ("value", &keyword.value)] {
        if let Some(pattern) = pattern {
            shown.insert(name.into(), pattern.as_str().into());
        }
    }
    let shown = text.map_or(Value::Object(shown), |text| text.as_str().into());
    let shown = String::from_utf8_lossy(&parsimony_model::value::json::write(&shown)).into_owned();
    ParseError::new(ErrorCode::InvalidKeyName, format!("Prohibited keyword in request data: {shown}."))
}

fn in_op(keyword: &DeniedKeyword, field: &str, op: &Op) -> bool {
    match op {
        Op::Set(value) => hits(keyword, Some(field), value) || in_value(keyword, value),
        Op::Add(items) | Op::AddUnique(items) => {
            // The list itself is no text, so its name alone can be denied.
            hits(keyword, Some(field), &Value::Null) || in_items(keyword, items)
        }
        Op::Delete | Op::Increment(_) | Op::Remove(_) | Op::Relate { .. } => false,
    }
}

fn in_map(keyword: &DeniedKeyword, map: &Map) -> bool {
    map.iter().any(|(key, value)| hits(keyword, Some(key), value) || in_value(keyword, value))
}

fn in_value(keyword: &DeniedKeyword, value: &Value) -> bool {
    match value {
        Value::Object(map) => in_map(keyword, map),
        Value::Array(items) => in_items(keyword, items),
        _ => false,
    }
}

fn in_items(keyword: &DeniedKeyword, items: &[Value]) -> bool {
    items.iter().any(|item| hits(keyword, None, item) || in_value(keyword, item))
}

/// A key pattern asks keys, a value pattern texts; a keyword with both wants both of one entry.
fn hits(keyword: &DeniedKeyword, key: Option<&str>, value: &Value) -> bool {
    let key_hit = keyword.key.as_ref().map(|pattern| key.is_some_and(|key| pattern.is_match(key)));
    let value_hit = keyword.value.as_ref().map(|pattern| value.as_str().is_some_and(|text| pattern.is_match(text)));
    key_hit.unwrap_or(true) && value_hit.unwrap_or(true) && (key_hit.is_some() || value_hit.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::default_denied_keywords;
    use parsimony_model::value::json;

    #[test]
    fn denied_keys_are_found_behind_siblings_and_at_any_depth() {
        for (text, denied) in [
            (r#"{"a":{"metadata":{},"_bsontype":"Code"}}"#, true),
            (r#"{"a":{"tags":["safe"],"_bsontype":"Code","code":"x"}}"#, true),
            (r#"{"obj":{"data":{},"constructor":{}}}"#, true),
            (r#"{"f1":{"a":1},"f2":[[{"__proto__":1}]]}"#, true),
            (r#"{"a":{"_bsontype":"Other"},"b":"Code","c":"constructor"}"#, false),
        ] {
            let body = json::read(text.as_bytes()).unwrap();
            let refused = refuse_denied(&default_denied_keywords(), body.as_object().unwrap());
            assert_eq!(refused.is_err(), denied, "{text}");
        }
    }

    #[test]
    fn what_a_hook_changes_is_looked_at_and_nothing_else() {
        let denied = default_denied_keywords();
        let update = |text: &str| {
            let Ok(Value::Object(body)) = json::read(text.as_bytes()) else { panic!("{text}") };
            Update::parse(body).unwrap()
        };
        let bad = r#"{"a":{"_bsontype":"Code"},"b":1}"#;
        for (asked, left, refused) in [
            (r#"{"b":1}"#, bad, true),
            (r#"{"a":1}"#, r#"{"a":1,"c":[{"__proto__":1}]}"#, true),
            (r#"{"a":1}"#, r#"{"constructor":{"__op":"Add","objects":[1]}}"#, true),
            (r#"{"a":1}"#, r#"{"c":{"__op":"AddUnique","objects":[{"constructor":1}]}}"#, true),
            (r#"{"a":1}"#, r#"{"a":2,"c":{"__op":"Delete"}}"#, false),
            // What a client sends was looked at when it came.
            (bad, bad, false),
        ] {
            let found = refuse_denied_changes(&denied, &update(asked), &update(left));
            assert_eq!(found.is_err(), refused, "{asked} {left}");
        }
    }
}
