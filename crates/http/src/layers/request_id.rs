//! Which request is it: the id that its log line and its answer carry.

use actix_web::http::header::{HeaderMap, HeaderName};
use parsimony_model::Clock;

/// The header that brings an id in and takes it out.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken from a client.
const CHARS_MAX: usize = 128;

/// How many letters and digits an id of ours has.
const OWN_CHARS: usize = 20;

/// The client's id, if it is one that can stand in a log line, or a new one.
pub(crate) fn of(headers: &HeaderMap, clock: &dyn Clock) -> String {
    let sane = |id: &&str| {
        !id.is_empty()
            && id.len() <= CHARS_MAX
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
    };
    match headers.get(&X_REQUEST_ID).and_then(|value| value.to_str().ok()).filter(sane) {
        Some(id) => id.to_owned(),
        None => clock.alphanumeric(OWN_CHARS),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use parsimony_model::SystemClock;

    use super::*;

    #[test]
    fn only_a_sane_id_is_taken_over() {
        let mut headers = HeaderMap::new();
        assert_eq!(of(&headers, &SystemClock).len(), OWN_CHARS);
        for (id, taken) in
            [("abc-1.2:3_4", true), ("a b", false), ("", false), ("\"x\"", false), (&"a".repeat(129), false)]
        {
            headers.insert(X_REQUEST_ID, HeaderValue::from_str(id).unwrap());
            assert_eq!(of(&headers, &SystemClock) == id, taken, "{id}");
        }
    }
}
