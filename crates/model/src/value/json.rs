//! How JSON spells a value: the only reader and writer of `__type`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use compact_str::CompactString;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::{Date, File, GeoPoint, Map, Pointer, Polygon, Value};
use crate::error::{ErrorCode, ParseError};
use crate::names::{ClassName, ObjectId};
use crate::object::Object;

/// Reads JSON text. Nesting deeper than `serde_json`'s bound (128), broken escapes and lone surrogates are error 107.
pub fn read(bytes: &[u8]) -> Result<Value, ParseError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ParseError::new(ErrorCode::InvalidJson, format!("Invalid JSON: {error}")))
}

/// Writes JSON text.
pub fn write(value: &(impl Serialize + ?Sized)) -> Vec<u8> {
    // A `Value` has text keys only and writes to memory, so this cannot fail.
    serde_json::to_vec(value).unwrap_or_default()
}

/// Reads a value from a type that serde can write, such as a handler's result.
pub fn from_serializable(value: &impl Serialize) -> Result<Value, ParseError> {
    let text = serde_json::to_vec(value).map_err(ParseError::internal)?;
    read(&text)
}

/// The plain object as the value its `__type` names; an unknown or malformed one stays a plain object, and
/// [`malformed_type`] will find it.
pub fn typed(map: Map) -> Value {
    // Parse: a condition may have operators beside a typed value, as in `{"__type": "Pointer", ..., "$dontSelect": ...}`;
    // that is no value yet. In data such a key is refused anyway.
    if map.contains_key("__type") && map.keys().any(|key| key.starts_with('$')) {
        return Value::Object(map);
    }
    let value = match map.get("__type").and_then(Value::as_str) {
        Some("Date") => text(&map, "iso").and_then(|iso| iso.parse().ok()).map(Value::Date),
        Some("Bytes") => text(&map, "base64").and_then(|encoded| BASE64.decode(encoded).ok()).map(Value::Bytes),
        Some("File") => text(&map, "name")
            .map(|name| Value::File(File { name: name.to_owned(), url: text(&map, "url").map(str::to_owned) })),
        Some("GeoPoint") => geo_point(&map).map(Value::GeoPoint),
        Some("Polygon") => polygon(&map).map(Value::Polygon),
        Some("Pointer") => pointer(&map).map(Value::Pointer),
        Some("Relation") => text(&map, "className").and_then(|class| ClassName::parse(class).ok()).map(Value::Relation),
        _ => None,
    };
    value.unwrap_or(Value::Object(map))
}

/// The `__type` of a plain object that did not read as one, for Parse's `This is not a valid X`.
pub fn malformed_type(value: &Value) -> Option<String> {
    // Parse: a type that is null, zero or empty is none.
    match value.as_object()?.get("__type").filter(|kind| kind.is_truthy())? {
        Value::String(kind) => Some(kind.clone()),
        other => Some(String::from_utf8_lossy(&write(other)).into_owned()),
    }
}

fn text<'a>(map: &'a Map, key: &str) -> Option<&'a str> {
    map.get(key)?.as_str()
}

fn geo_point(map: &Map) -> Option<GeoPoint> {
    GeoPoint::new(map.get("latitude")?.as_f64()?, map.get("longitude")?.as_f64()?)
}

fn polygon(map: &Map) -> Option<Polygon> {
    let corners = map.get("coordinates")?.as_array()?.iter().map(|corner| match corner {
        Value::GeoPoint(point) => Some(*point),
        // Parse: a polygon's pairs are latitude first, unlike GeoJSON's.
        Value::Array(pair) => match pair.as_slice() {
            [Value::Number(latitude), Value::Number(longitude)] => GeoPoint::new(*latitude, *longitude),
            _ => None,
        },
        _ => None,
    });
    Polygon::new(corners.collect::<Option<Vec<_>>>()?)
}

fn pointer(map: &Map) -> Option<Pointer> {
    Some(Pointer {
        class: ClassName::parse(text(map, "className")?).ok()?,
        id: ObjectId::parse(text(map, "objectId")?).ok()?,
    })
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }
    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }
    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::default();
        while let Some((key, value)) = entries.next_entry::<CompactString, Value>()? {
            map.insert(key, value);
        }
        Ok(if map.contains_key("__type") { typed(map) } else { Value::Object(map) })
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => out.serialize_unit(),
            Self::Bool(value) => out.serialize_bool(*value),
            Self::Number(number) => write_number(*number, out),
            Self::String(text) => out.serialize_str(text),
            Self::Date(date) => fields(out, "Date", &[("iso", &date.to_iso())]),
            Self::Bytes(bytes) => fields(out, "Bytes", &[("base64", &BASE64.encode(bytes))]),
            Self::File(file) => match &file.url {
                Some(url) => fields(out, "File", &[("name", &file.name), ("url", url)]),
                None => fields(out, "File", &[("name", &file.name)]),
            },
            Self::GeoPoint(point) => {
                let mut map = out.serialize_map(Some(3))?;
                map.serialize_entry("__type", "GeoPoint")?;
                map.serialize_entry("latitude", &Self::Number(point.latitude))?;
                map.serialize_entry("longitude", &Self::Number(point.longitude))?;
                map.end()
            }
            Self::Polygon(polygon) => {
                let corners: Vec<[Self; 2]> =
                    polygon.closed().map(|p| [Self::Number(p.latitude), Self::Number(p.longitude)]).collect();
                let mut map = out.serialize_map(Some(2))?;
                map.serialize_entry("__type", "Polygon")?;
                map.serialize_entry("coordinates", &corners)?;
                map.end()
            }
            Self::Pointer(pointer) => {
                fields(out, "Pointer", &[("className", pointer.class.as_str()), ("objectId", pointer.id.as_str())])
            }
            Self::Relation(class) => fields(out, "Relation", &[("className", class.as_str())]),
            Self::Array(items) => {
                let mut list = out.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Object(map) => {
                let mut entries = out.serialize_map(Some(map.len()))?;
                for (key, value) in map {
                    entries.serialize_entry(key.as_str(), value)?;
                }
                entries.end()
            }
            Self::Included(object) => write_object(object, true, out),
        }
    }
}

/// JavaScript writes whole numbers without a fraction.
fn write_number<S: Serializer>(number: f64, out: S) -> Result<S::Ok, S::Error> {
    const SAFE: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= SAFE {
        out.serialize_i64(number as i64)
    } else {
        out.serialize_f64(number)
    }
}

fn fields<S: Serializer>(out: S, kind: &str, entries: &[(&str, &str)]) -> Result<S::Ok, S::Error> {
    let mut map = out.serialize_map(Some(entries.len() + 1))?;
    map.serialize_entry("__type", kind)?;
    for (key, value) in entries {
        map.serialize_entry(key, value)?;
    }
    map.end()
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        write_object(self, false, out)
    }
}

/// The object as `includes` and cloud code results show it: with `__type` and `className`.
#[derive(Debug)]
pub struct Whole<'a>(pub &'a Object);

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        write_object(self.0, true, out)
    }
}

fn write_object<S: Serializer>(object: &Object, whole: bool, out: S) -> Result<S::Ok, S::Error> {
    let mut map = out.serialize_map(None)?;
    if whole {
        map.serialize_entry("__type", "Object")?;
        map.serialize_entry("className", object.class.as_str())?;
    }
    if !object.id.is_none() {
        map.serialize_entry("objectId", object.id.as_str())?;
    }
    // Parse: createdAt and updatedAt are bare ISO text, every other Date is an object.
    for (key, date) in [("createdAt", object.created_at), ("updatedAt", object.updated_at)] {
        if let Some(date) = date {
            map.serialize_entry(key, &date.to_iso())?;
        }
    }
    for (key, value) in &object.fields {
        map.serialize_entry(key.as_str(), value)?;
    }
    if let Some(acl) = &object.acl {
        map.serialize_entry("ACL", acl)?;
    }
    map.end()
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        Value::Date(*self).serialize(out)
    }
}

impl<'de> Deserialize<'de> for Date {
    /// Takes `{"__type":"Date","iso":…}` or ISO text.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Date(date) => Ok(date),
            Value::String(text) => text.parse().map_err(de::Error::custom),
            _ => Err(de::Error::custom("expected a Date")),
        }
    }
}

impl Serialize for Pointer {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        Value::Pointer(self.clone()).serialize(out)
    }
}

impl<'de> Deserialize<'de> for Pointer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer)?.as_pointer().ok_or_else(|| de::Error::custom("expected a Pointer"))
    }
}

impl<'de> Deserialize<'de> for GeoPoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::GeoPoint(point) => Ok(point),
            _ => Err(de::Error::custom("expected a GeoPoint")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str) -> String {
        String::from_utf8(write(&read(text.as_bytes()).unwrap())).unwrap()
    }

    #[test]
    fn every_type_goes_round() {
        for text in [
            r#"{"__type":"Date","iso":"2026-01-31T12:00:00.000Z"}"#,
            r#"{"__type":"Bytes","base64":"AQID"}"#,
            r#"{"__type":"File","name":"a.txt","url":"http://x/a.txt"}"#,
            r#"{"__type":"GeoPoint","latitude":40,"longitude":-30.5}"#,
            r#"{"__type":"Polygon","coordinates":[[0,0],[0,1],[1,1],[0,0]]}"#,
            r#"{"__type":"Pointer","className":"A","objectId":"x"}"#,
            r#"{"__type":"Relation","className":"_User"}"#,
            r#"{"a":[1,2.5,-3,"x",null,true,{"b":{}}]}"#,
            r#"{"__type":"Nonsense","a":1}"#,
        ] {
            assert_eq!(round(text), text);
        }
    }

    #[test]
    fn what_is_no_valid_type_can_be_told() {
        for text in [
            r#"{"__type":"Date"}"#,
            r#"{"__type":"Date","iso":"x"}"#,
            r#"{"__type":"GeoPoint","latitude":91,"longitude":0}"#,
        ] {
            assert!(malformed_type(&read(text.as_bytes()).unwrap()).is_some(), "{text}");
        }
    }

    #[test]
    fn hostile_text_is_refused_not_fatal() {
        let deep = "[".repeat(100_000);
        for text in ["", "{", "\"\\ud800\"", "{\"a\":1,}", &deep] {
            assert_eq!(read(text.as_bytes()).unwrap_err().code, ErrorCode::InvalidJson);
        }
        assert_eq!(read(b"\"\\u0000\"").unwrap(), Value::String("\0".to_owned()));
    }

    #[test]
    fn numbers_print_as_javascript_prints_them() {
        assert_eq!(round("[1.0,-0.0,1e3,0.1,9007199254740991]"), "[1,0,1000,0.1,9007199254740991]");
    }
}
