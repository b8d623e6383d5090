//! To which objects of a class does a caller's leave extend?

use parsimony_model::permissions::Operation;
use parsimony_model::schema::FieldType;
use parsimony_model::{ClassSchema, Constraint, ErrorCode, Filter, ParseError, Value};

use super::class::Leave;
use crate::caller::Caller;

/// Narrows a filter to the objects that name the caller, where the leave says so.
pub(crate) fn narrow(
    caller: &Caller,
    class: &ClassSchema,
    leave: Leave,
    operation: Operation,
    filter: Filter,
) -> Result<Filter, ParseError> {
    let Leave::NamedIn(fields) = leave else { return Ok(filter) };
    let Some(user) = caller.user_pointer() else {
        // Parse: without a user there is nobody to be named; a list is empty, one object is not found.
        return match operation {
            Operation::Find | Operation::Count => Ok(Filter::nothing()),
            _ => Err(ParseError::not_found()),
        };
    };
    let names_user = fields.iter().map(|field| {
        let value = Value::Pointer(user.clone());
        let constraint = match class.kind(field.as_str()) {
            Some(FieldType::Array) => Constraint::All(vec![value]),
            _ => Constraint::Equals(value),
        };
        Filter::Field(field.as_str().into(), constraint)
    });
    Ok(filter.and(Filter::Or(names_user.collect())))
}

/// Refuses access to a class that is not there, where clients may not create classes: existence must not show.
pub(crate) fn refuse_unknown_class(
    caller: &Caller,
    class: &parsimony_model::ClassName,
    creation_allowed: bool,
) -> Result<(), ParseError> {
    if caller.is_privileged() || creation_allowed {
        return Ok(());
    }
    let detail = format!("This user is not allowed to access non-existent class: {class}");
    Err(ParseError::denied(ErrorCode::OperationForbidden, detail))
}
