//! Which objects meet which conditions; that the stores say the same is in their conformance tests.

use super::*;
use crate::acl::Acl;
use crate::names::{ClassName, FieldName, ObjectId};
use crate::query::fit;
use crate::query::parse::{self, Reading};
use crate::schema::{Field, Index};
use crate::value::{Date, json};

fn class() -> ClassSchema {
    let mut class = ClassSchema::new(ClassName::parse("C").unwrap());
    let user = ClassName::parse("_User").unwrap();
    for (name, kind) in [
        ("n", FieldType::Number),
        ("name", FieldType::String),
        ("list", FieldType::Array),
        ("stats", FieldType::Object),
        ("owner", FieldType::Pointer(user.clone())),
        ("fans", FieldType::Relation(user)),
        ("place", FieldType::GeoPoint),
        ("area", FieldType::Polygon),
        ("raw", FieldType::Bytes),
    ] {
        class.fields.insert(FieldName::parse(name).unwrap(), Field::plain(kind));
    }
    class
}

fn filter(text: &str, class: &ClassSchema) -> Filter {
    let reading = Reading { now: Date::EPOCH, internal_fields: true };
    let read = json::read(text.as_bytes()).unwrap();
    fit::filter(parse::filter(read.as_object().unwrap(), reading).unwrap(), class).unwrap()
}

fn object(text: &str) -> Object {
    Object {
        class: ClassName::parse("C").unwrap(),
        id: ObjectId::parse("x").unwrap(),
        created_at: Some(Date::EPOCH),
        updated_at: Some(Date::EPOCH),
        acl: Some(Acl::from_lists(["u"], [])),
        fields: json::read(text.as_bytes()).unwrap().as_object().unwrap().clone(),
    }
}

const OBJECT: &str = r#"{"n": 2, "name": "Anna", "nothing": null,
    "list": [1, "a", {"k": 1, "l": 2}, {"__type": "Pointer", "className": "_User", "objectId": "u"}],
    "stats": {"by": [{"y": 1}, {"y": [2, 3]}], "when": {"__type": "Date", "iso": "2020-01-01T00:00:00.000Z"}},
    "owner": {"__type": "Pointer", "className": "_User", "objectId": "u"},
    "place": {"__type": "GeoPoint", "latitude": 10, "longitude": 20},
    "area": {"__type": "Polygon", "coordinates": [[0, 0], [0, 10], [10, 10], [10, 0]]},
    "raw": {"__type": "Bytes", "base64": "AQI="}}"#;

#[test]
fn an_object_meets_what_the_stores_find_it_by() {
    let pointer = r#"{"__type": "Pointer", "className": "_User", "objectId": "u"}"#;
    let place = r#"{"__type": "GeoPoint", "latitude": 10, "longitude": 20}"#;
    for (text, expected) in [
        (r#"{"objectId": "x", "n": 2}"#.to_owned(), true),
        (r#"{"objectId": "y"}"#.to_owned(), false),
        (r#"{"n": {"$gt": 1, "$lt": 3}}"#.to_owned(), true),
        (r#"{"n": {"$lt": "z"}}"#.to_owned(), false),
        (r#"{"n": {"$ne": 2}}"#.to_owned(), false),
        (r#"{"nosuch": null, "name": {"$nin": ["Bob", null]}}"#.to_owned(), true),
        (r#"{"name": {"$regex": "^an", "$options": "i"}}"#.to_owned(), true),
        (r#"{"$or": [{"n": 1}, {"$nor": [{"n": 2}]}]}"#.to_owned(), false),
        (r#"{"list": "a"}"#.to_owned(), true),
        (r#"{"list": {"$all": [1, "a"]}}"#.to_owned(), true),
        (r#"{"list": {"k": 1, "l": 2}}"#.to_owned(), true),
        // The order of keys counts.
        (r#"{"list": {"l": 2, "k": 1}}"#.to_owned(), false),
        (r#"{"list": {"$containedBy": [1, "a"]}}"#.to_owned(), false),
        (r#"{"list.2.k": 1, "list.k": 1}"#.to_owned(), true),
        (r#"{"list.02.k": 1}"#.to_owned(), false),
        (r#"{"list.objectId": "u"}"#.to_owned(), true),
        (r#"{"stats.by.y": 3}"#.to_owned(), true),
        (r#"{"stats.by.1.y": 1}"#.to_owned(), false),
        (r#"{"stats.when": {"$lt": {"__type": "Date", "iso": "2021-01-01T00:00:00.000Z"}}}"#.to_owned(), true),
        (format!(r#"{{"owner": {pointer}, "list": {pointer}}}"#), true),
        (format!(r#"{{"owner": {{"$ne": {pointer}}}}}"#), false),
        (r#"{"owner": {"$in": ["u"]}}"#.to_owned(), true),
        // As it is kept: `Class$id`, and longitude first.
        (r#"{"owner": {"$regex": "^_User"}}"#.to_owned(), true),
        (r#"{"place": 20, "place.0": 20}"#.to_owned(), true),
        (r#"{"place.latitude": 10}"#.to_owned(), false),
        (format!(r#"{{"place": {place}}}"#), true),
        (format!(r#"{{"place": {{"$nearSphere": {place}, "$maxDistance": 0.01}}}}"#), true),
        (r#"{"place": {"$geoWithin": {"$centerSphere": [[0, 0], 0.1]}}}"#.to_owned(), false),
        (
            r#"{"area": {"$geoIntersects": {"$point": {"__type": "GeoPoint", "latitude": 5, "longitude": 5}}}}"#
                .to_owned(),
            true,
        ),
        // The shorter bytes are less.
        (r#"{"raw": {"$gt": {"__type": "Bytes", "base64": "/w=="}}}"#.to_owned(), true),
        (r#"{"createdAt": {"$lte": {"__type": "Date", "iso": "1970-01-01T00:00:00.000Z"}}}"#.to_owned(), true),
        (r#"{"_rperm": "u", "_wperm": {"$exists": true}}"#.to_owned(), true),
        (r#"{"name": {"$text": {"$search": {"$term": "anna bob"}}}}"#.to_owned(), true),
        (r#"{"name": {"$text": {"$search": {"$term": "bob"}}}}"#.to_owned(), false),
    ] {
        let class = class();
        let matcher = Matcher::new(&filter(&text, &class), &class).unwrap();
        assert_eq!(matcher.matches(&object(OBJECT)), expected, "{text}");
    }
}

#[test]
fn a_text_search_looks_into_the_fields_of_the_index() {
    let mut class = class();
    class.indexes.insert("text".into(), Index::for_text("list"));
    let search = |term: &str| {
        let text = format!(r#"{{"name": {{"$text": {{"$search": {{"$term": "{term}"}}}}}}}}"#);
        Matcher::new(&filter(&text, &class), &class).unwrap()
    };
    let object = object(r#"{"name": "tea", "list": ["coffee", 1]}"#);
    assert!(search("coffees").matches(&object) && !search("tea").matches(&object));
}

#[test]
fn what_one_object_does_not_tell_is_refused() {
    let class = class();
    for text in [
        r#"{"owner": {"$inQuery": {"className": "_User", "where": {}}}}"#,
        r#"{"n": {"$select": {"key": "n", "query": {"className": "D", "where": {}}}}}"#,
        r#"{"$or": [{"fans": {"__type": "Pointer", "className": "_User", "objectId": "u"}}]}"#,
        r#"{"$relatedTo": {"object": {"__type": "Pointer", "className": "D", "objectId": "d"}, "key": "fans"}}"#,
        r#"{"name": {"$regex": "("}}"#,
    ] {
        assert_eq!(Matcher::new(&filter(text, &class), &class).unwrap_err().number(), Some(102), "{text}");
    }
}

#[test]
fn equalities_are_those_that_hold_for_all_that_is_found() {
    let class = class();
    let of = |text: &str| {
        let filter = filter(text, &class);
        let found: Vec<String> =
            filter.equalities().into_iter().map(|(path, value)| format!("{path}={value:?}")).collect();
        found.join(" ")
    };
    assert_eq!(of(r#"{"n": 2, "name": {"$eq": "a"}, "x": null}"#), r#"n=Number(2.0) name=String("a")"#);
    assert_eq!(of(r#"{"$or": [{"n": 1}, {"n": 2}], "$and": [{"name": "b"}]}"#), r#"name=String("b")"#);
    assert_eq!(of(r#"{"$nor": [{"n": 1}], "n": {"$in": [1, 2]}, "name": {"$ne": "a"}}"#), "");
}
