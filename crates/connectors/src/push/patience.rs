//! Which requests to services that reach devices are sent again? Those that were not taken; one that may have been received is not,
//! as nobody shall be told twice.

use std::time::Duration;

use parsimony_cloud::{HttpFailure, HttpRequest, HttpResponse};

use super::Ground;
use crate::patience::{Another, Patience, retry_after_millis};

/// How often a request is sent at most, and how long to wait in between.
const PATIENCE: Patience = Patience { tries_max: 4, pause_millis: 500 };

/// How long a request may take.
pub(super) const TIME_MAX: Duration = Duration::from_secs(30);

/// How many bytes an answer may have.
pub(super) const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A `POST`.
pub(super) fn post(url: String, headers: Vec<(String, String)>, body: Vec<u8>) -> HttpRequest {
    let (time_max, answer_bytes_max) = (TIME_MAX, ANSWER_BYTES_MAX);
    HttpRequest { method: "POST".to_owned(), url, headers, body, time_max, answer_bytes_max }
}

/// Sends a request, again if it was not taken.
pub(super) async fn send(ground: &Ground, request: HttpRequest) -> Result<HttpResponse, HttpFailure> {
    let another = |answer: &Result<HttpResponse, HttpFailure>| match answer {
        Ok(response) if matches!(response.status, 429 | 500 | 502 | 503 | 504) => {
            Another::After(retry_after_millis(response, ground.clock.as_ref()))
        }
        Err(HttpFailure::Unreached(_)) => Another::After(None),
        Ok(_) | Err(HttpFailure::Unfit(_) | HttpFailure::TimedOut | HttpFailure::Broken(_)) => Another::No,
    };
    PATIENCE.keep(ground.clock.as_ref(), || ground.http.send(request.clone()), another).await
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use futures::future::BoxFuture;
    use parking_lot::Mutex;
    use parsimony_cloud::HttpClient;
    use parsimony_model::clock::HandClock;

    use super::*;

    pub(crate) type Answer = Result<HttpResponse, HttpFailure>;

    /// Answers one request after the other, and keeps them.
    #[derive(Default)]
    pub(crate) struct Script {
        pub(crate) answers: Mutex<Vec<Answer>>,
        pub(crate) asked: Mutex<Vec<HttpRequest>>,
    }

    impl HttpClient for Script {
        fn send(&self, request: HttpRequest) -> BoxFuture<'static, Answer> {
            self.asked.lock().push(request);
            let mut answers = self.answers.lock();
            let answer = if answers.is_empty() { Err(HttpFailure::TimedOut) } else { answers.remove(0) };
            Box::pin(std::future::ready(answer))
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands among answers that did not come")]
    pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Ok(HttpResponse { status, headers, body: body.as_bytes().to_vec() })
    }

    pub(crate) fn ground(answers: Vec<Answer>) -> (Ground, Arc<Script>) {
        let script = Arc::new(Script { answers: Mutex::new(answers), asked: Mutex::default() });
        let http = Arc::clone(&script) as Arc<dyn HttpClient>;
        (Ground { http, clock: Arc::new(HandClock::default()) }, script)
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_taken_is_sent_again_when_the_service_wants_it() {
        let (ground, script) = ground(vec![
            Err(HttpFailure::Unreached("no".to_owned())),
            answer(429, &[("retry-after", "7")], ""),
            answer(503, &[], ""),
            answer(200, &[], "ok"),
        ]);
        let began = tokio::time::Instant::now();
        let answered = send(&ground, post("http://x/".to_owned(), Vec::new(), Vec::new())).await.unwrap();
        assert_eq!((answered.status, script.asked.lock().len()), (200, 4));
        let took = began.elapsed();
        assert!((Duration::from_millis(9_500)..Duration::from_secs(12)).contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_have_been_taken_is_not_sent_again() {
        for last in [Err(HttpFailure::TimedOut), Err(HttpFailure::Broken("x".to_owned())), answer(400, &[], "")] {
            let (ground, script) = ground(vec![last.clone(), answer(200, &[], "")]);
            let answered = send(&ground, post("http://x/".to_owned(), Vec::new(), Vec::new())).await;
            assert_eq!((answered, script.asked.lock().len()), (last, 1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let busy = || answer(503, &[], "");
        let (ground, script) = ground((0..9).map(|_| busy()).collect());
        let answered = send(&ground, post("http://x/".to_owned(), Vec::new(), Vec::new())).await;
        assert_eq!((answered, script.asked.lock().len()), (busy(), 4));
        let (ground, script) = self::ground(vec![answer(503, &[("retry-after", "3600")], "")]);
        let answered = send(&ground, post("http://x/".to_owned(), Vec::new(), Vec::new())).await;
        assert_eq!((answered.unwrap().status, script.asked.lock().len()), (503, 1));
    }
}
