//! `_Audience`: a stored query of devices.

use parsimony_model::{Object, Value};

use super::ClassRules;
use crate::caller::Caller;

/// The rules of `_Audience`.
pub(crate) struct Audience;

impl ClassRules for Audience {
    /// Parse: they are asked for by the master key alone, who is told all of them.
    fn is_bounded(&self) -> bool {
        false
    }

    /// Parse: when it was last used is told as text.
    fn redact(&self, _caller: &Caller, object: &mut Object) {
        if let Some(Value::Date(used)) = object.get("lastUsed") {
            let used = used.to_iso();
            object.fields.insert("lastUsed".into(), used.into());
        }
    }
}
