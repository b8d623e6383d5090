//! Asking a webhook: a signed POST, and its answer read as Parse reads it.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use parsimony_cloud::{HttpClient, HttpFailure, HttpRequest, HttpResponse, Remote, Reply, standard_signature};
use parsimony_model::value::{Map, json};
use parsimony_model::{Clock, ErrorCode, ParseError, Value};

/// How often a webhook that nobody answers at is asked again. Nothing was sent then, so nothing runs twice.
const RETRIES_MAX: u32 = 2;

/// How long to wait before that, each time twice as long.
const PAUSE: Duration = Duration::from_millis(50);

/// A function or a trigger that runs elsewhere.
#[derive(Clone)]
pub(super) struct Webhook {
    pub(super) url: String,
    /// The `webhookKey`: sent as it is, as Parse does, and the secret of the signature.
    pub(super) key: Option<String>,
    pub(super) time_max: Duration,
    pub(super) answer_bytes_max: usize,
    pub(super) http: Arc<dyn HttpClient>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Remote for Webhook {
    /// Parse: a webhook is told the context, and leaves none.
    fn ask(&self, body: Map) -> BoxFuture<'static, Result<Reply, ParseError>> {
        let asked = self.ask_whole(body);
        Box::pin(async move { Ok(Reply { context: None, ..asked.await? }) })
    }
}

impl Webhook {
    /// Asks, and takes all of the answer that may count.
    pub(super) fn ask_whole(&self, body: Map) -> BoxFuture<'static, Result<Reply, ParseError>> {
        let request = self.request(json::write(&Value::Object(body)));
        let (http, url) = (Arc::clone(&self.http), self.url.clone());
        Box::pin(async move {
            let mut tries = 0;
            loop {
                match http.send(request.clone()).await {
                    Ok(response) => return answer(&response),
                    Err(HttpFailure::Unreached(_)) if tries < RETRIES_MAX => {
                        tokio::time::sleep(PAUSE * 2_u32.pow(tries)).await;
                        tries += 1;
                    }
                    Err(failure) => {
                        let detail = format!("webhook {url}: {failure}");
                        let told = ParseError::new(ErrorCode::ScriptFailed, "The webhook could not be asked.");
                        return Err(ParseError { detail: Some(detail), ..told });
                    }
                }
            }
        })
    }

    fn request(&self, body: Vec<u8>) -> HttpRequest {
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        if let Some(key) = &self.key {
            let id = format!("msg_{}", self.clock.alphanumeric(24));
            let seconds = self.clock.now().millis().div_euclid(1_000).to_string();
            let signature = standard_signature(key, &id, &seconds, &body);
            headers.extend([
                ("x-parse-webhook-key".to_owned(), key.clone()),
                ("webhook-id".to_owned(), id),
                ("webhook-timestamp".to_owned(), seconds),
                ("webhook-signature".to_owned(), signature),
            ]);
        }
        HttpRequest {
            method: "POST".to_owned(),
            url: self.url.clone(),
            headers,
            body,
            time_max: self.time_max,
            answer_bytes_max: self.answer_bytes_max,
        }
    }
}

/// Parse: the status does not count; `success` or `error` in the body does.
fn answer(response: &HttpResponse) -> Result<Reply, ParseError> {
    let Ok(Value::Object(mut body)) = json::read(&response.body) else {
        let detail = format!("status {}, and a body that is no JSON object", response.status);
        let told = ParseError::new(ErrorCode::ScriptFailed, "Malformed response");
        return Err(ParseError { detail: Some(detail), ..told });
    };
    if let Some(error) = body.shift_remove("error").filter(Value::is_truthy) {
        return Err(refusal(&error));
    }
    let context = match body.shift_remove("context") {
        Some(Value::Object(context)) => Some(context),
        _ => None,
    };
    Ok(Reply { success: body.shift_remove("success"), context })
}

/// The error that a webhook answers: a text, or a code and a message.
fn refusal(error: &Value) -> ParseError {
    let script = |text: String| ParseError::new(ErrorCode::ScriptFailed, text);
    let Value::Object(map) = error else {
        let text =
            error.as_str().map_or_else(|| String::from_utf8_lossy(&json::write(error)).into_owned(), str::to_owned);
        return script(text);
    };
    let text = ["message", "error"].iter().find_map(|key| map.get(*key)?.as_str());
    let text = text.map_or_else(|| String::from_utf8_lossy(&json::write(error)).into_owned(), str::to_owned);
    #[expect(clippy::cast_possible_truncation, reason = "a code is a small whole number; anything else is none")]
    match map.get("code").and_then(Value::as_f64).filter(|code| code.fract() == 0.0 && code.abs() < 1e6) {
        Some(code) => ParseError::with_number(code as i32, text),
        None => script(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replied(body: &str) -> Result<Reply, ParseError> {
        answer(&HttpResponse { status: 500, headers: Vec::new(), body: body.as_bytes().to_vec() })
    }

    fn answered(body: &str) -> Result<Option<Value>, ParseError> {
        replied(body).map(|reply| reply.success)
    }

    #[test]
    fn an_answer_succeeds_or_refuses() {
        assert_eq!(answered(r#"{"success":1}"#), Ok(Some(Value::Number(1.0))));
        assert_eq!(answered("{}"), Ok(None));
        assert_eq!(answered(r#"{"success":"x","error":null}"#), Ok(Some("x".into())));
        assert_eq!(replied(r#"{"context":{"a":1}}"#).unwrap().context, Some(parsimony_model::map! { "a" => 1 }));
        assert_eq!(replied(r#"{"context":[]}"#).unwrap(), Reply::default());
        for (body, number, text) in [
            (r#"{"error":"no"}"#, 141, "no"),
            (r#"{"error":{"code":1337,"error":"no"}}"#, 1337, "no"),
            (r#"{"error":{"code":101,"message":"gone"}}"#, 101, "gone"),
            (r#"{"error":{"a":1}}"#, 141, r#"{"a":1}"#),
            (r#"{"error":7}"#, 141, "7"),
            ("<html>", 141, "Malformed response"),
            ("[]", 141, "Malformed response"),
        ] {
            let error = answered(body).unwrap_err();
            assert_eq!((error.number(), &*error.message), (Some(number), text), "{body}");
        }
    }
}
