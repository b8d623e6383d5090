//! Cloud code around deletes, finds, logins and calls: when it runs, what it sees, what comes of it.

use std::time::Duration;

use parsimony_cloud::{
    AfterDelete, AfterFind, AfterLogin, AfterLogout, AfterSave, AfterSaved, Application, BeforeDelete, BeforeFind,
    BeforeLogin, BeforeSave, Draft, ErrorCode, FieldRule, Finding, Kind, ParseError, Request, Rules,
};
use parsimony_model::{Filter, Map, Object, Value, map};
use parsimony_testkit::{App, StoreKind};
use serde_json::json;

use crate::shop::{Journal, Shop};

crate::on_both_stores!(
    crate::triggers::open;
    a_delete_is_refused_or_told,
    a_query_is_changed_before_it_is_asked,
    objects_in_the_place_of_a_query_pass_the_permissions,
    what_is_found_is_changed,
    includes_and_counts_are_queries_too,
    logins_and_logouts_are_told,
    what_a_hook_leaves_reaches_the_next,
    rules_stand_before_hooks,
    a_function_sets_status_and_headers,
    a_handler_that_takes_too_long_is_dropped,
    what_a_hook_after_a_save_answers_reaches_the_client,
);

fn refused(text: &'static str) -> ParseError {
    ParseError::new(ErrorCode::ScriptFailed, text)
}

fn application(journal: &Journal) -> Application {
    let note = |what: &'static str| {
        let journal = journal.clone();
        move |detail: String| journal.note(&format!("{what} {detail}"))
    };
    let (deleting, deleted) = (note("beforeDelete"), note("afterDelete"));
    let (finding, found) = (note("beforeFind"), note("afterFind"));
    let (logging_in, logged_in, logged_out) = (note("beforeLogin"), note("afterLogin"), note("afterLogout"));
    let kept = |object: &Object| object.text("name").unwrap_or_default().to_owned();
    let application = Application::new("triggers")
        .before_delete("Item", move |request: BeforeDelete| {
            let name = kept(&request.object);
            deleting(name.clone());
            async move { if name == "kept" { Err(refused("It stays.")) } else { Ok(()) } }
        })
        .after_delete("Item", move |request: AfterDelete| {
            let name = kept(&request.object);
            deleted(name.clone());
            async move { if name == "late" { Err(refused("Too late.")) } else { Ok(()) } }
        })
        .before_find("Item", move |mut request: BeforeFind| {
            finding(format!("count={} get={}", request.query.count, request.is_get));
            async move {
                match request.query.advice.comment.as_deref() {
                    Some("refuse") => return Err(refused("Nobody looks.")),
                    Some("own") => {
                        let items = request.host.as_master().find("Other", parsimony_model::Query::default()).await?;
                        let class = request.class.clone();
                        return Ok(Finding::Objects(
                            items.into_iter().map(|item| Object { class: class.clone(), ..item }).collect(),
                        ));
                    }
                    Some("dear") => {
                        request.query.filter = request.query.filter.and(Filter::equals("price", 9));
                    }
                    _ => {}
                }
                Ok(Finding::from(request.query))
            }
        })
        .after_find("Item", move |mut request: AfterFind| {
            found(format!("{}", request.objects.len()));
            async move {
                request.objects.retain(|item| item.text("name") != Some("hidden"));
                for item in &mut request.objects {
                    item.fields.insert("seen".into(), true.into());
                }
                Ok(request.objects)
            }
        })
        .before_login(move |request: BeforeLogin| {
            let name = request.user.text("username").unwrap_or_default().to_owned();
            let secrets = request.user.fields.keys().any(|field| field.starts_with('_') || field == "password");
            logging_in(format!("{name} secrets={secrets}"));
            async move { if name == "banned" { Err(refused("Not you.")) } else { Ok(()) } }
        })
        .after_login(move |request: AfterLogin| {
            let same = request.who.user_id() == Some(&request.user.id);
            logged_in(format!("token={} same={same}", request.user.text("sessionToken").is_some()));
            async { Ok(()) }
        })
        .after_logout(move |request: AfterLogout| {
            logged_out(request.session.class.to_string());
            async { Ok(()) }
        });
    with_functions(application, journal)
}

fn with_functions(application: Application, journal: &Journal) -> Application {
    let journal = journal.clone();
    application
        .before_save("Noted", |request: BeforeSave| async move {
            request.context.set("left", request.context.get("client").unwrap_or_default());
            Ok(request.object)
        })
        .after_save("Noted", {
            let noted = move |what: String| journal.note(&format!("context {what}"));
            move |request: AfterSave| {
                noted(format!("{:?}", request.context.get("left").and_then(|left| left.as_str().map(str::to_owned))));
                async { Ok(AfterSaved::Same) }
            }
        })
        .on::<BeforeSave>("Ruled", rules(), |request: BeforeSave| async move { Ok::<Draft, _>(request.object) })
        .after_save("Told", |request: AfterSave| async move {
            let mut changed = Object::clone(&request.object);
            changed.fields.insert("more".into(), 7.into());
            Ok(match request.object.text("how") {
                Some("answer") => AfterSaved::Answer(map! { "own" => true }),
                _ => AfterSaved::Changed(Box::new(changed)),
            })
        })
        .define("created", Rules::none(), |request: Request<Map>| async move {
            request.response.status(201).header("X-Made", "here");
            Ok(Value::from("made"))
        })
        .define("slow", Rules::none().timeout(Duration::from_millis(20)), |_: Request<Map>| async {
            std::future::pending::<()>().await;
            Ok(Value::Null)
        })
}

fn rules() -> Rules {
    Rules::none()
        .require_user()
        .field("size", FieldRule::required().kind(Kind::Number))
        .field("status", FieldRule::optional().default_value("new").constant())
}

pub(crate) async fn open(kind: StoreKind) -> Shop {
    let journal = Journal::default();
    let app =
        App::start_with(kind, [application(&journal)], |options| options.allow_client_class_creation = true).await;
    Shop { app, journal }
}

async fn a_delete_is_refused_or_told(shop: Shop) {
    let mut ids = Vec::new();
    for name in ["kept", "late", "plain"] {
        ids.push(shop.post("/classes/Item", json!({"name": name})).await.id());
    }
    let [kept, late, plain] = ids.try_into().unwrap();
    let seen = shop.delete(&format!("/classes/Item/{kept}")).await;
    assert_eq!((seen.status, seen.body), (400, json!({"code": 141, "error": "It stays."})));
    let seen = shop.delete(&format!("/classes/Item/{late}")).await;
    assert_eq!((seen.status, seen.body), (400, json!({"code": 141, "error": "Too late."})));
    assert_eq!(shop.delete(&format!("/classes/Item/{plain}")).await.status, 200);
    let told = shop.journal.take();
    for line in ["beforeDelete kept ×1", "beforeDelete plain ×1", "afterDelete late ×1", "afterDelete plain ×1"] {
        assert!(told.iter().any(|told| told == line), "{line} in {told:?}");
    }
    assert!(!told.iter().any(|told| told.starts_with("afterDelete kept")), "{told:?}");
    let seen = shop.delete(&format!("/classes/Item/{plain}")).await;
    assert_eq!(seen.body, json!({"code": 101, "error": "Object not found for delete."}));
    let left = shop.get("/classes/Item").await;
    assert_eq!(left.results().len(), 1);
}

async fn a_query_is_changed_before_it_is_asked(shop: Shop) {
    for price in [1, 9, 9] {
        shop.post("/classes/Item", json!({"price": price})).await;
    }
    assert_eq!(shop.get("/classes/Item?comment=dear").await.results().len(), 2);
    let seen = shop.get("/classes/Item?comment=refuse").await;
    assert_eq!((seen.status, seen.body), (400, json!({"code": 141, "error": "Nobody looks."})));
    assert_eq!(shop.get("/classes/Item?comment=dear&count=1&limit=0").await.body["count"], 2);
}

async fn objects_in_the_place_of_a_query_pass_the_permissions(shop: Shop) {
    let master = shop.as_master();
    let open = master.post("/classes/Other", json!({"name": "open"})).await.id();
    assert_eq!(shop.get("/classes/Item?comment=own").await.results().len(), 0);
    // An object of the class is seen as it is stored, if it may be seen.
    assert_eq!(master.get("/classes/Item?comment=own").await.results()[0]["objectId"], open.as_str());
    assert_eq!(master.get("/classes/Item?comment=own").await.results()[0]["seen"], true);
}

async fn what_is_found_is_changed(shop: Shop) {
    for name in ["a", "hidden"] {
        shop.post("/classes/Item", json!({"name": name})).await;
    }
    let seen = shop.get("/classes/Item").await;
    assert_eq!(seen.results().len(), 1);
    assert_eq!(seen.results()[0]["seen"], true);
    assert_eq!(shop.journal.take(), ["afterFind 2 ×1", "beforeFind count=false get=false ×1"]);
    let id = seen.results()[0]["objectId"].as_str().unwrap().to_owned();
    assert_eq!(shop.get(&format!("/classes/Item/{id}")).await.body["seen"], true);
    assert_eq!(shop.journal.take(), ["afterFind 1 ×1", "beforeFind count=false get=true ×1"]);
    // What only hooks saw was not stored.
    let changed = shop.put(&format!("/classes/Item/{id}"), json!({"name": "b"})).await;
    assert_eq!(changed.status, 200);
    assert_eq!(shop.journal.take(), Vec::<String>::new());
}

async fn includes_and_counts_are_queries_too(shop: Shop) {
    let item = shop.post("/classes/Item", json!({"name": "a"})).await.id();
    let pointer = json!({"__type": "Pointer", "className": "Item", "objectId": item});
    shop.post("/classes/Holder", json!({"item": pointer})).await;
    let seen = shop.get("/classes/Holder?include=item").await;
    assert_eq!(seen.results()[0]["item"]["seen"], true);
    assert_eq!(shop.journal.take(), ["afterFind 1 ×1", "beforeFind count=false get=false ×1"]);
    shop.get("/classes/Item?count=1&limit=0").await;
    assert_eq!(shop.journal.take(), ["beforeFind count=true get=false ×1"]);
    let r#where = r#"{"item":{"$inQuery":{"className":"Item","where":{"name":"a"}}}}"#;
    assert_eq!(shop.get(&format!("/classes/Holder?where={where}")).await.results().len(), 1);
    assert_eq!(shop.journal.take(), ["afterFind 1 ×1", "beforeFind count=false get=false ×1"]);
}

async fn logins_and_logouts_are_told(shop: Shop) {
    for name in ["ann", "banned"] {
        shop.sign_up(name).await;
    }
    assert_eq!(shop.journal.take(), Vec::<String>::new());
    let token = shop.log_in("ann", "password of ann").await;
    assert_eq!(shop.journal.take(), ["afterLogin token=true same=true ×1", "beforeLogin ann secrets=false ×1"]);
    let body = json!({"username": "banned", "password": "password of banned"});
    let seen = shop.post("/login", body).await;
    assert_eq!((seen.status, seen.body), (400, json!({"code": 141, "error": "Not you."})));
    let sessions = shop.as_master().get(r#"/sessions?where={"createdWith.action":"login"}"#).await;
    assert_eq!(sessions.results().len(), 1);
    shop.journal.take();
    shop.post("/login", json!({"username": "ann", "password": "wrong"})).await;
    assert_eq!(shop.journal.take(), Vec::<String>::new());
    shop.as_user(&token).post("/logout", json!({})).await;
    assert_eq!(shop.journal.take(), ["afterLogout _Session ×1"]);
}

async fn what_a_hook_leaves_reaches_the_next(shop: Shop) {
    let body = json!({"_ApplicationId": "scenarios", "_context": {"client": "x"}});
    assert_eq!(shop.as_nobody().post("/classes/Noted", body).await.status, 201);
    assert_eq!(shop.journal.take(), [r#"context Some("x") ×1"#]);
    shop.post("/classes/Noted", json!({})).await;
    assert_eq!(shop.journal.take(), ["context None ×1"]);
}

async fn rules_stand_before_hooks(shop: Shop) {
    let seen = shop.post("/classes/Ruled", json!({"size": 1})).await;
    assert_eq!(seen.body, json!({"code": 142, "error": "Validation failed. Please login to continue."}));
    let (_, token) = shop.sign_up("ann").await;
    let ann = shop.as_user(&token);
    for (body, text) in [
        (json!({}), "Validation failed. Please specify data for size."),
        (json!({"size": "x"}), "Validation failed. Invalid type for size. Expected: number"),
    ] {
        let seen = ann.post("/classes/Ruled", body).await;
        assert_eq!(seen.body, json!({"code": 142, "error": text}));
    }
    let ruled = ann.post("/classes/Ruled", json!({"size": 1, "status": "mine"})).await;
    assert_eq!((ruled.status, &ruled.body["status"]), (201, &json!("new")));
    let path = format!("/classes/Ruled/{}", ruled.id());
    assert_eq!(ann.put(&path, json!({"status": "mine"})).await.status, 200);
    assert_eq!(ann.get(&path).await.body["status"], "new");
    assert_eq!(shop.as_master().post("/classes/Ruled", json!({})).await.status, 201);
}

async fn a_function_sets_status_and_headers(shop: Shop) {
    let seen = shop.post("/functions/created", json!({})).await;
    assert_eq!((seen.status, seen.body), (201, json!({"result": "made"})));
    assert_eq!(seen.headers.get("x-made").unwrap(), "here");
}

async fn a_handler_that_takes_too_long_is_dropped(shop: Shop) {
    let seen = shop.post("/functions/slow", json!({})).await;
    assert_eq!((seen.status, seen.code()), (400, 124));
}

async fn what_a_hook_after_a_save_answers_reaches_the_client(shop: Shop) {
    let seen = shop.post("/classes/Told", json!({})).await;
    assert_eq!((seen.status, &seen.body["more"]), (201, &json!(7)));
    let stored = shop.get(&format!("/classes/Told/{}", seen.id())).await;
    assert_eq!(stored.body.get("more"), None);
    assert_eq!(shop.post("/classes/Told", json!({"how": "answer"})).await.body, json!({"own": true}));
}
