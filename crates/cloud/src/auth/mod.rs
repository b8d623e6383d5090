//! Who else says who somebody is: identity providers, as adapters that the server ships or an application brings.
//!
//! ```
//! use parsimony_cloud::auth::{AuthAdapter, AuthRequest, Validated};
//! use parsimony_cloud::{Application, ErrorCode, ParseError, Pending};
//! use parsimony_model::Map;
//!
//! /// Badges of the door, `{"badge": {"id": "…", "pin": "…"}}`.
//! struct Badges;
//!
//! impl AuthAdapter for Badges {
//!     fn validate_auth_data<'a>(&'a self, data: &'a Map, _request: &'a AuthRequest) -> Pending<'a, Validated> {
//!         Box::pin(async move {
//!             if data.get("pin").and_then(|pin| pin.as_str()) != Some("1234") {
//!                 return Err(ParseError::new(ErrorCode::ObjectNotFound, "The badge is not known."));
//!             }
//!             // The PIN is not kept.
//!             let kept = data.iter().filter(|(key, _)| *key != "pin").map(|(key, value)| (key.clone(), value.clone()));
//!             Ok(Validated::save(kept.collect()))
//!         })
//!     }
//! }
//!
//! Application::new("doors").auth("badge", Badges);
//! ```
//!
//! | question | file |
//! | --- | --- |
//! | what is an adapter asked | `mod.rs` |
//! | what does it answer | `answer.rs` |
//! | which adapters are there | `providers.rs` |

mod answer;
mod providers;

use std::sync::Arc;

use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Object, ParseError, Value};

pub use self::answer::{AuthPolicy, Validated};
pub use self::providers::{ANONYMOUS, Provider, Providers, is_provider_name};
use crate::host::Pending;
use crate::origin::Origin;

/// What an adapter may know of the request besides what the client sent for its provider.
#[derive(Clone)]
pub struct AuthRequest {
    /// The provider's name.
    pub provider: Arc<str>,
    /// The user as it is stored, what the provider keeps of it included; none when somebody signs up.
    pub user: Option<Arc<Object>>,
    /// Whether it is for a challenge, so that nothing will be stored.
    pub is_challenge: bool,
    /// Where the request comes from.
    pub origin: Origin,
}

impl AuthRequest {
    /// What the user has of this provider.
    pub fn stored(&self) -> Option<&Map> {
        self.user.as_ref()?.get("authData")?.as_object()?.get(&*self.provider)?.as_object()
    }
}

/// An identity provider, asked about what a client sent as `authData.PROVIDER`.
///
/// An adapter has [`AuthAdapter::validate_auth_data`], or all three of `validate_set_up`, `validate_log_in` and
/// `validate_update`. What is refused is an error; Parse's is 101 with a sentence. An adapter keeps no state of a request:
/// many are under way at once.
pub trait AuthAdapter: Send + Sync {
    /// Looks at `auth.PROVIDER` of the configuration, once, when the server starts; empty if it says nothing. The error is a
    /// sentence that says what to mend.
    fn validate_options(&self, _options: &Map) -> Result<(), String> {
        Ok(())
    }

    /// How this provider goes together with others; `stored` is what the user has of it.
    fn policy<'a>(&'a self, _stored: &'a Map, _request: &'a AuthRequest) -> Pending<'a, AuthPolicy> {
        Box::pin(std::future::ready(Ok(AuthPolicy::Default)))
    }

    /// Runs before a user is looked up by `id`, on everything that is new: here a code is exchanged for who somebody is, and
    /// `id` is set.
    fn before_find<'a>(&'a self, _data: &'a mut Map) -> Pending<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether what was sent is meant for this application, and not for another one that asks the same provider.
    fn validate_app_id<'a>(&'a self, _data: &'a Map, _request: &'a AuthRequest) -> Pending<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether what was sent is true, whatever it is for.
    fn validate_auth_data<'a>(&'a self, _data: &'a Map, _request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(std::future::ready(Err(not_configured())))
    }

    /// The same when the user does not have this provider yet: a signup, or a link.
    fn validate_set_up<'a>(&'a self, data: &'a Map, request: &'a AuthRequest) -> Pending<'a, Validated> {
        self.validate_auth_data(data, request)
    }

    /// The same when a user who has this provider logs in.
    fn validate_log_in<'a>(&'a self, data: &'a Map, request: &'a AuthRequest) -> Pending<'a, Validated> {
        self.validate_auth_data(data, request)
    }

    /// The same when a user who is logged in changes what is stored.
    fn validate_update<'a>(&'a self, data: &'a Map, request: &'a AuthRequest) -> Pending<'a, Validated> {
        self.validate_auth_data(data, request)
    }

    /// What is needed before somebody can log in, such as a number to sign. `None` if this provider has no challenges.
    fn challenge<'a>(
        &'a self,
        _challenge: &'a Value,
        _data: Option<&'a Map>,
        _request: &'a AuthRequest,
    ) -> Pending<'a, Option<Value>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Whether [`AuthAdapter::after_find`] has anything to do.
    fn changes_what_is_found(&self) -> bool {
        false
    }

    /// What of the stored data whoever may read it sees: `None` is all of it.
    fn after_find<'a>(&'a self, _stored: &'a Map, _is_master: bool) -> Pending<'a, Option<Map>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// Parse: what an adapter without any method is called.
pub fn not_configured() -> ParseError {
    let text = "Adapter is not configured. Implement either validateAuthData or all of the following: \
                validateSetUp, validateLogin and validateUpdate";
    ParseError::new(ErrorCode::OtherCause, text)
}

/// What sends the one-time codes of `auth.mfa` to telephones.
pub trait SmsSender: Send + Sync {
    /// Sends a code to a number.
    fn send<'a>(&'a self, code: &'a str, mobile: &'a str) -> Pending<'a, ()>;
}
