//! Which values may be where? Few of each type, so that they meet one another, and those that are easily taken for others.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A field of the classes: its name, its type as the schema API writes it, and the class that it points to.
pub(crate) type Field = (&'static str, &'static str, Option<&'static str>);

/// The fields that a class may have.
pub(crate) const FIELDS: [Field; 13] = [
    ("n", "Number", None),
    ("s", "String", None),
    ("t", "String", None),
    ("b", "Boolean", None),
    ("d", "Date", None),
    ("l", "Array", None),
    ("o", "Object", None),
    ("p", "Pointer", Some("_User")),
    ("q", "Pointer", Some("Boss")),
    ("g", "GeoPoint", None),
    ("a", "Polygon", None),
    ("f", "File", None),
    ("r", "Bytes", None),
];

fn one_of(values: Vec<Value>) -> BoxedStrategy<Value> {
    proptest::sample::select(values).boxed()
}

fn numbers() -> BoxedStrategy<Value> {
    one_of(vec![
        json!(0),
        json!(1),
        json!(2),
        json!(3),
        json!(-1),
        json!(1.5),
        json!(-0.0),
        json!(10),
        json!(1e21),
        json!(2_147_483_648_i64),
        json!(9_007_199_254_740_991_i64),
    ])
}

/// Texts; some are what MongoDB makes of pointers, and what JSON makes of other types.
pub(crate) fn texts() -> BoxedStrategy<Value> {
    let texts = [
        "",
        "a",
        "A",
        "b",
        "ab",
        "a b",
        "é",
        "É",
        "1",
        "true",
        "null",
        "_User$u1",
        "u1",
        "a.txt",
        "Z",
        "\u{1f600}",
        "\u{ffff}",
        "a\nb",
    ];
    one_of(texts.map(Value::from).into())
}

fn dates() -> BoxedStrategy<Value> {
    let moments = [
        "2020-01-01T00:00:00.000Z",
        "2020-01-01T00:00:00.001Z",
        "1969-12-31T23:59:59.999Z",
        "2024-01-01T00:00:00.000Z",
    ];
    one_of(moments.map(|iso| json!({"__type": "Date", "iso": iso})).into())
}

fn pointers(class: Option<&str>) -> BoxedStrategy<Value> {
    let all = [("_User", "u1"), ("_User", "u2"), ("_User", "u10"), ("Boss", "u1"), ("Boss", "b1")];
    let fitting = all.into_iter().filter(|(target, _)| class.is_none_or(|class| class == *target));
    one_of(fitting.map(|(class, id)| json!({"__type": "Pointer", "className": class, "objectId": id})).collect())
}

/// Places in degrees: latitude and longitude.
pub(crate) const PLACES: [(f64, f64); 9] = [
    (0.0, 0.0),
    (10.0, 20.0),
    (20.0, 10.0),
    (5.0, 5.0),
    (-33.5, 151.0),
    (89.0, 0.0),
    (0.0, 179.0),
    (0.0, -179.0),
    (5.0, 0.0),
];

/// A place.
pub(crate) fn places() -> BoxedStrategy<Value> {
    let place = |(latitude, longitude)| json!({"__type": "GeoPoint", "latitude": latitude, "longitude": longitude});
    one_of(PLACES.map(place).into())
}

/// Areas by their corners: latitude and longitude.
pub(crate) const AREAS: [&[(f64, f64)]; 4] = [
    &[(0.0, 0.0), (0.0, 10.0), (10.0, 10.0), (10.0, 0.0)],
    &[(-10.0, -10.0), (-10.0, 30.0), (30.0, 30.0), (30.0, -10.0)],
    &[(40.0, 40.0), (40.0, 50.0), (50.0, 45.0)],
    &[(-5.0, 170.0), (-5.0, -170.0), (5.0, -170.0), (5.0, 170.0)],
];

fn areas() -> BoxedStrategy<Value> {
    let area = |corners: &[(f64, f64)]| {
        let corners: Vec<Value> = corners.iter().map(|(latitude, longitude)| json!([latitude, longitude])).collect();
        json!({"__type": "Polygon", "coordinates": corners})
    };
    one_of(AREAS.map(area).into())
}

fn files() -> BoxedStrategy<Value> {
    one_of(["a.txt", "b.txt", "u1"].map(|name| json!({"__type": "File", "name": name})).into())
}

fn bytes() -> BoxedStrategy<Value> {
    one_of(["", "AAEC", "/w==", "AAED", "AA=="].map(|base64| json!({"__type": "Bytes", "base64": base64})).into())
}

/// The names inside objects.
const KEYS: [&str; 4] = ["k", "l", "m", "0"];

fn object(inside: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    let entries = proptest::collection::vec((proptest::sample::select(KEYS.to_vec()), inside), 0..4);
    let object = |entries: Vec<(&str, Value)>| -> Map<String, Value> {
        entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    };
    entries.prop_map(move |entries| Value::Object(object(entries))).boxed()
}

fn list(inside: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    proptest::collection::vec(inside, 0..4).prop_map(Value::Array).boxed()
}

/// A value that is neither a list nor a plain object.
pub(crate) fn scalar() -> BoxedStrategy<Value> {
    prop_oneof![
        4 => numbers(),
        4 => texts(),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => Just(Value::Null),
        1 => dates(),
        1 => pointers(None),
        1 => places(),
        1 => files(),
        1 => bytes(),
        1 => areas(),
    ]
    .boxed()
}

/// Any value that may stand inside a list or an object.
pub(crate) fn inside() -> BoxedStrategy<Value> {
    let flat = prop_oneof![6 => scalar(), 1 => object(scalar()), 1 => list(scalar())].boxed();
    prop_oneof![6 => scalar(), 2 => object(flat.clone()), 1 => list(flat)].boxed()
}

/// A value of a field.
pub(crate) fn of((_, kind, target): Field) -> BoxedStrategy<Value> {
    match kind {
        "Number" => numbers(),
        "String" => texts(),
        "Boolean" => any::<bool>().prop_map(Value::Bool).boxed(),
        "Date" => dates(),
        "Array" => list(inside()),
        "Object" => object(inside()),
        "Pointer" => pointers(target),
        "GeoPoint" => places(),
        "Polygon" => areas(),
        "File" => files(),
        _ => bytes(),
    }
}
