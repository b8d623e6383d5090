//! Logging in, checking a password, and who one is.

use std::sync::Arc;

use parsimony_cloud::{AfterLogin, AfterLogout, BeforeLogin};
use parsimony_model::builtin::Builtin;
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Filter, Object, ObjectId, Op, ParseError, Query, Value};
use parsimony_store::{Scope, Selection};

use super::auth_data::{self, second};
use super::sessions::{self, Opened};
use super::table::{HASH, Table};
use super::{lockout, policy};
use crate::caller::Caller;
use crate::work::{LogIn, Work};
use crate::{find, triggers};

fn wrong_login() -> ParseError {
    ParseError::new(ErrorCode::ObjectNotFound, "Invalid username/password.")
}

/// Logs in: opens a session and gives the user as that user may see itself, with `sessionToken`.
pub(crate) async fn log_in(work: &Work, login: LogIn) -> Result<Object, ParseError> {
    work.caller.may_write("perform the login operation")?;
    let user = check_password(work, &login).await?;
    let second = second::prove(work, &login.fields, &user).await?;
    // Not before: whoever knows the password would have as many guesses at the second factor as they like.
    lockout::right(work, &user).await?;
    policy::refuse_aged(work, &user).await?;
    let class = user.class.clone();
    if work.registry.has::<BeforeLogin>(class.as_str()) {
        let schema = work.engine.schemas.require(&class).await?;
        let user = Arc::new(find::redact::own_user(work, &schema, user.clone()));
        triggers::run(work, class.as_str(), |origin| BeforeLogin { user, origin }).await?;
    }
    let responses = second.store(work, &user).await?;
    let session = sessions::open(work, &user.id, Opened::LogIn, Map::default()).await?;
    let token = session.text("sessionToken").unwrap_or_default().to_owned();
    let mut user = as_itself(work, &token, user).await?;
    user.fields.insert("sessionToken".into(), token.as_str().into());
    if work.registry.has::<AfterLogin>(class.as_str()) {
        let known = Arc::new(user.clone());
        let mut who = (**work.caller.who()).clone();
        (who.user, who.session_token) = (Some(Arc::clone(&known)), Some(token.into()));
        triggers::run_as(work, class.as_str(), who, |origin| AfterLogin { user: known, origin }).await?;
    }
    if let Some(responses) = responses {
        user.fields.insert("authDataResponse".into(), Value::Object(responses));
    }
    Ok(user)
}

/// Ends the session of the token that was presented.
pub(crate) async fn log_out(work: &Work) -> Result<(), ParseError> {
    let Some(session) = work.caller.session() else { return Ok(()) };
    if let Some(session) = sessions::end(work, &session.token).await? {
        let (class, session) = (session.class.clone(), Arc::new(session));
        triggers::run(work, class.as_str(), |origin| AfterLogout { session, origin }).await?;
    }
    Ok(())
}

/// Checks a password and gives the user, without a session.
pub(crate) async fn verify_password(work: &Work, login: LogIn) -> Result<Object, ParseError> {
    let user = check(work, &login).await?;
    as_itself(work, "", user).await
}

/// Opens a session of somebody, with the master key. Parse: no hook runs, and the whole user is told.
pub(crate) async fn log_in_as(work: &Work, params: &Map) -> Result<Object, ParseError> {
    if !work.caller.is_master() {
        return Err(ParseError::denied(ErrorCode::OperationForbidden, "master key is required"));
    }
    work.caller.may_write("login as another user")?;
    let id = params.get("userId").filter(|id| id.is_truthy());
    let empty = || ParseError::new(ErrorCode::InvalidValue, "userId must not be empty, null, or undefined");
    let nobody = || ParseError::new(ErrorCode::ObjectNotFound, "user not found");
    let id = id.ok_or_else(empty)?.as_str().and_then(|id| ObjectId::parse(id).ok()).ok_or_else(nobody)?;
    let table = Table::of(work).await?;
    let user = table.find(Filter::id(&id), 1).await?.pop().ok_or_else(nobody)?;
    let session = sessions::open(work, &id, Opened::AsMaster, Map::default()).await?;
    let mut user = find::redact::own_user(work, table.class(), user);
    user.fields.insert("sessionToken".into(), session.get("sessionToken").cloned().unwrap_or_default());
    Ok(user)
}

/// Opens a session in the place of a token of old, or beside the session that was presented, and gives it as its user sees it.
pub(crate) async fn upgrade_session(work: &Work) -> Result<Object, ParseError> {
    let invalid = || ParseError::new(ErrorCode::ObjectNotFound, "invalid session");
    let user = Arc::clone(work.caller.account().map(|account| &account.user).ok_or_else(invalid)?);
    let session = sessions::open(work, &user.id, Opened::Upgrade, Map::default()).await?;
    let gone = [("_session_token".into(), Op::Delete)].into_iter().collect();
    Table::of(work).await?.change(Filter::everything(), &user, gone).await?;
    find::get(work, &session.class, &session.id, Query::default()).await
}

/// The user whose name and password these are. Who needs nothing else to log in has all guesses again.
pub(crate) async fn check(work: &Work, login: &LogIn) -> Result<Object, ParseError> {
    let user = check_password(work, login).await?;
    if auth_data::stored(&user).is_none_or(Map::is_empty) {
        lockout::right(work, &user).await?;
    }
    Ok(user)
}

/// The user whose name and password these are.
async fn check_password(work: &Work, login: &LogIn) -> Result<Object, ParseError> {
    let field = |name: &str| login.fields.get(name).filter(|value| !value.is_null() && **value != Value::from(""));
    let (username, email) = (field("username"), field("email"));
    if username.is_none() && email.is_none() {
        return Err(ParseError::new(ErrorCode::UsernameMissing, "username/email is required."));
    }
    let Some(password) = field("password") else {
        return Err(ParseError::new(ErrorCode::PasswordMissing, "password is required."));
    };
    let texts = [username, email, Some(password)].into_iter().flatten().all(|value| value.as_str().is_some());
    if !texts {
        return Err(wrong_login());
    }
    let password = password.as_str().unwrap_or_default().to_owned();
    let user = find_user(work, username.and_then(Value::as_str), email.and_then(Value::as_str)).await?;
    if let Some(user) = &user {
        lockout::refuse(work, user)?;
    }
    let hash = user.as_ref().and_then(|user| user.text(HASH)).map(str::to_owned);
    let right = work.engine.passwords.matches(password, hash).await?;
    let user = user.ok_or_else(wrong_login)?;
    if !right {
        lockout::wrong(work, &user).await?;
        return Err(wrong_login());
    }
    // Parse: an empty ACL locks a user out.
    let locked_out = user.acl.as_ref().is_some_and(|acl| acl.entries().next().is_none());
    if locked_out && !work.caller.is_privileged() {
        return Err(wrong_login());
    }
    let forgiven = work.caller.is_privileged() && field("ignoreEmailVerification").is_some_and(Value::is_truthy);
    let is_verified = user.get("emailVerified") == Some(&Value::Bool(true));
    if work.engine.options.accounts.needs_verified() && !is_verified && !forgiven {
        return Err(ParseError::new(ErrorCode::EmailNotFound, "User email is not verified."));
    }
    Ok(user)
}

async fn find_user(work: &Work, username: Option<&str>, email: Option<&str>) -> Result<Option<Object>, ParseError> {
    let options = &work.engine.options.accounts;
    let (name_or_address, email) = (username.map(|name| options.email(name)), email.map(|email| options.email(email)));
    let username = username.map(|name| options.username(name));
    let filter = match (username.as_deref(), email.as_deref()) {
        (Some(username), Some(email)) => Filter::equals("email", email).and(Filter::equals("username", username)),
        (None, Some(email)) => Filter::equals("email", email),
        // Parse: a user name alone may also be an e-mail address.
        (Some(name), None) => {
            let address = name_or_address.unwrap_or_default();
            Filter::Or(vec![Filter::equals("username", name), Filter::equals("email", address)])
        }
        (None, None) => return Ok(None),
    };
    let class = work.engine.schemas.require(&Builtin::User.name()).await?;
    let selection = Selection::new(class, filter, Scope::Everything).range(0, Some(2));
    let mut found = work.objects.find(&selection).await?;
    // Parse: one's name may be another's address; the name wins.
    if found.len() > 1 {
        found.retain(|user| user.text("username") == username.as_deref());
    }
    Ok(found.into_iter().next())
}

/// The user read again with its own rights; if even that is denied, its bare id.
async fn as_itself(work: &Work, token: &str, user: Object) -> Result<Object, ParseError> {
    if work.caller.is_privileged() {
        let class = work.engine.schemas.require(&Builtin::User.name()).await?;
        let mut user = find::redact::own_user(work, &class, user);
        auth_data::show(work, &mut user).await?;
        return Ok(user);
    }
    let caller = Caller::as_user(&work.engine, &work.caller, &user.id, token).await?;
    match find::get(&work.with_caller(caller), &user.class, &user.id, Query::default()).await {
        Ok(seen) => Ok(seen),
        Err(error) if error.code == ErrorCode::ObjectNotFound || error.code == ErrorCode::OperationForbidden => {
            Ok(Object { created_at: None, updated_at: None, acl: None, fields: Map::default(), ..user })
        }
        Err(error) => Err(error),
    }
}

/// The user of the presented session, with `sessionToken`.
pub(crate) async fn me(work: &Work) -> Result<Object, ParseError> {
    let denied = || ParseError::denied(ErrorCode::InvalidSessionToken, "Invalid session token");
    let session = work.caller.session().ok_or_else(denied)?;
    let user = &session.account.user;
    let mut seen = find::get(work, &user.class, &user.id, Query::default())
        .await
        .map_err(|error| if error.code == ErrorCode::ObjectNotFound { denied() } else { error })?;
    seen.fields.insert("sessionToken".into(), session.token.clone().into());
    Ok(seen)
}

/// The presented session, as its user sees it.
pub(crate) async fn my_session(work: &Work) -> Result<Object, ParseError> {
    let invalid = |text: &'static str| ParseError::new(ErrorCode::InvalidSessionToken, text);
    let Some(session) = work.caller.session() else { return Err(invalid("Session token required.")) };
    let stored = sessions::by_token(work, &session.token).await?;
    stored.ok_or_else(|| invalid("Session token not found."))
}
