//! Data that may not come in at all: `requestKeywordDenylist`.

use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Op, ParseError, Update, Value};

use crate::options::DeniedKeyword;

/// Refuses a body with a denied key or value at any depth (105).
pub(crate) fn refuse_denied(denied: &[DeniedKeyword], body: &Map) -> Result<(), ParseError> {
    match denied.iter().find(|keyword| in_map(keyword, body)) {
        None => Ok(()),
        Some(keyword) => {
            let mut shown = Map::default();
            for (name, pattern) in [("key", &keyword.key), ("value", &keyword.value)] {
                if let Some(pattern) = pattern {
                    shown.insert(name.into(), pattern.as_str().into());
                }
            }
            let shown =
                String::from_utf8_lossy(&parsimony_model::value::json::write(&Value::Object(shown))).into_owned();
            Err(ParseError::new(ErrorCode::InvalidKeyName, format!("Prohibited keyword in request data: {shown}.")))
        }
    }
}

/// As [`refuse_denied`], for what a hook made of the body.
pub(super) fn refuse_denied_update(denied: &[DeniedKeyword], update: &Update) -> Result<(), ParseError> {
    let values = update.0.iter().filter_map(|(field, op)| match op {
        Op::Set(value) => Some((field.clone(), value.clone())),
        Op::Add(items) | Op::AddUnique(items) => Some((field.clone(), Value::Array(items.clone()))),
        Op::Delete | Op::Increment(_) | Op::Remove(_) | Op::Relate { .. } => None,
    });
    refuse_denied(denied, &values.collect())
}

fn in_map(keyword: &DeniedKeyword, map: &Map) -> bool {
    map.iter().any(|(key, value)| hits(keyword, Some(key), value) || in_value(keyword, value))
}

fn in_value(keyword: &DeniedKeyword, value: &Value) -> bool {
    match value {
        Value::Object(map) => in_map(keyword, map),
        Value::Array(items) => items.iter().any(|item| hits(keyword, None, item) || in_value(keyword, item)),
        _ => false,
    }
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
}
