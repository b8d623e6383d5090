//! Deleting one object.

use std::sync::Arc;

use parsimony_model::permissions::Operation;
use parsimony_model::{ClassName, ErrorCode, Filter, ObjectId, ParseError};
use parsimony_store::Selection;

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
    let schema = engine.schemas.find(name).await?.ok_or_else(ParseError::not_found)?;
    if schema.append_only {
        let detail = format!("Objects of class {name} cannot be deleted.");
        return Err(ParseError::denied(ErrorCode::OperationForbidden, detail));
    }
    let leave = class::decide(&work.caller, &schema, Operation::Delete)?;
    let filter = rows::narrow(&work.caller, &schema, leave, Operation::Delete, Filter::id(id))?;
    let filter = match own_only {
        Some(own) => filter.and(own),
        None => filter,
    };
    let selection = Selection::new(Arc::clone(&schema), filter, work.caller.write_scope());
    if work.objects.delete(&selection).await? == 0 {
        return Err(ParseError::not_found());
    }
    rules.deleted(work, id);
    Ok(())
}
