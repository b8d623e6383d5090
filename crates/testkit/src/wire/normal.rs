//! What changes from run to run, and what is it called in a recorded reply?
//!
//! Only what cannot be the same is renamed, and to something that keeps its form: a date that is a bare text stays apart
//! from one in a `Date` object, an id is the same id wherever it stands.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::variables::Variables;

/// Dates nearer than this to the time of the request are of the server's making, or counted from now.
const NEAR_HOURS: i64 = 400 * 24;
/// What may pass between a request and the time it is read back.
const SLACK_SECONDS: i64 = 300;

/// Texts that belong to one run, and what they are called.
type Own = [(String, &'static str)];

/// The form of dates on the wire.
pub(super) fn iso(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// A body with the values of this run replaced by names.
pub(super) fn normalise(value: &Value, variables: &mut Variables, own: &Own) -> Value {
    number_ids(value, variables);
    renamed(None, value, variables, own)
}

/// Ids are numbered in the order they stand in, before anything is renamed: some come first as keys of an ACL.
fn number_ids(value: &Value, variables: &mut Variables) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(id) if key == "objectId" && is_id(id) => variables.number(id),
                    _ => number_ids(value, variables),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| number_ids(item, variables)),
        _ => {}
    }
}

fn renamed(key: Option<&str>, value: &Value, variables: &Variables, own: &Own) -> Value {
    match value {
        Value::String(text) => Value::String(text_of(key, text, variables, own)),
        Value::Array(items) => Value::Array(items.iter().map(|item| renamed(None, item, variables, own)).collect()),
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map
                .iter()
                .map(|(key, value)| (variables.relabel(key), renamed(Some(key), value, variables, own)))
                .collect();
            // Keys have no order; a recording that is made again shall be the same.
            entries.sort_by(|(left, _), (right, _)| left.cmp(right));
            Value::Object(entries.into_iter().collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// A text with the values of this run replaced by names.
pub(super) fn text_of(key: Option<&str>, text: &str, variables: &Variables, own: &Own) -> String {
    if let Some(label) = variables.label_of(text) {
        return label.clone();
    }
    if let Some(near) = near(text) {
        return near;
    }
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.strip_prefix("r:").is_some_and(|token| token.len() == 32 && hex(token)) {
        return "<token>".to_owned();
    }
    if text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && hex(&text.replace('-', "")) {
        return "<uuid>".to_owned();
    }
    if key == Some("username") && text.len() == 25 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return "<username>".to_owned();
    }
    let text = own.iter().fold(text.to_owned(), |text, (value, name)| text.replace(value, name));
    variables.relabel(&text)
}

fn is_id(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// What a date is called, counted from now: `<now>`, `<now+365d>`, `<now-2h>`.
fn near(text: &str) -> Option<String> {
    if text.len() != 24 || !text.ends_with('Z') {
        return None;
    }
    let time: Timestamp = text.parse().ok()?;
    let offset = time.duration_since(Timestamp::now());
    if offset.abs() > SignedDuration::from_hours(NEAR_HOURS) {
        return None;
    }
    let seconds = offset.as_secs();
    // What was counted from now was counted in steps of some minutes, a moment ago.
    let steps = (seconds + seconds.signum() * SLACK_SECONDS / 2) / SLACK_SECONDS;
    let minutes = steps * SLACK_SECONDS / 60;
    Some(match minutes {
        0 => "<now>".to_owned(),
        minutes if minutes % (24 * 60) == 0 => format!("<now{:+}d>", minutes / (24 * 60)),
        minutes if minutes % 60 == 0 => format!("<now{:+}h>", minutes / 60),
        minutes => format!("<now{minutes:+}m>"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_changes_is_renamed_and_what_does_not_stays() {
        let mut variables = Variables::default();
        variables.next_step();
        variables.save("ann", &json!({"objectId": "abcdefghij", "sessionToken": "r:0123456789abcdef0123456789abcdef"}));
        let now = Timestamp::now();
        let year = iso(now.checked_add(SignedDuration::from_hours(365 * 24)).unwrap());
        let body = json!({
            "createdAt": iso(now),
            "expiresAt": {"__type": "Date", "iso": year},
            "old": "2020-01-01T00:00:00.000Z",
            "objectId": "KLMNOPQRST",
            "same": {"objectId": "KLMNOPQRST"},
            "second": {"objectId": "0123456789"},
            "ACL": {"abcdefghij": {"read": true}},
            "text": "no abcdefghij here, ask http://localhost:1234/parse",
            "token": "r:fedcba9876543210fedcba9876543210",
            "n": 1,
        });
        let expected = json!({
            "createdAt": "<now>",
            "expiresAt": {"__type": "Date", "iso": "<now+365d>"},
            "old": "2020-01-01T00:00:00.000Z",
            "objectId": "<id of step 1>",
            "same": {"objectId": "<id of step 1>"},
            "second": {"objectId": "<id 2 of step 1>"},
            "ACL": {"{{ann}}": {"read": true}},
            "text": "no {{ann}} here, ask <server>/parse",
            "token": "<token>",
            "n": 1,
        });
        assert_eq!(normalise(&body, &mut variables, &[("http://localhost:1234".to_owned(), "<server>")]), expected);
    }
}
