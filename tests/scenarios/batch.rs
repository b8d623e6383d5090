//! `/batch`: many requests in one.

use serde_json::json;

use crate::shop::Shop;

crate::on_both_stores!(each_part_has_its_answer_in_order, malformed_batches_are_refused);

async fn each_part_has_its_answer_in_order(shop: Shop) {
    let item = shop.post("/classes/Item", json!({"name": "hat", "price": 1})).await.id();
    let path = format!("/parse/classes/Item/{item}");
    let batch = json!({"requests": [
        {"method": "POST", "path": "/parse/classes/Item", "body": {"name": "cap"}},
        {"method": "PUT", "path": path, "body": {"price": {"__op": "Increment", "amount": 2}}},
        {"method": "PUT", "path": "/parse/classes/Item/nobody", "body": {"price": 1}},
        {"method": "DELETE", "path": path, "body": {}},
    ]});
    let seen = shop.post("/batch", batch).await;
    assert_eq!(seen.status, 200);
    let parts = seen.body.as_array().unwrap();
    assert!(parts[0]["success"]["objectId"].is_string());
    assert_eq!(parts[2], json!({"error": {"code": 101, "error": "Object not found."}}));
    assert_eq!(parts.len(), 4);
}

async fn malformed_batches_are_refused(shop: Shop) {
    for (batch, text) in [
        (json!({}), "requests must be an array"),
        (json!({"requests": 1}), "requests must be an array"),
        (json!({"requests": [{"method": "GET", "path": 1}]}), "batch request path must be a string"),
        (
            json!({"requests": [{"method": "POST", "path": "/parse/batch", "body": {"requests": []}}]}),
            "nested batch requests are not allowed",
        ),
    ] {
        let seen = shop.post("/batch", batch).await;
        assert_eq!((seen.status, seen.body), (400, json!({"code": 107, "error": text})));
    }
}
