//! What may stand in the details of an entry: a little plain JSON, without personal data and without secrets.

use parsimony_model::names::shorten;
use parsimony_model::value::Map;
use parsimony_model::{ParseError, Value};

use crate::canonical;
use crate::params::invalid;

/// How large the details of one entry may be, in bytes of canonical JSON.
pub const DETAILS_BYTES_MAX: usize = 4096;

/// How deep they may be nested.
const DEPTH_MAX: usize = 4;

/// Names of personal data and secrets, in small letters and without separators; a key that contains one is refused.
const REFUSED: &[&str] = &[
    "address",
    "birth",
    "cardnumber",
    "documentnumber",
    "email",
    "firstname",
    "fullname",
    "iban",
    "lastname",
    "legalname",
    "nationalid",
    "passportnumber",
    "password",
    "phone",
    "registrationnumber",
    "secret",
    "sessiontoken",
    "socialsecurity",
    "surname",
    "taxid",
];

/// The same, but only as the whole key: they are parts of harmless words.
const REFUSED_WHOLE: &[&str] = &["dob", "name", "pin", "ssn", "token"];

/// Refuses details that are too large, too deep, not plain JSON, or whose keys name personal data (142).
pub fn check(details: &Map) -> Result<(), ParseError> {
    check_map(details, 1)?;
    let bytes = canonical::text(&Value::Object(details.clone())).len();
    if bytes > DETAILS_BYTES_MAX {
        return Err(invalid("details", format!("it has {bytes} bytes, and may have {DETAILS_BYTES_MAX}")));
    }
    Ok(())
}

fn check_map(map: &Map, depth: usize) -> Result<(), ParseError> {
    for (key, value) in map {
        let letters: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
        let letters = letters.to_ascii_lowercase();
        let field = || format!("details.{}", shorten(key));
        if REFUSED_WHOLE.contains(&letters.as_str()) || REFUSED.iter().any(|word| letters.contains(word)) {
            return Err(invalid(&field(), "personal data and secrets do not belong in the audit trail"));
        }
        // Such keys cannot be stored, or mean a type.
        if key.is_empty() || key.starts_with('_') || key.contains(['$', '.', '\0']) {
            return Err(invalid(&field(), "a key may not be empty, begin with _ or contain $, . or NUL"));
        }
        check_value(&field, value, depth)?;
    }
    Ok(())
}

fn check_value(field: &dyn Fn() -> String, value: &Value, depth: usize) -> Result<(), ParseError> {
    if depth > DEPTH_MAX {
        return Err(invalid("details", format!("it may be nested {DEPTH_MAX} levels deep")));
    }
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
        Value::Number(number) if number.is_finite() => Ok(()),
        Value::Object(map) => check_map(map, depth + 1),
        Value::Array(items) => items.iter().try_for_each(|item| check_value(field, item, depth + 1)),
        Value::Number(_)
        | Value::Date(_)
        | Value::Bytes(_)
        | Value::File(_)
        | Value::GeoPoint(_)
        | Value::Polygon(_)
        | Value::Pointer(_)
        | Value::Relation(_)
        | Value::Included(_) => Err(invalid(&field(), "it must be plain JSON")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsimony_model::value::json;

    fn refusal(text: &str) -> String {
        let value = json::read(text.as_bytes()).unwrap();
        check(value.as_object().unwrap()).err().map(|error| error.message.into_owned()).unwrap_or_default()
    }

    #[test]
    fn only_a_little_plain_json_without_personal_data() {
        for (text, expected) in [
            ("{}", ""),
            (r#"{"level":"BASIC","n":[1,{"ok":true}],"username":"u","note":null}"#, ""),
            (r#"{"dateOfBirth":"1990-01-01"}"#, "details.dateOfBirth"),
            (r#"{"a":{"Date_Of-Birth":1}}"#, "details.Date_Of-Birth"),
            (r#"{"a":[{"email":"x"}]}"#, "details.email"),
            (r#"{"dob":1}"#, "personal data"),
            (r#"{"a.b":1}"#, "a key may not"),
            (r#"{"$set":1}"#, "a key may not"),
            (r#"{"a":{"__type":"Date","iso":"2026-01-01T00:00:00.000Z"}}"#, "plain JSON"),
            (r#"{"a":{"a":{"a":{"a":{"a":1}}}}}"#, "4 levels"),
            (&format!(r#"{{"a":"{}"}}"#, "x".repeat(5000)), "5008 bytes"),
        ] {
            let refusal = refusal(text);
            assert!(if expected.is_empty() { refusal.is_empty() } else { refusal.contains(expected) }, "{refusal}");
        }
    }
}
