//! What does a transaction promise? All or nothing, unseen until then, and no lost change.

use std::sync::Arc;
use std::time::Duration;

use parsimony_model::{Filter, Op, Value, map};
use tokio::task::JoinSet;

use super::given::{Table, change, class, count, field_name, id, op, refused, sorted_ids};
use super::{Behaviours, Fresh, behaviours};
use crate::{Objects, StoreError, Transaction};

/// The behaviours of this area.
pub(super) const BEHAVIOURS: Behaviours = behaviours![
    a_store_without_transactions_says_so,
    what_is_committed_is_seen,
    what_is_rolled_back_never_was,
    what_is_dropped_is_rolled_back,
    many_that_are_dropped_hold_nothing,
    it_sees_its_own_writes_and_nobody_else_does,
    nothing_works_after_the_end,
    links_are_part_of_it,
    a_refused_write_can_be_rolled_back,
    a_read_and_a_write_from_many_sides_lose_nothing,
];

/// How often something that may take a moment is tried, and how long each moment is.
const TRIES_MAX: u32 = 200;
const PAUSE_MILLIS: u64 = 25;

async fn accounts(fresh: &dyn Fresh) -> Table {
    let table = Table::new(fresh, "Account", &["n:Number", "s:String", "friends:&Account"]).await;
    table.put("a", r#"{"n": 1}"#).await;
    table.put("b", r#"{"n": 2}"#).await;
    table
}

async fn begin(table: &Table) -> Arc<dyn Transaction> {
    table.store.begin().await.unwrap()
}

async fn seen_by(objects: &(impl Objects + ?Sized), table: &Table, text: &str) -> String {
    sorted_ids(&objects.find(&table.select(text)).await.unwrap())
}

async fn a_store_without_transactions_says_so(fresh: &dyn Fresh) {
    if fresh.has_transactions() {
        return;
    }
    let table = accounts(fresh).await;
    match table.store.begin().await {
        Ok(_) => panic!("a transaction was opened"),
        Err(error) => assert!(matches!(error, StoreError::Unsupported(_)), "expected Unsupported, got {error:?}"),
    }
    assert_eq!(table.found("{}").await, "a b", "and everything else still works");
}

async fn what_is_committed_is_seen(fresh: &dyn Fresh) {
    if !fresh.has_transactions() {
        return;
    }
    let table = accounts(fresh).await;
    let other = Table::of(table.store.clone(), class("Other", &["n:Number"])).await;
    let open = begin(&table).await;
    open.insert(&table.class, &table.object("c", map! { "n" => 3 })).await.unwrap();
    open.insert(&other.class, &other.object("x", map! { "n" => 1 })).await.unwrap();
    let after = open.update(&table.one("a"), &change(r#"{"n": {"__op": "Increment", "amount": 9}}"#)).await.unwrap();
    assert_eq!(after.unwrap().get("n"), Some(&10.into()), "the answer inside");
    assert_eq!(open.update_all(&table.select(r#"{"n": 3}"#), &change(r#"{"s": "x"}"#)).await.unwrap(), 1);
    assert_eq!(open.delete(&table.one("b")).await.unwrap(), 1);
    open.commit().await.unwrap();
    drop(open);
    assert_eq!(table.found("{}").await, "a c");
    assert_eq!(table.field("a", "n").await, Some(10.into()));
    assert_eq!(table.field("c", "s").await, Some("x".into()));
    assert_eq!(other.found("{}").await, "x", "in another class too");
    let empty = begin(&table).await;
    empty.commit().await.expect("a transaction that did nothing");
}

async fn what_is_rolled_back_never_was(fresh: &dyn Fresh) {
    if !fresh.has_transactions() {
        return;
    }
    let table = accounts(fresh).await;
    let open = begin(&table).await;
    open.insert(&table.class, &table.object("c", map! { "n" => 3 })).await.unwrap();
    open.update(&table.one("a"), &change(r#"{"n": 9}"#)).await.unwrap();
    open.delete(&table.one("b")).await.unwrap();
    open.roll_back().await.unwrap();
    assert_eq!(table.found("{}").await, "a b");
    assert_eq!(table.field("a", "n").await, Some(1.into()));
    table.put("c", r#"{"n": 4}"#).await;
    assert_eq!(table.field("c", "n").await, Some(4.into()), "its ids are free");
    begin(&table).await.roll_back().await.expect("a transaction that did nothing");
}

async fn what_is_dropped_is_rolled_back(fresh: &dyn Fresh) {
    if !fresh.has_transactions() {
        return;
    }
    let table = accounts(fresh).await;
    let open = begin(&table).await;
    open.insert(&table.class, &table.object("c", map! { "n" => 3 })).await.unwrap();
    open.update(&table.one("a"), &change(r#"{"n": 9}"#)).await.unwrap();
    drop(open);
    // It may take a moment until the database has let go of what the transaction held.
    let mut last = None;
    for _ in 0..TRIES_MAX {
        match table.store.insert(&table.class, &table.object("c", map! { "n" => 4 })).await {
            Ok(()) => {
                last = None;
                break;
            }
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(PAUSE_MILLIS)).await;
    }
    assert!(last.is_none(), "still held: {last:?}");
    assert_eq!(table.field("c", "n").await, Some(4.into()), "the insert was undone");
    assert_eq!(table.field("a", "n").await, Some(1.into()), "the update was undone");
}

async fn many_that_are_dropped_hold_nothing(fresh: &dyn Fresh) {
    if !fresh.has_transactions() {
        return;
    }
    let table = accounts(fresh).await;
    for n in 0..50 {
        let open = begin(&table).await;
        open.insert(&table.class, &table.object(&format!("i{n}"), map! { "n" => n })).await.unwrap();
        if n % 3 == 0 {
            open.roll_back().await.unwrap();
        }
    }
    assert_eq!(table.found("{}").await, "a b", "none of them left anything");
    let last = begin(&table).await;
    last.update(&table.one("a"), &change(r#"{"n": 7}"#)).await.unwrap();
    last.commit().await.unwrap();
    assert_eq!(table.field("a", "n").await, Some(7.into()), "the next one works");
}

async fn it_sees_its_own_writes_and_nobody_else_does(fresh: &dyn Fresh) {
    if !fresh.has_transactions() {
        return;
    }
    let table = accounts(fresh).await;
    let open = begin(&table).await;
    open.insert(&table.class, &table.object("c", map! { "n" => 3 })).await.unwrap();
    open.update(&table.one("a"), &change(r#"{"n": 9}"#)).await.unwrap();
    open.delete(&table.one("b")).await.unwrap();
    assert_eq!(seen_by(&*open, &table, "{}").await, "a c", "inside");
    assert_eq!(seen_by(&*open, &table, r#"{"n": 9}"#).await, "a", "inside");
    assert_eq!(count(&*open, &table.select(r#"{"n": {"$gt": 2}}"#)).await, 2, "inside");
    let mut values = open.distinct(&table.select("{}"), "n").await.unwrap();
    values.sort_by_key(|value| format!("{value:?}"));
    assert_eq!(values, [Value::from(3), Value::from(9)], "inside");
    assert_eq!(seen_by(&*table.store, &table, "{}").await, "a b", "outside");
    assert_eq!(seen_by(&*table.store, &table, r#"{"n": 9}"#).await, "", "outside");
    assert_eq!(count(&*table.store, &table.select(r#"{"n": 1}"#)).await, 1, "outside");
    open.commit().await.unwrap();
    assert_eq!(seen_by(&*table.store, &table, "{}").await, "a c", "outside, after the commit");
}

async fn nothing_works_after_the_end(fresh: &dyn Fresh) {
    if !fresh.has_transactions() {
        return;
    }
    let table = accounts(fresh).await;
    for committed in [true, false] {
        let open = begin(&table).await;
        open.update(&table.one("a"), &change(r#"{"n": 5}"#)).await.unwrap();
        if committed {
            open.commit().await.unwrap();
        } else {
            open.roll_back().await.unwrap();
        }
        let what = if committed { "after a commit" } else { "after a roll back" };
        refused(open.find(&table.select("{}")).await, what);
        refused(open.count(&table.select("{}")).await, what);
        refused(open.insert(&table.class, &table.object("late", map! { "n" => 0 })).await, what);
        refused(open.update(&table.one("a"), &change(r#"{"n": 7}"#)).await, what);
        refused(open.delete(&table.select("{}")).await, what);
        refused(open.commit().await, what);
    }
    assert_eq!(table.found("{}").await, "a b");
    assert_eq!(table.field("a", "n").await, Some(5.into()));
}

async fn links_are_part_of_it(fresh: &dyn Fresh) {
    if !fresh.has_transactions() {
        return;
    }
    let table = accounts(fresh).await;
    let join = table.join("friends");
    let friends = table.selection(Filter::Relates { field: field_name("friends"), members: vec![id("b"), id("c")] });
    let lost = begin(&table).await;
    lost.link(&join, &id("a"), &[id("b")]).await.unwrap();
    assert_eq!(sorted_ids(&lost.find(&friends).await.unwrap()), "a", "inside");
    assert_eq!(sorted_ids(&table.find(&friends).await), "", "outside");
    lost.roll_back().await.unwrap();
    assert_eq!(sorted_ids(&table.find(&friends).await), "", "after the roll back");
    let kept = begin(&table).await;
    kept.link(&join, &id("a"), &[id("b"), id("c")]).await.unwrap();
    kept.unlink(&join, &id("a"), &[id("b")]).await.unwrap();
    kept.commit().await.unwrap();
    assert_eq!(sorted_ids(&table.find(&friends).await), "a", "after the commit");
    let undone = begin(&table).await;
    undone.unlink(&join, &id("a"), &[id("c")]).await.unwrap();
    undone.roll_back().await.unwrap();
    assert_eq!(sorted_ids(&table.find(&friends).await), "a", "an unlink was rolled back");
}

async fn a_refused_write_can_be_rolled_back(fresh: &dyn Fresh) {
    if !fresh.has_transactions() {
        return;
    }
    let table = accounts(fresh).await;
    let open = begin(&table).await;
    open.update(&table.one("b"), &change(r#"{"n": 9}"#)).await.unwrap();
    let double = table.object("a", map! { "n" => 3 });
    let error = refused(open.insert(&table.class, &double).await, "an id that is taken");
    assert!(matches!(error, StoreError::Duplicate { .. }), "expected Duplicate, got {error:?}");
    // Some databases end a transaction by themselves then; asking for it must do no harm.
    drop(open.roll_back().await);
    drop(open);
    let mut unchanged = false;
    for _ in 0..TRIES_MAX {
        if table.store.update(&table.one("b"), &change(r#"{"s": "free"}"#)).await.is_ok() {
            unchanged = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(PAUSE_MILLIS)).await;
    }
    assert!(unchanged, "the object is still held");
    assert_eq!(table.field("b", "n").await, Some(2.into()), "nothing of it was kept");
}

/// Reads the counter, thinks, and writes it one higher, all in one transaction.
async fn try_to_count(table: &Table) -> Result<(), StoreError> {
    let open = table.store.begin().await?;
    let found = open.find(&table.one("a")).await?;
    let n = found[0].get("n").and_then(Value::as_f64).unwrap();
    tokio::task::yield_now().await;
    open.update(&table.one("a"), &op("n", Op::Set((n + 1.0).into()))).await?;
    open.commit().await
}

/// The same, until no other one was first.
async fn count_one(table: &Table) {
    loop {
        match try_to_count(table).await {
            Ok(()) => return,
            Err(StoreError::Conflict(_)) => {}
            Err(error) => panic!("neither done nor a conflict: {error:?}"),
        }
    }
}

async fn a_read_and_a_write_from_many_sides_lose_nothing(fresh: &dyn Fresh) {
    if !fresh.has_transactions() {
        return;
    }
    let table = accounts(fresh).await;
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let table = table.clone();
        tasks.spawn(async move {
            for _ in 0..5 {
                count_one(&table).await;
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(table.field("a", "n").await, Some(41.into()), "40 transactions added one to one");
}
