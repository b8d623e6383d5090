//! Several saves that are one: from a function, and from a batch.

use futures::future::join_all;
use parsimony_cloud::{Application, Request, Rules};
use parsimony_model::{Query, map};
use serde_json::{Value, json};

use crate::shop::Shop;

crate::on_both_stores!(
    a_transfer_is_whole_or_not_at_all,
    transfers_at_once_lose_nothing,
    a_batch_in_a_transaction_is_whole_or_not_at_all,
    a_transaction_may_bring_classes_and_fields,
    a_transaction_brings_no_more_than_its_caller_may,
    a_function_s_transaction_may_bring_classes_even_if_it_ignores_that,
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

fn create(class: &str, body: &Value) -> Value {
    json!({"method": "POST", "path": format!("/parse/classes/{class}"), "body": body})
}

async fn a_transaction_may_bring_classes_and_fields(shop: Shop) {
    let (user, _) = shop.sign_up("ann").await;
    let ann = json!({"__type": "Pointer", "className": "_User", "objectId": user});
    let fans = json!({"__op": "AddRelation", "objects": [ann]});
    let mut parts: Vec<Value> = (0..8).map(|n| create(&format!("New{n}"), &json!({"n": n, "text": "x"}))).collect();
    parts.push(create(
        "New0",
        &json!({"n": 9, "place": {"__type": "GeoPoint", "latitude": 1, "longitude": 2}, "fans": fans}),
    ));
    parts.push(create("Item", &json!({"name": "hat", "color": "red"})));
    let seen = shop.as_master().post("/batch", json!({"transaction": true, "requests": parts})).await;
    assert_eq!((seen.status, seen.body.as_array().map(Vec::len)), (200, Some(10)), "{}", seen.body);
    let seen = shop.as_master().get("/classes/New0?order=n&keys=n").await;
    assert_eq!(seen.results().iter().map(|object| object["n"].as_i64().unwrap()).collect::<Vec<_>>(), [0, 9]);
    let id = seen.results()[1]["objectId"].as_str().unwrap().to_owned();
    let owner = json!({"__type": "Pointer", "className": "New0", "objectId": id});
    let query = json!({"$relatedTo": {"object": owner, "key": "fans"}});
    assert_eq!(shop.as_master().get(&format!("/users?where={query}")).await.results().len(), 1);
    assert_eq!(shop.get(r#"/classes/Item?where={"color":"red"}"#).await.results().len(), 1);

    // What fails for another reason writes nothing.
    let parts = [create("Item", &json!({"name": "coat", "size": 1})), create("Item", &json!({"name": "forbidden"}))];
    let seen = shop.as_master().post("/batch", json!({"transaction": true, "requests": parts})).await;
    assert_eq!((seen.status, seen.code()), (400, 142));
    assert_eq!(shop.get("/classes/Item").await.results().len(), 1);
    let parts = [create("Newer", &json!({"n": 1})), create("Newer", &json!({"n": "x"}))];
    let seen = shop.as_master().post("/batch", json!({"transaction": true, "requests": parts})).await;
    assert_eq!((seen.status, seen.code()), (400, 111));
    assert_eq!(shop.as_master().get("/classes/Newer").await.results().len(), 0);
}

async fn a_transaction_brings_no_more_than_its_caller_may(shop: Shop) {
    for part in [create("Item", &json!({"name": "hat", "color": "red"})), create("Nowhere", &json!({"n": 1}))] {
        let parts = [create("Item", &json!({"name": "coat"})), part];
        let seen = shop.post("/batch", json!({"transaction": true, "requests": parts})).await;
        assert_eq!((seen.status, seen.code()), (400, 119), "{}", seen.body);
    }
    assert_eq!(shop.get("/classes/Item").await.results().len(), 0);
    assert_eq!(shop.as_master().get("/schemas/Item").await.body["fields"].get("color"), None);
    assert_eq!(shop.as_master().get("/schemas/Nowhere").await.code(), 103);
}

async fn a_function_s_transaction_may_bring_classes_even_if_it_ignores_that(shop: Shop) {
    let application = || {
        Application::new("notes").define("note", Rules::none(), |request: Request| async move {
            let host = request.host.as_master();
            let noted = host.transaction(|host| async move {
                // The first try lacks the class; the function does not care.
                host.create("Note", map! { "line" => "one" }).await.ok();
                host.create("Note", map! { "line" => "two", "page" => 1 }).await.ok();
                host.count("Note", Query::default()).await
            });
            Ok(noted.await? as f64)
        })
    };
    let app = shop.app.beside([application()], |_| {}).await.unwrap();
    assert_eq!(app.post("/functions/note", json!({})).await.body, json!({"result": 2.0}));
    assert_eq!(app.as_master().get("/classes/Note").await.results().len(), 2);
}
