//! People, their sessions, and what nobody else may know of them.

use serde_json::json;

use crate::shop::Shop;

crate::on_both_stores!(
    a_signup_opens_a_session,
    a_signup_is_refused_with_parse_s_numbers,
    a_login_tells_nothing_to_those_who_guess,
    a_new_password_ends_old_sessions,
    users_change_themselves_only,
    sessions_are_seen_by_their_owner_only,
    sessions_are_changed_by_their_owner_only,
    what_is_secret_is_never_answered,
);

async fn a_signup_opens_a_session(shop: Shop) {
    let seen = shop.post("/users", json!({"username": "ann", "password": "secret", "email": "ann@example.com"})).await;
    assert_eq!(seen.status, 201);
    let (id, token) = (seen.id(), seen.body["sessionToken"].as_str().unwrap().to_owned());
    assert!(token.starts_with("r:") && token.len() == 34);
    let me = shop.as_user(&token).get("/users/me").await;
    assert_eq!((&me.body["objectId"], &me.body["email"]), (&json!(id), &json!("ann@example.com")));
    assert_eq!(me.body["ACL"], json!({id: {"read": true, "write": true}}));
    assert_eq!(shop.as_user(&token).post("/logout", json!({})).await.body, json!({}));
    let seen = shop.as_user(&token).get("/users/me").await;
    assert_eq!((seen.status, seen.code()), (400, 209));
}

async fn a_signup_is_refused_with_parse_s_numbers(shop: Shop) {
    shop.post("/users", json!({"username": "ann", "password": "x", "email": "ann@example.com"})).await;
    for (body, code) in [
        (json!({"password": "x"}), 200),
        (json!({"username": "", "password": "x"}), 200),
        (json!({"username": 1, "password": "x"}), 200),
        (json!({"username": "bob"}), 201),
        (json!({"username": "ann", "password": "x"}), 202),
        (json!({"username": "ANN", "password": "x"}), 202),
        (json!({"username": "bob", "password": "x", "email": "ANN@example.com"}), 203),
        (json!({"username": "bob", "password": "x", "email": "nowhere"}), 125),
        (json!({"username": "bob", "password": "x", "emailVerified": true}), 119),
        (json!({"username": "bob", "password": "x", "authData": {"nobody": {"id": "1"}}}), 252),
        (json!({"username": "bob", "password": "x", "_hashed_password": "x"}), 105),
    ] {
        let seen = shop.post("/users", body.clone()).await;
        assert_eq!((seen.status, seen.code()), (400, code), "{body}");
    }
    assert_eq!(shop.as_master().get("/users").await.results().len(), 1);
}

async fn a_login_tells_nothing_to_those_who_guess(shop: Shop) {
    shop.sign_up("ann").await;
    let wrong = json!({"code": 101, "error": "Invalid username/password."});
    for body in [
        json!({"username": "ann", "password": "wrong"}),
        json!({"username": "nobody", "password": "wrong"}),
        json!({"username": {"$ne": null}, "password": "wrong"}),
        json!({"username": "ann", "password": {"$regex": ""}}),
    ] {
        let seen = shop.post("/login", body).await;
        assert_eq!((seen.status, seen.body), (404, wrong.clone()));
    }
    assert_eq!(shop.post("/login", json!({"password": "x"})).await.code(), 200);
    assert_eq!(shop.post("/login", json!({"username": "ann"})).await.code(), 201);
    let seen = shop.get("/login?username=ann&password=password of ann").await;
    assert_eq!((seen.status, &seen.body["username"]), (200, &json!("ann")));
    assert!(seen.body["sessionToken"].is_string());
}

async fn a_new_password_ends_old_sessions(shop: Shop) {
    let (id, first) = shop.sign_up("ann").await;
    let second = shop.log_in("ann", "password of ann").await;
    let path = format!("/users/{id}");
    let seen = shop.as_user(&first).put(&path, json!({"password": "new"})).await;
    let third = seen.body["sessionToken"].as_str().unwrap().to_owned();
    for (token, status) in [(&first, 400), (&second, 400), (&third, 200)] {
        assert_eq!(shop.as_user(token).get("/users/me").await.status, status);
    }
    assert_eq!(shop.post("/login", json!({"username": "ann", "password": "password of ann"})).await.status, 404);
    shop.log_in("ann", "new").await;
}

async fn users_change_themselves_only(shop: Shop) {
    let (ann, _) = shop.sign_up("ann").await;
    let (bob, token) = shop.sign_up("bob").await;
    let denied = json!({"code": 206, "error": "Permission denied"});
    let path = format!("/users/{ann}");
    assert_eq!(shop.put(&path, json!({"nick": "x"})).await.body, denied);
    assert_eq!(shop.as_user(&token).put(&path, json!({"nick": "x"})).await.body, denied);
    assert_eq!(shop.as_user(&token).put("/users/nobody", json!({"nick": "x"})).await.body, denied);
    assert_eq!(shop.as_user(&token).put(&format!("/users/{bob}"), json!({"nick": "x"})).await.status, 200);
    assert_eq!(shop.as_master().put(&path, json!({"nick": "x"})).await.status, 200);
    assert_eq!(shop.delete(&path).await.code(), 206);
    assert_eq!(shop.as_user(&token).delete(&path).await.body, denied);
}

async fn sessions_are_seen_by_their_owner_only(shop: Shop) {
    let (_, ann) = shop.sign_up("ann").await;
    let (_, bob) = shop.sign_up("bob").await;
    let own = shop.as_user(&ann).get("/sessions").await;
    assert_eq!(own.results().len(), 1);
    assert_eq!(own.results()[0]["createdWith"], json!({"action": "signup", "authProvider": "password"}));
    let path = format!("/sessions/{}", own.results()[0]["objectId"].as_str().unwrap());
    assert_eq!(shop.as_user(&bob).get(&path).await.status, 404);
    assert_eq!(shop.as_user(&bob).delete(&path).await.status, 404);
    assert_eq!((shop.get("/sessions").await.status, shop.get("/sessions").await.code()), (400, 209));
    for body in [json!({"sessionToken": "r:x"}), json!({"expiresAt": null}), json!({"ACL": {}})] {
        assert_eq!(shop.as_user(&ann).put(&path, body.clone()).await.code(), 105, "{body}");
    }
    assert_eq!(shop.as_user(&ann).get("/sessions/me").await.status, 200);
    assert_eq!(shop.as_user(&ann).delete(&path).await.status, 200);
    assert_eq!(shop.as_user(&ann).get("/sessions/me").await.code(), 209);
}

async fn sessions_are_changed_by_their_owner_only(shop: Shop) {
    let (ann_id, ann) = shop.sign_up("ann").await;
    let (_, eve) = shop.sign_up("eve").await;
    let id = shop.as_user(&ann).get("/sessions/me").await.id();
    let path = format!("/sessions/{id}");
    let pointer = |id: &str| json!({"__type": "Pointer", "className": "_User", "objectId": id});
    let eve_id = shop.as_user(&eve).get("/users/me").await.id();
    for body in [json!({}), json!({"user": pointer(&eve_id)}), json!({"restricted": true})] {
        let seen = shop.as_user(&eve).put(&path, body.clone()).await;
        assert_eq!((seen.status, seen.body), (404, json!({"code": 101, "error": "Object not found."})), "{body}");
        assert_eq!(shop.put(&path, body).await.code(), 209);
    }
    assert_eq!(shop.as_user(&ann).put(&path, json!({})).await.status, 200);
    let fixed = ["expiresAt", "createdWith", "sessionToken", "installationId", "user"];
    let fixed = fixed.map(|field| json!({field: pointer(&eve_id)})).into_iter();
    for body in fixed.chain([json!({"ACL": {"*": {"read": true}}})]) {
        let seen = shop.as_user(&ann).put(&path, body.clone()).await;
        assert_eq!(seen.code(), 105, "{body}");
    }
    assert_eq!(shop.as_user(&ann).get("/sessions/me").await.body["user"]["objectId"], json!(ann_id));
}

async fn what_is_secret_is_never_answered(shop: Shop) {
    let (id, token) = shop.sign_up("ann").await;
    for seen in [
        shop.as_user(&token).get("/users/me").await,
        shop.as_master().get(&format!("/users/{id}")).await,
        shop.as_master().get("/users").await,
        shop.as_master().get("/classes/_User").await,
    ] {
        let text = seen.body.to_string();
        assert!(!text.contains("password") && !text.contains("$2"), "{text}");
    }
    // A client cannot ask by what it cannot see.
    for key in ["_hashed_password", "password"] {
        let seen = shop.get(&format!(r#"/users?where={{"{key}":{{"$regex":"^."}}}}"#)).await;
        assert!(seen.status >= 400 || seen.results().is_empty(), "{key}: {}", seen.body);
    }
}
