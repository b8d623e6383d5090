//! What is near, what is inside? Places and areas on the sphere, and flat figures on the plane of degrees.

use parsimony_model::query::{Constraint, Filter};
use parsimony_model::{GeoPoint, Object, Value, map};

use super::given::{Table, change, class, grants, ids, order, refused, sorted_ids};
use super::{Behaviours, Fresh, behaviours};
use crate::{Scope, Selection, StoreError};

/// The behaviours of this area.
pub(super) const BEHAVIOURS: Behaviours = behaviours![
    the_nearest_comes_first,
    near_looks_as_far_as_it_must,
    near_knows_no_end_of_the_world,
    boxes_are_flat_and_have_their_borders,
    figures_are_flat_and_have_some_of_their_borders,
    circles_are_on_the_sphere,
    areas_hold_places,
    areas_are_near_and_in_circles,
    what_moves_is_found_where_it_is,
    places_are_one_condition_among_others,
    an_area_that_crosses_itself_is_refused,
    distances_are_what_arithmetic_says,
];

fn point(latitude: f64, longitude: f64) -> GeoPoint {
    GeoPoint::new(latitude, longitude).unwrap()
}

fn place(latitude: f64, longitude: f64) -> String {
    format!(r#"{{"__type":"GeoPoint","latitude":{latitude},"longitude":{longitude}}}"#)
}

fn area(corners: &[(f64, f64)]) -> String {
    let corners: Vec<String> =
        corners.iter().map(|(latitude, longitude)| format!("[{latitude},{longitude}]")).collect();
    format!(r#"{{"__type":"Polygon","coordinates":[{}]}}"#, corners.join(","))
}

fn near(latitude: f64, longitude: f64, radians_max: Option<f64>) -> String {
    let max = radians_max.map(|radians| format!(r#","$maxDistance":{radians}"#)).unwrap_or_default();
    format!(r#"{{"place":{{"$nearSphere":{}{max}}}}}"#, place(latitude, longitude))
}

const CITIES: [(&str, f64, f64); 9] = [
    ("sf", 37.77, -122.42),
    ("oakland", 37.8, -122.27),
    ("la", 34.05, -118.24),
    ("ny", 40.71, -74.0),
    ("fiji", -17.0, 179.5),
    ("samoa", -14.0, -171.5),
    ("pole", 90.0, 0.0),
    ("zero", 0.0, 0.0),
    ("five", 5.0, 5.0),
];

async fn cities(fresh: &dyn Fresh) -> Table {
    let table = Table::new(fresh, "City", &["place:GeoPoint", "n:Number"]).await;
    for (number, (id, latitude, longitude)) in CITIES.into_iter().enumerate() {
        let text = format!(r#"{{"place":{},"n":{number}}}"#, place(latitude, longitude));
        table.put(id, &text).await;
    }
    table.put("nowhere", r#"{"n":100}"#).await;
    table.put("unknown", r#"{"place":null}"#).await;
    table
}

async fn in_order(table: &Table, selection: &Selection) -> String {
    ids(&table.find(selection).await)
}

async fn the_nearest_comes_first(fresh: &dyn Fresh) {
    let table = cities(fresh).await;
    let asked = |max| table.select(&near(37.77, -122.42, max));
    let all = "sf oakland la ny pole samoa fiji";
    let found = in_order(&table, &asked(None)).await;
    assert!(found.starts_with(all) && found.split(' ').count() == CITIES.len(), "{found}");
    for (max, expected) in [(0.0, "sf"), (0.01, "sf oakland"), (0.1, "sf oakland la"), (0.7, "sf oakland la ny")] {
        assert_eq!(in_order(&table, &asked(Some(max))).await, expected, "{max}");
        let count = expected.split(' ').count() as u64;
        assert_eq!(table.store.count(&asked(Some(max))).await.unwrap(), count, "{max}");
    }
    assert_eq!(in_order(&table, &asked(Some(100.0)).range(0, Some(3))).await, "sf oakland la");
    assert_eq!(in_order(&table, &asked(None).range(1, Some(2))).await, "oakland la");
    assert_eq!(in_order(&table, &asked(None).range(5, Some(2))).await, "samoa fiji");
    assert_eq!(in_order(&table, &asked(Some(0.7)).range(2, None)).await, "la ny");
    assert_eq!(in_order(&table, &asked(None).range(20, Some(2))).await, "");
    assert_eq!(table.store.count(&asked(None)).await.unwrap(), CITIES.len() as u64);
    let sorted = asked(Some(0.7)).ordered(order("-n"));
    assert_eq!(in_order(&table, &sorted).await, "ny la oakland sf", "another order counts");
    let keys = asked(Some(0.01)).only(vec!["n".to_owned()]);
    let found = table.find(&keys).await;
    assert_eq!(found.iter().map(|city| city.fields.len()).collect::<Vec<_>>(), [1, 1], "{found:?}");
}

async fn near_looks_as_far_as_it_must(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Lamp", &["place:GeoPoint", "n:Number"]).await;
    // Each a little further than the one before: from metres to half the earth.
    let mut expected = Vec::new();
    for number in 0..60 {
        let degrees = 0.000_01 * 1.3_f64.powi(number);
        table.put(&format!("l{number:02}"), &format!(r#"{{"place":{},"n":{number}}}"#, place(0.0, degrees))).await;
        expected.push(format!("l{number:02}"));
    }
    for limit in [1_usize, 2, 7, 33, 60, 61] {
        let asked = table.select(&near(0.0, 0.0, None)).range(0, Some(limit as u64));
        let wanted = expected.iter().take(limit).map(String::as_str).collect::<Vec<_>>().join(" ");
        assert_eq!(in_order(&table, &asked).await, wanted, "{limit}");
    }
    // What else is asked may be met far away only.
    let far = format!(r#"{{"place":{{"$nearSphere":{}}},"n":{{"$gte":50}}}}"#, place(0.0, 0.0));
    let asked = table.select(&far).range(0, Some(2));
    assert_eq!(in_order(&table, &asked).await, "l50 l51");
    let hidden = Selection { scope: Scope::ReadableBy(grants(&["*"])), ..asked };
    assert_eq!(in_order(&table, &hidden).await, "l50 l51", "rows without an ACL");
    // A find that is bounded finds no more with a limit than without.
    for max in [1e-5, 1e-3, 0.1, 1.0, 3.0] {
        let all = in_order(&table, &table.select(&near(0.0, 0.0, Some(max)))).await;
        let limited = table.select(&near(0.0, 0.0, Some(max))).range(0, Some(1_000));
        assert_eq!(in_order(&table, &limited).await, all, "{max}");
    }
}

async fn near_knows_no_end_of_the_world(fresh: &dyn Fresh) {
    let table = cities(fresh).await;
    let asked = |latitude, longitude, max| table.select(&near(latitude, longitude, Some(max)));
    assert_eq!(in_order(&table, &asked(-16.0, -179.9, 0.2)).await, "fiji samoa");
    assert_eq!(in_order(&table, &asked(-16.0, 179.9, 0.2)).await, "fiji samoa");
    assert_eq!(in_order(&table, &asked(89.0, 180.0, 0.05)).await, "pole");
    assert_eq!(in_order(&table, &asked(89.0, 180.0, 0.05).range(0, Some(5))).await, "pole");
}

async fn boxes_are_flat_and_have_their_borders(fresh: &dyn Fresh) {
    let table = cities(fresh).await;
    for ((south, west), (north, east), expected) in [
        ((0.0, 0.0), (5.0, 5.0), "five zero"),
        ((5.0, 5.0), (0.0, 0.0), "five zero"),
        ((5.0, 0.0), (0.0, 5.0), "five zero"),
        ((0.000_1, 0.000_1), (5.0, 5.0), "five"),
        ((30.0, -130.0), (40.0, -110.0), "la oakland sf"),
        // MongoDB: this is nearly all the way round, not the short way over the antimeridian.
        ((-20.0, 170.0), (0.0, -170.0), "zero"),
        ((-90.0, -180.0), (90.0, 180.0), "fiji five la ny oakland pole samoa sf zero"),
        ((89.0, -10.0), (90.0, 10.0), "pole"),
    ] {
        let text = format!(r#"{{"place":{{"$within":{{"$box":[{},{}]}}}}}}"#, place(south, west), place(north, east));
        assert_eq!(table.found(&text).await, expected, "{text}");
    }
}

async fn figures_are_flat_and_have_some_of_their_borders(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Spot", &["place:GeoPoint"]).await;
    for (id, latitude, longitude) in [
        ("a", 0.0, 0.0),
        ("b", 10.0, 10.0),
        ("c", 5.0, 5.0),
        ("d", 5.0, 10.0),
        ("e", 0.0, 5.0),
        ("f", 2.0, 8.0),
        ("g", 8.0, 2.0),
        ("h", 20.0, 20.0),
        ("i", 10.0, 0.0),
        ("j", 5.0, 175.0),
    ] {
        table.put(id, &format!(r#"{{"place":{}}}"#, place(latitude, longitude))).await;
    }
    // Corners are longitude first here.
    for (corners, expected) in [
        ("[0,0],[10,0],[10,10],[0,10]", "a b c d e f g i"),
        ("[0,0],[10,0],[10,10]", "a b d e f"),
        ("[0,0],[0,10],[10,10]", "a b c g i"),
        ("[0,0],[10,0],[10,10],[0,0]", "a b d e f"),
        // One that crosses itself has the parts that are inside once.
        ("[0,0],[10,10],[10,0],[0,10]", "a b c d g i"),
        ("[1,1],[9,1],[9,4],[1,4]", "f"),
        ("[170,0],[-170,0],[-170,10],[170,10]", "a b c d e f g i"),
    ] {
        let text = format!(r#"{{"place":{{"$geoWithin":{{"$polygon":[{corners}]}}}}}}"#);
        assert_eq!(table.found(&text).await, expected, "{text}");
    }
}

async fn circles_are_on_the_sphere(fresh: &dyn Fresh) {
    let table = cities(fresh).await;
    for ((latitude, longitude), radians, expected) in [
        ((0.0, 0.0), 0.3, "five zero"),
        ((0.0, 0.0), 0.0, "zero"),
        ((1.0, 0.0), 0.0, ""),
        ((-16.0, -179.9), 0.2, "fiji samoa"),
        ((89.0, 180.0), 0.05, "pole"),
        ((0.0, 0.0), 4.0, "fiji five la ny oakland pole samoa sf zero"),
    ] {
        let text =
            format!(r#"{{"place":{{"$geoWithin":{{"$centerSphere":[{},{radians}]}}}}}}"#, place(latitude, longitude));
        assert_eq!(table.found(&text).await, expected, "{text}");
    }
}

const SQUARE: [(f64, f64); 4] = [(0.0, 0.0), (0.0, 10.0), (10.0, 10.0), (10.0, 0.0)];

async fn areas(fresh: &dyn Fresh) -> Table {
    let table = Table::new(fresh, "Zone", &["area:Polygon", "place:GeoPoint"]).await;
    let backwards: Vec<_> = SQUARE.iter().rev().map(|(latitude, longitude)| (latitude + 20.0, *longitude)).collect();
    for (id, corners) in [
        ("square", &SQUARE[..]),
        ("backwards", &backwards),
        ("dateline", &[(20.0, 170.0), (20.0, -170.0), (-20.0, -170.0), (-20.0, 170.0)]),
        ("arctic", &[(80.0, 0.0), (80.0, 90.0), (80.0, 180.0), (80.0, -90.0)]),
        ("wide", &[(-60.0, -100.0), (-60.0, 0.0), (-60.0, 100.0), (-50.0, 100.0), (-50.0, 0.0), (-50.0, -100.0)]),
    ] {
        table.put(id, &format!(r#"{{"area":{}}}"#, area(corners))).await;
    }
    table.put("none", &format!(r#"{{"place":{}}}"#, place(5.0, 5.0))).await;
    table
}

async fn areas_hold_places(fresh: &dyn Fresh) {
    let table = areas(fresh).await;
    for ((latitude, longitude), expected) in [
        ((5.0, 5.0), "square"),
        ((0.0, 5.0), "square"),
        ((5.0, 0.0), "square"),
        ((0.0, 0.0), "square"),
        // The border goes the shortest way, which is north of the parallel.
        ((10.02, 5.0), "square"),
        ((10.05, 5.0), ""),
        ((5.0, -0.000_001), ""),
        ((25.0, 5.0), "backwards"),
        ((15.0, 5.0), ""),
        ((0.0, 179.0), "dateline"),
        ((0.0, -179.0), "dateline"),
        ((0.0, 160.0), ""),
        ((90.0, 77.0), "arctic"),
        ((85.0, -135.0), "arctic"),
        ((-55.0, 50.0), ""),
        ((-65.0, 50.0), "wide"),
    ] {
        let text = format!(r#"{{"area":{{"$geoIntersects":{{"$point":{}}}}}}}"#, place(latitude, longitude));
        assert_eq!(table.found(&text).await, expected, "{text}");
        assert_eq!(table.store.count(&table.select(&text)).await.unwrap(), u64::from(!expected.is_empty()), "{text}");
    }
    let on_place = format!(r#"{{"place":{{"$geoIntersects":{{"$point":{}}}}}}}"#, place(5.0, 5.0));
    assert_eq!(table.found(&on_place).await, "none", "a place is at itself");
}

async fn areas_are_near_and_in_circles(fresh: &dyn Fresh) {
    let table = areas(fresh).await;
    let near =
        |latitude, longitude, max: &str| format!(r#"{{"area":{{"$nearSphere":{}{max}}}}}"#, place(latitude, longitude));
    let found = in_order(&table, &table.select(&near(5.0, 5.0, ""))).await;
    assert_eq!(found, "square backwards wide arctic dateline");
    assert_eq!(in_order(&table, &table.select(&near(18.0, 5.0, r#","$maxDistance":0.1"#))).await, "backwards");
    assert_eq!(in_order(&table, &table.select(&near(5.0, 5.0, "")).range(1, Some(1))).await, "backwards");
    let circle =
        |radians: f64| format!(r#"{{"area":{{"$geoWithin":{{"$centerSphere":[{},{radians}]}}}}}}"#, place(5.0, 5.0));
    for (radians, expected) in
        [(0.1, ""), (0.15, "square"), (0.5, "backwards square"), (2.0, "arctic backwards square wide")]
    {
        assert_eq!(table.found(&circle(radians)).await, expected, "{radians}");
    }
    // MongoDB: an area is in no flat figure.
    let everywhere =
        format!(r#"{{"area":{{"$within":{{"$box":[{},{}]}}}}}}"#, place(-90.0, -180.0), place(90.0, 180.0));
    assert_eq!(table.found(&everywhere).await, "");
}

async fn what_moves_is_found_where_it_is(fresh: &dyn Fresh) {
    let table = cities(fresh).await;
    let around = |latitude, longitude| near(latitude, longitude, Some(0.01));
    assert_eq!(table.found(&around(34.05, -118.24)).await, "la");
    table.update("la", &change(&format!(r#"{{"place":{}}}"#, place(48.1, 11.6)))).await.unwrap();
    assert_eq!(table.found(&around(34.05, -118.24)).await, "");
    assert_eq!(table.found(&around(48.1, 11.6)).await, "la");
    table.update("la", &change(r#"{"n":7}"#)).await.unwrap();
    assert_eq!(table.found(&around(48.1, 11.6)).await, "la", "another field changes");
    table.update("la", &change(r#"{"place":{"__op":"Delete"}}"#)).await.unwrap();
    assert_eq!(table.found(&around(48.1, 11.6)).await, "");
    table.update("la", &change(&format!(r#"{{"place":{}}}"#, place(48.1, 11.6)))).await.unwrap();
    table.update("nowhere", &change(&format!(r#"{{"place":{}}}"#, place(48.1, 11.6)))).await.unwrap();
    assert_eq!(table.found(&around(48.1, 11.6)).await, "la nowhere");
    table.store.delete(&table.one("la")).await.unwrap();
    assert_eq!(table.found(&around(48.1, 11.6)).await, "nowhere");
    if fresh.has_transactions() {
        let transaction = table.store.begin().await.unwrap();
        let moved = change(&format!(r#"{{"place":{}}}"#, place(0.0, 90.0)));
        transaction.update(&table.one("nowhere"), &moved).await.unwrap();
        let found = transaction.find(&table.select(&around(0.0, 90.0))).await.unwrap();
        assert_eq!(ids(&found), "nowhere", "inside the transaction");
        transaction.roll_back().await.unwrap();
        assert_eq!(table.found(&around(0.0, 90.0)).await, "");
        assert_eq!(table.found(&around(48.1, 11.6)).await, "nowhere");
    }
}

async fn places_are_one_condition_among_others(fresh: &dyn Fresh) {
    let table = cities(fresh).await;
    let square = format!(r#"{{"$within":{{"$box":[{},{}]}}}}"#, place(0.0, 0.0), place(10.0, 10.0));
    let west = format!(r#"{{"$within":{{"$box":[{},{}]}}}}"#, place(30.0, -130.0), place(40.0, -110.0));
    let close = place(37.77, -122.42);
    for (text, expected) in [
        (format!(r#"{{"place":{square},"n":7}}"#), "zero"),
        (format!(r#"{{"$or":[{{"place":{square}}},{{"place":{west}}}]}}"#), "five la oakland sf zero"),
        (format!(r#"{{"$nor":[{{"place":{square}}}],"n":{{"$gt":5}}}}"#), "nowhere pole"),
        (format!(r#"{{"place":{{"$nearSphere":{close},"$maxDistance":0.1,"$ne":{close}}}}}"#), "la oakland"),
        (format!(r#"{{"$and":[{{"place":{{"$nearSphere":{close}}}}},{{"place":{west}}}]}}"#), "la oakland sf"),
        (format!(r#"{{"$or":[{{"place":{{"$nearSphere":{close},"$maxDistance":0.01}}}}]}}"#), "oakland sf"),
        (format!(r#"{{"place":{close}}}"#), "sf"),
    ] {
        assert_eq!(table.found(&text).await, expected, "{text}");
    }
    let both = format!(r#"{{"place":{{"$nearSphere":{close}}},"n":{{"$in":[0,2,7]}}}}"#);
    assert_eq!(in_order(&table, &table.select(&both)).await, "sf la zero");
}

async fn an_area_that_crosses_itself_is_refused(fresh: &dyn Fresh) {
    let table = areas(fresh).await;
    let crossed = area(&[(0.0, 0.0), (10.0, 10.0), (0.0, 10.0), (10.0, 0.0)]);
    let twice = area(&[(0.0, 0.0), (0.0, 10.0), (10.0, 10.0), (0.0, 0.0), (-10.0, -10.0), (0.0, -10.0)]);
    for bad in [&crossed, &twice] {
        let object = table.object("bad", super::given::fields(&format!(r#"{{"area":{bad}}}"#)));
        let error = refused(table.store.insert(&table.class, &object).await, bad);
        assert!(matches!(error, StoreError::Unfit(_)), "{error:?}");
        let changed = change(&format!(r#"{{"area":{bad}}}"#));
        let error = refused(table.store.update(&table.one("square"), &changed).await, bad);
        assert!(matches!(error, StoreError::Unfit(_)), "{error:?}");
    }
    assert_eq!(table.found(&format!(r#"{{"area":{}}}"#, area(&SQUARE))).await, "square");
    // Corners in a line, and one twice in a row, are no harm.
    for (id, corners) in [
        ("line", &[(0.0, 0.0), (0.0, 5.0), (0.0, 10.0)][..]),
        ("pair", &[(0.0, 0.0), (0.0, 0.0), (0.0, 9.0), (9.0, 9.0)]),
    ] {
        table.put(id, &format!(r#"{{"area":{}}}"#, area(corners))).await;
    }
}

/// How far apart places are, in radians: by haversines, which neither store uses.
fn apart(a: GeoPoint, b: GeoPoint) -> f64 {
    let (south, north) = (a.latitude.to_radians(), b.latitude.to_radians());
    let east = (b.longitude - a.longitude).to_radians();
    let haversine = ((north - south) / 2.0).sin().powi(2) + south.cos() * north.cos() * (east / 2.0).sin().powi(2);
    2.0 * haversine.sqrt().min(1.0).asin()
}

async fn distances_are_what_arithmetic_says(fresh: &dyn Fresh) {
    let table = Table::of(fresh.store().await, class("Spot", &["place:GeoPoint"])).await;
    let mut state = 42_u64;
    let mut next = |span: f64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 11) as f64 / (1_u64 << 53) as f64 - 0.5) * span
    };
    let spots: Vec<Object> = (0..300)
        .map(|number| {
            // A third is in one town.
            let place = if number % 3 == 0 {
                point(48.0 + next(0.5), 11.0 + next(0.5))
            } else {
                point(next(180.0), next(360.0))
            };
            table.object(&format!("s{number:03}"), map! { "place" => Value::GeoPoint(place) })
        })
        .collect();
    for spot in &spots {
        table.insert(spot).await;
    }
    for _ in 0..12 {
        let center = point(next(180.0), next(360.0));
        let distance = |object: &Object| match object.get("place") {
            Some(Value::GeoPoint(place)) => apart(center, *place),
            other => panic!("{other:?}"),
        };
        let mut by_distance: Vec<(&Object, f64)> = spots.iter().map(|spot| (spot, distance(spot))).collect();
        by_distance.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        for wanted in [5, 40, 150] {
            // Between two, where it does not matter how exactly anybody counts.
            let radians = f64::midpoint(by_distance[wanted - 1].1, by_distance[wanted].1);
            let closest: Vec<Object> = by_distance.iter().take(wanted).map(|(spot, _)| (*spot).clone()).collect();
            let near =
                |radians_max| table.selection(Filter::Field("place".into(), Constraint::Near { center, radians_max }));
            let found = table.find(&near(Some(radians))).await;
            assert_eq!(ids(&found), ids(&closest), "within {radians} of {center:?}");
            let found = table.find(&near(None).range(0, Some(wanted as u64))).await;
            assert_eq!(ids(&found), ids(&closest), "the nearest {wanted} to {center:?}");
            let circle = Filter::Field("place".into(), Constraint::WithinSphere { center, radians });
            let found = table.find(&table.selection(circle)).await;
            assert_eq!(sorted_ids(&found), sorted_ids(&closest), "the circle of {radians} around {center:?}");
        }
    }
}
