//! Is what was sent true? Each provider is asked, one after the other, so that none is troubled after another has refused.

use std::sync::Arc;

use parsimony_cloud::auth::{AuthRequest, Provider, Validated};
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Object, ParseError, Value};

use super::{stored, unsupported};
use crate::host;
use crate::triggers;
use crate::work::Work;

/// What the providers made of what was sent.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// What is to be stored: null takes a provider away.
    pub(super) save: Map,
    /// What the client is told.
    pub(super) responses: Map,
    /// The providers whose stored data must still be what it was.
    pub(super) once: Vec<String>,
    /// Why the request is refused after all is stored.
    pub(super) refusal: Option<ParseError>,
}

/// What an adapter is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    SetUp,
    LogIn,
    Update,
}

/// Asks the providers of all that was sent, in the order of their names. `user` is whom it concerns, if there is one yet.
pub(super) async fn validate(work: &Work, sent: &Map, user: Option<&Object>) -> Result<Outcome, ParseError> {
    let user = user.map(known);
    let is_own = |user: &Object| {
        work.caller.is_privileged() || work.caller.account().is_some_and(|account| account.user.id == user.id)
    };
    let logged_in = user.as_deref().is_some_and(is_own);
    let mut providers: Vec<_> = sent.iter().collect();
    providers.sort_unstable_by(|one, other| one.0.cmp(other.0));
    let mut outcome = Outcome::default();
    for (provider, data) in providers {
        let Value::Object(data) = data else {
            outcome.save.insert(provider.clone(), Value::Null);
            continue;
        };
        let known = work.engine.auth.get(provider).filter(|known| known.enabled).ok_or_else(unsupported)?;
        let has_it = user.as_deref().and_then(stored).is_some_and(|stored| stored.contains_key(provider));
        let step = match (logged_in, has_it) {
            (true, true) => Step::Update,
            (false, true) => Step::LogIn,
            (_, false) => Step::SetUp,
        };
        let asked = guarded(work, ask(work, known, (provider, data, step), user.clone()));
        let validated = asked.await.inspect_err(|error| {
            let request_id = &*work.caller.who().request_id;
            tracing::info!(provider = %provider, ?step, request_id, %error, "an identity provider refused");
        })?;
        keep(&mut outcome, (provider, data), validated);
        if outcome.refusal.is_some() {
            break;
        }
    }
    Ok(outcome)
}

async fn ask(
    work: &Work,
    known: &Provider,
    (provider, data, step): (&str, &Map, Step),
    user: Option<Arc<Object>>,
) -> Result<Validated, ParseError> {
    let request = request(work, provider, user)?;
    let adapter = &known.adapter;
    adapter.validate_app_id(data, &request).await?;
    match step {
        Step::SetUp => adapter.validate_set_up(data, &request).await,
        Step::LogIn => adapter.validate_log_in(data, &request).await,
        Step::Update => adapter.validate_update(data, &request).await,
    }
}

/// Asks an adapter, for so long and no longer. A panic in it is a failure of that request, not of the server.
pub(super) async fn guarded<T>(
    work: &Work,
    asked: impl Future<Output = Result<T, ParseError>>,
) -> Result<T, ParseError> {
    let asked = tokio::time::timeout(work.engine.options.limits.auth_time_max, host::guarded(asked));
    asked.await.unwrap_or_else(|_| Err(ParseError::new(ErrorCode::Timeout, "The identity provider took too long.")))
}

/// A user as an adapter may know it: hashes and tokens are not for it.
pub(super) fn known(user: &Object) -> Arc<Object> {
    let mut user = user.clone();
    user.fields.retain(|field, _| !field.starts_with('_'));
    Arc::new(user)
}

/// What an adapter may know of a request.
pub(super) fn request(work: &Work, provider: &str, user: Option<Arc<Object>>) -> Result<AuthRequest, ParseError> {
    Ok(AuthRequest { provider: provider.into(), user, is_challenge: false, origin: triggers::origin(work)? })
}

fn keep(outcome: &mut Outcome, (provider, data): (&str, &Map), validated: Validated) {
    let Validated { response, do_not_save, save, once, refusal } = validated;
    if let Some(response) = response {
        outcome.responses.insert(provider.into(), response);
    }
    if !do_not_save {
        outcome.save.insert(provider.into(), Value::Object(save.unwrap_or_else(|| data.clone())));
    }
    if once {
        outcome.once.push(provider.to_owned());
    }
    outcome.refusal = refusal;
}
