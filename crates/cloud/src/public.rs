//! Public documents: what does an application show to everybody who has the URL, with no key at all?

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;

use crate::origin::Origin;
use crate::registry::{Hooks, Tables};
use crate::triggers::Trigger;

/// What stands in a pattern for the last segment of a path, whatever that is.
const TAIL: &str = "{}";

/// Somebody asks for a public document. Nothing is known of them: what is shown is for everybody.
#[derive(Clone)]
pub struct PublicRequest {
    /// The application.
    pub application: Arc<str>,
    /// The path below the application, decoded.
    pub path: String,
    /// The last segment, where the pattern leaves it open.
    pub tail: Option<String>,
    /// The query string, as it came.
    pub query: String,
    /// Where it comes from; its host has the master's rights.
    pub origin: Origin,
}

impl Deref for PublicRequest {
    type Target = Origin;

    fn deref(&self) -> &Origin {
        &self.origin
    }
}

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicDocument {
    /// Its media type.
    pub content_type: String,
    /// Its bytes.
    pub body: Bytes,
    /// For how many seconds it may be shown without asking again; 0 makes everybody ask each time.
    pub cache_seconds: u32,
    /// What tells one version of it from another, as an entity tag; without one it is made of the bytes.
    pub tag: Option<String>,
}

impl PublicDocument {
    /// A document that is asked for anew each time.
    pub fn new(content_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { content_type: content_type.into(), body: body.into(), cache_seconds: 0, tag: None }
    }

    /// It may be kept for so long.
    #[must_use]
    pub fn kept_for(self, cache_seconds: u32) -> Self {
        Self { cache_seconds, ..self }
    }

    /// Its version: letters, digits, `-`, `_`, `.` and `:`. Two documents of one version say the same, if not byte by byte.
    #[must_use]
    pub fn version(self, version: &str) -> Self {
        let plain: String = version.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.:".contains(*c)).collect();
        Self { tag: Some(format!("W/\"{plain}\"")), ..self }
    }
}

impl Trigger for PublicRequest {
    type Answer = PublicDocument;

    const NAME: &'static str = "public";

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn hooks(tables: &Tables) -> &Hooks<Self> {
        &tables.public
    }

    fn hooks_mut(tables: &mut Tables) -> &mut Hooks<Self> {
        &mut tables.public
    }
}

/// What a document of an application is registered as. The error says why its path cannot be.
pub(crate) fn name_of(application: &str, pattern: &str) -> Result<String, String> {
    let plain = |name: &str| {
        let legal = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        legal && !name.is_empty() && !name.chars().all(|c| c == '.')
    };
    let (head, last) = pattern.rsplit_once('/').map_or((None, pattern), |(head, last)| (Some(head), last));
    let open = last.strip_prefix('{').and_then(|name| name.strip_suffix('}')).is_some_and(plain);
    let segments = head.into_iter().flat_map(|head| head.split('/')).chain((!open).then_some(last));
    if !plain(application) || !segments.into_iter().all(plain) {
        return Err("a path has segments of letters, digits, -, _ and .; the last may be a {name} instead".to_owned());
    }
    let last = if open { TAIL } else { last };
    Ok(std::iter::once(application).chain(head).chain([last]).collect::<Vec<_>>().join("/"))
}

/// Under which names a path may be registered, the closest first, each with what it leaves open.
pub(crate) fn names<'a>(application: &str, path: &'a str) -> [(String, Option<&'a str>); 2] {
    let (head, tail) = path.rsplit_once('/').map_or(("", path), |(head, tail)| (head, tail));
    let head = if head.is_empty() { String::new() } else { format!("{head}/") };
    [(format!("{application}/{path}"), None), (format!("{application}/{head}{TAIL}"), Some(tail))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Application, ParseError, Registry};

    async fn nothing(_: PublicRequest) -> Result<PublicDocument, ParseError> {
        Ok(PublicDocument::new("text/plain", "x"))
    }

    #[test]
    fn paths_are_plain_and_only_their_end_is_open() {
        for (pattern, name) in [
            ("did.json", Some("shop/did.json")),
            ("status/{list}", Some("shop/status/{}")),
            ("a/b/c", Some("shop/a/b/c")),
            ("{any}", Some("shop/{}")),
            ("{list}/status", None),
            ("", None),
            ("a//b", None),
            ("../b", None),
            ("a/..", None),
            ("a/{}", None),
            ("a b", None),
            ("/a", None),
        ] {
            assert_eq!(name_of("shop", pattern).ok().as_deref(), name, "{pattern}");
        }
    }

    #[test]
    fn a_path_leads_to_its_own_document_before_it_leads_to_an_open_one() {
        let shop = || Application::new("shop").public("lists/{name}", nothing).public("lists/all", nothing);
        let registry = Registry::new([shop()]).unwrap();
        let found = |path| registry.public("shop", path).map(|(_, name, tail)| (name, tail));
        assert_eq!(found("lists/all"), Some(("shop/lists/all".to_owned(), None)));
        assert_eq!(found("lists/7"), Some(("shop/lists/{}".to_owned(), Some("7"))));
        for nowhere in ["lists", "lists/", "lists/7/8", "", "{}"] {
            assert_eq!(found(nowhere), None, "{nowhere}");
        }
        assert!(registry.public("bakery", "lists/all").is_none());
        let error = Registry::new([shop().public("lists/{other}", nothing)]).err().unwrap();
        assert!(error.contains("public shop/lists/{} is defined twice") && error.contains("public.rs"), "{error}");
        let error = Registry::new([Application::new("shop").public("a/../b", nothing)]).err().unwrap();
        assert!(error.contains("public a/../b of shop ("), "{error}");
    }

    #[test]
    fn a_version_is_a_weak_tag_without_marks_of_its_own() {
        let document = PublicDocument::new("text/plain", "x").version("7-a\"\r\nx: y");
        assert_eq!(document.tag.as_deref(), Some("W/\"7-ax:y\""));
    }
}
