//! Do the published attacks on Parse servers lead anywhere? Each test is named after the advisory whose attack it tries; what has
//! none, after the pull request or the options of Parse Server that answer it.

mod accounts;
mod cost;
mod doors;
mod files;
mod permissions;
mod queries;
mod same_view;

use std::fmt::Write as _;

use parsimony_testkit::{App, Client, StoreKind};
use serde_json::{Map, Value, json};

/// An app whose clients may make classes, as most of the attacks begin with one.
async fn open(store: StoreKind) -> App {
    App::start_with(store, [], |options| options.allow_client_class_creation = true).await
}

/// Someone who asks, and what they say of themselves in a body.
struct Asker {
    client: Client,
    nobody: Client,
    says: Map<String, Value>,
}

impl Asker {
    fn of(app: &App, client: Client, says: Value) -> Self {
        let Value::Object(mut says) = says else { panic!("{says} is an object") };
        says.insert("_ApplicationId".into(), json!("scenarios"));
        Self { client, nobody: app.as_nobody(), says }
    }

    fn anyone(app: &App) -> Self {
        Self::of(app, (**app).clone(), json!({}))
    }

    fn user(app: &App, token: &str) -> Self {
        Self::of(app, app.as_user(token), json!({"_SessionToken": token}))
    }

    fn master(app: &App) -> Self {
        Self::of(app, app.as_master(), json!({"_MasterKey": "the master key"}))
    }

    /// Asks directly, as a part of a batch, and by a `POST` whose body says what it means and who asks.
    async fn every_way(&self, method: &str, path: &str, says: &Value) -> [Answer; 3] {
        let direct = if method == "GET" || method == "DELETE" {
            self.client.ask_raw(method, &format!("{path}{}", query_string(says)), &[], Vec::new()).await
        } else {
            self.client.ask_raw(method, path, &[], says.to_string().into_bytes()).await
        };
        let direct = direct.unwrap();
        assert!(direct.status < 500, "{method} {path} {says}: {}", direct.body);
        let direct = Answer { way: "directly", code: direct.code(), status: direct.status, body: direct.body };

        let part = json!({"method": method, "path": format!("/parse{path}"), "body": says});
        let seen = self.client.post("/batch", json!({"requests": [part]})).await;
        assert_eq!(seen.status, 200, "{method} {path} {says}: {}", seen.body);
        let batched = match (&seen.body[0]["success"], &seen.body[0]["error"]) {
            (Value::Null, error) => {
                Answer { way: "in a batch", code: error["code"].as_i64().unwrap(), status: 400, body: error.clone() }
            }
            (success, _) => Answer { way: "in a batch", code: 0, status: 200, body: success.clone() },
        };

        let Value::Object(mut body) = says.clone() else { panic!("{says} is an object") };
        body.insert("_method".into(), json!(method));
        body.extend(self.says.clone());
        let seen = self.nobody.post(path, Value::Object(body)).await;
        let meant = Answer { way: "in a body", code: seen.code(), status: seen.status, body: seen.body };
        [direct, batched, meant]
    }

    /// Is refused with this code, however it is asked.
    async fn is_refused(&self, code: i64, method: &str, path: &str, says: &Value) {
        for answer in self.every_way(method, path, says).await {
            assert_eq!(answer.code, code, "{method} {path} {says} {}: {}", answer.way, answer.body);
        }
    }

    /// Finds as many, however it is asked.
    async fn finds(&self, many: usize, path: &str, says: &Value) {
        for answer in self.every_way("GET", path, says).await {
            assert_eq!(answer.results().len(), many, "GET {path} {says} {}: {}", answer.way, answer.body);
        }
    }
}

/// What one way of asking brought.
struct Answer {
    way: &'static str,
    /// 0 if it was not refused.
    code: i64,
    status: u16,
    body: Value,
}

impl Answer {
    fn results(&self) -> &[Value] {
        self.body["results"].as_array().unwrap_or_else(|| panic!("{}: no results in {}", self.way, self.body))
    }
}

/// The parameters of a query in a URL: texts as they are, all else as JSON.
fn query_string(says: &Value) -> String {
    let mut query = String::new();
    for (name, value) in says.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = write!(query, "{}{name}={}", if query.is_empty() { '?' } else { '&' }, encoded(&text));
    }
    query
}

/// A text as a URL may hold it.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let _ = write!(encoded, "%{byte:02X}");
        encoded
    })
}

fn pointer(class: &str, id: &str) -> Value {
    json!({"__type": "Pointer", "className": class, "objectId": id})
}

/// What nobody's attack may change: the health of the server.
async fn is_well(app: &App) {
    assert_eq!(app.get("/health").await.body, json!({"status": "ok"}));
}
