//! May this caller do that: checks by role and by ownership, each refusal error 119 with a sentence that says why.

use parsimony_cloud::Who;
use parsimony_model::{Access, Acl, ErrorCode, Object, ObjectId, ParseError, Value};

/// An ACL as objects of applications have it: readable by these users and these roles, written by nobody but the functions.
pub fn readable_by<'a>(users: impl IntoIterator<Item = &'a ObjectId>, roles: &[&str]) -> Value {
    let acl = users.into_iter().fold(Acl::default(), |acl, user| acl.with(user.as_str(), Access::READ));
    roles.iter().fold(acl, |acl, role| acl.with(&format!("role:{role}"), Access::READ)).to_value()
}

/// A refusal in clear words (119).
pub fn refused(text: impl Into<String>) -> ParseError {
    ParseError::new(ErrorCode::OperationForbidden, text.into())
}

/// The roles as a sentence lists them.
fn either(roles: &[&str]) -> String {
    match roles {
        [] => "nobody".to_owned(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// Only members of one of these roles, and the master key. `to` completes the sentence "Only … may".
pub fn require_role(who: &Who, roles: &[&str], to: &str) -> Result<(), ParseError> {
    if who.is_any(roles) {
        return Ok(());
    }
    Err(refused(format!("Only {} may {to}.", either(roles))))
}

/// Whether a pointer field of the object names the caller.
pub fn is_in(who: &Who, object: &Object, field: &str) -> bool {
    let named = object.get(field).and_then(Value::as_pointer);
    named.is_some_and(|pointer| pointer.class == "_User" && who.user_id() == Some(&pointer.id))
}

/// Only the user named in `field`, members of one of these roles, and the master key.
pub fn require_owner_or_role(
    who: &Who,
    object: &Object,
    field: &str,
    roles: &[&str],
    to: &str,
) -> Result<(), ParseError> {
    if is_in(who, object, field) || who.is_any(roles) {
        return Ok(());
    }
    Err(refused(format!("Only the owner of the {} or {} may {to}.", object.class, either(roles))))
}

/// Four eyes: nobody named in one of these fields, whatever role or key they have. `to` completes "One may not".
pub fn require_other(who: &Who, object: &Object, fields: &[&str], to: &str) -> Result<(), ParseError> {
    if fields.iter().any(|field| is_in(who, object, field)) {
        return Err(refused(format!("One may not {to}.")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsimony_model::value::Map;
    use parsimony_model::{ClassName, ObjectId, map};

    fn object(class: &str, id: &str, fields: Map) -> Object {
        Object {
            class: ClassName::parse(class).unwrap(),
            id: ObjectId::parse(id).unwrap(),
            created_at: None,
            updated_at: None,
            acl: None,
            fields,
        }
    }

    fn somebody(id: &str, roles: &[&str]) -> Who {
        let user = object("_User", id, map! {});
        Who { user: Some(user.into()), roles: roles.iter().map(|role| (*role).to_owned()).collect(), ..Who::default() }
    }

    #[test]
    fn who_may_do_what() {
        let owner = somebody("o", &[]);
        let other = somebody("x", &[]);
        let officer = somebody("o", &["officer"]);
        let master = Who { master: true, ..Who::default() };
        let thing = object("Thing", "t", map! { "owner" => object("_User", "o", map! {}).pointer() });
        for (who, role, owned, four_eyes) in [
            (&owner, false, true, false),
            (&other, false, false, true),
            (&officer, true, true, false),
            (&master, true, true, true),
            (&Who::default(), false, false, true),
        ] {
            assert_eq!(require_role(who, &["officer"], "do it").is_ok(), role);
            assert_eq!(require_owner_or_role(who, &thing, "owner", &["officer"], "do it").is_ok(), owned);
            assert_eq!(require_other(who, &thing, &["maker", "owner"], "do it").is_ok(), four_eyes);
        }
        let error = require_owner_or_role(&other, &thing, "owner", &["officer"], "do it").unwrap_err();
        assert_eq!(error.message, "Only the owner of the Thing or officer may do it.");
        let error = require_role(&other, &["officer", "clerk", "admin"], "do it").unwrap_err();
        assert_eq!(error.message, "Only officer, clerk or admin may do it.");
        assert_eq!(error.number(), Some(119));
    }
}
