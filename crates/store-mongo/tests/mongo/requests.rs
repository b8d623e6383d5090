//! What only MongoDB does: geography, text, its own refusals, and being away.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parsimony_model::ClassSchema;
use parsimony_store::{Objects, Store, StoreError};
use parsimony_store_mongo::{MongoOptions, MongoStore};

use crate::given::{Given, change, class, object, one, replica_set, select, single};

#[tokio::test]
async fn places_are_found_by_distance_and_by_area() {
    let given = single().await;
    let class = class("Shop", &["place:GeoPoint", "area:Polygon"]);
    given.store.create_class(&class).await.unwrap();
    for (id, latitude) in [("near", 1), ("far", 30), ("farther", 60)] {
        let fields = format!(
            r#"{{"place":{{"__type":"GeoPoint","latitude":{latitude},"longitude":0}},
                "area":{{"__type":"Polygon","coordinates":[[{latitude},0],[{latitude},2],[{},2]]}}}}"#,
            latitude + 2
        );
        given.store.insert(&class, &object(&class, id, &fields)).await.unwrap();
    }
    let origin = r#"{"__type":"GeoPoint","latitude":0,"longitude":0}"#;
    let near = format!(r#"{{"place":{{"$nearSphere":{origin},"$maxDistance":0.8}}}}"#);
    let found = given.find(&class, &near).await;
    assert_eq!(found.iter().map(|object| object.id.as_str()).collect::<Vec<_>>(), ["near", "far"]);
    assert_eq!(given.store.count(&select(&class, &near)).await.unwrap(), 2);
    let place =
        |latitude, longitude| format!(r#"{{"__type":"GeoPoint","latitude":{latitude},"longitude":{longitude}}}"#);
    let (south_west, north_east) = (place(-1, -1), place(2, 1));
    for (text, expected) in [
        (format!(r#"{{"place":{{"$within":{{"$box":[{south_west},{north_east}]}}}}}}"#), vec!["near"]),
        (format!(r#"{{"place":{{"$geoWithin":{{"$centerSphere":[{origin},0.1]}}}}}}"#), vec!["near"]),
        (
            format!(
                r#"{{"place":{{"$geoWithin":{{"$polygon":[{},{},{}]}}}}}}"#,
                place(20, -9),
                place(20, 9),
                place(50, 0)
            ),
            vec!["far"],
        ),
        (
            format!(
                r#"{{"area":{{"$geoIntersects":{{"$point":{}}}}}}}"#,
                "{\"__type\":\"GeoPoint\",\"latitude\":30.5,\"longitude\":1.5}"
            ),
            vec!["far"],
        ),
    ] {
        assert_eq!(given.ids(&class, &text).await, expected, "{text}");
    }
    let places = given.store.distinct(&select(&class, "{}"), "place").await.unwrap();
    assert_eq!(places.len(), 3);
}

#[tokio::test]
async fn text_is_found_and_its_index_made_on_demand() {
    let given = single().await;
    let class = class("Post", &["body:String"]);
    for (id, body) in [("a", "the quick fox"), ("b", "a lazy dog")] {
        given.store.insert(&class, &object(&class, id, &format!(r#"{{"body":"{body}"}}"#))).await.unwrap();
    }
    assert_eq!(given.ids(&class, r#"{"body":{"$text":{"$search":{"$term":"foxes"}}}}"#).await, ["a"]);
    let indexes = given.raw.collection::<bson::Document>("Post").list_index_names().await.unwrap();
    assert_eq!(indexes, ["_id_", "body_text"]);
}

#[tokio::test]
async fn refusals_of_the_server_have_their_kind() {
    let given = single().await;
    let class = class("Post", &["s:String"]);
    given.store.insert(&class, &object(&class, "p", r#"{"s":"text"}"#)).await.unwrap();
    let again = given.store.insert(&class, &object(&class, "p", "{}")).await.unwrap_err();
    assert!(matches!(&again, StoreError::Duplicate { index } if index == "_id_"), "{again:?}");
    let regex = given.store.find(&select(&class, r#"{"s":{"$regex":"("}}"#)).await.unwrap_err();
    assert!(matches!(regex, StoreError::InvalidQuery(_)), "{regex:?}");
    for text in [
        r#"{"s":{"__op":"Increment","amount":1}}"#,
        r#"{"s":{"__op":"Add","objects":[1]}}"#,
        r#"{"s":{"__op":"AddUnique","objects":[1]}}"#,
        r#"{"s":{"__op":"Remove","objects":[1]}}"#,
        r#"{"s.x":1}"#,
        r#"{"a":1,"a.b":1}"#,
    ] {
        let refused = given.store.update(&one(&class, "p"), &change(text)).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unfit(_)), "{text}: {refused:?}");
    }
    let quoted = given.ids(&class, r#"{"s":{"$regex":"^\\Qte\\E"}}"#).await;
    assert_eq!(quoted, ["p"]);
}

#[tokio::test]
async fn a_read_that_takes_too_long_is_stopped() {
    let uri = parsimony_testkit::mongod::given_standalone().expect("needs a mongod: run `cargo xtask test`");
    let options = MongoOptions { query_millis_max: 1, ..MongoOptions::default() };
    let given = crate::given::open(&uri, options).await;
    let class = class("Post", &["s:String"]);
    let rows: Vec<bson::Document> =
        (0..5_000).map(|n| bson::doc! { "_id": format!("p{n}"), "s": "a".repeat(200) }).collect();
    given.raw.collection("Post").insert_many(rows).await.unwrap();
    let slow = select(&class, r#"{"s":{"$regex":"(a+)+b$"}}"#);
    let refused = given.store.count(&slow).await.unwrap_err();
    assert!(matches!(refused, StoreError::Timeout), "{refused:?}");
}

#[tokio::test]
async fn a_write_is_acknowledged_by_a_majority_and_in_the_journal() {
    let given = single().await;
    let class = class("Post", &[]);
    given.raw.run_command(bson::doc! { "profile": 2 }).await.unwrap();
    given.store.insert(&class, &object(&class, "p", "{}")).await.unwrap();
    given.store.update(&one(&class, "p"), &change(r#"{"a":1}"#)).await.unwrap();
    given.raw.run_command(bson::doc! { "profile": 0 }).await.unwrap();
    let profile = given.raw.collection::<bson::Document>("system.profile");
    for command in ["insert", "findAndModify"] {
        let query = bson::doc! { "ns": format!("{}.Post", given.raw.name()), format!("command.{command}"): "Post" };
        let seen = profile.find_one(query).await.unwrap().expect(command);
        let concern = seen.get_document("command").unwrap().get_document("writeConcern").unwrap();
        assert_eq!(concern, &bson::doc! { "w": "majority", "j": true }, "{command}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_and_soon() {
    let started = Instant::now();
    let outcome = MongoStore::open("mongodb://u:secret@127.0.0.1:1/x", MongoOptions::default()).await;
    let Err(StoreError::Unavailable(text)) = outcome else { panic!("nobody listens there") };
    assert!(!text.contains("secret"), "{text}");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn it_says_where_it_is_and_closes() {
    let given = single().await;
    let told = given.store.describe();
    assert!(told.starts_with("MongoDB 127.0.0.1:") && told.ends_with(given.raw.name()), "{told}");
    given.store.check().await.unwrap();
    given.store.close().await.unwrap();
    assert!(matches!(given.store.check().await, Err(StoreError::Unavailable(_))));
}

/// A worker's life: it has a runtime of its own, writes in and outside a transaction, and goes.
fn work(given: &Given, class: &Arc<ClassSchema>, id: &str) -> JoinHandle<()> {
    let (store, class, id) = (given.store.clone(), Arc::clone(class), id.to_owned());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            store.insert(&class, &object(&class, &id, r#"{"n":1}"#)).await.unwrap();
            let open = store.begin().await.unwrap();
            open.update(&one(&class, &id), &change(r#"{"n":2}"#)).await.unwrap();
            open.commit().await.unwrap();
        });
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn workers_with_a_runtime_of_their_own_use_one_database_and_may_come_and_go() {
    let given = replica_set(MongoOptions::default()).await;
    let class = class("Post", &["n:Number"]);
    given.store.create_class(&class).await.unwrap();
    for round in ["1", "2"] {
        let workers = ["a", "b"].map(|worker| work(&given, &class, &format!("{worker}{round}")));
        for worker in workers {
            tokio::task::spawn_blocking(|| worker.join().expect("the worker ends well")).await.unwrap();
        }
    }
    assert_eq!(given.ids(&class, r#"{"n":2}"#).await, ["a1", "a2", "b1", "b2"]);
    given.store.close().await.unwrap();
}
