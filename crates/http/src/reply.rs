//! What does an answer look like: a status, JSON bytes written straight from the model's types, perhaps a `Location`.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use parsimony_engine::{Found, Head, Rest, Saved};
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
    /// Headers that a cloud function set.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The number of the error, for the log.
    pub(crate) code: Option<i32>,
    /// What the log may know of a refusal and the client not.
    pub(crate) reason: Option<String>,
    /// What comes after the body, if it is long.
    pub(crate) rest: Option<Coming>,
}

/// The rest of a body.
pub(crate) struct Coming {
    /// Its pieces.
    pub(crate) pieces: BoxStream<'static, Result<Bytes, ParseError>>,
    /// How many bytes the whole body has, if that is known.
    pub(crate) length: Option<u64>,
}

impl fmt::Debug for Coming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Coming")
    }
}

/// Parse: the results of a redirected query say which class they are of.
fn name_class(objects: &mut [Object], class: Option<&ClassName>) {
    let Some(class) = class else { return };
    for object in objects {
        object.fields.insert("className".into(), class.as_str().into());
    }
}

/// Writes objects with commas between them.
fn write_objects(objects: &mut [Object], class: Option<&ClassName>, out: &mut Vec<u8>) -> Result<(), ParseError> {
    name_class(objects, class);
    for (place, object) in objects.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        serde_json::to_writer(&mut *out, object).map_err(ParseError::internal)?;
    }
    Ok(())
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
        let (headers, body) = (Vec::new(), body.into());
        Self { status: StatusCode::OK, body, location: None, headers, code: None, reason: None, rest: None }
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
        name_class(&mut found.results, found.class_name.as_ref());
        match &found.plan {
            Some(plan) => Self::json(&Results { results: plan, count: found.count }),
            None => Self::json(&Results::<[Object]> { results: &found.results, count: found.count }),
        }
    }

    /// What a find answers of which the rest comes later.
    pub(crate) fn begun(found: Found, rest: Option<Rest>) -> Result<Self, ParseError> {
        let Some(rest) = rest else { return Self::found(found) };
        let Found { mut results, count, class_name, .. } = found;
        let mut head = Vec::from(*b"{\"results\":[");
        write_objects(&mut results, class_name.as_ref(), &mut head)?;
        // The first piece is never empty, so whatever comes stands after a comma.
        let rest = rest.map(move |piece| {
            let mut body = Vec::from(*b",");
            write_objects(&mut piece?, class_name.as_ref(), &mut body)?;
            Ok(Bytes::from(body))
        });
        let tail = count.map_or_else(|| "]}".to_owned(), |count| format!("],\"count\":{count}}}"));
        let rest = rest.chain(stream::once(async { Ok(Bytes::from(tail)) }));
        Ok(Self { rest: Some(Coming { pieces: rest.boxed(), length: None }), ..Self::text(head) })
    }

    /// A list under `results`.
    pub(crate) fn results<T: Serialize>(results: &[T]) -> Result<Self, ParseError> {
        Self::json(&Results { results, count: None })
    }

    /// What a function answers.
    pub(crate) fn called(result: &[u8], head: Head) -> Result<Self, ParseError> {
        if result.is_empty() {
            return Self::empty().beginning(head);
        }
        let mut body = Vec::with_capacity(result.len() + 12);
        body.extend_from_slice(b"{\"result\":");
        body.extend_from_slice(result);
        body.push(b'}');
        Self::text(body).beginning(head)
    }

    /// The same with the status and the headers that a cloud function set.
    fn beginning(mut self, head: Head) -> Result<Self, ParseError> {
        if let Some(status) = head.status {
            self.status = StatusCode::from_u16(status).map_err(ParseError::internal)?;
        }
        for (name, value) in head.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(ParseError::internal)?;
            self.headers.push((name, HeaderValue::from_str(&value).map_err(ParseError::internal)?));
        }
        Ok(self)
    }

    /// What a save answers: 201 with the place of a new object, 200 for one that was there, with its place if it was found.
    pub(crate) fn saved(saved: &Saved, class: &ClassName, server_url: &str) -> Result<Self, ParseError> {
        let mut reply = Self::json(&saved.answer)?;
        if saved.created {
            reply.status = StatusCode::CREATED;
        }
        if saved.created || saved.found {
            let id = utf8_percent_encode(saved.id.as_str(), PATH);
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
        let saved = |id: &str, created| {
            let id = ObjectId::parse(id).unwrap();
            Saved { id, created, found: false, answer: map! { "a" => 1 } }
        };
        let plain = ClassName::parse("Post").unwrap();
        for (saved, class, status, location) in [
            (saved("x1", true), &plain, 201, Some("http://h/parse/classes/Post/x1")),
            (saved("a/ b\n", true), &plain, 201, Some("http://h/parse/classes/Post/a%2F%20b%0A")),
            (saved("u", true), &Builtin::User.name(), 201, Some("http://h/parse/users/u")),
            (saved("x1", false), &plain, 200, None),
            (Saved { found: true, ..saved("u", false) }, &Builtin::User.name(), 200, Some("http://h/parse/users/u")),
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
        assert_eq!(Reply::called(b"[1]", Head::default()).unwrap().body, r#"{"result":[1]}"#);
        assert_eq!(Reply::called(b"", Head::default()).unwrap().body, "{}");
    }
}
