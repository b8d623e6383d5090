//! Shufti: requests, under references of ours.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use parsimony_cloud::HttpClient;
use serde_json::{Value, json};

use super::service::{Service, json_headers};
use super::{KycFailure, KycOutcome, KycProvider, KycReading, KycStarted, KycSubject, KycTold, code, labels, text};

/// How Shufti is reached.
#[derive(Clone, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShuftiOptions {
    /// The client id.
    pub client_id: String,
    /// The secret key: it opens the API and signs what comes.
    pub secret_key: String,
    /// Whether the secret is hashed before it signs, as with accounts since March 2023.
    #[serde(default = "hashed")]
    pub secret_is_hashed: bool,
    /// The API.
    #[serde(default = "base_url")]
    pub base_url: String,
}

const fn hashed() -> bool {
    true
}

fn base_url() -> String {
    "https://api.shuftipro.com".to_owned()
}

/// Shufti.
pub struct Shufti {
    options: ShuftiOptions,
    service: Service,
}

impl Shufti {
    /// Shufti, as it is configured.
    pub fn new(options: ShuftiOptions, http: Arc<dyn HttpClient>) -> Self {
        Self { options, service: Service::new(http) }
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, KycFailure> {
        let basic = STANDARD.encode(format!("{}:{}", self.options.client_id, self.options.secret_key));
        let url = format!("{}{path}", self.options.base_url);
        self.service.post(url, json_headers(format!("Basic {basic}")), body.to_string().into_bytes()).await
    }
}

impl KycProvider for Shufti {
    fn start<'a>(&'a self, subject: &'a KycSubject) -> BoxFuture<'a, Result<KycStarted, KycFailure>> {
        Box::pin(async move {
            let reference = format!("parsimony-{}", subject.verification);
            let types = ["passport", "id_card", "driving_license"];
            let mut body = json!({
                "reference": reference, "country": subject.country, "face": {}, "document": {"supported_types": types},
            });
            if let (Some(url), Some(body)) = (&subject.callback_url, body.as_object_mut()) {
                body.insert("callback_url".to_owned(), url.as_str().into());
            }
            let answer = self.post("/", &body).await?;
            let url = text(&answer, "/verification_url").map(str::to_owned);
            Ok(KycStarted { reference, url })
        })
    }

    fn status<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<KycReading, KycFailure>> {
        Box::pin(async move {
            let answer = self.post("/status", &json!({ "reference": reference })).await?;
            let outcome = text(&answer, "/event").and_then(outcome).ok_or(KycFailure::Unreadable("event"))?;
            Ok(KycReading { reference: reference.to_owned(), outcome, labels: reasons(&answer), at: None })
        })
    }

    fn told(&self, event: &Value) -> KycTold {
        let (Some(reference), Some(name)) = (text(event, "/reference"), text(event, "/event")) else {
            return KycTold::Nothing;
        };
        let reference = reference.to_owned();
        match (name, outcome(name)) {
            // It says that something changed, and not to what.
            ("verification.status.changed", _) => KycTold::Ask(reference),
            (_, Some(outcome)) => KycTold::Reading(KycReading { reference, outcome, labels: reasons(event), at: None }),
            (_, None) => KycTold::Nothing,
        }
    }
}

fn outcome(event: &str) -> Option<KycOutcome> {
    Some(match event {
        "request.pending" | "request.received" => KycOutcome::Pending,
        "verification.accepted" => KycOutcome::Approved,
        "verification.declined" => KycOutcome::Rejected,
        "review.pending" => KycOutcome::NeedsReview,
        "request.timeout" | "verification.cancelled" | "request.deleted" => KycOutcome::Expired,
        _ => return None,
    })
}

/// The codes of a refusal; without any, its words as a code.
fn reasons(value: &Value) -> Vec<String> {
    let codes = labels(value, "/declined_codes");
    if codes.is_empty() { text(value, "/declined_reason").and_then(code).into_iter().collect() } else { codes }
}
