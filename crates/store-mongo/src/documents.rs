//! How does an object become a document, and come back? Straight to and from BSON's bytes, without a tree in between.

use bson::raw::{CStr, RawArray, RawArrayBuf, RawBinaryRef, RawBsonRef, RawDocument, RawDocumentBuf, cstr};
use bson::spec::BinarySubtype;
use bson::{Bson, DateTime, RawBson};
use parsimony_model::schema::{ClassSchema, FieldType};
use parsimony_model::value::json;
use parsimony_model::{Acl, ClassName, Date, File, GeoPoint, Map, Object, ObjectId, Pointer, Polygon, Value};
use parsimony_store::StoreError;

use crate::names::{self, Column, Spelling};

/// Where a value stands: the same value is written differently at the top of a document and inside another value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A column of its own.
    Column,
    /// Inside a list or an object.
    Inside,
}

/// An encoded value: borrowed where BSON can take the bytes as they are.
pub(crate) enum Encoded<'a> {
    /// Scalars and text.
    Borrowed(RawBsonRef<'a>),
    /// What had to be built.
    Built(RawBson),
}

impl Encoded<'_> {
    fn as_ref(&self) -> RawBsonRef<'_> {
        match self {
            Self::Borrowed(value) => *value,
            Self::Built(value) => value.as_raw_bson_ref(),
        }
    }
}

/// The object as a document.
pub(crate) fn document(class: &ClassSchema, object: &Object) -> Result<RawDocumentBuf, StoreError> {
    // Most objects are smaller; the vector then grows no more.
    let mut bytes = Vec::with_capacity(512);
    bytes.extend_from_slice(&[5, 0, 0, 0, 0]);
    let mut out = RawDocumentBuf::from_bytes(bytes).map_err(corrupt)?;
    match names::id(&class.name, object.id.as_str()) {
        Bson::Int32(number) => out.append(cstr!("_id"), number),
        _ => out.append(cstr!("_id"), object.id.as_str()),
    }
    let auth_data = names::has_auth_data(&class.name);
    for (field, value) in &object.fields {
        match value {
            Value::Relation(_) => {}
            _ if auth_data && field == names::PASSWORD => return Err(names::password_refused()),
            Value::Object(providers) if auth_data && field == names::AUTH_DATA_FIELD => {
                for (provider, data) in providers.iter().filter(|(_, data)| !data.is_null()) {
                    append(&mut out, &format!("{}{provider}", names::AUTH_DATA), data, Place::Inside)?;
                }
            }
            Value::Pointer(_) | Value::Included(_) => {
                append(&mut out, &format!("{}{field}", names::POINTER), value, Place::Column)?;
            }
            // Parse: a create writes the null of a pointer field under the field's own name.
            Value::Null => append(&mut out, field, value, Place::Column)?,
            _ => append(&mut out, &names::column(class, field), value, Place::Column)?,
        }
    }
    for (key, date) in [(cstr!("_created_at"), object.created_at), (cstr!("_updated_at"), object.updated_at)] {
        if let Some(date) = date {
            out.append(key, DateTime::from_millis(date.millis()));
        }
    }
    if let Some(acl) = &object.acl {
        out.append(cstr!("_rperm"), acl.readers().map(str::to_owned).collect::<RawArrayBuf>());
        out.append(cstr!("_wperm"), acl.writers().map(str::to_owned).collect::<RawArrayBuf>());
        out.append(cstr!("_acl"), legacy_acl(acl)?);
    }
    Ok(out)
}

/// The third form of an ACL, that only very old servers read.
pub(crate) fn legacy_acl(acl: &Acl) -> Result<RawDocumentBuf, StoreError> {
    let mut out = RawDocumentBuf::new();
    for (who, access) in acl.entries() {
        let mut entry = RawDocumentBuf::new();
        if access.read {
            entry.append(cstr!("r"), true);
        }
        if access.write {
            entry.append(cstr!("w"), true);
        }
        out.append(key(who)?, entry);
    }
    Ok(out)
}

fn append(out: &mut RawDocumentBuf, name: &str, value: &Value, place: Place) -> Result<(), StoreError> {
    out.append(key(name)?, encode(value, place)?.as_ref());
    Ok(())
}

/// A key of a document: BSON ends it with a NUL, so it cannot hold one.
fn key(name: &str) -> Result<&CStr, StoreError> {
    <&CStr>::try_from(name).ok().ok_or_else(names::key_refused)
}

/// A value, as the driver's own tree: for conditions and changes.
pub(crate) fn bson(value: &Value, place: Place) -> Result<Bson, StoreError> {
    match encode(value, place)? {
        Encoded::Borrowed(value) => Bson::try_from(value).map_err(corrupt),
        Encoded::Built(value) => Bson::try_from(value).map_err(corrupt),
    }
}

/// A list of values, each in its place.
pub(crate) fn list(values: &[Value], place: Place) -> Result<Bson, StoreError> {
    values.iter().map(|value| bson(value, place)).collect::<Result<Vec<_>, _>>().map(Bson::Array)
}

/// A number as JavaScript's driver writes it: whole and small is an Int32, all else a Double. Never an Int64.
pub(crate) fn number(number: f64) -> RawBsonRef<'static> {
    let whole = number as i32;
    // The bits tell 0 from -0, which stays a Double.
    if f64::from(whole).to_bits() == number.to_bits() { RawBsonRef::Int32(whole) } else { RawBsonRef::Double(number) }
}

fn encode(value: &Value, place: Place) -> Result<Encoded<'_>, StoreError> {
    use Encoded::{Borrowed, Built};
    Ok(match value {
        Value::Null => Borrowed(RawBsonRef::Null),
        Value::Bool(value) => Borrowed(RawBsonRef::Boolean(*value)),
        Value::Number(value) => Borrowed(number(*value)),
        Value::String(text) => Borrowed(RawBsonRef::String(text)),
        Value::Date(date) => Borrowed(RawBsonRef::DateTime(DateTime::from_millis(date.millis()))),
        Value::Bytes(bytes) => Borrowed(RawBsonRef::Binary(RawBinaryRef { subtype: BinarySubtype::Generic, bytes })),
        Value::Array(items) => {
            let mut array = RawArrayBuf::new();
            for item in items {
                array.push(encode(item, Place::Inside)?.as_ref());
            }
            Built(RawBson::Array(array))
        }
        Value::Object(map) => {
            let mut inner = RawDocumentBuf::new();
            for (name, value) in map {
                append(&mut inner, name, value, Place::Inside)?;
            }
            Built(RawBson::Document(inner))
        }
        Value::Pointer(pointer) => Built(pointer_to(&pointer.class, &pointer.id, place)),
        Value::Included(object) => Built(pointer_to(&object.class, &object.id, place)),
        Value::File(file) if place == Place::Column => Borrowed(RawBsonRef::String(&file.name)),
        Value::GeoPoint(point) if place == Place::Column => {
            Built(RawBson::Array(pair(point.longitude, point.latitude)))
        }
        Value::Polygon(polygon) if place == Place::Column => Built(RawBson::Document(geo_json(polygon))),
        Value::File(_) | Value::GeoPoint(_) | Value::Polygon(_) | Value::Relation(_) => {
            Built(RawBson::Document(spelled(value)))
        }
    })
}

fn pointer_to(class: &ClassName, id: &ObjectId, place: Place) -> RawBson {
    match place {
        Place::Column => RawBson::String(format!("{class}${id}")),
        Place::Inside => {
            let mut out = typed("Pointer");
            out.append(cstr!("className"), class.as_str());
            out.append(cstr!("objectId"), id.as_str());
            RawBson::Document(out)
        }
    }
}

fn typed(kind: &str) -> RawDocumentBuf {
    let mut out = RawDocumentBuf::new();
    out.append(cstr!("__type"), kind);
    out
}

fn pair(first: f64, second: f64) -> RawArrayBuf {
    let mut pair = RawArrayBuf::new();
    pair.push(number(first));
    pair.push(number(second));
    pair
}

fn geo_json(polygon: &Polygon) -> RawDocumentBuf {
    let mut ring = RawArrayBuf::new();
    for corner in polygon.closed() {
        ring.push(pair(corner.longitude, corner.latitude));
    }
    let mut rings = RawArrayBuf::new();
    rings.push(ring);
    let mut out = RawDocumentBuf::new();
    out.append(cstr!("type"), "Polygon");
    out.append(cstr!("coordinates"), rings);
    out
}

/// The values that stay as JSON spells them when they are inside another.
fn spelled(value: &Value) -> RawDocumentBuf {
    match value {
        Value::File(file) => {
            let mut out = typed("File");
            out.append(cstr!("name"), file.name.as_str());
            if let Some(url) = &file.url {
                out.append(cstr!("url"), url.as_str());
            }
            out
        }
        Value::GeoPoint(point) => {
            let mut out = typed("GeoPoint");
            out.append(cstr!("latitude"), number(point.latitude));
            out.append(cstr!("longitude"), number(point.longitude));
            out
        }
        Value::Polygon(polygon) => {
            let mut corners = RawArrayBuf::new();
            for corner in polygon.closed() {
                corners.push(pair(corner.latitude, corner.longitude));
            }
            let mut out = typed("Polygon");
            out.append(cstr!("coordinates"), corners);
            out
        }
        Value::Relation(class) => {
            let mut out = typed("Relation");
            out.append(cstr!("className"), class.as_str());
            out
        }
        _ => RawDocumentBuf::new(),
    }
}

/// The JSON form of a value, every type spelled out: what `_SCHEMA` keeps of default values and permissions.
pub(crate) fn spelled_out(value: &Value) -> Bson {
    fn tree(value: serde_json::Value) -> Bson {
        match value {
            serde_json::Value::Null => Bson::Null,
            serde_json::Value::Bool(value) => Bson::Boolean(value),
            serde_json::Value::Number(value) => match number(value.as_f64().unwrap_or_default()) {
                RawBsonRef::Int32(whole) => Bson::Int32(whole),
                _ => Bson::Double(value.as_f64().unwrap_or_default()),
            },
            serde_json::Value::String(text) => Bson::String(text),
            serde_json::Value::Array(items) => Bson::Array(items.into_iter().map(tree).collect()),
            serde_json::Value::Object(map) => {
                Bson::Document(map.into_iter().map(|(key, value)| (key, tree(value))).collect())
            }
        }
    }
    match value {
        Value::Object(map) => {
            Bson::Document(map.iter().map(|(key, value)| (key.to_string(), spelled_out(value))).collect())
        }
        Value::Array(items) => Bson::Array(items.iter().map(spelled_out).collect()),
        // Writing a value to memory cannot fail.
        _ => tree(serde_json::to_value(value).unwrap_or_default()),
    }
}

/// A document as an object of this class.
pub(crate) fn object(class: &ClassSchema, document: &RawDocument) -> Result<Object, StoreError> {
    let auth_data = names::has_auth_data(&class.name);
    let (mut id, mut created_at, mut updated_at) = (None, None, None);
    let (mut readers, mut writers) = (None, None);
    let mut providers = Map::default();
    let mut fields = Map::default();
    for element in document.iter_elements() {
        let element = element.map_err(corrupt)?;
        let value = element.value().map_err(corrupt)?;
        match names::meaning(element.key().as_str(), auth_data) {
            Column::Id => id = Some(object_id(value)?),
            Column::CreatedAt(spelling) => take_date(&mut created_at, value, spelling),
            Column::UpdatedAt(spelling) => take_date(&mut updated_at, value, spelling),
            Column::Readers => readers = Some(value),
            Column::Writers => writers = Some(value),
            Column::Nothing => {}
            Column::AuthData(provider) => {
                providers.insert(provider.into(), inner(value)?);
            }
            Column::Pointer(field) => {
                if let Some(pointer) = pointer(class, field, value) {
                    fields.insert(field.into(), Value::Pointer(pointer));
                }
            }
            Column::Field(field, spelling) => {
                if spelling == Spelling::Current || !fields.contains_key(field) {
                    fields.insert(field.into(), outer(class, field, value)?);
                }
            }
        }
    }
    if !providers.is_empty() {
        fields.insert(names::AUTH_DATA_FIELD.into(), Value::Object(providers));
    }
    let acl = (readers.is_some() || writers.is_some()).then(|| Acl::from_lists(grants(readers), grants(writers)));
    let id = id.ok_or_else(|| StoreError::Corrupt(format!("an object of {} has no _id", class.name)))?;
    Ok(Object { class: class.name.clone(), id, created_at, updated_at, acl, fields })
}

fn object_id(value: RawBsonRef<'_>) -> Result<ObjectId, StoreError> {
    let id = match value {
        RawBsonRef::String(text) => ObjectId::parse(text),
        RawBsonRef::ObjectId(id) => ObjectId::parse(&id.to_hex()),
        RawBsonRef::Int32(number) => ObjectId::parse(&number.to_string()),
        RawBsonRef::Int64(number) => ObjectId::parse(&number.to_string()),
        RawBsonRef::Double(number) => ObjectId::parse(&number.to_string()),
        other => return Err(StoreError::Corrupt(format!("an _id of type {:?}", other.element_type()))),
    };
    id.map_err(|error| StoreError::Corrupt(format!("an _id that is no object id: {error}")))
}

fn take_date(slot: &mut Option<Date>, value: RawBsonRef<'_>, spelling: Spelling) {
    let date = match value {
        RawBsonRef::DateTime(date) => Some(Date::from_millis(date.timestamp_millis())),
        RawBsonRef::String(text) => text.parse().ok(),
        _ => None,
    };
    if date.is_some() && (spelling == Spelling::Current || slot.is_none()) {
        *slot = date;
    }
}

fn grants(list: Option<RawBsonRef<'_>>) -> impl Iterator<Item = &str> {
    let items = list.and_then(RawBsonRef::as_array).into_iter().flatten();
    items.filter_map(|item| item.ok().and_then(RawBsonRef::as_str))
}

/// `Class$id`, for a column that is a pointer, or that the class as it is known here does not have yet.
fn pointer(class: &ClassSchema, field: &str, value: RawBsonRef<'_>) -> Option<Pointer> {
    let is_pointer = class.fields.get(field).is_none_or(|field| matches!(field.kind, FieldType::Pointer(_)));
    let (target, id) = value.as_str().filter(|_| is_pointer)?.split_once('$')?;
    // The class of the field is at hand: no need to check and copy its name for every row.
    let target = match class.fields.get(field).and_then(|field| field.kind.target()) {
        Some(known) if *known == target => known.clone(),
        _ => ClassName::parse(target).ok()?,
    };
    Some(Pointer::new(target, ObjectId::parse(id).ok()?))
}

/// The value of a column. The type of the field tells apart what BSON does not.
fn outer(class: &ClassSchema, field: &str, value: RawBsonRef<'_>) -> Result<Value, StoreError> {
    let kind = || class.fields.get(field).map(|field| &field.kind);
    let typed = match value {
        RawBsonRef::String(text) => match kind() {
            Some(FieldType::File) => Some(Value::File(File { name: text.to_owned(), url: None })),
            Some(FieldType::Bytes) => Some(base64(text)),
            _ => None,
        },
        RawBsonRef::Array(array) if kind() == Some(&FieldType::GeoPoint) => geo_point(array).map(Value::GeoPoint),
        RawBsonRef::Document(area) if kind() == Some(&FieldType::Polygon) => polygon(area).map(Value::Polygon),
        _ => None,
    };
    typed.map_or_else(|| inner(value), Ok)
}

/// Parse: very old servers wrote Bytes as base64 text.
fn base64(text: &str) -> Value {
    match json::typed(parsimony_model::map! { "__type" => "Bytes", "base64" => text }) {
        Value::Bytes(bytes) => Value::Bytes(bytes),
        _ => Value::String(text.to_owned()),
    }
}

fn as_number(value: RawBsonRef<'_>) -> Option<f64> {
    match value {
        RawBsonRef::Int32(number) => Some(f64::from(number)),
        RawBsonRef::Int64(number) => Some(number as f64),
        RawBsonRef::Double(number) => Some(number),
        RawBsonRef::Decimal128(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// A stored pair is longitude first.
fn geo_point(array: &RawArray) -> Option<GeoPoint> {
    let mut pair = array.into_iter().map(|item| item.ok().and_then(as_number));
    let (longitude, latitude) = (pair.next()??, pair.next()??);
    if pair.next().is_some() { None } else { GeoPoint::new(latitude, longitude) }
}

fn polygon(area: &RawDocument) -> Option<Polygon> {
    let ring = area.get_array("coordinates").ok()?.into_iter().next()?.ok()?.as_array()?;
    let corners = ring.into_iter().map(|corner| geo_point(corner.ok()?.as_array()?));
    Polygon::new(corners.collect::<Option<Vec<_>>>()?)
}

/// A document as a plain map.
pub(crate) fn map(document: &RawDocument) -> Result<Map, StoreError> {
    let mut map = Map::default();
    for element in document.iter_elements() {
        let element = element.map_err(corrupt)?;
        map.insert(element.key().as_str().into(), inner(element.value().map_err(corrupt)?)?);
    }
    Ok(map)
}

/// A value inside another.
pub(crate) fn inner(value: RawBsonRef<'_>) -> Result<Value, StoreError> {
    Ok(match value {
        RawBsonRef::String(text) | RawBsonRef::Symbol(text) | RawBsonRef::JavaScriptCode(text) => {
            Value::String(text.to_owned())
        }
        RawBsonRef::Boolean(value) => Value::Bool(value),
        RawBsonRef::Int32(_) | RawBsonRef::Int64(_) | RawBsonRef::Double(_) | RawBsonRef::Decimal128(_) => {
            as_number(value).map_or(Value::Null, Value::Number)
        }
        RawBsonRef::DateTime(date) => Value::Date(Date::from_millis(date.timestamp_millis())),
        RawBsonRef::Binary(binary) => Value::Bytes(binary.bytes.to_vec()),
        RawBsonRef::Array(array) => Value::Array(
            array.into_iter().map(|item| inner(item.map_err(corrupt)?)).collect::<Result<_, StoreError>>()?,
        ),
        RawBsonRef::Document(document) => spelled_type(map(document)?),
        RawBsonRef::ObjectId(id) => Value::String(id.to_hex()),
        RawBsonRef::RegularExpression(regex) => Value::String(format!("/{}/{}", regex.pattern, regex.options)),
        // Parse has no type for the others, and no server writes them.
        RawBsonRef::Null
        | RawBsonRef::Undefined
        | RawBsonRef::MinKey
        | RawBsonRef::MaxKey
        | RawBsonRef::Timestamp(_)
        | RawBsonRef::DbPointer(_)
        | RawBsonRef::JavaScriptCodeWithScope(_) => Value::Null,
    })
}

fn spelled_type(map: Map) -> Value {
    if !map.contains_key("__type") {
        return Value::Object(map);
    }
    match map.get("iso") {
        // Parse: some servers wrote a BSON date where the text should be.
        Some(Value::Date(date)) if map.get("__type").and_then(Value::as_str) == Some("Date") => Value::Date(*date),
        _ => json::typed(map),
    }
}

/// The values of a field that are in a list, such as the server's answer to `distinct`.
pub(crate) fn values(class: &ClassSchema, path: &str, found: &[Bson]) -> Result<Vec<Value>, StoreError> {
    let mut all = Vec::with_capacity(found.len());
    for value in found.iter().filter(|value| !matches!(value, Bson::Null)) {
        let value = RawBson::try_from(value.clone()).map_err(corrupt)?;
        let value = value.as_raw_bson_ref();
        let target = class.fields.get(path).and_then(|field| field.kind.target());
        all.push(match target {
            Some(_) => match pointer(class, path, value) {
                Some(pointer) => Value::Pointer(pointer),
                None => continue,
            },
            None => outer(class, path, value)?,
        });
    }
    Ok(all)
}

fn corrupt(error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_javascript_s_driver_makes_of_them() {
        for (value, expected) in [
            (0.0, RawBsonRef::Int32(0)),
            (-7.0, RawBsonRef::Int32(-7)),
            (2_147_483_647.0, RawBsonRef::Int32(i32::MAX)),
            (2_147_483_648.0, RawBsonRef::Double(2_147_483_648.0)),
            (0.5, RawBsonRef::Double(0.5)),
            (f64::INFINITY, RawBsonRef::Double(f64::INFINITY)),
        ] {
            assert_eq!(number(value), expected);
        }
        // Neither of these is equal to what it is mistaken for, or to itself.
        assert!(matches!(number(-0.0), RawBsonRef::Double(zero) if zero.is_sign_negative()));
        assert!(matches!(number(f64::NAN), RawBsonRef::Double(number) if number.is_nan()));
    }

    #[test]
    fn what_is_spelled_out_keeps_order_and_small_numbers() {
        let text = r#"{"b":{"__type":"Date","iso":"2024-01-01T00:00:00.000Z"},"a":[1,0.5,{"__type":"Bytes","base64":"AQID"}]}"#;
        let expected = bson::doc! {
            "b": { "__type": "Date", "iso": "2024-01-01T00:00:00.000Z" },
            "a": [1, 0.5, { "__type": "Bytes", "base64": "AQID" }],
        };
        let found = spelled_out(&json::read(text.as_bytes()).unwrap());
        assert_eq!(found, Bson::Document(expected.clone()));
        assert_eq!(found.as_document().unwrap().keys().collect::<Vec<_>>(), ["b", "a"]);
    }

    #[test]
    fn a_key_with_a_nul_is_refused() {
        let value = Value::Object(parsimony_model::map! { "a\0b" => 1 });
        assert!(matches!(bson(&value, Place::Column), Err(StoreError::Unfit(_))));
    }

    #[test]
    fn a_document_that_is_cut_off_is_an_error() {
        let class = ClassSchema::new(ClassName::parse("C").unwrap());
        let whole = bson::rawdoc! { "_id": "a", "text": "some text" };
        // Here the first element is whole and nothing is missed.
        let after_id = bson::rawdoc! { "_id": "a" }.as_bytes().len();
        for end in (5..whole.as_bytes().len()).filter(|end| *end != after_id) {
            let mut bytes = whole.as_bytes()[..end].to_vec();
            bytes[..4].copy_from_slice(&i32::try_from(end).unwrap().to_le_bytes());
            bytes[end - 1] = 0;
            let cut = RawDocumentBuf::from_bytes(bytes).unwrap();
            assert!(object(&class, &cut).is_err(), "cut at {end}");
        }
    }
}
