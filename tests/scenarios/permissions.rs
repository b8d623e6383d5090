//! Who may do what, asked from outside.

use serde_json::json;

use crate::shop::Shop;

crate::on_both_stores!(
    a_private_object_looks_missing_to_a_stranger,
    an_acl_may_name_a_role,
    class_permissions_bind_clients_and_not_the_master_key,
    clients_do_not_make_classes,
    protected_fields_stay_inside,
    pointer_permissions_narrow_to_those_named,
    append_only_means_it,
    an_include_passes_the_same_gate,
);

async fn a_private_object_looks_missing_to_a_stranger(shop: Shop) {
    let (id, ann) = shop.sign_up("ann").await;
    let (_, bob) = shop.sign_up("bob").await;
    let item = json!({"name": "hat", "ACL": {id: {"read": true, "write": true}}});
    let path = format!("/classes/Item/{}", shop.as_user(&ann).post("/classes/Item", item).await.id());
    assert_eq!(shop.as_user(&ann).get(&path).await.status, 200);
    let missing = json!({"code": 101, "error": "Object not found."});
    for seen in [
        shop.as_user(&bob).get(&path).await,
        shop.as_user(&bob).put(&path, json!({"name": "mine"})).await,
        shop.as_user(&bob).delete(&path).await,
        shop.get(&path).await,
        shop.get("/classes/Item/nobody").await,
    ] {
        assert_eq!((seen.status, seen.body), (404, missing.clone()));
    }
    assert_eq!(shop.as_user(&bob).get("/classes/Item").await.results().len(), 0);
    assert_eq!(shop.as_user(&ann).get("/classes/Item").await.results().len(), 1);
}

async fn an_acl_may_name_a_role(shop: Shop) {
    let (id, ann) = shop.sign_up("ann").await;
    let item = json!({"name": "hat", "ACL": {"role:editor": {"read": true}}});
    let path = format!("/classes/Item/{}", shop.as_master().post("/classes/Item", item).await.id());
    assert_eq!(shop.as_user(&ann).get(&path).await.status, 404);
    shop.give_role(&id, "chief").await;
    assert_eq!(shop.as_user(&ann).get(&path).await.status, 200);
    assert_eq!(shop.as_user(&ann).put(&path, json!({"name": "cap"})).await.status, 404);
}

async fn class_permissions_bind_clients_and_not_the_master_key(shop: Shop) {
    let denied = json!({"code": 119, "error": "Permission denied"});
    let seen = shop.post("/classes/Purse", json!({"balance": 1})).await;
    assert_eq!((seen.status, seen.body), (400, denied.clone()));
    assert_eq!(shop.get("/classes/Purse").await.body, denied);
    // A field that the class does not have: addField is for nobody.
    let seen = shop.post("/classes/Item", json!({"name": "hat", "colour": "red"})).await;
    assert_eq!(seen.body, denied);
    let purse = shop.as_master().post("/classes/Purse", json!({})).await;
    // The class's default value is filled in and told.
    assert_eq!((purse.status, &purse.body["balance"]), (201, &json!(0)));
    let path = format!("/classes/Purse/{}", purse.id());
    assert_eq!((shop.get(&path).await.status, shop.get(&path).await.code()), (404, 101));
    let (_, ann) = shop.sign_up("ann").await;
    assert_eq!(shop.as_user(&ann).get(&path).await.status, 200);
}

async fn clients_do_not_make_classes(shop: Shop) {
    let denied = json!({"code": 119, "error": "Permission denied"});
    assert_eq!(shop.post("/classes/New", json!({"a": 1})).await.body, denied);
    assert_eq!(shop.get("/classes/New").await.body, denied);
    assert_eq!(shop.as_master().post("/classes/New", json!({"a": 1})).await.status, 201);
    assert_eq!(shop.get("/classes/New").await.results().len(), 1);
    for class in ["_JobStatus", "_Hooks", "_PushStatus"] {
        assert_eq!(shop.get(&format!("/classes/{class}")).await.body, denied, "{class}");
    }
}

async fn protected_fields_stay_inside(shop: Shop) {
    let schema = json!({"className": "Secret", "fields": {"open": {"type": "String"}, "hidden": {"type": "String"}},
        "classLevelPermissions": {"get": {"*": true}, "find": {"*": true}, "create": {"*": true},
            "protectedFields": {"*": ["hidden"]}}});
    assert_eq!(shop.as_master().post("/schemas/Secret", schema).await.status, 200);
    let path = format!(
        "/classes/Secret/{}",
        shop.as_master().post("/classes/Secret", json!({"open": "o", "hidden": "h"})).await.id()
    );
    assert_eq!(shop.get(&path).await.body.get("hidden"), None);
    assert_eq!(shop.as_master().get(&path).await.body["hidden"], "h");
    for query in [r#"where={"hidden":"h"}"#, "order=hidden", r#"where={"$or":[{"hidden":"h"}]}"#] {
        let seen = shop.get(&format!("/classes/Secret?{query}")).await;
        assert_eq!(seen.code(), 119, "{query}");
    }
}

async fn pointer_permissions_narrow_to_those_named(shop: Shop) {
    let schema = json!({"className": "Note", "fields": {"owner": {"type": "Pointer", "targetClass": "_User"}},
        "classLevelPermissions": {"create": {"*": true}, "readUserFields": ["owner"], "writeUserFields": ["owner"]}});
    assert_eq!(shop.as_master().post("/schemas/Note", schema).await.status, 200);
    let (id, ann) = shop.sign_up("ann").await;
    let (_, bob) = shop.sign_up("bob").await;
    let owner = json!({"__type": "Pointer", "className": "_User", "objectId": id});
    let note = shop.as_user(&ann).post("/classes/Note", json!({"owner": owner})).await.id();
    let path = format!("/classes/Note/{note}");
    assert_eq!(shop.as_user(&ann).get("/classes/Note").await.results().len(), 1);
    assert_eq!(shop.as_user(&bob).get("/classes/Note").await.results().len(), 0);
    assert_eq!(shop.get("/classes/Note").await.results().len(), 0);
    assert_eq!(shop.as_user(&bob).delete(&path).await.status, 404);
    assert_eq!(shop.as_user(&ann).delete(&path).await.status, 200);
}

async fn append_only_means_it(shop: Shop) {
    let line = shop.as_master().post("/classes/Ledger", json!({"line": "first"})).await.id();
    let path = format!("/classes/Ledger/{line}");
    for seen in [shop.as_master().put(&path, json!({"line": "forged"})).await, shop.as_master().delete(&path).await] {
        assert_eq!((seen.status, seen.code()), (400, 119));
    }
    assert_eq!(shop.as_master().get(&path).await.body["line"], "first");
}

async fn an_include_passes_the_same_gate(shop: Shop) {
    let master = shop.as_master();
    let open = master.post("/classes/Leaf", json!({"n": 1})).await.id();
    let closed = master.post("/classes/Leaf", json!({"n": 2, "ACL": {}})).await.id();
    let leaf = |id: &str| json!({"__type": "Pointer", "className": "Leaf", "objectId": id});
    let tree = json!({"open": leaf(&open), "closed": leaf(&closed), "all": [leaf(&closed), leaf(&open)]});
    let tree = master.post("/classes/Tree", tree).await.id();
    let seen = shop.get(&format!("/classes/Tree/{tree}?include=open,closed,all")).await;
    assert_eq!((&seen.body["open"]["n"], seen.body.get("closed")), (&json!(1), None));
    assert_eq!(seen.body["all"].as_array().map(Vec::len), Some(1));
    assert_eq!(seen.body["open"]["__type"], "Object");
}
