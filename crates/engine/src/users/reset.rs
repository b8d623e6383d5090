//! Who forgot the password sets a new one: a token is sent to the user, and is good for one new password.

use std::sync::Arc;

use parsimony_cloud::{BeforePasswordResetRequest, Occasion};
use parsimony_model::builtin::Builtin;
use parsimony_model::value::Map;
use parsimony_model::{Constraint, ErrorCode, Filter, Object, ParseError, Update, Value, map};

use super::table::{RESET_ENDS, RESET_TOKEN, TOKEN_CHARS, Table};
use super::{lockout, mail};
use crate::find::redact;
use crate::save::{self, Provided};
use crate::triggers;
use crate::work::Work;

/// The refusal of a token that is none, or has been used.
const INVALID: &str = "Failed to reset password: username / email / token is invalid";

/// The refusal of a token that is too old.
const EXPIRED: &str = "The password reset link has expired";

fn refusal(code: ErrorCode, text: &'static str) -> ParseError {
    ParseError::new(code, text)
}

/// `/requestPasswordReset`: by address, or by a token that has expired.
pub(crate) async fn request(work: &Work, body: &Map) -> Result<(), ParseError> {
    mail::require(work)?;
    let sent = |name: &str| body.get(name).filter(|value| value.is_truthy());
    let (email, token) = (sent("email"), sent("token"));
    if email.is_none() && token.is_none() {
        return Err(refusal(ErrorCode::EmailMissing, "you must provide an email"));
    }
    let token = match token {
        Some(Value::String(token)) => Some(token.as_str()),
        Some(_) => return Err(refusal(ErrorCode::InvalidValue, "token must be a string")),
        None => None,
    };
    let begun = begin(work, email.and_then(Value::as_str), token);
    mail::evenly(work.engine.options.limits.account_answer_step, begun).await
}

async fn begin(work: &Work, email: Option<&str>, token: Option<&str>) -> Result<(), ParseError> {
    let table = Table::of(work).await?;
    let found = match (token, email) {
        (Some(token), _) => {
            let over = Constraint::Less(work.engine.clock.now().into());
            let filter = Filter::equals(RESET_TOKEN, token).and(Filter::Field(RESET_ENDS.into(), over));
            table.find(filter, 1).await?.pop()
        }
        (None, Some(email)) => table.find(table.addressed(email), 1).await?.pop(),
        (None, None) => None,
    };
    let of_token = found.as_ref().filter(|_| token.is_some()).and_then(|user| user.text("email"));
    let Some(email) = of_token.or(email).map(str::to_owned) else {
        return Err(refusal(ErrorCode::InvalidEmailAddress, "you must provide a valid email string"));
    };
    if let Some(user) = &found {
        let known = Arc::new(redact::own_user(work, table.class(), user.clone()));
        let class = user.class.as_str();
        triggers::run(work, class, |origin| BeforePasswordResetRequest { user: known, origin }).await?;
    }
    let user = match found {
        Some(user) if token.is_none() => Some(user),
        _ => table.find(table.addressed(&email), 1).await?.pop(),
    };
    let Some(user) = user else {
        return if work.engine.options.accounts.policy.hides_unknown {
            Ok(())
        } else {
            Err(refusal(ErrorCode::ObjectNotFound, "A user with that email does not exist."))
        };
    };
    let Some(user) = with_token(work, &table, user).await? else { return Ok(()) };
    let token = user.text(RESET_TOKEN).unwrap_or_default();
    mail::write(work, Occasion::PasswordReset, &user, token).await
}

/// The user with a token that is good; `None` if the user has gone meanwhile.
async fn with_token(work: &Work, table: &Table<'_>, user: Object) -> Result<Option<Object>, ParseError> {
    let policy = &work.engine.options.accounts.policy;
    let now = work.engine.clock.now();
    let ends = user.get(RESET_ENDS).and_then(Value::as_date);
    let is_good = user.text(RESET_TOKEN).is_some() && ends.is_some_and(|ends| now < ends);
    if policy.reuses_reset_token && policy.reset_millis.is_some() && is_good {
        return Ok(Some(user));
    }
    let mut fields = map! { RESET_TOKEN => work.engine.clock.alphanumeric(TOKEN_CHARS) };
    if let Some(millis) = policy.reset_millis {
        fields.insert(RESET_ENDS.into(), now.plus_millis(millis).into());
    }
    table.set(Filter::everything(), &user, fields).await
}

/// The user of a token that may be used; the refusal is what a page tells.
pub(crate) async fn user_of(work: &Work, token: &str) -> Result<Object, ParseError> {
    let invalid = || refusal(ErrorCode::OtherCause, INVALID);
    if token.is_empty() || token.len() > work.engine.options.limits.token_chars_max {
        return Err(invalid());
    }
    let user = Table::of(work).await?.only(Filter::equals(RESET_TOKEN, token)).await?.ok_or_else(invalid)?;
    let ends = user.get(RESET_ENDS).and_then(Value::as_date);
    let limited = work.engine.options.accounts.policy.reset_millis.is_some();
    if limited && ends.is_some_and(|ends| ends < work.engine.clock.now()) {
        return Err(refusal(ErrorCode::OtherCause, EXPIRED));
    }
    Ok(user)
}

/// Sets a new password by token. Of several that come with one token, one succeeds: the token is part of the condition of
/// the write that takes it away.
pub(crate) async fn reset(work: &Work, token: &str, password: &str) -> Result<(), ParseError> {
    let user = user_of(work, token).await?;
    let only_if = Some(Filter::equals(RESET_TOKEN, token));
    let provided = Provided { only_if, internal: Update::default() };
    let body = map! { "password" => password };
    match save::save_provided(work, &Builtin::User.name(), Some(&user.id), body, provided).await {
        Ok(_) => lockout::open(work, &user).await,
        Err(error) if error.code == ErrorCode::ObjectNotFound => Err(refusal(ErrorCode::OtherCause, INVALID)),
        Err(error) => Err(error),
    }
}
