//! How does a script see a value: numbers, texts, lists and maps as its own, the other types of Parse as types.

use parsimony_model::value::{Map, json};
use parsimony_model::{ClassName, Date, GeoPoint, ObjectId, Pointer, Value};
use rhai::{Array, Dynamic, Engine, ImmutableString};

use super::document::Document;
use crate::current;
use crate::error::{Mistake, Refusal, Thrown, fault, thrown};

/// The greatest whole number that Parse's Number holds exactly, and all below it.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// How deep a value may be nested on its way out.
const DEPTH_MAX: u8 = 32;

/// A file, an area, a relation: what a script may read and hand on.
#[derive(Debug, Clone)]
pub(crate) struct Opaque(pub(crate) Value);

/// A value as a script sees it.
pub(crate) fn to_dynamic(value: Value) -> Result<Dynamic, Thrown> {
    Ok(match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(value) => value.into(),
        Value::Number(number) if number.fract() == 0.0 && number.abs() <= WHOLE_MAX => (number as i64).into(),
        Value::Number(number) => number.into(),
        Value::String(text) => {
            current::hand_over(text.len())?;
            text.into()
        }
        Value::Date(date) => Dynamic::from(date),
        Value::Bytes(bytes) => {
            current::hand_over(bytes.len())?;
            Dynamic::from_blob(bytes)
        }
        Value::GeoPoint(point) => Dynamic::from(point),
        Value::Pointer(pointer) => Dynamic::from(pointer),
        Value::File(_) | Value::Polygon(_) | Value::Relation(_) => Dynamic::from(Opaque(value)),
        Value::Array(items) => {
            current::hand_over(items.len())?;
            items.into_iter().map(to_dynamic).collect::<Result<Array, _>>()?.into()
        }
        Value::Object(map) => map_to_dynamic(map)?.into(),
        Value::Included(object) => Dynamic::from(Document::found(*object)),
    })
}

/// A map as a script sees it.
pub(crate) fn map_to_dynamic(map: Map) -> Result<rhai::Map, Thrown> {
    current::hand_over(map.keys().map(|key| key.len() + 1).sum())?;
    map.into_iter().map(|(key, value)| Ok((key.as_str().into(), to_dynamic(value)?))).collect()
}

/// What a script hands over.
pub(crate) fn from_dynamic(value: &Dynamic) -> Result<Value, Thrown> {
    within(value, DEPTH_MAX)
}

fn within(value: &Dynamic, depth: u8) -> Result<Value, Thrown> {
    let Some(depth) = depth.checked_sub(1) else { return Err(fault("a value is nested too deeply")) };
    if value.is_unit() {
        return Ok(Value::Null);
    }
    if let Ok(number) = value.as_int() {
        return Ok(Value::Number(number as f64));
    }
    if let Ok(number) = value.as_float() {
        return if number.is_finite() {
            Ok(Value::Number(number))
        } else {
            Err(fault("NaN and infinities are no values"))
        };
    }
    if let Ok(value) = value.as_bool() {
        return Ok(Value::Bool(value));
    }
    if let Ok(letter) = value.as_char() {
        return Ok(Value::String(letter.into()));
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        current::hand_over(text.len())?;
        return Ok(Value::String(text.as_str().to_owned()));
    }
    if let Ok(items) = value.as_array_ref() {
        current::hand_over(items.len())?;
        return items.iter().map(|item| within(item, depth)).collect::<Result<_, _>>().map(Value::Array);
    }
    if let Ok(map) = value.as_map_ref() {
        current::hand_over(map.keys().map(|key| key.len() + 1).sum())?;
        let map = map.iter().map(|(key, value)| Ok::<_, Thrown>((key.as_str().into(), within(value, depth)?)));
        return Ok(json::typed(map.collect::<Result<_, _>>()?));
    }
    if let Ok(bytes) = value.as_blob_ref() {
        current::hand_over(bytes.len())?;
        return Ok(Value::Bytes(bytes.clone()));
    }
    typed(value)
}

/// One of Parse's types.
fn typed(value: &Dynamic) -> Result<Value, Thrown> {
    let value = value.flatten_clone();
    let kind = value.type_name();
    if value.is::<Date>() {
        return Ok(Value::Date(value.cast()));
    }
    if value.is::<Pointer>() {
        return Ok(Value::Pointer(value.cast()));
    }
    if value.is::<GeoPoint>() {
        return Ok(Value::GeoPoint(value.cast()));
    }
    if value.is::<Opaque>() {
        return Ok(value.cast::<Opaque>().0);
    }
    if value.is::<Document>() {
        return value.cast::<Document>().pointer().map(Value::Pointer);
    }
    if value.is::<super::context::Handed>() {
        return Ok(Value::Object(value.cast::<super::context::Handed>().0.to_map()));
    }
    Err(fault(format!("a value of the type {kind} cannot be stored or answered")))
}

/// A map that a script hands over.
pub(crate) fn from_map(map: &rhai::Map) -> Result<Map, Thrown> {
    current::hand_over(map.keys().map(|key| key.len() + 1).sum())?;
    map.iter().map(|(key, value)| Ok((key.as_str().into(), from_dynamic(value)?))).collect()
}

/// A pointer to an object.
pub(crate) fn pointer(class: &str, id: &str) -> Result<Pointer, Thrown> {
    let class = ClassName::parse(class).map_err(thrown)?;
    Ok(Pointer::new(class, ObjectId::parse(id).map_err(thrown)?))
}

/// Teaches an engine the types of values.
pub(crate) fn register(engine: &mut Engine) {
    dates(engine);
    engine
        .register_type_with_name::<Pointer>("Pointer")
        .register_fn("Pointer", |class: &str, id: &str| pointer(class, id))
        .register_get("className", |pointer: &mut Pointer| pointer.class.to_string())
        .register_get("objectId", |pointer: &mut Pointer| pointer.id.to_string())
        .register_fn("==", |one: Pointer, other: Pointer| one == other)
        .register_fn("!=", |one: Pointer, other: Pointer| one != other)
        .register_fn("to_string", |pointer: &mut Pointer| format!("{}/{}", pointer.class, pointer.id));
    engine
        .register_type_with_name::<GeoPoint>("GeoPoint")
        .register_fn("GeoPoint", |latitude: f64, longitude: f64| geo_point(latitude, longitude))
        .register_fn("GeoPoint", |latitude: i64, longitude: i64| geo_point(latitude as f64, longitude as f64))
        .register_get("latitude", |point: &mut GeoPoint| point.latitude)
        .register_get("longitude", |point: &mut GeoPoint| point.longitude)
        .register_fn("==", |one: GeoPoint, other: GeoPoint| one == other);
    engine
        .register_type_with_name::<Opaque>("Value")
        .register_get("name", |value: &mut Opaque| match &value.0 {
            Value::File(file) => file.name.clone().into(),
            _ => Dynamic::UNIT,
        })
        .register_get("url", |value: &mut Opaque| match &value.0 {
            Value::File(file) => file.url.clone().map_or(Dynamic::UNIT, Dynamic::from),
            _ => Dynamic::UNIT,
        });
    engine
        .register_type_with_name::<Refusal>("Error")
        .register_get("code", |refusal: &mut Refusal| {
            refusal.0.number().map_or(Dynamic::UNIT, |code| i64::from(code).into())
        })
        .register_get("message", |refusal: &mut Refusal| refusal.0.message.to_string())
        .register_fn("to_string", |refusal: &mut Refusal| refusal.0.message.to_string());
    engine
        .register_type_with_name::<Mistake>("Mistake")
        .register_get("message", |mistake: &mut Mistake| mistake.0.clone())
        .register_fn("to_string", |mistake: &mut Mistake| mistake.0.clone());
}

fn geo_point(latitude: f64, longitude: f64) -> Result<GeoPoint, Thrown> {
    GeoPoint::new(latitude, longitude).ok_or_else(|| fault(format!("there is no place at {latitude}, {longitude}")))
}

fn dates(engine: &mut Engine) {
    engine
        .register_type_with_name::<Date>("Date")
        .register_fn("Date", |iso: ImmutableString| iso.parse::<Date>().map_err(thrown))
        .register_fn("Date", Date::from_millis)
        .register_get("iso", |date: &mut Date| date.to_iso())
        .register_get("millis", |date: &mut Date| date.millis())
        .register_fn("plus_millis", |date: &mut Date, millis: i64| date.plus_millis(millis))
        .register_fn("plus_seconds", |date: &mut Date, seconds: i64| date.plus_millis(seconds.saturating_mul(1_000)))
        .register_fn("plus_days", |date: &mut Date, days: i64| date.plus_millis(days.saturating_mul(86_400_000)))
        .register_fn("to_string", |date: &mut Date| date.to_iso())
        .register_fn("-", |later: Date, earlier: Date| later.millis().saturating_sub(earlier.millis()))
        .register_fn("==", |one: Date, other: Date| one == other)
        .register_fn("!=", |one: Date, other: Date| one != other)
        .register_fn("<", |one: Date, other: Date| one < other)
        .register_fn("<=", |one: Date, other: Date| one <= other)
        .register_fn(">", |one: Date, other: Date| one > other)
        .register_fn(">=", |one: Date, other: Date| one >= other);
}
