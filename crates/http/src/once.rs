//! What is answered to a request that its client may send again?

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use parsimony_engine::{Claim, Kept, Once, Repeatable, Work};
use parsimony_model::ParseError;

use crate::error::Telling;
use crate::reply::Reply;

/// The id a client gives a request, the same when it sends it again.
pub(crate) const X_PARSE_REQUEST_ID: &str = "x-parse-request-id";

/// Whether a request can be one that must not happen twice.
pub(crate) fn may_be_watched(method: &str, area: &str) -> bool {
    let areas = ["classes", "users", "installations", "functions", "jobs"];
    let writes = method == Method::POST.as_str() || method == Method::PUT.as_str();
    writes && areas.iter().any(|watched| area.eq_ignore_ascii_case(watched))
}

/// How a request is answered that was not made before.
pub(crate) enum Turn {
    /// By what it comes to.
    Done(Option<Claim>),
    /// As it was before.
    Again(Reply),
}

/// Finds out whether a request came before; refused if it did, and what it was answered is not known.
pub(crate) async fn turn(work: &Work, request: Repeatable<'_>) -> Result<Turn, ParseError> {
    match work.once(request).await? {
        Once::New => Ok(Turn::Done(None)),
        Once::ToBeKept(claim) => Ok(Turn::Done(Some(claim))),
        Once::Answered(kept) => again(kept).map(Turn::Again),
    }
}

/// Keeps an answer for when the request comes again. A fault of ours is no answer: nobody knows how far the work came, so
/// the repetition is refused.
pub(crate) async fn keep(
    work: &Work,
    claim: Claim,
    answer: Result<Reply, ParseError>,
    telling: Telling<'_>,
) -> Result<Reply, ParseError> {
    let reply = answer.unwrap_or_else(|error| telling.reply(&error));
    work.keep(claim, kept(&reply)).await;
    Ok(reply)
}

fn kept(reply: &Reply) -> Option<Kept> {
    if reply.status.is_server_error() || reply.rest.is_some() {
        return None;
    }
    let text = |value: &HeaderValue| value.to_str().map(str::to_owned).ok();
    let headers = reply.headers.iter().map(|(name, value)| Some((name.as_str().to_owned(), text(value)?)));
    Some(Kept {
        status: reply.status.as_u16(),
        body: std::str::from_utf8(&reply.body).ok()?.to_owned(),
        location: reply.location.clone(),
        headers: headers.collect::<Option<_>>()?,
    })
}

fn again(kept: Kept) -> Result<Reply, ParseError> {
    let mut reply = Reply::text(kept.body);
    reply.status = StatusCode::from_u16(kept.status).map_err(ParseError::internal)?;
    reply.location = kept.location;
    for (name, value) in kept.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(ParseError::internal)?;
        reply.headers.push((name, HeaderValue::from_str(&value).map_err(ParseError::internal)?));
    }
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_kept_is_the_same_again() {
        let mut reply = Reply::text("{\"objectId\":\"x\"}");
        reply.status = StatusCode::CREATED;
        reply.location = Some("http://h/parse/classes/A/x".to_owned());
        reply.headers.push((HeaderName::from_static("x-own"), HeaderValue::from_static("1")));
        let same = again(kept(&reply).unwrap()).unwrap();
        assert_eq!((same.status, &same.body), (reply.status, &reply.body));
        assert_eq!((same.location, same.headers), (reply.location, reply.headers));
    }

    #[test]
    fn faults_are_not_kept() {
        let telling = Telling { sanitized: true, request_id: "r" };
        assert_eq!(kept(&telling.reply(&ParseError::internal("disk on fire"))), None);
        assert!(kept(&telling.reply(&ParseError::not_found())).is_some());
    }

    #[test]
    fn only_what_writes_may_be_watched() {
        for (method, area, watched) in [
            ("POST", "classes", true),
            ("PUT", "Users", true),
            ("POST", "functions", true),
            ("GET", "classes", false),
            ("DELETE", "classes", false),
            ("POST", "login", false),
        ] {
            assert_eq!(may_be_watched(method, area), watched, "{method} {area}");
        }
    }
}
