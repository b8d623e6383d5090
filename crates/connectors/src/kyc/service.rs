//! How is a vendor asked? With a time limit, again if nothing is lost by it, and not at all for a while if it fails on and on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use failsafe::backoff;
use failsafe::failure_policy::{self, ConsecutiveFailures};
use failsafe::futures::CircuitBreaker as _;
use failsafe::{Config, Error, StateMachine};
use parsimony_cloud::{HttpClient, HttpFailure, HttpRequest, HttpResponse};
use serde_json::Value;

/// How long one request may take.
const TIME_MAX: Duration = Duration::from_secs(15);

/// How many bytes an answer may have.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// How often a question is asked at most that changes nothing.
const TRIES_MAX: u32 = 3;

/// How long to wait before asking again; twice as long each time.
const PAUSE: Duration = Duration::from_millis(250);

/// After how many failures in a row a vendor is left alone.
const FAILURES_MAX: u32 = 5;

/// For how long it is left alone at first, and at most.
const REST: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));

/// Why a vendor did not answer as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KycFailure {
    /// It was not asked, because it failed too often a moment ago.
    Resting,
    /// It could not be reached, took too long, or says that it is out of order: ask again later.
    Unreached(String),
    /// It refuses the request: asking again will not help.
    Refused(u16),
    /// Its answer cannot be understood.
    Unreadable(&'static str),
}

impl fmt::Display for KycFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resting => f.write_str("it is left alone for a while"),
            Self::Unreached(reason) => write!(f, "it is not reached: {reason}"),
            Self::Refused(status) => write!(f, "it refuses with status {status}"),
            Self::Unreadable(what) => write!(f, "its answer has no {what}"),
        }
    }
}

/// A vendor's HTTP service.
pub(super) struct Service {
    http: Arc<dyn HttpClient>,
    breaker: StateMachine<ConsecutiveFailures<backoff::EqualJittered>, ()>,
}

impl Service {
    pub(super) fn new(http: Arc<dyn HttpClient>) -> Self {
        let rest = backoff::equal_jittered(REST.0, REST.1);
        let policy = failure_policy::consecutive_failures(FAILURES_MAX, rest);
        Self { http, breaker: Config::new().failure_policy(policy).build() }
    }

    /// Asks for something, again if it is not reached.
    pub(super) async fn get(&self, url: String, headers: Vec<(String, String)>) -> Result<Value, KycFailure> {
        let mut tries = 1;
        loop {
            let failure = match self.send("GET", url.clone(), headers.clone(), Vec::new()).await {
                Err(failure @ KycFailure::Unreached(_)) if tries < TRIES_MAX => failure,
                done => return done,
            };
            tracing::debug!(%failure, tries, "asking again");
            tokio::time::sleep(PAUSE * 2_u32.pow(tries - 1)).await;
            tries += 1;
        }
    }

    /// Sends something once.
    pub(super) async fn post(
        &self,
        url: String,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    ) -> Result<Value, KycFailure> {
        self.send("POST", url, headers, body).await
    }

    async fn send(
        &self,
        method: &str,
        url: String,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    ) -> Result<Value, KycFailure> {
        let (method, time_max) = (method.to_owned(), TIME_MAX);
        let request = HttpRequest { method, url, headers, body, time_max, answer_bytes_max: ANSWER_BYTES_MAX };
        let asked = async {
            self.http.send(request).await.map_err(|failure| unreached(&failure)).and_then(|response| read(&response))
        };
        // A refusal is the request's fault, and no failure of the service.
        let failed = |failure: &KycFailure| matches!(failure, KycFailure::Unreached(_));
        match self.breaker.call_with(failed, asked).await {
            Ok(value) => Ok(value),
            Err(Error::Inner(failure)) => Err(failure),
            Err(Error::Rejected) => Err(KycFailure::Resting),
        }
    }
}

fn unreached(failure: &HttpFailure) -> KycFailure {
    KycFailure::Unreached(failure.to_string())
}

fn read(response: &HttpResponse) -> Result<Value, KycFailure> {
    match response.status {
        200..=299 => serde_json::from_slice(&response.body).map_err(|_no_json| KycFailure::Unreadable("JSON")),
        429 | 500..=599 => Err(KycFailure::Unreached(format!("status {}", response.status))),
        status => Err(KycFailure::Refused(status)),
    }
}

/// The headers of a request in JSON, with what says who asks.
pub(super) fn json_headers(authorization: String) -> Vec<(String, String)> {
    [
        ("content-type", "application/json".to_owned()),
        ("accept", "application/json".to_owned()),
        ("authorization", authorization),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// A part of a path, so that nothing in it is taken for another part.
pub(super) fn part(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
