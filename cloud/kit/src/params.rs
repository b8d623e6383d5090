//! Is a parameter what it should be: checks that name the field in their refusal (142).

use parsimony_model::value::Map;
use parsimony_model::{Date, ErrorCode, ObjectId, ParseError, Value};

use crate::canonical;
use crate::countries;

/// How large a `metadata` object may be, in bytes of canonical JSON.
pub const METADATA_BYTES_MAX: usize = 8192;

/// How long a key may be by which a request may be repeated, in characters.
pub const REQUEST_KEY_CHARS_MAX: usize = 128;

/// A refusal that names the field, worded like those of the typed parameters.
pub fn invalid(field: &str, reason: impl std::fmt::Display) -> ParseError {
    ParseError::new(ErrorCode::ValidationError, format!("Validation failed. Invalid value for {field}: {reason}."))
}

/// A parameter that is missing where the others make it necessary.
pub fn missing(field: &str, reason: impl std::fmt::Display) -> ParseError {
    ParseError::new(
        ErrorCode::ValidationError,
        format!("Validation failed. Please specify data for {field}: {reason}."),
    )
}

/// Text of so many characters, not blank, without control characters and spaces around it.
pub fn text(field: &str, value: &str, chars_min: usize, chars_max: usize) -> Result<(), ParseError> {
    let chars = value.chars().count();
    if !(chars_min..=chars_max).contains(&chars) {
        return Err(invalid(field, format!("it must have {chars_min} to {chars_max} characters")));
    }
    if value.chars().any(char::is_control) {
        return Err(invalid(field, "it must have no control characters"));
    }
    if value.trim() != value {
        return Err(invalid(field, "it must have no spaces around it"));
    }
    Ok(())
}

/// A word of letters, digits and the marks in `marks`, as codes and keys are.
pub fn word(field: &str, value: &str, marks: &str, chars_max: usize) -> Result<(), ParseError> {
    text(field, value, 1, chars_max)?;
    if value.chars().all(|letter| letter.is_ascii_alphanumeric() || marks.contains(letter)) {
        return Ok(());
    }
    Err(invalid(field, format!("it may only have letters, digits and {marks}")))
}

/// A reason code: capitals, digits and `_`.
pub fn code(field: &str, value: &str) -> Result<(), ParseError> {
    word(field, value, "_", 64)?;
    if value.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(invalid(field, "it must be a code in capitals, such as DOCUMENT_UNREADABLE"));
    }
    Ok(())
}

/// ISO 3166-1 alpha-2, in capitals.
pub fn country(field: &str, value: &str) -> Result<(), ParseError> {
    if countries::is_country(value) {
        return Ok(());
    }
    Err(invalid(field, "it must be an ISO 3166-1 alpha-2 country code, such as DE"))
}

/// A day, `YYYY-MM-DD`, that exists, is not in the future and not before 1900.
pub fn past_day(field: &str, value: &str, now: Date) -> Result<(), ParseError> {
    let shape = value.len() == 10 && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let day: Date =
        value.parse().ok().filter(|_| shape).ok_or_else(|| invalid(field, "it must be a day, such as 1990-12-31"))?;
    // Somewhere on earth the day is up to 14 hours ahead of UTC.
    if day > now.plus_millis(14 * 3_600_000) {
        return Err(invalid(field, "it must not be in the future"));
    }
    if value < "1900-01-01" {
        return Err(invalid(field, "it must not be before 1900"));
    }
    Ok(())
}

/// A moment that is still to come.
pub fn future(field: &str, value: Date, now: Date) -> Result<(), ParseError> {
    if value > now {
        return Ok(());
    }
    Err(invalid(field, "it must be in the future"))
}

/// The id of an object.
pub fn object_id(field: &str, value: &str) -> Result<ObjectId, ParseError> {
    ObjectId::parse(value).map_err(|error| invalid(field, error.message.trim_end_matches('.')))
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256(field: &str, value: &str) -> Result<(), ParseError> {
    if value.len() == 64 && value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(());
    }
    Err(invalid(field, "it must be SHA-256 in 64 hexadecimal digits, small letters"))
}

/// The key by which a request may be repeated, if there is one.
pub fn request_key(value: Option<&str>) -> Result<(), ParseError> {
    value.map_or(Ok(()), |key| word("requestKey", key, "-_.:", REQUEST_KEY_CHARS_MAX))
}

/// A list that is not too long.
pub fn list<T>(field: &str, items: &[T], items_max: usize) -> Result<(), ParseError> {
    if items.len() <= items_max {
        return Ok(());
    }
    Err(invalid(field, format!("it may have {items_max} items")))
}

/// An application's own notes on an entity: any object that is not too large.
pub fn metadata(field: &str, value: &Map) -> Result<(), ParseError> {
    let bytes = canonical::text(&Value::Object(value.clone())).len();
    if bytes <= METADATA_BYTES_MAX {
        return Ok(());
    }
    Err(invalid(field, format!("it has {bytes} bytes, and may have {METADATA_BYTES_MAX}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Date {
        "2026-01-31T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn refusals_name_the_field() {
        let error = country("nationality", "XX").unwrap_err();
        assert_eq!(error.number(), Some(142));
        assert!(error.message.starts_with("Validation failed. Invalid value for nationality: "), "{}", error.message);
        assert!(missing("reasons", "a rejection needs them").message.contains("Please specify data for reasons"));
        assert!(object_id("identityId", "").unwrap_err().message.contains("for identityId: objectId must not be"));
    }

    #[test]
    fn what_is_accepted_and_what_is_not() {
        let day = |value: &str| past_day("f", value, now()).is_ok();
        let cases = [
            ("text", text("f", "Ada", 1, 5).is_ok(), true),
            ("letters count, not bytes", text("f", "ÄÖÜéñ", 1, 5).is_ok(), true),
            ("too long", text("f", "abcdef", 1, 5).is_ok(), false),
            ("empty", text("f", "", 1, 5).is_ok(), false),
            ("blank", text("f", "  ", 1, 5).is_ok(), false),
            ("padded", text("f", " a", 1, 5).is_ok(), false),
            ("control", text("f", "a\0b", 1, 5).is_ok(), false),
            ("word", word("f", "a-1:b", "-:", 9).is_ok(), true),
            ("no word", word("f", "a b", "-:", 9).is_ok(), false),
            ("code", code("f", "DOCUMENT_2").is_ok(), true),
            ("no code", code("f", "Document").is_ok(), false),
            ("day", day("1990-12-31"), true),
            ("today", day("2026-01-31"), true),
            ("tomorrow east of Greenwich", day("2026-02-01"), true),
            ("future", day("2026-02-02"), false),
            ("long ago", day("1899-12-31"), false),
            ("no such day", day("2025-02-29"), false),
            ("leap day", day("2024-02-29"), true),
            ("a moment is no day", day("1990-12-31T00:00:00Z"), false),
            ("American", day("12/31/1990"), false),
            ("basic format", day("19901231"), false),
            ("later", future("f", now().plus_millis(1), now()).is_ok(), true),
            ("now is not later", future("f", now(), now()).is_ok(), false),
            ("sha256", sha256("f", &"0a".repeat(32)).is_ok(), true),
            ("capitals", sha256("f", &"0A".repeat(32)).is_ok(), false),
            ("short", sha256("f", "0a").is_ok(), false),
            ("list", list("f", &[1, 2], 2).is_ok(), true),
            ("long list", list("f", &[1, 2, 3], 2).is_ok(), false),
        ];
        for (name, accepted, expected) in cases {
            assert_eq!(accepted, expected, "{name}");
        }
    }
}
