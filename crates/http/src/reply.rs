//! What does an answer look like: a status, JSON bytes written straight from the model's types, perhaps a `Location`.

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use parsimony_engine::{Found, Saved};
use parsimony_model::{ClassName, Object, ParseError, builtin::Builtin};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

/// What may not stand in a path as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// An answer, before it has the headers that every answer has.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// JSON.
    pub(crate) body: Bytes,
    /// Where the object that was created can be read.
    pub(crate) location: Option<String>,
    /// The number of the error, for the log.
    pub(crate) code: Option<i32>,
    /// What the log may know of a refusal and the client not.
    pub(crate) reason: Option<String>,
}

#[derive(Serialize)]
struct Results<'a, T: ?Sized> {
    results: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

impl Reply {
    /// 200 with JSON text.
    pub(crate) fn text(body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, body: body.into(), location: None, code: None, reason: None }
    }

    /// 200 with a value.
    pub(crate) fn json(value: &impl Serialize) -> Result<Self, ParseError> {
        serde_json::to_vec(value).map(Self::text).map_err(ParseError::internal)
    }

    /// 200 with `{}`.
    pub(crate) fn empty() -> Self {
        Self::text(Bytes::from_static(b"{}"))
    }

    /// What a find answers.
    pub(crate) fn found(mut found: Found) -> Result<Self, ParseError> {
        if let Some(class) = &found.class_name {
            // Parse: the results of a redirected query say which class they are of.
            for object in &mut found.results {
                object.fields.insert("className".into(), class.as_str().into());
            }
        }
        match &found.plan {
            Some(plan) => Self::json(&Results { results: plan, count: found.count }),
            None => Self::json(&Results::<[Object]> { results: &found.results, count: found.count }),
        }
    }

    /// A list under `results`.
    pub(crate) fn results<T: Serialize>(results: &[T]) -> Result<Self, ParseError> {
        Self::json(&Results { results, count: None })
    }

    /// What a function answers.
    pub(crate) fn called(result: &[u8]) -> Self {
        let mut body = Vec::with_capacity(result.len() + 12);
        body.extend_from_slice(b"{\"result\":");
        body.extend_from_slice(result);
        body.push(b'}');
        Self::text(body)
    }

    /// What a save answers: 201 with the place of a new object, 200 for one that was there.
    pub(crate) fn saved(saved: &Saved, class: &ClassName, server_url: &str) -> Result<Self, ParseError> {
        let mut reply = Self::json(&saved.answer)?;
        if saved.created {
            let id = utf8_percent_encode(saved.id.as_str(), PATH);
            reply.status = StatusCode::CREATED;
            reply.location = Some(if *class == Builtin::User.name() {
                format!("{server_url}/users/{id}")
            } else {
                format!("{server_url}/classes/{class}/{id}")
            });
        }
        Ok(reply)
    }
}

#[cfg(test)]
mod tests {
    use parsimony_model::{ObjectId, map};

    use super::*;

    #[test]
    fn a_new_object_has_a_place_and_an_old_one_has_not() {
        let saved = |id: &str, created| Saved { id: ObjectId::parse(id).unwrap(), created, answer: map! { "a" => 1 } };
        let plain = ClassName::parse("Post").unwrap();
        for (saved, class, status, location) in [
            (saved("x1", true), &plain, 201, Some("http://h/parse/classes/Post/x1")),
            (saved("a/ b\n", true), &plain, 201, Some("http://h/parse/classes/Post/a%2F%20b%0A")),
            (saved("u", true), &Builtin::User.name(), 201, Some("http://h/parse/users/u")),
            (saved("x1", false), &plain, 200, None),
        ] {
            let reply = Reply::saved(&saved, class, "http://h/parse").unwrap();
            assert_eq!((reply.status.as_u16(), reply.location.as_deref()), (status, location));
            assert_eq!(reply.body, r#"{"a":1}"#);
        }
    }

    #[test]
    fn a_find_has_a_count_only_if_asked_and_a_class_only_if_redirected() {
        let object = || Object {
            class: ClassName::parse("Post").unwrap(),
            id: ObjectId::parse("p").unwrap(),
            created_at: None,
            updated_at: None,
            acl: None,
            fields: map! { "n" => 1 },
        };
        let found = Found { results: vec![object()], ..Found::default() };
        assert_eq!(Reply::found(found).unwrap().body, r#"{"results":[{"objectId":"p","n":1}]}"#);
        let class_name = ClassName::parse("Post").ok();
        let found = Found { results: vec![object()], count: Some(7), class_name, plan: None };
        let expected = r#"{"results":[{"objectId":"p","n":1,"className":"Post"}],"count":7}"#;
        assert_eq!(Reply::found(found).unwrap().body, expected);
        let found = Found { plan: Some(parsimony_model::Value::Object(map! { "a" => 1 })), ..Found::default() };
        assert_eq!(Reply::found(found).unwrap().body, r#"{"results":{"a":1}}"#);
        assert_eq!(Reply::called(b"[1]").body, r#"{"result":[1]}"#);
    }
}
