//! What does the sender call an event, so that one that is sent twice counts once?

use parsimony_model::Value;
use parsimony_model::value::json;
use ring::digest::{SHA256, digest};

use super::Delivery;

/// Where the id of an event stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum EventId {
    /// Nowhere: the same body is the same event.
    #[default]
    Body,
    /// In a header.
    Header(String),
    /// In the JSON body, at a path with dots; several together.
    Json(Vec<String>),
    /// In a form, in these fields together.
    Form(Vec<String>),
}

/// How long an id may be; a longer one counts by its digest.
const CHARS_MAX: usize = 200;

impl EventId {
    /// In a header.
    pub fn header(name: &str) -> Self {
        Self::Header(name.to_ascii_lowercase())
    }

    /// In the JSON body, at paths such as `payload.object.id`.
    pub fn json<'a>(paths: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Json(paths.into_iter().map(str::to_owned).collect())
    }

    /// In fields of a form.
    pub fn form<'a>(fields: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Form(fields.into_iter().map(str::to_owned).collect())
    }

    /// The id of a delivery. One that lacks it counts by its body.
    pub fn of(&self, delivery: &Delivery) -> String {
        let id = match self {
            Self::Body => None,
            Self::Header(name) => delivery.headers.get(name).map(str::to_owned),
            Self::Json(paths) => of_json(&delivery.body, paths),
            Self::Form(fields) => of_form(&delivery.body, fields),
        };
        match id.filter(|id| !id.is_empty()) {
            Some(id) if id.len() <= CHARS_MAX => id,
            Some(id) => digested(id.as_bytes()),
            None => digested(&delivery.body),
        }
    }
}

fn digested(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(digest(&SHA256, bytes)))
}

fn of_json(body: &[u8], paths: &[String]) -> Option<String> {
    let body = json::read(body).ok()?;
    let at = |path: &String| {
        let found = path.split('.').try_fold(&body, |value, key| value.as_object()?.get(key))?;
        match found {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(String::from_utf8_lossy(&json::write(found)).into_owned()),
            _ => None,
        }
    };
    paths.iter().map(at).collect::<Option<Vec<_>>>().map(|parts| parts.join(" "))
}

fn of_form(body: &[u8], fields: &[String]) -> Option<String> {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let of = |field: &String| pairs.iter().find_map(|(name, value)| (name == field).then(|| value.clone()));
    fields.iter().map(of).collect::<Option<Vec<_>>>().map(|parts| parts.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Headers;

    fn delivery(body: &str) -> Delivery {
        let headers = Headers::new([("webhook-id", "msg_1"), ("x-empty", "")]);
        Delivery { url: String::new(), headers, body: body.as_bytes().into(), ip: None }
    }

    #[test]
    fn the_id_stands_where_the_sender_puts_it() {
        let json = delivery(r#"{"id":"evt_1","data":{"n":7,"list":[1]}}"#);
        let by_body = EventId::Body.of(&json);
        for (id, expected) in [
            (EventId::header("Webhook-Id"), "msg_1"),
            (EventId::json(["id"]), "evt_1"),
            (EventId::json(["id", "data.n"]), "evt_1 7"),
            (EventId::json(["data.list"]), by_body.as_str()),
            (EventId::json(["id", "nothing"]), by_body.as_str()),
            (EventId::header("x-empty"), by_body.as_str()),
        ] {
            assert_eq!(id.of(&json), expected, "{id:?}");
        }
        let form = delivery("MessageSid=SM1&MessageStatus=sent");
        assert_eq!(EventId::form(["MessageSid", "MessageStatus"]).of(&form), "SM1 sent");
        assert_ne!(EventId::Body.of(&form), by_body);
        assert!(
            EventId::json(["id"]).of(&delivery(&format!("{{\"id\":\"{}\"}}", "x".repeat(300)))).starts_with("sha256:")
        );
    }
}
