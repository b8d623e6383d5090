//! Functions and triggers that run elsewhere: how they are registered, asked and answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use parsimony_testkit::{App, StoreKind};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

crate::on_both_stores!(
    crate::webhooks::open;
    hooks_are_registered_changed_and_taken_away,
    a_function_runs_elsewhere,
    triggers_run_elsewhere,
    a_request_is_signed,
    what_goes_wrong_elsewhere_is_told,
    a_webhook_that_hangs_is_given_up,
    hooks_are_there_after_a_restart,
    what_a_process_leaves_is_there_for_the_next_hook,
);

/// What answers a request: by its path and its body.
type Answer = dyn Fn(&str, &Value) -> Option<Value> + Send + Sync;

/// A server of ours that hooks lead to, and what it was asked.
#[derive(Clone)]
pub(crate) struct Elsewhere {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Debug, Clone)]
struct Asked {
    path: String,
    headers: Vec<(String, String)>,
    text: String,
    body: Value,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|(own, value)| (own == name).then_some(value.as_str()))
    }
}

impl Elsewhere {
    pub(crate) async fn start(answer: impl Fn(&str, &Value) -> Option<Value> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { url: format!("http://{}", listener.local_addr().unwrap()), asked: Arc::default() };
        let (asked, answer): (_, Arc<Answer>) = (Arc::clone(&server.asked), Arc::new(answer));
        #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&asked), Arc::clone(&answer)));
            }
        });
        server
    }

    /// The paths that were asked since the last time, in their order.
    pub(crate) fn asked_paths(&self) -> Vec<String> {
        self.take().into_iter().map(|asked| asked.path).collect()
    }

    /// The headers and bodies that came since the last time, in their order.
    pub(crate) fn asked(&self) -> Vec<(Vec<(String, String)>, String)> {
        self.take().into_iter().map(|asked| (asked.headers, asked.text)).collect()
    }

    fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock())
    }
}

/// Answers the requests of one connection; `None` breaks it off.
async fn serve(mut stream: TcpStream, asked: Arc<Mutex<Vec<Asked>>>, answer: Arc<Answer>) {
    let mut buffer = Vec::new();
    loop {
        let Some(request) = read(&mut stream, &mut buffer).await else { return };
        let reply = answer(&request.path, &request.body);
        asked.lock().push(request);
        let Some(reply) = reply else { return };
        let text = if let Value::String(text) = reply { text } else { reply.to_string() };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
        stream.write_all(format!("{head}{text}").as_bytes()).await.unwrap();
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Asked> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
            let mut lines = head.lines();
            let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
            let headers: Vec<_> = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            let length = headers.iter().find(|(name, _)| name == "content-length").map(|(_, length)| length.parse());
            let length: usize = length.unwrap_or(Ok(0)).unwrap();
            if buffer.len() >= end + 4 + length {
                let text = String::from_utf8(buffer[end + 4..end + 4 + length].to_vec()).unwrap();
                buffer.drain(..end + 4 + length);
                // Those who ask for something, or send a form, have no JSON.
                let body = serde_json::from_str(&text).unwrap_or_default();
                return Some(Asked { path, headers, text, body });
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// The key that may read everything and write nothing.
const READER: &str = "may only read";

async fn open(store: StoreKind) -> App {
    App::start_with(store, [], |options| {
        options.keys.webhook_key = Some("the webhook key".to_owned());
        options.keys.read_only_master_key = Some(READER.to_owned());
        options.allow_client_class_creation = true;
    })
    .await
}

async fn hook_function(app: &App, name: &str, url: &str) {
    let seen = app.as_master().post("/hooks/functions", json!({"functionName": name, "url": url})).await;
    assert_eq!((seen.status, seen.body), (200, json!({"functionName": name, "url": url})));
}

async fn hook_trigger(app: &App, class: &str, trigger: &str, url: &str) {
    let body = json!({"className": class, "triggerName": trigger, "url": url});
    let seen = app.as_master().post("/hooks/triggers", body.clone()).await;
    assert_eq!((seen.status, seen.body), (200, body));
}

async fn hooks_are_registered_changed_and_taken_away(app: App) {
    let master = app.as_master();
    hook_function(&app, "f", "http://a").await;
    hook_trigger(&app, "C", "beforeSave", "http://b").await;
    assert_eq!(master.get("/hooks/functions").await.body, json!([{"functionName": "f", "url": "http://a"}]));
    let trigger = json!({"className": "C", "triggerName": "beforeSave", "url": "http://b"});
    assert_eq!(master.get("/hooks/triggers").await.body, json!([trigger]));
    assert_eq!(master.get("/hooks/triggers/C/beforeSave").await.body, trigger);
    let seen = master.put("/hooks/functions/f", json!({"url": "http://c"})).await;
    assert_eq!(seen.body, json!({"functionName": "f", "url": "http://c"}));
    let taken = master.put("/hooks/triggers/C/beforeSave", json!({"__op": "Delete"})).await;
    assert_eq!((taken.status, taken.body), (200, json!({})));
    assert_eq!(master.get("/hooks/triggers").await.body, json!([]));
    assert_eq!(app.get("/hooks/functions").await.status, 403);
    let asked = json!({"functionName": "g", "url": "http://a"});
    assert_eq!(app.post("/hooks/functions", asked.clone()).await.status, 403);
    let reader = app.with_master_key(READER);
    assert_eq!(reader.get("/hooks/functions/f").await.status, 200);
    let refused = reader.post("/hooks/functions", asked).await;
    assert_eq!((refused.status, refused.code()), (400, 119));
    assert_eq!(reader.put("/hooks/functions/f", json!({"__op": "Delete"})).await.code(), 119);
    for (method, path, body, text) in [
        ("POST", "/hooks/functions", json!({"functionName": "f", "url": "x"}), "function name: f already exists"),
        ("POST", "/hooks/functions", json!({"functionName": "g"}), "invalid hook declaration"),
        ("POST", "/hooks/triggers", json!({"className": "C", "url": "x"}), "invalid hook declaration"),
        (
            "POST",
            "/hooks/triggers",
            json!({"className": "C", "triggerName": "n", "url": "x"}),
            "invalid hook declaration",
        ),
        (
            "POST",
            "/hooks/triggers",
            json!({"className": "_PushStatus", "triggerName": "beforeSave", "url": "http://x"}),
            "invalid hook declaration",
        ),
        ("PUT", "/hooks/functions/g", json!({"url": "x"}), "no function named: g is defined"),
        ("PUT", "/hooks/triggers/D/beforeSave", json!({"url": "x"}), "class D does not exist"),
    ] {
        let seen = if method == "POST" { master.post(path, body).await } else { master.put(path, body).await };
        assert_eq!((seen.status, seen.body), (400, json!({"code": 143, "error": text})), "{path}");
    }
}

async fn a_function_runs_elsewhere(app: App) {
    let there = Elsewhere::start(|path, body| match path {
        "/sum" => Some(json!({"success": body["params"]["a"].as_f64()? + 1.0})),
        "/date" => Some(json!({"success": body["params"]["when"]})),
        _ => Some(json!({})),
    })
    .await;
    for name in ["sum", "date", "nothing"] {
        hook_function(&app, name, &format!("{}/{name}", there.url)).await;
    }
    let (id, token) = app.sign_up("ann").await;
    let ann = app.as_user(&token);
    assert_eq!(ann.post("/functions/sum", json!({"a": 2})).await.body, json!({"result": 3}));
    let when = json!({"__type": "Date", "iso": "2020-01-01T00:00:00.000Z"});
    assert_eq!(ann.post("/functions/date", json!({"when": when})).await.body, json!({"result": when}));
    assert_eq!(ann.post("/functions/nothing", json!({})).await.body, json!({}));
    let asked = there.take().swap_remove(0).body;
    assert_eq!((&asked["functionName"], &asked["master"]), (&json!("sum"), &json!(false)));
    assert_eq!((&asked["user"]["objectId"], &asked["user"]["sessionToken"]), (&json!(id), &json!(token)));
    assert_eq!(asked["headers"]["x-parse-application-id"], "scenarios");
    assert_eq!(asked["ip"], "127.0.0.1");
}

async fn triggers_run_elsewhere(app: App) {
    let there = Elsewhere::start(|path, body| {
        Some(match path {
            "/beforeSave" if body["object"]["name"] == "bad" => json!({"error": "not this one"}),
            "/beforeSave" => {
                let mut object = body["object"].clone();
                object["shout"] = json!(object["name"].as_str()?.to_uppercase());
                json!({"success": object})
            }
            "/beforeFind" => json!({"success": {"where": {"name": "a"}}}),
            "/afterFind" => {
                let mut objects = body["objects"].clone();
                objects.as_array_mut()?.iter_mut().for_each(|object| object["found"] = json!(true));
                json!({"success": objects})
            }
            _ => json!({"success": null}),
        })
    })
    .await;
    for trigger in ["beforeSave", "afterSave", "beforeDelete", "afterDelete", "beforeFind", "afterFind"] {
        hook_trigger(&app, "Thing", trigger, &format!("{}/{trigger}", there.url)).await;
    }
    let a = app.post("/classes/Thing", json!({"name": "a"})).await;
    assert_eq!((a.status, &a.body["shout"]), (201, &json!("A")));
    assert_eq!(app.post("/classes/Thing", json!({"name": "b"})).await.status, 201);
    let bad = app.post("/classes/Thing", json!({"name": "bad"})).await;
    assert_eq!((bad.status, bad.body), (400, json!({"code": 141, "error": "not this one"})));
    let found = app.get("/classes/Thing").await;
    assert_eq!(found.results().len(), 1);
    assert_eq!((&found.results()[0]["shout"], &found.results()[0]["found"]), (&json!("A"), &json!(true)));
    let changed = app.put(&format!("/classes/Thing/{}", a.id()), json!({"name": "aa"})).await;
    assert_eq!((changed.status, &changed.body["shout"]), (200, &json!("AA")));
    assert_eq!(app.put(&format!("/classes/Thing/{}", a.id()), json!({"name": "a"})).await.status, 200);
    assert_eq!(app.delete(&format!("/classes/Thing/{}", a.id())).await.status, 200);
    let asked = there.take();
    let update =
        asked.iter().find(|asked| asked.body["triggerName"] == "beforeSave" && !asked.body["original"].is_null());
    let update = &update.unwrap().body;
    assert_eq!((&update["original"]["name"], &update["object"]["name"]), (&json!("a"), &json!("aa")));
    assert_eq!(update["object"]["className"], "Thing");
    let paths: Vec<&str> = asked.iter().map(|asked| asked.path.as_str()).collect();
    assert!(paths.ends_with(&["/beforeFind", "/afterFind", "/beforeDelete", "/afterDelete"]), "{paths:?}");
}

async fn a_request_is_signed(app: App) {
    use base64::Engine as _;
    use hmac::Mac as _;
    let there = Elsewhere::start(|_, _| Some(json!({"success": 1}))).await;
    hook_function(&app, "f", &there.url).await;
    app.as_master().post("/functions/f", json!({})).await;
    let asked = there.take().swap_remove(0);
    assert_eq!(asked.header("x-parse-webhook-key"), Some("the webhook key"));
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(b"the webhook key").unwrap();
    let (id, time) = (asked.header("webhook-id").unwrap(), asked.header("webhook-timestamp").unwrap());
    mac.update(format!("{id}.{time}.{}", asked.text).as_bytes());
    let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    assert_eq!(asked.header("webhook-signature"), Some(format!("v1,{signature}").as_str()));
    // The keys of the server are not for others.
    assert_eq!(asked.body["headers"].get("x-parse-master-key"), None);
    assert_eq!(asked.body["master"], true);
}

async fn what_goes_wrong_elsewhere_is_told(app: App) {
    let there = Elsewhere::start(|path, _| match path {
        "/text" => Some(json!({"error": "no"})),
        "/code" => Some(json!({"error": {"code": 1337, "message": "no"}})),
        "/html" => Some(json!("<html>")),
        _ => None,
    })
    .await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (name, url) in [("text", &*there.url), ("code", &there.url), ("html", &there.url), ("broken", &there.url)] {
        hook_function(&app, name, &format!("{url}/{name}")).await;
    }
    hook_function(&app, "nobody", &format!("http://{free}/")).await;
    hook_function(&app, "nonsense", "nonsense").await;
    for (name, code, text) in [
        ("text", 141, "no"),
        ("code", 1337, "no"),
        ("html", 141, "Malformed response"),
        ("broken", 141, "The webhook could not be asked."),
        ("nobody", 141, "The webhook could not be asked."),
        ("nonsense", 141, "The webhook could not be asked."),
    ] {
        let seen = app.post(&format!("/functions/{name}"), json!({})).await;
        assert_eq!((seen.status, seen.body), (400, json!({"code": code, "error": text})), "{name}");
    }
    // What may have been received is not sent again.
    assert_eq!(there.take().iter().filter(|asked| asked.path == "/broken").count(), 1);
}

async fn a_webhook_that_hangs_is_given_up(app: App) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let quick = app.beside([], |options| options.limits.webhook_time_max = Duration::from_millis(300)).await.unwrap();
    let asked = async {
        // It takes the request, and says nothing.
        let (mut stream, _) = listener.accept().await.unwrap();
        let asked = read(&mut stream, &mut Vec::new()).await;
        (stream, asked.unwrap())
    };
    hook_function(&quick, "hang", &url).await;
    let began = Instant::now();
    let called = quick.post("/functions/hang", json!({}));
    let ((_stream, asked), seen) = futures::future::join(asked, called).await;
    assert_eq!(seen.body, json!({"code": 141, "error": "The webhook could not be asked."}));
    assert!((300..5_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    // It may have been done, so it is not asked for again.
    let again = tokio::time::timeout(Duration::from_millis(300), listener.accept()).await;
    assert!(again.is_err(), "{}", asked.text);
}

async fn hooks_are_there_after_a_restart(app: App) {
    let there = Elsewhere::start(|_, _| Some(json!({"success": "there"}))).await;
    hook_function(&app, "f", &there.url).await;
    let again = app.beside([], |_| {}).await.unwrap();
    assert_eq!(again.post("/functions/f", json!({})).await.body, json!({"result": "there"}));
}

async fn what_a_process_leaves_is_there_for_the_next_hook(app: App) {
    let there = Elsewhere::start(|path, body| {
        Some(match path.rsplit('/').next()? {
            "beforeSave" => json!({"success": {}, "context": {"given": body["context"]["given"], "left": 7}}),
            // What a hook after a save answers is what the client is told.
            "afterSave" => json!({"success": {"context": body["context"]}}),
            _ => return None,
        })
    })
    .await;
    let triggers: Vec<Value> =
        ["beforeSave", "afterSave"].map(|trigger| json!({"className": "Parcel", "triggerName": trigger})).to_vec();
    let manifest = json!({"protocol": "ParseCloud/1.0", "hooks": {"triggers": triggers}});
    let parsimony_model::Value::Object(manifest) =
        parsimony_model::value::json::read(manifest.to_string().as_bytes()).unwrap()
    else {
        panic!("a manifest is an object");
    };
    assert_eq!(app.engine().put_external("elsewhere", &there.url, &manifest), Ok(2));
    let given = json!({"_context": {"given": 1}, "_ApplicationId": "scenarios"});
    let seen = app.as_nobody().post("/classes/Parcel", given.clone()).await;
    assert_eq!((seen.status, seen.body), (201, json!({"context": {"given": 1, "left": 7}})));

    // Parse: a webhook is told the context, and leaves none.
    for trigger in ["beforeSave", "afterSave"] {
        hook_trigger(&app, "Letter", trigger, &format!("{}/{trigger}", there.url)).await;
    }
    let seen = app.as_nobody().post("/classes/Letter", given).await;
    assert_eq!((seen.status, seen.body), (201, json!({"context": {"given": 1}})));
}
