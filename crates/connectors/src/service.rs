//! How is a vendor asked? With a time limit, again if nothing is lost by it, and not at all for a while if it fails on and on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use failsafe::backoff;
use failsafe::failure_policy::{self, ConsecutiveFailures};
use failsafe::futures::CircuitBreaker as _;
use failsafe::{Config, Error, StateMachine};
use parsimony_cloud::metrics::Outcome;
use parsimony_cloud::{HttpClient, HttpFailure, HttpRequest, HttpResponse};
use parsimony_model::{Clock, SystemClock};

use crate::patience::{Another, Patience, retry_after_millis};

/// How long one request may take.
const TIME_MAX: Duration = Duration::from_secs(15);

/// How many bytes an answer may have.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// How often a question is asked that changes nothing, and how long to wait in between.
const QUESTION: Patience = Patience { tries_max: 3, pause_millis: 250 };

/// What is told once.
const ORDER: Patience = Patience { tries_max: 1, pause_millis: 0 };

/// After how many failures in a row a vendor is left alone.
const FAILURES_MAX: u32 = 5;

/// For how long it is left alone at first, and at most.
const REST: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));

/// Why a vendor did not answer as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskFailure {
    /// It was not asked, because it failed too often a moment ago.
    Resting,
    /// It could not be reached, took too long, or says that it is out of order: ask again later.
    Unreached(String),
    /// It refuses the request: asking again will not help.
    Refused(u16),
    /// Its answer cannot be understood.
    Unreadable(&'static str),
}

impl AskFailure {
    /// How it is measured.
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Resting => Outcome::Spared,
            Self::Unreached(_) => Outcome::Failed,
            Self::Refused(_) | Self::Unreadable(_) => Outcome::Refused,
        }
    }
}

impl fmt::Display for AskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resting => f.write_str("it is left alone for a while"),
            Self::Unreached(reason) => write!(f, "it is not reached: {reason}"),
            Self::Refused(status) => write!(f, "it refuses with status {status}"),
            Self::Unreadable(what) => write!(f, "its answer has no {what}"),
        }
    }
}

/// Why a try failed: the service's own fault, and not that of the request.
enum Fault {
    Lost(HttpFailure),
    Busy(HttpResponse),
}

/// A vendor's HTTP service.
pub(crate) struct Service {
    http: Arc<dyn HttpClient>,
    clock: Arc<dyn Clock>,
    breaker: StateMachine<ConsecutiveFailures<backoff::EqualJittered>, ()>,
}

impl Service {
    pub(crate) fn new(http: Arc<dyn HttpClient>) -> Self {
        let rest = backoff::equal_jittered(REST.0, REST.1);
        let policy = failure_policy::consecutive_failures(FAILURES_MAX, rest);
        Self { http, clock: Arc::new(SystemClock), breaker: Config::new().failure_policy(policy).build() }
    }

    /// Asks for something, again if it is not reached.
    pub(crate) async fn get(&self, url: String, headers: Vec<(String, String)>) -> Result<Vec<u8>, AskFailure> {
        self.send(QUESTION, request("GET", url, headers, Vec::new())).await
    }

    /// Sends something once.
    pub(crate) async fn post(
        &self,
        url: String,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, AskFailure> {
        self.send(ORDER, request("POST", url, headers, body)).await
    }

    async fn send(&self, patience: Patience, request: HttpRequest) -> Result<Vec<u8>, AskFailure> {
        // Sent when the breaker lets it, and not before.
        let attempt = || self.breaker.call(async { asked(self.http.send(request.clone())).await });
        let another = |outcome: &Result<HttpResponse, Error<Fault>>| match outcome {
            Err(Error::Inner(Fault::Busy(response))) => {
                Another::After(retry_after_millis(response, self.clock.as_ref()))
            }
            Err(Error::Inner(Fault::Lost(_))) => Another::After(None),
            Ok(_) | Err(Error::Rejected) => Another::No,
        };
        match patience.keep(self.clock.as_ref(), attempt, another).await {
            Ok(response) if Outcome::of_status(response.status) == Outcome::Done => Ok(response.body),
            Ok(response) => Err(AskFailure::Refused(response.status)),
            Err(Error::Inner(Fault::Busy(response))) => {
                Err(AskFailure::Unreached(format!("status {}", response.status)))
            }
            Err(Error::Inner(Fault::Lost(failure))) => Err(AskFailure::Unreached(failure.to_string())),
            Err(Error::Rejected) => Err(AskFailure::Resting),
        }
    }
}

fn request(method: &str, url: String, headers: Vec<(String, String)>, body: Vec<u8>) -> HttpRequest {
    let (method, time_max) = (method.to_owned(), TIME_MAX);
    HttpRequest { method, url, headers, body, time_max, answer_bytes_max: ANSWER_BYTES_MAX }
}

/// A refusal is the request's fault, and no failure of the service.
async fn asked(sent: impl Future<Output = Result<HttpResponse, HttpFailure>>) -> Result<HttpResponse, Fault> {
    match sent.await {
        Ok(response) if Outcome::of_status(response.status) == Outcome::Failed => Err(Fault::Busy(response)),
        Ok(response) => Ok(response),
        Err(failure) => Err(Fault::Lost(failure)),
    }
}

/// A part of a path or of a query, so that nothing in it is taken for another part.
pub(crate) fn part(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
