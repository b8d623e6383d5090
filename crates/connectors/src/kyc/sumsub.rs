//! Sumsub: applicants. It may say no to somebody it has said yes to before.

use std::sync::Arc;

use futures::future::BoxFuture;
use hmac::{Hmac, Mac};
use parsimony_cloud::HttpClient;
use parsimony_model::{Clock, Date};
use serde_json::{Value, json};
use sha2::Sha256;

use super::service::{Service, part};
use super::{KycFailure, KycOutcome, KycProvider, KycReading, KycStarted, KycSubject, KycTold, labels, text};

/// How Sumsub is reached, and what is asked of it.
#[derive(Clone, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SumsubOptions {
    /// The token of the app.
    pub app_token: String,
    /// Its secret.
    pub app_secret: String,
    /// The name of the level.
    pub level: String,
    /// The secret of the webhook.
    pub webhook_secret: String,
    /// The API.
    #[serde(default = "base_url")]
    pub base_url: String,
}

fn base_url() -> String {
    "https://api.sumsub.com".to_owned()
}

/// Sumsub.
pub struct Sumsub {
    options: SumsubOptions,
    service: Service,
    clock: Arc<dyn Clock>,
}

impl Sumsub {
    /// Sumsub, as it is configured.
    pub fn new(options: SumsubOptions, http: Arc<dyn HttpClient>, clock: Arc<dyn Clock>) -> Self {
        Self { options, service: Service::new(http), clock }
    }

    /// The headers that sign a request.
    pub(super) fn signed(&self, method: &str, path: &str, body: &[u8]) -> Vec<(String, String)> {
        let seconds = (self.clock.now().millis() / 1000).to_string();
        let signature = Hmac::<Sha256>::new_from_slice(self.options.app_secret.as_bytes()).map(|mut hmac| {
            for piece in [seconds.as_bytes(), method.as_bytes(), path.as_bytes(), body] {
                hmac.update(piece);
            }
            hex::encode(hmac.finalize().into_bytes())
        });
        [
            ("content-type", "application/json".to_owned()),
            ("x-app-token", self.options.app_token.clone()),
            ("x-app-access-ts", seconds.clone()),
            // A key of any length is good for HMAC.
            ("x-app-access-sig", signature.unwrap_or_default()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, KycFailure> {
        let body = body.to_string().into_bytes();
        let headers = self.signed("POST", path, &body);
        self.service.post(format!("{}{path}", self.options.base_url), headers, body).await
    }
}

impl KycProvider for Sumsub {
    fn start<'a>(&'a self, subject: &'a KycSubject) -> BoxFuture<'a, Result<KycStarted, KycFailure>> {
        Box::pin(async move {
            let level = part(&self.options.level);
            let applicant = json!({ "externalUserId": subject.verification });
            let applicant = self.post(&format!("/resources/applicants?levelName={level}"), &applicant).await?;
            let reference = text(&applicant, "/id").ok_or(KycFailure::Unreadable("id"))?.to_owned();
            let link = json!({ "levelName": self.options.level, "userId": subject.verification });
            let link = self.post("/resources/sdkIntegrations/levels/-/websdkLink", &link).await?;
            Ok(KycStarted { reference, url: text(&link, "/url").map(str::to_owned) })
        })
    }

    fn status<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<KycReading, KycFailure>> {
        Box::pin(async move {
            let path = format!("/resources/applicants/{}/status", part(reference));
            let headers = self.signed("GET", &path, b"");
            let answer = self.service.get(format!("{}{path}", self.options.base_url), headers).await?;
            Ok(KycReading { reference: reference.to_owned(), ..reading(&answer) })
        })
    }

    fn told(&self, event: &Value) -> KycTold {
        let Some(applicant) = text(event, "/applicantId") else { return KycTold::Nothing };
        let reading = match text(event, "/type").unwrap_or_default() {
            "applicantDeactivated" | "applicantDeleted" => {
                KycReading { outcome: KycOutcome::Expired, labels: Vec::new(), ..reading(event) }
            }
            "applicantReset" => KycReading { outcome: KycOutcome::Pending, labels: Vec::new(), ..reading(event) },
            "applicantCreated"
            | "applicantPending"
            | "applicantReviewed"
            | "applicantOnHold"
            | "applicantPrechecked"
            | "applicantAwaitingService"
            | "applicantAwaitingUser"
            | "applicantWorkflowCompleted" => reading(event),
            _ => return KycTold::Nothing,
        };
        KycTold::Reading(KycReading { reference: applicant.to_owned(), ..reading })
    }
}

/// The review in an event, or in an answer.
fn reading(value: &Value) -> KycReading {
    let answer = text(value, "/reviewResult/reviewAnswer");
    let outcome = match (text(value, "/reviewStatus").unwrap_or_default(), answer) {
        // The answer counts only when the review is completed.
        ("completed", Some("GREEN")) => KycOutcome::Approved,
        ("completed", Some("RED")) if text(value, "/reviewResult/reviewRejectType") == Some("RETRY") => {
            KycOutcome::Resubmit
        }
        ("completed", Some("RED")) => KycOutcome::Rejected,
        ("completed" | "onHold", _) => KycOutcome::NeedsReview,
        _ => KycOutcome::Pending,
    };
    let at = text(value, "/createdAtMs").and_then(moment);
    KycReading { reference: String::new(), outcome, labels: labels(value, "/reviewResult/rejectLabels"), at }
}

/// `2020-02-21 13:23:19.321`, in UTC.
fn moment(text: &str) -> Option<Date> {
    format!("{}Z", text.trim().replacen(' ', "T", 1)).parse().ok()
}
