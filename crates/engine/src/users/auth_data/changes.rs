//! What of it is new, and is what is stored still as it was read? Of many who bring the same one-time code, the database lets
//! one win.

use std::sync::Arc;

use compact_str::format_compact;
use parsimony_model::builtin::Builtin;
use parsimony_model::value::Map;
use parsimony_model::{Constraint, Filter, Object, Op, ParseError, Value};
use parsimony_store::{Change, Scope, Selection, StoreError};

use super::validate::Outcome;
use super::{AUTH_DATA, outrun, search, stored, used};
use crate::save::Pending;
use crate::work::Work;

/// Parse: who sends a part of what is stored, with the same values, has changed nothing.
pub(super) fn differs(sent: &Map, stored: &Map) -> bool {
    sent.iter().any(|(key, value)| stored.get(key) != Some(value))
}

/// What of it the user does not have like that.
pub(super) fn new_of(sent: &Map, user: &Object) -> Map {
    let Some(has) = stored(user) else { return sent.clone() };
    let is_new = |provider: &str, data: &Value| match (data, has.get(provider)) {
        (Value::Object(data), Some(Value::Object(stored))) => differs(data, stored),
        _ => true,
    };
    let new = sent.iter().filter(|(provider, data)| is_new(provider, data));
    new.map(|(provider, data)| (provider.clone(), data.clone())).collect()
}

/// What must still be so when this is stored: each value that it takes away or changes; and for a provider whose codes count
/// once, everything.
pub(super) fn still(outcome: &Outcome, user: &Object) -> Vec<Filter> {
    let Some(has) = stored(user) else { return Vec::new() };
    let mut conditions = Vec::new();
    for (provider, new) in &outcome.save {
        let before = has.get(provider).and_then(Value::as_object);
        let path = |key: &str| format_compact!("{AUTH_DATA}.{provider}.{key}");
        let is_plain = |key: &str| !key.contains(['.', '$', '\0']);
        for (key, value) in before.into_iter().flatten().filter(|(key, _)| is_plain(key)) {
            let comparable = matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_));
            if comparable && new.as_object().and_then(|new| new.get(key)) != Some(value) {
                conditions.push(Filter::Field(path(key), Constraint::Equals(value.clone())));
            }
            if let Value::Array(items) = value {
                let gone = items.iter().filter(|item| !kept(new, key, item) && item.as_str().is_some());
                conditions.extend(gone.map(|item| Filter::Field(path(key), Constraint::Equals(item.clone()))));
            }
        }
        if outcome.once.iter().any(|once| once == provider) {
            let added = new.as_object().into_iter().flatten().filter(|(key, _)| is_plain(key));
            let added = added.filter(|(key, _)| before.is_none_or(|before| !before.contains_key(*key)));
            conditions.extend(added.map(|(key, _)| Filter::Field(path(key), Constraint::Exists(false))));
        }
    }
    conditions
}

fn kept(new: &Value, key: &str, item: &Value) -> bool {
    let list = new.as_object().and_then(|new| new.get(key)).and_then(Value::as_array);
    list.is_some_and(|list| list.contains(item))
}

/// Stores what the providers said of a user who logs in; nothing else of the user changes.
pub(super) async fn store(work: &Work, outcome: &Outcome, user: &Object) -> Result<(), ParseError> {
    let has = stored(user);
    let is_new = |provider: &str, data: &Value| has.and_then(|has| has.get(provider)) != Some(data);
    let update = apart(outcome.save.iter().filter(|(provider, data)| is_new(provider, data)));
    if update.0.is_empty() {
        return Ok(());
    }
    let class = work.engine.schemas.require(&Builtin::User.name()).await?;
    let now = work.engine.clock.now();
    // Parse: a login is no change of the user.
    let change = Change { update, acl: None, updated_at: user.updated_at.unwrap_or(now) };
    let filter = still(outcome, user).into_iter().fold(Filter::id(&user.id), Filter::and);
    let selection = Selection::new(Arc::clone(&class), filter, Scope::Everything);
    let written = work.objects.update(&selection, &change).await.map_err(|error| match error {
        StoreError::Duplicate { index } if is_of_provider(&index) => used(),
        other => other.into(),
    })?;
    work.engine.accounts.forget_user(&user.id);
    written.map(drop).ok_or_else(outrun)
}

/// Whether a unique index is one of the ids of a provider.
pub(crate) fn is_of_provider(index: &str) -> bool {
    index.contains("auth_data_") || index.contains("authData.")
}

/// The providers as changes of their own, so that those that are not named stay.
fn apart<'a>(providers: impl Iterator<Item = (&'a compact_str::CompactString, &'a Value)>) -> parsimony_model::Update {
    let change = |(provider, data): (&compact_str::CompactString, &Value)| {
        let op = if data.is_null() { Op::Delete } else { Op::Set(data.clone()) };
        (format_compact!("{AUTH_DATA}.{provider}"), op)
    };
    providers.map(change).collect()
}

/// Refuses ids that somebody else has, after a hook may have changed them. The unique indexes close the gap between this look
/// and the write.
pub(crate) async fn refuse_others(work: &Work, pending: &Pending) -> Result<(), ParseError> {
    let Some(Value::Object(providers)) = pending.update.value(AUTH_DATA) else { return Ok(()) };
    if search::users(work, providers).await?.iter().any(|user| user.id != pending.id) {
        return Err(used());
    }
    Ok(())
}

/// Writes the providers apart, so that those that are not named stay; a new user has none that is null.
pub(crate) fn write_apart(pending: &mut Pending) {
    let Some(Value::Object(mut providers)) = pending.update.value(AUTH_DATA).cloned() else { return };
    pending.update.0.shift_remove(AUTH_DATA);
    if !pending.creating {
        pending.update.0.extend(apart(providers.iter()).0);
        return;
    }
    providers.retain(|_, data| !data.is_null());
    if !providers.is_empty() {
        pending.update.set(AUTH_DATA, providers);
    }
}

#[cfg(test)]
mod tests {
    use parsimony_model::{ClassName, ObjectId, map};

    use super::*;

    fn user(providers: Map) -> Object {
        Object {
            class: ClassName::parse("_User").unwrap(),
            id: ObjectId::parse("u").unwrap(),
            created_at: None,
            updated_at: None,
            acl: None,
            fields: map! { "authData" => providers },
        }
    }

    #[test]
    fn a_part_of_what_is_stored_is_nothing_new() {
        let has = user(map! {
            "p" => map! { "id" => "1", "token" => "t" }, "anonymous" => map! { "id" => "a" },
        });
        let new = |sent: Map| new_of(&sent, &has).keys().map(ToString::to_string).collect::<Vec<_>>();
        assert!(new(map! { "p" => map! { "id" => "1" } }).is_empty());
        assert!(
            new(map! { "p" => map! { "id" => "1", "token" => "t" }, "anonymous" => map! { "id" => "a" } }).is_empty()
        );
        assert_eq!(new(map! { "p" => map! { "id" => "1", "token" => "u" } }), ["p"]);
        assert_eq!(new(map! { "p" => Value::Null, "anonymous" => Value::Null }), ["p", "anonymous"]);
        assert_eq!(new(map! { "q" => map! {} }), ["q"]);
    }

    #[test]
    fn what_is_used_up_must_still_be_there() {
        let codes = |codes: &[&str]| Value::Array(codes.iter().map(|code| (*code).into()).collect());
        let has = user(map! { "mfa" => map! { "secret" => "s", "recovery" => codes(&["a", "b"]) } });
        let save = |mfa: Map| map! { "mfa" => mfa };
        let used = Outcome { save: save(map! { "secret" => "s", "recovery" => codes(&["b"]) }), ..Outcome::default() };
        let equals = |path: &str, value: &str| Filter::Field(path.into(), Constraint::Equals(value.into()));
        assert_eq!(still(&used, &has), [equals("authData.mfa.recovery", "a")]);
        let counted = Outcome {
            save: save(map! { "secret" => "s", "recovery" => codes(&["a", "b"]), "step" => 5 }),
            once: vec!["mfa".to_owned()],
            ..Outcome::default()
        };
        assert_eq!(still(&counted, &has), [Filter::Field("authData.mfa.step".into(), Constraint::Exists(false))]);
    }
}
