//! What of a push is in Apple's words, whoever brings it: Apple's own service, or Google's on the way there?

use parsimony_cloud::PushMessage;
use parsimony_model::value::Map;
use parsimony_model::{Value, map};

/// What of `data` has another name in `aps`.
pub(super) const IN_APS: [(&str, &str); 8] = [
    ("badge", "badge"),
    ("sound", "sound"),
    ("content-available", "content-available"),
    ("mutable-content", "mutable-content"),
    ("targetContentIdentifier", "target-content-id"),
    ("interruptionLevel", "interruption-level"),
    ("category", "category"),
    ("threadId", "thread-id"),
];

/// A header's value: text, always.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What stands beside `data`, or else in it.
pub(super) fn either(message: &PushMessage, data: &Map, name: &str) -> Option<String> {
    let value = message.body.get(name).filter(|value| value.is_truthy()).or_else(|| data.get(name));
    value.and_then(text)
}

/// The second after which nobody wants it any more.
pub(super) fn expiration(message: &PushMessage) -> Option<i64> {
    message.expires_at().map(|at| (at.millis() + 500).div_euclid(1_000))
}

/// The `aps` of `data`, with its alert and its title. An alert that is a text may stay one.
pub(super) fn aps(data: &Map, alert_is_object: bool) -> Map {
    let mut aps = data.get("aps").and_then(Value::as_object).cloned().unwrap_or_default();
    if let Some(alert) = data.get("alert") {
        let wrapped = alert_is_object && alert.as_object().is_none();
        aps.insert("alert".into(), if wrapped { map! { "body" => alert.clone() }.into() } else { alert.clone() });
    }
    if let Some(title) = data.get("title") {
        let mut alert = match aps.get("alert") {
            Some(Value::Object(alert)) => alert.clone(),
            Some(body) => map! { "body" => body.clone() },
            None => Map::default(),
        };
        alert.insert("title".into(), title.clone());
        aps.insert("alert".into(), alert.into());
    }
    aps
}
