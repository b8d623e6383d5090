//! Deleting one object, or all of a class.

use std::sync::Arc;

use parsimony_model::builtin::Builtin;
use parsimony_model::permissions::Operation;
use parsimony_model::{ClassName, ErrorCode, Filter, ObjectId, ParseError};
use parsimony_store::{Scope, Selection};

use crate::access::{class, rows};
use crate::classes::rules_for;
use crate::work::Work;

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
    let leave = class::decide(&work.caller, &schema, Operation::Delete)?;
    let filter = rows::narrow(&work.caller, &schema, leave, Operation::Delete, Filter::id(id))?;
    let filter = match own_only {
        Some(own) => filter.and(own),
        None => filter,
    };
    let selection = Selection::new(Arc::clone(&schema), filter, work.caller.write_scope());
    if work.objects.delete(&selection).await? == 0 {
        return Err(not_found());
    }
    rules.deleted(work, id);
    Ok(())
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
