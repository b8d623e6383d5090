//! What may be asked of objects? Every constraint, alone and together, on fields, on paths below them and on what nobody has.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::values::{self, AREAS, FIELDS, Field, PLACES};

/// A `where`.
pub(crate) fn filter() -> BoxedStrategy<Value> {
    let leaf = leaf();
    let flat = all_of(leaf.clone());
    let nested = prop_oneof![3 => flat.clone(), 1 => branches(flat)].boxed();
    prop_oneof![
        6 => all_of(leaf.clone()),
        3 => branches(nested.clone()),
        2 => (branches(nested), leaf).prop_map(|(mut branches, (path, constraint))| {
            branches[path] = constraint;
            branches
        }),
        1 => searches(),
    ]
    .boxed()
}

/// Constraints on a few paths, all of which must be met.
fn all_of(leaf: BoxedStrategy<(String, Value)>) -> BoxedStrategy<Value> {
    proptest::collection::vec(leaf, 1..3).prop_map(|leaves| Value::Object(leaves.into_iter().collect())).boxed()
}

fn branches(parts: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let key = select(vec!["$or", "$and", "$nor"]);
    (key, proptest::collection::vec(parts, 1..4)).prop_map(|(key, parts)| json!({ key: parts })).boxed()
}

/// What sorts by itself, and so stands alone: a search by distance, or by text.
fn searches() -> BoxedStrategy<Value> {
    let near = (select(vec!["g", "a"]), select(PLACES.to_vec()), select(vec![None, Some(0.1), Some(0.5), Some(3.0)]));
    let near = near.prop_map(|(field, (latitude, longitude), radians)| {
        let mut near = json!({"$nearSphere": {"__type": "GeoPoint", "latitude": latitude, "longitude": longitude}});
        if let Some(radians) = radians {
            near["$maxDistance"] = json!(radians);
        }
        json!({ field: near })
    });
    let term = select(vec!["a", "b ab", "a -b", "\"a b\"", "é", "u1 true", "nobody"]);
    let text = (term, any::<bool>(), any::<bool>()).prop_map(|(term, case, accents)| {
        json!({"s": {"$text": {"$search": {"$term": term, "$caseSensitive": case, "$diacriticSensitive": accents}}}})
    });
    prop_oneof![2 => near, 1 => text].boxed()
}

fn leaf() -> BoxedStrategy<(String, Value)> {
    let on_field = select(FIELDS.to_vec()).prop_flat_map(|field| (Just(field.0.to_owned()), constraint(field)));
    let on_base = prop_oneof![
        ids().prop_map(|constraint| ("objectId".to_owned(), constraint)),
        constraint(("createdAt", "Date", None)).prop_map(|constraint| ("createdAt".to_owned(), constraint)),
    ];
    let below = select(vec![
        "o.k",
        "o.l",
        "o.k.l",
        "o.l.0",
        "o.k.0.l",
        "o.0",
        "o.k.00",
        "l.k",
        "l.0",
        "l.1.k",
        "l.k.l",
        "l.0.0",
        "l.m.objectId",
        "l.className",
        "l.latitude",
        "g.0",
        "g.latitude",
        "a.type",
        "a.coordinates.0.0",
        "p.objectId",
        "s.k",
        "f.name",
        "nosuch",
        "nosuch.k",
        "d.iso",
        "createdAt.k",
    ]);
    let on_path = (below, constraint(("", "", None))).prop_map(|(path, constraint)| (path.to_owned(), constraint));
    prop_oneof![8 => on_field, 1 => on_base, 4 => on_path].boxed()
}

fn ids() -> BoxedStrategy<Value> {
    let id = || select(vec!["o0", "o1", "o2", "nobody"]).prop_map(Value::from);
    let list = || proptest::collection::vec(id(), 0..3).prop_map(Value::Array);
    prop_oneof![
        id(),
        id().prop_map(|id| json!({"$ne": id})),
        id().prop_map(|id| json!({"$gt": id})),
        list().prop_map(|ids| json!({"$in": ids})),
        list().prop_map(|ids| json!({"$nin": ids})),
        Just(json!({"$regex": "^o[01]"})),
        Just(json!({"$exists": false})),
    ]
    .boxed()
}

/// A value to compare with: of the field's type most of the time, else of any.
fn operand(field: Field) -> BoxedStrategy<Value> {
    match field.1 {
        "" | "Array" | "Object" => prop_oneof![6 => values::scalar(), 2 => values::inside()].boxed(),
        _ => prop_oneof![6 => values::of(field), 2 => values::scalar(), 1 => Just(Value::Null)].boxed(),
    }
}

fn constraint(field: Field) -> BoxedStrategy<Value> {
    let geo = matches!(field.1, "GeoPoint" | "Polygon");
    let operators = proptest::collection::vec(operator(field), 1..3);
    let operators = operators.prop_map(|parts| {
        let mut all = Map::new();
        for part in parts {
            all.extend(part.as_object().unwrap().clone());
        }
        Value::Object(all)
    });
    prop_oneof![
        3 => operand(field),
        6 => operators,
        (if geo { 8 } else { 1 }) => place(),
    ]
    .boxed()
}

fn operator(field: Field) -> BoxedStrategy<Value> {
    let one = select(vec!["$eq", "$ne", "$lt", "$lte", "$gt", "$gte"]);
    let many = select(vec!["$in", "$nin", "$all", "$containedBy"]);
    let list = proptest::collection::vec(operand(field), 0..4);
    prop_oneof![
        5 => (one, operand(field)).prop_map(|(name, value)| json!({ name: value })),
        4 => (many, list).prop_map(|(name, values)| json!({ name: values })),
        2 => any::<bool>().prop_map(|there| json!({"$exists": there})),
        2 => pattern(),
        1 => starts().prop_map(|patterns| json!({"$all": patterns})),
    ]
    .boxed()
}

const PATTERNS: [&str; 14] =
    ["^a", "a$", "b", ".", "^$", r"^\Qa\E", r"\Qa.\E", "[ab]", "^(?:a|b)$", r"^\w+$", "a.b", "^_User", "É", r"\d"];

fn pattern() -> BoxedStrategy<Value> {
    let options = select(vec![None, None, Some("i"), Some("m"), Some("s"), Some("x"), Some("im")]);
    let pattern = (select(PATTERNS.to_vec()), options).prop_map(|(source, options)| match options {
        None => json!({ "$regex": source }),
        Some(options) => json!({ "$regex": source, "$options": options }),
    });
    pattern.boxed()
}

/// What the SDKs' `containsAllStartingWith` sends.
fn starts() -> BoxedStrategy<Value> {
    let start =
        select(vec![r"^\Qa\E", r"^\Q\E", r"^\Qab\E", r"^\Q_User\E"]).prop_map(|source| json!({ "$regex": source }));
    proptest::collection::vec(start, 1..3).prop_map(Value::Array).boxed()
}

fn place() -> BoxedStrategy<Value> {
    let point =
        |(latitude, longitude): (f64, f64)| json!({"__type": "GeoPoint", "latitude": latitude, "longitude": longitude});
    let center = || select(PLACES.to_vec());
    let radians = select(vec![0.0, 0.05, 0.2, 1.0, 4.0]);
    prop_oneof![
        (center(), center()).prop_map(move |(a, b)| json!({"$within": {"$box": [point(a), point(b)]}})),
        (center(), radians)
            .prop_map(move |(center, radians)| json!({"$geoWithin": {"$centerSphere": [point(center), radians]}})),
        select(AREAS.to_vec()).prop_map(move |corners| {
            let corners: Vec<Value> = corners.iter().copied().map(point).collect();
            json!({"$geoWithin": {"$polygon": corners}})
        }),
        center().prop_map(move |center| json!({"$geoIntersects": {"$point": point(center)}})),
    ]
    .boxed()
}
