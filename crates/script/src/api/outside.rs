//! Reaching out of the server: HTTP requests to the hosts that are allowed, e-mails, and notifications.

use parsimony_cloud::{Effects, Email, HttpRequest, HttpResponse};
use parsimony_model::value::json;
use parsimony_model::{Access, Acl, ErrorCode, ParseError, Value};
use rhai::{Dynamic, Engine, Map};
use url::Url;

use crate::bridge::document::Document;
use crate::bridge::value::{from_map, to_dynamic};
use crate::current::{self, Current, wait};
use crate::error::{Thrown, fault, thrown};

/// The class that notifications are saved in.
const NOTIFICATION: &str = "Notification";

/// Refuses hosts that are not in the list: `api.example.com` with the port of its scheme, or `api.example.com:8443`.
fn check_host(current: &Current, url: &str) -> Result<(), Thrown> {
    let url = Url::parse(url).map_err(|error| fault(format!("{url} is no URL: {error}")))?;
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!("{host}:{port}"));
    let named = port.as_deref().unwrap_or(host);
    if !["http", "https"].contains(&url.scheme()) || !current.core.outside.hosts.iter().any(|allowed| allowed == named)
    {
        return Err(fault(format!("scripts may not ask {}://{named}; see parsimony.scriptHosts", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fault("a URL with a user or a password in it is not sent; use headers"));
    }
    Ok(())
}

fn text<'a>(request: &'a parsimony_model::Map, key: &str) -> Option<&'a str> {
    request.get(key).and_then(Value::as_str)
}

fn http(request: &Map) -> Result<Map, Thrown> {
    let current = current::get()?;
    let request = from_map(request)?;
    let known = ["method", "url", "headers", "body"];
    if let Some(unknown) = request.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(fault(format!("a request has no {unknown}; it has: {}", known.join(", "))));
    }
    let url = text(&request, "url").ok_or_else(|| fault("an HTTP request needs a url"))?;
    check_host(&current, url)?;
    if current.effects == Effects::None {
        return Err(thrown(ParseError::new(ErrorCode::OperationForbidden, "In a dry run nothing is sent.")));
    }
    let headers = request.get("headers").and_then(Value::as_object);
    let mut headers: Vec<(String, String)> = headers
        .map(|headers| {
            headers.iter().filter_map(|(name, value)| Some((name.to_string(), value.as_str()?.to_owned()))).collect()
        })
        .unwrap_or_default();
    let body = match request.get("body") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(Value::Bytes(bytes)) => bytes.clone(),
        Some(value) => {
            if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                headers.push(("content-type".to_owned(), "application/json".to_owned()));
            }
            json::write(value)
        }
    };
    let request = HttpRequest {
        method: text(&request, "method").unwrap_or("GET").to_uppercase(),
        url: url.to_owned(),
        headers,
        body,
        time_max: current.time_left(),
        answer_bytes_max: current.core.limits.http_answer_bytes_max,
    };
    let sent = current.core.outside.http.send(request);
    let answer = wait(&current, async {
        sent.await
            .map_err(|failure| ParseError::new(ErrorCode::ConnectionFailed, format!("The request failed: {failure}.")))
    })?;
    answered(answer)
}

/// The answer: `status`, `headers`, `text`, and `data` if the text is JSON.
fn answered(answer: HttpResponse) -> Result<Map, Thrown> {
    let data = json::read(&answer.body).ok().map_or(Ok(Dynamic::UNIT), to_dynamic)?;
    current::hand_over(answer.body.len())?;
    let headers: Map = answer.headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    Ok(Map::from([
        ("status".into(), i64::from(answer.status).into()),
        ("headers".into(), headers.into()),
        ("text".into(), String::from_utf8_lossy(&answer.body).into_owned().into()),
        ("data".into(), data),
    ]))
}

/// Saves a notification, with the master's rights: the user it is for may read it and mark it as read, nobody else.
fn notify(fields: &Map) -> Result<Document, Thrown> {
    let mut fields = from_map(fields)?;
    if !fields.contains_key("ACL") {
        let user = fields.get("user").and_then(Value::as_pointer);
        let acl = user.map(|user| Acl::default().with(user.id.as_str(), Access { read: true, write: true }));
        fields.insert("ACL".into(), acl.unwrap_or_default().to_value());
    }
    let current = current::get()?;
    let host = current.origin.host.as_master();
    wait(&current, async { host.create(NOTIFICATION, fields).await }).map(Document::found)
}

/// Sends an e-mail: `to` (text or a list), `subject`, `text`, `html`, `from`, `replyTo`. Inside a transaction it is refused.
fn mail(fields: &Map) -> Result<(), Thrown> {
    let email = Email::parse(from_map(fields)?).map_err(thrown)?;
    let current = current::get()?;
    if current.effects == Effects::None {
        return Err(thrown(ParseError::new(ErrorCode::OperationForbidden, "In a dry run nothing is sent.")));
    }
    let host = current.origin.host.clone();
    wait(&current, async { host.send_email(email).await })
}

/// Teaches an engine these functions.
pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("http", |request: Map| http(&request))
        .register_fn("http", |url: &str| http(&Map::from([("url".into(), url.to_owned().into())])))
        .register_fn("mail", |fields: Map| mail(&fields))
        .register_fn("notify", |fields: Map| notify(&fields));
}
