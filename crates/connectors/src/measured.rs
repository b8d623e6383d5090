//! How are the calls of an outside service told to whoever measures? Whatever makes them is wrapped.

use std::sync::Arc;

use futures::future::BoxFuture;
use parsimony_cloud::metrics::{Outcome, Service};
use parsimony_cloud::{Email, HttpClient, HttpFailure, HttpRequest, HttpResponse, Letter, MailFailure, Mailer, Posted};

/// What makes calls of a service, and tells of each.
pub struct Measured<T: ?Sized> {
    inner: Arc<T>,
    service: Service,
}

impl<T: ?Sized> Measured<T> {
    /// Wraps what makes the calls.
    pub fn new(inner: Arc<T>, service: Service) -> Self {
        Self { inner, service }
    }
}

fn answered(answer: &Result<HttpResponse, HttpFailure>) -> Outcome {
    match answer {
        Ok(response) => Outcome::of_status(response.status),
        Err(HttpFailure::Unfit(_)) => Outcome::Refused,
        Err(HttpFailure::Unreached(_) | HttpFailure::TimedOut | HttpFailure::Broken(_)) => Outcome::Failed,
    }
}

impl HttpClient for Measured<dyn HttpClient> {
    fn send(&self, request: HttpRequest) -> BoxFuture<'static, Result<HttpResponse, HttpFailure>> {
        let (service, call) = (self.service.clone(), self.inner.send(request));
        Box::pin(async move { service.measured(call, answered).await })
    }
}

fn posted(posted: &Result<(), MailFailure>) -> Outcome {
    match posted {
        Ok(()) => Outcome::Done,
        Err(MailFailure::Unfit(_) | MailFailure::Refused(_)) => Outcome::Refused,
        Err(MailFailure::Unsent(_)) => Outcome::Failed,
    }
}

impl Measured<dyn Mailer> {
    fn told(&self, call: Posted) -> Posted {
        let service = self.service.clone();
        Box::pin(async move { service.measured(call, posted).await })
    }
}

impl Mailer for Measured<dyn Mailer> {
    fn send(&self, email: Email) -> Posted {
        self.told(self.inner.send(email))
    }

    fn write(&self, letter: Letter) -> Posted {
        self.told(self.inner.write(letter))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use parking_lot::Mutex;
    use parsimony_cloud::metrics::Metrics;

    use super::*;

    /// Answers what it is told to, the last first.
    struct Answers(Mutex<Vec<Result<u16, HttpFailure>>>);

    impl HttpClient for Answers {
        fn send(&self, _: HttpRequest) -> BoxFuture<'static, Result<HttpResponse, HttpFailure>> {
            let answer = self.0.lock().pop().unwrap();
            let answer = answer.map(|status| HttpResponse { status, headers: Vec::new(), body: Vec::new() });
            Box::pin(std::future::ready(answer))
        }
    }

    struct Post;

    impl Mailer for Post {
        fn send(&self, email: Email) -> Posted {
            let sent = if email.to.is_empty() { Err(MailFailure::Unfit("nobody".to_owned())) } else { Ok(()) };
            Box::pin(std::future::ready(sent))
        }
    }

    #[tokio::test]
    async fn each_call_is_told() {
        let metrics = Metrics::default();
        let unreached = Err(HttpFailure::Unreached("no".to_owned()));
        let answers = vec![Ok(200), Ok(404), Ok(503), unreached, Err(HttpFailure::TimedOut)];
        let http: Arc<dyn HttpClient> = Arc::new(Answers(Mutex::new(answers)));
        let http = Measured::new(http, metrics.service("registry"));
        let request = HttpRequest {
            method: "GET".to_owned(),
            url: "http://x/".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            time_max: Duration::from_secs(1),
            answer_bytes_max: 1,
        };
        for _ in 0..5 {
            let _ = http.send(request.clone()).await;
        }
        let post: Arc<dyn Mailer> = Arc::new(Post);
        let post = Measured::new(post, metrics.service("mail"));
        post.send(Email::plain("a@x", "s", "t")).await.unwrap();
        post.send(Email::default()).await.unwrap_err();
        let count = |service: &str, outcome: &str| {
            let line = format!(r#"_count{{outcome="{outcome}",service="{service}"}} "#);
            let text = metrics.text();
            let count = text.lines().find_map(|told| Some(told.split_once(&line)?.1.to_owned()));
            count.unwrap_or_default()
        };
        assert_eq!(["done", "refused", "failed"].map(|outcome| count("registry", outcome)), ["1", "1", "3"]);
        assert_eq!(["done", "refused", "failed"].map(|outcome| count("mail", outcome)), ["1", "1", ""]);
    }
}
