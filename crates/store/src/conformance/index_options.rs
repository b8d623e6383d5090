//! What do the options of an index do? Missing values, conditions, objects whose time is over, and kinds of keys.

use std::time::Duration;

use parsimony_model::schema::Index;
use parsimony_model::{Date, Value, map};

use super::given::{Table, alter, change, class, fields, known, pointer, refused};
use super::{Behaviours, Fresh, behaviours};
use crate::{ClassChange, StoreError};

/// The behaviours of this area.
pub(super) const BEHAVIOURS: Behaviours = behaviours![
    options_go_round,
    missing_values_are_equal_unless_it_is_sparse,
    a_sparse_index_on_several_fields_leaves_out_what_has_none,
    a_partial_index_is_unique_among_those_in_it,
    objects_whose_time_is_over_go,
    only_objects_of_a_partial_index_go,
    a_class_has_one_index_for_text,
];

fn index(text: &str) -> Index {
    Index::parse(&fields(text))
}

fn adding(name: &str, index: Index) -> ClassChange {
    ClassChange { add_indexes: vec![(name.to_owned(), index)], ..ClassChange::default() }
}

fn assert_duplicate(error: &StoreError, index: &str) {
    let StoreError::Duplicate { index: told } = error else { panic!("expected Duplicate, got {error:?}") };
    assert!(told.contains(index), "the index {index} is named in {told:?}");
}

async fn options_go_round(fresh: &dyn Fresh) {
    let store = fresh.store().await;
    let user = r#"{"__type":"Pointer","className":"_User","objectId":"u1"}"#;
    let date = r#"{"__type":"Date","iso":"2024-01-01T00:00:00.000Z"}"#;
    let mut made = class(
        "Thing",
        &["a:String", "b:Number", "when:Date", "owner:*_User", "place:GeoPoint", "area:Polygon", "o:Object"],
    );
    for (name, text) in [
        ("plain", r#"{"a":1}"#.to_owned()),
        ("compound", r#"{"a":1,"b":-1,"createdAt":1}"#.to_owned()),
        ("words", r#"{"a":"text"}"#.to_owned()),
        ("sphere", r#"{"place":"2dsphere"}"#.to_owned()),
        ("hash", r#"{"a":"hashed"}"#.to_owned()),
        ("ttl", r#"{"keys":{"when":1},"expireAfterSeconds":3600}"#.to_owned()),
        ("never", r#"{"keys":{"createdAt":1},"expireAfterSeconds":2147483647}"#.to_owned()),
        (
            "some",
            r#"{"keys":{"b":1},"partialFilterExpression":{"a":{"$exists":true},"b":{"$gt":5,"$lte":7.5}}}"#.to_owned(),
        ),
        ("his", format!(r#"{{"keys":{{"a":1}},"unique":true,"partialFilterExpression":{{"owner":{user}}}}}"#)),
        ("late", format!(r#"{{"keys":{{"a":-1}},"partialFilterExpression":{{"when":{{"$gte":{date}}}}}}}"#)),
        ("below", r#"{"o.x":1}"#.to_owned()),
        ("his_own", r#"{"owner":1,"a":1}"#.to_owned()),
    ] {
        made.indexes.insert(name.into(), index(&text));
    }
    store.create_class(&made).await.unwrap();
    assert_eq!(known(&*store, "Thing").await.unwrap().indexes, made.indexes);
    let more = adding("more", index(r#"{"keys":{"b":1,"a":1},"unique":true,"sparse":true}"#));
    let more = ClassChange { drop_indexes: ["words", "ttl", "his"].map(str::to_owned).into(), ..more };
    let after = store.change_class(&made.name, &more).await.unwrap().unwrap();
    for name in ["words", "ttl", "his"] {
        made.indexes.shift_remove(name);
    }
    made.indexes.insert("more".into(), more.add_indexes[0].1.clone());
    assert_eq!(after.indexes, made.indexes);
    assert_eq!(known(&*store, "Thing").await.unwrap().indexes, made.indexes);
}

async fn missing_values_are_equal_unless_it_is_sparse(fresh: &dyn Fresh) {
    let mut made = class("Thing", &["a:String", "b:Number", "c:String"]);
    made.indexes.insert("only_a".into(), Index::on(&["a"]).unique());
    made.indexes.insert("only_bc".into(), Index::on(&["b", "c"]).unique());
    let mut table = Table::of(fresh.store().await, made).await;
    table.put("one", r#"{"a":"x","b":1}"#).await;
    table.put("two", r#"{"b":2}"#).await;
    let second = table.object("three", map! { "b" => 3 });
    assert_duplicate(&refused(table.store.insert(&table.class, &second).await, "a second without a"), "only_a");
    let same = table.object("four", map! { "a" => "y", "b" => 1 });
    assert_duplicate(&refused(table.store.insert(&table.class, &same).await, "the same b and no c"), "only_bc");
    table.put("five", r#"{"a":"y","b":1,"c":"z"}"#).await;
    let removed = change(r#"{"a":{"__op":"Delete"}}"#);
    assert_duplicate(&refused(table.store.update(&table.one("one"), &removed).await, "a second without a"), "only_a");
    alter(&mut table, ClassChange { drop_indexes: vec!["only_a".to_owned()], ..ClassChange::default() }).await;
    table.update("one", &removed).await.unwrap();
    let again = refused(
        table.store.change_class(&table.class.name, &adding("again", Index::on(&["a"]).unique())).await,
        "two without a",
    );
    assert_duplicate(&again, "");
    alter(&mut table, adding("sparse", Index::on(&["a"]).unique().sparse())).await;
    table.put("six", r#"{"b":6}"#).await;
}

async fn a_sparse_index_on_several_fields_leaves_out_what_has_none(fresh: &dyn Fresh) {
    let mut made = class("Thing", &["a:String", "b:Number", "n:Number"]);
    made.indexes.insert("only".into(), Index::on(&["a", "b"]).unique().sparse());
    let table = Table::of(fresh.store().await, made).await;
    table.put("one", r#"{"n":1}"#).await;
    table.put("two", r#"{"n":2}"#).await;
    table.put("three", r#"{"a":"x"}"#).await;
    table.put("four", r#"{"b":1}"#).await;
    table.put("five", r#"{"a":"x","b":1}"#).await;
    for text in [r#"{"a":"x"}"#, r#"{"b":1}"#, r#"{"a":"x","b":1}"#] {
        let double = table.object("double", fields(text));
        assert_duplicate(&refused(table.store.insert(&table.class, &double).await, text), "only");
    }
}

async fn a_partial_index_is_unique_among_those_in_it(fresh: &dyn Fresh) {
    let mut made = class("Booking", &["seat:Number", "state:String", "owner:*_User", "paid:Boolean"]);
    let state = index(
        r#"{"keys":{"seat":1},"unique":true,"partialFilterExpression":{"state":"open","paid":{"$exists":true}}}"#,
    );
    made.indexes.insert("one_open".into(), state);
    let table = Table::of(fresh.store().await, made).await;
    table.put("a", r#"{"seat":1,"state":"open","paid":true}"#).await;
    table.put("b", r#"{"seat":1,"state":"open"}"#).await;
    table.put("c", r#"{"seat":1,"state":"closed","paid":true}"#).await;
    table.put("d", r#"{"seat":1,"state":"closed","paid":false}"#).await;
    let double = table.object("e", fields(r#"{"seat":1,"state":"open","paid":false}"#));
    assert_duplicate(&refused(table.store.insert(&table.class, &double).await, "a second open one"), "one_open");
    let opened = change(r#"{"state":"open"}"#);
    assert_duplicate(&refused(table.store.update(&table.one("c"), &opened).await, "a second open one"), "one_open");
    table.update("a", &change(r#"{"state":"closed"}"#)).await.unwrap();
    table.update("c", &opened).await.unwrap();
    let mut table = table;
    let mine = format!(
        r#"{{"keys":{{"state":1}},"unique":true,"partialFilterExpression":{{"owner":{}}}}}"#,
        r#"{"__type":"Pointer","className":"_User","objectId":"u1"}"#
    );
    alter(&mut table, adding("mine", index(&mine))).await;
    table.insert(&table.object("f", map! { "owner" => pointer("_User", "u1"), "state" => "x" })).await;
    table.insert(&table.object("g", map! { "owner" => pointer("_User", "u2"), "state" => "x" })).await;
    let double = table.object("h", map! { "owner" => pointer("_User", "u1"), "state" => "x" });
    assert_duplicate(&refused(table.store.insert(&table.class, &double).await, "his second"), "mine");
    assert_eq!(table.found(r#"{"state":"x"}"#).await, "f g", "what is not in it is found nevertheless");
}

/// Milliseconds since 1970 of a time that is over for good, and of one that is far away.
const PAST_MILLIS: i64 = 1_000_000_000_000;
const FUTURE_MILLIS: i64 = 4_000_000_000_000;

/// Waits until this many objects are left. A database removes what is over when it sees fit.
async fn wait_for(table: &Table, left: &str) {
    for _ in 0..1_000 {
        if table.found("{}").await == left {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(table.found("{}").await, left);
}

async fn objects_whose_time_is_over_go(fresh: &dyn Fresh) {
    let mut made = class("Token", &["until:Date", "n:Number"]);
    made.indexes.insert("ttl".into(), Index::on(&["until"]).expiring_after(60));
    let table = Table::of(fresh.store().await, made).await;
    let put = async |id: &str, millis: i64| {
        table.insert(&table.object(id, map! { "until" => Date::from_millis(millis) })).await;
    };
    put("late", FUTURE_MILLIS).await;
    table.put("none", r#"{"n":1}"#).await;
    table.put("null", r#"{"until":null}"#).await;
    for number in 0..20 {
        put(&format!("old{number}"), PAST_MILLIS + number).await;
    }
    wait_for(&table, "late none null").await;
    table.update("late", &change(r#"{"until":{"__type":"Date","iso":"2001-01-01T00:00:00.000Z"}}"#)).await.unwrap();
    wait_for(&table, "none null").await;
}

async fn only_objects_of_a_partial_index_go(fresh: &dyn Fresh) {
    let mut made = class("Token", &["until:Date", "kind:String"]);
    let some = index(r#"{"keys":{"until":1},"expireAfterSeconds":0,"partialFilterExpression":{"kind":"it's"}}"#);
    made.indexes.insert("ttl".into(), some);
    let table = Table::of(fresh.store().await, made).await;
    for (id, kind) in [("a", "kept"), ("b", "it's")] {
        let fields = map! { "until" => Date::from_millis(PAST_MILLIS), "kind" => Value::from(kind) };
        table.insert(&table.object(id, fields)).await;
    }
    wait_for(&table, "a").await;
}

async fn a_class_has_one_index_for_text(fresh: &dyn Fresh) {
    let mut made = class("Post", &["title:String", "body:String"]);
    made.indexes.insert("title_text".into(), Index::for_text("title"));
    let table = Table::of(fresh.store().await, made).await;
    let second = adding("body_text", Index::for_text("body"));
    let error = refused(table.store.change_class(&table.class.name, &second).await, "a second one");
    assert!(matches!(error, StoreError::Unfit(_)), "{error:?}");
    assert_eq!(known(&*table.store, "Post").await.unwrap().indexes.len(), 1);
}
