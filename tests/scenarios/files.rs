//! Files and Parse Config: who may, what cloud code sees and says, and that nothing half done stays.

use parsimony_cloud::{
    AfterDeleteFile, AfterFindFile, AfterSaveConfig, AfterSaveFile, Application, BeforeDeleteFile, BeforeFindFile,
    BeforeSaveConfig, BeforeSaveFile, CloudFile, ErrorCode, FoundFile, ParseError,
};
use parsimony_testkit::{App, StoreKind};
use serde_json::json;

use crate::shop::{Journal, Shop};

crate::on_both_stores!(
    crate::files::open;
    a_file_is_stored_read_and_deleted,
    only_those_who_may_store_files,
    cloud_code_changes_and_refuses_what_is_stored,
    cloud_code_changes_and_refuses_what_is_read,
    a_deletion_is_refused_or_told,
    a_key_encrypts_and_parts_are_read_from_it,
    config_is_changed_one_parameter_at_a_time,
    hostile_names_find_nothing,
);

fn refused(text: &'static str) -> ParseError {
    ParseError::new(ErrorCode::ScriptFailed, text)
}

fn application(journal: &Journal) -> Application {
    let note = |what: &'static str| {
        let journal = journal.clone();
        move |detail: String| journal.note(&format!("{what} {detail}"))
    };
    let (saving, saved, deleting, deleted) =
        (note("beforeSave"), note("afterSave"), note("beforeDelete"), note("afterDelete"));
    let (finding, found, changing, changed) =
        (note("beforeFind"), note("afterFind"), note("beforeSave config"), note("afterSave config"));
    Application::new("files")
        .before_save_file(move |mut request: BeforeSaveFile| {
            saving(format!("{} of {:?}", request.file.name, request.file.data.as_ref().map(bytes_of)));
            async move {
                match request.file.name.as_str() {
                    "refused.txt" => return Err(refused("Not this one.")),
                    "other.txt" => request.file.data = Some("another content".into()),
                    "elsewhere.txt" => request.file.url = Some("https://cdn.example/elsewhere.txt".to_owned()),
                    "folder.txt" => request.file.directory = Some("by/hook".to_owned()),
                    _ => {}
                }
                request.file.metadata.insert("seen".into(), true.into());
                Ok(request.file)
            }
        })
        .after_save_file(move |request: AfterSaveFile| {
            saved(format!("{:?}", request.file_size));
            async move { if request.file.name.ends_with("late.txt") { Err(refused("Too late.")) } else { Ok(()) } }
        })
        .before_delete_file(move |request: BeforeDeleteFile| {
            deleting(plain(&request.file));
            async move { if request.file.name.ends_with("kept.txt") { Err(refused("It stays.")) } else { Ok(()) } }
        })
        .after_delete_file(move |request: AfterDeleteFile| {
            deleted(plain(&request.file));
            async { Ok(()) }
        })
        .before_find_file(move |mut request: BeforeFindFile| {
            finding(plain(&request.file));
            async move {
                if request.file.name.ends_with("hidden.txt") {
                    return Err(ParseError::with_number(9_001, "Nobody looks."));
                }
                if let Some((start, _)) = request.file.name.clone().split_once("?as=") {
                    start.clone_into(&mut request.file.name);
                }
                Ok(request.file)
            }
        })
        .after_find_file(move |request: AfterFindFile| {
            found(format!("{:?}", request.file.data.as_ref().map(bytes_of)));
            async move {
                let mut answer = FoundFile {
                    force_download: request.file.name.contains("_forced"),
                    file: request.file,
                    headers: vec![],
                };
                answer.headers.push(("X-Own".to_owned(), "yes".to_owned()));
                if answer.file.name.ends_with("shouted.txt") {
                    answer.file.data = answer.file.data.map(|data| data.to_ascii_uppercase().into());
                }
                Ok(answer)
            }
        })
        .before_save_config(move |request: BeforeSaveConfig| {
            changing(format!("{:?}", request.params.keys().collect::<Vec<_>>()));
            async move { if request.params.contains_key("never") { Err(refused("Never.")) } else { Ok(()) } }
        })
        .after_save_config(move |request: AfterSaveConfig| {
            changed(format!("{} of {:?}", request.params.len(), request.original.map(|params| params.len())));
            async { Ok(()) }
        })
}

fn bytes_of(data: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(data.as_ref()).into_owned()
}

/// The name without what the server puts before it.
fn plain(file: &CloudFile) -> String {
    file.name.rsplit('_').next().unwrap_or_default().to_owned()
}

async fn open(store: StoreKind) -> Shop {
    let journal = Journal::default();
    let change = |options: &mut parsimony_testkit::Options| {
        options.keys.read_only_master_key = Some("read only".to_owned());
        "http://files.example/".clone_into(&mut options.files_url);
    };
    let app = App::start_with(store, [application(&journal)], change).await;
    Shop { app, journal }
}

impl Shop {
    /// Stores a file with the master key; gives its name.
    async fn store(&self, name: &str, content: &str) -> String {
        let seen = self.as_master().ask_raw("POST", &format!("/files/{name}"), &[], content.into()).await.unwrap();
        assert_eq!(seen.status, 201, "{}", seen.body);
        let name = seen.body["name"].as_str().unwrap().to_owned();
        assert_eq!(seen.body["url"].as_str().unwrap(), format!("http://files.example/{name}"));
        name
    }

    /// Reads a file as a browser does.
    async fn read(&self, name: &str, headers: &[(&str, &str)]) -> (u16, String, Vec<(String, String)>) {
        let path = format!("/files/scenarios/{name}");
        let seen = self.as_nobody().ask_raw("GET", &path, headers, Vec::new()).await.unwrap();
        let text = seen.body.as_str().map_or_else(|| seen.body.to_string(), str::to_owned);
        let headers = seen.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        (seen.status, text, headers.collect())
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

async fn a_file_is_stored_read_and_deleted(shop: Shop) {
    let name = shop.store("a.txt", "hello").await;
    assert!(name.len() == 32 + "_a.txt".len() && name.ends_with("_a.txt"), "{name}");
    let (status, text, headers) = shop.read(&name, &[]).await;
    assert_eq!((status, text.as_str()), (200, "hello"));
    assert_eq!(header(&headers, "content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(header(&headers, "content-length"), Some("5"));
    let (status, text, headers) = shop.read(&name, &[("Range", "bytes=1-3")]).await;
    assert_eq!((status, text.as_str()), (206, "ell"));
    assert_eq!(header(&headers, "content-range"), Some("bytes 1-4/5"));
    let seen = shop.as_nobody().get(&format!("/files/scenarios/metadata/{name}")).await;
    assert_eq!(seen.body, json!({"metadata": {"seen": true}}));
    for (who, status) in [(shop.with_master_key("wrong"), 403), (shop.with_master_key("read only"), 403)] {
        assert_eq!(who.delete(&format!("/files/{name}")).await.status, status);
    }
    assert_eq!(shop.as_master().delete(&format!("/files/{name}")).await.status, 200);
    assert_eq!(shop.read(&name, &[]).await.0, 404);
    let seen = shop.as_master().delete(&format!("/files/{name}")).await;
    assert_eq!((seen.status, seen.code()), (400, 153));
}

async fn only_those_who_may_store_files(shop: Shop) {
    let (_, token) = shop.sign_up("ada").await;
    let ask = |who: parsimony_testkit::Client| async move {
        let seen = who.ask_raw("POST", "/files/a.txt", &[], b"x".to_vec()).await.unwrap();
        (seen.status, seen.body["code"].as_i64())
    };
    assert_eq!(ask((*shop).clone()).await, (400, Some(130)), "the public may not");
    assert_eq!(ask(shop.as_user(&token)).await, (201, None), "users may");
    assert_eq!(ask(shop.with_master_key("read only")).await, (403, None), "a key that reads may not");
    let user = shop.as_user(&token);
    for (name, header, code) in [
        ("a.svg", ("X-None", ""), 130),
        ("..%2Fa.txt", ("X-None", ""), 122),
        ("a%00.txt", ("X-None", ""), 122),
        ("ok.txt", ("X-Parse-File-Max-Upload-Size", "1gb"), 0),
    ] {
        let seen = user.ask_raw("POST", &format!("/files/{name}"), &[header], b"x".to_vec()).await.unwrap();
        assert_eq!(seen.body["code"].as_i64().unwrap_or_default(), code, "{name}: {}", seen.body);
        assert_ne!(seen.status, 201, "{name}");
    }
}

async fn cloud_code_changes_and_refuses_what_is_stored(shop: Shop) {
    shop.store("a.txt", "hello").await;
    assert_eq!(shop.journal.take(), ["afterSave Some(5) ×1", "beforeSave a.txt of Some(\"hello\") ×1"]);
    let name = shop.store("other.txt", "mine").await;
    assert_eq!(shop.read(&name, &[]).await.1, "another content");
    assert!(shop.store("folder.txt", "x").await.starts_with("by/hook/"));
    let master = shop.as_master();
    let seen = master.ask_raw("POST", "/files/elsewhere.txt", &[], b"x".to_vec()).await.unwrap();
    assert_eq!(seen.body, json!({"name": "elsewhere.txt", "url": "https://cdn.example/elsewhere.txt"}));
    for (name, text) in [("refused.txt", "Not this one."), ("late.txt", "Too late.")] {
        let seen = master.ask_raw("POST", &format!("/files/{name}"), &[], b"x".to_vec()).await.unwrap();
        assert_eq!((seen.status, &seen.body["error"]), (400, &json!(text)));
    }
    shop.journal.take();
    let streamed = [("X-Parse-Upload-Mode", "stream"), ("X-Parse-File-Metadata", r#"{"a":1}"#)];
    let seen = master.ask_raw("POST", "/files/streamed.txt", &streamed, b"content".to_vec()).await.unwrap();
    assert_eq!(shop.journal.take(), ["afterSave Some(7) ×1", "beforeSave streamed.txt of None ×1"]);
    let path = format!("/files/scenarios/metadata/{}", seen.body["name"].as_str().unwrap());
    assert_eq!(shop.get(&path).await.body, json!({"metadata": {"a": 1, "seen": true}}));
}

async fn cloud_code_changes_and_refuses_what_is_read(shop: Shop) {
    let name = shop.store("shouted.txt", "hello").await;
    let (status, text, headers) = shop.read(&name, &[]).await;
    assert_eq!((status, text.as_str(), header(&headers, "x-own")), (200, "HELLO", Some("yes")));
    shop.journal.take();
    let (_, text, _) = shop.read(&name, &[("Range", "bytes=0-1")]).await;
    assert_eq!(text, "he", "a part is not given to the hook");
    assert!(shop.journal.take().contains(&"afterFind None ×1".to_owned()));
    assert_eq!(shop.read(&format!("{name}%3Fas=another"), &[]).await.1, "HELLO", "another one is found");
    let hidden = shop.store("hidden.txt", "secret").await;
    for path in [hidden.clone(), format!("metadata/{hidden}")] {
        let (status, text, _) = shop.read(&path, &[]).await;
        assert_eq!((status, text.as_str()), (403, r#"{"code":9001,"error":"Nobody looks."}"#), "{path}");
    }
    let (_, _, headers) = shop.read(&shop.store("forced.txt", "1").await, &[]).await;
    assert!(header(&headers, "content-disposition").unwrap().starts_with("attachment;filename="));
}

async fn a_deletion_is_refused_or_told(shop: Shop) {
    let (kept, gone) = (shop.store("kept.txt", "x").await, shop.store("gone.txt", "x").await);
    shop.journal.take();
    let seen = shop.as_master().delete(&format!("/files/{kept}")).await;
    assert_eq!((seen.status, &seen.body["error"]), (400, &json!("It stays.")));
    assert_eq!(shop.as_master().delete(&format!("/files/{gone}")).await.status, 200);
    let expected = ["afterDelete gone.txt ×1", "beforeDelete gone.txt ×1", "beforeDelete kept.txt ×1"];
    assert_eq!(shop.journal.take(), expected);
    assert_eq!((shop.read(&kept, &[]).await.0, shop.read(&gone, &[]).await.0), (200, 404));
}

async fn a_key_encrypts_and_parts_are_read_from_it(shop: Shop) {
    let before = shop.store("before.txt", "in the clear").await;
    let sealed = shop.beside([], |options| options.files.key = Some("a secret".to_owned())).await.unwrap();
    let content: String = (0..100_000).map(|n| char::from(b'a' + u8::try_from(n % 23).unwrap())).collect();
    let body = content.clone().into_bytes();
    let seen = sealed.as_master().ask_raw("POST", "/files/secret.txt", &[], body).await.unwrap();
    let name = seen.body["name"].as_str().unwrap().to_owned();
    let read = |app: parsimony_testkit::Client, name: String, range: &'static str| async move {
        let path = format!("/files/scenarios/{name}");
        let headers: &[(&str, &str)] = if range.is_empty() { &[] } else { &[("Range", range)] };
        let seen = app.ask_raw("GET", &path, headers, Vec::new()).await.unwrap();
        (seen.status, seen.body.as_str().unwrap_or_default().to_owned())
    };
    assert!(read((*sealed).clone(), name.clone(), "").await == (200, content.clone()));
    assert_eq!(
        read((*sealed).clone(), name.clone(), "bytes=99990-").await,
        (206, content.get(99_990..).unwrap().to_owned())
    );
    assert_eq!(
        read((*sealed).clone(), name.clone(), "bytes=17-40").await,
        (206, content.get(17..41).unwrap().to_owned())
    );
    assert_eq!(
        read((*sealed).clone(), before.clone(), "").await.0,
        404,
        "what is in the clear is not there with a key"
    );
    assert_eq!(read((*shop).clone(), before, "").await.1, "in the clear");
    let stored = read((*shop).clone(), name, "").await.1;
    assert!(!stored.contains(content.get(..20).unwrap()), "what is stored cannot be read");
}

async fn config_is_changed_one_parameter_at_a_time(shop: Shop) {
    assert_eq!(shop.get("/config").await.body, json!({"params": {}}));
    let master = shop.as_master();
    let body = json!({"params": {"list": [1], "n": 1, "secret": "s"}, "masterKeyOnly": {"secret": true}});
    assert_eq!(master.put("/config", body).await.body, json!({"result": true}));
    assert_eq!(
        shop.journal.take(),
        ["afterSave config 3 of None ×1", r#"beforeSave config ["list", "n", "secret"] ×1"#]
    );
    let seen = shop.get("/config").await.body;
    assert_eq!(seen, json!({"params": {"n": 1, "list": [1]}, "masterKeyOnly": {"n": false, "list": false}}));
    let change = json!({"params": {
        "n": {"__op": "Increment", "amount": 2}, "list": {"__op": "AddUnique", "objects": [1, 2]},
        "secret": {"__op": "Delete"}, "when": {"__type": "Date", "iso": "2024-01-01T00:00:00.000Z"},
    }});
    assert_eq!(master.put("/config", change).await.status, 200);
    let params = master.get("/config").await.body["params"].clone();
    let when = json!({"__type": "Date", "iso": "2024-01-01T00:00:00.000Z"});
    assert_eq!(params, json!({"n": 3, "list": [1, 2], "when": when}));
    let refusals = [
        (shop.put("/config", json!({"params": {"n": 9}})).await, (403, 0)),
        (shop.with_master_key("read only").put("/config", json!({"params": {"n": 9}})).await, (400, 119)),
        (master.put("/config", json!({"params": {"never": 1}})).await, (400, 141)),
        (master.put("/config", json!({"params": {"$inc": 1}})).await, (400, 105)),
        (master.put("/config", json!({"params": {"a": {"constructor": 1}}})).await, (400, 105)),
    ];
    for (seen, (status, code)) in refusals {
        assert_eq!((seen.status, seen.body["code"].as_i64().unwrap_or_default()), (status, code), "{}", seen.body);
    }
    assert_eq!(master.get("/config").await.body["params"]["n"], 3, "nothing of it was written");
}

async fn hostile_names_find_nothing(shop: Shop) {
    let long = "x".repeat(10_000);
    for path in [
        "scenarios/%2e%2e/%2e%2e/etc/passwd",
        "scenarios/..%2f..%2fetc%2fpasswd",
        "scenarios/a%00.txt",
        "scenarios/%ff",
        "scenarios//a/%20/x.txt",
        "scenarios/metadata/..%2f..%2fx",
        "invalid-id/x.txt",
        "invalid-id//a/%20/x.txt",
        &format!("scenarios/{long}"),
    ] {
        let Some(seen) = shop.as_nobody().ask_raw("GET", &format!("/files/{path}"), &[], Vec::new()).await else {
            continue;
        };
        assert!((400..500).contains(&seen.status) || path.contains("metadata"), "{path}: {}", seen.status);
    }
    assert_eq!(shop.as_nobody().get("/files/invalid-id/metadata/x.txt").await.body, json!({}));
    assert_eq!(shop.get("/files/invalid-id/x.txt").await.body, json!({"error": "Permission denied"}));
}
