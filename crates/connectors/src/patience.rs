//! How is a service asked again that was too busy? Later each time, not before the service wants it, and never if that may do harm.
//!
//! Chains have their own way (`chain/endpoints.rs`): there the next endpoint is asked, and not the same one again.

use std::future::Future;
use std::time::Duration;

use parsimony_cloud::HttpResponse;
use parsimony_model::Clock;

/// How long a service may want us to wait; one that wants more is asked another time.
const PAUSE_MILLIS_MAX: u64 = 60_000;

/// How often something is tried, and how long to wait in between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// How often at most.
    pub(crate) tries_max: u32,
    /// How long to wait before the second try; twice as long each time, and up to as much again by chance.
    pub(crate) pause_millis: u64,
}

/// What a try says of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Another {
    /// There is no use in it, or it may do harm.
    No,
    /// It may succeed, after so many milliseconds if the service wants that.
    After(Option<u64>),
}

impl Patience {
    /// Tries, and tries again as long as the outcome says so.
    pub(crate) async fn keep<T, A: Future<Output = T> + Send>(
        self,
        clock: &dyn Clock,
        attempt: impl Fn() -> A + Send + Sync,
        another: impl Fn(&T) -> Another + Send + Sync,
    ) -> T {
        let mut tries = 1;
        loop {
            let outcome = attempt().await;
            let Another::After(wanted) = another(&outcome) else { return outcome };
            let wanted = wanted.unwrap_or(0);
            if tries >= self.tries_max || wanted > PAUSE_MILLIS_MAX {
                return outcome;
            }
            tokio::time::sleep(Duration::from_millis(self.pause(clock, tries).max(wanted))).await;
            tries += 1;
        }
    }

    fn pause(self, clock: &dyn Clock, tries: u32) -> u64 {
        let mut dice = [0_u8; 1];
        clock.fill(&mut dice);
        let doubled = self.pause_millis.checked_shl(tries.saturating_sub(1)).unwrap_or(PAUSE_MILLIS_MAX);
        doubled + doubled * u64::from(dice[0]) / 255
    }
}

/// `Retry-After`: seconds, or a date.
pub(crate) fn retry_after_millis(response: &HttpResponse, clock: &dyn Clock) -> Option<u64> {
    let value = header(response, "retry-after")?;
    if let Ok(seconds) = value.trim().parse::<u64>() {
        return seconds.checked_mul(1_000);
    }
    let date = jiff::fmt::rfc2822::parse(value.trim()).ok()?.timestamp().as_millisecond();
    u64::try_from(date - clock.now().millis()).ok()
}

/// A header of an answer.
pub(crate) fn header<'a>(response: &'a HttpResponse, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use parsimony_model::clock::HandClock;

    use super::*;

    #[test]
    fn a_date_to_wait_for_is_understood() {
        for (text, expected) in [
            ("Thu, 01 Jan 2026 00:00:05 GMT", Some(5_000)),
            ("Wed, 31 Dec 2025 00:00:00 GMT", None),
            ("7", Some(7_000)),
            ("soon", None),
        ] {
            let headers = vec![("retry-after".to_owned(), text.to_owned())];
            let response = HttpResponse { status: 503, headers, body: Vec::new() };
            assert_eq!(retry_after_millis(&response, &HandClock::default()), expected, "{text}");
        }
    }
}
