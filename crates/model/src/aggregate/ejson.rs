//! How does MongoDB's Extended JSON, the relaxed form, spell a value? It is what `rawValues` asks for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::datum::{Datum, Document};
use crate::error::{ErrorCode, ParseError};
use crate::map;
use crate::query::Pattern;
use crate::value::{Date, Map, Value};

/// The last moment of the year 9999, up to which a date is spelled as text.
const TEXT_MILLIS_MAX: i64 = 253_402_300_799_999;

/// Reads a value.
pub(super) fn read(value: &Value) -> Result<Datum, ParseError> {
    Ok(match value {
        Value::Object(map) => match map.first() {
            Some((key, operand)) if key.starts_with('$') => match special(key, operand, map)? {
                Some(datum) => datum,
                None => Datum::Document(fields(map)?),
            },
            _ => Datum::Document(fields(map)?),
        },
        Value::Array(items) => Datum::Array(items.iter().map(read).collect::<Result<_, _>>()?),
        // Parse: nothing but Extended JSON has a meaning here; its own types are objects like any other.
        Value::Date(_) | Value::Bytes(_) => Datum::spelled(value),
        other => Datum::inside(other.clone()),
    })
}

fn fields(map: &Map) -> Result<Document, ParseError> {
    map.iter().map(|(key, value)| Ok((key.clone(), read(value)?))).collect()
}

fn bad(key: &str) -> ParseError {
    ParseError::new(ErrorCode::InvalidQuery, format!("Malformed {key} in Extended JSON."))
}

/// The value that an object with this first key spells; nothing if it spells none.
fn special(key: &str, operand: &Value, map: &Map) -> Result<Option<Datum>, ParseError> {
    if map.len() != 1 {
        return Ok(None);
    }
    let text = || operand.as_str().ok_or_else(|| bad(key));
    Ok(Some(match key {
        "$oid" => Datum::Id(id(text()?).ok_or_else(|| bad(key))?),
        "$numberInt" => Datum::Int(text()?.parse().map_err(|_error| bad(key))?),
        "$numberLong" => Datum::Long(text()?.parse().map_err(|_error| bad(key))?),
        "$numberDouble" => Datum::Double(double(text()?).ok_or_else(|| bad(key))?),
        "$numberDecimal" => Datum::Decimal(text()?.to_owned()),
        "$date" => Datum::Date(date(operand).ok_or_else(|| bad(key))?),
        "$binary" => binary(operand).ok_or_else(|| bad(key))?,
        "$regularExpression" => regular_expression(operand).ok_or_else(|| bad(key))?,
        "$symbol" => Datum::String(text()?.to_owned()),
        "$undefined" => Datum::Null,
        "$minKey" | "$maxKey" | "$timestamp" | "$code" | "$dbPointer" | "$uuid" => {
            return Err(ParseError::new(ErrorCode::InvalidQuery, format!("{key} is not available.")));
        }
        _ => return Ok(None),
    }))
}

/// Reads the 24 hexadecimal digits of one of MongoDB's own ids.
pub(super) fn id(text: &str) -> Option<[u8; 12]> {
    let mut id = [0; 12];
    let digits: Vec<u8> = text.chars().map(|digit| Some(digit.to_digit(16)? as u8)).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != id.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in id.iter_mut().zip(pairs) {
        *byte = high << 4 | low;
    }
    Some(id)
}

/// Writes one of MongoDB's own ids.
pub(super) fn hexadecimal(id: &[u8; 12]) -> String {
    let nibbles = id.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.filter_map(|nibble| char::from_digit(u32::from(nibble), 16)).collect()
}

fn double(text: &str) -> Option<f64> {
    match text {
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        _ => text.parse().ok().filter(|number: &f64| number.is_finite()),
    }
}

fn date(operand: &Value) -> Option<Date> {
    match operand {
        Value::String(text) => text.parse().ok(),
        Value::Number(millis) => Some(Date::from_millis(*millis as i64)),
        Value::Object(map) => map.get("$numberLong")?.as_str()?.parse().ok().map(Date::from_millis),
        _ => None,
    }
}

fn binary(operand: &Value) -> Option<Datum> {
    let map = operand.as_object()?;
    let bytes = BASE64.decode(map.get("base64")?.as_str()?).ok()?;
    let kind = u8::from_str_radix(map.get("subType")?.as_str()?, 16).ok()?;
    Some(Datum::Bytes(bytes, kind))
}

fn regular_expression(operand: &Value) -> Option<Datum> {
    let map = operand.as_object()?;
    let text = |key: &str| map.get(key)?.as_str().map(str::to_owned);
    Some(Datum::Regex(Pattern { source: text("pattern")?, options: text("options").unwrap_or_default() }))
}

/// Writes a value.
pub(super) fn write(datum: Datum) -> Value {
    match datum {
        Datum::Date(date) => {
            let millis = date.millis();
            let spelled = if (0..=TEXT_MILLIS_MAX).contains(&millis) {
                Value::String(without_millis(date))
            } else {
                Value::Object(map! { "$numberLong" => millis.to_string() })
            };
            Value::Object(map! { "$date" => spelled })
        }
        Datum::Double(number) if !number.is_finite() => {
            let text = if number.is_nan() {
                "NaN"
            } else if number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            };
            Value::Object(map! { "$numberDouble" => text })
        }
        Datum::Decimal(text) => Value::Object(map! { "$numberDecimal" => text }),
        Datum::Bytes(bytes, kind) => {
            let spelled = map! { "base64" => BASE64.encode(bytes), "subType" => format!("{kind:02x}") };
            Value::Object(map! { "$binary" => spelled })
        }
        Datum::Id(id) => Value::Object(map! { "$oid" => hexadecimal(&id) }),
        Datum::Regex(pattern) => {
            let spelled = map! { "pattern" => pattern.source, "options" => pattern.options };
            Value::Object(map! { "$regularExpression" => spelled })
        }
        Datum::Array(items) => Value::Array(items.into_iter().map(write).collect()),
        Datum::Document(document) => written(document),
        Datum::Null => Value::Null,
        Datum::Bool(value) => Value::Bool(value),
        Datum::Int(number) => Value::Number(f64::from(number)),
        Datum::Long(number) => Value::Number(number as f64),
        Datum::Double(number) => Value::Number(number),
        Datum::String(text) => Value::String(text),
    }
}

/// Writes a document.
pub(super) fn written(document: Document) -> Value {
    Value::Object(document.into_iter().map(|(key, datum)| (key, write(datum))).collect())
}

/// Milliseconds are shown if there are any.
fn without_millis(date: Date) -> String {
    let text = date.to_iso();
    match text.strip_suffix(".000Z") {
        Some(start) => format!("{start}Z"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::json;

    fn round(text: &str) -> String {
        let value = json::read(text.as_bytes()).unwrap();
        String::from_utf8(json::write(&write(read(&value).unwrap()))).unwrap()
    }

    #[test]
    fn values_go_round() {
        for text in [
            r#"{"$date":"2020-01-01T00:00:00Z"}"#,
            r#"{"$date":"2020-01-01T00:00:00.005Z"}"#,
            r#"{"$date":{"$numberLong":"-5"}}"#,
            r#"{"$oid":"507f1f77bcf86cd799439011"}"#,
            r#"{"$binary":{"base64":"AAEC","subType":"00"}}"#,
            r#"{"$numberDouble":"-Infinity"}"#,
            r#"{"$numberDecimal":"1.50"}"#,
            r#"{"$regularExpression":{"pattern":"^a","options":"i"}}"#,
            r#"{"a":[1,2.5,"x",null,true,{"$gt":5}]}"#,
            r#"{"__type":"Date","iso":"2020-01-01T00:00:00.000Z"}"#,
        ] {
            assert_eq!(round(text), text);
        }
        assert_eq!(round(r#"{"$numberLong":"5"}"#), "5");
        assert_eq!(round(r#"{"$date":{"$numberLong":"0"}}"#), r#"{"$date":"1970-01-01T00:00:00Z"}"#);
    }

    #[test]
    fn what_is_malformed_or_not_known_is_refused() {
        for text in [
            r#"{"$oid":"xyz"}"#,
            r#"{"$oid":5}"#,
            r#"{"$date":"yesterday"}"#,
            r#"{"$numberInt":"1.5"}"#,
            r#"{"$binary":{"base64":"AA"}}"#,
            r#"{"$minKey":1}"#,
        ] {
            let error = read(&json::read(text.as_bytes()).unwrap()).unwrap_err();
            assert_eq!(error.number(), Some(102), "{text}");
        }
    }
}
