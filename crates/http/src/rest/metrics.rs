//! `/parsimony/metrics`: everything that the server measures, for the master key, or for a token that opens nothing else.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use parsimony_engine::{Engine, Work};
use parsimony_model::ParseError;

use crate::reply::Reply;

/// The text format of Prometheus.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

pub(super) fn answer(work: &Work) -> Result<Reply, ParseError> {
    work.measures().map(reply)
}

/// What is answered to somebody who knows nothing of Parse and has the token; `None` for everybody else.
pub(crate) fn by_token(engine: &Engine, request: &HttpRequest, segments: &[Cow<'_, str>]) -> Option<Reply> {
    let [area, what] = segments else { return None };
    if *request.method() != Method::GET || !area.eq_ignore_ascii_case("parsimony") || *what != "metrics" {
        return None;
    }
    let (scheme, token) = request.headers().get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    engine.measures_by_token(token.trim()).map(reply)
}

fn reply(text: String) -> Reply {
    let mut reply = Reply::text(text);
    reply.headers.push((CONTENT_TYPE, TEXT));
    reply
}
