//! Which pages may read the answers: the CORS headers, on every answer.

use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, HeaderMap, HeaderValue, VARY,
};

const HEADERS: &str = "X-Parse-Master-Key, X-Parse-REST-API-Key, X-Parse-Javascript-Key, X-Parse-Application-Id, \
    X-Parse-Client-Version, X-Parse-Session-Token, X-Requested-With, X-Parse-Revocable-Session, X-Parse-Request-Id, \
    Content-Type, Pragma, Cache-Control";

/// The CORS headers, made once.
#[derive(Debug)]
pub(crate) struct Cors {
    /// The origins that may read; the first is told to everybody else. Never empty.
    origins: Vec<HeaderValue>,
    headers: HeaderValue,
}

impl Cors {
    /// `allowOrigin` (none: everybody) and `allowHeaders` (more than Parse's own).
    pub(crate) fn new(origins: &[String], headers: &[String]) -> Result<Self, String> {
        let value = |text: &str, option: &str| {
            HeaderValue::from_str(text).map_err(|error| format!("{option}: {text:?} cannot stand in a header: {error}"))
        };
        let mut all = HEADERS.to_owned();
        for header in headers {
            all.push_str(", ");
            all.push_str(header);
        }
        let mut allowed = origins.iter().map(|origin| value(origin, "allowOrigin")).collect::<Result<Vec<_>, _>>()?;
        if allowed.is_empty() {
            allowed.push(HeaderValue::from_static("*"));
        }
        Ok(Self { origins: allowed, headers: value(&all, "allowHeaders")? })
    }

    /// Puts the headers on an answer to a request from this origin.
    pub(crate) fn apply(&self, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
        let listed = self.origins.iter().find(|allowed| Some(*allowed) == origin).or(self.origins.first());
        if let Some(allowed) = listed {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed.clone());
        }
        if self.origins.len() > 1 {
            answer.insert(VARY, HeaderValue::from_static("Origin"));
        }
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET,PUT,POST,DELETE,OPTIONS"));
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
        // Its own name too: the SDK in a browser reads it to learn which others it may read.
        answer.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("X-Parse-Job-Status-Id, X-Parse-Push-Status-Id, Access-Control-Expose-Headers"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_origin_is_echoed_and_any_other_is_told_the_first() {
        for (allowed, origin, expected) in [
            (vec![], Some("http://a"), "*"),
            (vec!["http://a"], Some("http://z"), "http://a"),
            (vec!["http://a", "http://b"], Some("http://b"), "http://b"),
            (vec!["http://a", "http://b"], Some("http://z"), "http://a"),
            (vec!["http://a", "http://b"], None, "http://a"),
        ] {
            let allowed: Vec<String> = allowed.into_iter().map(str::to_owned).collect();
            let cors = Cors::new(&allowed, &["X-Mine".to_owned()]).unwrap();
            let mut answer = HeaderMap::new();
            cors.apply(origin.map(HeaderValue::from_static).as_ref(), &mut answer);
            assert_eq!(answer.get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), expected);
            assert_eq!(answer.contains_key(VARY), allowed.len() > 1);
            assert!(answer.get(ACCESS_CONTROL_ALLOW_HEADERS).unwrap().to_str().unwrap().ends_with(", X-Mine"));
        }
        assert!(Cors::new(&["a\nb".to_owned()], &[]).is_err());
    }
}
