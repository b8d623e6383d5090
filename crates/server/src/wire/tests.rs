//! A whole server in this process, asked over HTTP.

use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use parsimony_cloud::{ParseError, Request, Rules};
use parsimony_model::Value;
use parsimony_model::clock::HandClock;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::*;
use crate::Sources;

struct Server {
    running: Running,
    client: Client,
    data: TempDir,
}

async fn hello(_: Request) -> Result<&'static str, ParseError> {
    Ok("Hello")
}

async fn echo(request: Request) -> Result<Value, ParseError> {
    Ok(Value::Object(request.params.clone()))
}

async fn faulty(_: Request) -> Result<(), ParseError> {
    panic!("the handler is faulty")
}

async fn slow(_: Request) -> Result<&'static str, ParseError> {
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok("done")
}

impl Server {
    async fn start(options: serde_json::Value) -> Self {
        let application = Application::new("test")
            .define("hello", Rules::none(), hello)
            .define("echo", Rules::none(), echo)
            .define("faulty", Rules::none(), faulty)
            .define("slow", Rules::none(), slow);
        Self::start_with(options, application).await
    }

    async fn start_with(options: serde_json::Value, application: Application) -> Self {
        Self::start_of(options, application, Parts::default()).await
    }

    async fn start_of(mut options: serde_json::Value, application: Application, parts: Parts) -> Self {
        let data = tempfile::tempdir().unwrap();
        options["host"] = json!("127.0.0.1");
        options["port"] = json!(0);
        options["parsimony"]["dataDir"] = json!(data.path());
        let file = Some(("test".to_owned(), options.to_string()));
        let config = Config::read(Sources { file, ..Sources::default() }).unwrap();
        let running = start(config, [application], parts).await.unwrap();
        Self { running, client: Client::new(), data }
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.running.url))
    }

    fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.ask(Method::POST, path).header("X-Parse-Application-Id", "app").body(body)
    }
}

async fn seen(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn keys() -> serde_json::Value {
    json!({ "appId": "app", "masterKey": "master" })
}

/// Asks until the answer is as expected, or gives the last one after a while.
async fn comes_to(server: &Server, path: &str, expected: &str) -> String {
    let begun = Instant::now();
    loop {
        let (_, text) = seen(server.ask(Method::POST, path).header("X-Parse-Application-Id", "app")).await;
        if text == expected || begun.elapsed() > Duration::from_secs(20) {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_is_saved_serves_at_once_and_a_bad_one_does_not() {
    let application =
        Application::new("test").script("functions", "fn brought(request) { 1 }").define("hello", Rules::none(), hello);
    let server = Server::start_with(keys(), application).await;
    let hooks = server.data.path().join("hooks");
    let write = |name: &str, text: &str| std::fs::write(hooks.join(name), text).unwrap();
    let listed = || {
        server
            .ask(Method::GET, "/hooks/scripts")
            .header("X-Parse-Application-Id", "app")
            .header("X-Parse-Master-Key", "master")
    };
    assert_eq!(comes_to(&server, "/functions/brought", r#"{"result":1}"#).await, r#"{"result":1}"#);
    let begun = Instant::now();
    write("functions.rhai", "fn greet(request) { \"one\" }");
    assert_eq!(comes_to(&server, "/functions/greet", r#"{"result":"one"}"#).await, r#"{"result":"one"}"#);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    // A bad one, and one that wants what is native: what serves goes on, and the list says what is wrong.
    for (text, told) in [
        ("fn greet(request) { \"two\"", "functions.rhai:1:"),
        ("fn greet(request) { \"two\" } fn hello(request) {}", "function hello is defined twice: by test ("),
    ] {
        write("functions.rhai", text);
        let begun = Instant::now();
        while !seen(listed()).await.1.contains(told) {
            assert!(begun.elapsed() < Duration::from_secs(20), "{told}: {}", seen(listed()).await.1);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(comes_to(&server, "/functions/greet", r#"{"result":"one"}"#).await, r#"{"result":"one"}"#);
    }
    write("functions.rhai", "fn greet(request) { \"three\" }");
    assert_eq!(comes_to(&server, "/functions/greet", r#"{"result":"three"}"#).await, r#"{"result":"three"}"#);
    assert!(seen(listed()).await.1.contains(r#""failure":null"#));
    // A file in the folder of an application takes the place of what it brings; without the file that serves again.
    std::fs::create_dir(hooks.join("test")).unwrap();
    write("test/functions.rhai", "fn brought(request) { 2 }");
    assert_eq!(comes_to(&server, "/functions/brought", r#"{"result":2}"#).await, r#"{"result":2}"#);
    std::fs::remove_dir_all(hooks.join("test")).unwrap();
    assert_eq!(comes_to(&server, "/functions/brought", r#"{"result":1}"#).await, r#"{"result":1}"#);
}

#[tokio::test]
async fn a_server_with_unsound_scripts_does_not_start_unless_it_is_told_to() {
    let hooks = tempfile::tempdir().unwrap();
    std::fs::write(hooks.path().join("Item.rhai"), "fn before_save(request) {").unwrap();
    let application = || Application::new("test").script("functions", "fn brought(request) { 1 }");
    for without in [false, true] {
        let data = tempfile::tempdir().unwrap();
        let options = json!({ "appId": "app", "masterKey": "master", "host": "127.0.0.1", "port": 0, "parsimony": {
            "dataDir": data.path(), "hooksDir": hooks.path(), "startWithoutScripts": without,
        } });
        let file = Some(("test".to_owned(), options.to_string()));
        let config = Config::read(Sources { file, ..Sources::default() }).unwrap();
        match start(config, [application()], Parts::default()).await {
            Err(sentence) => assert!(!without && sentence.contains("Item.rhai:1:"), "{sentence}"),
            Ok(running) => {
                assert!(without, "it starts");
                let server = Server { running, client: Client::new(), data };
                let seen = seen(server.post("/functions/brought", "{}")).await;
                assert_eq!(seen, (200, r#"{"result":1}"#.to_owned()));
                let listed = server.ask(Method::GET, "/hooks/scripts").header("X-Parse-Application-Id", "app");
                let listed = listed.header("X-Parse-Master-Key", "master").send().await.unwrap().text().await.unwrap();
                assert!(listed.contains("Item.rhai:1:"), "{listed}");
            }
        }
    }
}

#[test]
fn the_path_of_a_url() {
    for (url, path) in [
        ("http://h:1337/parse", Some("/parse")),
        ("https://h/a/b", Some("/a/b")),
        ("http://h", None),
        ("nonsense", None),
    ] {
        assert_eq!(path_of(url), path, "{url}");
    }
}

#[tokio::test]
async fn functions_are_called_in_every_form_a_request_has() {
    let server = Server::start(keys()).await;
    let sdk = r#"{"n":1,"_method":"POST","_ApplicationId":"app","_ClientVersion":"js8.6.0","_InstallationId":"i"}"#;
    let sdk = server.ask(Method::POST, "/functions/echo").header("Content-Type", "text/plain").body(sdk);
    assert_eq!(seen(sdk).await, (200, r#"{"result":{"n":1}}"#.to_owned()));
    let form =
        server.post("/functions/echo?b=2", "a=1&b=1").header("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(seen(form).await, (200, r#"{"result":{"a":"1","b":"2"}}"#.to_owned()));
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(br#"{"n":1}"#).unwrap();
    let packed = server.post("/functions/echo", packed.finish().unwrap()).header("Content-Encoding", "gzip");
    assert_eq!(seen(packed).await, (200, r#"{"result":{"n":1}}"#.to_owned()));
    assert_eq!(seen(server.post("//functions/hello/", "")).await.0, 200);
    assert_eq!(seen(server.post("/functions/nope", "")).await.0, 400);
}

#[tokio::test]
async fn only_the_applications_that_are_asked_for_are_loaded() {
    let mut options = keys();
    options["parsimony"] = json!({ "applications": [] });
    let server = Server::start_with(options, Application::new("test").define("hello", Rules::none(), hello)).await;
    assert!(server.running.applications.is_empty());
    assert_eq!(seen(server.post("/functions/hello", "")).await.0, 400);
    let both = || vec![Application::new("a"), Application::new("b")];
    let names = |wanted: &[&str]| {
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        let chosen = chosen(both(), Some(&wanted)).map_err(|error| error.clone())?;
        Ok::<_, String>(chosen.iter().map(|application| application.name().to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(names(&["b"]).unwrap(), ["b"]);
    assert_eq!(names(&["c"]).unwrap_err(), "parsimony.applications: there is no c; there are: a, b.");
    assert_eq!(chosen(both(), None).unwrap().len(), 2);
}

#[tokio::test]
async fn a_new_master_key_is_accepted_after_its_time_to_live() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "first").unwrap();
    let clock = Arc::new(HandClock::default());
    let parts = Parts { clock: Some(Arc::clone(&clock) as Arc<dyn Clock>), ..Parts::default() };
    let options = json!({ "appId": "app", "masterKey": { "file": file.path() }, "masterKeyTtl": 60 });
    let server = Server::start_of(options, Application::new("test"), parts).await;
    let status = async |key: &str| {
        let ask = server.ask(Method::GET, "/schemas").header("X-Parse-Application-Id", "app");
        seen(ask.header("X-Parse-Master-Key", key)).await.0
    };
    assert_eq!((status("first").await, status("second").await), (200, 403));
    std::fs::write(&file, "second").unwrap();
    assert_eq!((status("first").await, status("second").await), (200, 403));
    clock.advance_millis(60_000);
    assert_eq!((status("first").await, status("second").await), (403, 200));
}

#[tokio::test]
async fn every_answer_has_its_id_and_may_be_read_by_pages() {
    let server = Server::start(keys()).await;
    for (method, path, status) in [
        (Method::GET, "/health", 200),
        (Method::PUT, "/health/", 200),
        (Method::OPTIONS, "/classes/A", 200),
        (Method::GET, "/classes/A", 403),
        (Method::GET, "/../nowhere", 404),
    ] {
        let answer = server.ask(method, path).header("X-Request-Id", "mine").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert_eq!(answer.headers()["x-request-id"], "mine");
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        assert!(answer.headers().contains_key("access-control-allow-headers"));
    }
    let head = server.ask(Method::HEAD, "/users").header("X-Parse-Application-Id", "app").send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.text().await.unwrap().as_str()), (200, ""));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_however_it_comes() {
    let mut options = keys();
    options["maxUploadSize"] = json!("1kb");
    let server = Server::start(options).await;
    let large = || format!(r#"{{"a":"{}"}}"#, "x".repeat(2_000));
    let pieces = futures::stream::iter(large().into_bytes().chunks(100).map(<[u8]>::to_vec).collect::<Vec<_>>());
    let pieces = futures::StreamExt::map(pieces, Ok::<_, std::io::Error>);
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(large().as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 1_000);
    for request in [
        server.post("/functions/echo", large()),
        server.post("/functions/echo", reqwest::Body::wrap_stream(pieces)),
        server.post("/functions/echo", packed).header("Content-Encoding", "gzip"),
    ] {
        let (status, body) = seen(request).await;
        assert_eq!(status, 413, "{body}");
        assert!(body.starts_with(r#"{"code":116,"#), "{body}");
    }
    assert_eq!(seen(server.post("/functions/hello", "")).await.0, 200);
}

#[tokio::test]
async fn a_faulty_handler_fails_its_request_and_not_the_server() {
    let server = Server::start(keys()).await;
    for _ in 0..3 {
        let failed = (400, r#"{"code":141,"error":"Script failed."}"#.to_owned());
        assert_eq!(seen(server.post("/functions/faulty", "")).await, failed);
    }
    assert_eq!(seen(server.post("/functions/hello", "")).await.0, 200);
}

#[tokio::test]
async fn keys_are_asked_for() {
    let mut options = keys();
    options["restAPIKey"] = json!("rest");
    options["routeAllowList"] = json!(["functions/hello"]);
    let server = Server::start(options).await;
    let hello = || server.post("/functions/hello", "");
    assert_eq!(seen(hello()).await, (403, r#"{"error":"unauthorized"}"#.to_owned()));
    assert_eq!(seen(hello().header("X-Parse-REST-API-Key", "rest")).await.0, 200);
    let echo = || server.post("/functions/%65cho", "");
    let refused = (400, r#"{"code":119,"error":"Permission denied"}"#.to_owned());
    assert_eq!(seen(echo().header("X-Parse-REST-API-Key", "rest")).await, refused);
    assert_eq!(seen(echo().header("X-Parse-Master-Key", "master")).await.0, 200);
    let body = r#"{"requests":[{"method":"POST","path":"/parse/functions/echo"},{"method":"POST","path":"/parse/functions/hello"}]}"#;
    let batch = server.post("/batch", body).header("X-Parse-REST-API-Key", "rest");
    // The batch itself is not on the list either.
    assert_eq!(seen(batch).await, refused);
}

#[tokio::test]
async fn the_parts_of_a_batch_are_answered_in_their_order() {
    let server = Server::start(keys()).await;
    let body = r#"{"requests":[{"method":"POST","path":"/parse/functions/slow"},{"method":"GET","path":"/parse/users/me"},
        {"method":"POST","path":"/parse/functions/echo","body":{"n":1}}]}"#;
    let expected = r#"[{"success":{"result":"done"}},{"error":{"code":209,"error":"Permission denied"}},{"success":{"result":{"n":1}}}]"#;
    assert_eq!(seen(server.post("/batch", body)).await, (200, expected.to_owned()));
    let lost = r#"{"requests":[{"method":"POST","path":"/parse/functions/echo"},{"method":"GET","path":"/parse/x"}]}"#;
    let refused = r#"{"code":107,"error":"cannot route GET /x"}"#;
    assert_eq!(seen(server.post("/batch", lost)).await, (400, refused.to_owned()));
}

#[tokio::test]
async fn work_goes_on_when_its_client_is_gone() {
    static DONE: AtomicU32 = AtomicU32::new(0);
    async fn count(_: Request) -> Result<(), ParseError> {
        tokio::time::sleep(Duration::from_millis(200)).await;
        DONE.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
    let server = Server::start_with(keys(), Application::new("test").define("count", Rules::none(), count)).await;
    let address = server.running.url.strip_prefix("http://").unwrap().strip_suffix("/parse").unwrap();
    let request =
        "POST /parse/functions/count HTTP/1.1\r\nHost: h\r\nX-Parse-Application-Id: app\r\nContent-Length: 0\r\n\r\n";
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    // The connection is reset, not closed: the server learns of it at once.
    connection.set_zero_linger().unwrap();
    drop(connection);
    let waited = Instant::now();
    while DONE.load(Ordering::SeqCst) == 0 && waited.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(DONE.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_server_that_stops_answers_what_runs() {
    let mut server = Server::start(keys()).await;
    let running = server.post("/functions/slow", "").send();
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.running.listening.stop().await;
    };
    let (answer, ()) = tokio::join!(running, stopping);
    assert_eq!(answer.unwrap().status().as_u16(), 200);
    assert!(server.post("/functions/hello", "").send().await.is_err());
    server.running.stop().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = keys();
    options["host"] = json!("127.0.0.1");
    options["port"] = json!(taken.local_addr().unwrap().port());
    let data = tempfile::tempdir().unwrap();
    options["parsimony"] = json!({ "dataDir": data.path() });
    let sources = Sources { file: Some(("test".to_owned(), options.to_string())), ..Sources::default() };
    let error = start(Config::read(sources).unwrap(), [], Parts::default()).await.err().unwrap();
    assert!(error.starts_with("Nothing can listen on 127.0.0.1 port"), "{error}");
}

#[tokio::test]
async fn pipelines_call_classes_as_collections_are_called() {
    let mut options = keys();
    options["collectionPrefix"] = json!("app_");
    let mut server = Server::start(options).await;
    let master = |path: &str, body: serde_json::Value| {
        server.post(path, body.to_string()).header("X-Parse-Master-Key", "master")
    };
    for class in ["One", "Other"] {
        let (status, text) = seen(master(&format!("/classes/{class}"), json!({ "name": "x" }))).await;
        assert_eq!(status, 201, "{text}");
    }
    for from in ["app_Other", "Other"] {
        let look_up = json!({ "from": from, "localField": "name", "foreignField": "name", "as": "found" });
        let pipeline = json!([{ "$lookup": look_up }, { "$project": { "count": { "$size": "$found" } } }]);
        let (status, text) = seen(master("/aggregate/One", json!({ "_method": "GET", "pipeline": pipeline }))).await;
        assert!(status == 200 && text.contains(r#""count":1"#), "{from}: {status} {text}");
    }
    server.running.stop().await;
}

#[tokio::test]
async fn a_database_that_is_half_there_is_not_served() {
    let data = tempfile::tempdir().unwrap();
    let config = || {
        let mut options = keys();
        options["host"] = json!("127.0.0.1");
        options["port"] = json!(0);
        options["parsimony"] = json!({ "dataDir": data.path() });
        Config::read(Sources { file: Some(("test".to_owned(), options.to_string())), ..Sources::default() }).unwrap()
    };
    let store = SqliteStore::open(data.path().join("parsimony.db")).unwrap();
    let mark = parsimony_model::ClassSchema::new(parsimony_model::builtin::Builtin::Move.name());
    store.create_class(&mark).await.unwrap();
    store.close().await.unwrap();
    let refusal = start(config(), [], Parts::default()).await.err().unwrap();
    assert!(refusal.contains("is half of a copy of another database"), "{refusal}");
    let store = SqliteStore::open(data.path().join("parsimony.db")).unwrap();
    store.drop_class(&mark).await.unwrap();
    store.close().await.unwrap();
    start(config(), [], Parts::default()).await.unwrap().stop().await;
}
