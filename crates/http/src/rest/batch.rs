//! `/batch`: several requests in one, side by side or in one transaction.

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use futures::{StreamExt, stream};
use parsimony_engine::Work;
use parsimony_model::names::shorten;
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, ParseError, Value};

use super::one;
use crate::door::Door;
use crate::envelope::Params;
use crate::error::Telling;
use crate::reply::Reply;
use crate::routes::{Route, split, unroutable};

/// How many parts of a batch run at one time.
const PARTS_AT_ONCE_MAX: usize = 32;

/// One request of a batch.
#[derive(Debug)]
struct Part {
    /// Where it leads, or why it leads nowhere: that is the part's own error.
    route: Result<Route, ParseError>,
    body: Map,
}

type Answers = Vec<Result<Reply, ParseError>>;

pub(super) async fn run(door: &Door, work: &Work, telling: Telling<'_>, mut body: Map) -> Result<Reply, ParseError> {
    let transaction = body.get("transaction") == Some(&Value::Bool(true));
    let parts = parts(door, work, body.swap_remove("requests")).await?;
    if !transaction {
        return written(&side_by_side(door, work, parts).await, telling);
    }
    match in_transaction(door, work, &parts).await {
        Ok(answers) => written(&answers, telling),
        // The SDKs send a request again when its status is 5xx, and read the code of any other.
        Err(error) if error.number().is_some() && error.code != ErrorCode::InternalServerError => {
            Ok(Reply { status: StatusCode::BAD_REQUEST, ..telling.reply(&error) })
        }
        Err(error) => Err(error),
    }
}

/// The refusal of a batch in a batch.
pub(super) fn nested() -> ParseError {
    invalid("nested batch requests are not allowed")
}

async fn side_by_side(door: &Door, work: &Work, parts: Vec<Part>) -> Answers {
    let running = parts.into_iter().map(|part| async move {
        let params = Params { body: part.body, query: "" };
        one(door, work, part.route?, params).await
    });
    stream::iter(running).buffered(PARTS_AT_ONCE_MAX).collect().await
}

/// All or nothing. Parse answers a failure with a faceless 500; here it is the error of the part that failed.
async fn in_transaction(door: &Door, work: &Work, parts: &[Part]) -> Result<Answers, ParseError> {
    work.in_transaction(parts.len(), |inside| async move { one_by_one(door, &inside, parts).await }).await
}

async fn one_by_one(door: &Door, work: &Work, parts: &[Part]) -> Result<Answers, ParseError> {
    let mut answers = Vec::with_capacity(parts.len());
    for part in parts {
        let params = Params { body: part.body.clone(), query: "" };
        answers.push(Ok(one(door, work, part.route.clone()?, params).await?));
    }
    Ok(answers)
}

/// Reads the parts. What is wrong with the batch is its error; what is wrong with a part is the part's.
async fn parts(door: &Door, work: &Work, requests: Option<Value>) -> Result<Vec<Part>, ParseError> {
    let Some(Value::Array(requests)) = requests else {
        return Err(invalid("requests must be an array"));
    };
    let max = work.engine().options().limits.batch_parts_max;
    if let Some(max) = max.filter(|max| requests.len() > *max && !work.is_master()) {
        let count = requests.len();
        return Err(invalid(format!("Batch request contains {count} sub-requests, which exceeds the limit of {max}.")));
    }
    let mut parts = Vec::with_capacity(requests.len());
    for request in requests {
        parts.push(part(door, work, request).await?);
    }
    Ok(parts)
}

async fn part(door: &Door, work: &Work, request: Value) -> Result<Part, ParseError> {
    let Value::Object(mut request) = request else { return Err(no_path()) };
    let Some(Value::String(path)) = request.swap_remove("path") else { return Err(no_path()) };
    let Some(rest) = below_any(door.batch_prefixes(), &path) else {
        return Err(invalid(format!("cannot route batch path {}", shorten(&path))));
    };
    let segments: Vec<&str> = split(rest).collect();
    let method = request.get("method").and_then(Value::as_str).unwrap_or("undefined");
    if segments.first().is_some_and(|area| area.eq_ignore_ascii_case("batch")) {
        return Err(nested());
    }
    // Parse: one part too many, and nothing of the batch is done.
    work.count_part(&method.to_ascii_uppercase(), &format!("/{}", segments.join("/"))).await?;
    let route = match route(method, &segments) {
        // Parse: one part that leads nowhere, and nothing of the batch is done.
        Err(error) if error.code == ErrorCode::InvalidJson => return Err(error),
        route => route,
    };
    let route = route.and_then(|route| door.admit(work, &segments.join("/")).map(|()| route));
    let (route, body) = match request.swap_remove("body") {
        Some(Value::Object(body)) => (route, body),
        None | Some(Value::Null) => (route, Map::default()),
        Some(_) => (route.and(Err(invalid("batch request body must be an object"))), Map::default()),
    };
    Ok(Part { route, body })
}

/// The route of a part. Parse: what a batch cannot reach is no JSON of a batch.
fn route(method: &str, segments: &[&str]) -> Result<Route, ParseError> {
    let route = match Route::parse(method, segments) {
        Ok(Route::Health) => Err(unroutable(method, segments)),
        route => route,
    };
    route.map_err(|error| match error.code {
        ErrorCode::RouteNotFound => ParseError { code: ErrorCode::InvalidJson, ..error },
        _ => error,
    })
}

/// What follows the longest of the prefixes that the path has.
fn below_any<'a>(prefixes: &[String], path: &'a str) -> Option<&'a str> {
    let matching = prefixes.iter().filter(|prefix| path.starts_with(prefix.as_str()));
    path.get(matching.map(String::len).max()?..)
}

fn no_path() -> ParseError {
    invalid("batch request path must be a string")
}

fn invalid(text: impl Into<std::borrow::Cow<'static, str>>) -> ParseError {
    ParseError::new(ErrorCode::InvalidJson, text)
}

/// `[{"success":…},{"error":…}]`, in the order of the parts.
fn written(answers: &Answers, telling: Telling<'_>) -> Result<Reply, ParseError> {
    let size = answers.iter().flatten().map(|reply| reply.body.len() + 16).sum::<usize>();
    let mut text = Vec::with_capacity(size + 2);
    text.push(b'[');
    for (index, answer) in answers.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        match answer {
            Ok(reply) => {
                text.extend_from_slice(b"{\"success\":");
                text.extend_from_slice(&reply.body);
            }
            Err(error) => {
                text.extend_from_slice(b"{\"error\":");
                serde_json::to_writer(&mut text, &telling.body(error)).map_err(ParseError::internal)?;
            }
        }
        text.push(b'}');
    }
    text.push(b']');
    Ok(Reply::text(Bytes::from(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_begins_with_ours_or_the_public_one() {
        let prefixes = ["/parse".to_owned(), "/parse/api".to_owned(), "/public".to_owned()];
        for (path, rest) in [
            ("/parse/classes/A", Some("/classes/A")),
            ("/parse/api/classes/A", Some("/classes/A")),
            ("/public/classes/A", Some("/classes/A")),
            ("/other/classes/A", None),
            ("classes/A", None),
            ("", None),
        ] {
            assert_eq!(below_any(&prefixes, path), rest, "{path}");
        }
        assert_eq!(below_any(&[String::new()], "/classes/A"), Some("/classes/A"));
    }

    #[test]
    fn a_part_that_leads_nowhere_has_parse_s_text() {
        for (method, segments, text) in [
            ("GET", &["x"][..], "cannot route GET /x"),
            ("get", &["classes", "A"][..], "cannot route get /classes/A"),
            ("GET", &["health"][..], "cannot route GET /health"),
        ] {
            let error = route(method, segments).unwrap_err();
            assert_eq!((error.number(), &*error.message), (Some(107), text));
        }
        assert!(route("POST", &["functions", "f"]).is_ok());
    }

    #[test]
    fn parts_are_answered_in_their_order() {
        let answers = vec![Ok(Reply::text(Bytes::from_static(b"{\"a\":1}"))), Err(ParseError::not_found())];
        let telling = Telling { sanitized: true, request_id: "r" };
        let expected = r#"[{"success":{"a":1}},{"error":{"code":101,"error":"Object not found."}}]"#;
        assert_eq!(written(&answers, telling).unwrap().body, expected);
        assert_eq!(written(&Vec::new(), telling).unwrap().body, "[]");
    }
}
