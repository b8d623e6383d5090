//! `_Session`: everyone sees their own only, and what makes a session valid cannot be edited.

use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Filter, ObjectId, ParseError, Value};

use super::{ClassRules, Later};
use crate::caller::Caller;
use crate::save::{SaveRequest, Written, keywords};
use crate::users::sessions::{self, Opened};
use crate::work::{Saved, Work};

/// The rules of `_Session`.
pub(crate) struct Session;

impl ClassRules for Session {
    fn admit(&self, caller: &Caller, request: &mut SaveRequest) -> Result<(), ParseError> {
        if request.acl.is_some() {
            return Err(ParseError::new(ErrorCode::InvalidKeyName, "Cannot set ACL on a Session."));
        }
        if request.creating {
            return Ok(());
        }
        if !caller.is_privileged() {
            // One's own only: whoever knows the id of another learns that there is none.
            let required = || ParseError::new(ErrorCode::InvalidSessionToken, "Session token required.");
            let user = caller.user_pointer().ok_or_else(required)?;
            request.only_if = Some(Filter::equals("user", user));
        }
        let own_user = request.update.value("user").and_then(Value::as_pointer);
        let fixed = ["installationId", "sessionToken"].into_iter();
        let client_fixed = ["expiresAt", "createdWith"].into_iter().filter(|_| !caller.is_privileged());
        let user =
            (own_user.is_some() && own_user != caller.user_pointer() && !caller.is_privileged()).then_some("user");
        for field in fixed.chain(client_fixed).chain(user) {
            if request.update.touches(field) {
                return Err(ParseError::new(ErrorCode::InvalidKeyName, format!("Invalid key name: {field}")));
            }
        }
        Ok(())
    }

    fn create<'a>(&'a self, work: &'a Work, body: &'a Map) -> Option<Later<'a, Saved>> {
        if work.caller.is_privileged() {
            return None;
        }
        Some(Box::pin(async move {
            let Some(user) = work.caller.user_id() else {
                return Err(ParseError::new(ErrorCode::InvalidSessionToken, "Session token required."));
            };
            keywords::refuse_denied(&work.engine.options.denied_keywords, body)?;
            let own = ["sessionToken", "user", "createdWith", "expiresAt", "objectId", "ACL", "createdAt", "updatedAt"];
            let extra: Map = body
                .iter()
                .filter(|(field, _)| !own.contains(&field.as_str()))
                .map(|(field, value)| (field.clone(), value.clone()))
                .collect();
            // Only fields the class has: this way past the save pipeline adds none.
            let class = work.engine.schemas.require(&parsimony_model::builtin::Builtin::Session.name()).await?;
            let extra = extra.into_iter().filter(|(field, value)| {
                let kind = parsimony_model::FieldType::of(value).ok().flatten();
                kind.is_some() && class.kind(field) == kind
            });
            let session = sessions::open(work, user, Opened::Create, extra.collect()).await?;
            let mut answer: Map = session.fields.clone();
            answer.insert("objectId".into(), session.id.as_str().into());
            Ok(Saved { id: session.id, created: true, found: false, answer })
        }))
    }

    fn written<'a>(&'a self, work: &'a Work, _written: &'a mut Written) -> Later<'a, ()> {
        work.engine.accounts.forget_sessions();
        Box::pin(std::future::ready(Ok(())))
    }

    fn deleted(&self, work: &Work, _id: &ObjectId) {
        work.engine.accounts.forget_sessions();
    }

    fn visible(&self, caller: &Caller) -> Result<Option<Filter>, ParseError> {
        // Parse: the maintenance key has no sessions, and sees none.
        if caller.is_master() {
            return Ok(None);
        }
        match caller.user_pointer() {
            Some(user) => Ok(Some(Filter::equals("user", user))),
            None => Err(ParseError::denied(ErrorCode::InvalidSessionToken, "Invalid session token")),
        }
    }
}
