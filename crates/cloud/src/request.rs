//! What a handler is given: who asks, with what, and a way back in.

use std::ops::Deref;
use std::sync::Arc;

use parsimony_model::value::Map;
use parsimony_model::{Object, ObjectId, Pointer};

use crate::draft::Draft;
use crate::host::Host;

/// Who asks, as cloud code may know them.
#[derive(Debug, Clone, Default)]
pub struct Who {
    /// The user of the session, if there is one.
    pub user: Option<Arc<Object>>,
    /// The names of the user's roles, inherited ones among them, without `role:`.
    pub roles: Arc<[String]>,
    /// Whether the master key was used.
    pub master: bool,
    /// The device that asks.
    pub installation_id: Option<String>,
    /// The address the request came from.
    pub ip: Option<String>,
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

/// A call of a cloud function, before its parameters are typed.
#[derive(Clone)]
pub struct Call {
    /// The function.
    pub function: Arc<str>,
    /// Its parameters as they came.
    pub params: Map,
    /// Who calls.
    pub who: Arc<Who>,
    /// What the client hands on to hooks.
    pub context: Arc<Map>,
    /// The way back in, with the caller's rights.
    pub host: Host,
}

/// A call of a cloud function with typed parameters.
#[derive(Clone)]
pub struct Request<P = Map> {
    /// The parameters.
    pub params: P,
    /// The rest of the call.
    pub call: Call,
}

impl<P> Deref for Request<P> {
    type Target = Call;

    fn deref(&self) -> &Call {
        &self.call
    }
}

/// What a `before_save` hook is given.
pub struct BeforeSave {
    /// The object as it would be saved.
    pub object: Draft,
    /// Who saves.
    pub who: Arc<Who>,
    /// What the client hands on to hooks.
    pub context: Arc<Map>,
    /// The way back in, with the caller's rights.
    pub host: Host,
}

/// What an `after_save` hook is given.
pub struct AfterSave {
    /// The object as it was saved.
    pub object: Arc<Object>,
    /// The object as it was before; none for a new one.
    pub original: Option<Arc<Object>>,
    /// Who saved.
    pub who: Arc<Who>,
    /// What the client hands on to hooks.
    pub context: Arc<Map>,
    /// The way back in, with the caller's rights.
    pub host: Host,
}
