//! Letters to users, new passwords by them, and what keeps guesses out.

use std::sync::Arc;

use futures::future::join_all;
use parsimony_model::clock::HandClock;
use parsimony_model::{ClassName, Clock, Filter, map};
use parsimony_store::{Change, Scope, Selection};
use parsimony_testkit::{AccountOptions, App, Lockout, Options, PasswordPolicy, Seen, StoreKind, Verification};
use serde_json::{Value, json};

crate::on_both_stores!(
    crate::accounts::place;
    an_address_is_verified_by_the_letter_that_went_there,
    a_forgotten_password_is_set_anew_once,
    of_many_who_bring_one_token_one_succeeds,
    of_many_who_take_one_name_one_succeeds,
    nobody_learns_who_has_an_account,
    guesses_close_the_account,
    a_password_has_to_be_good_enough,
    tokens_are_texts_and_pages_are_the_application_s_own,
    a_session_is_opened_for_somebody_or_in_the_place_of_an_old_one,
    a_session_in_use_goes_on,
    names_and_addresses_may_be_kept_in_small_letters,
    what_is_undone_writes_no_letter,
    cloud_code_writes_letters_and_may_forbid_them,
    a_letter_that_was_not_taken_is_sent_again,
);

const MINUTE: i64 = 60_000;

async fn place(kind: StoreKind) -> StoreKind {
    kind
}

fn accounts() -> AccountOptions {
    AccountOptions {
        app_name: Some("Shop".to_owned()),
        public_url: Some("http://shop.example/parse".to_owned()),
        ..AccountOptions::default()
    }
}

fn with(accounts: AccountOptions) -> impl FnOnce(&mut Options) {
    |options| {
        options.accounts = accounts;
        options.keys.maintenance_key = Some("maintenance".to_owned());
    }
}

async fn start(kind: StoreKind, accounts: AccountOptions) -> (App, Arc<HandClock>) {
    let clock = Arc::new(HandClock::default());
    let app = App::start_by(Arc::clone(&clock) as Arc<dyn Clock>, kind, [], with(accounts)).await;
    (app, clock)
}

async fn sign_up(app: &App, name: &str) -> Seen {
    let body =
        json!({"username": name, "password": format!("password of {name}"), "email": format!("{name}@example.com")});
    app.post("/users", body).await
}

async fn ask_for_reset(app: &App, email: &str) -> Seen {
    app.post("/requestPasswordReset", json!({"email": email})).await
}

/// Sets a new password as a script on a page does.
async fn reset(app: &App, token: &Value, password: &str) -> Seen {
    let body = json!({"token": token, "new_password": password}).to_string().into_bytes();
    let headers = [("X-Requested-With", "XMLHttpRequest")];
    app.ask_raw("POST", "/apps/scenarios/request_password_reset", &headers, body).await.unwrap()
}

async fn page(app: &App, path: &str) -> String {
    let answer = app.as_nobody().begin(reqwest::Method::GET, path, None).await;
    assert_eq!(answer.status().as_u16(), 200, "{path}");
    assert_eq!(answer.headers()["referrer-policy"], "no-referrer");
    answer.text().await.unwrap()
}

async fn log_in(app: &App, name: &str, password: &str) -> Seen {
    app.post("/login", json!({"username": name, "password": password})).await
}

async fn an_address_is_verified_by_the_letter_that_went_there(kind: StoreKind) {
    let verification =
        Verification { on: true, before_login: true, token_millis: Some(10 * MINUTE), ..Verification::default() };
    let (app, clock) = start(kind, AccountOptions { verification, ..accounts() }).await;
    let seen = sign_up(&app, "ann").await;
    assert_eq!((seen.status, &seen.body["sessionToken"]), (201, &Value::Null));
    let first = app.mail().wait_for(1).await;
    assert_eq!(
        (first.to.as_slice(), first.subject.as_str()),
        (&["ann@example.com".to_owned()][..], "Please verify your e-mail for Shop")
    );
    assert!(first.link().starts_with("http://shop.example/parse/apps/scenarios/verify_email?token="), "{first:?}");
    assert_eq!(first.token().len(), 25);
    let refused = log_in(&app, "ann", "password of ann").await;
    assert_eq!((refused.code(), &refused.body["error"]), (205, &json!("User email is not verified.")));
    // Another letter makes the first one worthless.
    assert_eq!(app.post("/verificationEmailRequest", json!({"email": "ann@example.com"})).await.body, json!({}));
    let second = app.mail().wait_for(2).await;
    assert!(
        page(&app, &format!("/apps/scenarios/verify_email?token={}", first.token())).await.contains("does not work")
    );
    clock.advance_millis(11 * MINUTE);
    assert!(
        page(&app, &format!("/apps/scenarios/verify_email?token={}", second.token())).await.contains("does not work")
    );
    let again = json!({"username": "ann"}).to_string().into_bytes();
    app.as_nobody().ask_raw("POST", "/apps/scenarios/resend_verification_email", &[], again).await;
    let third = app.mail().wait_for(3).await;
    let path = format!("/apps/scenarios/verify_email?token={}", third.token());
    assert!(page(&app, &path).await.contains("is verified"));
    assert!(page(&app, &path).await.contains("does not work"));
    let user = log_in(&app, "ann", "password of ann").await;
    assert_eq!((user.status, &user.body["emailVerified"]), (200, &json!(true)));
    // Who is verified gets no more letters; a new address begins anew.
    app.post("/verificationEmailRequest", json!({"email": "ann@example.com"})).await;
    let token = user.body["sessionToken"].as_str().unwrap();
    app.as_user(token).put(&format!("/users/{}", user.id()), json!({"email": "new@example.com"})).await;
    assert_eq!(app.mail().wait_for(4).await.to, ["new@example.com"]);
    assert_eq!(log_in(&app, "ann", "password of ann").await.code(), 205);
}

async fn a_forgotten_password_is_set_anew_once(kind: StoreKind) {
    let policy = PasswordPolicy { reset_millis: Some(10 * MINUTE), ..PasswordPolicy::default() };
    let (app, clock) = start(kind, AccountOptions { policy, ..accounts() }).await;
    let session = sign_up(&app, "ann").await.body["sessionToken"].as_str().unwrap().to_owned();
    assert_eq!(ask_for_reset(&app, "ann@example.com").await.body, json!({}));
    let old = app.mail().wait_for(1).await;
    assert_eq!(old.subject, "Password Reset for Shop");
    clock.advance_millis(11 * MINUTE);
    let expired = reset(&app, &json!(old.token()), "new").await;
    assert_eq!(expired.body, json!({"code": -1, "error": "The password reset link has expired"}));
    // An expired token says who wants another one.
    app.post("/requestPasswordReset", json!({"token": old.token()})).await;
    let letter = app.mail().wait_for(2).await;
    let form = page(&app, &format!("/apps/scenarios/request_password_reset?token={}", letter.token())).await;
    assert!(form.contains(&format!("value=\"{}\"", letter.token())), "{form}");
    assert_eq!(reset(&app, &json!(letter.token()), "new").await.body, json!("Password successfully reset"));
    assert_eq!(app.as_user(&session).get("/users/me").await.code(), 209);
    assert_eq!(log_in(&app, "ann", "password of ann").await.code(), 101);
    assert_eq!(log_in(&app, "ann", "new").await.status, 200);
    let used = reset(&app, &json!(letter.token()), "newer").await;
    let text = "Failed to reset password: username / email / token is invalid";
    assert_eq!((used.status, used.body), (400, json!({"code": -1, "error": text})));
    // A new address makes the letter that went to the old one worthless.
    ask_for_reset(&app, "ann@example.com").await;
    let letter = app.mail().wait_for(3).await;
    let ann = log_in(&app, "ann", "new").await;
    let token = ann.body["sessionToken"].as_str().unwrap();
    app.as_user(token).put(&format!("/users/{}", ann.id()), json!({"email": "else@example.com"})).await;
    assert_eq!(reset(&app, &json!(letter.token()), "newest").await.code(), -1);
}

async fn of_many_who_bring_one_token_one_succeeds(kind: StoreKind) {
    let (app, _) = start(kind, accounts()).await;
    let other = app.beside([], with(accounts())).await.unwrap();
    sign_up(&app, "ann").await;
    for round in 1..=2 {
        ask_for_reset(&app, "ann@example.com").await;
        let token = json!(app.mail().wait_for(round).await.token());
        let passwords: Vec<String> = (0..32).map(|number| format!("{round} {number}")).collect();
        let tries = passwords.iter().enumerate().map(|(number, password)| {
            // First on one server, then on two.
            let server = if round == 2 && number % 2 == 1 { &other } else { &app };
            let token = &token;
            async move { (reset(server, token, password).await.status == 200).then_some(password) }
        });
        let winners: Vec<&String> = join_all(tries).await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "round {round}");
        for password in &passwords {
            assert_eq!(log_in(&app, "ann", password).await.status == 200, password == winners[0]);
        }
    }
}

async fn of_many_who_take_one_name_one_succeeds(kind: StoreKind) {
    let (app, _) = start(kind, accounts()).await;
    let other = app.beside([], with(accounts())).await.unwrap();
    for round in 1..=2 {
        let tries = (0..32).map(|number| {
            let server = if round == 2 && number % 2 == 1 { &other } else { &app };
            server.post("/users", json!({"username": format!("ann{round}"), "password": "x"}))
        });
        let seen = join_all(tries).await;
        assert_eq!(seen.iter().filter(|seen| seen.status == 201).count(), 1, "round {round}");
        assert_eq!(seen.iter().filter(|seen| seen.code() == 202).count(), 31, "round {round}");
    }
    assert_eq!(app.as_master().get("/users").await.results().len(), 2);
}

async fn nobody_learns_who_has_an_account(kind: StoreKind) {
    let verification = Verification { on: true, sends: true, ..Verification::default() };
    let (app, _) = start(kind, AccountOptions { verification, ..accounts() }).await;
    sign_up(&app, "ann").await;
    let letter = app.mail().wait_for(1).await;
    sign_up(&app, "ben").await;
    app.mail().wait_for(2).await;
    page(&app, &format!("/apps/scenarios/verify_email?token={}", letter.token())).await;
    for path in ["/requestPasswordReset", "/verificationEmailRequest"] {
        for email in ["ann@example.com", "ben@example.com", "nobody@example.com"] {
            let seen = app.post(path, json!({"email": email})).await;
            assert_eq!((seen.status, seen.body), (200, json!({})), "{path} {email}");
        }
        for (body, code) in [(json!({}), 204), (json!({"email": 1}), 125), (json!({"email": {"$ne": 1}}), 125)] {
            assert_eq!(app.post(path, body.clone()).await.code(), code, "{path} {body}");
        }
    }
    // Two resets, one verification of who is not verified yet, and nothing for nobody.
    app.mail().wait_for(5).await;
    assert!(app.mail().letters().iter().all(|letter| letter.to != ["nobody@example.com"]));
    // Where that is wanted, it is told.
    let policy = PasswordPolicy { hides_unknown: false, ..PasswordPolicy::default() };
    let verification = Verification { on: true, hides_unknown: false, ..Verification::default() };
    let telling = app.beside([], with(AccountOptions { policy, verification, ..accounts() })).await.unwrap();
    let seen = ask_for_reset(&telling, "nobody@example.com").await;
    assert_eq!(seen.body, json!({"code": 101, "error": "A user with that email does not exist."}));
    for (email, code) in [("nobody@example.com", 205), ("ann@example.com", -1)] {
        assert_eq!(telling.post("/verificationEmailRequest", json!({"email": email})).await.code(), code);
    }
}

async fn guesses_close_the_account(kind: StoreKind) {
    let lockout = Some(Lockout { threshold: 3, minutes: 5.0, opens_on_reset: true });
    let (app, clock) = start(kind, AccountOptions { lockout, ..accounts() }).await;
    let other = app.beside([], with(AccountOptions { lockout, ..accounts() })).await.unwrap();
    let locked = "Your account is locked due to multiple failed login attempts. Please try again after 5 minute(s)";
    sign_up(&app, "ann").await;
    for wrong in 0..2 {
        assert_eq!(log_in(&app, "ann", "wrong").await.body["error"], "Invalid username/password.", "{wrong}");
    }
    // Who remembers it in time begins anew.
    assert_eq!(log_in(&app, "ann", "password of ann").await.status, 200);
    let tries = (0..32).map(|number| log_in(if number % 2 == 0 { &app } else { &other }, "ann", "wrong"));
    let seen = join_all(tries).await;
    let told = |text: &str| seen.iter().filter(|seen| seen.body["error"] == text).count();
    assert_eq!((told("Invalid username/password."), told(locked)), (3, 29));
    for server in [&app, &other] {
        assert_eq!(log_in(server, "ann", "password of ann").await.body["error"], locked);
        let seen = server.post("/verifyPassword", json!({"username": "ann", "password": "password of ann"})).await;
        assert_eq!(seen.body["error"], locked);
    }
    clock.advance_millis(5 * MINUTE + 1);
    // After the time, one more wrong guess closes it again.
    assert_eq!(log_in(&app, "ann", "wrong").await.body["error"], locked);
    assert_eq!(log_in(&app, "ann", "password of ann").await.body["error"], locked);
    ask_for_reset(&app, "ann@example.com").await;
    let letter = app.mail().wait_for(1).await;
    reset(&app, &json!(letter.token()), "new").await;
    assert_eq!(log_in(&app, "ann", "new").await.status, 200);
}

async fn a_password_has_to_be_good_enough(kind: StoreKind) {
    let policy = PasswordPolicy {
        pattern: fancy_regex::Regex::new("^(?=.*[0-9]).{4,}").ok(),
        refuses_username: true,
        history: 2,
        age_millis_max: Some(10 * MINUTE),
        ..PasswordPolicy::default()
    };
    let (app, clock) = start(kind, AccountOptions { policy, ..accounts() }).await;
    for (password, text) in [
        ("none", "Password does not meet the Password Policy requirements."),
        ("1ann2", "Password cannot contain your username."),
    ] {
        let seen = app.post("/users", json!({"username": "ann", "password": password})).await;
        assert_eq!(seen.body, json!({"code": 142, "error": text}));
    }
    let seen = app.post("/users", json!({"username": "ann", "password": "first1"})).await;
    let (id, mut token) = (seen.id(), seen.body["sessionToken"].as_str().unwrap().to_owned());
    let path = format!("/users/{id}");
    let repeated = "New password should not be the same as last 2 passwords.";
    for (password, text) in [
        ("first1", Some(repeated)),
        ("second2", None),
        ("second2", Some(repeated)),
        ("first1", Some(repeated)),
        ("third3", None),
        ("xann4", Some("Password cannot contain your username.")),
        ("first1", None),
    ] {
        let seen = app.as_user(&token).put(&path, json!({"password": password})).await;
        assert_eq!(seen.body["error"].as_str(), text, "{password}");
        if let Some(new) = seen.body["sessionToken"].as_str() {
            new.clone_into(&mut token);
        }
    }
    // Nobody finds out by this what somebody else's password was.
    let bob = app.post("/users", json!({"username": "bob", "password": "word1"})).await;
    let stranger = bob.body["sessionToken"].as_str().unwrap().to_owned();
    let right = app.as_user(&stranger).put(&path, json!({"password": "first1"})).await;
    let wrong = app.as_user(&stranger).put(&path, json!({"password": "other1"})).await;
    assert_eq!((right.code(), &right.body), (206, &wrong.body));
    assert_eq!(log_in(&app, "ann", "first1").await.status, 200);
    clock.advance_millis(10 * MINUTE + 1);
    let text = "Your password has expired. Please reset your password.";
    assert_eq!(log_in(&app, "ann", "first1").await.body, json!({"code": 101, "error": text}));
    // Nothing of all that is seen by anybody.
    let seen = app.as_master().get(&path).await;
    assert!(!seen.body.to_string().contains("_password"), "{}", seen.body);
}

async fn tokens_are_texts_and_pages_are_the_application_s_own(kind: StoreKind) {
    let verification = Verification { on: true, ..Verification::default() };
    let (app, _) = start(kind, AccountOptions { verification, ..accounts() }).await;
    sign_up(&app, "ann").await;
    ask_for_reset(&app, "ann@example.com").await;
    app.mail().wait_for(2).await;
    for token in [json!({"$ne": null}), json!({"$regex": ""}), json!(["a"]), json!(1), json!(true)] {
        assert_eq!(reset(&app, &token, "new").await.body["error"], "Missing token", "{token}");
        let seen = app.post("/requestPasswordReset", json!({"token": token})).await;
        assert_eq!((seen.status, seen.code()), (400, 162), "{token}");
    }
    for path in [
        "/apps/scenarios/request_password_reset?token[$regex]=.",
        "/apps/scenarios/verify_email?token[$ne]=x",
        "/apps/scenarios/verify_email",
        "/apps/scenarios/request_password_reset?token=nope",
    ] {
        assert!(page(&app, path).await.contains("does not work"), "{path}");
    }
    assert_eq!(log_in(&app, "ann", "password of ann").await.body["emailVerified"], false);
    for path in
        ["/apps/other/verify_email?token=x", "/apps/choose_password?appId=other", "/apps/other/request_password_reset"]
    {
        let seen = app.as_nobody().get(path).await;
        assert_eq!((seen.status, seen.body), (403, json!({"error": "unauthorized"})), "{path}");
    }
    for path in [
        "/apps/../../etc/passwd",
        "/apps/..%2f..%2fetc%2fpasswd",
        "/apps/nope.html",
        "/apps/x.css",
        "/apps/de/de/password_reset.html",
    ] {
        assert_eq!(app.as_nobody().get(path).await.status, 404, "{path}");
    }
    let text = page(&app, "/apps/password_reset.html?error=%3Cscript%3E&token=%22x").await;
    assert!(!text.contains("<script>") && !text.contains("\"\"x"), "{text}");
}

async fn a_session_is_opened_for_somebody_or_in_the_place_of_an_old_one(kind: StoreKind) {
    let (app, clock) = start(kind, accounts()).await;
    let id = sign_up(&app, "ann").await.id();
    let master = app.as_master();
    assert_eq!(app.post("/loginAs", json!({"userId": id})).await.code(), 119);
    for (body, code) in [
        (json!({}), 162),
        (json!({"userId": ""}), 162),
        (json!({"userId": "nobody"}), 101),
        (json!({"userId": {"$ne": 1}}), 101),
    ] {
        assert_eq!(master.post("/loginAs", body.clone()).await.code(), code, "{body}");
    }
    let seen = master.post("/loginAs", json!({"userId": id})).await;
    let token = seen.body["sessionToken"].as_str().unwrap();
    let session = app.as_user(token).get("/sessions/me").await;
    assert_eq!(session.body["createdWith"], json!({"action": "login", "authProvider": "masterkey"}));
    // A token of the time before there were sessions.
    let class = app.store().class(&ClassName::parse("_User").unwrap()).await.unwrap().unwrap();
    let selection = Selection::new(Arc::new(class), Filter::equals("username", "ann"), Scope::Everything);
    let update = map! { "_session_token" => "legacy" }.into_iter();
    let update = update.map(|(field, value)| (field, parsimony_model::Op::Set(value))).collect();
    app.store().update(&selection, &Change { update, acl: None, updated_at: clock.now() }).await.unwrap();
    assert_eq!(app.as_user("legacy").get("/users/me").await.code(), 209);
    let seen = app.as_user("legacy").post("/upgradeToRevocableSession", json!({})).await;
    assert_eq!(seen.body["createdWith"], json!({"action": "upgrade"}), "{}", seen.body);
    let token = seen.body["sessionToken"].as_str().unwrap();
    assert_eq!(app.as_user(token).get("/users/me").await.id(), id);
    let again = app.as_user("legacy").post("/upgradeToRevocableSession", json!({})).await;
    assert_eq!(again.body, json!({"code": 209, "error": "invalid legacy session token"}));
    assert_eq!(app.post("/upgradeToRevocableSession", json!({})).await.body["error"], "invalid session");
}

async fn a_session_in_use_goes_on(kind: StoreKind) {
    let clock = Arc::new(HandClock::default());
    let change = |options: &mut Options| {
        options.accounts = AccountOptions { extends_sessions: true, ..accounts() };
        options.session_seconds = 600;
    };
    let app = App::start_by(Arc::clone(&clock) as Arc<dyn Clock>, kind, [], change).await;
    let token = sign_up(&app, "ann").await.body["sessionToken"].as_str().unwrap().to_owned();
    let me = app.as_user(&token);
    let first = me.get("/sessions/me").await.body["expiresAt"].clone();
    clock.advance_millis(4 * MINUTE);
    assert_eq!(me.get("/sessions/me").await.body["expiresAt"], first);
    clock.advance_millis(2 * MINUTE);
    let second = me.get("/sessions/me").await.body["expiresAt"].clone();
    assert_ne!(second, first);
    clock.advance_millis(8 * MINUTE);
    assert_eq!(me.get("/users/me").await.status, 200);
    clock.advance_millis(10 * MINUTE + 1);
    assert_eq!(me.get("/users/me").await.body["error"], "Session token is expired.");
}

async fn names_and_addresses_may_be_kept_in_small_letters(kind: StoreKind) {
    let options = AccountOptions { lowercases_email: true, lowercases_username: true, ..accounts() };
    let (app, _) = start(kind, options).await;
    let id = app.post("/users", json!({"username": "Ann", "password": "x", "email": "Ann@Example.com"})).await.id();
    let master = app.as_master();
    let seen = master.get(&format!("/users/{id}")).await;
    assert_eq!((&seen.body["username"], &seen.body["email"]), (&json!("ann"), &json!("ann@example.com")));
    for body in [json!({"username": "ANN", "password": "x"}), json!({"email": "ANN@example.com", "password": "x"})] {
        assert_eq!(app.post("/login", body).await.id(), id);
    }
    let found = master.get(r#"/users?where={"email":"ANN@EXAMPLE.COM","username":"aNN"}"#).await;
    assert_eq!(found.results().len(), 1);
    ask_for_reset(&app, "ANN@example.com").await;
    assert_eq!(app.mail().wait_for(1).await.to, ["ann@example.com"]);
}

async fn what_is_undone_writes_no_letter(kind: StoreKind) {
    let verification = Verification { on: true, ..Verification::default() };
    let (app, _) = start(kind, AccountOptions { verification, ..accounts() }).await;
    // The class has to be there before a transaction can use it.
    sign_up(&app, "first").await;
    app.mail().wait_for(1).await;
    let user = |name: &str| {
        let body = json!({"username": name, "password": "x", "email": format!("{name}@example.com")});
        json!({"method": "POST", "path": "/parse/users", "body": body})
    };
    let batch = json!({"transaction": true, "requests": [user("gone"), user("FIRST")]});
    assert_eq!(app.as_master().post("/batch", batch).await.status, 400);
    let batch = json!({"transaction": true, "requests": [user("kept")]});
    app.as_master().post("/batch", batch).await;
    app.mail().wait_for(2).await;
    let to: Vec<String> = app.mail().letters().into_iter().flat_map(|letter| letter.to).collect();
    assert_eq!(to, ["first@example.com", "kept@example.com"]);
}

async fn cloud_code_writes_letters_and_may_forbid_them(kind: StoreKind) {
    use parsimony_cloud::{Application, BeforePasswordResetRequest, Email, Request, Rules};
    use parsimony_model::{ErrorCode, Map, ParseError};

    async fn greet(request: Request<Map>) -> Result<bool, ParseError> {
        let host = request.origin.host.clone();
        host.send_email(Email::plain("cara@example.com", "Hello", "from cloud code")).await?;
        let inside =
            host.transaction(
                |host| async move { host.send_email(Email::plain("cara@example.com", "Never", "said")).await },
            );
        Ok(inside.await.is_err())
    }
    async fn forbid(request: BeforePasswordResetRequest) -> Result<(), ParseError> {
        assert!(request.user.fields.keys().all(|field| !field.starts_with('_')));
        if request.user.text("username") == Some("ann") {
            return Err(ParseError::new(ErrorCode::ScriptFailed, "Not by mail."));
        }
        Ok(())
    }
    let cloud = Application::new("cloud").define("greet", Rules::none(), greet).before_password_reset_request(forbid);
    let app = App::start_with(kind, [cloud], with(accounts())).await;
    sign_up(&app, "ann").await;
    sign_up(&app, "ben").await;
    assert_eq!(ask_for_reset(&app, "ann@example.com").await.body, json!({"code": 141, "error": "Not by mail."}));
    assert_eq!(ask_for_reset(&app, "ben@example.com").await.status, 200);
    assert_eq!(app.mail().wait_for(1).await.to, ["ben@example.com"]);
    assert_eq!(app.post("/functions/greet", json!({})).await.body, json!({"result": true}));
    let letter = app.mail().wait_for(2).await;
    assert_eq!((letter.subject.as_str(), letter.text.trim()), ("Hello", "from cloud code"));
}

async fn a_letter_that_was_not_taken_is_sent_again(kind: StoreKind) {
    let verification = Verification { on: true, ..Verification::default() };
    let options = |options: &mut Options| {
        options.accounts = AccountOptions { verification, ..accounts() };
        options.limits.mail_attempts_max = 3;
        options.limits.mail_pause = std::time::Duration::from_millis(5);
    };
    let app = App::start_with(kind, [], options).await;
    // Two that come right, then one of each kind that does not.
    app.mail().refuse(&["451 later", "421 the server is busy"]);
    assert_eq!(sign_up(&app, "ann").await.status, 201);
    assert_eq!(app.mail().wait_for(1).await.to, ["ann@example.com"]);
    app.mail().refuse(&["550 no such person"]);
    assert_eq!(sign_up(&app, "bob").await.status, 201);
    app.mail().wait_for_refusals().await;
    app.mail().refuse(&["451 later", "451 later", "451 later"]);
    assert_eq!(sign_up(&app, "carl").await.status, 201);
    app.mail().wait_for_refusals().await;
    assert_eq!(sign_up(&app, "dora").await.status, 201);
    assert_eq!(app.mail().wait_for(2).await.to, ["dora@example.com"]);
    assert_eq!(app.mail().letters().len(), 2);
}
