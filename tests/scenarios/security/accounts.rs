//! Attacks on accounts: sessions of others, names that are taken, tokens that are used twice, what a login tells.

use futures::future::join_all;
use parsimony_testkit::{AccountOptions, App, Lockout, Options, Seen, StoreKind, Verification};
use serde_json::{Value, json};

use super::pointer;

crate::on_both_stores!(
    crate::security::accounts::open;
    ghsa_r3xq_68wh_gwvh_a_reset_token_is_used_once,
    ghsa_jc39_686j_wp6q_a_session_is_not_lengthened_by_its_owner,
    pull_10582_a_session_ends_nobody_else_s,
    pull_10213_only_the_reading_of_sessions_me_is_special,
    pull_10409_a_login_tells_what_the_user_may_read,
    pull_10408_an_upgraded_session_is_as_hidden_as_any,
    ghsa_w54v_hf9p_8856_every_address_is_answered_alike,
    ghsa_4m9m_p9j9_5hjw_a_closed_signup_tells_no_names,
    pull_10266_guesses_at_the_same_moment_are_all_counted,
);

fn options(options: &mut Options) {
    options.keys.maintenance_key = Some("maintenance".to_owned());
    options.accounts = AccountOptions {
        app_name: Some("Shop".to_owned()),
        public_url: Some("http://shop.example/parse".to_owned()),
        ..AccountOptions::default()
    };
}

async fn open(store: StoreKind) -> App {
    App::start_with(store, [], options).await
}

async fn sign_up(app: &App, name: &str) -> Seen {
    let body =
        json!({"username": name, "password": format!("password of {name}"), "email": format!("{name}@example.com")});
    app.post("/users", body).await
}

fn token(seen: &Seen) -> String {
    seen.body["sessionToken"].as_str().unwrap_or_default().to_owned()
}

async fn ghsa_r3xq_68wh_gwvh_a_reset_token_is_used_once(app: App) {
    sign_up(&app, "v").await;
    app.post("/requestPasswordReset", json!({"email": "v@example.com"})).await;
    let letter = app.mail().wait_for(1).await;
    let headers = [("X-Requested-With", "XMLHttpRequest")];
    let body =
        |number: usize| json!({"token": letter.token(), "new_password": format!("p{number}")}).to_string().into_bytes();
    let path = "/apps/scenarios/request_password_reset";
    let seen = join_all((0..20).map(|number| app.ask_raw("POST", path, &headers, body(number)))).await;
    let seen: Vec<Seen> = seen.into_iter().flatten().collect();
    assert_eq!(seen.iter().filter(|seen| seen.status == 200).count(), 1);
    let text = "Failed to reset password: username / email / token is invalid";
    assert_eq!(seen.iter().filter(|seen| seen.body == json!({"code": -1, "error": text})).count(), 19);
    let mut right = 0;
    for number in 0..20 {
        let body = json!({"username": "v", "password": format!("p{number}")});
        right += usize::from(app.post("/login", body).await.status == 200);
    }
    assert_eq!(right, 1);
    let kept = app.ask_raw("GET", "/users", &[("X-Parse-Maintenance-Key", "maintenance")], Vec::new()).await.unwrap();
    assert_eq!(kept.results()[0]["_perishable_token"], Value::Null);
}

async fn ghsa_jc39_686j_wp6q_a_session_is_not_lengthened_by_its_owner(app: App) {
    let mine = app.as_user(&token(&sign_up(&app, "v").await));
    let other = sign_up(&app, "other").await.id();
    let session = mine.get("/sessions/me").await;
    let later = json!({"__type": "Date", "iso": "2999-01-01T00:00:00.000Z"});
    for (field, value) in [
        ("expiresAt", later),
        ("createdWith", json!({"action": "login"})),
        ("sessionToken", json!("r:mine")),
        ("installationId", json!("other")),
        ("user", pointer("_User", &other)),
    ] {
        let seen = mine.put(&format!("/sessions/{}", session.id()), json!({field: value})).await;
        assert_eq!(seen.body, json!({"code": 105, "error": format!("Invalid key name: {field}")}));
    }
    assert_eq!(mine.get("/sessions/me").await.body["expiresAt"], session.body["expiresAt"]);
}

async fn pull_10582_a_session_ends_nobody_else_s(app: App) {
    let victim = sign_up(&app, "v").await;
    let device =
        json!({"username": "v", "password": "password of v", "_InstallationId": "I", "_ApplicationId": "scenarios"});
    let theirs = token(&app.as_nobody().post("/login", device).await);
    let attacker = app.as_user(&token(&sign_up(&app, "a").await));
    let body = json!({"user": pointer("_User", &victim.id()), "installationId": "I", "sessionToken": theirs});
    for path in ["/sessions", "/classes/_Session"] {
        let seen = attacker.post(path, body.clone()).await;
        assert_ne!(seen.body["user"]["objectId"], json!(victim.id()));
        assert_ne!(token(&seen), theirs);
    }
    assert_eq!(app.as_user(&theirs).get("/users/me").await.id(), victim.id());
}

async fn pull_10213_only_the_reading_of_sessions_me_is_special(app: App) {
    let bad = app.as_user("r:nobody");
    assert_eq!(bad.put("/sessions/me", json!({})).await.code(), 209);
    assert_eq!(bad.post("/sessions/me", json!({"_method": "PUT"})).await.code(), 209);
    assert_eq!(bad.delete("/sessions/me").await.code(), 209);
}

async fn pull_10409_a_login_tells_what_the_user_may_read(app: App) {
    let strict = app
        .beside([], |changed| {
            options(changed);
            changed.protected_fields_owner_exempt = false;
            let users = changed.protected_fields.values_mut().next().unwrap();
            users.insert("*".into(), vec!["phone".into()]);
        })
        .await
        .unwrap();
    let body = json!({"username": "v", "password": "x", "phone": "123"});
    let id = strict.as_master().post("/users", body).await.id();
    let body = json!({"username": "v", "password": "x"});
    let login = strict.post("/login", body.clone()).await;
    let read = strict.as_user(&token(&login)).get(&format!("/users/{id}")).await;
    for seen in [login, strict.post("/verifyPassword", body).await, read] {
        assert_eq!((seen.id(), &seen.body["phone"]), (id.clone(), &Value::Null), "{}", seen.body);
    }
}

async fn pull_10408_an_upgraded_session_is_as_hidden_as_any(app: App) {
    let strict = app
        .beside([], |changed| {
            options(changed);
            let session = parsimony_model::builtin::Builtin::Session.name();
            changed.protected_fields.insert(session, [("*".into(), vec!["createdWith".into()])].into_iter().collect());
        })
        .await
        .unwrap();
    let user = strict.as_user(&token(&sign_up(&strict, "v").await));
    let seen = user.post("/upgradeToRevocableSession", json!({})).await;
    assert!(token(&seen).starts_with("r:"), "{}", seen.body);
    assert_eq!(seen.body["createdWith"], Value::Null);
}

async fn ghsa_w54v_hf9p_8856_every_address_is_answered_alike(app: App) {
    let verifying = app
        .beside([], |changed| {
            options(changed);
            changed.accounts.verification = Verification { on: true, ..Verification::default() };
        })
        .await
        .unwrap();
    for name in ["verified", "waiting"] {
        sign_up(&verifying, name).await;
    }
    app.mail().wait_for(2).await;
    let letter = app.mail().letters().into_iter().find(|letter| letter.to == ["verified@example.com"]).unwrap();
    let path = format!("/apps/scenarios/verify_email?token={}", letter.token());
    assert_eq!(verifying.as_nobody().get(&path).await.status, 200);
    for name in ["nobody", "verified", "waiting"] {
        let seen = verifying.post("/verificationEmailRequest", json!({"email": format!("{name}@example.com")})).await;
        assert_eq!((seen.status, seen.body), (200, json!({})), "{name}");
    }
    assert_eq!(app.mail().wait_for(3).await.to, ["waiting@example.com"]);
}

async fn ghsa_4m9m_p9j9_5hjw_a_closed_signup_tells_no_names(app: App) {
    sign_up(&app, "v").await;
    let open = json!({"*": true});
    let permissions =
        json!({"create": {}, "get": open, "find": open, "update": open, "delete": open, "addField": open});
    let body = json!({"className": "_User", "classLevelPermissions": permissions});
    assert_eq!(app.as_master().put("/schemas/_User", body).await.status, 200);
    let tries = [("v", "new@example.com"), ("new", "v@example.com"), ("new", "new@example.com")];
    for (name, email) in tries {
        let seen = app.post("/users", json!({"username": name, "password": "x", "email": email})).await;
        assert_eq!(seen.body, json!({"code": 119, "error": "Permission denied"}), "{name} {email}");
    }
}

async fn pull_10266_guesses_at_the_same_moment_are_all_counted(app: App) {
    let closing = app
        .beside([], |changed| {
            options(changed);
            changed.accounts.lockout = Some(Lockout { threshold: 3, minutes: 5.0, opens_on_reset: false });
        })
        .await
        .unwrap();
    sign_up(&closing, "v").await;
    let guess = |_| closing.post("/login", json!({"username": "v", "password": "guess"}));
    let seen = join_all((0..50).map(guess)).await;
    assert_eq!(seen.iter().filter(|seen| seen.body["error"] == "Invalid username/password.").count(), 3);
    let right = closing.post("/login", json!({"username": "v", "password": "password of v"})).await;
    assert!(right.body["error"].as_str().unwrap().starts_with("Your account is locked"), "{}", right.body);
}
