//! What comes over the wire, and what bad input gets: a Parse error, and nothing written.

use serde_json::json;

use crate::shop::Shop;

crate::on_both_stores!(
    objects_are_created_read_changed_and_deleted,
    wrong_values_are_refused_with_parse_s_numbers,
    queries_are_refused_with_parse_s_numbers,
    credentials_are_checked,
    the_server_tells_about_itself,
    what_is_not_there_yet_says_so,
);

async fn objects_are_created_read_changed_and_deleted(shop: Shop) {
    let seen = shop.as_master().post("/classes/Thing", json!({"n": 1, "list": [1], "o": {"a": {"b": 1}}})).await;
    assert_eq!(seen.status, 201);
    assert!(seen.headers["location"].to_str().unwrap().ends_with(&format!("/classes/Thing/{}", seen.id())));
    let path = format!("/classes/Thing/{}", seen.id());
    let change = json!({
        "n": {"__op": "Increment", "amount": 2},
        "list": {"__op": "AddUnique", "objects": [1, 2]},
        "o.a.b": 5,
        "gone": {"__op": "Delete"},
    });
    let seen = shop.as_master().put(&path, change).await;
    assert_eq!((&seen.body["n"], &seen.body["list"]), (&json!(3), &json!([1, 2])));
    let stored = shop.get(&path).await.body;
    assert_eq!((&stored["n"], &stored["o"]), (&json!(3), &json!({"a": {"b": 5}})));
    assert!(stored["createdAt"].is_string() && stored.get("ACL").is_none());
    assert_eq!(shop.delete(&path).await.body, json!({}));
    assert_eq!(shop.get(&path).await.status, 404);
    assert_eq!(shop.delete(&path).await.status, 404);
}

async fn wrong_values_are_refused_with_parse_s_numbers(shop: Shop) {
    let master = shop.as_master();
    master.post("/classes/Thing", json!({"n": 1, "at": {"__type": "GeoPoint", "latitude": 1, "longitude": 2}})).await;
    let refused = [
        (json!({"n": "text"}), 111),
        (json!({"objectId": "mine"}), 105),
        (json!({"a b": 1}), 105),
        (json!({"_rperm": ["*"]}), 105),
        (json!({"o": {"$a": 1}}), 121),
        (json!({"o": {"a.b": 1}}), 121),
        (json!({"o": {"a\u{0}b": 1}}), 121),
        (json!({"o": {"constructor": 1}}), 105),
        (json!({"d": {"__type": "Date", "iso": "yesterday"}}), 111),
        (json!({"d": {"__type": "Nonsense"}}), 111),
        (json!({"p": {"__type": "GeoPoint", "latitude": 1, "longitude": 2}}), 111),
        (json!({"ACL": "everyone"}), 123),
        (json!({"n": {"__op": "Nonsense"}}), 107),
    ];
    for (body, code) in refused {
        let seen = master.post("/classes/Thing", body.clone()).await;
        assert_eq!((seen.status, seen.code()), (400, code), "{body}");
    }
    assert_eq!(shop.get("/classes/Thing").await.results().len(), 1);
}

async fn queries_are_refused_with_parse_s_numbers(shop: Shop) {
    shop.post("/classes/Item", json!({"name": "hat"})).await;
    for (query, code) in [
        (r#"where={"a b":1}"#, 105),
        (r#"where={"name":{"$nope":1}}"#, 107),
        (r#"where={"name":{"$regex":"("}}"#, 102),
        ("where={", 107),
        ("nonsense=1", 102),
        (r#"where={"at":{"$nearSphere":1}}"#, 107),
    ] {
        let seen = shop.get(&format!("/classes/Item?{query}")).await;
        assert_eq!((seen.status, seen.code()), (400, code), "{query}");
    }
    let counted = shop.get("/classes/Item?count=1&limit=0").await;
    assert_eq!(counted.body, json!({"results": [], "count": 1}));
}

async fn credentials_are_checked(shop: Shop) {
    let unauthorized = json!({"error": "unauthorized"});
    let seen = shop.as_nobody().get("/classes/Item").await;
    assert_eq!((seen.status, seen.body), (403, unauthorized.clone()));
    let seen = shop.with_application("wrong").get("/classes/Item").await;
    assert_eq!((seen.status, seen.body), (403, unauthorized));
    let seen = shop.as_user("r:nonsense").get("/classes/Item").await;
    assert_eq!((seen.status, seen.body), (400, json!({"code": 209, "error": "Invalid session token"})));
    let seen = shop.get("/schemas").await;
    assert_eq!((seen.status, seen.body), (403, json!({"error": "Permission denied"})));
}

async fn the_server_tells_about_itself(shop: Shop) {
    let seen = shop.as_nobody().get("/health").await;
    assert_eq!((seen.status, seen.body), (200, json!({"status": "ok"})));
    assert_eq!(shop.get("/serverInfo").await.status, 403);
    assert!(shop.as_master().get("/serverInfo").await.body["features"].is_object());
    let seen = shop.get("/classes/Item").await;
    assert!(seen.headers.contains_key("x-request-id"));
    assert_eq!(seen.headers["access-control-allow-origin"], "*");
}

async fn what_is_not_there_yet_says_so(shop: Shop) {
    for path in ["/graphql-config"] {
        let seen = shop.as_master().post(path, json!({})).await;
        assert_eq!((seen.status, seen.code()), (400, 108), "{path}");
    }
    assert_eq!(shop.get("/nowhere").await.status, 404);
}
