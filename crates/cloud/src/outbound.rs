//! Asking the world outside: an HTTP request, and the client that sends it.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;

/// A request that goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// `GET`, `POST`, …
    pub method: String,
    /// Where to: `http://…` or `https://…`.
    pub url: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// How long it may take, to the last byte of the answer.
    pub time_max: Duration,
    /// How many bytes the answer may have.
    pub answer_bytes_max: usize,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// Its headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Why nothing came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpFailure {
    /// The request is none: the URL, a header or the method.
    Unfit(String),
    /// Nobody was reached; nothing was sent, so it may be sent again.
    Unreached(String),
    /// It took too long. Whether it was received is not known.
    TimedOut,
    /// The connection broke, or the answer was too large or malformed. Whether the request was received is not known.
    Broken(String),
}

impl fmt::Display for HttpFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfit(reason) => write!(f, "the request cannot be sent: {reason}"),
            Self::Unreached(reason) => write!(f, "nobody answers there: {reason}"),
            Self::TimedOut => f.write_str("it took too long"),
            Self::Broken(reason) => write!(f, "the answer did not arrive: {reason}"),
        }
    }
}

/// What sends requests. Redirects are not followed: they come back as they are.
pub trait HttpClient: Send + Sync {
    /// Sends one.
    fn send(&self, request: HttpRequest) -> BoxFuture<'static, Result<HttpResponse, HttpFailure>>;
}
