//! `_PushStatus`: what everybody with the master key sees of a push, and cloud code after each change of it.

use md5::{Digest as _, Md5};
use parsimony_model::builtin::Builtin;
use parsimony_model::value::Map;
use parsimony_model::{ObjectId, ParseError, Value, map};

use super::api::text_of;
use super::queue::Counts;
use super::request::Asked;
use crate::save;
use crate::work::Work;

/// Parse's hash of what a push says: that of its text, of the JSON of its dictionary, or of nothing.
fn hash(alert: Option<&Value>) -> String {
    let text = match alert {
        Some(Value::String(text)) => text.clone(),
        Some(other @ (Value::Null | Value::Array(_) | Value::Object(_))) => text_of(other),
        _ => String::new(),
    };
    hex::encode(Md5::digest(text.as_bytes()))
}

/// Notes that there is a push; gives its id.
pub(super) async fn create(server: &Work, asked: &Asked) -> Result<ObjectId, ParseError> {
    let data = asked.body.get("data").and_then(Value::as_object).cloned().unwrap_or_default();
    let time = asked.time.map_or_else(|| server.engine.clock.now().to_iso(), |time| time.to_string());
    let mut fields = map! {
        "pushTime" => time,
        "query" => text_of(&asked.query.clone().into()),
        "pushHash" => hash(data.get("alert")),
        "payload" => text_of(&data.into()),
        "source" => "rest",
        "status" => if asked.time.is_some() { "scheduled" } else { "pending" },
        "numSent" => 0,
        "ACL" => map! {},
    };
    if let Some(expires_at) = asked.expires_at {
        fields.insert("expiry".into(), (expires_at.millis() as f64).into());
    }
    if let Some(interval) = asked.interval {
        fields.insert("expiration_interval".into(), interval.into());
    }
    Ok(save::save(server, &Builtin::PushStatus.name(), None, fields).await?.0.id)
}

async fn change(server: &Work, id: &ObjectId, fields: Map) -> Result<(), ParseError> {
    let changed = save::save(server, &Builtin::PushStatus.name(), Some(id), fields).await;
    match changed {
        // An administrator may have deleted it; the push goes on.
        Err(error) if error.code == parsimony_model::ErrorCode::ObjectNotFound => Ok(()),
        changed => changed.map(drop),
    }
}

/// Notes that a push goes on, and how many of its pieces are left.
pub(super) async fn running(server: &Work, id: &ObjectId, counts: &Counts, left: u64) -> Result<(), ParseError> {
    let mut fields = counts.0.clone();
    fields.extend(map! { "status" => "running", "count" => left as f64 });
    change(server, id, fields).await
}

/// Notes that a push is sent.
pub(super) async fn succeeded(server: &Work, id: &ObjectId, counts: &Counts) -> Result<(), ParseError> {
    let mut fields = counts.0.clone();
    fields.extend(map! { "status" => "succeeded", "count" => map! { "__op" => "Delete" } });
    change(server, id, fields).await
}

/// Notes that a push is not sent, or not to everybody, and why.
pub(super) async fn failed(
    server: &Work,
    id: &ObjectId,
    counts: &Counts,
    error: &ParseError,
) -> Result<(), ParseError> {
    let mut why = map! { "message" => error.message.to_string() };
    if let Some(number) = error.number() {
        why.insert("code".into(), number.into());
    }
    let mut fields = counts.0.clone();
    fields.extend(map! { "status" => "failed", "errorMessage" => why, "count" => map! { "__op" => "Delete" } });
    change(server, id, fields).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_parse_s() {
        for (alert, expected) in [
            (Some(Value::from("hi")), "49f68a5c8493ec2c0bf489821c21fc3b"),
            (Some(map! { "title" => "a", "body" => "ü" }.into()), "f6842da6584a258b0c7d40768e500667"),
            (Some(7.into()), "d41d8cd98f00b204e9800998ecf8427e"),
            (None, "d41d8cd98f00b204e9800998ecf8427e"),
        ] {
            assert_eq!(hash(alert.as_ref()), expected, "{alert:?}");
        }
    }
}
