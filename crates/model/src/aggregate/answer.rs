//! How does a document that a pipeline gave become an answer? Parse's names and types again, or as they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use compact_str::CompactString;

use super::datum::{Datum, Document};
use super::ejson;
use crate::builtin::Builtin;
use crate::error::{ErrorCode, ParseError};
use crate::names::{ClassName, ObjectId};
use crate::schema::{ClassSchema, FieldType};
use crate::value::{Date, File, GeoPoint, Map, Pointer, Polygon, Value, json};

/// How documents are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Form {
    /// `rawValues`: in MongoDB's Extended JSON.
    pub raw_values: bool,
    /// `rawFieldNames`: with the names they have on disk.
    pub raw_field_names: bool,
}

/// The documents of a pipeline's answer.
#[derive(Debug)]
pub struct Answer<'a> {
    /// The class that was asked.
    pub class: &'a ClassSchema,
    /// How they are spelled.
    pub form: Form,
    /// Whether a stage groups by a pointer.
    pub groups_by_pointer: bool,
}

impl Answer<'_> {
    /// A document as a part of the answer.
    pub fn write(&self, document: Document) -> Result<Value, ParseError> {
        Ok(match (self.form.raw_values, self.form.raw_field_names) {
            (true, true) => ejson::written(document),
            (true, false) => ejson::written(self.renamed(document)),
            (false, true) => bare(document),
            (false, false) => Value::Object(self.typed(self.renamed(document))?),
        })
    }

    /// With `objectId` for `_id`. Parse: an empty one is null.
    fn renamed(&self, mut document: Document) -> Document {
        let Some(id) = document.shift_remove("_id") else { return document };
        let id = match id {
            Datum::String(text) => match text.split('$').nth(1) {
                Some(id) if self.groups_by_pointer => Datum::String(id.to_owned()),
                _ if text.is_empty() => Datum::Null,
                _ => Datum::String(text),
            },
            Datum::Document(fields) if fields.is_empty() => Datum::Null,
            Datum::Array(items) if items.is_empty() => Datum::Null,
            other => other,
        };
        document.insert("objectId".into(), id);
        document
    }

    fn typed(&self, document: Document) -> Result<Map, ParseError> {
        let is_user = Builtin::of(&self.class.name) == Some(Builtin::User);
        let mut map = Map::default();
        let mut providers = Map::default();
        for (key, datum) in document {
            let name = match key.as_str() {
                "_created_at" => "createdAt",
                "_updated_at" => "updatedAt",
                "_last_used" => "lastUsed",
                "_expiresAt" => "expiresAt",
                "times_used" => "timesUsed",
                "_session_token" if !is_user => "sessionToken",
                name => name,
            };
            if let Some(field) = name.strip_prefix("_p_") {
                if let Some(pointer) = self.pointer(field, &datum) {
                    map.insert(field.into(), Value::Pointer(pointer));
                }
            } else if let Some(provider) = name.strip_prefix("_auth_data_").filter(|_| is_user) {
                if !matches!(datum, Datum::Null) {
                    providers.insert(provider.into(), inner(datum));
                }
            } else if is_shown(name) && !(is_user && name == "authData") {
                let value = match name {
                    "createdAt" | "updatedAt" | "lastUsed" => Value::String(moment(&datum)?.to_iso()),
                    "expiresAt" => Value::Date(moment(&datum)?),
                    _ => self.field(name, datum),
                };
                map.insert(name.into(), value);
            }
        }
        if !providers.is_empty() {
            map.insert("authData".into(), Value::Object(providers));
        }
        // Parse: every answer shows every relation of the class.
        for (field, target) in self.class.relations() {
            map.insert(field.as_str().into(), Value::Relation(target.clone()));
        }
        Ok(map)
    }

    fn pointer(&self, field: &str, datum: &Datum) -> Option<Pointer> {
        let Some(FieldType::Pointer(target)) = self.class.kind(field) else { return None };
        let (class, id) = datum.as_str()?.split_once('$')?;
        (target == *class).then_some(())?;
        Some(Pointer::new(ClassName::parse(class).ok()?, ObjectId::parse(id).ok()?))
    }

    /// The value of a field. The type of the field tells apart what a row does not.
    fn field(&self, field: &str, datum: Datum) -> Value {
        let typed = match (self.class.kind(field), &datum) {
            (Some(FieldType::File), Datum::String(name)) => Some(Value::File(File { name: name.clone(), url: None })),
            (Some(FieldType::GeoPoint), Datum::Array(pair)) => place(pair).map(Value::GeoPoint),
            (Some(FieldType::Polygon), Datum::Document(area)) => polygon(area).map(Value::Polygon),
            _ => None,
        };
        typed.unwrap_or_else(|| inner(datum))
    }
}

/// Parse: names that begin with a letter go out, and no others.
fn is_shown(name: &str) -> bool {
    name.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What JavaScript's `Date` makes of a value.
fn moment(datum: &Datum) -> Result<Date, ParseError> {
    let date = match datum {
        Datum::Date(date) => Some(*date),
        Datum::String(text) => text.parse().ok(),
        Datum::Null => Some(Date::EPOCH),
        other => other.as_f64().filter(|millis| !millis.is_nan()).map(|millis| Date::from_millis(millis as i64)),
    };
    date.ok_or_else(|| ParseError::new(ErrorCode::InvalidQuery, "Tried to encode an invalid date."))
}

/// A stored pair is longitude first.
fn place(pair: &[Datum]) -> Option<GeoPoint> {
    match pair {
        [longitude, latitude] => GeoPoint::new(latitude.as_f64()?, longitude.as_f64()?),
        _ => None,
    }
}

fn polygon(area: &Document) -> Option<Polygon> {
    let ring = area.get("coordinates")?.as_array()?.first()?.as_array()?;
    Polygon::new(ring.iter().map(|corner| place(corner.as_array()?)).collect::<Option<Vec<_>>>()?)
}

/// A value as Parse spells it.
pub fn inner(datum: Datum) -> Value {
    match datum {
        Datum::Null => Value::Null,
        Datum::Bool(value) => Value::Bool(value),
        Datum::Int(number) => Value::Number(f64::from(number)),
        Datum::Long(number) => Value::Number(number as f64),
        Datum::Double(number) => Value::Number(number),
        Datum::Decimal(text) => Value::Number(text.parse().unwrap_or(f64::NAN)),
        Datum::String(text) => Value::String(text),
        Datum::Date(date) => Value::Date(date),
        Datum::Bytes(bytes, _) => Value::Bytes(bytes),
        Datum::Id(id) => Value::String(ejson::hexadecimal(&id)),
        Datum::Regex(pattern) => Value::String(format!("/{}/{}", pattern.source, pattern.options)),
        Datum::Array(items) => Value::Array(items.into_iter().map(inner).collect()),
        Datum::Document(document) => {
            let map: Map = document.into_iter().map(|(key, datum)| (key, inner(datum))).collect();
            if map.contains_key("__type") { json::typed(map) } else { Value::Object(map) }
        }
    }
}

/// A document as JavaScript's driver makes JSON of it: without any types. Plans are spelled so, too.
pub fn bare(document: Document) -> Value {
    Value::Object(document.into_iter().map(|(key, datum): (CompactString, _)| (key, bare_value(datum))).collect())
}

fn bare_value(datum: Datum) -> Value {
    match datum {
        Datum::Date(date) => Value::String(date.to_iso()),
        Datum::Bytes(bytes, _) => Value::String(BASE64.encode(bytes)),
        Datum::Array(items) => Value::Array(items.into_iter().map(bare_value).collect()),
        Datum::Document(document) => bare(document),
        other => inner(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::FieldName;
    use crate::schema::Field;

    fn class() -> ClassSchema {
        let mut class = ClassSchema::new(ClassName::parse("C").unwrap());
        let user = ClassName::parse("_User").unwrap();
        for (name, kind) in [
            ("owner", FieldType::Pointer(user.clone())),
            ("fans", FieldType::Relation(user)),
            ("place", FieldType::GeoPoint),
            ("photo", FieldType::File),
        ] {
            class.fields.insert(FieldName::parse(name).unwrap(), Field::plain(kind));
        }
        class
    }

    fn row() -> Document {
        let text = r#"{"_id":"x","_created_at":{"$date":"2020-01-01T00:00:00Z"},"_p_owner":"_User$u1","place":[20,10],
            "photo":"a.txt","when":{"$date":"2021-01-01T00:00:00Z"},"_rperm":["*"],"a-b":1,"_p_nobody":"A$b"}"#;
        match ejson::read(&json::read(text.as_bytes()).unwrap()).unwrap() {
            Datum::Document(row) => row,
            other => panic!("{other:?}"),
        }
    }

    fn written(document: Document, form: Form, groups_by_pointer: bool) -> String {
        let value = Answer { class: &class(), form, groups_by_pointer }.write(document).unwrap();
        String::from_utf8(json::write(&value)).unwrap()
    }

    #[test]
    fn a_row_has_parse_s_names_and_types() {
        let expected = r#"{"createdAt":"2020-01-01T00:00:00.000Z","owner":{"__type":"Pointer","className":"_User","objectId":"u1"},"place":{"__type":"GeoPoint","latitude":10,"longitude":20},"photo":{"__type":"File","name":"a.txt"},"when":{"__type":"Date","iso":"2021-01-01T00:00:00.000Z"},"objectId":"x","fans":{"__type":"Relation","className":"_User"}}"#;
        assert_eq!(written(row(), Form::default(), false), expected);
    }

    #[test]
    fn a_raw_row_has_the_names_and_types_on_disk() {
        let names = Form { raw_field_names: true, raw_values: false };
        let found = written(row(), names, false);
        assert!(
            found.starts_with(r#"{"_id":"x","_created_at":"2020-01-01T00:00:00.000Z","_p_owner":"_User$u1""#),
            "{found}"
        );
        let found = written(row(), Form { raw_values: true, ..names }, false);
        assert!(found.contains(r#""when":{"$date":"2021-01-01T00:00:00Z"}"#), "{found}");
        let found = written(row(), Form { raw_values: true, raw_field_names: false }, false);
        assert!(found.ends_with(r#""_p_nobody":"A$b","objectId":"x"}"#), "{found}");
    }

    #[test]
    fn an_id_that_is_empty_is_null_and_a_group_of_pointers_has_bare_ids() {
        let with_id = |id: Datum| Document::from_iter([("_id".into(), id)]);
        let text = |text: &str| Datum::String(text.to_owned());
        let fans = r#","fans":{"__type":"Relation","className":"_User"}}"#;
        for (id, by_pointer, expected) in [
            (text("_User$u1"), true, r#""u1""#),
            (text("_User$u1"), false, r#""_User$u1""#),
            (text(""), false, "null"),
            (Datum::Null, true, "null"),
            (Datum::Document(Document::default()), false, "null"),
            (Datum::Array(vec![]), false, "null"),
            (Datum::Int(0), false, "0"),
            (Datum::Bool(false), false, "false"),
            (Datum::Date(Date::EPOCH), false, r#"{"__type":"Date","iso":"1970-01-01T00:00:00.000Z"}"#),
        ] {
            let expected = format!(r#"{{"objectId":{expected}{fans}"#);
            assert_eq!(written(with_id(id.clone()), Form::default(), by_pointer), expected, "{id:?}");
        }
    }

    #[test]
    fn a_created_at_that_is_no_date_is_refused() {
        let document = Document::from_iter([("createdAt".into(), Datum::String("abc".to_owned()))]);
        let error = Answer { class: &class(), form: Form::default(), groups_by_pointer: false }.write(document);
        assert_eq!(error.unwrap_err().message, "Tried to encode an invalid date.");
    }
}
