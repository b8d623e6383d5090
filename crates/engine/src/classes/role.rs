//! `_Role`: has a name and an ACL, and whoever changes one changes rights at once.

use parsimony_model::{ErrorCode, ObjectId, ParseError, Value};

use super::{ClassRules, Later};
use crate::caller::Caller;
use crate::save::{SaveRequest, Written};
use crate::work::Work;

/// The rules of `_Role`.
pub(crate) struct Role;

impl ClassRules for Role {
    fn admit(&self, _caller: &Caller, request: &mut SaveRequest) -> Result<(), ParseError> {
        let required = |text: &'static str| Err(ParseError::new(ErrorCode::IncorrectType, text));
        let name = request.update.value("name").and_then(Value::as_str).filter(|name| !name.is_empty());
        if name.is_none() && (request.creating || request.update.touches("name")) {
            return required("name is required.");
        }
        if request.creating && !matches!(request.acl, Some(Some(_))) {
            return required("ACL is required.");
        }
        Ok(())
    }

    fn written<'a>(&'a self, work: &'a Work, _written: &'a mut Written) -> Later<'a, ()> {
        work.engine.accounts.forget_roles();
        Box::pin(std::future::ready(Ok(())))
    }

    fn deleted(&self, work: &Work, _id: &ObjectId) {
        work.engine.accounts.forget_roles();
    }
}
