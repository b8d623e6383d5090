//! Where does a request to cloud code come from: who asks, what they hand on, and the way back in.

use std::sync::Arc;

use parking_lot::Mutex;
use parsimony_model::value::Map;
use parsimony_model::{Object, ObjectId, Pointer, Value};

use crate::host::Host;

/// Who asks, as cloud code may know them.
#[derive(Debug, Clone, Default)]
pub struct Who {
    /// The user of the session, if there is one.
    pub user: Option<Arc<Object>>,
    /// The token of that session.
    pub session_token: Option<Arc<str>>,
    /// The names of the user's roles, inherited ones among them, without `role:`.
    pub roles: Arc<[String]>,
    /// Whether the master key was used.
    pub master: bool,
    /// Whether it was the key that may read everything and write nothing.
    pub read_only: bool,
    /// The device that asks.
    pub installation_id: Option<String>,
    /// The address the request came from.
    pub ip: Option<String>,
    /// The headers of the HTTP request.
    pub headers: Headers,
    /// The id of the HTTP request, as it is logged and answered in `X-Request-Id`.
    pub request_id: String,
}

impl Who {
    /// The id of the user.
    pub fn user_id(&self) -> Option<&ObjectId> {
        self.user.as_deref().map(|user| &user.id)
    }

    /// A pointer to the user.
    pub fn user_pointer(&self) -> Option<Pointer> {
        self.user.as_deref().map(Object::pointer)
    }

    /// Whether the user has one of these roles, or the master key was used.
    pub fn is_any(&self, roles: &[&str]) -> bool {
        self.master || self.roles.iter().any(|role| roles.contains(&role.as_str()))
    }
}

/// The headers of a request, in one piece of text, since most requests are answered without a look at them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Arc<str>);

impl Headers {
    /// Takes them over. A header whose value is no text is left out; no name or value has a line feed in it.
    pub fn new<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut text = String::new();
        for (name, value) in headers {
            text.extend([name, ":", value, "\n"]);
        }
        Self(text.into())
    }

    /// Each name, in lower case, and its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.split_terminator('\n').filter_map(|line| line.split_once(':'))
    }

    /// The value of a header; `name` is in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find_map(|(own, value)| (own == name).then_some(value))
    }
}

/// What a request hands on from hook to hook: the client's `context`, and what a hook before leaves to a hook after.
#[derive(Debug, Clone, Default)]
pub struct Context(Arc<Mutex<Map>>);

impl Context {
    /// Begins with what the client sent.
    pub fn new(map: Map) -> Self {
        Self(Arc::new(Mutex::new(map)))
    }

    /// One entry.
    pub fn get(&self, key: &str) -> Option<Value> {
        self.0.lock().get(key).cloned()
    }

    /// Leaves an entry to the hooks that come after.
    pub fn set(&self, key: &str, value: impl Into<Value>) {
        self.0.lock().insert(key.into(), value.into());
    }

    /// All of it.
    pub fn to_map(&self) -> Map {
        self.0.lock().clone()
    }

    /// Leaves this, and nothing else, to the hooks that come after.
    pub fn replace(&self, map: Map) {
        *self.0.lock() = map;
    }
}

/// Where a request to cloud code comes from. Every function and hook is given one.
#[derive(Clone)]
pub struct Origin {
    /// Who asks.
    pub who: Arc<Who>,
    /// What is handed on from hook to hook.
    pub context: Context,
    /// The way back in, with the caller's rights.
    pub host: Host,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_by_name() {
        let headers = Headers::new([("host", "a:1"), ("x-empty", ""), ("accept", "*/*")]);
        assert_eq!(headers.get("host"), Some("a:1"));
        assert_eq!((headers.get("x-empty"), headers.get("hos")), (Some(""), None));
        assert_eq!(headers.iter().count(), 3);
    }

    #[test]
    fn a_context_is_the_same_in_every_hook() {
        let before = Context::new(parsimony_model::map! { "a" => 1 });
        let after = before.clone();
        before.set("b", 2);
        assert_eq!(after.to_map(), parsimony_model::map! { "a" => 1, "b" => 2 });
    }
}
