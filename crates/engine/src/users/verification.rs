//! Is an address its user's? A token is sent there, and whoever brings it back proves it.

use parsimony_cloud::Occasion;
use parsimony_model::builtin::Builtin;
use parsimony_model::value::Map;
use parsimony_model::{Constraint, ErrorCode, Filter, Object, Op, ParseError, Value, map};

use super::mail;
use super::table::{TOKEN_CHARS, Table, VERIFY_ENDS, VERIFY_TOKEN};
use crate::save::{self, Pending, Provided};
use crate::work::Work;

/// A new token, and until when it is good.
fn new_token(work: &Work) -> Map {
    let mut fields = map! { VERIFY_TOKEN => work.engine.clock.alphanumeric(TOKEN_CHARS) };
    if let Some(millis) = work.engine.options.accounts.verification.token_millis {
        fields.insert(VERIFY_ENDS.into(), work.engine.clock.now().plus_millis(millis).into());
    }
    fields
}

/// A user who is being saved has a new address: it is not verified yet.
pub(crate) fn begin(work: &Work, pending: &mut Pending) {
    let is_address = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    if !work.engine.options.accounts.verification.on || !pending.update.value("email").is_some_and(is_address) {
        return;
    }
    for (field, value) in new_token(work) {
        pending.internal.update.0.entry(field).or_insert(Op::Set(value));
    }
    // Parse: a hook may know better.
    if !pending.computed.iter().any(|field| field == "emailVerified") {
        pending.update.set("emailVerified", false);
    }
    pending.begins_verification = true;
}

/// Writes to a user whose address is to be verified, unless letters of that kind are off.
pub(crate) async fn write(work: &Work, user: &Object) -> Result<(), ParseError> {
    let options = &work.engine.options.accounts.verification;
    match user.text(VERIFY_TOKEN) {
        Some(token) if options.on && options.sends => mail::write(work, Occasion::Verification, user, token).await,
        _ => Ok(()),
    }
}

/// Asked for once more by the user, `/verificationEmailRequest`.
pub(crate) async fn request(work: &Work, body: &Map) -> Result<(), ParseError> {
    mail::require(work)?;
    let email = match body.get("email") {
        Some(Value::String(email)) if !email.is_empty() => email.clone(),
        Some(value) if value.is_truthy() => {
            return Err(ParseError::new(ErrorCode::InvalidEmailAddress, "you must provide a valid email string"));
        }
        _ => return Err(ParseError::new(ErrorCode::EmailMissing, "you must provide an email")),
    };
    mail::evenly(work.engine.options.limits.account_answer_step, write_again(work, &email)).await
}

async fn write_again(work: &Work, email: &str) -> Result<(), ParseError> {
    let hides = work.engine.options.accounts.verification.hides_unknown;
    let table = Table::of(work).await?;
    let address = work.engine.options.accounts.email(email);
    let found = table.find(Filter::equals("email", address), 1).await?.pop();
    match found {
        Some(user) if user.get("emailVerified") != Some(&Value::Bool(true)) => renew(work, &table, &user).await,
        _ if hides => Ok(()),
        Some(_) => Err(ParseError::new(ErrorCode::OtherCause, format!("Email {email} is already verified."))),
        None => Err(ParseError::new(ErrorCode::EmailNotFound, format!("No user found with email {email}"))),
    }
}

/// Asked for once more on a page, by name, by token, or by both. `false` if there is nobody to write to.
pub(crate) async fn resend(work: &Work, username: Option<&str>, token: Option<&str>) -> Result<bool, ParseError> {
    let table = Table::of(work).await?;
    let name = username.map(|name| Filter::equals("username", work.engine.options.accounts.username(name)));
    let conditions: Vec<Filter> =
        name.into_iter().chain(token.map(|token| Filter::equals(VERIFY_TOKEN, token))).collect();
    if conditions.is_empty() {
        return Ok(false);
    }
    let work_on = async {
        match table.only(Filter::And(conditions)).await? {
            Some(user) if user.get("emailVerified") != Some(&Value::Bool(true)) => {
                renew(work, &table, &user).await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    };
    mail::evenly(work.engine.options.limits.account_answer_step, work_on).await
}

/// Gives a user another token, unless the one there is is still good and may be sent again, and writes.
async fn renew(work: &Work, table: &Table<'_>, user: &Object) -> Result<(), ParseError> {
    let options = &work.engine.options.accounts.verification;
    if !options.on {
        return Ok(());
    }
    let ends = user.get(VERIFY_ENDS).and_then(Value::as_date);
    let is_good = user.text(VERIFY_TOKEN).is_some() && ends.is_some_and(|ends| work.engine.clock.now() < ends);
    if options.reuses_token && options.token_millis.is_some() && is_good {
        return write(work, user).await;
    }
    let mut fields = new_token(work);
    fields.insert("emailVerified".into(), false.into());
    // Verified a moment ago: then there is nothing to send.
    let unverified = Filter::Field("emailVerified".into(), Constraint::NotEquals(true.into()));
    match table.set(unverified, user, fields).await? {
        Some(user) => write(work, &user).await,
        None => Ok(()),
    }
}

/// Takes a token back: the address of its user is verified. `false` if the token is none, or not good any more.
pub(crate) async fn verify(work: &Work, token: &str) -> Result<bool, ParseError> {
    let options = &work.engine.options.accounts.verification;
    if !options.on || token.is_empty() || token.len() > work.engine.options.limits.token_chars_max {
        return Ok(false);
    }
    let mut condition = Filter::equals(VERIFY_TOKEN, token);
    let mut internal = vec![(VERIFY_TOKEN.into(), Op::Delete)];
    if options.token_millis.is_some() {
        let good = Constraint::Greater(work.engine.clock.now().into());
        condition = condition.and(Filter::equals("emailVerified", false)).and(Filter::Field(VERIFY_ENDS.into(), good));
        internal.push((VERIFY_ENDS.into(), Op::Delete));
    }
    let Some(user) = Table::of(work).await?.only(condition.clone()).await? else { return Ok(false) };
    let provided = Provided { only_if: Some(condition), internal: internal.into_iter().collect() };
    let body = map! { "emailVerified" => true };
    match save::save_provided(work, &Builtin::User.name(), Some(&user.id), body, provided).await {
        Ok(_) => Ok(true),
        // Another request was first.
        Err(error) if error.code == ErrorCode::ObjectNotFound => Ok(false),
        Err(error) => Err(error),
    }
}
