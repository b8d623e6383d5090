//! What do clients of LiveQuery say, and what are they told? The frames of the protocol, read and written.

use compact_str::CompactString;
use parsimony_model::value::{Map, json};
use parsimony_model::{ParseError, Value};

/// The code of a frame that is none.
pub(super) const BAD_MESSAGE: i32 = 1;

/// The code of a frame of somebody who is not known, or on a subscription that is not.
pub(super) const UNKNOWN: i32 = 2;

/// The code of a key that is not right.
pub(super) const BAD_KEY: i32 = 4;

/// A frame of a client.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Message {
    Connect(Connect),
    Subscribe(Subscribe),
    /// Puts another subscription in the place of the one with this request id.
    Update(Subscribe),
    Unsubscribe(f64),
}

/// Who a client says it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Connect {
    /// The keys it sent, by their names in `keyPairs`.
    pub(super) keys: Map,
    pub(super) session_token: Option<String>,
    pub(super) installation_id: Option<String>,
}

/// What a client wants to be told of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Subscribe {
    pub(super) request_id: f64,
    pub(super) class: String,
    pub(super) conditions: Map,
    /// The only fields wanted; empty means all.
    pub(super) keys: Vec<CompactString>,
    /// The fields of which one must have changed; empty means whatever changed.
    pub(super) watch: Vec<CompactString>,
    pub(super) session_token: Option<String>,
}

/// A frame that says what is wrong with another.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub(super) text: String,
    pub(super) code: i32,
    /// Whether the client should come back and try anew.
    pub(super) reconnect: bool,
    pub(super) request_id: Option<f64>,
}

impl Refusal {
    fn malformed(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: BAD_MESSAGE, reconnect: true, request_id: None }
    }

    pub(super) fn unknown(text: String) -> Self {
        Self { text, code: UNKNOWN, reconnect: true, request_id: None }
    }

    /// An error of Parse's, as a frame.
    pub(super) fn of(error: &ParseError, request_id: Option<f64>, sanitized: bool) -> Self {
        let text = error.public_message(sanitized).to_owned();
        Self { text, code: error.number().unwrap_or(BAD_MESSAGE), reconnect: false, request_id }
    }

    pub(super) fn frame(&self) -> String {
        let request_id = self.request_id.map_or(Value::Null, Value::Number);
        frame(parsimony_model::map! {
            "op" => "error",
            "error" => self.text.as_str(),
            "code" => self.code,
            "reconnect" => self.reconnect,
            "requestId" => request_id,
        })
    }
}

/// A frame with these entries.
pub(super) fn frame(map: Map) -> String {
    String::from_utf8(json::write(&Value::Object(map))).unwrap_or_default()
}

const OPS: [&str; 4] = ["connect", "subscribe", "update", "unsubscribe"];

const KEYS: [&str; 6] = ["applicationId", "masterKey", "clientKey", "windowsKey", "restAPIKey", "javascriptKey"];

/// Reads a frame. Parse: the texts are those of its JSON Schema validator, and its SDK looks at one of them.
pub(super) fn read(text: &str) -> Result<Message, Refusal> {
    let Ok(Value::Object(mut map)) = json::read(text.as_bytes()) else {
        return Err(Refusal::malformed("Invalid JSON"));
    };
    let op = match map.shift_remove("op") {
        None => return Err(missing("op")),
        Some(Value::String(op)) if OPS.contains(&op.as_str()) => op,
        Some(op) => {
            let shown = String::from_utf8_lossy(&json::write(&op)).into_owned();
            return Err(Refusal::malformed(format!("No enum match for: {}", parsimony_model::names::shorten(&shown))));
        }
    };
    Ok(match op.as_str() {
        "connect" => Message::Connect(connect(map)?),
        "subscribe" => Message::Subscribe(subscribe(map)?),
        "update" => Message::Update(subscribe(map)?),
        _ => {
            let request_id = request_id(&mut map)?;
            nothing_else(&map)?;
            Message::Unsubscribe(request_id)
        }
    })
}

fn missing(name: &str) -> Refusal {
    Refusal::malformed(format!("Missing required property: {name}"))
}

fn wrong_type(value: &Value, expected: &str) -> Refusal {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        _ => "object",
    };
    Refusal::malformed(format!("Invalid type: {found} (expected {expected})"))
}

fn nothing_else(map: &Map) -> Result<(), Refusal> {
    if map.is_empty() { Ok(()) } else { Err(Refusal::malformed("Additional properties not allowed")) }
}

fn text(map: &mut Map, name: &str) -> Result<Option<String>, Refusal> {
    match map.shift_remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(wrong_type(&other, "string")),
    }
}

fn connect(mut map: Map) -> Result<Connect, Refusal> {
    if !map.contains_key("applicationId") {
        return Err(missing("applicationId"));
    }
    let mut keys = Map::default();
    for name in KEYS {
        if let Some(key) = text(&mut map, name)? {
            keys.insert(name.into(), key.into());
        }
    }
    let connect = Connect {
        keys,
        session_token: text(&mut map, "sessionToken")?,
        installation_id: text(&mut map, "installationId")?,
    };
    nothing_else(&map)?;
    Ok(connect)
}

fn request_id(map: &mut Map) -> Result<f64, Refusal> {
    match map.shift_remove("requestId") {
        None => Err(missing("requestId")),
        Some(Value::Number(id)) => Ok(id),
        Some(other) => Err(wrong_type(&other, "number")),
    }
}

fn subscribe(mut map: Map) -> Result<Subscribe, Refusal> {
    let request_id = request_id(&mut map)?;
    let mut query = match map.shift_remove("query") {
        None => return Err(missing("query")),
        Some(Value::Object(query)) => query,
        Some(other) => return Err(wrong_type(&other, "object")),
    };
    let conditions = match query.shift_remove("where") {
        None => return Err(missing("where")),
        Some(Value::Object(conditions)) => conditions,
        Some(other) => return Err(wrong_type(&other, "object")),
    };
    let class = text(&mut query, "className")?.ok_or_else(|| missing("className"))?;
    let (keys, watch) = (names(&mut query, "keys")?, names(&mut query, "watch")?);
    nothing_else(&query)?;
    let session_token = text(&mut map, "sessionToken")?;
    nothing_else(&map)?;
    Ok(Subscribe { request_id, class, conditions, keys, watch, session_token })
}

fn names(query: &mut Map, name: &str) -> Result<Vec<CompactString>, Refusal> {
    let items = match query.shift_remove(name) {
        None => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(other) => return Err(wrong_type(&other, "array")),
    };
    if items.is_empty() {
        return Err(Refusal::malformed("Array is too short (0), minimum 1"));
    }
    let mut names: Vec<CompactString> = Vec::with_capacity(items.len());
    for item in items {
        let Value::String(text) = item else { return Err(wrong_type(&item, "string")) };
        if names.iter().any(|known| *known == text) {
            return Err(Refusal::malformed("Array items are not unique"));
        }
        names.push(text.into());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read() {
        let Ok(Message::Connect(connect)) =
            read(r#"{"op":"connect","applicationId":"a","sessionToken":"r:1","installationId":"i","masterKey":"m"}"#)
        else {
            panic!("no connect")
        };
        assert_eq!((connect.session_token.as_deref(), connect.installation_id.as_deref()), (Some("r:1"), Some("i")));
        assert_eq!(connect.keys.get("masterKey"), Some(&"m".into()));
        let text =
            r#"{"op":"update","requestId":3,"query":{"className":"C","where":{"a":1},"keys":["a"],"watch":["b"]}}"#;
        let Ok(Message::Update(subscribe)) = read(text) else { panic!("no update") };
        assert_eq!((subscribe.request_id, subscribe.class.as_str(), subscribe.keys.len()), (3.0, "C", 1));
        assert_eq!(read(r#"{"op":"unsubscribe","requestId":2}"#), Ok(Message::Unsubscribe(2.0)));
    }

    #[test]
    fn what_is_no_frame_is_told_in_parse_s_words() {
        for (text, expected) in [
            ("nonsense", "Invalid JSON"),
            ("[]", "Invalid JSON"),
            ("{}", "Missing required property: op"),
            (r#"{"op":"query"}"#, r#"No enum match for: "query""#),
            (r#"{"op":1}"#, "No enum match for: 1"),
            (r#"{"op":"connect"}"#, "Missing required property: applicationId"),
            (r#"{"op":"connect","applicationId":1}"#, "Invalid type: number (expected string)"),
            (r#"{"op":"connect","applicationId":"a","more":1}"#, "Additional properties not allowed"),
            (r#"{"op":"unsubscribe"}"#, "Missing required property: requestId"),
            (r#"{"op":"unsubscribe","requestId":"1"}"#, "Invalid type: string (expected number)"),
            (r#"{"op":"subscribe","requestId":1}"#, "Missing required property: query"),
            (r#"{"op":"subscribe","requestId":1,"query":{}}"#, "Missing required property: where"),
            (
                r#"{"op":"subscribe","requestId":1,"query":{"where":{},"className":"C","keys":[]}}"#,
                "Array is too short (0), minimum 1",
            ),
            (
                r#"{"op":"subscribe","requestId":1,"query":{"where":{},"className":"C","watch":["a","a"]}}"#,
                "Array items are not unique",
            ),
            (
                r#"{"op":"subscribe","requestId":1,"query":{"where":{},"className":"C","fields":["a"]}}"#,
                "Additional properties not allowed",
            ),
        ] {
            let refusal = read(text).unwrap_err();
            assert_eq!((refusal.text.as_str(), refusal.code, refusal.reconnect), (expected, 1, true), "{text}");
        }
    }

    #[test]
    fn a_refusal_is_a_frame() {
        let refusal = Refusal { text: "no".to_owned(), code: 119, reconnect: false, request_id: Some(2.0) };
        assert_eq!(refusal.frame(), r#"{"op":"error","error":"no","code":119,"reconnect":false,"requestId":2}"#);
    }
}
