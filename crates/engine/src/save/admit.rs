//! May this caller write this class at all? Reads the request and asks the class's permissions.

use parsimony_model::builtin::Builtin;
use parsimony_model::permissions::Operation;
use parsimony_model::update::top;
use parsimony_model::value::Map;
use parsimony_model::{
    Acl, ClassName, ErrorCode, FieldName, FieldType, ObjectId, Op, ParseError, Update, Value, names,
};

use super::internal::{self, Internal};
use super::{Admitted, SaveRequest, check, keywords};
use crate::access::class::{self, Leave};
use crate::access::rows;
use crate::classes::rules_for;
use crate::work::Work;

pub(super) async fn admit(
    work: &Work,
    name: &ClassName,
    id: Option<&ObjectId>,
    body: Map,
) -> Result<Admitted, ParseError> {
    let engine = &work.engine;
    let operation = if id.is_some() { Operation::Update } else { Operation::Create };
    work.caller.may_write(format_args!("perform the {} operation", operation.name()))?;
    class::refuse_master_only(&work.caller, name, operation)?;
    let class = engine.schemas.find(name).await?;
    if class.is_none() && Builtin::of(name).is_none() {
        rows::refuse_unknown_class(&work.caller, name, engine.options.allow_client_class_creation)?;
    }
    if id.is_some() && class.as_ref().is_some_and(|class| class.append_only) {
        let detail = format!("Objects of class {name} cannot be changed.");
        return Err(ParseError::denied(ErrorCode::OperationForbidden, detail));
    }
    let mut body = body;
    let internal = internal::take(work, name, id.is_none(), &mut body)?;
    if let Some(path) = body.keys().find(|path| FieldName::parse(top(path)).is_err()) {
        return Err(invalid_key(format!("Invalid field name: {}.", names::shorten(path))));
    }
    keywords::refuse_denied(&engine.options.denied_keywords, &body)?;
    let mut request = match id {
        Some(id) => read_update(name, id, body)?,
        None => read_create(name, body, engine.options.allow_custom_object_id)?,
    };
    if let Some(acl) = internal.acl(work, name, id).await? {
        request.acl = Some(Some(acl));
    }
    request.internal = internal;
    rules_for(name).admit(&work.caller, &mut request)?;
    rules_for(name).lead(work, &mut request).await?;
    let operation = if request.creating { Operation::Create } else { Operation::Update };
    let leave = match &class {
        Some(class) => class::decide(&work.caller, class, operation)?,
        None => Leave::Plain,
    };
    Ok(Admitted { request, class, leave })
}

fn invalid_key(text: String) -> ParseError {
    ParseError::new(ErrorCode::InvalidKeyName, text)
}

/// Takes the ACL out of a body.
fn take_acl(body: &mut Map) -> Result<Option<Option<Acl>>, ParseError> {
    match body.shift_remove("ACL") {
        None => Ok(None),
        // Parse: taking the ACL away leaves an object for the master key only.
        Some(Value::Object(map)) if map.contains_key("__op") => Ok(Some(Some(Acl::default()))),
        // Parse: a null is no change; on a new object that means no ACL.
        Some(acl) => Acl::from_value(&acl).map(|acl| acl.map(Some)),
    }
}

/// Takes the server's own dates out of a body; what is no date there is refused as any wrong type is.
fn take_dates(class: &ClassName, body: &mut Map) -> Result<(), ParseError> {
    for field in ["createdAt", "updatedAt"] {
        let Some(value) = body.shift_remove(field) else { continue };
        match FieldType::of(&value)? {
            None | Some(FieldType::Date) => {}
            Some(actual) => return Err(check::mismatch(class.as_str(), field, &FieldType::Date, &actual)),
        }
    }
    Ok(())
}

fn read_create(class: &ClassName, mut body: Map, custom_ids: bool) -> Result<SaveRequest, ParseError> {
    let mut id = None;
    if custom_ids {
        id = match body.shift_remove("objectId") {
            None => None,
            Some(value) => Some(chosen_id(class, &value)?),
        };
    } else {
        for field in ["objectId", "id"] {
            // Parse: an id that is null or empty is none.
            if body.shift_remove(field).is_some_and(|id| id.is_truthy()) {
                return Err(invalid_key(format!("{field} is an invalid field name.")));
            }
        }
    }
    let acl = take_acl(&mut body)?;
    take_dates(class, &mut body)?;
    for field in body.keys() {
        FieldName::parse(field)?;
    }
    let update = Update::parse(body).map_err(|error| match &*error.message {
        // Parse: this one has another text where there is nothing yet to be added to.
        "incrementing must provide a number" => {
            ParseError { message: "objects to add must be an array".into(), ..error }
        }
        _ => error,
    })?;
    Ok(SaveRequest {
        class: class.clone(),
        id,
        id_in_body: None,
        creating: true,
        update,
        acl,
        internal: Internal::default(),
        only_if: None,
        identity: None,
    })
}

/// The id that a client chose.
fn chosen_id(class: &ClassName, value: &Value) -> Result<ObjectId, ParseError> {
    match value {
        Value::String(text) => ObjectId::parse(text),
        falsy if !falsy.is_truthy() => ObjectId::parse(""),
        other => match FieldType::of(other)? {
            Some(actual) => Err(check::mismatch(class.as_str(), "objectId", &FieldType::String, &actual)),
            None => ObjectId::parse(""),
        },
    }
}

fn read_update(class: &ClassName, id: &ObjectId, mut body: Map) -> Result<SaveRequest, ParseError> {
    let acl = take_acl(&mut body)?;
    // The SDKs send back what they were given.
    let given = body.shift_remove("objectId").filter(Value::is_truthy);
    if given.as_ref().is_some_and(|given| given.as_str() != Some(id.as_str())) {
        return Err(invalid_key("objectId cannot be changed.".to_owned()));
    }
    take_dates(class, &mut body)?;
    for path in body.keys() {
        let below_is_plain =
            path.split('.').skip(1).all(|part| !part.is_empty() && !part.starts_with('$') && !part.contains('\0'));
        FieldName::parse(top(path))?;
        if !below_is_plain || path.starts_with("authData.") {
            return Err(invalid_key(format!("Invalid field name for update: {}", names::shorten(path))));
        }
    }
    let update = Update::parse(body)?;
    if update.0.iter().any(|(path, op)| path.contains('.') && matches!(op, Op::Relate { .. })) {
        return Err(invalid_key("A relation cannot be part of an object value.".to_owned()));
    }
    Ok(SaveRequest {
        class: class.clone(),
        id: Some(id.clone()),
        id_in_body: given.map(|_| id.clone()),
        creating: false,
        update,
        acl,
        internal: Internal::default(),
        only_if: None,
        identity: None,
    })
}
