//! How is a step asked, and its reply read?

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Url};
use serde_json::Value;

use super::json::Json;
use super::normal::{normalise, text_of};
use super::scenario::{Reply, Scenario, Step};
use super::variables::Variables;

const ANSWER_SECONDS_MAX: u64 = 30;
const POLL_MILLIS: u64 = 20;

/// What JSON bodies say they are.
const JSON: &str = "application/json; charset=utf-8";

/// Asks the steps of one scenario, one after the other.
pub struct Player {
    url: String,
    /// What of this run's own may stand in a reply, and what it is called there.
    own: Vec<(String, &'static str)>,
    keys: BTreeMap<String, String>,
    http: Client,
    variables: Variables,
}

impl Player {
    /// For a server at this URL, mount path included, with these options.
    pub fn new(url: &str, options: &Value) -> Result<Self, String> {
        // Parse Server closes the connection after some of its refusals, without saying so.
        let http = Client::builder().pool_max_idle_per_host(0).redirect(Policy::none());
        let http = http.timeout(Duration::from_secs(ANSWER_SECONDS_MAX)).build().map_err(|error| error.to_string())?;
        let keys = ["appId", "masterKey", "readOnlyMasterKey", "maintenanceKey"].into_iter();
        let keys = keys.filter_map(|name| Some((name.to_owned(), options.get(name)?.as_str()?.to_owned()))).collect();
        let mut own = vec![(url.trim_end_matches("/parse").to_owned(), "<server>")];
        let database = options.get("databaseURI").and_then(Value::as_str).and_then(|uri| uri.rsplit('/').next());
        let database = database.and_then(|name| name.split('?').next()).filter(|name| !name.is_empty());
        own.extend(database.map(|name| (name.to_owned(), "<database>")));
        Ok(Self { url: url.to_owned(), own, keys, http, variables: Variables::default() })
    }

    /// Asks one step. The error says what is wrong with the step, or that no answer came.
    pub async fn play(&mut self, scenario: &Scenario, step: &Step) -> Result<Reply, String> {
        self.variables.next_step();
        let (method, path) = step.ask.split_once(' ').ok_or("a step asks METHOD and PATH")?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?;
        let mut request = self.http.request(method, self.target(path, step)?);
        for (name, value) in self.headers(scenario, step)? {
            request = request.header(name, value);
        }
        if let Some(body) = self.body(step)? {
            request = request.body(body);
        }
        let answer = request.send().await.map_err(|error| format!("no answer: {error:?}"))?;
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        let bytes = answer.bytes().await.map_err(|error| format!("half an answer: {error}"))?;
        // Headers are Latin-1.
        let latin = |value: &HeaderValue| value.as_bytes().iter().map(|byte| char::from(*byte)).collect::<String>();
        let header = |name: &str| headers.get(name).map(latin);
        let mut reply = Reply { status, headers: BTreeMap::new(), body: None, text: None };
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(body) => {
                if let Some(name) = &step.save {
                    self.variables.save(name, &body);
                }
                let mut body = normalise(&body, &mut self.variables, &self.own);
                step.kind_of.iter().for_each(|path| keep_kind(&mut body, path));
                if step.unordered {
                    sort_results(&mut body);
                }
                reply.body = Some(body);
            }
            Err(_) if bytes.is_empty() => {}
            Err(_) => {
                let text = String::from_utf8_lossy(&bytes);
                reply.text = Some(text_of(None, &text, &self.variables, &self.own));
            }
        }
        let kind = header("content-type").filter(|kind| kind != JSON || reply.body.is_none());
        let looked_at = step.look_at.iter().map(|name| (name.as_str(), header(name)));
        for (name, value) in [("Location", header("location")), ("Content-Type", kind)].into_iter().chain(looked_at) {
            let value = value.map(|value| text_of(None, &value, &self.variables, &self.own));
            reply.headers.extend(value.map(|value| (name.to_owned(), value)));
        }
        Ok(reply)
    }

    fn target(&self, path: &str, step: &Step) -> Result<Url, String> {
        let path = self.variables.fill(path)?;
        let mut url = Url::parse(&format!("{}{path}", self.url)).map_err(|error| format!("{path}: {error}"))?;
        if !step.query.is_empty() {
            let mut pairs = url.query_pairs_mut();
            for (name, value) in &step.query {
                match self.variables.fill_json(value)? {
                    Json::Text(text) => pairs.append_pair(name, &text),
                    json => pairs.append_pair(name, &json.text()),
                };
            }
        }
        Ok(url)
    }

    fn headers(&self, scenario: &Scenario, step: &Step) -> Result<Vec<(HeaderName, String)>, String> {
        let who = step.who.as_ref().or(scenario.who.as_ref()).map_or("client", String::as_str);
        let key = |name: &str| self.keys.get(name).cloned().ok_or_else(|| format!("the server has no {name}"));
        let mut headers = Vec::new();
        if who != "nobody" {
            headers.push(("X-Parse-Application-Id", key("appId")?));
        }
        match who {
            "nobody" | "client" => {}
            "master" => headers.push(("X-Parse-Master-Key", key("masterKey")?)),
            "read-only" => headers.push(("X-Parse-Master-Key", key("readOnlyMasterKey")?)),
            "maintenance" => headers.push(("X-Parse-Maintenance-Key", key("maintenanceKey")?)),
            name => {
                let token = self.variables.token(name).ok_or_else(|| format!("{name} has no session token"))?;
                headers.push(("X-Parse-Session-Token", token.to_owned()));
            }
        }
        let has_kind = step.headers.keys().any(|name| name.eq_ignore_ascii_case(CONTENT_TYPE.as_str()));
        if (step.send.is_some() || step.raw.is_some()) && !has_kind {
            headers.push(("Content-Type", "application/json".to_owned()));
        }
        let own = step.headers.iter().map(|(name, value)| Ok((name.as_str(), self.variables.fill(value)?)));
        let all = headers.into_iter().map(Ok).chain(own);
        let named = |name: &str| HeaderName::from_bytes(name.as_bytes()).map_err(|error| format!("{name}: {error}"));
        all.map(|header| header.and_then(|(name, value)| Ok((named(name)?, value)))).collect()
    }

    fn body(&self, step: &Step) -> Result<Option<String>, String> {
        match (&step.send, &step.raw) {
            (Some(json), None) => Ok(Some(self.variables.fill_json(json)?.text())),
            (None, Some(text)) => Ok(Some(self.variables.fill(text)?)),
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err("a step has one body".to_owned()),
        }
    }
}

/// Puts the results into an order of their own.
fn sort_results(body: &mut Value) {
    if let Some(results) = body.get_mut("results").and_then(Value::as_array_mut) {
        results.sort_by_cached_key(Value::to_string);
    }
}

/// Leaves of a value, `results.0.plan`, only what kind it is.
fn keep_kind(body: &mut Value, path: &str) {
    let pointer = format!("/{}", path.replace('.', "/"));
    let Some(value) = body.pointer_mut(&pointer) else { return };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    };
    *value = Value::from(format!("<{kind}>"));
}

/// Waits until the server at this URL says that it is well. The error is a sentence.
pub async fn wait_until_it_answers(url: &str, limit: Duration) -> Result<(), String> {
    let health = format!("{url}/health");
    let begin = Instant::now();
    while begin.elapsed() < limit {
        if reqwest::get(&health).await.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(POLL_MILLIS)).await;
    }
    Err(format!("nothing answers at {health} within {} s", limit.as_secs()))
}
