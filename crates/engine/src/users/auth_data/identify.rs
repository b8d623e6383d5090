//! What becomes of `authData` in a save? Whoever is known by it logs in, whoever is not signs up, and whoever is logged in
//! links it.

use std::sync::Arc;

use parsimony_cloud::BeforeLogin;
use parsimony_model::value::Map;
use parsimony_model::{Object, ObjectId, Op, ParseError, Value};

use super::validate::{Outcome, validate};
use super::{AUTH_DATA, Identity, changes, policy, search, show, stored, used};
use crate::access::fields::Hidden;
use crate::classes::{Ended, rules_for};
use crate::find::redact;
use crate::save::SaveRequest;
use crate::triggers;
use crate::users::sessions::{self, Opened};
use crate::work::{Saved, Work};

/// Asks the providers. `Some` if somebody has logged in by it, so that there is nothing to save.
pub(crate) async fn identify(work: &Work, request: &mut SaveRequest) -> Result<Option<Ended>, ParseError> {
    let Some(Op::Set(Value::Object(sent))) = request.update.get(AUTH_DATA) else { return Ok(None) };
    let mut sent = sent.clone();
    let target = target(work, request).await?;
    search::prepare(work, &mut sent, target.as_ref().and_then(stored)).await?;
    let mut found = search::users(work, &sent).await?;
    let who = target.as_ref().map(|user| &user.id).or_else(|| own_id(work));
    let is_other = |user: &Object| who.is_some_and(|who| *who != user.id);
    if found.len() > 1 || found.first().is_some_and(is_other) {
        // Only whoever can prove that it is theirs learns that it is used.
        validate(work, &sent, found.first()).await?;
        return Err(used());
    }
    match found.pop() {
        None => {
            let user = target.or_else(|| work.caller.account().map(|account| Object::clone(&account.user)));
            let asked = match &user {
                Some(user) if !request.creating => changes::new_of(&sent, user),
                _ => sent,
            };
            if asked.is_empty() {
                request.update.0.shift_remove(AUTH_DATA);
                return Ok(None);
            }
            let outcome = validate(work, &asked, user.as_ref()).await?;
            take(request, outcome, target_of(request, user.as_ref()));
            Ok(None)
        }
        Some(user) if request.creating => log_in(work, sent, user).await.map(|ended| Some(Box::new(ended))),
        Some(user) => {
            let new = changes::new_of(&sent, &user);
            if new.is_empty() {
                request.update.0.shift_remove(AUTH_DATA);
                return Ok(None);
            }
            let outcome = validate(work, &new, Some(&user)).await?;
            take(request, outcome, Some(&user));
            Ok(None)
        }
    }
}

/// The user of the session, if there is one.
fn own_id(work: &Work) -> Option<&ObjectId> {
    work.caller.account().map(|account| &account.user.id)
}

fn target_of<'a>(request: &SaveRequest, user: Option<&'a Object>) -> Option<&'a Object> {
    if request.creating { None } else { user }
}

/// The user that is to be changed. Whoever may not change it learns nothing, and no provider is asked.
async fn target(work: &Work, request: &SaveRequest) -> Result<Option<Object>, ParseError> {
    let Some(id) = request.id.as_ref().filter(|_| !request.creating) else { return Ok(None) };
    let user = search::user(work, id).await?.filter(|user| work.caller.write_scope().admits(user));
    user.map(Some).ok_or_else(|| rules_for(&request.class).not_updatable(&work.caller))
}

/// Puts what the providers said in the place of what was sent.
fn take(request: &mut SaveRequest, outcome: Outcome, user: Option<&Object>) {
    let providers: Vec<&str> = outcome.save.keys().map(compact_str::CompactString::as_str).collect();
    request.identity = Some(Box::new(Identity {
        providers: (!providers.is_empty()).then(|| providers.join(",")),
        still: user.map(|user| changes::still(&outcome, user)).unwrap_or_default(),
        responses: Some(outcome.responses),
        refusal: outcome.refusal,
    }));
    if outcome.save.is_empty() {
        request.update.0.shift_remove(AUTH_DATA);
    } else {
        request.update.set(AUTH_DATA, outcome.save);
    }
}

/// Logs somebody in who is known by what was sent. Parse: nothing is saved, so no hook of a save runs.
async fn log_in(work: &Work, sent: Map, user: Object) -> Result<(Saved, Object), ParseError> {
    let class = work.engine.schemas.require(&user.class).await?;
    let new = changes::new_of(&sent, &user);
    let is_known = own_id(work) == Some(&user.id) || work.caller.is_master();
    if work.registry.has::<BeforeLogin>(user.class.as_str()) {
        let mut seen = redact::own_user(work, &class, user.clone());
        // Parse: the hook sees who vouches for the user, as it is stored.
        seen.fields.extend(user.get(AUTH_DATA).map(|providers| (AUTH_DATA.into(), providers.clone())));
        let seen = Arc::new(seen);
        triggers::run(work, user.class.as_str(), |origin| BeforeLogin { user: seen, origin }).await?;
    }
    policy::require(work, Some(&sent), &user).await?;
    let mut seen = user.clone();
    let mut told = Map::default();
    if !(new.is_empty() && is_known) {
        // Whoever is not known yet proves everything, not only what is new.
        let asked = if own_id(work).is_some() { &new } else { &sent };
        let outcome = validate(work, asked, Some(&user)).await?;
        changes::store(work, &outcome, &user).await?;
        if let Some(refusal) = outcome.refusal {
            return Err(refusal);
        }
        let mut providers = stored(&user).cloned().unwrap_or_default();
        providers.extend(outcome.save);
        seen.fields.insert(AUTH_DATA.into(), Value::Object(providers));
        told.insert("authDataResponse".into(), Value::Object(outcome.responses));
    }
    let mut seen = as_itself(work, seen).await?;
    // Parse: whoever has a session already needs no other; the server's own side gets none.
    if own_id(work).is_none() && work.caller.installation_id.as_deref() != Some(crate::caller::CLOUD) {
        let providers: Vec<&str> = sent.keys().map(compact_str::CompactString::as_str).collect();
        let opened = Opened::LogInBy(&providers.join(","));
        let session = sessions::open(work, &user.id, opened, Map::default()).await?;
        let token = session.get("sessionToken").cloned().unwrap_or_default();
        seen.fields.insert("sessionToken".into(), token);
    }
    seen.fields.extend(told);
    let mut answer = seen.to_map();
    answer.shift_remove("className");
    if !work.engine.options.protected_fields_save_response_exempt {
        let class = work.engine.schemas.require(&user.class).await?;
        let hidden = Hidden::from(&work.caller, &class, &work.engine.options);
        hidden.remove_from_answer(&work.caller, &seen, &mut answer);
    }
    Ok((Saved { id: user.id.clone(), created: false, found: true, answer }, seen))
}

/// The user as it sees itself: Parse: with its address and what its providers show.
async fn as_itself(work: &Work, user: Object) -> Result<Object, ParseError> {
    let class = work.engine.schemas.require(&user.class).await?;
    let providers = user.get(AUTH_DATA).cloned();
    let mut seen = redact::own_user(work, &class, user);
    if let Some(providers) = providers {
        seen.fields.insert(AUTH_DATA.into(), providers);
    }
    show(work, &mut seen).await?;
    Ok(seen)
}
