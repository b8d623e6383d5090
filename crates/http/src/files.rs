//! How do files come and go: streamed, or inside of JSON, as the JavaScript SDK sends them.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix_web::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, RANGE,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, rt, web};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use futures::FutureExt as _;
use futures::stream::{self, StreamExt as _};
use parsimony_engine::{Credentials, Download, FileContent, Upload, Work};
use parsimony_model::value::{Map, json};
use parsimony_model::{ErrorCode, ParseError, Value, map};
use tokio::sync::mpsc;

use crate::body;
use crate::door::{Door, to_its_end};
use crate::envelope::{Head, SealedUpload, credentials_of};
use crate::reply::{Coming, Reply};
use crate::routes::unroutable;

/// How many pieces of an upload wait for the store to take them.
const WAITING_PIECES_MAX: usize = 4;

/// How many bytes of a refused upload are taken, so that the client hears of the refusal and not of a broken connection.
const DRAINED_BYTES_MAX: usize = 32 << 20;

/// Answers a request for `/files`. It is none of those whose body is JSON, or that a batch may have.
pub(crate) async fn answer(
    door: &Arc<Door>,
    request: &HttpRequest,
    payload: web::Payload,
    (segments, request_id): (&[Cow<'_, str>], &str),
) -> Result<Reply, ParseError> {
    let path: Vec<&str> = segments.iter().skip(1).map(AsRef::as_ref).collect();
    match (request.method(), path.as_slice()) {
        (&Method::GET | &Method::HEAD, [application, rest @ ..]) if !rest.is_empty() => {
            read(door, request, (application, rest), request_id).await
        }
        (&Method::POST, []) => {
            drain(payload);
            Err(ParseError::new(ErrorCode::InvalidFileName, "Filename not provided."))
        }
        (&Method::POST, [name]) => store(door, request, payload, (name, request_id)).await,
        (&Method::DELETE, name) if !name.is_empty() => {
            let mut credentials = credentials_of(head(door, request))?;
            complete(door, request, request_id, &mut credentials);
            let (door, name) = (Arc::clone(door), name.join("/"));
            let work = async move {
                admitted(&door, credentials, "DELETE", &name, false).await?.delete_file(&name).await?;
                Ok(Reply::text(Bytes::new()))
            };
            to_its_end(Box::pin(AssertUnwindSafe(work).catch_unwind())).await
        }
        (method, _) => Err(unroutable(method.as_str(), segments)),
    }
}

fn head<'a>(door: &'a Door, request: &'a HttpRequest) -> Head<'a> {
    Head {
        method: request.method().as_str(),
        headers: request.headers(),
        application_id: &door.engine().options().keys.application_id,
    }
}

fn complete(door: &Door, request: &HttpRequest, request_id: &str, credentials: &mut Credentials) {
    credentials.ip = door.client_ip(request);
    request_id.clone_into(&mut credentials.request_id);
}

/// Counts a request and checks its credentials.
async fn admitted(
    door: &Door,
    credentials: Credentials,
    method: &str,
    name: &str,
    master_or_nothing: bool,
) -> Result<Work, ParseError> {
    let engine = door.engine();
    if engine.counts() {
        Box::pin(engine.count(&credentials, method, &format!("/files/{name}"))).await?;
    }
    let work = engine.authenticate(credentials).await?;
    if master_or_nothing && !work.is_master() {
        return Err(ParseError::new(ErrorCode::Unauthorized, "unauthorized"));
    }
    Ok(work)
}

/// `GET /files/APPLICATION/NAME` and `/files/APPLICATION/metadata/NAME`
async fn read(
    door: &Arc<Door>,
    request: &HttpRequest,
    (application, rest): (&str, &[&str]),
    request_id: &str,
) -> Result<Reply, ParseError> {
    let of_metadata = match rest {
        [first, name @ ..] if first.eq_ignore_ascii_case("metadata") && !name.is_empty() => Some(name.join("/")),
        _ => None,
    };
    if application != door.engine().options().keys.application_id {
        return match of_metadata {
            Some(_) => Ok(Reply::empty()),
            None => Err(ParseError::denied(ErrorCode::Forbidden, "Invalid application ID.")),
        };
    }
    let mut credentials = credentials_of(head(door, request))?;
    credentials.application_id = Some(application.to_owned());
    complete(door, request, request_id, &mut credentials);
    let range = request.headers().get(RANGE).and_then(|range| range.to_str().ok()).map(str::to_owned);
    let (engine, name) = (Arc::clone(door.engine()), rest.join("/"));
    let work = async move {
        let work = engine.authenticate_reader(credentials).await?;
        if let Some(name) = of_metadata {
            return Reply::json(&work.file_metadata(&name).await?);
        }
        Ok(match work.download(&name, range.as_deref()).await? {
            Some(download) => found(download),
            None => missing(),
        })
    };
    to_its_end(Box::pin(AssertUnwindSafe(work).catch_unwind())).await
}

/// Parse: what is not there is told as text.
fn missing() -> Reply {
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    let reply = Reply::text("File not found.");
    Reply { status: StatusCode::NOT_FOUND, headers: vec![(CONTENT_TYPE, text)], ..reply }
}

fn found(download: Download) -> Reply {
    let Download { content_type, length, range, disposition, headers, content } = download;
    let given = headers.into_iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok().filter(|name| *name != CONTENT_LENGTH)?;
        Some((name, HeaderValue::from_str(&value).ok()?))
    });
    let kind = HeaderValue::from_str(&content_type).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let mut headers = vec![(CONTENT_TYPE, kind)];
    headers.extend(given);
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    headers.push((ACCEPT_RANGES, HeaderValue::from_static("bytes")));
    for (name, value) in [(CONTENT_RANGE, range), (CONTENT_DISPOSITION, disposition)] {
        headers.extend(value.and_then(|value| Some((name, HeaderValue::from_str(&value).ok()?))));
    }
    let rest = Some(Coming { pieces: content, length: Some(length) });
    Reply { status, headers, rest, ..Reply::text(Bytes::new()) }
}

/// `POST /files/NAME`
async fn store(
    door: &Arc<Door>,
    request: &HttpRequest,
    payload: web::Payload,
    (name, request_id): (&str, &str),
) -> Result<Reply, ParseError> {
    let head = head(door, request);
    let mut credentials = credentials_of(head)?;
    let is_ours = credentials.application_id.as_deref() == Some(head.application_id);
    let (upload, master_or_nothing) = if is_ours {
        (plain(door, request, payload, name).await?, false)
    } else {
        let body = body::read(payload, request.headers(), door.body_bytes_max()).await?;
        let sealed = SealedUpload::open(head, &body)?;
        credentials = sealed.credentials;
        let kind = sealed.content_type.or_else(|| text(request.headers(), &CONTENT_TYPE).map(str::to_owned));
        (unsealed(name, kind, sealed.body), sealed.master_or_nothing)
    };
    complete(door, request, request_id, &mut credentials);
    let door = Arc::clone(door);
    // What has begun to be stored is stored whole or taken away again, even if the client does not wait.
    let work = async move {
        let work = admitted(&door, credentials, "POST", &upload.name, master_or_nothing).await?;
        let stored = work.upload(upload).await?;
        let reply = Reply::json(&map! { "url" => stored.url.as_str(), "name" => stored.name.as_str() })?;
        Ok(Reply { status: StatusCode::CREATED, location: Some(stored.url), ..reply })
    };
    to_its_end(Box::pin(AssertUnwindSafe(work).catch_unwind())).await
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty())
}

/// An upload whose body is the content of the file.
async fn plain(door: &Door, request: &HttpRequest, payload: web::Payload, name: &str) -> Result<Upload, ParseError> {
    let headers = request.headers();
    let header = |name: &'static str| text(headers, &HeaderName::from_static(name));
    let streamed = header("x-parse-upload-mode") == Some("stream");
    let object = |name: &'static str, told: &str| match header(name).filter(|_| streamed) {
        Some(text) => object_in(text, told).map(Some),
        None => Ok(None),
    };
    let metadata = object("x-parse-file-metadata", "X-Parse-File-Metadata")?;
    let tags = object("x-parse-file-tags", "X-Parse-File-Tags")?;
    let directory = header("x-parse-file-directory").filter(|_| streamed).map(Value::from);
    let packed = body::is_packed(headers);
    let length = text(headers, &CONTENT_LENGTH).and_then(|length| length.parse().ok()).filter(|_| !packed);
    let content = if packed {
        let whole = body::read(payload, headers, door.body_bytes_max()).await?;
        stream::iter([Ok(whole)]).boxed()
    } else {
        pump(payload)
    };
    Ok(Upload {
        name: name.to_owned(),
        content_type: text(headers, &CONTENT_TYPE).map(str::to_owned),
        length,
        bytes_max: header("x-parse-file-max-upload-size").map(str::to_owned),
        directory,
        metadata,
        tags,
        streamed,
        content,
    })
}

/// An upload whose content came as Base64.
fn unsealed(name: &str, content_type: Option<String>, mut body: Map) -> Upload {
    let bytes = body.get("base64").and_then(Value::as_str).map(decoded).unwrap_or_default();
    let mut said = match body.shift_remove("fileData") {
        Some(Value::Object(said)) => said,
        _ => Map::default(),
    };
    Upload {
        name: name.to_owned(),
        content_type,
        length: Some(bytes.len() as u64),
        bytes_max: None,
        directory: said.shift_remove("directory"),
        metadata: said.shift_remove("metadata"),
        tags: said.shift_remove("tags"),
        streamed: false,
        content: stream::iter([Ok(bytes)]).boxed(),
    }
}

/// The body of a request, for another thread. It ends with a word that it has ended: if that does not come, it broke off.
fn pump(mut payload: web::Payload) -> FileContent {
    let (sender, receiver) = mpsc::channel::<Option<Result<Bytes, ParseError>>>(WAITING_PIECES_MAX);
    rt::spawn(async move {
        loop {
            let piece = body::next(&mut payload).await.transpose();
            let is_last = !matches!(piece, Some(Ok(_)));
            if sender.send(piece).await.is_err() {
                return drain(payload);
            }
            if is_last {
                return;
            }
        }
    });
    let broken = || ParseError::new(ErrorCode::FileSaveError, "The upload broke off.");
    stream::unfold(Some(receiver), move |receiver| async move {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Some(Ok(piece))) => Some((Ok(piece), Some(receiver))),
            Some(Some(Err(error))) => Some((Err(error), None)),
            Some(None) => None,
            None => Some((Err(broken()), None)),
        }
    })
    .boxed()
}

/// Takes what a client sends that nobody wants.
fn drain(mut payload: web::Payload) {
    rt::spawn(async move {
        let mut left = DRAINED_BYTES_MAX;
        while let Ok(Some(piece)) = body::next(&mut payload).await {
            match left.checked_sub(piece.len()) {
                Some(fewer) => left = fewer,
                None => return,
            }
        }
    });
}

/// The content in an upload that is JSON: its `base64`. Parse: characters that are none of Base64's are passed over.
fn decoded(text: &str) -> Bytes {
    const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const LENIENT: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);
    if let Ok(bytes) = LENIENT.decode(text) {
        return bytes.into();
    }
    let end = text.find('=').unwrap_or(text.len());
    let mut plain: Vec<u8> = text
        .bytes()
        .take(end)
        .filter_map(|byte| match byte {
            b'-' => Some(b'+'),
            b'_' => Some(b'/'),
            b'+' | b'/' => Some(byte),
            byte => byte.is_ascii_alphanumeric().then_some(byte),
        })
        .collect();
    if plain.len() % 4 == 1 {
        plain.pop();
    }
    LENIENT.decode(plain).unwrap_or_default().into()
}

/// A header of an upload that is a JSON object.
fn object_in(header: &str, name: &str) -> Result<Value, ParseError> {
    match json::read(header.as_bytes()) {
        Ok(object @ Value::Object(_)) => Ok(object),
        _ => Err(ParseError::new(ErrorCode::InvalidJson, format!("Invalid JSON in {name} header."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_leniently_as_javascript_reads_it() {
        for (text, bytes) in [
            ("ParseA==", &b"=\xaa\xec\x78"[..]),
            ("aGVsbG8=", b"hello"),
            ("aGVsbG8", b"hello"),
            ("aGVs\nbG8=", b"hello"),
            ("-_-_", b"\xfb\xff\xbf"),
            ("aGVsbG8=tail", b"hello"),
            ("", b""),
            ("!", b""),
        ] {
            assert_eq!(&decoded(text)[..], bytes, "{text:?}");
        }
    }
}
