//! Saving one object: create or update, from REST, a batch or cloud code.

mod admit;
mod after_save;
mod before_save;
mod check;
mod draft;
pub(crate) mod file_urls;
mod internal;
pub(crate) mod keywords;
mod reply;
mod write;

use std::sync::Arc;

use parsimony_model::value::Map;
use parsimony_model::{Acl, ClassName, ClassSchema, FieldName, Filter, Object, ObjectId, ParseError, Pointer, Update};

pub(crate) use self::check::mismatch;
use self::internal::Internal;
use crate::access::class::Leave;
use crate::classes::rules_for;
use crate::users::auth_data::Identity;
use crate::work::{Saved, Work};

/// Saves one object.
///
/// Each stage takes what the stage before it returned, so the order cannot be changed by accident.
pub(crate) async fn save(
    work: &Work,
    class: &ClassName,
    id: Option<&ObjectId>,
    body: Map,
) -> Result<(Saved, Object), ParseError> {
    save_provided(work, class, id, body, Provided::default()).await
}

/// What the server itself provides for a save that somebody else began.
#[derive(Debug, Default)]
pub(crate) struct Provided {
    /// A condition that the object still meets when it is written, or there is no such object.
    pub(crate) only_if: Option<Filter>,
    /// What happens to internal fields with it.
    pub(crate) internal: Update,
}

/// As [`save`], with what the server itself provides.
pub(crate) async fn save_provided(
    work: &Work,
    class: &ClassName,
    id: Option<&ObjectId>,
    body: Map,
    provided: Provided,
) -> Result<(Saved, Object), ParseError> {
    let mut admitted = admit::admit(work, class, id, body).await?; // may this caller write this class at all?
    admitted.request.provide(provided);
    if let Some(identified) = rules_for(class).identify(work, &mut admitted.request)
        && let Some(ended) = identified.await?
    {
        return Ok(*ended); // whoever is known logs in: there is nothing to save
    }
    let draft = draft::draft(work, admitted).await?; // what is there, where a hook wants to know
    let hooked = before_save::before_save(work, draft).await?; // cloud code may change or refuse it
    let pending = check::check(work, hooked).await?; // types, required, defaults, class rules
    let mut written = write::write(work, pending).await?; // the store
    rules_for(class).written(work, &mut written).await?; // sessions of users, rights of roles
    after_save::publish(work, &written).await; // those who listen
    after_save::after_save(work, &mut written).await; // hooks; cannot fail the save
    match written.refusal.take() {
        None => Ok(reply::reply(work, written)),
        Some(refusal) => Err(refusal), // it is saved, and its sender is told no more than that
    }
}

/// Creates an object; a class may have a way of its own.
pub(crate) async fn create(work: &Work, class: &ClassName, body: Map) -> Result<Saved, ParseError> {
    if let Some(answer) = rules_for(class).create(work, &body) {
        work.caller.may_write("perform the create operation")?;
        return answer.await;
    }
    save(work, class, None, body).await.map(|(saved, _)| saved)
}

/// What is asked for, read but not yet judged.
#[derive(Debug)]
pub(crate) struct SaveRequest {
    pub(crate) class: ClassName,
    /// The object to change, or the id a client chose for a new one.
    pub(crate) id: Option<ObjectId>,
    /// The id, where the body says it too.
    pub(crate) id_in_body: Option<ObjectId>,
    pub(crate) creating: bool,
    pub(crate) update: Update,
    /// The new ACL, if one was sent; `Some(None)` for a `null`.
    pub(crate) acl: Option<Option<Acl>>,
    /// What the maintenance key sent for the server's own fields.
    pub(crate) internal: Internal,
    /// What the object has to meet when it is written.
    pub(crate) only_if: Option<Filter>,
    /// Who vouches for the user that is saved.
    pub(crate) identity: Option<Box<Identity>>,
}

impl SaveRequest {
    fn provide(&mut self, provided: Provided) {
        self.only_if = self.only_if.take().into_iter().chain(provided.only_if).reduce(Filter::and);
        self.internal.update.0.extend(provided.internal.0);
    }
}

/// A save that this caller may do, as far as the class goes.
pub(crate) struct Admitted {
    pub(crate) request: SaveRequest,
    /// The class as it was when the request came; none if this save creates it.
    pub(crate) class: Option<Arc<ClassSchema>>,
    pub(crate) leave: Leave,
}

/// A save with the object it changes, if that was read.
pub(crate) struct Drafted {
    pub(crate) admitted: Admitted,
    /// As a hook may see it.
    pub(crate) original: Option<Arc<Object>>,
    /// As it is stored.
    pub(crate) stored: Option<Arc<Object>>,
}

/// A save after the hook.
pub(crate) struct Hooked {
    pub(crate) drafted: Drafted,
    /// What the client asked for, kept to see what the hook made of it; none without a hook.
    pub(crate) asked: Option<(Update, Option<Option<Acl>>)>,
}

/// Members that enter and leave a relation.
pub(crate) struct Related {
    pub(crate) field: FieldName,
    pub(crate) add: Vec<Pointer>,
    pub(crate) remove: Vec<Pointer>,
}

/// A save that has passed every check and is ready to be written.
pub(crate) struct Pending {
    pub(crate) class: Arc<ClassSchema>,
    pub(crate) id: ObjectId,
    pub(crate) creating: bool,
    /// What is written; for a new object only values.
    pub(crate) update: Update,
    pub(crate) acl: Option<Option<Acl>>,
    /// What is written to the server's own fields.
    pub(crate) internal: Internal,
    /// What the object has to meet when it is written.
    pub(crate) only_if: Option<Filter>,
    /// Whether a user's new address is to be verified.
    pub(crate) begins_verification: bool,
    /// Who vouches for the user that is saved.
    pub(crate) identity: Option<Box<Identity>>,
    /// The ACL came from the class, not from the request.
    pub(crate) acl_is_default: bool,
    pub(crate) related: Vec<Related>,
    pub(crate) leave: Leave,
    /// The objects with which the caller may add the fields that this save added.
    pub(crate) leave_to_add: Leave,
    pub(crate) original: Option<Arc<Object>>,
    pub(crate) stored: Option<Arc<Object>>,
    /// The fields whose outcome the client cannot know.
    pub(crate) computed: Vec<String>,
}

/// A save that is in the store.
pub(crate) struct Written {
    pub(crate) class: Arc<ClassSchema>,
    pub(crate) created: bool,
    pub(crate) update: Update,
    pub(crate) before: Option<Arc<Object>>,
    pub(crate) stored: Option<Arc<Object>>,
    pub(crate) after: Object,
    pub(crate) computed: Vec<String>,
    /// Who vouches for the user that was saved.
    pub(crate) identity: Option<Box<Identity>>,
    /// What the answer tells besides.
    pub(crate) tell: Map,
    /// What a hook answers in the place of all that.
    pub(crate) answer: Option<Map>,
    /// Whether a user's new address is to be verified.
    pub(crate) begins_verification: bool,
    /// What is told in the place of success, although it is saved.
    pub(crate) refusal: Option<ParseError>,
}
