//! Which words does a condition ask for: `$text`.

use super::{invalid_json, invalid_query};
use crate::error::ParseError;
use crate::names::shorten;
use crate::query::{Language, TextSearch};
use crate::value::{Map, Value};

/// Reads `$text`.
pub(super) fn search(operand: &Value) -> Result<TextSearch, ParseError> {
    let search = operand.as_object().and_then(|map| map.get("$search")).and_then(Value::as_object);
    let search = search.ok_or_else(|| bad("$search, should be object"))?;
    let term = search.get("$term").and_then(Value::as_str).filter(|term| !term.is_empty());
    let term = term.ok_or_else(|| bad("$term, should be string"))?;
    Ok(TextSearch {
        term: term.to_owned(),
        language: language(search)?,
        case_sensitive: flag(search, "$caseSensitive")?,
        diacritic_sensitive: flag(search, "$diacriticSensitive")?,
    })
}

fn bad(what: &str) -> ParseError {
    invalid_json(format!("bad $text: {what}"))
}

fn language(search: &Map) -> Result<Language, ParseError> {
    // Parse: what is not true is not there.
    let Some(given) = search.get("$language").filter(|given| given.is_truthy()) else { return Ok(Language::default()) };
    let name = given.as_str().ok_or_else(|| bad("$language, should be string"))?;
    Language::named(name).ok_or_else(|| invalid_query(format!("unsupported language: \"{}\"", shorten(name))))
}

fn flag(search: &Map, name: &str) -> Result<bool, ParseError> {
    match search.get(name) {
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(given) if given.is_truthy() => Err(bad(&format!("{name}, should be boolean"))),
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::json;

    fn read(text: &str) -> Result<TextSearch, ParseError> {
        search(&json::read(text.as_bytes()).unwrap())
    }

    #[test]
    fn options_that_are_not_true_are_not_there() {
        let plain = TextSearch {
            term: "coffee".to_owned(),
            language: Language::English,
            case_sensitive: false,
            diacritic_sensitive: false,
        };
        for more in ["", r#","$language":null,"$caseSensitive":0"#, r#","$language":"","$diacriticSensitive":false"#] {
            assert_eq!(read(&format!(r#"{{"$search":{{"$term":"coffee"{more}}}}}"#)).unwrap(), plain, "{more}");
        }
        let all = r#"{"$search":{"$term":"x","$language":"Es","$caseSensitive":true,"$diacriticSensitive":true}}"#;
        let read = read(all).unwrap();
        assert_eq!((read.language, read.case_sensitive, read.diacritic_sensitive), (Language::Spanish, true, true));
    }

    #[test]
    fn refusals_have_parse_s_texts() {
        for (text, code, message) in [
            (r#""x""#, 107, "bad $text: $search, should be object"),
            ("{}", 107, "bad $text: $search, should be object"),
            (r#"{"$search":"x"}"#, 107, "bad $text: $search, should be object"),
            (r#"{"$search":{}}"#, 107, "bad $text: $term, should be string"),
            (r#"{"$search":{"$term":""}}"#, 107, "bad $text: $term, should be string"),
            (r#"{"$search":{"$term":5}}"#, 107, "bad $text: $term, should be string"),
            (r#"{"$search":{"$term":"x","$language":5}}"#, 107, "bad $text: $language, should be string"),
            (
                r#"{"$search":{"$term":"x","$caseSensitive":"yes"}}"#,
                107,
                "bad $text: $caseSensitive, should be boolean",
            ),
            (
                r#"{"$search":{"$term":"x","$diacriticSensitive":1}}"#,
                107,
                "bad $text: $diacriticSensitive, should be boolean",
            ),
            (r#"{"$search":{"$term":"x","$language":"klingon"}}"#, 102, "unsupported language: \"klingon\""),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!((error.number(), &*error.message), (Some(code), message), "{text}");
        }
    }
}
