//! Hooks of files and of Parse Config that are not native code: a script, or a webhook elsewhere, each asked at the same moments
//! and obeyed alike.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use parsimony_testkit::{App, Seen, StoreKind};
use serde_json::{Value, json};

use crate::webhooks::Elsewhere;

crate::on_both_stores!(
    crate::file_hooks::open;
    scripts_step_in_where_files_are_stored_read_and_deleted,
    webhooks_step_in_where_files_are_stored_read_and_deleted,
    scripts_step_in_where_config_is_changed,
    webhooks_step_in_where_config_is_changed,
);

const FILES: &str = r#"
private fn name_of(file) { let parts = file.name.split("_"); parts[parts.len() - 1] }
private fn note(what, file) { Object("Note", #{ what: what, file: name_of(file) }).save(#{ useMasterKey: true }); }
fn before_save(request) {
    if request.file.name == "refused.txt" { throw #{ code: 130, message: "Not this one." }; }
    request.file.metadata.size = request.fileSize;
    if request.file.name == "folder.txt" { request.file.directory = "by/hook"; }
}
fn after_save(request) { note("stored", request.file); }
fn before_delete(request) {
    if name_of(request.file) == "kept.txt" { throw "It stays."; }
}
fn after_delete(request) { note("deleted", request.file); }
fn before_find(request) {
    if name_of(request.file) == "hidden.txt" { throw #{ code: 119, message: "Nobody looks." }; }
}
fn after_find(request) {
    request.responseHeaders["X-Own"] = "yes";
    request.forceDownload = name_of(request.file) == "forced.txt";
}
"#;

const CONFIG: &str = r#"
fn before_save(request) {
    if request.params.limit > 10 { throw #{ code: 142, message: "Too many." }; }
}
fn after_save(request) {
    let was = if request.original == () { () } else { request.original.limit };
    Object("Note", #{ what: `${was} then ${request.params.limit}` }).save(#{ useMasterKey: true });
}
"#;

async fn open(store: StoreKind) -> App {
    App::start_with(store, [], |options| {
        options.keys.webhook_key = Some("the webhook key".to_owned());
        options.allow_client_class_creation = true;
        "http://files.example/".clone_into(&mut options.files_url);
    })
    .await
}

async fn store(app: &App, name: &str, content: &str) -> Seen {
    app.as_master().ask_raw("POST", &format!("/files/{name}"), &[], content.into()).await.unwrap()
}

async fn stored(app: &App, name: &str, content: &str) -> String {
    let seen = store(app, name, content).await;
    assert_eq!(seen.status, 201, "{}", seen.body);
    seen.body["name"].as_str().unwrap().to_owned()
}

async fn read(app: &App, name: &str) -> Seen {
    app.as_nobody().ask_raw("GET", &format!("/files/scenarios/{name}"), &[], Vec::new()).await.unwrap()
}

async fn delete(app: &App, name: &str) -> Seen {
    app.as_master().delete(&format!("/files/{name}")).await
}

/// What either kind of hooks does, as clients see it.
async fn files_are_hooked(app: &App) {
    let refused = store(app, "refused.txt", "x").await;
    assert_eq!((refused.status, refused.body), (400, json!({"code": 130, "error": "Not this one."})));
    let plain = stored(app, "plain.txt", "hello").await;
    let metadata = app.get(&format!("/files/scenarios/metadata/{plain}")).await;
    assert_eq!(metadata.body, json!({"metadata": {"size": 5}}));
    assert!(stored(app, "folder.txt", "x").await.starts_with("by/hook/"));
    let seen = read(app, &plain).await;
    assert_eq!((seen.status, seen.body), (200, json!("hello")));
    assert_eq!((&seen.headers["x-own"], seen.headers.get("content-disposition")), (&"yes".parse().unwrap(), None));
    let forced = stored(app, "forced.txt", "x").await;
    let seen = read(app, &forced).await;
    assert!(seen.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    let hidden = stored(app, "hidden.txt", "x").await;
    let seen = read(app, &hidden).await;
    assert_eq!((seen.status, &seen.body["code"]), (403, &json!(119)), "{}", seen.body);
    let kept = stored(app, "kept.txt", "x").await;
    let seen = delete(app, &kept).await;
    assert_eq!(seen.status, 400, "{}", seen.body);
    assert_eq!(read(app, &kept).await.status, 200);
    assert_eq!(delete(app, &plain).await.status, 200);
    assert_eq!(read(app, &plain).await.status, 404);
}

async fn config_is_hooked(app: &App) {
    let master = app.as_master();
    let put = |limit: i32| master.put("/config", json!({"params": {"limit": limit}}));
    assert_eq!(put(3).await.body, json!({"result": true}));
    let refused = put(11).await;
    assert_eq!((refused.status, refused.body), (400, json!({"code": 142, "error": "Too many."})));
    assert_eq!(put(5).await.status, 200);
    assert_eq!(app.get("/config").await.body["params"], json!({"limit": 5}));
}

/// What scripts noted, in the order in which it happened.
async fn notes(app: &App) -> Vec<String> {
    let seen = app.as_master().get("/classes/Note?order=createdAt").await;
    let text = |note: &Value, field: &str| note[field].as_str().unwrap_or_default().to_owned();
    seen.results().iter().map(|note| format!("{} {}", text(note, "what"), text(note, "file"))).collect()
}

async fn put_script(app: &App, name: &str, text: &str) {
    let seen = app.as_master().put(&format!("/hooks/scripts/{name}"), json!({ "text": text })).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
}

async fn scripts_step_in_where_files_are_stored_read_and_deleted(app: App) {
    put_script(&app, "files", FILES).await;
    files_are_hooked(&app).await;
    let noted = notes(&app).await;
    let expected = ["plain", "folder", "forced", "hidden", "kept"].map(|name| format!("stored {name}.txt"));
    assert_eq!(noted[..5].iter().map(|note| note.replace("by/hook/", "")).collect::<Vec<_>>(), expected);
    assert_eq!(noted[5..], ["deleted plain.txt"]);
}

async fn scripts_step_in_where_config_is_changed(app: App) {
    put_script(&app, "config", CONFIG).await;
    config_is_hooked(&app).await;
    assert_eq!(notes(&app).await, [" then 3 ", "3 then 5 "]);
}

/// What a webhook about a file answers.
fn about_file(trigger: &str, body: &Value) -> Value {
    let file = &body["file"];
    let name = file["name"].as_str().unwrap().rsplit('_').next().unwrap().to_owned();
    let refusal = |code: i32, text: &str| json!({"error": {"code": code, "message": text}});
    match (trigger, name.as_str()) {
        ("beforeSave", "refused.txt") => refusal(130, "Not this one."),
        ("beforeSave", _) => {
            assert!(BASE64.decode(file["base64"].as_str().unwrap()).is_ok(), "the content is shown");
            let mut changed = json!({"name": file["name"], "metadata": {"size": body["fileSize"]}});
            if name == "folder.txt" {
                changed["directory"] = "by/hook".into();
            }
            json!({"success": {"file": changed}})
        }
        ("beforeDelete", "kept.txt") => refusal(141, "It stays."),
        ("beforeFind", "hidden.txt") => refusal(119, "Nobody looks."),
        ("afterFind", _) => {
            let forced = name == "forced.txt";
            json!({"success": {"forceDownload": forced, "responseHeaders": {"X-Own": "yes"}}})
        }
        _ => json!({}),
    }
}

async fn webhooks_step_in_where_files_are_stored_read_and_deleted(app: App) {
    let elsewhere = Elsewhere::start(|path, body| Some(about_file(path.trim_start_matches('/'), body))).await;
    for trigger in ["beforeSave", "afterSave", "beforeDelete", "afterDelete", "beforeFind", "afterFind"] {
        hook(&app, "@File", trigger, &elsewhere.url).await;
    }
    files_are_hooked(&app).await;
    let asked = elsewhere.asked_paths();
    let count = |trigger: &str| asked.iter().filter(|path| **path == format!("/{trigger}")).count();
    let counts = ["beforeSave", "afterSave", "beforeDelete", "afterDelete"].map(count);
    assert_eq!(counts, [6, 5, 2, 1], "{asked:?}");
}

async fn webhooks_step_in_where_config_is_changed(app: App) {
    let elsewhere = Elsewhere::start(|path, body| {
        assert_eq!(body["className"], "@Config");
        let too_many = path == "/beforeSave" && body["object"]["limit"].as_i64().unwrap() > 10;
        Some(if too_many { json!({"error": {"code": 142, "message": "Too many."}}) } else { json!({}) })
    })
    .await;
    for trigger in ["beforeSave", "afterSave"] {
        hook(&app, "@Config", trigger, &elsewhere.url).await;
    }
    config_is_hooked(&app).await;
    assert_eq!(elsewhere.asked_paths(), ["/beforeSave", "/afterSave", "/beforeSave", "/beforeSave", "/afterSave"]);
}

async fn hook(app: &App, class: &str, trigger: &str, url: &str) {
    let body = json!({"className": class, "triggerName": trigger, "url": format!("{url}/{trigger}")});
    assert_eq!(app.as_master().post("/hooks/triggers", body).await.status, 200);
}
