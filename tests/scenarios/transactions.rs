//! Several saves that are one: from a function, and from a batch.

use futures::future::join_all;
use serde_json::json;

use crate::shop::Shop;

crate::on_both_stores!(
    a_transfer_is_whole_or_not_at_all,
    transfers_at_once_lose_nothing,
    a_batch_in_a_transaction_is_whole_or_not_at_all,
);

async fn purse(shop: &Shop, balance: f64) -> String {
    shop.as_master().post("/classes/Purse", json!({"balance": balance})).await.id()
}

async fn balance(shop: &Shop, purse: &str) -> f64 {
    let seen = shop.as_master().get(&format!("/classes/Purse/{purse}")).await;
    seen.body["balance"].as_f64().unwrap()
}

async fn a_transfer_is_whole_or_not_at_all(shop: Shop) {
    let (_, token) = shop.sign_up("ann").await;
    let (from, to) = (purse(&shop, 10.0).await, purse(&shop, 0.0).await);
    let transfer = |amount: f64| json!({"from": from, "to": to, "amount": amount});
    let seen = shop.as_user(&token).post("/functions/transfer", transfer(4.0)).await;
    assert_eq!(seen.body, json!({"result": {"left": 6.0}}));
    let seen = shop.as_user(&token).post("/functions/transfer", transfer(7.0)).await;
    assert_eq!((seen.status, seen.code()), (400, 142));
    assert_eq!((balance(&shop, &from).await, balance(&shop, &to).await), (6.0, 4.0));
}

async fn transfers_at_once_lose_nothing(shop: Shop) {
    let (_, token) = shop.sign_up("ann").await;
    let (from, to) = (purse(&shop, 10.0).await, purse(&shop, 0.0).await);
    let one = || async {
        let params = json!({"from": from, "to": to, "amount": 1.0});
        shop.as_user(&token).post("/functions/transfer", params).await.status == 200
    };
    let done = join_all((0..16).map(|_| one())).await.into_iter().filter(|done| *done).count();
    // More than the purse holds cannot go; what went has arrived.
    let (left, arrived) = (balance(&shop, &from).await, balance(&shop, &to).await);
    assert!((1..=10).contains(&done), "{done} transfers");
    assert_eq!((left, arrived), (10.0 - done as f64, done as f64));
}

async fn a_batch_in_a_transaction_is_whole_or_not_at_all(shop: Shop) {
    let create = |name: &str| json!({"method": "POST", "path": "/parse/classes/Item", "body": {"name": name}});
    let batch = json!({"transaction": true, "requests": [create("one"), create("two")]});
    let seen = shop.post("/batch", batch).await;
    assert_eq!((seen.status, seen.body.as_array().map(Vec::len)), (200, Some(2)));
    let batch = json!({"transaction": true, "requests": [create("three"), create("forbidden")]});
    let seen = shop.post("/batch", batch).await;
    assert_eq!((seen.status, seen.code()), (400, 142));
    assert_eq!(shop.get("/classes/Item").await.results().len(), 2);
}
