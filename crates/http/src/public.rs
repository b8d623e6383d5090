//! How do public documents go out: no envelope comes in, and an entity tag says whether there is anything new.

use std::borrow::Cow;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use futures::FutureExt as _;
use parsimony_engine::{Engine, Headers, PublicAsked, PublicShown};
use parsimony_model::ParseError;

use crate::door::to_its_end;
use crate::reply::Reply;

/// What is asked for, if it is a public document: `GET` or `HEAD` of `/public/APPLICATION/PATH`.
pub(crate) fn asked(request: &HttpRequest, segments: &[Cow<'_, str>], ip: Option<IpAddr>) -> Option<PublicAsked> {
    let [area, application, path @ ..] = segments else { return None };
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    if !reads || path.is_empty() || !area.eq_ignore_ascii_case("public") {
        return None;
    }
    let known = request.headers().get_all(IF_NONE_MATCH).filter_map(|known| known.to_str().ok());
    let known: Vec<&str> = known.collect();
    let headers = request.headers().iter();
    Some(PublicAsked {
        application: application.clone().into_owned(),
        // A slash that was decoded is none that parts segments: no path has one.
        path: path.iter().map(|segment| segment.replace('/', "%2F")).collect::<Vec<_>>().join("/"),
        query: request.uri().query().unwrap_or_default().to_owned(),
        method: request.method().to_string(),
        known: (!known.is_empty()).then(|| known.join(", ")),
        ip,
        headers: Headers::new(headers.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))),
    })
}

/// Shows it. Of an answer to `HEAD` the body stays here.
pub(crate) async fn show(engine: &Arc<Engine>, asked: PublicAsked) -> Result<Reply, ParseError> {
    let engine = Arc::clone(engine);
    let work = async move { shown(engine.show_public(asked).await?) };
    to_its_end(Box::pin(AssertUnwindSafe(work).catch_unwind())).await
}

fn shown(shown: PublicShown) -> Result<Reply, ParseError> {
    let PublicShown { document, tag, is_known } = shown;
    let cache = match document.cache_seconds {
        0 => "no-cache".to_owned(),
        seconds => format!("public, max-age={seconds}"),
    };
    let mut headers = vec![(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))];
    for (name, value) in [(CONTENT_TYPE, document.content_type), (ETAG, tag), (CACHE_CONTROL, cache)] {
        headers.push(header(name, &value)?);
    }
    let (status, body) =
        if is_known { (StatusCode::NOT_MODIFIED, Bytes::new()) } else { (StatusCode::OK, document.body) };
    Ok(Reply { status, headers, ..Reply::text(body) })
}

fn header(name: HeaderName, value: &str) -> Result<(HeaderName, HeaderValue), ParseError> {
    Ok((name, HeaderValue::from_str(value).map_err(ParseError::internal)?))
}
