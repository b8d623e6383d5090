//! Whose is what was sent? Users are looked up by the ids that their providers gave them.

use std::sync::Arc;

use parsimony_model::builtin::Builtin;
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Filter, Object, ObjectId, ParseError, Value};
use parsimony_store::{Scope, Selection};

use super::{changes, validate};
use crate::work::Work;

/// How long the id of a user at a provider may be.
const ID_BYTES_MAX: usize = 1_024;

/// Lets each provider look at what is new before anybody is looked up by it: a code is exchanged for an id here.
pub(super) async fn prepare(work: &Work, sent: &mut Map, stored: Option<&Map>) -> Result<(), ParseError> {
    for (provider, data) in sent.iter_mut() {
        let (Some(known), Value::Object(data)) = (work.engine.auth.get(provider), data) else { continue };
        if !known.enabled {
            continue;
        }
        let stored = stored.and_then(|stored| stored.get(provider)).and_then(Value::as_object);
        // Parse: what the client was shown and sends back is not asked about again.
        if !data.is_empty() && stored.is_some_and(|stored| !changes::differs(data, stored)) {
            continue;
        }
        validate::guarded(work, known.adapter.before_find(data)).await?;
    }
    Ok(())
}

/// The users that have one of the ids: two at most. What no provider here can vouch for is not looked up.
pub(super) async fn users(work: &Work, sent: &Map) -> Result<Vec<Object>, ParseError> {
    let ids = ids(work, sent)?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut found = find(work, Filter::Or(ids), 2).await?;
    if !work.caller.is_privileged() {
        // Parse: an empty ACL locks a user out.
        found.retain(|user| user.acl.as_ref().is_none_or(|acl| acl.entries().next().is_some()));
    }
    Ok(found)
}

/// A condition for each id. An id is text, or it could ask for anybody's.
pub(super) fn ids(work: &Work, sent: &Map) -> Result<Vec<Filter>, ParseError> {
    let mut ids = Vec::new();
    for (provider, data) in sent {
        if !work.engine.auth.get(provider).is_some_and(|known| known.enabled) {
            continue;
        }
        let Some(id) = data.as_object().and_then(|data| data.get("id")) else { continue };
        let Some(id) = id.as_str().filter(|id| is_id(id)) else {
            let text = format!("Invalid authData id for provider '{provider}'.");
            return Err(ParseError::new(ErrorCode::InvalidValue, text));
        };
        ids.push(Filter::equals(&format!("authData.{provider}.id"), id));
    }
    Ok(ids)
}

/// Whether it is text that may be an id.
fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= ID_BYTES_MAX && !text.contains('\0')
}

/// One user, as it is stored.
pub(super) async fn user(work: &Work, id: &ObjectId) -> Result<Option<Object>, ParseError> {
    Ok(find(work, Filter::id(id), 1).await?.pop())
}

async fn find(work: &Work, filter: Filter, limit: u64) -> Result<Vec<Object>, ParseError> {
    let class = work.engine.schemas.require(&Builtin::User.name()).await?;
    let selection = Selection::new(Arc::clone(&class), filter, Scope::Everything).range(0, Some(limit));
    Ok(work.objects.find(&selection).await?)
}
