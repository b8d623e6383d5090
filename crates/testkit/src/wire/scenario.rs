//! What does a scenario say: what is asked by whom, and what did Parse Server answer?

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json::Json;

/// A file of scenarios about one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// The question the file answers.
    pub about: String,
    /// Each on a server and a database of its own.
    pub scenarios: Vec<Scenario>,
}

/// A few requests, one after the other, to a server that nobody has used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What is shown, as a sentence.
    pub name: String,
    /// The features it covers.
    pub features: Vec<String>,
    /// Which of the servers in `servers.json` it needs.
    #[serde(default = "plain", skip_serializing_if = "is_plain")]
    pub server: String,
    /// Who asks, unless a step says otherwise.
    #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// What is in the database before the server starts: documents in MongoDB's Extended JSON, by collection. Such a
    /// scenario is for MongoDB only.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub given: IndexMap<String, Vec<Json>>,
    /// The requests.
    pub steps: Vec<Step>,
}

/// One exchange.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// `master`, `read-only`, `maintenance`, `client`, `nobody`, or the name of a saved reply with a session token.
    #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Method and path below the mount path: `GET /classes/Post`.
    pub ask: String,
    /// Parameters of the query string; what is no text goes as JSON.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub query: IndexMap<String, Json>,
    /// Further headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body, sent as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub send: Option<Json>,
    /// The body, sent as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// Under which name later steps find the reply: `{{name}}` is its object id, `{{name.a.0.b}}` a value in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub save: Option<String>,
    /// Headers of the reply that matter here; `Location` always does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub look_at: Vec<String>,
    /// Paths in the body of which only the kind matters, `results.0.plan`: the rest is the store's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kind_of: Vec<String>,
    /// The `results` have no order that could be relied on.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unordered: bool,
    /// The row of `docs/differences.md` that says why this server answers something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differs: Option<String>,
    /// Why this server does not answer it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// What Parse Server answered. Recorded, never written by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Reply>,
    /// What this server answers, where it differs. Recorded too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ours: Option<Reply>,
}

/// Why a step is not answered yet: on both stores, or by store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Pending {
    /// On both.
    Everywhere(String),
    /// By the name of the store, `sqlite` or `mongo`.
    On(BTreeMap<String, String>),
}

impl Pending {
    /// The reason on this store, if it is pending there.
    pub fn on(&self, store: &str) -> Option<&str> {
        match self {
            Self::Everywhere(reason) => Some(reason),
            Self::On(reasons) => reasons.get(store).map(String::as_str),
        }
    }
}

/// An answer, with what changes from run to run given names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers that matter.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body, if it is JSON.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub body: Option<Value>,
    /// The body, if it is something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Reply {
    /// The error codes in it, those of a batch's parts too.
    pub fn codes(&self) -> Vec<i64> {
        let code = |value: &Value| value.get("code").and_then(Value::as_i64).filter(|_| value.get("error").is_some());
        let parts = self.body.as_ref().and_then(Value::as_array).into_iter().flatten();
        let parts = parts.filter_map(|part| part.get("error"));
        self.body.iter().chain(parts).filter_map(code).collect()
    }
}

fn plain() -> String {
    "plain".to_owned()
}

fn is_plain(server: &str) -> bool {
    server == "plain"
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Keeps a `null` that is written apart from nothing that is.
fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}
