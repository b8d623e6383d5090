//! Cloud code may change or refuse the save.

use parsimony_cloud::{BeforeSave, Draft};
use parsimony_model::{Acl, ErrorCode, Op, ParseError, Update, Value};

use super::{Drafted, Hooked, keywords};
use crate::triggers;
use crate::work::Work;

pub(super) async fn before_save(work: &Work, mut drafted: Drafted) -> Result<Hooked, ParseError> {
    let request = &mut drafted.admitted.request;
    let class = request.class.clone();
    if !work.registry.has::<BeforeSave>(class.as_str()) {
        return Ok(Hooked { drafted, asked: None });
    }
    let asked = (request.update.clone(), request.acl.clone());
    // The hook sees the ACL as a field, as everybody else does.
    let mut update = std::mem::take(&mut request.update);
    if let Some(acl) = &request.acl {
        update.set("ACL", acl.as_ref().map_or(Value::Null, Acl::to_value));
    }
    let object = Draft::new(class.clone(), request.id.clone(), drafted.original.clone(), update);
    let Some(object) = triggers::run(work, class.as_str(), |origin| BeforeSave { object, origin }).await? else {
        (request.update, request.acl) = asked;
        return Ok(Hooked { drafted, asked: None });
    };
    let mut update = object.into_update();
    request.acl = match update.0.shift_remove("ACL") {
        None => None,
        Some(Op::Set(acl)) => Some(Acl::from_value(&acl)?),
        Some(_) => Some(Some(Acl::default())),
    };
    refuse_reserved(&asked.0, &update)?;
    keywords::refuse_denied_changes(&work.engine.options.denied_keywords, &asked.0, &update)?;
    request.update = update;
    Ok(Hooked { drafted, asked: Some(asked) })
}

/// A hook may not do what a client may not: set the columns that are the server's. What the client asked for is looked at already.
fn refuse_reserved(asked: &Update, update: &Update) -> Result<(), ParseError> {
    let added = update.0.keys().filter(|path| !asked.0.contains_key(*path));
    for field in added.map(|path| parsimony_model::update::top(path)) {
        if ["objectId", "createdAt", "updatedAt"].contains(&field) {
            let text = format!("A hook cannot set the field {field}.");
            return Err(ParseError::new(ErrorCode::InvalidKeyName, text));
        }
        parsimony_model::FieldName::parse(field)?;
    }
    Ok(())
}
