//! How does it go with the services outside: calls, failures, how long they take, and whether they are asked at all?

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Metrics, SERVICE_BREAKER_STATE, SERVICE_CALL_DURATION};

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The service did what it was asked.
    Done,
    /// The service answered that it will not: the call was wrong.
    Refused,
    /// The service could not: it was not reached, too slow, or said so.
    Failed,
    /// The service was not asked, since it failed too often before.
    Spared,
}

impl Outcome {
    /// What an HTTP status says.
    pub const fn of_status(status: u16) -> Self {
        match status {
            0..400 => Self::Done,
            408 | 425 | 429 | 500.. => Self::Failed,
            400..500 => Self::Refused,
        }
    }

    /// How it is told.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Spared => "spared",
        }
    }
}

/// Whether a service is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaker {
    /// It is.
    Closed,
    /// Now and then, to see whether it does again what it is asked.
    HalfOpen,
    /// It is not, since it failed too often.
    Open,
}

/// An outside service, as it is measured. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    metrics: Metrics,
    name: Arc<str>,
}

impl Service {
    pub(super) fn new(metrics: Metrics, name: &str) -> Self {
        Self { metrics, name: name.into() }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says how a call ended, and how long it took.
    pub fn called(&self, outcome: Outcome, took: Duration) {
        self.metrics.time(&SERVICE_CALL_DURATION, &[outcome.name(), &self.name], took);
    }

    /// Says whether the service is asked, whenever that changes.
    pub fn breaker(&self, state: Breaker) {
        let told = match state {
            Breaker::Closed => 0.0,
            Breaker::HalfOpen => 1.0,
            Breaker::Open => 2.0,
        };
        self.metrics.set(&SERVICE_BREAKER_STATE, &[&self.name], told);
    }

    /// Makes a call and tells of it. One that is given up in the middle has failed.
    pub async fn measured<T>(&self, call: impl Future<Output = T>, outcome: impl FnOnce(&T) -> Outcome) -> T {
        let mut given_up = GivenUp { service: self, began: Instant::now(), is_over: false };
        let answer = call.await;
        given_up.is_over = true;
        self.called(outcome(&answer), given_up.began.elapsed());
        answer
    }
}

/// A call that is under way.
struct GivenUp<'a> {
    service: &'a Service,
    began: Instant,
    is_over: bool,
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.service.called(Outcome::Failed, self.began.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn calls_are_told_by_their_outcome() {
        let metrics = Metrics::default();
        let service = metrics.service("registry");
        for status in [200, 302, 404, 429, 503] {
            service.measured(std::future::ready(status), |status| Outcome::of_status(*status)).now_or_never();
        }
        // Nobody waits for this one.
        assert_eq!(service.measured(std::future::pending::<u16>(), |_| Outcome::Done).now_or_never(), None);
        service.breaker(Breaker::Open);
        let text = metrics.text();
        for line in [
            r#"parsimony_service_call_duration_seconds_count{outcome="done",service="registry"} 2"#,
            r#"parsimony_service_call_duration_seconds_count{outcome="refused",service="registry"} 1"#,
            r#"parsimony_service_call_duration_seconds_count{outcome="failed",service="registry"} 3"#,
            r#"parsimony_service_breaker_state{service="registry"} 2"#,
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
    }
}
