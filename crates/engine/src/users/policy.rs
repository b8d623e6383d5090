//! Is a new password good enough, and what is remembered of the old ones? `passwordPolicy`.

use std::sync::Arc;

use parsimony_model::permissions::Operation;
use parsimony_model::{ErrorCode, Filter, Object, Op, ParseError, Value};
use parsimony_store::Selection;

use super::table::{HASH, RESET_ENDS, RESET_TOKEN, Table};
use crate::access::rows;
use crate::classes::rules_for;
use crate::save::Pending;
use crate::work::Work;

/// The hashes of old passwords.
const HISTORY: &str = "_password_history";
/// When the password was set.
const CHANGED: &str = "_password_changed_at";

fn refusal(text: impl Into<std::borrow::Cow<'static, str>>) -> ParseError {
    ParseError::new(ErrorCode::ValidationError, text)
}

/// Judges the new password of a user who is being saved, if there is one, and puts its hash in its place.
pub(crate) async fn take_password(work: &Work, pending: &mut Pending) -> Result<(), ParseError> {
    forget_reset_token(pending);
    let Some(Op::Set(password)) = pending.update.0.shift_remove("password") else { return Ok(()) };
    let password = password.as_str().unwrap_or_default().to_owned();
    let policy = &work.engine.options.accounts.policy;
    // A match that would take too long is none.
    if policy.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(&password).unwrap_or(false)) {
        let usual = || "Password does not meet the Password Policy requirements.".to_owned();
        return Err(refusal(policy.refusal.clone().unwrap_or_else(usual)));
    }
    let new_name = pending.update.value("username").and_then(Value::as_str).map(str::to_owned);
    let asks_for_name = policy.refuses_username && new_name.is_none();
    let before = if !pending.creating && (policy.history > 0 || asks_for_name) {
        Some(as_changed_by(work, pending).await?)
    } else {
        None
    };
    let name = new_name.or_else(|| before.as_ref().and_then(|user| user.text("username").map(str::to_owned)));
    if policy.refuses_username && name.is_some_and(|name| !name.is_empty() && password.contains(&name)) {
        return Err(refusal("Password cannot contain your username."));
    }
    if let Some(before) = before.filter(|_| policy.history > 0) {
        remember(work, pending, &before, &password).await?;
    }
    if policy.age_millis_max.is_some() {
        pending.internal.update.set(CHANGED, work.engine.clock.now());
    }
    let hash = work.engine.passwords.hash(password).await?;
    pending.update.set(HASH, hash);
    Ok(())
}

/// A token that was sent is not good any more when the password or the address is another one.
fn forget_reset_token(pending: &mut Pending) {
    if !pending.creating && (pending.update.touches("password") || pending.update.touches("email")) {
        for field in [RESET_TOKEN, RESET_ENDS] {
            pending.internal.update.0.entry(field.into()).or_insert(Op::Delete);
        }
    }
}

/// The user as stored, if the caller may change it: who may not learns nothing of its passwords.
async fn as_changed_by(work: &Work, pending: &Pending) -> Result<Object, ParseError> {
    let filter = Filter::id(&pending.id);
    let filter = rows::narrow(&work.caller, &pending.class, pending.leave.clone(), Operation::Update, filter)?;
    let selection = Selection::new(Arc::clone(&pending.class), filter, work.caller.write_scope()).range(0, Some(1));
    let found = work.objects.find(&selection).await?.pop();
    found.ok_or_else(|| rules_for(&pending.class.name).not_updatable(&work.caller))
}

/// Refuses a password that was used before, and remembers the one that is replaced.
async fn remember(work: &Work, pending: &mut Pending, before: &Object, password: &str) -> Result<(), ParseError> {
    let kept = work.engine.options.accounts.policy.history;
    let hashes = before.get(HISTORY).and_then(Value::as_array).unwrap_or_default();
    let mut hashes: Vec<String> = hashes.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    hashes.extend(before.text(HASH).map(str::to_owned));
    // With the one that is valid, so many; the oldest stand first.
    hashes.drain(..hashes.len().saturating_sub(kept));
    for hash in &hashes {
        if work.engine.passwords.matches(password.to_owned(), Some(hash.clone())).await? {
            return Err(refusal(format!("New password should not be the same as last {kept} passwords.")));
        }
    }
    hashes.drain(..hashes.len().saturating_sub(kept.saturating_sub(1).max(1)));
    let hashes: Vec<Value> = hashes.into_iter().map(Value::from).collect();
    pending.internal.update.set(HISTORY, Value::Array(hashes));
    Ok(())
}

/// Refuses a login with a password that is too old. One that was set before there was a policy begins to age now.
pub(crate) async fn refuse_aged(work: &Work, user: &Object) -> Result<(), ParseError> {
    let Some(age_max) = work.engine.options.accounts.policy.age_millis_max else { return Ok(()) };
    let now = work.engine.clock.now();
    match user.get(CHANGED).and_then(Value::as_date) {
        Some(changed) if changed.plus_millis(age_max) < now => {
            let text = "Your password has expired. Please reset your password.";
            Err(ParseError::new(ErrorCode::ObjectNotFound, text))
        }
        Some(_) => Ok(()),
        None => {
            let fields = parsimony_model::map! { CHANGED => now };
            Table::of(work).await?.set(Filter::everything(), user, fields).await?;
            Ok(())
        }
    }
}
