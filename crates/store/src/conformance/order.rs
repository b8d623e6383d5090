//! In which order, which part, which fields, and which distinct values?

use parsimony_model::{Access, Acl, Filter, Object, Value, map};

use tokio::task::JoinSet;

use super::given::{Table, date, grants, ids, order, pointer, sorted, sorted_ids};
use super::{Behaviours, Fresh, behaviours};
use crate::{Scope, Selection};

/// The behaviours of this area.
pub(super) const BEHAVIOURS: Behaviours = behaviours![
    objects_come_in_the_order_asked_for,
    the_columns_of_every_class_can_be_sorted_by,
    a_range_leaves_out_and_limits,
    a_limit_of_none_at_all_finds_nothing,
    many_objects_come_at_once,
    only_the_keys_asked_for_come,
    a_count_does_not_care_for_order_and_range,
    distinct_values_come_once,
    distinct_takes_lists_apart,
    distinct_looks_below_a_field,
    distinct_sees_what_the_condition_and_the_scope_let_it_see,
];

async fn people(fresh: &dyn Fresh) -> Table {
    let table = Table::new(
        fresh,
        "Person",
        &["name:String", "n:Number", "ok:Boolean", "when:Date", "stats:Object", "owner:*_User", "tags:Array"],
    )
    .await;
    for (id, text) in [
        ("a", r#"{"name": "b", "n": 10, "ok": true, "stats": {"wins": 3}, "tags": ["x", "y"]}"#),
        ("b", r#"{"name": "B", "n": 9, "ok": false, "stats": {"wins": 20}, "tags": ["y"]}"#),
        ("c", r#"{"name": "a", "n": 10, "ok": true, "stats": {}, "tags": []}"#),
        ("d", r#"{"name": "é", "n": -1.5, "stats": {"wins": 1, "lost": 1}, "tags": ["x", "x", 1]}"#),
        ("e", r#"{"name": "Z", "n": 9}"#),
        ("f", r#"{"n": 100, "name": null}"#),
    ] {
        table.put(id, text).await;
    }
    table
}

async fn objects_come_in_the_order_asked_for(fresh: &dyn Fresh) {
    let people = people(fresh).await;
    let mut wrong = Vec::new();
    for (keys, expected) in [
        ("objectId", "a b c d e f"),
        ("-objectId", "f e d c b a"),
        ("n,objectId", "d b e a c f"),
        ("-n,objectId", "f a c b e d"),
        ("-n,-objectId", "f c a e b d"),
        // missing and null come first, upper case before lower case
        ("name", "f b e c a d"),
        ("-name", "d a c e b f"),
        ("ok,objectId", "d e f b a c"),
        ("-ok,-objectId", "c a b f e d"),
        ("n,-name,objectId", "d e b a c f"),
        ("stats.wins,objectId", "c e f d a b"),
        ("-stats.wins,objectId", "b a d c e f"),
        ("nosuch,-objectId", "f e d c b a"),
        // objects entry by entry, lists by their least or greatest element
        ("stats,objectId", "e f c d a b"),
        ("tags,objectId", "c e f d a b"),
        ("-tags,objectId", "a b d e f c"),
    ] {
        let found = ids(&people.find(&people.select("{}").ordered(order(keys))).await);
        if found != expected {
            wrong.push(format!("{keys}: expected {expected}, found {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn the_columns_of_every_class_can_be_sorted_by(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["when:Date", "owner:*_User"]).await;
    for (id, created, updated, when) in [
        ("a", "2024-01-03", "2024-03-01", "1969-01-01"),
        ("b", "2024-01-01", "2024-03-03", "1950-01-01"),
        ("c", "2024-01-02", "2024-03-02", "1970-01-02"),
    ] {
        let fields = map! { "when" => date(when), "owner" => pointer("_User", &format!("u{when}")) };
        let object = table.object(id, fields);
        table.insert(&Object { created_at: Some(date(created)), updated_at: Some(date(updated)), ..object }).await;
    }
    for (keys, expected) in [
        ("createdAt", "b c a"),
        ("-createdAt", "a c b"),
        ("updatedAt", "a c b"),
        ("-updatedAt", "b c a"),
        ("when", "b a c"),
        ("-when", "c a b"),
        ("owner", "b a c"),
        ("-owner", "c a b"),
    ] {
        let found = ids(&table.find(&table.select("{}").ordered(order(keys))).await);
        assert_eq!(found, expected, "in the order of {keys}");
    }
}

async fn a_range_leaves_out_and_limits(fresh: &dyn Fresh) {
    let people = people(fresh).await;
    let all = || people.select("{}").ordered(order("objectId"));
    for (skip, limit, expected) in [
        (0, None, "a b c d e f"),
        (0, Some(2), "a b"),
        (2, Some(2), "c d"),
        (4, None, "e f"),
        (5, Some(100), "f"),
        (6, None, ""),
        (1_000_000, Some(5), ""),
        (0, Some(u64::from(u32::MAX)), "a b c d e f"),
    ] {
        let found = ids(&people.find(&all().range(skip, limit)).await);
        assert_eq!(found, expected, "skip {skip}, limit {limit:?}");
    }
    let some = people.select(r#"{"n": {"$lt": 50}}"#).ordered(order("-n,objectId")).range(1, Some(3));
    assert_eq!(ids(&people.find(&some).await), "c b e", "condition, order and range together");
    let unordered = people.find(&people.select("{}").range(0, Some(4))).await;
    assert_eq!(unordered.len(), 4, "a limit without an order");
}

async fn a_limit_of_none_at_all_finds_nothing(fresh: &dyn Fresh) {
    let people = people(fresh).await;
    assert_eq!(ids(&people.find(&people.select("{}").range(0, Some(0))).await), "", "limit 0");
    assert_eq!(ids(&people.find(&people.one("a").range(0, Some(0))).await), "", "limit 0 of one id");
}

async fn many_objects_come_at_once(fresh: &dyn Fresh) {
    const MANY: i32 = 1_500;
    let table = Table::new(fresh, "Thing", &["n:Number", "list:Array"]).await;
    let mut tasks = JoinSet::new();
    for n in 0..MANY {
        let table = table.clone();
        tasks.spawn(async move {
            table.insert(&table.object(&format!("i{n}"), map! { "n" => n, "list" => vec![n, -n] })).await;
        });
    }
    tasks.join_all().await;
    let numbers = |objects: &[Object]| -> Vec<f64> {
        objects.iter().filter_map(|object| object.get("n").and_then(Value::as_f64)).collect()
    };
    let expected: Vec<f64> = (0..MANY).map(f64::from).collect();
    let found = table.find(&table.select("{}").ordered(order("n"))).await;
    assert!(numbers(&found) == expected, "all {MANY} in their order, but {} came", found.len());
    let found = table.find(&table.select("{}").ordered(order("-n")).range(100, Some(1_300))).await;
    let part: Vec<f64> = (100..1_400).rev().map(f64::from).collect();
    assert!(numbers(&found) == part, "1,300 of them from the other end, but {} came", found.len());
    assert_eq!(table.find(&table.select(r#"{"n": {"$gte": 10}}"#)).await.len(), 1_490, "in no order");
    assert_eq!(table.store.distinct(&table.select("{}"), "list").await.unwrap().len(), 2_999, "distinct elements");
    if fresh.has_transactions() {
        let open = table.store.begin().await.unwrap();
        assert_eq!(open.find(&table.select("{}")).await.unwrap().len(), 1_500, "inside a transaction");
        assert_eq!(open.delete(&table.select(r#"{"n": {"$gte": 10}}"#)).await.unwrap(), 1_490);
        open.commit().await.unwrap();
        assert_eq!(table.store.count(&table.select("{}")).await.unwrap(), 10);
    }
}

async fn only_the_keys_asked_for_come(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["a:Number", "b:String", "c:Object", "owner:*_User"]).await;
    let acl = Acl::default().with("*", Access::READ);
    let object = Object {
        acl: Some(acl),
        ..table.object(
            "x",
            map! { "a" => 1, "b" => "two", "c" => map! { "d" => 3, "e" => 4 }, "owner" => pointer("_User", "u") },
        )
    };
    table.insert(&object).await;
    let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
    for asked in [&["a"][..], &["b", "owner"], &["c"], &["owner"], &["nosuch"], &["objectId"], &["a", "createdAt"]] {
        let found = table.find(&table.select("{}").only(keys(asked))).await;
        let mut expected = object.clone();
        expected.fields.retain(|field, _| asked.contains(&field.as_str()));
        assert_eq!(found, [expected], "only {asked:?}, with the columns every class has");
    }
    let found = table.find(&table.select(r#"{"a": 1}"#).ordered(order("b")).only(keys(&["c"]))).await;
    let fields: Vec<&str> = found[0].fields.keys().map(AsRef::as_ref).collect();
    assert_eq!(fields, ["c"], "what is asked by and sorted by need not come");
    assert_eq!(table.find(&table.select("{}").only(vec![])).await, [object], "no keys mean all");
}

async fn a_count_does_not_care_for_order_and_range(fresh: &dyn Fresh) {
    let people = people(fresh).await;
    for (text, expected) in [("{}", 6), (r#"{"n": 10}"#, 2), (r#"{"n": 11}"#, 0), (r#"{"tags": "x"}"#, 2)] {
        let selection = people.select(text);
        assert_eq!(people.store.count(&selection).await.unwrap(), expected, "count of {text}");
        let part = selection.ordered(order("-n")).range(1, Some(1));
        assert_eq!(people.store.count(&part).await.unwrap(), expected, "count of {text} with a range");
        let none = people.select(text).range(0, Some(0));
        assert_eq!(people.store.count(&none).await.unwrap(), expected, "count of {text} with a limit of 0");
    }
}

/// The distinct values in an order of their own, without null: the engine removes it, a store may give it or not.
async fn distinct(table: &Table, selection: &Selection, field: &str) -> Vec<Value> {
    let values = table.store.distinct(selection, field).await.unwrap_or_else(|error| panic!("{error}: {field}"));
    sorted(values.into_iter().filter(|value| !value.is_null()).collect())
}

async fn distinct_values_come_once(fresh: &dyn Fresh) {
    let table =
        Table::new(fresh, "Thing", &["n:Number", "s:String", "ok:Boolean", "when:Date", "owner:*_User", "raw:Bytes"])
            .await;
    for (id, n, name, user) in [("a", 1.0, "x", "u1"), ("b", 1.0, "X", "u2"), ("c", 2.5, "x", "u1")] {
        let fields = map! {
            "n" => n, "s" => name, "ok" => n > 1.0, "when" => date("1969-01-01"), "owner" => pointer("_User", user),
            "raw" => Value::Bytes(vec![0, 1]),
        };
        table.insert(&table.object(id, fields)).await;
    }
    table.put("d", "{}").await;
    let expected: [(&str, Vec<Value>); 7] = [
        ("n", vec![1.into(), 2.5.into()]),
        ("s", vec!["x".into(), "X".into()]),
        ("ok", vec![true.into(), false.into()]),
        ("when", vec![date("1969-01-01").into()]),
        ("owner", vec![pointer("_User", "u1"), pointer("_User", "u2")]),
        ("raw", vec![Value::Bytes(vec![0, 1])]),
        ("nosuch", vec![]),
    ];
    for (field, values) in expected {
        assert_eq!(distinct(&table, &table.select("{}"), field).await, sorted(values), "distinct {field}");
    }
}

async fn distinct_takes_lists_apart(fresh: &dyn Fresh) {
    let people = people(fresh).await;
    let expected = sorted(vec!["x".into(), "y".into(), 1.into()]);
    assert_eq!(distinct(&people, &people.select("{}"), "tags").await, expected);
    people.put("g", r#"{"tags": [{"k": 1}, {"k": 1}, {"k": 2}]}"#).await;
    let expected = sorted(vec![map! { "k" => 1 }.into(), map! { "k" => 2 }.into()]);
    assert_eq!(distinct(&people, &people.one("g"), "tags").await, expected, "objects in a list");
}

async fn distinct_looks_below_a_field(fresh: &dyn Fresh) {
    let people = people(fresh).await;
    let expected = sorted(vec![3.into(), 20.into(), 1.into()]);
    assert_eq!(distinct(&people, &people.select("{}"), "stats.wins").await, expected);
}

async fn distinct_sees_what_the_condition_and_the_scope_let_it_see(fresh: &dyn Fresh) {
    let people = people(fresh).await;
    people.put_with_acl("g", r#"{"name": "secret", "n": 10}"#, Acl::default().with("u1", Access::READ)).await;
    let tens = |scope| Selection::new(people.class.clone(), Filter::equals("n", 10), scope);
    let everyone = tens(Scope::ReadableBy(grants(&["*"])));
    assert_eq!(distinct(&people, &everyone, "name").await, sorted(vec!["a".into(), "b".into()]));
    let one = tens(Scope::ReadableBy(grants(&["*", "u1"])));
    assert_eq!(distinct(&people, &one, "name").await, sorted(vec!["a".into(), "b".into(), "secret".into()]));
    assert_eq!(sorted_ids(&people.find(&everyone).await), "a c", "the same objects as a find");
}
