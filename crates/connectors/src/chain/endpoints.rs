//! Which endpoint of a chain is asked, and when is it left alone? The first one that is well; one that fails is left out for
//! a while, longer each time, and one that belongs to another chain for good.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use failsafe::backoff::{self, Exponential};
use failsafe::failure_policy::{self, ConsecutiveFailures};
use failsafe::{Config, StateMachine};
use parking_lot::Mutex;
use parsimony_cloud::HttpClient;
use serde::Serialize;
use serde_json::{Value, json};

use super::ChainError;
use super::rpc::{self, Outcome};

/// How often all endpoints are asked in turn before it is given up.
const ROUNDS_MAX: u32 = 2;

/// How long to wait before the second round.
const PAUSE: Duration = Duration::from_millis(150);

/// How many failures one after the other open the breaker of an endpoint.
const FAILURES_MAX: u32 = 3;

/// How long an endpoint is left alone at first, and at most.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

type Breaker = StateMachine<ConsecutiveFailures<Exponential>, ()>;

/// How an endpoint is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointHealth {
    /// Its host: the rest of the URL may hold a key.
    pub host: String,
    /// Whether it would be asked now.
    pub available: bool,
    /// How often it was asked.
    pub calls: u64,
    /// How often in vain.
    pub failures: u64,
    /// How long its last answer took, in milliseconds.
    pub last_millis: Option<u64>,
    /// What went wrong last.
    pub last_failure: Option<String>,
}

struct Endpoint {
    url: String,
    host: String,
    breaker: Breaker,
    calls: AtomicU64,
    failures: AtomicU64,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    millis: Option<u64>,
    failure: Option<String>,
    /// What `eth_chainId` said, once it was asked.
    chain: Option<u64>,
}

/// The endpoints of one chain.
pub(super) struct Endpoints {
    chain: u64,
    http: Arc<dyn HttpClient>,
    time_max: Duration,
    list: Vec<Endpoint>,
}

impl Endpoints {
    /// The endpoints of this chain, in the order in which they are asked. The error names the URL that is none.
    pub(super) fn new(
        chain: u64,
        urls: &[String],
        http: Arc<dyn HttpClient>,
        time_max: Duration,
    ) -> Result<Self, String> {
        if urls.is_empty() {
            return Err(format!("chain {chain} has no endpoints"));
        }
        let list = urls.iter().map(|url| Endpoint::new(url)).collect::<Result<_, _>>()?;
        Ok(Self { chain, http, time_max, list })
    }

    /// Asks, and the next one if one fails.
    pub(super) async fn ask(&self, method: &str, params: Value) -> Result<Value, ChainError> {
        let mut reasons: Vec<String> = Vec::new();
        for round in 0..ROUNDS_MAX {
            if round > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            for endpoint in self.list.iter().filter(|endpoint| endpoint.breaker.is_call_permitted()) {
                match self.ask_one(endpoint, method, &params).await {
                    Outcome::Answered(value) => return Ok(value),
                    Outcome::Refused(error) => return Err(error),
                    Outcome::Failed(reason) => reasons.push(format!("{}: {reason}", endpoint.host)),
                }
            }
        }
        if reasons.is_empty() {
            reasons.push("all endpoints rest after failures".to_owned());
        }
        reasons.truncate(self.list.len());
        Err(ChainError::Unavailable(reasons.join("; ")))
    }

    /// How each one is.
    pub(super) fn health(&self) -> Vec<EndpointHealth> {
        self.list.iter().map(|endpoint| endpoint.health(self.chain)).collect()
    }

    async fn ask_one(&self, endpoint: &Endpoint, method: &str, params: &Value) -> Outcome {
        if endpoint.last.lock().chain.is_none()
            && let Err(reason) = self.identify(endpoint).await
        {
            return Outcome::Failed(reason);
        }
        if let Some(other) = endpoint.last.lock().chain.filter(|chain| *chain != self.chain) {
            return Outcome::Failed(format!("it belongs to chain {other}"));
        }
        self.exchange(endpoint, method, params).await
    }

    /// Which chain it belongs to: what another chain says would be believed otherwise.
    async fn identify(&self, endpoint: &Endpoint) -> Result<(), String> {
        match self.exchange(endpoint, "eth_chainId", &json!([])).await {
            Outcome::Answered(value) => {
                let text = value.as_str().and_then(|text| text.strip_prefix("0x"));
                let chain = text.and_then(|digits| u64::from_str_radix(digits, 16).ok());
                let chain = chain.ok_or_else(|| format!("it says that its chain is {value}"))?;
                let mut last = endpoint.last.lock();
                last.chain = Some(chain);
                if chain != self.chain {
                    last.failure = Some(format!("it belongs to chain {chain}"));
                }
                Ok(())
            }
            Outcome::Refused(error) => Err(error.to_string()),
            Outcome::Failed(reason) => Err(reason),
        }
    }

    async fn exchange(&self, endpoint: &Endpoint, method: &str, params: &Value) -> Outcome {
        let start = Instant::now();
        let answer = self.http.send(rpc::request(&endpoint.url, method, params, self.time_max)).await;
        let outcome = rpc::outcome(answer);
        endpoint.note(&outcome, start.elapsed());
        outcome
    }
}

impl Endpoint {
    fn new(url: &str) -> Result<Self, String> {
        let parsed = url::Url::parse(url).map_err(|error| format!("an endpoint's URL cannot be read: {error}"))?;
        let host = parsed.host_str().filter(|_| matches!(parsed.scheme(), "http" | "https"));
        let host = host.ok_or("an endpoint's URL begins with http:// or https:// and a host")?;
        let host = parsed.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let policy = failure_policy::consecutive_failures(FAILURES_MAX, backoff::exponential(REST.0, REST.1));
        Ok(Self {
            url: url.to_owned(),
            host,
            breaker: Config::new().failure_policy(policy).build(),
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            last: Mutex::default(),
        })
    }

    fn note(&self, outcome: &Outcome, took: Duration) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut last = self.last.lock();
        last.millis = u64::try_from(took.as_millis()).ok();
        match outcome {
            // A refusal is an answer: the endpoint is well.
            Outcome::Answered(_) | Outcome::Refused(_) => self.breaker.on_success(),
            Outcome::Failed(reason) => {
                last.failure = Some(reason.clone());
                self.failures.fetch_add(1, Ordering::Relaxed);
                self.breaker.on_error();
            }
        }
    }

    fn health(&self, chain: u64) -> EndpointHealth {
        let last = self.last.lock();
        let right = last.chain.is_none_or(|found| found == chain);
        EndpointHealth {
            host: self.host.clone(),
            available: right && self.breaker.is_call_permitted(),
            calls: self.calls.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            last_millis: last.millis,
            last_failure: last.failure.clone(),
        }
    }
}
