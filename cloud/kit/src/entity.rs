//! What do all entities have in common: who made and last changed them, what never changes, and where they stand.

use parsimony_cloud::{Draft, Host, Who};
use parsimony_model::{ErrorCode, ParseError, Value};

use crate::state::{self, State};

/// The field that makes the digests in the audit trail unguessable; only the master key sees it.
const SALT: &str = "digestSalt";

/// How long the salt is, in letters and digits: 131 bits.
const SALT_CHARS: usize = 22;

/// What every `before_save` hook of an entity does.
///
/// It holds `status` to the state machine and keeps `statusHistory`, sets `createdBy` and `lastModifiedBy` where the
/// writer did not, refuses changes of the `frozen` fields (142), and gives a new object its salt.
pub fn keep<S: State>(draft: &mut Draft, who: &Who, host: &Host, frozen: &[&str]) -> Result<(), ParseError> {
    freeze(draft, S::ENTITY, frozen)?;
    stamp(draft, who);
    if draft.is_new() {
        draft.set(SALT, host.random(SALT_CHARS));
    } else {
        draft.revert(SALT);
    }
    state::guard::<S>(draft, host.now())
}

fn freeze(draft: &Draft, entity: &str, frozen: &[&str]) -> Result<(), ParseError> {
    let Some(original) = draft.original() else { return Ok(()) };
    for field in frozen.iter().copied().chain(["createdBy"]) {
        if draft.is_dirty(field) && !same(draft.get(field).as_ref(), original.get(field)) {
            let text = format!("{field} of {entity} cannot change.");
            return Err(ParseError::new(ErrorCode::ValidationError, text));
        }
    }
    Ok(())
}

/// A pointer and the object an include put in its place are the same.
fn same(one: Option<&Value>, other: Option<&Value>) -> bool {
    one == other || one.and_then(Value::as_pointer).is_some_and(|one| other.and_then(Value::as_pointer) == Some(one))
}

fn stamp(draft: &mut Draft, who: &Who) {
    let user = who.user_pointer();
    if draft.is_new()
        && !draft.is_dirty("createdBy")
        && let Some(user) = &user
    {
        draft.set("createdBy", user.clone());
    }
    if !draft.is_dirty("lastModifiedBy") {
        match user {
            Some(user) => draft.set("lastModifiedBy", user),
            // The master key alone: nobody who could be named.
            None => draft.unset("lastModifiedBy"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, object, who};
    use parsimony_model::{ClassName, Object, Update, map};

    crate::states! {
        /// Open or shut.
        pub enum Door of "Door" from Open {
            /// Open.
            Open = "OPEN" => [Shut];
            /// Shut.
            Shut = "SHUT" => [Open];
        }
    }

    fn kept(original: Option<&Object>, changes: parsimony_model::value::Map, who: &Who) -> Result<Draft, ParseError> {
        let class = ClassName::parse("Door").unwrap();
        let update = Update::parse(changes).unwrap();
        let mut draft = Draft::new(class, None, original.cloned().map(Into::into), update);
        keep::<Door>(&mut draft, who, &Fake::default().host(), &["owner"])?;
        Ok(draft)
    }

    #[test]
    fn an_entity_knows_who_made_and_who_changed_it() {
        let (ada, bob) = (who("ada", &[]), who("bob", &[]));
        let made = kept(None, map! { "digestSalt" => "mine", "owner" => "o" }, &ada).unwrap();
        assert_eq!(made.get("createdBy"), ada.user_pointer().map(Value::from));
        assert_eq!(made.get("lastModifiedBy"), ada.user_pointer().map(Value::from));
        assert_eq!(made.text("digestSalt").unwrap().len(), SALT_CHARS);

        let object = object("Door", "d", made.fields().unwrap());
        let changed = kept(Some(&object), map! { "status" => "SHUT", "digestSalt" => "mine" }, &bob).unwrap();
        assert_eq!(changed.get("createdBy"), ada.user_pointer().map(Value::from));
        assert_eq!(changed.get("lastModifiedBy"), bob.user_pointer().map(Value::from));
        assert_eq!(changed.text("digestSalt"), object.text("digestSalt").map(str::to_owned));

        let by_key = kept(Some(&object), map! { "status" => "SHUT" }, &Who { master: true, ..Who::default() }).unwrap();
        assert_eq!(by_key.get("lastModifiedBy"), None);
    }

    #[test]
    fn what_is_frozen_does_not_change() {
        let door = object("Door", "d", map! { "status" => "OPEN", "owner" => "o" });
        assert!(kept(Some(&door), map! { "owner" => "o" }, &who("ada", &[])).is_ok());
        for field in ["owner", "createdBy"] {
            let error = kept(Some(&door), map! { field => "x" }, &who("ada", &[])).unwrap_err();
            assert_eq!((error.number(), &*error.message), (Some(142), &*format!("{field} of Door cannot change.")));
        }
    }
}
