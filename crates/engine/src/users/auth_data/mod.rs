//! What clients send as `authData`: who vouches for somebody, what is kept of it, and who may log in by it.
//!
//! | question | file |
//! | --- | --- |
//! | what becomes of it in a save: a signup, a login, a link | `identify.rs` |
//! | whose is it | `search.rs` |
//! | is it true | `validate.rs` |
//! | is it enough | `policy.rs` |
//! | what of it is new, and is it still as it was read | `changes.rs` |
//! | what does it do to a login by password | `second.rs` |
//! | what is needed before | `challenge.rs` |
//! | what of it is shown | `shown.rs` |

pub(crate) mod challenge;
mod changes;
mod identify;
mod policy;
mod search;
pub(crate) mod second;
mod shown;
mod validate;

use std::sync::Arc;

use compact_str::{CompactString, format_compact};
use parsimony_cloud::auth::{ANONYMOUS, AuthAdapter, AuthRequest, Provider, Providers, Validated};
use parsimony_cloud::{Pending, Registry};
use parsimony_model::schema::Index;
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Filter, Object, Op, ParseError, Update, Value};

use crate::engine::Engine;
use crate::options::Options;

pub(crate) use self::changes::{is_of_provider, refuse_others, write_apart};
pub(crate) use self::identify::identify;
pub(crate) use self::shown::{show, show_all};

/// The field.
pub(crate) const AUTH_DATA: &str = "authData";

/// What came of the `authData` of a save.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    /// The providers that were asked, by comma; none if there was nothing to ask.
    pub(crate) providers: Option<String>,
    /// What the client is told as `authDataResponse`.
    pub(crate) responses: Option<Map>,
    /// What the user must still have for the change to count.
    pub(crate) still: Vec<Filter>,
    /// Why the save is refused after it was written.
    pub(crate) refusal: Option<ParseError>,
}

/// Whether an update brings something that a provider may vouch for. Parse: an empty object is nothing.
pub(crate) fn is_sent(update: &Update) -> bool {
    let Some(Value::Object(providers)) = update.value(AUTH_DATA) else { return false };
    providers.values().any(|data| match data {
        Value::Object(data) => !data.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    })
}

/// Whether somebody else than the user vouches for it.
pub(crate) fn vouches(update: &Update) -> bool {
    let providers = update.value(AUTH_DATA).and_then(Value::as_object);
    providers.is_some_and(|providers| providers.keys().any(|provider| provider != ANONYMOUS))
}

/// Reads what was sent: none if it says nothing.
pub(crate) fn admit(update: &mut Update) -> Result<(), ParseError> {
    match update.get(AUTH_DATA) {
        None => Ok(()),
        Some(Op::Set(Value::Object(providers))) => {
            // What the SDK sends of a user who has none.
            if providers.is_empty() {
                update.0.shift_remove(AUTH_DATA);
                return Ok(());
            }
            let odd = providers.iter().find(|(_, data)| !matches!(data, Value::Null | Value::Object(_)));
            odd.map_or(Ok(()), |(provider, _)| Err(no_object(provider)))
        }
        Some(_) => Err(unsupported()),
    }
}

/// What a user has of all providers.
pub(crate) fn stored(user: &Object) -> Option<&Map> {
    user.get(AUTH_DATA).and_then(Value::as_object)
}

fn unsupported() -> ParseError {
    ParseError::new(ErrorCode::UnsupportedService, "This authentication method is unsupported.")
}

pub(crate) fn used() -> ParseError {
    ParseError::new(ErrorCode::AccountAlreadyLinked, "this auth is already used")
}

/// Somebody else was faster with the same one-time code.
pub(crate) fn outrun() -> ParseError {
    ParseError::new(ErrorCode::ScriptFailed, "Invalid auth data")
}

fn no_object(provider: &str) -> ParseError {
    let provider = parsimony_model::names::shorten(provider);
    ParseError::new(ErrorCode::OtherCause, format!("authData.{provider} should be an object."))
}

/// The providers of a server: those that the administrator asked for, those that the applications bring, and the one of
/// anonymous users. The error is a sentence that says what to mend.
pub(crate) fn providers(mut providers: Providers, registry: &Registry, options: &Options) -> Result<Providers, String> {
    for (name, adapter) in registry.auth() {
        // One that the configuration names has been told its options already.
        if providers.get(name).is_none_or(|known| !known.chosen) {
            adapter.validate_options(&Map::default()).map_err(|error| format!("auth.{name}: {error}"))?;
            providers.put(name, Provider { adapter: Arc::clone(adapter), enabled: true, chosen: true });
        }
    }
    if providers.get(ANONYMOUS).is_none() {
        let enabled = options.enable_anonymous_users;
        providers.put(ANONYMOUS, Provider { adapter: Arc::new(Anonymous), enabled, chosen: true });
    }
    Ok(providers)
}

/// Vouches for whoever made up an id: nobody else knows it.
struct Anonymous;

impl AuthAdapter for Anonymous {
    fn validate_auth_data<'a>(&'a self, _data: &'a Map, _request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(std::future::ready(Ok(Validated::as_sent())))
    }
}

/// The indexes that keep the ids of each provider apart, whoever is faster.
pub(crate) fn indexes(engine: &Engine) -> Vec<(CompactString, Index)> {
    let index = |name: &str| {
        let index = Index::on(&[&format!("{AUTH_DATA}.{name}.id")]).unique().sparse();
        (format_compact!("_auth_data_{name}_id"), index)
    };
    engine.auth.iter().filter(|(_, provider)| provider.chosen).map(|(name, _)| index(name)).collect()
}
