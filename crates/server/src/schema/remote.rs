//! Which server is asked, with which keys, and what does it answer?

use std::time::Duration;

use parsimony_engine::MasterKey;
use parsimony_model::value::json;
use parsimony_model::{Clock, Map, SystemClock, Value as Body};
use reqwest::{Client, Method};
use serde_json::Value;

use super::Whose;
use crate::cli::CliOptions;
use crate::config::Config;
use crate::{keys, say};

/// The code of the refusal that says that another push was first.
pub(crate) const OVERTAKEN: i64 = 255;

/// The code of the refusal that says that the data stands in the way.
pub(super) const OBJECTION: i64 = 142;

/// How often a push is asked how far it has come.
const ASKING_MILLIS: u64 = 1_000;

/// How long to wait for a connection.
const CONNECT_SECONDS_MAX: u64 = 10;

/// How long to wait for an answer to a question; a push may take as long as it takes.
const ANSWER_SECONDS_MAX: u64 = 120;

/// A server.
pub(crate) struct Remote {
    url: String,
    application_id: String,
    master_key: String,
    http: Client,
}

/// A refusal, or no answer.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Parse's number, if the server answered.
    pub(crate) code: Option<i64>,
    /// A sentence.
    pub(crate) text: String,
    /// Whether the server was reached and then did not answer: then it may be at work all the same.
    pub(crate) lost: bool,
}

impl From<Refused> for String {
    fn from(refused: Refused) -> Self {
        refused.text
    }
}

impl Remote {
    /// Finds the server as the configuration says it, unless the command line says otherwise.
    pub(crate) fn find(whose: &Whose, options: CliOptions, environment: Vec<(String, String)>) -> Result<Self, String> {
        let mut sources = options.sources(environment)?;
        for (name, said) in [("appId", &whose.app_id), ("masterKey", &whose.master_key)] {
            if let Some(said) = said {
                sources.arguments.push((name, said.as_str().into()));
            }
        }
        let config = Config::read(sources)?;
        let url = match &whose.url {
            Some(url) if url.starts_with("http://") || url.starts_with("https://") => {
                url.trim_end_matches('/').to_owned()
            }
            Some(_) => return Err("--url must begin with http:// or https://.".to_owned()),
            None => config.server_url.clone().unwrap_or_else(|| config.local_url(config.port)),
        };
        let mut application_id = config.options.keys.application_id.clone();
        let mut master_key = match &config.options.keys.master_key {
            MasterKey::Fixed(key) => key.clone(),
            MasterKey::Changing(key) => key(SystemClock.now()).to_string(),
        };
        if application_id.is_empty() || master_key.is_empty() {
            let kept = keys::load(&config.data_dir)?;
            let kept = kept.ok_or_else(|| {
                format!(
                    "There is no application id or no master key: give --app-id and --master-key, or \
                     PARSE_SERVER_APPLICATION_ID and PARSE_SERVER_MASTER_KEY, or --config FILE, or --data DIR ({} has none).",
                    config.data_dir.display()
                )
            })?;
            application_id = if application_id.is_empty() { kept.application_id } else { application_id };
            master_key = if master_key.is_empty() { kept.master_key } else { master_key };
        }
        let http = Client::builder().connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX)).build();
        let http = http.map_err(|error| format!("No connection can be made: {error}."))?;
        Ok(Self { url, application_id, master_key, http })
    }

    /// Asks something.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Refused> {
        self.ask(Method::GET, &schema(path), None, Some(ANSWER_SECONDS_MAX)).await
    }

    /// Asks something that needs a body.
    pub(super) async fn post(&self, path: &str, body: Map) -> Result<Value, Refused> {
        self.ask(Method::POST, &schema(path), Some(body), Some(ANSWER_SECONDS_MAX)).await
    }

    /// Asks something else than about classes; the path is that below the mount path.
    pub(crate) async fn at(&self, method: Method, path: &str, body: Option<Map>) -> Result<Value, Refused> {
        self.ask(method, path, body, Some(ANSWER_SECONDS_MAX)).await
    }

    /// The definitions of its classes, their fields in their order.
    pub(super) async fn definitions(&self) -> Result<Vec<Body>, Refused> {
        let text = self.text(Method::GET, &schema("definitions"), None, Some(ANSWER_SECONDS_MAX)).await?;
        let told = json::read(text.as_bytes()).ok();
        let listed = told.as_ref().and_then(Body::as_object).and_then(|told| told.get("definitions"));
        Ok(listed.and_then(Body::as_array).unwrap_or_default().to_vec())
    }

    /// Pushes, and says now and then how far it has come. Goes on waiting when the connection is lost on the way.
    pub(super) async fn push(&self, what: &str, body: Map) -> Result<Value, Refused> {
        let path = schema(what);
        let work = self.ask(Method::POST, &path, Some(body), None);
        let mut work = std::pin::pin!(work);
        let mut said = String::new();
        loop {
            match tokio::time::timeout(Duration::from_millis(ASKING_MILLIS), &mut work).await {
                Ok(Err(refused)) if refused.lost => return self.wait_for_end(refused, said).await,
                Ok(answer) => return answer,
                Err(_not_yet) => {
                    tokio::select! {
                        answer = &mut work => match answer {
                            Err(refused) if refused.lost => return self.wait_for_end(refused, said).await,
                            answer => return answer,
                        },
                        _ = self.tell_progress(&mut said) => {}
                    }
                }
            }
        }
    }

    /// The push that runs now, or ended last; what it says is told once.
    async fn tell_progress(&self, said: &mut String) -> Result<Value, Refused> {
        let history = self.get("history?limit=1").await?;
        let newest = history.pointer("/results/0").cloned().unwrap_or_default();
        let message = newest.get("message").and_then(Value::as_str).unwrap_or_default();
        if newest.get("state").and_then(Value::as_str) == Some("running") && message != said {
            message.clone_into(said);
            say(&mut std::io::stderr(), &format!("{message}\n"));
        }
        Ok(newest)
    }

    /// The connection is gone, and the server may be at work: its history knows.
    async fn wait_for_end(&self, refused: Refused, mut said: String) -> Result<Value, Refused> {
        say(&mut std::io::stderr(), &format!("{}\nAsking the server's history how it went.\n", refused.text));
        loop {
            tokio::time::sleep(Duration::from_millis(ASKING_MILLIS)).await;
            let newest = self.tell_progress(&mut said).await?;
            match newest.get("state").and_then(Value::as_str) {
                Some("running") => {}
                Some("done") => return Ok(newest),
                _ => {
                    return Err(Refused {
                        text: format!("{} The last push was not carried out whole.", refused.text),
                        ..refused
                    });
                }
            }
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Map>,
        seconds_max: Option<u64>,
    ) -> Result<Value, Refused> {
        let text = self.text(method, path, body, seconds_max).await?;
        serde_json::from_str(&text).map_err(|error| Refused { code: None, text: error.to_string(), lost: false })
    }

    /// The text of an answer, which is JSON.
    async fn text(
        &self,
        method: Method,
        path: &str,
        body: Option<Map>,
        seconds_max: Option<u64>,
    ) -> Result<String, Refused> {
        let url = format!("{}/{path}", self.url);
        let mut request = self
            .http
            .request(method, url)
            .header("X-Parse-Application-Id", &self.application_id)
            .header("X-Parse-Master-Key", &self.master_key);
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(json::write(&Body::Object(body)));
        }
        if let Some(seconds) = seconds_max {
            request = request.timeout(Duration::from_secs(seconds));
        }
        let no_answer = |error: reqwest::Error| Refused {
            code: None,
            lost: !error.is_connect() && !error.is_builder(),
            text: format!("{} does not answer: {}.", self.url, reason(&error)),
        };
        let answer = request.send().await.map_err(no_answer)?;
        let status = answer.status();
        let text = answer.text().await.map_err(no_answer)?;
        match serde_json::from_str::<Value>(&text) {
            Ok(_) if status.is_success() => Ok(text),
            Ok(told) => Err(refusal(&told, status.as_u16())),
            // A proxy in between that waits no longer.
            Err(_) => Err(Refused {
                code: None,
                lost: status.is_server_error(),
                text: format!("{} answers with the status {status} and no JSON.", self.url),
            }),
        }
    }
}

/// The path of a question about classes.
fn schema(what: &str) -> String {
    format!("parsimony/schema/{what}")
}

fn refusal(told: &Value, status: u16) -> Refused {
    let code = told.get("code").and_then(Value::as_i64);
    let error = told.get("error").or_else(|| told.get("message")).and_then(Value::as_str).unwrap_or("it says no");
    let text = match (status, code) {
        (403, _) => format!(
            "The server refuses ({error}): is the application id right, and the master key, and may it be used from this machine \
             (masterKeyIps)?"
        ),
        (404, None) => {
            format!("The server does not know this request ({error}): is the URL right, mount path included?")
        }
        _ => error.to_owned(),
    };
    Refused { code, text, lost: false }
}

/// The innermost cause, which says most.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
