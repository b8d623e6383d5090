//! Jumio: what comes from it is signed by nobody, so an event is only a reason to ask.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use parsimony_cloud::HttpClient;
use serde_json::{Value, json};

use super::service::{Service, json_headers, part};
use super::{KycFailure, KycOutcome, KycProvider, KycReading, KycStarted, KycSubject, KycTold, code, text};

/// What Jumio wants to be told by every client.
const USER_AGENT: &str = "Parsimony/1";

/// How Jumio is reached, and what is asked of it.
#[derive(Clone, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JumioOptions {
    /// The client id of the API.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The key of the workflow definition, such as `10011`.
    pub workflow: String,
    /// The secret that the callback URL ends in, as `?secret=…`.
    pub webhook_secret: String,
    /// The addresses that events may come from; any, if there is none.
    #[serde(default)]
    pub webhook_addresses: Vec<std::net::IpAddr>,
    /// The region: `amer-1`, `emea-1` or `apac-1`.
    #[serde(default = "region")]
    pub region: String,
    /// Another place for the three hosts of the region, such as a stand-in.
    pub base_url: Option<String>,
}

fn region() -> String {
    "emea-1".to_owned()
}

/// Jumio.
pub struct Jumio {
    options: JumioOptions,
    service: Service,
}

impl Jumio {
    /// Jumio, as it is configured.
    pub fn new(options: JumioOptions, http: Arc<dyn HttpClient>) -> Self {
        Self { options, service: Service::new(http) }
    }

    fn url(&self, host: &str, path: &str) -> String {
        match &self.options.base_url {
            Some(base) => format!("{base}/{host}{path}"),
            None => format!("https://{host}.{}.jumio.ai{path}", self.options.region),
        }
    }

    async fn headers(&self) -> Result<Vec<(String, String)>, KycFailure> {
        let basic = STANDARD.encode(format!("{}:{}", self.options.client_id, self.options.client_secret));
        let mut headers = json_headers(format!("Basic {basic}"));
        headers.retain(|(name, _)| name != "content-type");
        headers.push(("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
        let form = b"grant_type=client_credentials".to_vec();
        let answer = self.service.post(self.url("auth", "/oauth2/token"), headers, form).await?;
        let token = text(&answer, "/access_token").ok_or(KycFailure::Unreadable("access_token"))?;
        let mut headers = json_headers(format!("Bearer {token}"));
        headers.push(("user-agent".to_owned(), USER_AGENT.to_owned()));
        Ok(headers)
    }
}

impl KycProvider for Jumio {
    fn start<'a>(&'a self, subject: &'a KycSubject) -> BoxFuture<'a, Result<KycStarted, KycFailure>> {
        Box::pin(async move {
            let mut body = json!({
                "customerInternalReference": subject.verification,
                "workflowDefinition": {"key": self.options.workflow},
            });
            if let (Some(url), Some(body)) = (&subject.callback_url, body.as_object_mut()) {
                body.insert("callbackUrl".to_owned(), url.as_str().into());
            }
            let headers = self.headers().await?;
            let url = self.url("account", "/api/v1/accounts");
            let answer = self.service.post(url, headers, body.to_string().into_bytes()).await?;
            let id = |path: &str, what| text(&answer, path).ok_or(KycFailure::Unreadable(what));
            let (account, run) =
                (id("/account/id", "account.id")?, id("/workflowExecution/id", "workflowExecution.id")?);
            let url = text(&answer, "/web/href").map(str::to_owned);
            Ok(KycStarted { reference: format!("{account}/{run}"), url })
        })
    }

    fn status<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<KycReading, KycFailure>> {
        Box::pin(async move {
            let (account, run) = reference.split_once('/').ok_or(KycFailure::Unreadable("reference"))?;
            let path = format!("/api/v1/accounts/{}/workflow-executions/{}", part(account), part(run));
            let headers = self.headers().await?;
            let answer = self.service.get(self.url("retrieval", &path), headers).await?;
            Ok(KycReading { reference: reference.to_owned(), ..reading(&answer) })
        })
    }

    fn told(&self, event: &Value) -> KycTold {
        match (text(event, "/account/id"), text(event, "/workflowExecution/id")) {
            (Some(account), Some(run)) => KycTold::Ask(format!("{account}/{run}")),
            _ => KycTold::Nothing,
        }
    }
}

/// The details of a workflow execution.
fn reading(answer: &Value) -> KycReading {
    let label = text(answer, "/decision/details/label").unwrap_or_default();
    let outcome = match (text(answer, "/workflow/status").unwrap_or_default(), text(answer, "/decision/type")) {
        ("SESSION_EXPIRED" | "TOKEN_EXPIRED", _) => KycOutcome::Expired,
        ("PROCESSED", Some("PASSED")) => KycOutcome::Approved,
        ("PROCESSED", Some("REJECTED")) => KycOutcome::Rejected,
        ("PROCESSED", Some("NOT_EXECUTED")) if matches!(label, "SESSION_EXPIRED" | "TOKEN_EXPIRED") => {
            KycOutcome::Expired
        }
        ("PROCESSED", _) => KycOutcome::NeedsReview,
        _ => KycOutcome::Pending,
    };
    // The label equals the type unless it says more.
    let says_more = text(answer, "/decision/type") != Some(label);
    let labels = code(label).filter(|_| says_more).into_iter().collect();
    let at = text(answer, "/completedAt").and_then(|at| at.parse().ok());
    KycReading { reference: String::new(), outcome, labels, at }
}
