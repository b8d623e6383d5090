//! How does an HTTP request go out? With a time limit, a bound on the answer, and no redirects.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use parsimony_cloud::{HttpClient, HttpFailure, HttpRequest, HttpResponse};
use reqwest::redirect::Policy;

/// How long a connection may take to be there.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// A client whose connections are kept for later requests.
///
/// It is made when its first request goes out: the authorities that it trusts take megabytes, and a server that asks nobody has
/// no need of them.
#[derive(Debug, Clone, Default)]
pub struct Http(Arc<OnceLock<Result<reqwest::Client, String>>>);

impl Http {
    /// A client that nobody knows.
    pub fn new() -> Self {
        Self::default()
    }

    /// A client that shows this certificate, which stands in PEM beside its key.
    pub fn signed_in(pem: &str) -> Result<Self, String> {
        let identity = reqwest::Identity::from_pem(pem.as_bytes());
        let identity = identity.map_err(|error| format!("the certificate and its key cannot be read: {error}"))?;
        let client = made(builder().identity(identity))?;
        Ok(Self(Arc::new(OnceLock::from(Ok(client)))))
    }

    fn client(&self) -> Result<&reqwest::Client, HttpFailure> {
        self.0.get_or_init(|| made(builder())).as_ref().map_err(|error| HttpFailure::Unfit(error.clone()))
    }
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder().redirect(Policy::none()).connect_timeout(CONNECT_TIME_MAX)
}

fn made(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, String> {
    builder.build().map_err(|error| format!("the HTTP client cannot be made: {error}"))
}

impl HttpClient for Http {
    fn send(&self, request: HttpRequest) -> BoxFuture<'static, Result<HttpResponse, HttpFailure>> {
        let client = self.client().cloned();
        Box::pin(async move {
            let client = client?;
            let method = request.method.parse::<reqwest::Method>();
            let method = method.map_err(|error| HttpFailure::Unfit(error.to_string()))?;
            let mut outgoing = client.request(method, &request.url).timeout(request.time_max).body(request.body);
            for (name, value) in request.headers {
                outgoing = outgoing.header(name, value);
            }
            read(outgoing.send().await.map_err(|error| failure(&error))?, request.answer_bytes_max).await
        })
    }
}

async fn read(mut response: reqwest::Response, bytes_max: usize) -> Result<HttpResponse, HttpFailure> {
    let status = response.status().as_u16();
    let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        if body.len() + chunk.len() > bytes_max {
            return Err(HttpFailure::Broken(format!("more than {bytes_max} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpResponse { status, headers, body })
}

/// What an error of the client means to who sent the request. The URL may hold secrets, so it is not told.
fn failure(error: &reqwest::Error) -> HttpFailure {
    let told = {
        let mut reasons = Vec::new();
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            reasons.push(inner.to_string());
            cause = inner.source();
        }
        reasons.pop().unwrap_or_else(|| "unknown".to_owned())
    };
    if error.is_builder() {
        HttpFailure::Unfit(told)
    } else if error.is_connect() {
        HttpFailure::Unreached(told)
    } else if error.is_timeout() {
        HttpFailure::TimedOut
    } else {
        HttpFailure::Broken(told)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with this text; gives its address.
    fn server(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 1_024];
            let _ = stream.read(&mut asked).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            // Whoever is answered nothing gives up in the end.
            let _ = stream.read(&mut asked).unwrap_or_default();
        });
        format!("http://{address}/")
    }

    fn get(url: &str) -> HttpRequest {
        HttpRequest {
            method: "GET".to_owned(),
            url: url.to_owned(),
            headers: vec![("x-a".to_owned(), "b".to_owned())],
            body: Vec::new(),
            time_max: Duration::from_millis(500),
            answer_bytes_max: 8,
        }
    }

    #[tokio::test]
    async fn an_answer_comes_back_as_it_is() {
        let http = Http::new();
        let url = server("HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 2\r\n\r\nno");
        let response = http.send(get(&url)).await.unwrap();
        assert_eq!((response.status, response.body.as_slice()), (302, b"no".as_slice()));
        assert!(response.headers.contains(&("location".to_owned(), "/there".to_owned())));
    }

    #[tokio::test]
    async fn what_goes_wrong_has_a_name() {
        let http = Http::new();
        let large = server("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789");
        assert_eq!(http.send(get(&large)).await, Err(HttpFailure::Broken("more than 8 bytes".to_owned())));
        assert_eq!(http.send(get(&server(""))).await, Err(HttpFailure::TimedOut));
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let nobody = http.send(get(&format!("http://{free}/"))).await;
        assert!(matches!(nobody, Err(HttpFailure::Unreached(_))), "{nobody:?}");
        let unfit = http.send(get("nonsense")).await;
        assert!(matches!(unfit, Err(HttpFailure::Unfit(_))), "{unfit:?}");
    }
}
