//! Where do two replies differ, so that one sees it at a glance?

use serde_json::Value;

use super::scenario::Reply;

/// One line for each place where the replies differ, from the outside to the inside. Keys have no order, lists do.
pub fn differences(expected: &Reply, got: &Reply) -> Vec<String> {
    let mut found = Vec::new();
    if expected.status != got.status {
        found.push(format!("status: expected {}, got {}", expected.status, got.status));
    }
    if expected.headers != got.headers {
        found.push(format!("headers: expected {:?}, got {:?}", expected.headers, got.headers));
    }
    if expected.text != got.text {
        found.push(format!("text: expected {:?}, got {:?}", expected.text, got.text));
    }
    match (&expected.body, &got.body) {
        (Some(expected), Some(got)) => values("body", expected, got, &mut found),
        (None, Some(got)) => found.push(format!("body: expected none, got {got}")),
        (Some(expected), None) => found.push(format!("body: expected {expected}, got none")),
        (None, None) => {}
    }
    found
}

fn values(path: &str, expected: &Value, got: &Value, found: &mut Vec<String>) {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            for (key, value) in expected {
                match got.get(key) {
                    Some(other) => values(&format!("{path}.{key}"), value, other, found),
                    None => found.push(format!("{path}.{key}: expected {value}, is missing")),
                }
            }
            let extra = got.iter().filter(|(key, _)| !expected.contains_key(*key));
            found.extend(extra.map(|(key, value)| format!("{path}.{key}: not expected, got {value}")));
        }
        (Value::Array(expected), Value::Array(got)) if expected.len() == got.len() => {
            for (index, (one, other)) in expected.iter().zip(got).enumerate() {
                values(&format!("{path}[{index}]"), one, other, found);
            }
        }
        _ if expected == got => {}
        _ => found.push(format!("{path}: expected {expected}, got {got}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn reply(body: Value) -> Reply {
        Reply { status: 200, headers: std::collections::BTreeMap::new(), body: Some(body), text: None }
    }

    #[test]
    fn every_kind_of_difference_is_seen() {
        let expected = json!({"n": 1, "d": {"__type": "Date", "iso": "<now>"}, "list": [1, 2], "gone": null});
        for (got, line) in [
            (json!({"n": 1.0}), "body.n: expected 1, got 1.0"),
            (json!({"n": "1"}), "body.n: expected 1, got \"1\""),
            (json!({"d": "<now>"}), "body.d: expected {\"__type\":\"Date\",\"iso\":\"<now>\"}, got \"<now>\""),
            (json!({"list": [2, 1]}), "body.list[0]: expected 1, got 2"),
            (json!({"list": [1]}), "body.list: expected [1,2], got [1]"),
            (json!({"more": 1}), "body.more: not expected, got 1"),
        ] {
            let mut whole = expected.clone();
            for (key, value) in got.as_object().unwrap() {
                whole[key] = value.clone();
            }
            let found = differences(&reply(expected.clone()), &reply(whole));
            assert_eq!(found.first().map(String::as_str), Some(line));
        }
        let mut less = expected.clone();
        less.as_object_mut().unwrap().remove("gone");
        assert_eq!(differences(&reply(expected.clone()), &reply(less)), ["body.gone: expected null, is missing"]);
        assert!(differences(&reply(expected.clone()), &reply(expected)).is_empty());
    }
}
