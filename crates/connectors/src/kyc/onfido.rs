//! Onfido, which is Entrust Identity Verification today: workflow runs.

use std::sync::Arc;

use futures::future::BoxFuture;
use parsimony_cloud::HttpClient;
use serde_json::{Value, json};

use super::service::{Service, json_headers, part};
use super::{KycFailure, KycOutcome, KycProvider, KycReading, KycStarted, KycSubject, KycTold, labels, text};

/// How Onfido is reached, and what is asked of it.
#[derive(Clone, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OnfidoOptions {
    /// The token of the API.
    pub api_token: String,
    /// The id of the workflow.
    pub workflow: String,
    /// The token of the webhook, which signs what comes.
    pub webhook_token: String,
    /// The API of the region.
    #[serde(default = "base_url")]
    pub base_url: String,
}

fn base_url() -> String {
    "https://api.eu.onfido.com/v3.6".to_owned()
}

/// Onfido.
pub struct Onfido {
    options: OnfidoOptions,
    service: Service,
}

impl Onfido {
    /// Onfido, as it is configured.
    pub fn new(options: OnfidoOptions, http: Arc<dyn HttpClient>) -> Self {
        Self { options, service: Service::new(http) }
    }

    fn headers(&self) -> Vec<(String, String)> {
        json_headers(format!("Token token={}", self.options.api_token))
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, KycFailure> {
        let url = format!("{}{path}", self.options.base_url);
        self.service.post(url, self.headers(), body.to_string().into_bytes()).await
    }
}

impl KycProvider for Onfido {
    fn start<'a>(&'a self, subject: &'a KycSubject) -> BoxFuture<'a, Result<KycStarted, KycFailure>> {
        Box::pin(async move {
            // Onfido wants names; the person corrects them in the workflow, so that we send no personal data.
            let names = json!({ "first_name": "Applicant", "last_name": subject.verification });
            let applicant = self.post("/applicants", &names).await?;
            let applicant = text(&applicant, "/id").ok_or(KycFailure::Unreadable("applicant"))?;
            let run = json!({
                "applicant_id": applicant,
                "workflow_id": self.options.workflow,
                "customer_user_id": subject.verification,
            });
            let run = self.post("/workflow_runs", &run).await?;
            let reference = text(&run, "/id").ok_or(KycFailure::Unreadable("id"))?.to_owned();
            Ok(KycStarted { reference, url: text(&run, "/link/url").map(str::to_owned) })
        })
    }

    fn status<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<KycReading, KycFailure>> {
        Box::pin(async move {
            let url = format!("{}/workflow_runs/{}", self.options.base_url, part(reference));
            let run = self.service.get(url, self.headers()).await?;
            let outcome = text(&run, "/status").map(outcome).ok_or(KycFailure::Unreadable("status"))?;
            let at = text(&run, "/updated_at").and_then(|at| at.parse().ok());
            Ok(KycReading { reference: reference.to_owned(), outcome, labels: labels(&run, "/reasons"), at })
        })
    }

    fn told(&self, event: &Value) -> KycTold {
        if text(event, "/payload/resource_type") != Some("workflow_run") {
            return KycTold::Nothing;
        }
        let status = text(event, "/payload/object/status").or_else(|| text(event, "/payload/resource/status"));
        let (Some(id), Some(status)) = (text(event, "/payload/object/id"), status) else { return KycTold::Nothing };
        let at = text(event, "/payload/object/completed_at_iso8601").and_then(|at| at.parse().ok());
        KycTold::Reading(KycReading {
            reference: id.to_owned(),
            outcome: outcome(status),
            labels: labels(event, "/payload/resource/reasons"),
            at,
        })
    }
}

fn outcome(status: &str) -> KycOutcome {
    match status {
        "approved" => KycOutcome::Approved,
        "declined" => KycOutcome::Rejected,
        "abandoned" => KycOutcome::Expired,
        "review" | "error" => KycOutcome::NeedsReview,
        _ => KycOutcome::Pending,
    }
}
