//! What is a row to a pipeline? An object as Parse keeps it in MongoDB, with the names and types it has there.

use compact_str::{CompactString, format_compact};

use super::datum::{Datum, Document};
use crate::acl::Acl;
use crate::builtin::Builtin;
use crate::object::Object;
use crate::value::{GeoPoint, Value};

/// The object as a row.
pub fn row(object: Object) -> Document {
    let is_user = Builtin::of(&object.class) == Some(Builtin::User);
    let mut row = Document::with_capacity_and_hasher(object.fields.len() + 6, crate::hashing::Keyed::default());
    row.insert("_id".into(), Datum::String(object.id.as_str().to_owned()));
    for (field, value) in object.fields {
        match value {
            Value::Relation(_) => {}
            Value::Object(providers) if is_user && field == "authData" => {
                for (provider, data) in providers {
                    row.insert(format_compact!("_auth_data_{provider}"), Datum::inside(data));
                }
            }
            value => {
                let (name, datum) = column(field, value);
                row.insert(name, datum);
            }
        }
    }
    for (name, date) in [("_created_at", object.created_at), ("_updated_at", object.updated_at)] {
        if let Some(date) = date {
            row.insert(name.into(), Datum::Date(date));
        }
    }
    if let Some(acl) = object.acl {
        row.insert("_rperm".into(), names(acl.readers()));
        row.insert("_wperm".into(), names(acl.writers()));
        row.insert("_acl".into(), legacy(&acl));
    }
    row
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> Datum {
    Datum::Array(names.map(|name| Datum::String(name.to_owned())).collect())
}

/// The ACL once more, as very old servers read it.
fn legacy(acl: &Acl) -> Datum {
    let entry = |access: crate::acl::Access| {
        let flags = [("r", access.read), ("w", access.write)];
        let flags = flags.into_iter().filter(|(_, is_set)| *is_set);
        Datum::Document(flags.map(|(flag, _)| (CompactString::from(flag), Datum::Bool(true))).collect())
    };
    Datum::Document(acl.entries().map(|(who, access)| (CompactString::from(who), entry(access))).collect())
}

/// A field under its name on disk.
fn column(field: CompactString, value: Value) -> (CompactString, Datum) {
    let name = match field.as_str() {
        "sessionToken" => "_session_token".into(),
        "lastUsed" => "_last_used".into(),
        "timesUsed" => "times_used".into(),
        _ => field,
    };
    match value {
        Value::Pointer(pointer) => {
            (format_compact!("_p_{name}"), Datum::String(format!("{}${}", pointer.class, pointer.id)))
        }
        Value::File(file) => (name, Datum::String(file.name)),
        Value::GeoPoint(place) => (name, pair(place)),
        Value::Polygon(area) => {
            let ring = Datum::Array(area.closed().copied().map(pair).collect());
            let fields = [("type", Datum::String("Polygon".to_owned())), ("coordinates", Datum::Array(vec![ring]))];
            (name, Datum::Document(fields.into_iter().map(|(key, datum)| (CompactString::from(key), datum)).collect()))
        }
        value => (name, Datum::inside(value)),
    }
}

/// A pair is longitude first.
fn pair(place: GeoPoint) -> Datum {
    Datum::Array(vec![Datum::number(place.longitude), Datum::number(place.latitude)])
}

#[cfg(test)]
mod tests {
    use super::super::ejson;
    use super::*;
    use crate::names::{ClassName, ObjectId};
    use crate::value::{Date, json};

    #[test]
    fn an_object_has_parse_s_names_and_types_on_disk() {
        let text = r#"{"n":1,"when":{"__type":"Date","iso":"2020-01-01T00:00:00.000Z"},
            "owner":{"__type":"Pointer","className":"_User","objectId":"u"},
            "place":{"__type":"GeoPoint","latitude":10,"longitude":20.5},"photo":{"__type":"File","name":"a.txt"},
            "area":{"__type":"Polygon","coordinates":[[0,0],[0,1],[1,1]]},
            "list":[{"__type":"Pointer","className":"C","objectId":"x"},{"__type":"GeoPoint","latitude":1,"longitude":2}],
            "fans":{"__type":"Relation","className":"_User"},"nothing":null}"#;
        let fields = json::read(text.as_bytes()).unwrap().as_object().unwrap().clone();
        let acl = Acl::from_lists(["*"], ["u"]);
        let object = Object {
            class: ClassName::parse("C").unwrap(),
            id: ObjectId::parse("x").unwrap(),
            created_at: Some(Date::EPOCH),
            updated_at: None,
            acl: Some(acl),
            fields,
        };
        let expected = r#"{"_id":"x","n":1,"when":{"$date":"2020-01-01T00:00:00Z"},"_p_owner":"_User$u","place":[20.5,10],"photo":"a.txt","area":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]},"list":[{"__type":"Pointer","className":"C","objectId":"x"},{"__type":"GeoPoint","latitude":1,"longitude":2}],"nothing":null,"_created_at":{"$date":"1970-01-01T00:00:00Z"},"_rperm":["*"],"_wperm":["u"],"_acl":{"*":{"r":true},"u":{"w":true}}}"#;
        assert_eq!(String::from_utf8(json::write(&ejson::written(row(object)))).unwrap(), expected);
    }
}
