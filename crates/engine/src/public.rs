//! Public documents: which is asked for, may it be, and has the one who asks got it already?

use std::net::IpAddr;
use std::sync::Arc;

use parsimony_cloud::{Headers, PublicDocument, PublicRequest};
use parsimony_model::{ErrorCode, ParseError};
use sha2::{Digest, Sha256};

use crate::engine::Engine;
use crate::{rate_limits, triggers};

/// How many bytes of a digest tell one document from another.
const TAG_BYTES: usize = 16;

/// Who asks for a public document, and for which.
#[derive(Debug, Clone)]
pub struct PublicAsked {
    /// The application.
    pub application: String,
    /// The path below the application, decoded.
    pub path: String,
    /// The query string, as it came.
    pub query: String,
    /// The method: `GET` or `HEAD`.
    pub method: String,
    /// `If-None-Match`: the versions that are known already.
    pub known: Option<String>,
    /// Where it comes from.
    pub ip: Option<IpAddr>,
    /// The headers.
    pub headers: Headers,
}

/// A public document, as it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicShown {
    /// The document.
    pub document: PublicDocument,
    /// Its entity tag, with its quotes.
    pub tag: String,
    /// Whether the one who asks has it already.
    pub is_known: bool,
}

/// Shows a public document.
pub(crate) async fn show(engine: &Arc<Engine>, asked: PublicAsked) -> Result<PublicShown, ParseError> {
    let path = format!("/public/{}/{}", asked.application, asked.path);
    rate_limits::admit_nobody(engine, (asked.ip, &asked.headers), (&asked.method, &path)).await?;
    let registry = engine.registry.now();
    let Some((hook, name, tail)) = registry.public(&asked.application, &asked.path) else {
        return Err(ParseError::new(ErrorCode::RouteNotFound, "There is no such document."));
    };
    let request = PublicRequest {
        application: asked.application.as_str().into(),
        tail: tail.map(str::to_owned),
        path: asked.path.clone(),
        query: asked.query.clone(),
        origin: triggers::origin(&engine.as_master())?,
    };
    let time_max = engine.options.limits.public_time_max;
    let called = tokio::time::timeout(time_max, triggers::call(engine, (hook, &name), request)).await;
    let document = called.unwrap_or_else(|_elapsed| {
        let text = format!("The document was not there within {} s.", time_max.as_secs_f64());
        Err(ParseError::new(ErrorCode::Timeout, text))
    })?;
    let tag = document.tag.clone().unwrap_or_else(|| tag_of(&document.body));
    let is_known = asked.known.as_deref().is_some_and(|known| knows(known, &tag));
    Ok(PublicShown { document, tag, is_known })
}

/// The entity tag of these bytes.
fn tag_of(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    format!("\"{}\"", hex::encode(digest.iter().take(TAG_BYTES).copied().collect::<Vec<_>>()))
}

/// Whether a list of entity tags has this one, by the weak comparison of RFC 9110.
fn knows(known: &str, tag: &str) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known.split(',').any(|own| own.trim() == "*" || strong(own) == strong(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_is_known_is_found_in_the_list() {
        let tag = tag_of(b"x");
        assert_eq!((tag.len(), &tag), (2 + 2 * TAG_BYTES, &tag_of(b"x")));
        for (known, expected) in [
            (tag.clone(), true),
            (format!("W/{tag}"), true),
            (format!("\"other\", {tag}"), true),
            ("*".to_owned(), true),
            (String::new(), false),
            (tag.trim_matches('"').to_owned(), false),
            (tag_of(b"y"), false),
        ] {
            assert_eq!(knows(&known, &tag), expected, "{known}");
        }
        assert!(knows("\"7\"", "W/\"7\""));
    }
}
