//! What did the client mean: headers, body, `_method` and query, opened once. Every quirk of Parse's requests is in here.

mod query;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use actix_web::http::header::HeaderMap;
use parsimony_engine::Credentials;
use parsimony_model::value::{Map, json};
use parsimony_model::{ErrorCode, ParseError, Value};

use crate::caller::read_headers;

/// What a request is, but for its body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    /// The method of the HTTP request.
    pub(crate) method: &'a str,
    /// Its headers.
    pub(crate) headers: &'a HeaderMap,
    /// The application id that is known here.
    pub(crate) application_id: &'a str,
}

/// A request, opened.
#[derive(Debug)]
pub(crate) struct Envelope {
    /// The method that counts, in upper case.
    pub(crate) method: Cow<'static, str>,
    /// The body without what was taken out of it.
    pub(crate) body: Map,
    /// Who the request says it is, and the context for hooks.
    pub(crate) credentials: Credentials,
    /// Whether a master key came beside an application id in the body: then it has to be right.
    pub(crate) master_or_nothing: bool,
}

impl Envelope {
    /// Opens a request.
    pub(crate) fn open(head: Head<'_>, body: &[u8]) -> Result<Self, ParseError> {
        let mut claims = read_headers(head.headers, head.application_id);
        let mut body = read_body(claims.content_type, body)?;
        let method = method(head.method, &mut body);
        let mut context = claims.context.map(Value::String);
        let credentials = &mut claims.credentials;
        let mut master_or_nothing = false;
        if credentials.application_id.as_deref() != Some(head.application_id) {
            master_or_nothing = credentials.master_key.is_some();
            context = take_credentials(&mut body, credentials)?.or(context);
        }
        body.shift_remove("_noBody");
        if let Some(context) = context {
            claims.credentials.context = read_context(context)?;
        }
        Ok(Self { method, body, credentials: claims.credentials, master_or_nothing })
    }
}

/// An upload that is JSON: who sends it is told in it, and its content is Base64.
pub(crate) struct SealedUpload {
    /// Who the request says it is.
    pub(crate) credentials: Credentials,
    /// Whether a master key came beside an application id in the body: then it has to be right.
    pub(crate) master_or_nothing: bool,
    /// What the file is, if the body says so.
    pub(crate) content_type: Option<String>,
    /// The rest of the body.
    pub(crate) body: Map,
}

impl SealedUpload {
    /// Opens it. Parse: what is no such upload, and names no application in its headers, is nobody's.
    pub(crate) fn open(head: Head<'_>, body: &[u8]) -> Result<Self, ParseError> {
        let refused = || ParseError::new(ErrorCode::Unauthorized, "unauthorized");
        let Ok(Value::Object(mut body)) = json::read(body) else { return Err(refused()) };
        let content_type = match body.shift_remove("_ContentType") {
            None | Some(Value::Null) => None,
            Some(Value::String(kind)) => Some(kind).filter(|kind| !kind.is_empty()),
            Some(_) => return Err(refused()),
        };
        if body.get("base64").is_some_and(|text| text.is_truthy() && text.as_str().is_none()) {
            return Err(refused());
        }
        let claims = read_headers(head.headers, head.application_id);
        let mut credentials = claims.credentials;
        let master_or_nothing = credentials.master_key.is_some();
        let context = take_credentials(&mut body, &mut credentials)?.or(claims.context.map(Value::String));
        if let Some(context) = context {
            credentials.context = read_context(context)?;
        }
        Ok(Self { credentials, master_or_nothing, content_type, body })
    }
}

/// Who a request says it is whose body is none of Parse's.
pub(crate) fn credentials_of(head: Head<'_>) -> Result<Credentials, ParseError> {
    let claims = read_headers(head.headers, head.application_id);
    let mut credentials = claims.credentials;
    if let Some(context) = claims.context {
        credentials.context = read_context(Value::String(context))?;
    }
    Ok(credentials)
}

/// The parameters of a route, from the body and the query.
#[derive(Debug)]
pub(crate) struct Params<'a> {
    /// The body.
    pub(crate) body: Map,
    /// The query string.
    pub(crate) query: &'a str,
}

impl Params<'_> {
    /// For reads: body and query in one, values of the query read as JSON where they are JSON; the query wins.
    pub(crate) fn read(self) -> Map {
        let mut merged = self.body;
        for (key, value) in query::parse(self.query) {
            let value = match value {
                Value::String(text) => json::read(text.as_bytes()).unwrap_or(Value::String(text)),
                nested => nested,
            };
            merged.insert(key, value);
        }
        merged
    }

    /// The body, and the query as it stands, values as text.
    pub(crate) fn apart(self) -> (Map, Map) {
        (self.body, query::parse(self.query))
    }

    /// For functions: body and query in one, values of the query as text; the query wins.
    pub(crate) fn merged(self) -> Map {
        let mut merged = self.body;
        merged.extend(query::parse(self.query));
        merged
    }

    /// For logins. Parse: the query if it names somebody, else the body; never a mixture.
    pub(crate) fn log_in(self) -> Map {
        let query = query::parse(self.query);
        let named = |map: &Map, key| map.get(key).is_some_and(Value::is_truthy);
        let in_query = ["username", "email"].into_iter().any(|key| named(&query, key) && !named(&self.body, key));
        if in_query { query } else { self.body }
    }
}

/// The body as an object, whatever its content type says; Parse: only forms are told apart.
fn read_body(content_type: Option<&str>, body: &[u8]) -> Result<Map, ParseError> {
    let kind = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(query::flat(body));
    }
    if kind.get(.."multipart/".len()).is_some_and(|start| start.eq_ignore_ascii_case("multipart/")) {
        return Err(invalid_json("Multipart bodies are not taken; send JSON."));
    }
    if body.is_empty() {
        return Ok(Map::default());
    }
    match json::read(body)? {
        Value::Object(map) => Ok(map),
        _ => Err(invalid_json("Invalid JSON: the body must be an object.")),
    }
}

/// The method that counts. Parse: a POST may say in its body that it is something else.
fn method(method: &str, body: &mut Map) -> Cow<'static, str> {
    match method {
        "GET" | "HEAD" => Cow::Borrowed("GET"),
        "PUT" => Cow::Borrowed("PUT"),
        "DELETE" => Cow::Borrowed("DELETE"),
        "POST" => match body.shift_remove("_method") {
            Some(Value::String(mut method)) => {
                method.make_ascii_uppercase();
                Cow::Owned(method)
            }
            _ => Cow::Borrowed("POST"),
        },
        other => Cow::Owned(other.to_owned()),
    }
}

/// Takes out of the body what the JavaScript SDK puts there instead of into headers; gives the context, if there is one.
fn take_credentials(body: &mut Map, credentials: &mut Credentials) -> Result<Option<Value>, ParseError> {
    let refused = || ParseError::new(ErrorCode::Unauthorized, "unauthorized");
    let mut text = |key: &str| match body.shift_remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(refused()),
    };
    let application_id = text("_ApplicationId")?;
    if application_id.is_none() {
        // What the header says stays: the engine knows what to think of it.
        return Ok(None);
    }
    credentials.application_id = application_id;
    credentials.javascript_key = text("_JavaScriptKey")?.or(credentials.javascript_key.take());
    credentials.installation_id = text("_InstallationId")?.or(credentials.installation_id.take());
    credentials.session_token = text("_SessionToken")?.or(credentials.session_token.take());
    if let Some(master_key) = text("_MasterKey")?
        && credentials.master_key.is_none()
    {
        credentials.master_key = Some(master_key);
    }
    text("_ContentType")?;
    // Parse: sessions are always revocable, and no version of a client is treated differently.
    body.shift_remove("_RevocableSession");
    body.shift_remove("_ClientVersion");
    Ok(body.shift_remove("_context").filter(Value::is_truthy))
}

/// The context: an object, or JSON text of one.
fn read_context(context: Value) -> Result<Map, ParseError> {
    let context = match context {
        Value::String(text) => json::read(text.as_bytes()).ok(),
        other => Some(other),
    };
    match context {
        Some(Value::Object(mut map)) => {
            // In JavaScript this is no key, and hooks may hand the context on.
            map.shift_remove("__proto__");
            Ok(map)
        }
        _ => Err(invalid_json("Invalid object for context.")),
    }
}

fn invalid_json(text: &'static str) -> ParseError {
    ParseError::new(ErrorCode::InvalidJson, text)
}
