//! Do transactions end as they should: by commit, by being dropped, and by the clock?

use std::time::Duration;

use parsimony_store::{Objects, Store, StoreError};
use parsimony_store_mongo::MongoOptions;

use crate::given::{change, class, object, one, replica_set, select, single};

#[tokio::test]
async fn a_single_server_has_none_and_says_why() {
    let given = single().await;
    let Err(StoreError::Unsupported(text)) = given.store.begin().await else { panic!("it has no transactions") };
    assert!(text.contains("replica set"), "{text}");
}

#[tokio::test]
async fn a_dropped_one_is_rolled_back_on_the_server() {
    let given = replica_set(MongoOptions::default()).await;
    let class = class("Post", &["n:Number"]);
    given.store.create_class(&class).await.unwrap();
    given.store.insert(&class, &object(&class, "p", r#"{"n":1}"#)).await.unwrap();
    let open = given.store.begin().await.unwrap();
    open.update(&one(&class, "p"), &change(r#"{"n":2}"#)).await.unwrap();
    drop(open);
    // This waits for the lock of the other one: were it still open, that would take its ten seconds.
    let (selection, change) = (one(&class, "p"), change(r#"{"m":3}"#));
    let free = given.store.update(&selection, &change);
    let after = tokio::time::timeout(Duration::from_secs(5), free).await.expect("the lock is free").unwrap().unwrap();
    assert_eq!((after.fields["n"].as_f64(), after.fields["m"].as_f64()), (Some(1.0), Some(3.0)));
}

#[tokio::test]
async fn one_whose_time_is_up_is_rolled_back() {
    let given = replica_set(MongoOptions { transaction_millis_max: 300, ..MongoOptions::default() }).await;
    let class = class("Post", &["n:Number"]);
    given.store.create_class(&class).await.unwrap();
    let open = given.store.begin().await.unwrap();
    open.insert(&class, &object(&class, "p", r#"{"n":1}"#)).await.unwrap();
    // A write to the same id waits until the transaction has gone.
    let same = object(&class, "p", r#"{"n":2}"#);
    let outside = given.store.insert(&class, &same);
    tokio::time::timeout(Duration::from_secs(5), outside).await.expect("the lock is free").unwrap();
    assert!(matches!(open.find(&select(&class, "{}")).await, Err(StoreError::Timeout)));
    assert!(matches!(open.commit().await, Err(StoreError::Timeout)));
    let found = given.find(&class, "{}").await;
    assert_eq!(found[0].fields["n"].as_f64(), Some(2.0));
}

#[tokio::test]
async fn the_first_of_two_wins_and_the_other_may_try_again() {
    let given = replica_set(MongoOptions::default()).await;
    let class = class("Post", &["n:Number"]);
    given.store.create_class(&class).await.unwrap();
    given.store.insert(&class, &object(&class, "p", r#"{"n":1}"#)).await.unwrap();
    let (first, second) = (given.store.begin().await.unwrap(), given.store.begin().await.unwrap());
    let more = change(r#"{"n":{"__op":"Increment","amount":1}}"#);
    first.update(&one(&class, "p"), &more).await.unwrap();
    let refused = second.update(&one(&class, "p"), &more).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict(_)), "{refused:?}");
    first.commit().await.unwrap();
    assert!(second.commit().await.is_err());
    let after = given.find(&class, "{}").await.remove(0);
    assert_eq!(after.fields["n"].as_f64(), Some(2.0));
    assert!(matches!(first.find(&select(&class, "{}")).await, Err(StoreError::Unsupported(_))));
}

#[tokio::test]
async fn a_class_without_a_collection_can_be_written_in_one() {
    let given = replica_set(MongoOptions::default()).await;
    let class = class("Never", &[]);
    let open = given.store.begin().await.unwrap();
    open.insert(&class, &object(&class, "p", "{}")).await.unwrap();
    assert_eq!(open.count(&select(&class, "{}")).await.unwrap(), 1);
    assert_eq!(given.store.count(&select(&class, "{}")).await.unwrap(), 0);
    open.commit().await.unwrap();
    assert_eq!(given.store.count(&select(&class, "{}")).await.unwrap(), 1);
}
