//! What does the log say of a request: one line, never a key, a token or a query string. Where everything is logged, another
//! one says what was asked, without what is secret in it.

use std::borrow::Cow;
use std::time::Instant;

use actix_web::http::Uri;
use parsimony_model::value::{Map, Value};

use crate::reply::Reply;

/// Longest path in a log line.
const PATH_BYTES_MAX: usize = 256;

/// Writes the line of a request that has been answered.
pub(crate) fn answered(method: &str, path: &str, request_id: &str, started: Instant, reply: &Reply) {
    if !tracing::enabled!(tracing::Level::INFO) {
        return;
    }
    let micros = u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX);
    tracing::info!(
        method,
        path = path.get(..PATH_BYTES_MAX).unwrap_or(path.get(..PATH_BYTES_MAX / 2).unwrap_or(path)),
        status = reply.status.as_u16(),
        duration_ms = f64::from(micros) / 1_000.0,
        code = reply.code,
        reason = reply.reason.as_deref(),
        request_id,
        "request"
    );
}

/// What stands in the place of a secret.
const MASK: &str = "********";

/// What the names of secrets have in them.
const SECRET: [&str; 5] = ["password", "token", "secret", "authdata", "receipt"];

fn is_secret(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    SECRET.iter().any(|secret| text.contains(secret))
}

/// Writes what is asked, if everything is logged.
pub(crate) fn asked(method: &str, uri: &Uri, body: &Map) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let url = shown_url(uri);
    let body = serde_json::to_string_pretty(&shown(body)).unwrap_or_default();
    tracing::debug!(method, url, "REQUEST for [{method}] {url}: {body}");
}

/// The path and the query. A parameter that may have a secret in it is masked whole.
fn shown_url(uri: &Uri) -> String {
    let mut url = uri.path().to_owned();
    for (place, (name, value)) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).enumerate() {
        let value = if is_secret(&name) || is_secret(&value) { Cow::Borrowed(MASK) } else { value };
        url.push(if place == 0 { '?' } else { '&' });
        url.extend([name.as_ref(), "=", value.as_ref()]);
    }
    url
}

fn shown(map: &Map) -> Map {
    let value = |name: &str, value: &Value| match value {
        _ if is_secret(name) => MASK.into(),
        Value::Object(inner) => Value::Object(shown(inner)),
        Value::Array(items) => Value::Array(items.iter().map(shown_item).collect()),
        other => other.clone(),
    };
    map.iter().map(|(name, inside)| (name.clone(), value(name, inside))).collect()
}

fn shown_item(item: &Value) -> Value {
    match item {
        Value::Object(inner) => Value::Object(shown(inner)),
        Value::Array(items) => Value::Array(items.iter().map(shown_item).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use parsimony_model::map;

    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        for (uri, shown) in [
            ("/1/login?username=a&password=b%20%40%26", "/1/login?username=a&password=********"),
            ("/1/classes/_User?where=%7B%22password%22%3A1%7D&limit=1", "/1/classes/_User?where=********&limit=1"),
            ("/1/health", "/1/health"),
        ] {
            assert_eq!(shown_url(&uri.parse().unwrap()), shown);
        }
        let body =
            map! { "n" => 1, "newPassword" => "x", "authData" => map! { "a" => 1 }, "in" => map! { "token" => "t" } };
        let expected = map! { "n" => 1, "newPassword" => MASK, "authData" => MASK, "in" => map! { "token" => MASK } };
        assert_eq!(shown(&body), expected);
    }
}
