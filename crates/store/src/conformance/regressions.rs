//! What did the stores once answer differently? Each case that `tests/generated` found, by name.

use parsimony_model::Object;
use parsimony_model::query::Matcher;

use super::filters::met_by;
use super::given::{Table, ids, order, sorted, value};
use super::{Behaviours, Fresh, behaviours};

/// The behaviours of this area.
pub(super) const BEHAVIOURS: Behaviours =
    behaviours![what_was_found_by_chance_stays_mended, distinct_values_of_a_number_in_a_path];

/// The fields of the class that all cases have.
const FIELDS: &[&str] =
    &["n:Number", "s:String", "l:Array", "o:Object", "p:*_User", "g:GeoPoint", "r:Bytes", "a:Polygon"];

/// A case: its name, the objects `a`, `b` and so on, a `where`, an order, and what is found in it.
type Case = (&'static str, &'static [&'static str], &'static str, &'static str, &'static str);

const PLACE: &str = r#"{"g": {"__type": "GeoPoint", "latitude": 10, "longitude": 20}}"#;
const AREA: &str = r#"{"a": {"__type": "Polygon", "coordinates": [[0, 0], [0, 9], [9, 9]]}}"#;
const POINTER: &str = r#"{"p": {"__type": "Pointer", "className": "_User", "objectId": "u1"}}"#;
const FRIEND: &str = r#"{"l": [{"__type": "Pointer", "className": "_User", "objectId": "u1"}]}"#;

const CASES: &[Case] = &[
    (
        "a condition on places beside another on the same field",
        &[PLACE],
        r#"{"g": {"$ne": null, "$within": {"$box": [{"__type": "GeoPoint", "latitude": 0, "longitude": 0},
            {"__type": "GeoPoint", "latitude": 30, "longitude": 30}]}},
            "$and": [{"g": {"$eq": {"__type": "GeoPoint", "latitude": 10, "longitude": 20}}}]}"#,
        "",
        "a",
    ),
    (
        "a list without objects has nothing that is missing",
        &[r#"{"l": []}"#, r#"{"l": [1]}"#, r#"{"l": [{}]}"#, "{}"],
        r#"{"l.k": null}"#,
        "",
        "c d",
    ),
    (
        "a number that leads to no object leads nowhere",
        &[r#"{"l": [0]}"#, r#"{"l": [{}]}"#, r#"{"l": [[]]}"#],
        r#"{"l.0.0": null}"#,
        "",
        "b",
    ),
    (
        "a list at the end of a path by number is just itself",
        &[r#"{"l": [["a"]]}"#, r#"{"l": ["a"]}"#],
        r#"{"l.0": {"$regex": "^a"}}"#,
        "",
        "b",
    ),
    ("a number is one as it is usually written", &[r#"{"l": ["a"]}"#], r#"{"l.00": "a"}"#, "", ""),
    (
        "what is no object in a list sorts as null",
        &[r#"{"l": [0, {"k": 0}]}"#, "{}", r#"{"l": [{"k": 0}]}"#],
        "{}",
        "l.k",
        "a b c",
    ),
    (
        "a list at the end of a path by number sorts whole",
        &[r#"{"l": [[0]]}"#, FRIEND, r#"{"l": [9]}"#],
        "{}",
        "l.0",
        "c b a",
    ),
    ("an empty list at the end of a path by number comes first", &["{}", r#"{"l": [[]]}"#], "{}", "l.0", "b a"),
    (
        "the order of the keys of an object counts",
        &[r#"{"l": [{"k": 1, "m": 2}]}"#, r#"{"l": [{"m": 2, "k": 1}]}"#],
        r#"{"l": {"k": 1, "m": 2}}"#,
        "",
        "a",
    ),
    ("a pointer is text to an expression", &[POINTER], r#"{"p": {"$regex": "^_User.u"}}"#, "", "a"),
    ("a pointer is text to a comparison", &[POINTER], r#"{"p": {"$gt": {"__type": "File", "name": "_A"}}}"#, "", "a"),
    (
        "text may be what a pointer is kept as",
        &[r#"{"s": "_User$u1"}"#],
        r#"{"s": {"__type": "Pointer", "className": "_User", "objectId": "u1"}}"#,
        "",
        "a",
    ),
    (
        "a pointer among all of a list is none in a column",
        &[POINTER],
        r#"{"p": {"$all": [{"__type": "Pointer", "className": "_User", "objectId": "u1"}]}}"#,
        "",
        "",
    ),
    ("a place is a pair of numbers", &[PLACE], r#"{"g": 20, "g.0": 20, "g.latitude": {"$exists": false}}"#, "", "a"),
    ("an area is kept as others keep it", &[AREA], r#"{"a.type": "Polygon", "a.coordinates.0.1.0": 9}"#, "", "a"),
    (
        "places sort as lists of numbers",
        &[PLACE, r#"{"g": {"__type": "GeoPoint", "latitude": 30, "longitude": 5}}"#],
        "{}",
        "g",
        "b a",
    ),
    (
        "the shorter bytes are less",
        &[r#"{"r": {"__type": "Bytes", "base64": "/w=="}}"#, r#"{"r": {"__type": "Bytes", "base64": "AAEC"}}"#],
        r#"{"r": {"$lt": {"__type": "Bytes", "base64": "AAA="}}}"#,
        "",
        "a",
    ),
    (
        "the shorter bytes come first",
        &[r#"{"r": {"__type": "Bytes", "base64": "AAEC"}}"#, r#"{"r": {"__type": "Bytes", "base64": "/w=="}}"#],
        "{}",
        "r",
        "b a",
    ),
];

async fn what_was_found_by_chance_stays_mended(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", FIELDS).await;
    let mut wrong = Vec::new();
    for (name, objects, text, by, expected) in CASES {
        table.store.delete(&table.select("{}")).await.unwrap();
        for (id, object) in ["a", "b", "c", "d"].iter().zip(*objects) {
            table.put(id, object).await;
        }
        let selection = table.select(text).ordered(order(if by.is_empty() { "objectId" } else { by }));
        let found = table.find(&selection).await;
        if ids(&found) != *expected {
            wrong.push(format!("{name}: expected {expected:?}, found {:?}", ids(&found)));
        }
        let all: Vec<Object> = table.find(&table.select("{}")).await;
        let matcher = Matcher::new(&selection.filter, &table.class).unwrap();
        let met = met_by(&matcher, &all);
        let mut sorted_ids: Vec<&str> = expected.split_whitespace().collect();
        sorted_ids.sort_unstable();
        if met != sorted_ids.join(" ") {
            wrong.push(format!("{name}: expected {expected:?}, but met by {met:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn distinct_values_of_a_number_in_a_path(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", FIELDS).await;
    table.put("a", r#"{"l": [{"0": "below"}, 2]}"#).await;
    let values = table.store.distinct(&table.select("{}"), "l.0").await.unwrap();
    assert_eq!(sorted(values), [value(r#"{"0": "below"}"#)], "the element, and nothing below it");
}
