//! Asking the world outside: an HTTP request, and the client that sends it.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::future::BoxFuture;
use ring::hmac;

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

/// The signature of Standard Webhooks, version 1: over id, time in seconds and body. A key that begins with `whsec_` goes on
/// in Base64, as there.
pub fn standard_signature(key: &str, id: &str, seconds: &str, body: &[u8]) -> String {
    let decoded = key.strip_prefix("whsec_").and_then(|encoded| BASE64.decode(encoded).ok());
    let key = hmac::Key::new(hmac::HMAC_SHA256, decoded.as_deref().unwrap_or(key.as_bytes()));
    let mut signed = hmac::Context::with_key(&key);
    for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
        signed.update(part);
    }
    format!("v1,{}", BASE64.encode(signed.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_standard_webhooks() {
        // Computed with OpenSSL: printf 'msg_1.1700000000.{"a":1}' | openssl dgst -sha256 -hmac key -binary | base64
        let expected = "v1,KSgv0SSgWzG5LPnm9tfWJRfBlWqAqHz+OlObgspQi/g=";
        for key in ["key", "whsec_a2V5"] {
            assert_eq!(standard_signature(key, "msg_1", "1700000000", br#"{"a":1}"#), expected, "{key}");
        }
    }
}
