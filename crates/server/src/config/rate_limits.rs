//! How often may paths be asked, `rateLimit`: read as Parse reads it, with its texts for what cannot be.

use parsimony_engine::{CountedBy, PatternLimit, RateLimit};
use parsimony_model::value::json;
use serde_json::Value;

use super::path_pattern;
use super::raw::Raw;

/// Reads `rateLimit`: one limit, or a list of them.
pub(super) fn read(raw: &Raw) -> Result<Vec<PatternLimit>, String> {
    let written = match raw.get("rateLimit") {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        Some(_) => return Err("rateLimit must be an array or object".to_owned()),
    };
    written.into_iter().map(one).collect()
}

/// `parsimony.rateLimitCounts`: who counts together. Servers that share a database count in it unless told otherwise.
pub(super) fn counted_by(raw: &Raw, is_shared: bool) -> Result<CountedBy, String> {
    match raw.text("parsimony.rateLimitCounts")?.as_deref() {
        None if is_shared => Ok(CountedBy::Database),
        None | Some("server") => Ok(CountedBy::Server),
        Some("database") => Ok(CountedBy::Database),
        Some(_) => Err("parsimony.rateLimitCounts must be server or database.".to_owned()),
    }
}

/// Whether any of them wants its counts kept in Redis.
pub(super) fn wants_redis(raw: &Raw) -> bool {
    let has_url = |limit: &Value| limit.get("redisUrl").is_some_and(|url| !url.is_null());
    match raw.get("rateLimit") {
        Some(Value::Array(list)) => list.iter().any(has_url),
        Some(one) => has_url(one),
        None => false,
    }
}

fn one(written: &Value) -> Result<PatternLimit, String> {
    let Value::Object(written) = written else { return Err("rateLimit must be an array of objects".to_owned()) };
    let path = match written.get("requestPath") {
        None | Some(Value::Null) => return Err("rateLimit.requestPath must be defined".to_owned()),
        Some(Value::String(path)) => path,
        Some(_) => return Err("rateLimit.requestPath must be a string".to_owned()),
    };
    let pattern =
        path_pattern::read(path).map_err(|why| format!("rateLimit.requestPath \"{path}\" is not valid: {why}"))?;
    let Ok(parsimony_model::Value::Object(all)) = json::from_serializable(written) else {
        return Err("rateLimit holds what cannot be read".to_owned());
    };
    let limit = RateLimit::spelled(&all)?;
    Ok(PatternLimit { pattern, limit })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use parsimony_engine::Zone;
    use serde_json::json;

    use super::super::raw::Sources;
    use super::*;

    fn limits(written: &Value) -> Result<Vec<PatternLimit>, String> {
        let file = Some(("test".to_owned(), json!({ "rateLimit": written }).to_string()));
        read(&Raw::gather(Sources { file, ..Sources::default() })?)
    }

    #[test]
    fn what_cannot_be_is_told_as_parse_tells_it() {
        for (written, expected) in [
            (json!("a"), "rateLimit must be an array or object"),
            (json!(["a"]), "rateLimit must be an array of objects"),
            (json!([{"requestPath": []}]), "rateLimit.requestPath must be a string"),
            (json!([{"requestTimeWindow": [], "requestPath": "a"}]), "rateLimit.requestTimeWindow must be a number"),
            (json!([{"requestCount": 3, "requestPath": "abc"}]), "rateLimit.requestTimeWindow must be defined"),
            (json!([{"requestTimeWindow": 3, "requestPath": "abc"}]), "rateLimit.requestCount must be defined"),
            (json!([{"requestTimeWindow": 3, "requestCount": "abc"}]), "rateLimit.requestPath must be defined"),
            (
                json!({"requestCount": [], "requestTimeWindow": 1000, "requestPath": "a"}),
                "rateLimit.requestCount must be a number",
            ),
            (
                json!({"errorResponseMessage": [], "requestTimeWindow": 1000, "requestCount": 3, "requestPath": "a"}),
                "rateLimit.errorResponseMessage must be a string",
            ),
            (
                json!({"includeInternalRequests": [], "requestTimeWindow": 1000, "requestCount": 3, "requestPath": "a"}),
                "rateLimit.includeInternalRequests must be a boolean",
            ),
            (
                json!({"zone": "abc", "requestTimeWindow": 1000, "requestCount": 3, "requestPath": "a"}),
                "rateLimit.zone must be one of global, session, user, or ip",
            ),
            (
                json!({"requestTimeWindow": 1000, "requestCount": 3, "requestPath": "/functions/*"}),
                "rateLimit.requestPath \"/functions/*\" is not valid: Missing parameter name at index 12: /functions/*",
            ),
        ] {
            assert_eq!(limits(&written).err().as_deref(), Some(expected), "{written}");
        }
    }

    #[test]
    fn limits_are_read() {
        let read = limits(&json!({
            "requestPath": "/functions/*path", "requestTimeWindow": 10000, "requestCount": 1, "requestMethods": "POST|PUT",
            "errorResponseMessage": "Slow down", "includeMasterKey": true, "includeInternalRequests": true, "zone": "user",
        }));
        let expected = RateLimit::new(1, Duration::from_secs(10)).zone(Zone::User).message("Slow down");
        let expected = expected.methods(["POST", "PUT"]).include_master_key().include_internal_requests();
        assert_eq!(read.unwrap()[0].limit, expected);
        let plain = limits(&json!([{"requestPath": "/login", "requestTimeWindow": 5, "requestCount": 0}])).unwrap();
        assert_eq!(plain[0].limit, RateLimit::new(0, Duration::from_millis(5)));
    }
}
