//! Hooks around a save: what they see, what they change, and that they run once.

use serde_json::json;

use crate::shop::Shop;

crate::on_both_stores!(
    a_hook_changes_what_is_saved,
    a_hook_refuses_a_save,
    a_hook_sees_the_object_as_it_was,
    an_error_after_the_save_does_not_undo_it,
    a_hook_does_not_run_for_what_its_caller_may_not_do,
    a_hook_that_calls_itself_is_stopped,
);

async fn a_hook_changes_what_is_saved(shop: Shop) {
    let seen = shop.post("/classes/Item", json!({"name": "loud hat", "price": 3})).await;
    assert_eq!(seen.status, 201);
    // The client is told what it cannot know.
    assert_eq!(seen.body["name"], "LOUD HAT");
    assert_eq!(seen.body.get("price"), None);
    assert_eq!(shop.journal.take(), ["afterSave Item ×1", "beforeSave Item ×1"]);
    let stored = shop.get(&format!("/classes/Item/{}", seen.id())).await;
    assert_eq!(stored.body["name"], "LOUD HAT");
}

async fn a_hook_refuses_a_save(shop: Shop) {
    for (name, code, text) in [
        ("forbidden", 142, "No such item here."),
        ("custom", 9001, "A number of our own."),
        ("panic", 141, "Script failed."),
    ] {
        let seen = shop.post("/classes/Item", json!({"name": name})).await;
        assert_eq!((seen.status, seen.body), (400, json!({"code": code, "error": text})));
        assert_eq!(shop.journal.take(), ["beforeSave Item ×1"]);
    }
    assert_eq!(shop.get("/classes/Item").await.body, json!({"results": []}));
}

async fn a_hook_sees_the_object_as_it_was(shop: Shop) {
    let item = shop.post("/classes/Item", json!({"name": "hat", "price": 3})).await.id();
    shop.journal.take();
    let seen = shop.put(&format!("/classes/Item/{item}"), json!({"price": 5})).await;
    assert_eq!((seen.status, &seen.body["priceBefore"]), (200, &json!(3)));
    assert_eq!(shop.journal.take(), ["afterSave Item ×1", "beforeSave Item ×1"]);
    let log = shop.as_master().get("/classes/ItemLog?order=createdAt").await;
    let is_new: Vec<bool> = log.results().iter().map(|line| line["isNew"] == true).collect();
    assert_eq!(is_new, [true, false]);
}

async fn an_error_after_the_save_does_not_undo_it(shop: Shop) {
    let seen = shop.post("/classes/Item", json!({"name": "late trouble"})).await;
    assert_eq!(seen.status, 201);
    assert_eq!(shop.get("/classes/Item").await.results().len(), 1);
}

async fn a_hook_does_not_run_for_what_its_caller_may_not_do(shop: Shop) {
    let private = json!({"name": "hat", "ACL": {}});
    let item = shop.as_master().post("/classes/Item", private).await.id();
    shop.journal.take();
    let seen = shop.put(&format!("/classes/Item/{item}"), json!({"name": "cap"})).await;
    assert_eq!((seen.status, seen.code()), (404, 101));
    assert_eq!(shop.journal.take(), Vec::<String>::new());
}

async fn a_hook_that_calls_itself_is_stopped(shop: Shop) {
    let seen = shop.as_master().post("/classes/Endless", json!({})).await;
    assert_eq!((seen.status, seen.code()), (400, 141));
    let seen = shop.post("/functions/recurse", json!({})).await;
    assert_eq!((seen.status, seen.code()), (400, 141));
}
