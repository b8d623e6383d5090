//! `_User`: signup, names and addresses that are unique, passwords that are stored as hashes, and whose row is whose.

use parsimony_model::acl::PUBLIC;
use parsimony_model::value::Map;
use parsimony_model::{Access, Acl, Constraint, ErrorCode, Filter, Object, ObjectId, Op, ParseError, Value};
use parsimony_store::{Scope, Selection};

use super::{ClassRules, Ended, Later};
use crate::caller::{CLOUD, Caller};
use crate::options::Options;
use crate::save::{Pending, SaveRequest, Written};
use crate::users::auth_data::{self, AUTH_DATA};
use crate::users::sessions::{self, Opened};
use crate::users::table::HASH;
use crate::users::{policy, verification};
use crate::work::Work;

/// The rules of `_User`.
pub(crate) struct User;

fn refusal(code: ErrorCode, text: &'static str) -> ParseError {
    ParseError::new(code, text)
}

impl ClassRules for User {
    fn admit(&self, caller: &Caller, request: &mut SaveRequest) -> Result<(), ParseError> {
        if !caller.is_privileged() && request.update.touches("emailVerified") {
            let detail = "Clients aren't allowed to manually update email verification.";
            return Err(ParseError::denied(ErrorCode::OperationForbidden, detail));
        }
        let text = |field: &str| request.update.value(field).and_then(Value::as_str).filter(|text| !text.is_empty());
        if request.id.is_none() || request.creating {
            if request.id.as_ref().is_some_and(|id| id.as_str().starts_with("role:")) {
                return Err(ParseError::denied(ErrorCode::OperationForbidden, "Invalid object ID."));
            }
            let vouched_for = auth_data::is_sent(&request.update);
            if !vouched_for && text("username").is_none() {
                return Err(refusal(ErrorCode::UsernameMissing, "bad or missing username"));
            }
            if !vouched_for && text("password").is_none() {
                return Err(refusal(ErrorCode::PasswordMissing, "password is required"));
            }
        } else {
            if !caller.is_privileged() && caller.user_id().is_none() {
                let id = request.id.as_ref().map(ToString::to_string).unwrap_or_default();
                return Err(ParseError::denied(ErrorCode::SessionMissing, format!("Cannot modify user {id}.")));
            }
            if request.update.touches("username") && text("username").is_none() {
                return Err(refusal(ErrorCode::UsernameMissing, "bad or missing username"));
            }
            if request.update.touches("password") && text("password").is_none() {
                return Err(refusal(ErrorCode::PasswordMissing, "password is required"));
            }
        }
        auth_data::admit(&mut request.update)
    }

    fn identify<'a>(&'a self, work: &'a Work, request: &'a mut SaveRequest) -> Option<Later<'a, Option<Ended>>> {
        request.update.touches(AUTH_DATA).then(|| -> Later<'a, _> { Box::pin(auth_data::identify(work, request)) })
    }

    fn check<'a>(&'a self, work: &'a Work, pending: &'a mut Pending) -> Later<'a, ()> {
        Box::pin(async move {
            auth_data::refuse_others(work, pending).await?;
            name_the_unnamed(work, pending);
            lowercase(work, pending);
            policy::take_password(work, pending).await?;
            check_email_form(pending)?;
            check_unique(work, pending).await?;
            // Parse: of whom somebody else vouches for, the address needs no proof.
            if !auth_data::vouches(&pending.update) {
                verification::begin(work, pending);
            }
            own_acl(work, pending);
            auth_data::write_apart(pending);
            Ok(())
        })
    }

    fn written<'a>(&'a self, work: &'a Work, written: &'a mut Written) -> Later<'a, ()> {
        Box::pin(async move {
            let id = written.after.id.clone();
            let mut identity = written.identity.take().unwrap_or_default();
            if let Some(responses) = identity.responses.take() {
                written.tell.insert("authDataResponse".into(), Value::Object(responses));
            }
            if !work.caller.is_privileged() {
                // What a hook made of it may be secret; whoever wants to see it asks.
                written.computed.retain(|field| field != AUTH_DATA);
            }
            if let Some(refusal) = identity.refusal.take() {
                written.refusal = Some(refusal);
                return Ok(());
            }
            let providers = identity.providers.take();
            if written.begins_verification {
                verification::write(work, &written.after).await?;
            }
            if written.created && work.engine.options.accounts.needs_verified() {
                if work.engine.options.accounts.verification.before_signup {
                    written.refusal = Some(refusal(ErrorCode::EmailNotFound, "User email is not verified."));
                }
                return Ok(());
            }
            if written.created {
                // Parse: a signup from the server's own side opens no session, nor does one by whoever is logged in.
                let is_known = providers.is_some() && work.caller.account().is_some();
                if work.caller.installation_id.as_deref() != Some(CLOUD) && !is_known {
                    let opened = providers.as_deref().map_or(Opened::SignUp, Opened::LogInBy);
                    let session = sessions::open(work, &id, opened, Map::default()).await?;
                    tell_token(written, &session);
                }
                return Ok(());
            }
            work.engine.accounts.forget_user(&id);
            // Parse: whoever proves who they are and is not logged in is from then on, also where the master key let them.
            let logs_in = work.caller.account().is_none() && work.caller.installation_id.as_deref() != Some(CLOUD);
            if let Some(providers) = providers.filter(|_| logs_in) {
                let session = sessions::open(work, &id, Opened::LogInBy(&providers), Map::default()).await?;
                tell_token(written, &session);
            }
            if written.update.touches(HASH) && work.engine.options.revoke_session_on_password_reset {
                sessions::end_all(work, &id).await?;
                if !work.caller.is_privileged() {
                    let session = sessions::open(work, &id, Opened::LogIn, Map::default()).await?;
                    tell_token(written, &session);
                }
            }
            Ok(())
        })
    }

    fn deleting(&self, caller: &Caller, _id: &ObjectId) -> Result<(), ParseError> {
        if caller.is_privileged() || caller.user_id().is_some() {
            return Ok(());
        }
        Err(refusal(ErrorCode::SessionMissing, "Insufficient auth to delete user"))
    }

    fn deleted(&self, work: &Work, id: &ObjectId) {
        work.engine.accounts.forget_user(id);
        work.engine.accounts.forget_sessions();
    }

    fn ask(&self, options: &Options, filter: &mut Filter) {
        match filter {
            Filter::And(all) => all.iter_mut().for_each(|one| self.ask(options, one)),
            Filter::Field(field, Constraint::Equals(Value::String(text))) => match field.as_str() {
                "email" => *text = options.accounts.email(text),
                "username" => *text = options.accounts.username(text),
                _ => {}
            },
            _ => {}
        }
    }

    fn redact(&self, caller: &Caller, object: &mut Object) {
        object.fields.shift_remove("password");
        object.fields.shift_remove("sessionToken");
        if !caller.is_privileged() && caller.user_id() != Some(&object.id) {
            object.fields.shift_remove(AUTH_DATA);
        }
    }

    /// Parse: only those who ask see who vouches for a user; what is stored of it may be secret.
    fn redact_event(&self, caller: &Caller, object: &mut Object) {
        if !caller.is_privileged() {
            object.fields.shift_remove(AUTH_DATA);
        }
    }

    fn show<'a>(&'a self, work: &'a Work, users: &'a mut [Object]) -> Option<Later<'a, ()>> {
        let wanted = users.iter().any(|user| user.fields.contains_key(AUTH_DATA));
        wanted.then(|| -> Later<'a, ()> { Box::pin(auth_data::show_all(work, users)) })
    }

    fn redact_internal(&self, object: &mut Object) {
        object.fields.shift_remove(HASH);
    }

    /// Parse: one's own user has the token of the session, without which the SDK would take one for logged out.
    fn read_by_id(&self, caller: &Caller, user: &mut Object) {
        if let Some(session) = caller.session().filter(|_| caller.user_id() == Some(&user.id)) {
            user.fields.insert("sessionToken".into(), session.token.clone().into());
        }
    }

    fn not_updatable(&self, caller: &Caller) -> ParseError {
        if caller.is_privileged() {
            return ParseError::not_found();
        }
        // Parse: for users, "not yours" is told apart, and it is the same for ids that do not exist.
        ParseError::denied(ErrorCode::SessionMissing, "Insufficient auth.")
    }
}

fn tell_token(written: &mut Written, session: &Object) {
    if let Some(token) = session.get("sessionToken") {
        written.tell.insert("sessionToken".into(), token.clone());
    }
}

/// Parse: whoever somebody else vouches for needs no name, and gets one that nobody can guess.
fn name_the_unnamed(work: &Work, pending: &mut Pending) {
    const CHARS: usize = 25;
    let is_named = pending.update.value("username").is_some_and(Value::is_truthy);
    if pending.creating && !is_named {
        pending.update.set("username", work.engine.clock.alphanumeric(CHARS));
        pending.computed.push("username".to_owned());
    }
}

/// Parse's idea of an address: something on both sides of an `@`.
fn check_email_form(pending: &Pending) -> Result<(), ParseError> {
    let Some(email) = pending.update.value("email") else { return Ok(()) };
    let fits = match email {
        Value::Null => true,
        Value::String(text) => text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty()),
        _ => false,
    };
    if fits { Ok(()) } else { Err(refusal(ErrorCode::InvalidEmailAddress, "Email address format is invalid.")) }
}

/// Parse: names and addresses are unique whatever their case. The unique index behind them closes the gap between this
/// look and the write.
async fn check_unique(work: &Work, pending: &Pending) -> Result<(), ParseError> {
    let taken = [
        ("username", ErrorCode::UsernameTaken, "Account already exists for this username."),
        ("email", ErrorCode::EmailTaken, "Account already exists for this email address."),
    ];
    for (field, code, text) in taken {
        let Some(value) = pending.update.value(field).and_then(Value::as_str) else { continue };
        let same = Filter::Field(field.into(), Constraint::SameText(value.to_owned()));
        // Two, because the one found may be this user itself.
        let selection = Selection::new(pending.class.clone(), same, Scope::Everything)
            .range(0, Some(2))
            .only(vec![field.to_owned()]);
        if work.objects.find(&selection).await?.iter().any(|user| user.id != pending.id) {
            return Err(refusal(code, text));
        }
    }
    Ok(())
}

/// `convertEmailToLowercase` and `convertUsernameToLowercase`
fn lowercase(work: &Work, pending: &mut Pending) {
    let options = &work.engine.options.accounts;
    for (field, is_on) in [("email", options.lowercases_email), ("username", options.lowercases_username)] {
        if let Some(Op::Set(Value::String(text))) = pending.update.0.get_mut(field).filter(|_| is_on) {
            *text = text.to_lowercase();
        }
    }
}

/// Parse: users may read and write their own row, whatever ACL is sent.
fn own_acl(work: &Work, pending: &mut Pending) {
    let owner = pending.id.clone();
    if pending.creating {
        let mut acl = match pending.acl.take() {
            Some(Some(acl)) if !pending.acl_is_default => acl,
            _ if work.engine.options.enforce_private_users => Acl::default(),
            _ => Acl::default().with(PUBLIC, Access::READ),
        };
        acl.grant(owner.as_str(), Access::BOTH);
        pending.acl = Some(Some(acl));
    } else if let Some(Some(acl)) = &mut pending.acl
        && !work.caller.is_privileged()
    {
        acl.grant(owner.as_str(), Access::BOTH);
    }
}
