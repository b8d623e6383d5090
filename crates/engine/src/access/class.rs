//! May this caller do this operation on a class at all?

use parsimony_model::builtin::Builtin;
use parsimony_model::permissions::{Operation, OperationRule};
use parsimony_model::{ClassName, ClassSchema, ErrorCode, FieldName, ParseError};

use crate::caller::Caller;

/// Leave to do an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leave {
    /// On every object that its ACL opens.
    Plain,
    /// Only on objects that name the caller in one of these fields.
    NamedIn(Vec<FieldName>),
}

/// Decides by the class's permissions.
///
/// Parse's order: a grant of the caller's, then `requiresAuthentication`, then fields that name users.
pub(crate) fn decide(caller: &Caller, class: &ClassSchema, operation: Operation) -> Result<Leave, ParseError> {
    if caller.is_privileged() {
        return Ok(Leave::Plain);
    }
    let Some(permissions) = &class.permissions else { return Ok(Leave::Plain) };
    let nothing = OperationRule::default();
    let rule = permissions.rule(operation).unwrap_or(&nothing);
    if caller.grants().iter().any(|grant| rule.grants.contains(grant.as_str())) {
        return Ok(Leave::Plain);
    }
    if rule.grants.contains("requiresAuthentication") {
        // Parse: a missing login looks like a missing object.
        return match caller.user_id() {
            Some(_) => Ok(Leave::Plain),
            None => {
                Err(ParseError::denied(ErrorCode::ObjectNotFound, "Permission denied, user needs to be authenticated."))
            }
        };
    }
    let general = if operation.reads() { &permissions.read_user_fields } else { &permissions.write_user_fields };
    let mut fields = rule.pointer_fields.clone();
    fields.extend(general.iter().filter(|field| !rule.pointer_fields.contains(field)).cloned());
    if operation != Operation::Create && !fields.is_empty() {
        return Ok(Leave::NamedIn(fields));
    }
    Err(denied(operation, &class.name))
}

/// Refuses clients the classes that are the server's own.
pub(crate) fn refuse_master_only(caller: &Caller, class: &ClassName, operation: Operation) -> Result<(), ParseError> {
    if caller.is_privileged() {
        return Ok(());
    }
    let builtin = Builtin::of(class);
    // Parse: clients may not list or delete devices.
    let devices = builtin == Some(Builtin::Installation)
        && matches!(operation, Operation::Find | Operation::Count | Operation::Delete);
    if devices || builtin.is_some_and(Builtin::is_master_only) {
        let collection = if devices { "installation" } else { class.as_str() };
        let detail = format!(
            "Clients aren't allowed to perform the {} operation on the {collection} collection.",
            operation.name()
        );
        return Err(ParseError::denied(ErrorCode::OperationForbidden, detail));
    }
    Ok(())
}

/// The refusal of an operation by a class's permissions.
pub(crate) fn denied(operation: Operation, class: &ClassName) -> ParseError {
    ParseError::denied(
        ErrorCode::OperationForbidden,
        format!("Permission denied for action {} on class {class}.", operation.name()),
    )
}
