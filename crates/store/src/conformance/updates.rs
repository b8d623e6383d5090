//! What does a change do? Each operation, on fields and below them, alone and from many sides at once.

use std::sync::Arc;

use parsimony_model::{Access, Acl, Date, Filter, Object, Op, Value, map};
use tokio::task::JoinSet;

use super::given::{
    CHANGED_MILLIS, CREATED_MILLIS, Table, change, count, date, fields, op, order, pointer, refused, sorted, value,
};
use super::{Behaviours, Fresh, behaviours};
use crate::{Change, StoreError};

/// The behaviours of this area.
pub(super) const BEHAVIOURS: Behaviours = behaviours![
    every_operation_does_its_work,
    every_type_can_be_set,
    what_is_set_below_a_field_is_found_there,
    the_answer_is_the_whole_object_afterwards,
    several_fields_change_at_once,
    a_change_without_operations_moves_the_date,
    nothing_found_is_none,
    an_update_changes_the_first_in_the_order,
    an_operation_that_does_not_fit_is_refused_and_changes_nothing,
    the_access_control_list_changes_and_goes,
    internal_fields_and_auth_data_change,
    update_all_changes_all_and_tells_how_many,
    delete_takes_what_is_found_and_tells_how_many,
    increments_from_many_sides_are_exact,
    unique_additions_from_many_sides_leave_no_doubles,
    one_of_many_claims_wins,
    nobody_sees_half_a_change,
];

/// Fields before, the change, and fields afterwards, in JSON.
const OPERATIONS: &[(&str, &str, &str)] = &[
    // set
    (r#"{"n": 1}"#, r#"{"n": 2}"#, r#"{"n": 2}"#),
    ("{}", r#"{"n": 2.5}"#, r#"{"n": 2.5}"#),
    (r#"{"n": 1}"#, r#"{"n": null}"#, r#"{"n": null}"#),
    (r#"{"n": null}"#, r#"{"n": 3}"#, r#"{"n": 3}"#),
    (r#"{"list": [1]}"#, r#"{"list": []}"#, r#"{"list": []}"#),
    (r#"{"data": {"a": 1}}"#, r#"{"data": {"b": {"c": [2]}}}"#, r#"{"data": {"b": {"c": [2]}}}"#),
    (r#"{"data": {"a": 1}}"#, r#"{"data": {}}"#, r#"{"data": {}}"#),
    // delete
    (r#"{"n": 1, "s": "x"}"#, r#"{"n": {"__op": "Delete"}}"#, r#"{"s": "x"}"#),
    ("{}", r#"{"n": {"__op": "Delete"}}"#, "{}"),
    (r#"{"data": {"a": 1, "b": 2}}"#, r#"{"data.a": {"__op": "Delete"}}"#, r#"{"data": {"b": 2}}"#),
    (r#"{"data": {"a": {"b": 1}}}"#, r#"{"data.a.b": {"__op": "Delete"}}"#, r#"{"data": {"a": {}}}"#),
    // increment
    (r#"{"n": 1}"#, r#"{"n": {"__op": "Increment", "amount": 2}}"#, r#"{"n": 3}"#),
    (r#"{"n": 1}"#, r#"{"n": {"__op": "Increment", "amount": -2.5}}"#, r#"{"n": -1.5}"#),
    ("{}", r#"{"n": {"__op": "Increment", "amount": 7}}"#, r#"{"n": 7}"#),
    (r#"{"n": 2147483647}"#, r#"{"n": {"__op": "Increment", "amount": 1}}"#, r#"{"n": 2147483648}"#),
    (r#"{"n": 0.5}"#, r#"{"n": {"__op": "Increment", "amount": 0}}"#, r#"{"n": 0.5}"#),
    // add
    (r#"{"list": [1, 2]}"#, r#"{"list": {"__op": "Add", "objects": [2, 3]}}"#, r#"{"list": [1, 2, 2, 3]}"#),
    ("{}", r#"{"list": {"__op": "Add", "objects": ["x"]}}"#, r#"{"list": ["x"]}"#),
    (r#"{"list": [1]}"#, r#"{"list": {"__op": "Add", "objects": []}}"#, r#"{"list": [1]}"#),
    (
        r#"{"list": [1]}"#,
        r#"{"list": {"__op": "Add", "objects": [[2], {"a": 3}, null]}}"#,
        r#"{"list": [1, [2], {"a": 3}, null]}"#,
    ),
    // add what is missing
    (r#"{"list": [1, 2]}"#, r#"{"list": {"__op": "AddUnique", "objects": [2, 3, 3]}}"#, r#"{"list": [1, 2, 3]}"#),
    ("{}", r#"{"list": {"__op": "AddUnique", "objects": ["x", "x"]}}"#, r#"{"list": ["x"]}"#),
    (r#"{"list": [1, 1]}"#, r#"{"list": {"__op": "AddUnique", "objects": [1]}}"#, r#"{"list": [1, 1]}"#),
    (r#"{"list": [1]}"#, r#"{"list": {"__op": "AddUnique", "objects": ["1", true]}}"#, r#"{"list": [1, "1", true]}"#),
    (
        r#"{"list": [{"a": 1}]}"#,
        r#"{"list": {"__op": "AddUnique", "objects": [{"a": 1}, {"a": 2}]}}"#,
        r#"{"list": [{"a": 1}, {"a": 2}]}"#,
    ),
    // remove
    (r#"{"list": [1, 2, 1, 3]}"#, r#"{"list": {"__op": "Remove", "objects": [1, 3]}}"#, r#"{"list": [2]}"#),
    (r#"{"list": [1]}"#, r#"{"list": {"__op": "Remove", "objects": [1]}}"#, r#"{"list": []}"#),
    (r#"{"list": [1, "1"]}"#, r#"{"list": {"__op": "Remove", "objects": ["1", "x"]}}"#, r#"{"list": [1]}"#),
    (
        r#"{"list": [{"a": 1}, {"a": 2}]}"#,
        r#"{"list": {"__op": "Remove", "objects": [{"a": 1}]}}"#,
        r#"{"list": [{"a": 2}]}"#,
    ),
    // below a field
    (r#"{"data": {"a": 1}}"#, r#"{"data.b": 2}"#, r#"{"data": {"a": 1, "b": 2}}"#),
    (r#"{"data": {"a": 1}}"#, r#"{"data.a": "x"}"#, r#"{"data": {"a": "x"}}"#),
    ("{}", r#"{"data.a.b": 1}"#, r#"{"data": {"a": {"b": 1}}}"#),
    (r#"{"data": {"a": {"x": 1}}}"#, r#"{"data.a.b": [1]}"#, r#"{"data": {"a": {"x": 1, "b": [1]}}}"#),
    (r#"{"data": {"a": 1}}"#, r#"{"data.a": {"__op": "Increment", "amount": 5}}"#, r#"{"data": {"a": 6}}"#),
    ("{}", r#"{"data.a.b": {"__op": "Increment", "amount": 5}}"#, r#"{"data": {"a": {"b": 5}}}"#),
    (r#"{"data": {"l": [1]}}"#, r#"{"data.l": {"__op": "Add", "objects": [1]}}"#, r#"{"data": {"l": [1, 1]}}"#),
    (
        r#"{"data": {"l": [1]}}"#,
        r#"{"data.l": {"__op": "AddUnique", "objects": [1, 2]}}"#,
        r#"{"data": {"l": [1, 2]}}"#,
    ),
    (r#"{"data": {"l": [1, 2]}}"#, r#"{"data.l": {"__op": "Remove", "objects": [1]}}"#, r#"{"data": {"l": [2]}}"#),
    (r#"{"data": {"l": [1, 2]}}"#, r#"{"data.l.1": 5}"#, r#"{"data": {"l": [1, 5]}}"#),
    (r#"{"list": [{"n": 1}, 2]}"#, r#"{"list.0.n": {"__op": "Increment", "amount": 1}}"#, r#"{"list": [{"n": 2}, 2]}"#),
    (r#"{"data": {"o'k": 1}}"#, r#"{"data.o'k": 2, "data.ü \"x": 3}"#, r#"{"data": {"o'k": 2, "ü \"x": 3}}"#),
    (
        r#"{"data": {"a": 1}, "n": 1}"#,
        r#"{"data.b": 2, "data.a": {"__op": "Delete"}, "n": {"__op": "Increment", "amount": 1}}"#,
        r#"{"data": {"b": 2}, "n": 2}"#,
    ),
];

async fn subject(fresh: &dyn Fresh) -> Table {
    Table::new(fresh, "Thing", &["n:Number", "s:String", "list:Array", "data:Object", "owner:*_User"]).await
}

async fn every_operation_does_its_work(fresh: &dyn Fresh) {
    let table = subject(fresh).await;
    let mut wrong = Vec::new();
    for (index, (before, text, after)) in OPERATIONS.iter().enumerate() {
        let id = format!("i{index}");
        table.put(&id, before).await;
        let answer = match table.store.update(&table.one(&id), &change(text)).await {
            Ok(answer) => answer.map(|object| object.fields),
            Err(error) => {
                wrong.push(format!("{before} changed by {text}: {error}"));
                continue;
            }
        };
        let stored = table.get(&id).await.map(|object| object.fields);
        if answer != Some(fields(after)) || stored != answer {
            wrong.push(format!(
                "{before} changed by {text}\n    expected {after}\n    answered {answer:?}\n    stored   {stored:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} operations:\n{}", wrong.len(), OPERATIONS.len(), wrong.join("\n"));
}

async fn every_type_can_be_set(fresh: &dyn Fresh) {
    let kinds = [
        ("s:String", r#""x\u0000y""#),
        ("b:Boolean", "false"),
        ("d:Date", r#"{"__type": "Date", "iso": "1960-01-01T00:00:00.001Z"}"#),
        ("r:Bytes", r#"{"__type": "Bytes", "base64": "AAEC"}"#),
        ("f:File", r#"{"__type": "File", "name": "a.txt"}"#),
        ("g:GeoPoint", r#"{"__type": "GeoPoint", "latitude": 1.5, "longitude": -2}"#),
        ("p:Polygon", r#"{"__type": "Polygon", "coordinates": [[0, 0], [0, 1], [1, 1], [0, 0]]}"#),
        ("w:*_User", r#"{"__type": "Pointer", "className": "_User", "objectId": "u1"}"#),
        (
            "l:Array",
            r#"[{"__type": "Date", "iso": "1960-01-01T00:00:00.001Z"}, {"__type": "Bytes", "base64": "AA=="}]"#,
        ),
        ("o:Object", r#"{"at": {"__type": "Pointer", "className": "_User", "objectId": "u1"}, "e": {}}"#),
    ];
    let table = Table::new(fresh, "Thing", &kinds.map(|(field, _)| field)).await;
    table.put("a", "{}").await;
    for (field, text) in kinds {
        let (name, _) = field.split_once(':').unwrap();
        let after = table.update("a", &op(name, Op::Set(value(text)))).await.unwrap();
        assert_eq!(after.get(name), Some(&value(text)), "{field} in the answer");
        assert_eq!(table.field("a", name).await, Some(value(text)), "{field} in the store");
        let gone = table.update("a", &op(name, Op::Delete)).await.unwrap();
        assert_eq!(gone.get(name), None, "{field} deleted");
        table.update("a", &op(name, Op::Set(value(text)))).await.unwrap();
    }
    let all = table.get("a").await.unwrap();
    assert_eq!(all.fields.len(), kinds.len(), "every field at once: {:?}", all.fields.keys());
    table.update("a", &op("w", Op::Set(pointer("_User", "u2")))).await.unwrap();
    assert_eq!(table.found(r#"{"w": {"$in": ["u2"]}}"#).await, "a", "the new pointer is found");
    assert_eq!(table.found(r#"{"w": {"$in": ["u1"]}}"#).await, "", "the old one is not");
}

async fn what_is_set_below_a_field_is_found_there(fresh: &dyn Fresh) {
    let table = subject(fresh).await;
    table.put("a", "{}").await;
    table.put("b", r#"{"data": {"n": 1}}"#).await;
    table.update("a", &change(r#"{"data.n": 2, "data.deep.s": "x"}"#)).await.unwrap();
    table.update("b", &change(r#"{"data.n": {"__op": "Increment", "amount": 2}}"#)).await.unwrap();
    for (text, expected) in [
        (r#"{"data.n": 2}"#, "a"),
        (r#"{"data.n": {"$gt": 2}}"#, "b"),
        (r#"{"data.deep.s": "x"}"#, "a"),
        (r#"{"data.deep.s": {"$exists": false}}"#, "b"),
    ] {
        assert_eq!(table.found(text).await, expected, "{text}");
    }
    for (path, set) in [("data.p", pointer("_User", "u1")), ("data.d", Value::Date(date("2020-01-01")))] {
        table.update("a", &op(path, Op::Set(set.clone()))).await.unwrap();
        let data = table.field("a", "data").await.unwrap();
        let (_, below) = path.split_once('.').unwrap();
        assert_eq!(data.as_object().unwrap().get(below), Some(&set), "{path} keeps its type");
    }
}

async fn the_answer_is_the_whole_object_afterwards(fresh: &dyn Fresh) {
    let table = subject(fresh).await;
    let acl = Acl::default().with("u1", Access::BOTH);
    table.put_with_acl("a", r#"{"n": 1, "s": "x", "data": {"k": [1]}}"#, acl.clone()).await;
    let after = table.update("a", &change(r#"{"n": {"__op": "Increment", "amount": 1}}"#)).await;
    let expected = Object {
        acl: Some(acl),
        updated_at: Some(Date::from_millis(CHANGED_MILLIS)),
        ..table.object("a", fields(r#"{"n": 2, "s": "x", "data": {"k": [1]}}"#))
    };
    assert_eq!(after.as_ref(), Some(&expected), "the answer");
    assert_eq!(table.get("a").await, after, "the store");
    assert_eq!(expected.created_at, Some(Date::from_millis(CREATED_MILLIS)), "it was created when it was");
}

async fn several_fields_change_at_once(fresh: &dyn Fresh) {
    let table = subject(fresh).await;
    table.put("a", r#"{"n": 1, "s": "x", "list": [1], "data": {"a": 1}}"#).await;
    let text = r#"{"n": {"__op": "Increment", "amount": 1}, "s": {"__op": "Delete"}, "data.b": 2,
        "list": {"__op": "Add", "objects": [2]}, "owner": {"__type": "Pointer", "className": "_User", "objectId": "u"}}"#;
    let after = table.update("a", &change(text)).await.unwrap();
    let expected = map! {
        "n" => 2, "list" => vec![1, 2], "data" => map! { "a" => 1, "b" => 2 }, "owner" => pointer("_User", "u"),
    };
    assert_eq!(after.fields, expected);
}

async fn a_change_without_operations_moves_the_date(fresh: &dyn Fresh) {
    let table = subject(fresh).await;
    table.put("a", r#"{"n": 1}"#).await;
    let after = table.update("a", &change("{}")).await.unwrap();
    assert_eq!(after.updated_at, Some(Date::from_millis(CHANGED_MILLIS)));
    assert_eq!(after.fields, fields(r#"{"n": 1}"#));
}

async fn nothing_found_is_none(fresh: &dyn Fresh) {
    let table = subject(fresh).await;
    table.put("a", r#"{"n": 1}"#).await;
    let two = change(r#"{"n": 2}"#);
    assert_eq!(table.update("b", &two).await, None, "no such id");
    let condition = table.select(r#"{"objectId": "a", "n": 5}"#);
    assert_eq!(table.store.update(&condition, &two).await.unwrap(), None, "the condition does not hold");
    assert_eq!(table.store.update(&table.selection(Filter::nothing()), &two).await.unwrap(), None, "nothing at all");
    assert_eq!(table.store.update_all(&condition, &two).await.unwrap(), 0);
    assert_eq!(table.store.delete(&condition).await.unwrap(), 0);
    assert_eq!(table.field("a", "n").await, Some(1.into()), "and nothing has changed");
    assert_eq!(table.found("{}").await, "a", "and nothing was created");
}

async fn an_update_changes_the_first_in_the_order(fresh: &dyn Fresh) {
    let table = subject(fresh).await;
    for (id, n) in [("a", 2), ("b", 1), ("c", 3)] {
        table.insert(&table.object(id, map! { "n" => n })).await;
    }
    let done = change(r#"{"s": "done"}"#);
    let waiting = |keys: &str| table.select(r#"{"s": {"$exists": false}}"#).ordered(order(keys));
    for (keys, expected) in [("n", Some("b")), ("-n", Some("c")), ("n", Some("a")), ("n", None)] {
        let after = table.store.update(&waiting(keys), &done).await.unwrap();
        assert_eq!(after.as_ref().map(|object| object.id.as_str()), expected, "the first in the order of {keys}");
    }
}

async fn an_operation_that_does_not_fit_is_refused_and_changes_nothing(fresh: &dyn Fresh) {
    let table = subject(fresh).await;
    let before = r#"{"n": 1, "s": "x", "list": [1], "data": {"t": "x", "n": 1}}"#;
    table.put("a", before).await;
    for text in [
        r#"{"s": {"__op": "Increment", "amount": 1}}"#,
        r#"{"list": {"__op": "Increment", "amount": 1}}"#,
        r#"{"data.t": {"__op": "Increment", "amount": 1}}"#,
        r#"{"s": {"__op": "Add", "objects": [1]}}"#,
        r#"{"n": {"__op": "AddUnique", "objects": [1]}}"#,
        r#"{"s": {"__op": "Remove", "objects": [1]}}"#,
        r#"{"data.n": {"__op": "Add", "objects": [1]}}"#,
        r#"{"data.n.deep": 1}"#,
        r#"{"n": 5, "s": {"__op": "Increment", "amount": 1}}"#,
    ] {
        let error = refused(table.store.update(&table.one("a"), &change(text)).await, text);
        assert!(matches!(error, StoreError::Unfit(_)), "{text}: expected Unfit, got {error:?}");
        assert_eq!(table.get("a").await.unwrap().fields, fields(before), "after {text}");
    }
    let error = refused(
        table.store.update_all(&table.select("{}"), &change(r#"{"s": {"__op": "Increment", "amount": 1}}"#)).await,
        "an increment of text",
    );
    assert!(matches!(error, StoreError::Unfit(_)), "expected Unfit, got {error:?}");
}

async fn the_access_control_list_changes_and_goes(fresh: &dyn Fresh) {
    let table = subject(fresh).await;
    let first = Acl::default().with("*", Access::READ);
    let second = Acl::default().with("u1", Access::BOTH).with("role:R", Access { read: false, write: true });
    table.put_with_acl("a", r#"{"n": 1}"#, first.clone()).await;
    let kept = table.update("a", &change(r#"{"n": 2}"#)).await.unwrap();
    assert_eq!(kept.acl, Some(first), "a change that does not speak of it");
    for acl in [Some(second), Some(Acl::default()), None, Some(Acl::default().with("*", Access::BOTH))] {
        let after = table.update("a", &Change { acl: Some(acl.clone()), ..change("{}") }).await.unwrap();
        assert_eq!(after.acl, acl, "the answer");
        assert_eq!(table.get("a").await.unwrap().acl, acl, "the store");
    }
    let none = Change { acl: Some(None), ..change("{}") };
    assert_eq!(table.store.update_all(&table.select("{}"), &none).await.unwrap(), 1);
    assert_eq!(table.get("a").await.unwrap().acl, None, "of all objects at once");
}

async fn internal_fields_and_auth_data_change(fresh: &dyn Fresh) {
    let users = Table::new(fresh, "_User", &[]).await;
    users.put("a", r#"{"_hashed_password": "old", "_perishable_token": "t", "authData": {"x": {"id": "1"}}}"#).await;
    let text = r#"{"_hashed_password": "new", "_perishable_token": {"__op": "Delete"},
        "_failed_login_count": {"__op": "Increment", "amount": 1}, "authData.y": {"id": "2", "more": [1]}}"#;
    let after = users.update("a", &change(text)).await.unwrap();
    let expected = r#"{"_hashed_password": "new", "_failed_login_count": 1,
        "authData": {"x": {"id": "1"}, "y": {"id": "2", "more": [1]}}}"#;
    assert_eq!(after.fields, fields(expected), "the answer");
    assert_eq!(users.get("a").await.unwrap().fields, fields(expected), "the store");
    users.update("a", &op("authData.x", Op::Delete)).await.unwrap();
    assert_eq!(users.field("a", "authData").await, Some(value(r#"{"y": {"id": "2", "more": [1]}}"#)));
    assert_eq!(users.found(r#"{"authData.x.id": "1"}"#).await, "", "the provider is gone");
    assert_eq!(users.found(r#"{"authData.y.id": "2"}"#).await, "a", "the new one is found");
}

async fn update_all_changes_all_and_tells_how_many(fresh: &dyn Fresh) {
    let table = subject(fresh).await;
    for n in 0..50 {
        table.insert(&table.object(&format!("i{n}"), map! { "n" => n, "list" => vec![n] })).await;
    }
    let text = r#"{"n": {"__op": "Increment", "amount": 100}, "list": {"__op": "Add", "objects": ["x"]}, "s": "done"}"#;
    let changed = table.store.update_all(&table.select(r#"{"n": {"$lt": 20}}"#), &change(text)).await.unwrap();
    assert_eq!(changed, 20);
    let done = table.find(&table.select(r#"{"s": "done"}"#).ordered(order("n"))).await;
    assert_eq!(done.len(), 20);
    for (object, n) in done.iter().zip(0..) {
        assert_eq!(object.fields, map! { "n" => 100 + n, "list" => vec![Value::from(n), "x".into()], "s" => "done" });
        assert_eq!(object.updated_at, Some(Date::from_millis(CHANGED_MILLIS)));
    }
    // An object that is already as it shall be counts too.
    let again = table.store.update_all(&table.select(r#"{"s": "done"}"#), &change(r#"{"s": "done"}"#)).await.unwrap();
    assert_eq!(again, 20, "found is what counts");
}

async fn delete_takes_what_is_found_and_tells_how_many(fresh: &dyn Fresh) {
    let table = subject(fresh).await;
    for n in 0..10 {
        table.insert(&table.object(&format!("i{n}"), map! { "n" => n })).await;
    }
    assert_eq!(table.store.delete(&table.one("i3")).await.unwrap(), 1, "one by its id");
    assert_eq!(table.store.delete(&table.one("i3")).await.unwrap(), 0, "and not twice");
    assert_eq!(table.store.delete(&table.select(r#"{"n": {"$gte": 5}}"#)).await.unwrap(), 5, "by a condition");
    assert_eq!(table.found("{}").await, "i0 i1 i2 i4", "the others are there");
    assert_eq!(table.store.delete(&table.select("{}")).await.unwrap(), 4, "all of them");
    assert_eq!(count(&*table.store, &table.select("{}")).await, 0);
    table.put("i3", "{}").await;
    assert_eq!(table.found("{}").await, "i3", "an id can be used again");
}

/// Runs the change on the object with the id `a` from this many tasks at once.
async fn from_many_sides(table: &Table, changes: impl Iterator<Item = Change>) -> Vec<Option<Object>> {
    let mut tasks = JoinSet::new();
    for change in changes {
        let table = table.clone();
        tasks.spawn(async move { table.update("a", &change).await });
    }
    tasks.join_all().await
}

async fn increments_from_many_sides_are_exact(fresh: &dyn Fresh) {
    let table = subject(fresh).await;
    table.put("a", r#"{"n": 0, "data": {"n": 0}}"#).await;
    let text = r#"{"n": {"__op": "Increment", "amount": 1}, "data.n": {"__op": "Increment", "amount": 2}}"#;
    let answers = from_many_sides(&table, (0..32).map(|_| change(text))).await;
    assert_eq!(table.get("a").await.unwrap().fields, fields(r#"{"n": 32, "data": {"n": 64}}"#));
    let seen = sorted(answers.iter().map(|after| after.as_ref().unwrap().get("n").unwrap().clone()).collect());
    assert_eq!(seen, sorted((1..=32).map(Value::from).collect()), "each answer is the object after its own change");
}

async fn unique_additions_from_many_sides_leave_no_doubles(fresh: &dyn Fresh) {
    let table = subject(fresh).await;
    table.put("a", "{}").await;
    let additions = (0..32).map(|n| op("list", Op::AddUnique(vec![Value::from(n % 8), "all".into()])));
    from_many_sides(&table, additions).await;
    let Some(Value::Array(list)) = table.field("a", "list").await else { panic!("no list") };
    let expected = sorted((0..8).map(Value::from).chain(["all".into()]).collect());
    assert_eq!(sorted(list), expected);
}

async fn one_of_many_claims_wins(fresh: &dyn Fresh) {
    let table = Arc::new(subject(fresh).await);
    table.put("a", r#"{"s": "free"}"#).await;
    let mut tasks = JoinSet::new();
    for n in 0..16 {
        let table = table.clone();
        tasks.spawn(async move {
            let free = table.select(r#"{"objectId": "a", "s": "free"}"#);
            table.store.update(&free, &op("s", Op::Set(format!("taken by {n}").into()))).await.unwrap()
        });
    }
    let won: Vec<Object> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(won.len(), 1, "claims that won: {won:?}");
    assert_eq!(table.get("a").await.as_ref(), won.first(), "and it has what it was told");
}

async fn nobody_sees_half_a_change(fresh: &dyn Fresh) {
    let table = subject(fresh).await;
    table.put("a", r#"{"n": 0, "data": {"n": 0}, "list": [0]}"#).await;
    let writer = {
        let table = table.clone();
        async move {
            for n in 1..100 {
                let text = format!(r#"{{"n": {n}, "data.n": {n}, "list.0": {n}}}"#);
                table.update("a", &change(&text)).await.unwrap();
            }
        }
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(writer);
    while !tasks.is_empty() {
        let seen = table.get("a").await.unwrap();
        let n = seen.get("n").unwrap().clone();
        assert_eq!(seen.get("data"), Some(&map! { "n" => n.clone() }.into()), "{seen:?}");
        assert_eq!(seen.get("list"), Some(&vec![n].into()), "{seen:?}");
        if let Some(ended) = tasks.try_join_next() {
            ended.unwrap();
        }
    }
    assert_eq!(table.field("a", "n").await, Some(99.into()));
}
