//! Who else vouches for somebody: signups, logins and links by `authData`, with adapters of an application.

use std::sync::Arc;

use futures::future::join_all;
use parking_lot::Mutex;
use parsimony_cloud::auth::{AuthAdapter, AuthPolicy, AuthRequest, Validated};
use parsimony_cloud::{Application, BeforeLogin, BeforeSave, ErrorCode, ParseError, Pending};
use parsimony_model::value::Map;
use parsimony_model::{Value as Parsed, map};
use parsimony_testkit::{App, Lockout, StoreKind};
use serde_json::{Value, json};

crate::on_both_stores!(
    crate::auth::open;
    whoever_is_not_known_signs_up_and_whoever_is_logs_in,
    ghsa_pfj7_wv7c_22pr_a_login_proves_everything,
    what_is_nothing_is_refused_as_parse_does,
    ghsa_5fw2_8jcv_xh87_an_id_is_text,
    a_provider_is_linked_and_unlinked,
    ghsa_8w3j_g983_8jh5_who_may_not_change_a_user_learns_nothing,
    anonymous_users_become_somebody,
    an_additional_provider_is_needed_too,
    a_wrong_second_factor_is_a_guess,
    an_adapter_says_what_is_kept_and_told,
    steps_follow_who_asks_and_what_is_there,
    a_code_is_exchanged_before_anybody_is_looked_up,
    ghsa_mr43_w6c2_mvjq_a_login_by_password_adds_no_foreign_identity,
    pull_10224_a_challenge_needs_forms_and_proof,
    only_what_changed_is_written,
    a_login_by_a_provider_runs_its_hook_and_no_other,
    a_hook_cannot_take_an_id_of_another,
    an_adapter_that_panics_fails_that_request,
    one_signup_of_many_wins,
    one_link_of_many_wins,
);

/// What the adapters were asked.
type Asked = Arc<Mutex<Vec<String>>>;

/// Believes the token `of ID`.
#[derive(Clone, Default)]
struct Vouch {
    policy: AuthPolicy,
    asked: Asked,
}

impl Vouch {
    fn check(&self, step: &str, data: &Map, request: &AuthRequest) -> Result<Validated, ParseError> {
        self.asked.lock().push(format!("{step} {}", request.provider));
        let text = |key: &str| data.get(key).and_then(Parsed::as_str).unwrap_or_default();
        assert!(text("id") != "panic", "as asked");
        if data.contains_key("unsaved") {
            return Ok(Validated::unsaved().respond("not kept"));
        }
        if text("token") != format!("of {}", text("id")) {
            return Err(ParseError::new(ErrorCode::ObjectNotFound, "not validated"));
        }
        if data.contains_key("less") {
            return Ok(Validated::save(map! { "id" => text("id") }).respond(map! { "kept" => "less" }));
        }
        Ok(Validated::as_sent())
    }
}

impl AuthAdapter for Vouch {
    fn policy<'a>(&'a self, _stored: &'a Map, _request: &'a AuthRequest) -> Pending<'a, AuthPolicy> {
        Box::pin(async { Ok(self.policy) })
    }

    fn validate_set_up<'a>(&'a self, data: &'a Map, request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(async { self.check("set up", data, request) })
    }

    fn validate_log_in<'a>(&'a self, data: &'a Map, request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(async { self.check("log in", data, request) })
    }

    fn validate_update<'a>(&'a self, data: &'a Map, request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(async { self.check("update", data, request) })
    }

    fn challenge<'a>(
        &'a self,
        challenge: &'a Parsed,
        data: Option<&'a Map>,
        request: &'a AuthRequest,
    ) -> Pending<'a, Option<Parsed>> {
        let told = map! { "sign" => challenge.clone(), "sent" => data.is_some(), "of" => request.user.is_some() };
        Box::pin(async move { Ok(Some(told.into())) })
    }
}

/// Exchanges the code `code of ID` for the id.
struct Exchange(Asked);

impl AuthAdapter for Exchange {
    fn before_find<'a>(&'a self, data: &'a mut Map) -> Pending<'a, ()> {
        Box::pin(async move {
            self.0.lock().push("exchange".to_owned());
            let code = data.shift_remove("code");
            let id = code.as_ref().and_then(Parsed::as_str).and_then(|code| code.strip_prefix("code of "));
            let id = id.ok_or_else(|| ParseError::new(ErrorCode::ValidationError, "code is required."))?;
            data.insert("id".into(), id.into());
            data.insert("access_token".into(), "secret".into());
            Ok(())
        })
    }

    fn validate_auth_data<'a>(&'a self, _data: &'a Map, _request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(async { Ok(Validated::as_sent()) })
    }

    fn changes_what_is_found(&self) -> bool {
        true
    }

    fn after_find<'a>(&'a self, stored: &'a Map, is_master: bool) -> Pending<'a, Option<Map>> {
        let id = stored.get("id").cloned().unwrap_or_default();
        Box::pin(async move { Ok((!is_master).then(|| map! { "id" => id })) })
    }
}

/// An app whose providers say what they were asked, and whose hooks say that they ran.
struct Doors {
    app: App,
    asked: Asked,
}

impl std::ops::Deref for Doors {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}

fn application(asked: &Asked) -> Application {
    let vouch = |policy| Vouch { policy, asked: Arc::clone(asked) };
    let (saves, logins) = (Arc::clone(asked), Arc::clone(asked));
    Application::new("doors")
        .auth("p", vouch(AuthPolicy::Default))
        .auth("q", vouch(AuthPolicy::Default))
        .auth("more", vouch(AuthPolicy::Additional))
        .auth("solo", vouch(AuthPolicy::Solo))
        .auth("code", Exchange(Arc::clone(asked)))
        .before_save("_User", move |mut request: BeforeSave| {
            saves.lock().push("beforeSave".to_owned());
            async move {
                if let Some(Parsed::Object(taken)) = request.object.get("take") {
                    request.object.set("authData", taken);
                    request.object.unset("take");
                }
                Ok(request.object)
            }
        })
        .before_login(move |request: BeforeLogin| {
            logins.lock().push("beforeLogin".to_owned());
            async move {
                match request.user.text("username") {
                    Some("banned") => Err(ParseError::new(ErrorCode::OperationForbidden, "banned")),
                    _ => Ok(()),
                }
            }
        })
}

async fn open(store: StoreKind) -> Doors {
    let asked = Asked::default();
    let app = App::start_with(store, [application(&asked)], |options| options.allow_client_class_creation = true).await;
    Doors { app, asked }
}

impl Doors {
    /// What was asked since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock())
    }

    async fn stored(&self, id: &str) -> Value {
        self.as_master().get(&format!("/users/{id}")).await.body["authData"].clone()
    }

    async fn users(&self) -> usize {
        self.as_master().get("/users").await.results().len()
    }
}

/// What a client sends of a user of a provider.
fn data(id: &str) -> Value {
    json!({"id": id, "token": format!("of {id}")})
}

fn by(provider: &str, id: &str) -> Value {
    json!({"authData": {provider: data(id)}})
}

fn token(body: &Value) -> &str {
    body["sessionToken"].as_str().unwrap_or_else(|| panic!("no session in {body}"))
}

async fn whoever_is_not_known_signs_up_and_whoever_is_logs_in(doors: Doors) {
    let first = doors.post("/users", by("p", "1")).await;
    assert_eq!((first.status, &first.body["authDataResponse"]), (201, &json!({})));
    let (id, name) = (first.id(), first.body["username"].as_str().unwrap().to_owned());
    assert_eq!(name.len(), 25);
    let again = doors.post("/users", by("p", "1")).await;
    assert_eq!((again.status, again.id(), &again.body["username"]), (200, id.clone(), &json!(name)));
    assert!(again.headers["location"].to_str().unwrap().ends_with(&format!("/users/{id}")));
    assert_eq!(again.body["authData"], json!({"p": data("1")}));
    let mut keys: Vec<&String> = again.body.as_object().unwrap().keys().collect();
    keys.sort_unstable();
    let expected =
        ["ACL", "authData", "authDataResponse", "createdAt", "objectId", "sessionToken", "updatedAt", "username"];
    assert_eq!(keys, expected);
    assert_ne!(token(&first.body), token(&again.body));
    let me = doors.as_user(token(&again.body)).get("/users/me").await;
    assert_eq!((me.id(), &me.body["authData"]), (id, &json!({"p": data("1")})));
    let sessions = doors.as_master().get("/sessions").await;
    let with = json!({"action": "login", "authProvider": "p"});
    assert!(sessions.results().iter().all(|session| session["createdWith"] == with), "{}", sessions.body);
    assert_eq!(doors.users().await, 1);
}

async fn ghsa_pfj7_wv7c_22pr_a_login_proves_everything(doors: Doors) {
    let id = doors.post("/users", by("p", "1")).await.id();
    for sent in [json!({"id": "1"}), json!({"id": "1", "token": "stolen"}), json!({"id": "2", "token": "of 1"})] {
        let seen = doors.post("/users", json!({"authData": {"p": sent}})).await;
        assert_eq!((seen.status, seen.body), (404, json!({"code": 101, "error": "not validated"})));
    }
    assert_eq!((doors.users().await, doors.stored(&id).await), (1, json!({"p": data("1")})));
}

async fn what_is_nothing_is_refused_as_parse_does(doors: Doors) {
    for (auth_data, code) in [
        (json!(null), 200),
        (json!({}), 200),
        (json!("x"), 200),
        (json!([]), 200),
        (json!({"p": null}), 200),
        (json!({"p": {}}), 200),
        (json!({"p": "x"}), 200),
        (json!({"nobody": {"id": "1"}}), 252),
        (json!({"p": data("1"), "nobody": {"id": "1"}}), 252),
        (json!({"a.b": {"id": "1"}}), 252),
    ] {
        let seen = doors.post("/users", json!({"authData": auth_data})).await;
        assert_eq!((seen.status, seen.code()), (400, code), "{auth_data}");
    }
    for (auth_data, code) in [(json!(null), 252), (json!("x"), 252), (json!({"p": "x"}), -1), (json!({"p": {}}), 101)] {
        let seen = doors.post("/users", json!({"username": "n", "password": "p", "authData": auth_data})).await;
        assert_eq!(seen.code(), code, "{auth_data}");
    }
    for auth_data in [json!({}), json!({"p": null})] {
        let body = json!({"username": format!("n{auth_data}"), "password": "p", "authData": auth_data});
        let seen = doors.post("/users", body).await;
        assert_eq!((seen.status, doors.stored(&seen.id()).await), (201, Value::Null));
    }
}

async fn ghsa_5fw2_8jcv_xh87_an_id_is_text(doors: Doors) {
    let anonymous = doors.post("/users", json!({"authData": {"anonymous": {"id": "a1"}}})).await;
    let of = doors.as_user(token(&anonymous.body));
    doors.sign_up("ann").await;
    for id in
        [json!({"$regex": ".*"}), json!({"$ne": null}), json!(["a1"]), json!(1), json!(true), json!(null), json!("")]
    {
        let sent = json!({"authData": {"anonymous": {"id": id}}});
        let expected = json!({"code": 162, "error": "Invalid authData id for provider 'anonymous'."});
        assert_eq!(doors.post("/users", sent.clone()).await.body, expected);
        assert_eq!(of.put(&format!("/users/{}", anonymous.id()), sent.clone()).await.body, expected);
        let challenge = json!({"authData": sent["authData"], "challengeData": {"p": 1}});
        assert_eq!(doors.post("/challenge", challenge).await.body, expected);
        let login = json!({"username": "ann", "password": "password of ann", "authData": sent["authData"]});
        assert_eq!(doors.post("/login", login).await.body, expected);
    }
}

async fn a_provider_is_linked_and_unlinked(doors: Doors) {
    let (id, session) = doors.sign_up("ann").await;
    let (path, ann) = (format!("/users/{id}"), doors.as_user(&session));
    let seen = ann.put(&path, by("p", "1")).await;
    assert_eq!((seen.status, &seen.body["authDataResponse"]), (200, &json!({})));
    assert!(seen.body.get("sessionToken").is_none(), "{}", seen.body);
    ann.put(&path, by("q", "2")).await;
    assert_eq!(doors.stored(&id).await, json!({"p": data("1"), "q": data("2")}));
    assert_eq!(doors.post("/users", by("q", "2")).await.id(), id);
    assert_eq!(ann.put(&path, json!({"authData": {"p": null}})).await.status, 200);
    assert_eq!(doors.stored(&id).await, json!({"q": data("2")}));
    assert_ne!(doors.post("/users", by("p", "1")).await.id(), id);
    for sent in [json!(null), json!({"__op": "Delete"})] {
        let seen = ann.put(&path, json!({"authData": sent})).await;
        assert_eq!((seen.code(), doors.stored(&id).await), (252, json!({"q": data("2")})));
    }
}

async fn ghsa_8w3j_g983_8jh5_who_may_not_change_a_user_learns_nothing(doors: Doors) {
    let victim = doors.post("/users", by("p", "1")).await.id();
    let (_, session) = doors.sign_up("eve").await;
    for id in ["1", "unused"] {
        // Whether the id is used makes no difference to whoever may not change the user, and nobody is asked.
        doors.asked();
        let nobody = doors.put(&format!("/users/{victim}"), by("p", id)).await;
        let eve = doors.as_user(&session).put(&format!("/users/{victim}"), by("q", id)).await;
        let refused = json!({"code": 206, "error": "Permission denied"});
        assert_eq!((nobody.body, eve.body), (refused.clone(), refused));
        assert_eq!(doors.asked(), Vec::<String>::new());
    }
    let (eve, own) = (doors.as_user(&session), doors.as_user(&session).get("/users/me").await.id());
    let stolen = json!({"authData": {"p": {"id": "1", "token": "stolen"}}});
    assert_eq!(eve.put(&format!("/users/{own}"), stolen).await.code(), 101);
    let proven = eve.put(&format!("/users/{own}"), by("p", "1")).await;
    assert_eq!(proven.body, json!({"code": 208, "error": "this auth is already used"}));
    assert_eq!(eve.post("/users", by("p", "1")).await.code(), 208);
}

async fn anonymous_users_become_somebody(doors: Doors) {
    let seen = doors.post("/users", json!({"authData": {"anonymous": {"id": "a1"}}})).await;
    assert_eq!(seen.status, 201);
    let same = doors.post("/users", json!({"authData": {"anonymous": {"id": "a1"}}})).await;
    assert_eq!((same.status, same.id()), (200, seen.id()));
    let body = json!({"username": "ann", "password": "p", "authData": {"anonymous": null}});
    let upgraded = doors.as_user(token(&seen.body)).put(&format!("/users/{}", seen.id()), body).await;
    assert_eq!((upgraded.status, doors.stored(&seen.id()).await), (200, Value::Null));
    assert!(!doors.log_in("ann", "p").await.is_empty());
    let none = doors.beside([], |options| options.enable_anonymous_users = false).await.unwrap();
    assert_eq!(none.post("/users", json!({"authData": {"anonymous": {"id": "a2"}}})).await.code(), 252);
}

async fn an_additional_provider_is_needed_too(doors: Doors) {
    let auth_data = json!({"p": data("1"), "more": data("m"), "solo": data("s")});
    let id = doors.post("/users", json!({"authData": auth_data})).await.id();
    let missing = json!({"code": -1, "error": "Missing additional authData more"});
    assert_eq!(doors.post("/users", by("p", "1")).await.body, missing);
    let both = json!({"authData": {"p": data("1"), "more": data("m")}});
    assert_eq!(doors.post("/users", both).await.id(), id);
    assert_eq!(doors.post("/users", by("solo", "s")).await.id(), id);
    let (_, session) = doors.sign_up("ann").await;
    let ann = doors.as_user(&session);
    let me = ann.get("/users/me").await.id();
    ann.put(&format!("/users/{me}"), by("more", "a")).await;
    let login = |auth_data: Value| json!({"username": "ann", "password": "password of ann", "authData": auth_data});
    for auth_data in [json!(null), json!({}), json!({"more": null}), json!({"p": data("x")})] {
        assert_eq!(doors.post("/login", login(auth_data)).await.body, missing);
    }
    assert_eq!(doors.post("/login", login(json!({"more": {"id": "a"}}))).await.code(), 101);
    let seen = doors.post("/login", login(json!({"more": data("a")}))).await;
    assert_eq!((seen.status, &seen.body["authDataResponse"]), (200, &json!({})));
    assert!(token(&seen.body).starts_with("r:"));
}

async fn a_wrong_second_factor_is_a_guess(doors: Doors) {
    let lockout = Some(Lockout { threshold: 3, minutes: 5.0, opens_on_reset: false });
    let app = doors.beside([application(&doors.asked)], |options| options.accounts.lockout = lockout).await.unwrap();
    let (id, session) = app.sign_up("ann").await;
    assert_eq!(app.as_user(&session).put(&format!("/users/{id}"), by("more", "a")).await.status, 200);
    let login = |auth_data: Value| {
        app.post("/login", json!({"username": "ann", "password": "password of ann", "authData": auth_data}))
    };
    let (right, wrong) = (json!({"more": data("a")}), json!({"more": {"id": "a"}}));
    // What is missing is no guess, and who logs in has all guesses again.
    for auth_data in [json!({}), json!({}), json!({}), wrong.clone(), wrong.clone()] {
        assert_ne!(login(auth_data).await.status, 200);
    }
    assert_eq!(login(right.clone()).await.status, 200);
    for _ in 0..3 {
        let asked = app.post("/verifyPassword", json!({"username": "ann", "password": "password of ann"})).await;
        assert_eq!(asked.status, 200);
        let seen = login(wrong.clone()).await;
        assert_eq!((seen.code(), seen.body["error"].as_str()), (101, Some("not validated")));
    }
    // The right password does not bring guesses back.
    let asked = app.post("/verifyPassword", json!({"username": "ann", "password": "password of ann"})).await;
    assert_ne!(asked.status, 200);
    let locked = login(right).await;
    assert!(locked.body["error"].as_str().unwrap().starts_with("Your account is locked"), "{}", locked.body);
}

async fn an_adapter_says_what_is_kept_and_told(doors: Doors) {
    let less = json!({"id": "1", "token": "of 1", "less": true});
    let seen = doors.post("/users", json!({"authData": {"p": less, "q": {"id": "x", "unsaved": true}}})).await;
    assert_eq!(seen.body["authDataResponse"], json!({"p": {"kept": "less"}, "q": "not kept"}));
    assert_eq!(doors.stored(&seen.id()).await, json!({"p": {"id": "1"}}));
    let again = doors.post("/users", json!({"authData": {"p": less}})).await;
    assert_eq!(again.body["authDataResponse"], json!({"p": {"kept": "less"}}));
    assert_eq!(again.body["authData"], json!({"p": {"id": "1"}}));
}

async fn steps_follow_who_asks_and_what_is_there(doors: Doors) {
    let steps = || doors.asked().into_iter().filter(|asked| asked.contains(' ')).collect::<Vec<_>>();
    let seen = doors.post("/users", by("p", "1")).await;
    assert_eq!(steps(), ["set up p"]);
    let (path, own) = (format!("/users/{}", seen.id()), doors.as_user(token(&seen.body)));
    doors.post("/users", json!({"authData": {"p": data("1"), "q": data("2")}})).await;
    assert_eq!(steps(), ["log in p", "set up q"]);
    own.put(&path, by("p", "1")).await;
    assert_eq!(steps(), Vec::<String>::new(), "what is unchanged is not asked about");
    own.put(&path, json!({"authData": {"p": {"id": "1"}}})).await;
    assert_eq!(steps(), Vec::<String>::new(), "nor a part of it");
    assert_eq!(doors.stored(&seen.id()).await["p"], data("1"));
    own.put(&path, json!({"authData": {"p": {"id": "1", "token": "of 1", "n": 1}, "solo": data("s")}})).await;
    assert_eq!(steps(), ["update p", "set up solo"]);
    doors.as_master().put(&path, by("q", "3")).await;
    assert_eq!(steps(), ["update q"], "the master is whoever it asks for");
    own.post("/users", by("p", "1")).await;
    assert_eq!(steps(), Vec::<String>::new(), "a login of whoever is logged in");
}

async fn a_code_is_exchanged_before_anybody_is_looked_up(doors: Doors) {
    let by_code = |id: &str| json!({"authData": {"code": {"code": format!("code of {id}")}}});
    let seen = doors.post("/users", by_code("1")).await;
    assert_eq!(seen.status, 201);
    assert_eq!(doors.stored(&seen.id()).await, json!({"code": {"id": "1", "access_token": "secret"}}));
    let again = doors.post("/users", by_code("1")).await;
    assert_eq!((again.status, again.id(), &again.body["authData"]), (200, seen.id(), &json!({"code": {"id": "1"}})));
    let own = doors.as_user(token(&again.body));
    assert_eq!(own.get("/users/me").await.body["authData"], json!({"code": {"id": "1"}}));
    let found = own.get(&format!("/users/{}", seen.id())).await;
    assert_eq!(found.body["authData"], json!({"code": {"id": "1"}}));
    // The SDK sends back what it was shown.
    doors.asked();
    let path = format!("/users/{}", seen.id());
    own.put(&path, json!({"authData": {"code": {"id": "1"}}, "nick": "n"})).await;
    assert!(!doors.asked().contains(&"exchange".to_owned()));
    assert_eq!(doors.stored(&seen.id()).await, json!({"code": {"id": "1", "access_token": "secret"}}));
    let claimed = doors.post("/users", json!({"authData": {"code": {"id": "1"}}})).await;
    assert_eq!(claimed.body, json!({"code": 142, "error": "code is required."}));
}

async fn ghsa_mr43_w6c2_mvjq_a_login_by_password_adds_no_foreign_identity(doors: Doors) {
    let (id, _) = doors.sign_up("eve").await;
    let login = |auth_data: Value| json!({"username": "eve", "password": "password of eve", "authData": auth_data});
    assert_eq!(doors.post("/login", login(json!({"code": {"id": "v"}}))).await.code(), 142);
    assert_eq!(doors.stored(&id).await, Value::Null);
    doors.post("/users", json!({"authData": {"code": {"code": "code of v"}}})).await;
    let linked = doors.post("/login", login(json!({"code": {"code": "code of v"}}))).await;
    assert_eq!((linked.code(), doors.stored(&id).await), (208, Value::Null));
    let own = doors.post("/login", login(json!({"code": {"code": "code of eve"}}))).await;
    assert_eq!((own.status, &own.body["authData"]), (200, &json!({"code": {"id": "eve"}})));
    let challenge = json!({"authData": {"code": {"id": "v"}}, "challengeData": {"p": 1}});
    let seen = doors.post("/challenge", challenge).await;
    assert_eq!(seen.body, json!({"code": 101, "error": "User not found."}));
}

async fn pull_10224_a_challenge_needs_forms_and_proof(doors: Doors) {
    doors.post("/users", by("p", "1")).await;
    doors.sign_up("ann").await;
    let unknown = (404, json!({"code": 101, "error": "User not found."}));
    let minus = |text: &str| (400, json!({"code": -1, "error": text}));
    for (body, expected) in [
        (json!({}), minus("Nothing to challenge.")),
        (json!({"challengeData": "x"}), minus("challengeData should be an object.")),
        (json!({"challengeData": {}}), (200, json!({"challengeData": {}}))),
        (
            json!({"username": "ann", "challengeData": {}}),
            minus("You provided username or email, you need to also provide password."),
        ),
        (
            json!({"username": "ann", "password": "x", "challengeData": {}}),
            (404, json!({"code": 101, "error": "Invalid username/password."})),
        ),
        (json!({"authData": "x", "challengeData": {"p": 1}}), minus("authData should be an object.")),
        (json!({"authData": {"p": 1}, "challengeData": {"p": 1}}), minus("authData.p should be an object.")),
        (
            json!({"authData": {"p": data("1"), "q": data("2")}, "challengeData": {"p": 1}}),
            minus("You cannot provide more than one authData provider with an id."),
        ),
        (
            json!({"username": "ann", "password": "password of ann", "authData": {}, "challengeData": {"p": 1}}),
            minus("You cannot provide username/email and authData, only use one identification method."),
        ),
        (json!({"authData": {"p": {"id": "1"}}, "challengeData": {"p": 1}}), unknown.clone()),
        (json!({"authData": {"p": data("2")}, "challengeData": {"p": 1}}), unknown.clone()),
        (json!({"authData": {"nobody": {"id": "1"}}, "challengeData": {"p": 1}}), unknown),
        (
            json!({"authData": {"p": data("1")}, "challengeData": {"q": 7, "nobody": 1, "code": 1}}),
            (200, json!({"challengeData": {"q": {"sign": 7, "sent": false, "of": true}}})),
        ),
        (
            json!({"username": "ann", "password": "password of ann", "challengeData": {"p": {"n": 1}}}),
            (200, json!({"challengeData": {"p": {"sign": {"n": 1}, "sent": false, "of": true}}})),
        ),
    ] {
        let seen = doors.post("/challenge", body.clone()).await;
        assert_eq!((seen.status, seen.body), expected, "{body}");
    }
}

async fn only_what_changed_is_written(doors: Doors) {
    let seen = doors.post("/users", by("p", "1")).await;
    let before = doors.as_master().get(&format!("/users/{}", seen.id())).await;
    let other = json!({"authData": {"p": {"id": "1", "token": "of 1", "n": 2}}});
    let again = doors.post("/users", other).await;
    assert_eq!(again.body["updatedAt"], before.body["updatedAt"], "a login is no change of the user");
    let after = doors.as_master().get(&format!("/users/{}", seen.id())).await;
    assert_eq!(after.body["updatedAt"], before.body["updatedAt"]);
    assert_eq!(after.body["authData"]["p"]["n"], 2);
}

async fn a_login_by_a_provider_runs_its_hook_and_no_other(doors: Doors) {
    let seen = doors.post("/users", by("p", "1")).await;
    assert_eq!(doors.asked(), ["set up p", "beforeSave"]);
    doors.post("/users", by("p", "1")).await;
    assert_eq!(doors.asked(), ["beforeLogin", "log in p"]);
    doors.as_master().put(&format!("/users/{}", seen.id()), json!({"username": "banned"})).await;
    let refused = doors.post("/users", by("p", "1")).await;
    assert_eq!(refused.body, json!({"code": 119, "error": "banned"}));
}

async fn a_hook_cannot_take_an_id_of_another(doors: Doors) {
    doors.post("/users", by("p", "1")).await;
    let body = json!({"username": "eve", "password": "p", "take": {"p": {"id": "1"}}});
    assert_eq!(doors.post("/users", body).await.code(), 208);
    assert_eq!(doors.users().await, 1);
}

async fn an_adapter_that_panics_fails_that_request(doors: Doors) {
    let seen = doors.post("/users", by("p", "panic")).await;
    assert_eq!((seen.status, seen.body), (400, json!({"code": 141, "error": "Script failed."})));
    assert_eq!(doors.post("/users", by("p", "1")).await.status, 201);
}

/// So many at the same time, half of them at another server.
const MANY: usize = 32;

async fn beside(doors: &Doors) -> App {
    let other = doors.beside([application(&Asked::default())], |_options| {}).await.unwrap();
    // Both know the class before anybody races.
    assert_eq!(other.post("/users", by("q", "warm")).await.status, 201);
    other
}

async fn one_signup_of_many_wins(doors: Doors) {
    let other = beside(&doors).await;
    let before = doors.users().await;
    let asked = (0..MANY)
        .map(|n| if n % 2 == 0 { doors.post("/users", by("p", "1")) } else { other.post("/users", by("p", "1")) });
    let seen = join_all(asked).await;
    assert_eq!(seen.iter().filter(|seen| seen.status == 201).count(), 1);
    // Whoever came while it was written is told that it is used, whoever came after logs in.
    assert!(seen.iter().all(|seen| matches!(seen.status, 200 | 201) || seen.code() == 208), "{seen:?}");
    assert_eq!(doors.users().await, before + 1);
}

async fn one_link_of_many_wins(doors: Doors) {
    let other = beside(&doors).await;
    let mut people = Vec::new();
    for n in 0..MANY {
        people.push(doors.sign_up(&format!("user{n}")).await);
    }
    let asked = people.iter().enumerate().map(|(n, (id, session))| {
        let client = if n % 2 == 0 { doors.as_user(session) } else { other.as_user(session) };
        async move { client.put(&format!("/users/{id}"), by("p", "1")).await }
    });
    let seen = join_all(asked).await;
    assert_eq!(seen.iter().filter(|seen| seen.status == 200).count(), 1);
    assert!(seen.iter().all(|seen| seen.status == 200 || seen.code() == 208), "{seen:?}");
}
