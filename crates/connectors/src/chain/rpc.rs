//! What is asked of an endpoint, and what is its answer? JSON-RPC 2.0 over HTTP: how it is spelled, and nothing about when.

use std::time::Duration;

use alloy::primitives::Bytes;
use parsimony_cloud::{HttpFailure, HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::ChainError;

/// How long an answer may be: the logs of many blocks are long.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// How much of an odd answer is told.
const SHOWN_CHARS_MAX: usize = 200;

/// What came of asking one endpoint.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// Its answer, which any endpoint of this chain would give.
    Answered(Value),
    /// Its refusal, likewise.
    Refused(ChainError),
    /// It is this endpoint's trouble; another one may do better.
    Failed(String),
}

/// A request of one method.
pub(super) fn request(url: &str, method: &str, params: &Value, time_max: Duration) -> HttpRequest {
    let body = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    HttpRequest {
        method: "POST".to_owned(),
        url: url.to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string().into_bytes(),
        time_max,
        answer_bytes_max: ANSWER_BYTES_MAX,
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: Option<Value>,
}

/// Reads what came back.
pub(super) fn outcome(answer: Result<HttpResponse, HttpFailure>) -> Outcome {
    let response = match answer {
        Ok(response) => response,
        Err(failure) => return Outcome::Failed(failure.to_string()),
    };
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(&response.body) else {
        let text: String = String::from_utf8_lossy(&response.body).chars().take(SHOWN_CHARS_MAX).collect();
        return Outcome::Failed(format!("status {}, {text}", response.status));
    };
    if let Some(fault) = envelope.error {
        return refusal(fault);
    }
    // `null` is an answer: no such block, no receipt yet.
    match envelope.result.map(|result| serde_json::from_str(result.get())) {
        Some(Ok(value)) if (200..300).contains(&response.status) => Outcome::Answered(value),
        None if (200..300).contains(&response.status) => Outcome::Answered(Value::Null),
        Some(Ok(_) | Err(_)) | None => Outcome::Failed(format!("status {}", response.status)),
    }
}

/// A node that is too busy, lacks the method or has trouble of its own is not the chain's word.
fn refusal(fault: Fault) -> Outcome {
    let lower = fault.message.to_ascii_lowercase();
    let trouble = ["rate limit", "too many requests", "capacity", "timeout", "timed out", "header not found"];
    if matches!(fault.code, -32601 | -32005 | -32002 | -32001 | 429) || trouble.iter().any(|word| lower.contains(word))
    {
        return Outcome::Failed(format!("{} ({})", fault.message, fault.code));
    }
    let revert = fault.data.as_ref().and_then(revert_data);
    Outcome::Refused(ChainError::Refused { code: fault.code, message: fault.message, revert })
}

/// Nodes tell what a contract reverted with as a text, or in an object around it.
fn revert_data(data: &Value) -> Option<Bytes> {
    let text = data.as_str().or_else(|| data.get("data").and_then(Value::as_str))?;
    text.trim_start_matches("Reverted ").parse().ok()
}
