//! Cloud functions: parameters, results, rules and refusals.

use serde_json::json;

use crate::shop::Shop;

crate::on_both_stores!(
    a_function_answers,
    parameters_and_results_keep_their_types,
    rules_are_checked_before_the_function,
    a_function_has_the_rights_of_its_caller,
    a_function_that_fails_does_not_take_the_server_with_it,
);

async fn a_function_answers(shop: Shop) {
    let seen = shop.post("/functions/hello", json!({})).await;
    assert_eq!((seen.status, seen.body), (200, json!({"result": "Hello"})));
    let seen = shop.post("/functions/nobody", json!({})).await;
    assert_eq!((seen.status, seen.body), (400, json!({"code": 141, "error": "Invalid function: \"nobody\""})));
}

async fn parameters_and_results_keep_their_types(shop: Shop) {
    let params = json!({
        "date": {"__type": "Date", "iso": "2026-01-31T12:00:00.000Z"},
        "user": {"__type": "Pointer", "className": "_User", "objectId": "x"},
        "list": [1, 2.5, null, {"a": "b"}],
        "text": "é\u{0}",
    });
    let seen = shop.post("/functions/echo", params.clone()).await;
    assert_eq!(seen.body, json!({"result": params}));
}

async fn rules_are_checked_before_the_function(shop: Shop) {
    let refusal = |text: &str| json!({"code": 142, "error": format!("Validation failed. {text}")});
    for (function, params, expected) in [
        ("whoAmI", json!({}), refusal("Please login to continue.")),
        ("masterOnly", json!({}), refusal("Master key is required to complete this request.")),
        ("fields", json!({}), refusal("Please specify data for name.")),
        ("fields", json!({"name": 1}), refusal("Invalid type for name. Expected: string")),
        ("fields", json!({"name": "a"}), json!({"result": {"name": "a", "size": 3}})),
    ] {
        assert_eq!(shop.post(&format!("/functions/{function}"), params).await.body, expected);
    }
    let (id, token) = shop.sign_up("ann").await;
    let seen = shop.as_user(&token).post("/functions/whoAmI", json!({})).await;
    assert_eq!(seen.body, json!({"result": id}));
    let seen = shop.as_user(&token).post("/functions/forEditors", json!({})).await;
    assert_eq!(seen.body, refusal("User does not match the required roles."));
    // A member of a role that inherits is a member of what it inherits from, at once.
    shop.give_role(&id, "chief").await;
    let seen = shop.as_user(&token).post("/functions/forEditors", json!({})).await;
    assert_eq!(seen.body, json!({"result": true}));
}

async fn a_function_has_the_rights_of_its_caller(shop: Shop) {
    shop.post("/classes/Item", json!({"name": "open"})).await;
    shop.as_master().post("/classes/Item", json!({"name": "closed", "ACL": {}})).await;
    let seen = shop.post("/functions/countItems", json!({})).await;
    assert_eq!(seen.body, json!({"result": {"mine": 1, "all": 2}}));
}

async fn a_function_that_fails_does_not_take_the_server_with_it(shop: Shop) {
    let seen = shop.post("/functions/panics", json!({})).await;
    assert_eq!((seen.status, seen.body), (400, json!({"code": 141, "error": "Script failed."})));
    assert_eq!(shop.post("/functions/panics", json!({"calm": 1})).await.body, json!({"result": true}));
}
