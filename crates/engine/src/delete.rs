//! Deleting one object, or all of a class.

use std::sync::Arc;

use parsimony_cloud::{AfterDelete, BeforeDelete};
use parsimony_model::builtin::Builtin;
use parsimony_model::permissions::Operation;
use parsimony_model::{ClassName, ErrorCode, Filter, Object, ObjectId, ParseError, Query};
use parsimony_store::{Scope, Selection};

use crate::access::{class, rows};
use crate::classes::rules_for;
use crate::work::Work;
use crate::{find, live, triggers};

/// Deletes one object. Missing, hidden and not writable look alike.
pub(crate) async fn delete(work: &Work, name: &ClassName, id: &ObjectId) -> Result<(), ParseError> {
    let engine = &work.engine;
    work.caller.may_write("perform the delete operation")?;
    class::refuse_master_only(&work.caller, name, Operation::Delete)?;
    let rules = rules_for(name);
    rules.deleting(&work.caller, id)?;
    let own_only = rules.visible(&work.caller)?;
    let not_found = || rules.not_updatable(&work.caller);
    let schema = engine.schemas.find(name).await?.ok_or_else(not_found)?;
    if schema.append_only {
        return Err(kept(name));
    }
    let hooked = read_for_hooks(work, name, id).await?;
    if let Some(object) = &hooked {
        let object = Arc::clone(object);
        triggers::run(work, name.as_str(), |origin| BeforeDelete { object, origin }).await?;
    }
    let leave = class::decide(&work.caller, &schema, Operation::Delete)?;
    let filter = rows::narrow(&work.caller, &schema, leave, Operation::Delete, Filter::id(id))?;
    let filter = match own_only {
        Some(own) => filter.and(own),
        None => filter,
    };
    let selection = Selection::new(Arc::clone(&schema), filter, work.caller.write_scope());
    let stored = if live::is_wanted(work, name) { work.objects.find(&selection).await?.pop() } else { None };
    if work.objects.delete(&selection).await? == 0 {
        return Err(not_found());
    }
    rules.deleted(work, id);
    if let Some(stored) = stored {
        live::publish(work, name, Some(Arc::new(stored)), None).await;
    }
    if let Some(object) = hooked {
        triggers::run(work, name.as_str(), |origin| AfterDelete { object, origin }).await?;
    }
    Ok(())
}

/// The object as the caller may see it, if a hook wants to know it. Parse: what cannot be read is not deleted then.
async fn read_for_hooks(work: &Work, name: &ClassName, id: &ObjectId) -> Result<Option<Arc<Object>>, ParseError> {
    let class = name.as_str();
    if !work.registry.has::<BeforeDelete>(class) && !work.registry.has::<AfterDelete>(class) {
        return Ok(None);
    }
    let object = find::get(work, name, id, Query::default()).await.map_err(|error| match error.code {
        ErrorCode::ObjectNotFound => ParseError::new(ErrorCode::ObjectNotFound, "Object not found for delete."),
        _ => error,
    })?;
    Ok(Some(Arc::new(object)))
}

/// The refusal to take away what was written to stay.
fn kept(class: &ClassName) -> ParseError {
    ParseError::denied(ErrorCode::OperationForbidden, format!("Objects of class {class} cannot be deleted."))
}

/// Deletes every object of a class and leaves the class; for the master key only. Parse: a class that is not there is empty.
pub(crate) async fn purge(work: &Work, class: &str) -> Result<(), ParseError> {
    work.require_master()?;
    work.caller.may_write("purge a schema")?;
    let Ok(name) = ClassName::parse(class) else { return Ok(()) };
    let Some(schema) = work.engine.schemas.find(&name).await? else { return Ok(()) };
    if schema.append_only || Builtin::of(&name) == Some(Builtin::SchemaChange) {
        return Err(kept(&name));
    }
    work.objects.delete(&Selection::new(schema, Filter::everything(), Scope::Everything)).await?;
    let accounts = &work.engine.accounts;
    accounts.forget_sessions();
    accounts.forget_roles();
    Ok(())
}
