//! What a built-in class adds to the life of its objects: one file each, behind one trait, no class names elsewhere.

mod audience;
mod installation;
mod product;
mod role;
mod session;
mod user;

use futures::future::BoxFuture;
use parsimony_model::builtin::Builtin;
use parsimony_model::value::Map;
use parsimony_model::{ClassName, Filter, Object, ObjectId, ParseError};

use crate::caller::Caller;
use crate::options::Options;
use crate::save::{Pending, SaveRequest, Written};
use crate::work::{Saved, Work};

/// A pending answer.
pub(crate) type Later<'a, T> = BoxFuture<'a, Result<T, ParseError>>;

/// The answer of a save that ended before anything was saved, and the object it is about.
pub(crate) type Ended = Box<(Saved, Object)>;

/// What a class adds. Every method has a default: do nothing.
pub(crate) trait ClassRules: Send + Sync {
    /// Runs first in a save, before cloud code sees the object.
    fn admit(&self, _caller: &Caller, _request: &mut SaveRequest) -> Result<(), ParseError> {
        Ok(())
    }

    /// Runs after `admit`, before cloud code sees the object. What it answers ends the save: nothing is left to be saved.
    fn identify<'a>(&'a self, _work: &'a Work, _request: &'a mut SaveRequest) -> Option<Later<'a, Option<Ended>>> {
        None
    }

    /// Runs after [`Self::admit`]: may lead the save to another object, so that what was to be created is changed.
    fn lead<'a>(&'a self, _work: &'a Work, _request: &'a mut SaveRequest) -> Later<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Takes the whole creation over, where it is no ordinary one.
    fn create<'a>(&'a self, _work: &'a Work, _body: &'a Map) -> Option<Later<'a, Saved>> {
        None
    }

    /// Runs in `check`, after cloud code and before the write.
    fn check<'a>(&'a self, _work: &'a Work, _pending: &'a mut Pending) -> Later<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Runs after the write, before the hooks after it.
    fn written<'a>(&'a self, _work: &'a Work, _written: &'a mut Written) -> Later<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Runs before a delete.
    fn deleting(&self, _caller: &Caller, _id: &ObjectId) -> Result<(), ParseError> {
        Ok(())
    }

    /// Runs after a delete.
    fn deleted(&self, _work: &Work, _id: &ObjectId) {}

    /// Narrows every read, and the choice of what to delete, to what the caller may know of.
    fn visible(&self, _caller: &Caller) -> Result<Option<Filter>, ParseError> {
        Ok(None)
    }

    /// Whether `maxLimit` bounds a query for its objects.
    fn is_bounded(&self) -> bool {
        true
    }

    /// Reads a condition as the class keeps what it asks for.
    fn ask(&self, _options: &Options, _filter: &mut Filter) {}

    /// Takes out what the class hides from this caller, beyond protected fields.
    fn redact(&self, _caller: &Caller, _object: &mut Object) {}

    /// Takes out what whoever listens is not told besides.
    fn redact_event(&self, _caller: &Caller, _object: &mut Object) {}

    /// Takes out what not even the maintenance key sees of the internal fields.
    fn redact_internal(&self, _object: &mut Object) {}

    /// Puts what is shown of objects that were found in the place of what is stored.
    fn show<'a>(&'a self, _work: &'a Work, _objects: &'a mut [Object]) -> Option<Later<'a, ()>> {
        None
    }

    /// Adds what a client gets with an object that it asked for by its id.
    fn read_by_id(&self, _caller: &Caller, _object: &mut Object) {}

    /// What "no such object, or not yours" is called on an update of this class.
    fn not_updatable(&self, _caller: &Caller) -> ParseError {
        ParseError::not_found()
    }
}

struct Plain;
impl ClassRules for Plain {}

/// The only place that turns a built-in class into its rules.
pub(crate) fn rules_for(class: &ClassName) -> &'static dyn ClassRules {
    match Builtin::of(class) {
        Some(Builtin::User) => &user::User,
        Some(Builtin::Session) => &session::Session,
        Some(Builtin::Role) => &role::Role,
        Some(Builtin::Installation) => &installation::Installation,
        Some(Builtin::Audience) => &audience::Audience,
        Some(Builtin::Product) => &product::Product,
        Some(
            Builtin::PushStatus
            | Builtin::JobStatus
            | Builtin::JobSchedule
            | Builtin::Hooks
            | Builtin::GlobalConfig
            | Builtin::GraphQLConfig
            | Builtin::Idempotency
            | Builtin::SavedReply
            | Builtin::RateCount
            | Builtin::SchemaChange
            | Builtin::JobLease
            | Builtin::JobRun
            | Builtin::JobPause
            | Builtin::PushWork
            | Builtin::HookScript
            | Builtin::Move,
        )
        | None => &Plain,
    }
}
