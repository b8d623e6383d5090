//! Hook scripts in a whole server: they step in where native code does, with the same rights, and cannot hurt it.

use parsimony_cloud::{Application, BeforeSave, ParseError, Request, Rules};
use parsimony_model::{Map, Value};
use parsimony_testkit::{App, StoreKind};
use serde_json::json;

use crate::shop::{Journal, Shop};

crate::on_both_stores!(
    crate::scripts::open;
    a_script_steps_in_where_native_code_does,
    a_script_refuses_and_the_client_learns_why,
    a_fault_in_a_script_is_not_told,
    a_script_asks_with_the_rights_of_its_caller,
    a_script_joins_the_transaction_of_its_caller,
    a_script_that_saves_its_own_class_is_stopped,
    many_scripts_that_wait_all_come_to_their_end,
    a_script_and_native_code_cannot_both_be_a_hook,
    a_stored_script_serves_and_is_taken_back,
    a_bad_script_is_not_stored,
    nobody_but_the_master_has_to_do_with_scripts,
    a_script_is_tried_without_any_effect,
    scripts_are_exchanged_while_requests_run,
    a_server_that_starts_has_the_stored_scripts,
);

const ITEM: &str = r#"
fn before_save(request) {
    let item = request.object;
    if item.name == "forbidden" { throw #{ code: 9001, message: "No such item here." }; }
    if item.name == "text" { throw "Not today."; }
    if item.name == "fault" { item.name.no_such_function(); }
    if item.name == "endless" { loop {} }
    if item.name != () { item.name = item.name.to_upper(); }
    request.context.seen = request.original == ();
}
fn after_save(request) {
    if request.context.seen { Object("ItemLog", #{ item: request.object, name: request.object.name }).save(#{ useMasterKey: true }); }
}
fn before_delete(request) {
    if request.object.name == "KEPT" { throw "It stays."; }
}
fn before_find(request) {
    if !request.master { request.query.not_equal_to("name", "SECRET"); }
}
fn after_find(request) {
    for item in request.objects { item.seen = true; }
}
"#;

const FUNCTIONS: &str = r#"
const RULES = #{ mine: #{ requireUser: true } };
fn seen(request) { Query("Private").count() }
fn all(request) { Query("Private").count(#{ useMasterKey: true }) }
fn mine(request) { #{ name: request.user.username, items: Query("Item").find() } }
fn deep(request) { if request.params.depth > 0 { run("deep", #{ depth: request.params.depth - 1 }) } else { "bottom" } }
"#;

fn application() -> Application {
    Application::new("scripted")
        .script("Item", ITEM)
        .script("functions", FUNCTIONS)
        .script("Endless", "fn after_save(request) { Object(\"Endless\").save(); }")
        .script("User", "private fn nothing() {}")
        .script(
            "_User",
            "fn before_login(request) { if request.object.username == \"banned\" { throw \"Not you.\"; } }",
        )
        .define("both", Rules::none(), |request: Request<Map>| async move {
            let host = request.host.clone();
            let done: Result<(), ParseError> = host
                .transaction(|host| async move {
                    host.create("Item", parsimony_model::map! { "name" => "in a transaction" }).await?;
                    host.create("Item", parsimony_model::map! { "name" => "text" }).await?;
                    Ok(())
                })
                .await;
            done.map(|()| Value::Null)
        })
}

async fn open(kind: StoreKind) -> Shop {
    let app = App::start_with(kind, [application()], |options| options.allow_client_class_creation = true).await;
    Shop { app, journal: Journal::default() }
}

async fn a_script_steps_in_where_native_code_does(shop: Shop) {
    let seen = shop.post("/classes/Item", json!({"name": "hat"})).await;
    // The client is told what it cannot know.
    assert_eq!((seen.status, &seen.body["name"]), (201, &json!("HAT")));
    let path = format!("/classes/Item/{}", seen.id());
    assert_eq!(shop.get(&path).await.body["seen"], true);
    assert_eq!(shop.put(&path, json!({"name": "cap"})).await.body["name"], "CAP");
    // What the hook before left to the hook after says that only the first save is logged.
    let log = shop.as_master().get("/classes/ItemLog").await;
    assert_eq!((log.results().len(), &log.results()[0]["name"]), (1, &json!("HAT")));
    shop.post("/classes/Item", json!({"name": "secret"})).await;
    assert_eq!(shop.get("/classes/Item").await.results().len(), 1);
    assert_eq!(shop.as_master().get("/classes/Item").await.results().len(), 2);
    let kept = shop.post("/classes/Item", json!({"name": "kept"})).await.id();
    let seen = shop.delete(&format!("/classes/Item/{kept}")).await;
    assert_eq!((seen.status, seen.body), (400, json!({"code": 141, "error": "It stays."})));
    assert_eq!(shop.delete(&path).await.status, 200);
    shop.sign_up("banned").await;
    let body = json!({"username": "banned", "password": "password of banned"});
    assert_eq!(shop.post("/login", body).await.body, json!({"code": 141, "error": "Not you."}));
}

async fn a_script_refuses_and_the_client_learns_why(shop: Shop) {
    for (name, code, text) in [("forbidden", 9001, "No such item here."), ("text", 141, "Not today.")] {
        let seen = shop.post("/classes/Item", json!({"name": name})).await;
        assert_eq!((seen.status, seen.body), (400, json!({"code": code, "error": text})));
    }
    assert_eq!(shop.as_master().get("/classes/Item").await.results().len(), 0);
}

async fn a_fault_in_a_script_is_not_told(shop: Shop) {
    for name in ["fault", "endless"] {
        let seen = shop.post("/classes/Item", json!({"name": name})).await;
        assert_eq!((seen.status, seen.body), (400, json!({"code": 141, "error": "Script failed."})), "{name}");
    }
    assert_eq!(shop.post("/classes/Item", json!({"name": "fine"})).await.status, 201);
}

async fn a_script_asks_with_the_rights_of_its_caller(shop: Shop) {
    shop.as_master().post("/classes/Private", json!({"ACL": {}})).await;
    assert_eq!(shop.post("/functions/seen", json!({})).await.body, json!({"result": 0}));
    assert_eq!(shop.post("/functions/all", json!({})).await.body, json!({"result": 1}));
    let seen = shop.post("/functions/mine", json!({})).await;
    assert_eq!((seen.status, seen.code()), (400, 142));
    let (_, token) = shop.sign_up("ann").await;
    let seen = shop.as_user(&token).post("/functions/mine", json!({})).await;
    assert_eq!(seen.body, json!({"result": {"name": "ann", "items": []}}));
}

async fn a_script_joins_the_transaction_of_its_caller(shop: Shop) {
    let seen = shop.post("/functions/both", json!({})).await;
    assert_eq!(seen.body, json!({"code": 141, "error": "Not today."}));
    let master = shop.as_master();
    assert_eq!(master.get("/classes/Item").await.results().len(), 0);
    // What the hook after the first save saved went with it.
    assert_eq!(master.get("/classes/ItemLog").await.results().len(), 0);
}

async fn a_script_that_saves_its_own_class_is_stopped(shop: Shop) {
    // An error after a save does not undo it, so each save within a save is there; and there is an end of them.
    assert_eq!(shop.post("/classes/Endless", json!({})).await.status, 201);
    let made = shop.as_master().get("/classes/Endless?limit=1000").await.results().len();
    assert!((2..=32).contains(&made), "{made} objects");
    assert_eq!(shop.post("/functions/deep", json!({"depth": 8})).await.body, json!({"result": "bottom"}));
    let seen = shop.post("/functions/deep", json!({"depth": 100})).await;
    assert_eq!(seen.body, json!({"code": 141, "error": "Cloud code calls itself too deeply."}));
}

async fn many_scripts_that_wait_all_come_to_their_end(shop: Shop) {
    let calls = (0..80).map(|_| shop.post("/functions/deep", json!({"depth": 5})));
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(|seen| seen.body == json!({"result": "bottom"})));
}

async fn a_script_and_native_code_cannot_both_be_a_hook(shop: Shop) {
    let native = || Application::new("native").before_save("Item", |request: BeforeSave| async { Ok(request.object) });
    let scripted = || Application::new("scripted").script("Item", ITEM);
    let Err(error) = shop.beside([native(), scripted()], |_| {}).await else { panic!("it starts") };
    let parts =
        ["beforeSave Item is defined twice: by native (", "scripts.rs:", "and by scripted (", "scripted/Item.rhai:2)"];
    assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    let broken = Application::new("scripted").script("Item", "fn before_saev(request) {}");
    let Err(error) = shop.beside([broken], |_| {}).await else { panic!("it starts") };
    assert!(error.contains("scripted/Item.rhai:1:25: before_saev is no hook. Is it before_save?"), "{error}");
}

async fn a_stored_script_serves_and_is_taken_back(shop: Shop) {
    let master = shop.as_master();
    let put = |text: &str| json!({ "text": text, "author": "ann" });
    let first = master.put("/hooks/scripts/Book", put("fn before_save(request) {\n  request.object.by = 1;\n}")).await;
    assert_eq!((first.status, &first.body["version"], &first.body["author"]), (200, &json!(1), &json!("ann")));
    assert_eq!(shop.post("/classes/Book", json!({})).await.body["by"], 1);
    let second = master.put("/hooks/scripts/Book", put("fn before_save(request) {\n  request.object.by = 2;\n}")).await;
    assert_eq!(second.body["version"], 2);
    assert_eq!(shop.post("/classes/Book", json!({})).await.body["by"], 2);
    let one = master.get("/hooks/scripts/Book").await.body;
    assert_eq!(
        (&one["hooks"], &one["source"], &one["version"]),
        (&json!(["beforeSave Book"]), &json!("version 2 by ann"), &json!(2))
    );
    assert!(one["text"].as_str().unwrap().contains("by = 2"));
    let old = master.get("/hooks/scripts/Book?version=1").await.body;
    assert!(old["text"].as_str().unwrap().contains("by = 1"));
    let history = master.get("/hooks/scripts/Book/history").await.body;
    let diff = history["results"][0]["diff"].as_str().unwrap();
    assert!(diff.contains("-  request.object.by = 1;\n+  request.object.by = 2;"), "{diff}");
    let back = master.post("/hooks/scripts/Book/rollback", json!({"author": "bob"})).await;
    assert_eq!((back.status, &back.body["version"], &back.body["author"]), (200, &json!(3), &json!("bob")));
    assert_eq!(shop.post("/classes/Book", json!({})).await.body["by"], 1);
    // Somebody who has not seen version 3 does not overwrite it.
    let late = master.put("/hooks/scripts/Book", json!({"text": "", "expect": 2})).await;
    assert_eq!((late.status, late.code()), (400, 255));
    let gone = master.delete("/hooks/scripts/Book").await;
    assert_eq!((gone.status, &gone.body["deleted"]), (200, &json!(true)));
    assert_eq!(shop.post("/classes/Book", json!({})).await.body.get("by"), None);
    assert_eq!(master.delete("/hooks/scripts/Book").await.code(), 143);
    let back = master.post("/hooks/scripts/Book/rollback", json!({"to": 2})).await;
    assert_eq!(back.body["version"], 5);
    assert_eq!(shop.post("/classes/Book", json!({})).await.body["by"], 2);
    // In the place of what an application brings, and back to it.
    let over = put("fn before_save(request) { request.object.name = \"stored\"; }");
    assert_eq!(master.put("/hooks/scripts/scripted/Item", over).await.status, 200);
    assert_eq!(shop.post("/classes/Item", json!({"name": "hat"})).await.body["name"], "stored");
    assert_eq!(master.delete("/hooks/scripts/scripted/Item").await.status, 200);
    assert_eq!(shop.post("/classes/Item", json!({"name": "hat"})).await.body["name"], "HAT");
}

async fn a_bad_script_is_not_stored(shop: Shop) {
    let master = shop.as_master();
    for (name, text, told) in [
        ("Book", "fn before_save(request) {", "Book.rhai:1:"),
        ("Book", "fn befor_save(request) {}", "Book.rhai:1:24: befor_save is no hook. Is it before_save?"),
        (
            "Item",
            "fn before_save(request) {}",
            "beforeSave Item is defined twice: by scripts (version 1 by somebody Item.rhai:1)",
        ),
        ("_PushStatus", "fn before_save(request) {}", "Only afterSave is allowed on _PushStatus"),
        ("functions", "fn both(request) {}", "function both is defined twice: by scripted ("),
    ] {
        let seen = master.put(&format!("/hooks/scripts/{name}"), json!({"text": text})).await;
        assert_eq!((seen.status, seen.code()), (400, 143), "{text}");
        assert!(seen.body["error"].as_str().unwrap().contains(told), "{}", seen.body);
        assert_eq!(master.get(&format!("/hooks/scripts/{name}/history")).await.code(), 143, "{text}");
    }
    for (name, body) in [
        ("a.b", json!({"text": ""})),
        ("Book", json!({})),
        ("Book", json!({"text": 7})),
        ("Book", json!({"text": "", "expect": "x"})),
    ] {
        let seen = master.put(&format!("/hooks/scripts/{name}"), body).await;
        assert_eq!((seen.status, seen.code()), (400, 107), "{name}");
    }
    assert_eq!(shop.post("/classes/Item", json!({"name": "hat"})).await.body["name"], "HAT");
    assert_eq!(master.get("/hooks/scripts").await.body["failure"], json!(null));
}

async fn nobody_but_the_master_has_to_do_with_scripts(shop: Shop) {
    let (_, token) = shop.sign_up("ann").await;
    let ann = shop.as_user(&token);
    let text = json!({"text": "", "hook": "before_save"});
    for seen in [
        ann.get("/hooks/scripts").await,
        ann.get("/hooks/scripts/scripted/Item").await,
        ann.get("/hooks/scripts/Item/history").await,
        ann.put("/hooks/scripts/Item", text.clone()).await,
        ann.delete("/hooks/scripts/Item").await,
        ann.post("/hooks/scripts/Item/rollback", json!({})).await,
        ann.post("/hooks/scripts/Item/try", text).await,
    ] {
        assert_eq!(seen.status, 403, "{}", seen.body);
    }
    for seen in [ann.get("/classes/_HookScript").await, ann.post("/classes/_HookScript", json!({"name": "x"})).await] {
        assert_eq!((seen.status, seen.code()), (400, 119), "{}", seen.body);
    }
}

async fn a_script_is_tried_without_any_effect(shop: Shop) {
    let master = shop.as_master();
    let item = shop.post("/classes/Item", json!({"name": "hat", "price": 3})).await.id();
    let r#try = |body: serde_json::Value| async {
        let master = shop.as_master();
        master.post("/hooks/scripts/scripted/Item/try", body).await
    };
    let seen = r#try(json!({"hook": "before_save", "object": {"name": "cap"}})).await;
    assert_eq!(seen.body, json!({"object": {"name": "CAP"}, "changed": ["name"], "effects": []}));
    let seen = r#try(json!({"hook": "before_save", "objectId": item, "object": {"name": "fault"}})).await;
    assert_eq!(
        (&seen.body["refused"]["code"], &seen.body["refused"]["error"]),
        (&json!(141), &json!("Script failed."))
    );
    assert!(
        seen.body["refused"]["detail"].as_str().unwrap().starts_with("script scripted/Item.before_save:6:"),
        "{}",
        seen.body
    );
    let text =
        "fn before_delete(request) { request.object.destroy(); Query(\"Item\").find(); http(\"https://x.example\"); }";
    let seen = r#try(json!({"hook": "before_delete", "objectId": item, "text": text})).await;
    assert_eq!(seen.body["effects"], json!([{"delete": "Item", "objectId": item}]));
    assert!(seen.body["refused"]["detail"].as_str().unwrap().contains("may not ask"), "{}", seen.body);
    let text =
        "fn after_save(request) { Object(\"ItemLog\", #{ n: 1 }).save(); notify(#{ title: request.user.username }); }";
    let (ann, _) = shop.sign_up("ann").await;
    let seen = r#try(json!({"hook": "after_save", "objectId": item, "text": text, "user": ann})).await;
    assert_eq!(seen.body["effects"][0], json!({"save": "ItemLog", "objectId": null, "fields": {"n": 1}}));
    assert_eq!(seen.body["effects"][1]["fields"]["title"], "ann");
    assert_eq!(r#try(json!({"hook": "before_nothing"})).await.code(), 143);
    assert_eq!(r#try(json!({"hook": "before_save", "objectId": "nowhere"})).await.code(), 101);
    let seen =
        master.post("/hooks/scripts/scripted/functions/try", json!({"hook": "deep", "params": {"depth": 3}})).await;
    assert_eq!(seen.body, json!({"result": null, "effects": [{"run": "deep", "params": {"depth": 2}}]}));
    // Nothing of it happened.
    assert_eq!(master.get("/classes/ItemLog").await.results().len(), 1);
    assert_eq!(master.get("/classes/Notification").await.results().len(), 0);
    assert_eq!(master.get(&format!("/classes/Item/{item}")).await.body["name"], "HAT");
    assert_eq!(master.get("/hooks/scripts/Item/history").await.code(), 143);
}

async fn scripts_are_exchanged_while_requests_run(shop: Shop) {
    let text = |number: usize| {
        let both = format!("fn before_save(request) {{ request.object.one = {number}; }}\n");
        let others: Vec<String> =
            (0..50).map(|other| format!("private fn helper_{other}(x) {{ x + {other} }}")).collect();
        let others = others.join("\n");
        json!({ "text": format!("{both}{others}") })
    };
    let master = shop.as_master();
    assert_eq!(master.put("/hooks/scripts/Book", text(0)).await.status, 200);
    let done = std::sync::atomic::AtomicBool::new(false);
    let exchanging = async {
        for number in 1..=20 {
            assert_eq!(shop.as_master().put("/hooks/scripts/Book", text(number)).await.status, 200);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let asking = futures::future::join_all((0..8).map(|_| async {
        let mut last = 0.0;
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            let seen = shop.post("/classes/Book", json!({})).await;
            assert_eq!(seen.status, 201, "{}", seen.body);
            // Each request is served by one set, and never by an older one than the request before.
            let number = seen.body["one"].as_f64().unwrap();
            assert!(number >= last, "{number} after {last}");
            last = number;
        }
    }));
    futures::join!(exchanging, asking);
    assert_eq!(shop.post("/classes/Book", json!({})).await.body["one"], 20);
}

async fn a_server_that_starts_has_the_stored_scripts(shop: Shop) {
    let put = json!({"text": "fn before_save(request) { request.object.by = 1; }"});
    assert_eq!(shop.as_master().put("/hooks/scripts/Book", put).await.status, 200);
    let other = shop.beside([application()], |options| options.allow_client_class_creation = true).await.unwrap();
    assert_eq!(other.post("/classes/Book", json!({})).await.body["by"], 1);
}

/// On MongoDB, where servers share nothing but the database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_takes_a_change_within_a_second() {
    let shop = open(StoreKind::Mongo).await;
    let other = shop.beside([application()], |options| options.allow_client_class_creation = true).await.unwrap();
    assert_eq!(other.post("/classes/Book", json!({})).await.body.get("by"), None);
    for by in 1..=3 {
        let text = format!("fn before_save(request) {{ request.object.by = {by}; }}");
        let begun = std::time::Instant::now();
        assert_eq!(shop.as_master().put("/hooks/scripts/Book", json!({"text": text})).await.status, 200);
        while other.post("/classes/Book", json!({})).await.body["by"] != by {
            assert!(begun.elapsed() < std::time::Duration::from_secs(10), "the other server does not know it");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}
