//! How does a test get a whole app? On a fresh store, behind real HTTP on a free port.
#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a failed set-up fails the test")]

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parsimony_cloud::auth::Providers;
use parsimony_cloud::{Application, HttpClient, Registry};
use parsimony_connectors::Http;
use parsimony_engine::metrics::Metrics;
pub use parsimony_engine::{
    AccountOptions, CountedBy, DefinedSchemas, Idempotency, Lockout, Options, PasswordPolicy, PatternLimit,
    PushOptions, Verification,
};
use parsimony_engine::{Engine, Surroundings};
use parsimony_http::{Door, HttpOptions, Listening, PagesOptions, TrustProxy};
use parsimony_model::{ClassSchema, Clock, Filter, SystemClock};
use parsimony_script::{Limits, Outside, Rhai};
use parsimony_store::{Scope, Selection, Store};
use parsimony_store_mongo::{MongoOptions, MongoStore};
use parsimony_store_sqlite::SqliteStore;
use parsimony_vault::{KeyDefinition, KeyRing, Vault};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::mail_sink::MailSink;
use crate::mongod::{REPLICA_SET_VARIABLE, uri_for};

/// On which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// A fresh file.
    Sqlite,
    /// A fresh database of the replica set that `cargo xtask test` started.
    Mongo,
}

const APPLICATION: &str = "scenarios";
const MASTER_KEY: &str = "the master key";

/// What personal data is sealed with in tests.
const PII_KEY: &str = "cGVyc29uYWwgZGF0YSBvZiB0ZXN0cywgc2VhbGVkLi4=";

/// A running app. Dropping it stops it.
pub struct App {
    client: Client,
    listening: Option<Listening>,
    engine: Arc<Engine>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    data: Option<Arc<TempDir>>,
    mail: Arc<MailSink>,
}

/// What an app stands on.
struct Place {
    store: Arc<dyn Store>,
    data: Option<Arc<TempDir>>,
    mail: Arc<MailSink>,
}

impl std::ops::Deref for App {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl App {
    /// Starts these applications on a fresh store.
    ///
    /// # Panics
    /// When it cannot start; it is for tests.
    pub async fn start(store: StoreKind, applications: impl IntoIterator<Item = Application>) -> Self {
        Self::start_with(store, applications, |_options| {}).await
    }

    /// Starts these applications on a fresh store, with other options than the usual ones.
    ///
    /// # Panics
    /// When it cannot start; it is for tests.
    pub async fn start_with(
        store: StoreKind,
        applications: impl IntoIterator<Item = Application>,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        Self::start_by(Arc::new(SystemClock), store, applications, change).await
    }

    /// As [`App::start_with`], by this clock.
    ///
    /// # Panics
    /// When it cannot start; it is for tests.
    pub async fn start_by(
        clock: Arc<dyn Clock>,
        store: StoreKind,
        applications: impl IntoIterator<Item = Application>,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let (store, data) = fresh(store).await;
        let place = Place { store, data: data.map(Arc::new), mail: Arc::new(MailSink::start().await) };
        Self::open(clock, place, applications, change).await.expect("the engine opens")
    }

    /// Starts another server on the same store, by the same clock. The error is the sentence with which it does not start.
    pub async fn beside(
        &self,
        applications: impl IntoIterator<Item = Application>,
        change: impl FnOnce(&mut Options),
    ) -> Result<Self, String> {
        let (store, data, mail) = (Arc::clone(&self.store), self.data.clone(), Arc::clone(&self.mail));
        let place = Place { store, data, mail };
        Self::open(Arc::clone(&self.clock), place, applications, change).await
    }

    /// Stops it as a signal does: what runs ends, and its jobs have a status.
    pub async fn stop(&mut self) {
        if let Some(mut listening) = self.listening.take() {
            listening.stop().await;
        }
        self.engine.stop_jobs().await;
    }

    /// Starts these applications on a store that something else has filled. Whoever owns the files of the store keeps them.
    pub async fn on(
        store: Arc<dyn Store>,
        applications: impl IntoIterator<Item = Application>,
    ) -> Result<Self, String> {
        let place = Place { store, data: None, mail: Arc::new(MailSink::start().await) };
        Self::open(Arc::new(SystemClock), place, applications, |_options| {}).await
    }

    /// Its store, as it is inside of the vault.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The engine behind it.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Where its letters go.
    pub fn mail(&self) -> &MailSink {
        &self.mail
    }

    async fn open(
        clock: Arc<dyn Clock>,
        Place { store, data, mail }: Place,
        applications: impl IntoIterator<Item = Application>,
        change: impl FnOnce(&mut Options),
    ) -> Result<Self, String> {
        let mut options = Options::new(APPLICATION, MASTER_KEY);
        // The cheapest bcrypt: tests sign up many people.
        options.password_cost = 4;
        change(&mut options);
        let registry = Registry::new(applications)?;
        let http: Arc<dyn HttpClient> = Arc::new(Http::new());
        let outside = Outside { http: Arc::clone(&http), hosts: Vec::new() };
        let interpreter = Arc::new(Rhai::new(Limits::default(), &outside));
        let surroundings = Surroundings {
            clock: Arc::clone(&clock),
            http,
            metrics: Metrics::default(),
            mail: Some(Arc::new(mail.mailer())),
            auth: Providers::default(),
            files: None,
            logs: Arc::default(),
            interpreter,
            script_files: Vec::new(),
            starts_without_scripts: false,
        };
        let ring = KeyRing::new(&[KeyDefinition { id: "test".to_owned(), key: PII_KEY.to_owned() }])?;
        let vault =
            Vault::open(Arc::clone(&store), ring, Arc::clone(&clock)).await.map_err(|error| error.to_string())?;
        let engine = Engine::open(options, Arc::new(vault), registry, surroundings).await?;
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/parse", listener.local_addr().expect("a bound port"));
        let door = Door::new(HttpOptions {
            engine: Arc::clone(&engine),
            mount_path: "/parse".to_owned(),
            server_url: url.clone(),
            public_path: None,
            body_bytes_max: 1 << 20,
            allow_headers: Vec::new(),
            allow_origin: Vec::new(),
            trust_proxy: TrustProxy::default(),
            pages: PagesOptions::default(),
        })
        .expect("the door's options are right");
        let listening = Listening::start(listener, door).await.expect("the port can be listened on");
        Ok(Self { client: Client::new(url), listening: Some(listening), engine, store, clock, data, mail })
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if let Some(mut listening) = self.listening.take() {
            #[expect(clippy::disallowed_methods, reason = "the test's runtime ends it")]
            tokio::spawn(async move { listening.stop().await });
        }
    }
}

/// A store that nobody has used.
///
/// # Panics
/// When there is none; it is for tests.
pub async fn fresh(kind: StoreKind) -> (Arc<dyn Store>, Option<TempDir>) {
    static DATABASES: AtomicU64 = AtomicU64::new(0);
    match kind {
        StoreKind::Sqlite => {
            let folder = tempfile::tempdir().expect("a folder for the test");
            let store = SqliteStore::open(folder.path().join("test.db")).expect("the file opens");
            (Arc::new(store), Some(folder))
        }
        StoreKind::Mongo => {
            #[expect(clippy::disallowed_methods, reason = "this is how `cargo xtask test` tells where MongoDB is")]
            let uri = std::env::var(REPLICA_SET_VARIABLE)
                .unwrap_or_else(|_| panic!("{REPLICA_SET_VARIABLE} is not set: run the tests with `cargo xtask test`"));
            let database = format!("t{}_{}", std::process::id(), DATABASES.fetch_add(1, Ordering::Relaxed));
            let store = MongoStore::open(&uri_for(&uri, &database), MongoOptions::default()).await;
            (Arc::new(store.expect("the database opens")), None)
        }
    }
}

/// All objects of a class.
pub fn everything(class: &Arc<ClassSchema>) -> Selection {
    Selection::new(Arc::clone(class), Filter::everything(), Scope::Everything)
}

/// What came back.
#[derive(Debug)]
pub struct Seen {
    /// The HTTP status.
    pub status: u16,
    /// The body; `null` if it was no JSON.
    pub body: Value,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
}

impl Seen {
    /// The `objectId` of the body.
    ///
    /// # Panics
    /// When there is none.
    pub fn id(&self) -> String {
        self.body["objectId"].as_str().unwrap_or_else(|| panic!("no objectId in {}", self.body)).to_owned()
    }

    /// The `code` of the body; 0 if it has none.
    pub fn code(&self) -> i64 {
        self.body["code"].as_i64().unwrap_or_default()
    }

    /// The `results` of the body.
    ///
    /// # Panics
    /// When there are none.
    pub fn results(&self) -> &[Value] {
        self.body["results"].as_array().unwrap_or_else(|| panic!("no results in {}", self.body))
    }
}

/// Someone who asks the app over HTTP.
#[derive(Debug, Clone)]
pub struct Client {
    url: String,
    http: reqwest::Client,
    headers: Vec<(&'static str, String)>,
}

impl Client {
    fn new(url: String) -> Self {
        Self { url, http: reqwest::Client::new(), headers: vec![("X-Parse-Application-Id", APPLICATION.to_owned())] }
    }

    fn with(&self, header: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((header, value.to_owned()));
        client
    }

    /// With the master key.
    #[must_use]
    pub fn as_master(&self) -> Self {
        self.with("X-Parse-Master-Key", MASTER_KEY)
    }

    /// With a key of that name, such as the read-only one.
    #[must_use]
    pub fn with_master_key(&self, key: &str) -> Self {
        self.with("X-Parse-Master-Key", key)
    }

    /// With a session.
    #[must_use]
    pub fn as_user(&self, token: &str) -> Self {
        self.with("X-Parse-Session-Token", token)
    }

    /// With a request id.
    #[must_use]
    pub fn with_request_id(&self, id: &str) -> Self {
        self.with("X-Parse-Request-Id", id)
    }

    /// Without an application id.
    #[must_use]
    pub fn as_nobody(&self) -> Self {
        Self { headers: Vec::new(), ..self.clone() }
    }

    /// With another application id.
    #[must_use]
    pub fn with_application(&self, id: &str) -> Self {
        self.as_nobody().with("X-Parse-Application-Id", id)
    }

    /// `GET`
    pub async fn get(&self, path: &str) -> Seen {
        self.send(reqwest::Method::GET, path, None).await
    }

    /// `POST`
    pub async fn post(&self, path: &str, body: Value) -> Seen {
        self.send(reqwest::Method::POST, path, Some(body)).await
    }

    /// `PUT`
    pub async fn put(&self, path: &str, body: Value) -> Seen {
        self.send(reqwest::Method::PUT, path, Some(body)).await
    }

    /// `DELETE`
    pub async fn delete(&self, path: &str) -> Seen {
        self.send(reqwest::Method::DELETE, path, None).await
    }

    /// Asks with any bytes for a body, which may be no JSON, and takes any answer; `None` if there is none, as when the path is too
    /// long to be sent.
    pub async fn ask_raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Option<Seen> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).ok()?;
        let mut request = self.http.request(method, format!("{}{path}", self.url)).body(body);
        if !headers.iter().any(|(header, _)| header.eq_ignore_ascii_case("Content-Type")) {
            request = request.header("Content-Type", "application/json");
        }
        let own = self.headers.iter().map(|(header, value)| (*header, value.as_str()));
        for (header, value) in own.chain(headers.iter().copied()) {
            request = request.header(header, value);
        }
        let answer = request.send().await.ok()?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.ok()?;
        Some(Seen { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
    }

    /// Asks, and leaves the answer to be read.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn begin(&self, method: reqwest::Method, path: &str, body: Option<&Value>) -> reqwest::Response {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        for (header, value) in &self.headers {
            request = request.header(*header, value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.expect("the app answers")
    }

    /// Asks, and reads the answer.
    ///
    /// # Panics
    /// When no answer comes, or one with a 5xx status: nothing a test asks is the server's fault.
    async fn send(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Seen {
        let answer = self.begin(method.clone(), path, body.as_ref()).await;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.expect("the answer is text");
        assert!(status < 500, "{method} {path} {body:?}: {status} {text}");
        Seen { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
    }

    /// Signs somebody up with the password `password of NAME`; gives id and session token.
    pub async fn sign_up(&self, name: &str) -> (String, String) {
        let body = json!({"username": name, "password": format!("password of {name}")});
        let seen = self.post("/users", body).await;
        (seen.id(), seen.body["sessionToken"].as_str().unwrap_or_default().to_owned())
    }

    /// Logs in; gives the session token.
    ///
    /// # Panics
    /// When the login is refused.
    pub async fn log_in(&self, name: &str, password: &str) -> String {
        let seen = self.post("/login", json!({"username": name, "password": password})).await;
        seen.body["sessionToken"].as_str().unwrap_or_else(|| panic!("{}", seen.body)).to_owned()
    }

    /// Puts a user into a role, with the master key.
    ///
    /// # Panics
    /// When there is no such role.
    pub async fn give_role(&self, user: &str, role: &str) {
        let master = self.as_master();
        let seen = master.get(&format!(r#"/roles?where={{"name":"{role}"}}"#)).await;
        let id = seen.results()[0]["objectId"].as_str().expect("a role has an id").to_owned();
        let user = json!({"__type": "Pointer", "className": "_User", "objectId": user});
        let change = json!({"users": {"__op": "AddRelation", "objects": [user]}});
        assert_eq!(master.put(&format!("/roles/{id}"), change).await.status, 200);
    }
}
