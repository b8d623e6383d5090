//! What does a message of Google's service hold? What Parse's own push adapter makes of a push.

use parsimony_cloud::{PushDevice, PushMessage};
use parsimony_model::Date;
use parsimony_model::Value as Parse;
use parsimony_model::value::json as model_json;
use serde_json::{Map, Value, json};

use super::apple;
use super::fcm::For;

/// How long Google keeps a message at most: four weeks.
const TTL_SECONDS_MAX: i64 = 4 * 7 * 24 * 3_600;

/// What Parse's adapter does not hand on to Android.
const NOT_FOR_ANDROID: [&str; 5] = ["badge", "content-available", "mutable-content", "priority", "expiration_time"];

fn plain(value: &Parse) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// The message to a device.
pub(super) fn message(push: &PushMessage, device: &PushDevice, (to, now): (For, Date)) -> Value {
    let raw = push.body.get("rawPayload").map(plain);
    let mut message = match (raw, to) {
        (Some(Value::Object(raw)), _) => raw,
        (_, For::Android) => for_android(push, now),
        (_, For::Apple) => for_apple(push),
    };
    message.insert("token".to_owned(), device.token.as_str().into());
    json!({ "message": message })
}

fn for_android(push: &PushMessage, now: Date) -> Map<String, Value> {
    let mut android = json!({ "priority": "high" });
    let Some(fields) = android.as_object_mut() else { return Map::new() };
    if let Some(notification) = push.body.get("notification") {
        fields.insert("notification".to_owned(), plain(notification));
    }
    if push.body.contains_key("data") {
        let mut data = push.data();
        data.retain(|key, _| !NOT_FOR_ANDROID.contains(&key.as_str()));
        let text = String::from_utf8_lossy(&model_json::write(&data)).into_owned();
        // The Android SDK shows what has this id once, however often it comes.
        let data = json!({ "push_id": push.id.as_str(), "time": push.at.to_iso(), "data": text });
        fields.insert("data".to_owned(), data);
    }
    if let Some(expires_at) = push.expires_at() {
        let seconds = (expires_at.millis() - now.millis()).div_euclid(1_000).clamp(0, TTL_SECONDS_MAX);
        fields.insert("ttl".to_owned(), format!("{seconds}s").into());
    }
    Map::from_iter([("android".to_owned(), android)])
}

/// What stands in the headers.
const HEADERS: [(&str, &str); 3] =
    [("collapse_id", "apns-collapse-id"), ("push_type", "apns-push-type"), ("priority", "apns-priority")];

fn for_apple(push: &PushMessage) -> Map<String, Value> {
    let data = push.data();
    let mut headers = Map::from_iter([("apns-push-type".to_owned(), Value::from("alert"))]);
    for (name, header) in HEADERS {
        headers.extend(apple::either(push, &data, name).map(|value| (header.to_owned(), value.into())));
    }
    if let Some(seconds) = apple::expiration(push) {
        headers.insert("apns-expiration".to_owned(), seconds.to_string().into());
    }
    let Value::Object(mut aps) = plain(&Parse::Object(apple::aps(&data, true))) else { return Map::new() };
    for (name, renamed) in apple::IN_APS {
        aps.extend(data.get(name).map(|value| (renamed.to_owned(), plain(value))));
    }
    let is_ours = |key: &str| {
        matches!(key, "aps" | "alert" | "title" | "expiration_time")
            || apple::IN_APS.iter().chain(&HEADERS).any(|(name, _)| *name == key)
    };
    let own = data.iter().filter(|(key, _)| !is_ours(key)).map(|(key, value)| (key.to_string(), plain(value)));
    let payload: Map<String, Value> = own.chain([("aps".to_owned(), Value::Object(aps))]).collect();
    Map::from_iter([("apns".to_owned(), json!({ "headers": headers, "payload": payload }))])
}

#[cfg(test)]
mod tests {
    use parsimony_model::{ObjectId, map};

    use super::*;

    fn told(body: parsimony_model::Map, to: For) -> Value {
        let push = PushMessage { id: ObjectId::parse("push").unwrap(), at: Date::EPOCH, body };
        let device = PushDevice { token: "t".to_owned(), ..PushDevice::default() };
        message(&push, &device, (to, Date::from_millis(1_000)))
    }

    #[test]
    fn android_gets_the_data_as_text() {
        let body = map! {
            "data" => map! { "alert" => "hi", "badge" => 1, "x" => 2 }, "notification" => map! { "title" => "t" },
            "expiration_time" => 61_000,
        };
        assert_eq!(
            told(body, For::Android),
            json!({ "message": { "token": "t", "android": {
                "priority": "high", "notification": {"title": "t"}, "ttl": "60s",
                "data": {"push_id": "push", "time": "1970-01-01T00:00:00.000Z", "data": r#"{"alert":"hi","x":2}"#},
            }}})
        );
    }

    #[test]
    fn apple_gets_what_its_own_service_would_bring() {
        let body = map! {
            "data" => map! { "alert" => "hi", "title" => "T", "badge" => 1, "priority" => 5, "own" => true },
            "expiration_time" => 61_000,
        };
        assert_eq!(
            told(body, For::Apple),
            json!({ "message": { "token": "t", "apns": {
                "headers": {"apns-push-type": "alert", "apns-priority": "5", "apns-expiration": "61"},
                "payload": {"own": true, "aps": {"alert": {"body": "hi", "title": "T"}, "badge": 1}},
            }}})
        );
    }

    #[test]
    fn a_raw_payload_goes_as_it_is() {
        let body = map! { "rawPayload" => map! { "webpush" => map! { "a" => 1 } }, "data" => map! { "x" => 1 } };
        assert_eq!(told(body, For::Android), json!({ "message": { "token": "t", "webpush": {"a": 1} } }));
    }
}
