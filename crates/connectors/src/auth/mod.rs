//! The identity providers that a server ships, each behind the trait of `cloud::auth`.
//!
//! | question | file |
//! | --- | --- |
//! | which provider is it, by its name and its options | `mod.rs` |
//! | how are options read | `given.rs` |
//! | how is a provider asked over HTTP | `asking.rs` |
//! | is a signed token good | `tokens.rs`, by the keys of `keys.rs` |
//! | Apple, Google, Facebook, Keycloak, any OpenID Connect | a file each |
//! | who is it that a code stands for | `codes.rs`, for the services of `services.rs` |
//! | any OAuth 2 service that explains its tokens | `introspection.rs` |
//! | services that know a user by a token alone | `profiles.rs` |
//! | X, formerly Twitter | `twitter.rs` |
//! | Apple's Game Center | `game_center.rs` |
//! | a directory | `ldap.rs` |
//! | second factors | `mfa.rs`, with the codes of `totp.rs` |
//! | an adapter that runs elsewhere | `elsewhere.rs` |

mod apple;
mod asking;
mod codes;
mod elsewhere;
mod facebook;
mod game_center;
mod given;
mod google;
mod introspection;
mod keycloak;
mod keys;
mod ldap;
mod mfa;
mod oidc;
mod profiles;
mod services;
#[cfg(test)]
mod tests;
mod tokens;
mod totp;
mod twitter;

use std::sync::Arc;

use parsimony_cloud::HttpClient;
use parsimony_cloud::auth::{AuthAdapter, SmsSender};
use parsimony_model::value::Map;
use parsimony_model::{Clock, ErrorCode, ParseError, Value};

use self::given::Given;

/// What adapters are made with.
#[derive(Clone)]
pub struct Tools {
    /// What asks the world outside.
    pub http: Arc<dyn HttpClient>,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// What sends codes to telephones, if an application brings it.
    pub sms: Option<Arc<dyn SmsSender>>,
    /// What adapters elsewhere know this server by, `webhookKey`.
    pub webhook_key: Option<String>,
    /// `enableInsecureAuthAdapters`: whether providers may be asked in ways that prove little.
    pub insecure: bool,
}

/// The providers that answer also if the configuration does not name them: they say that they are not configured.
pub const ALWAYS: [&str; 5] = ["apple", "facebook", "google", "keycloak", "ldap"];

/// What makes an adapter of options.
type Make = fn(&Given<'_>, &Tools) -> Result<Arc<dyn AuthAdapter>, String>;

/// Every provider that is known by its name.
const PROVIDERS: [(&str, Make); 25] = [
    ("apple", apple::make),
    ("digits", twitter::make),
    ("facebook", facebook::make),
    ("gcenter", game_center::make),
    ("github", codes::make),
    ("google", google::make),
    ("gpgames", codes::make),
    ("instagram", codes::make),
    ("janraincapture", profiles::make),
    ("janrainengage", profiles::make),
    ("keycloak", keycloak::make),
    ("ldap", ldap::make),
    ("line", codes::make),
    ("linkedin", codes::make),
    ("meetup", profiles::make),
    ("mfa", mfa::make),
    ("microsoft", codes::make),
    ("phantauth", profiles::make),
    ("qq", codes::make),
    ("spotify", codes::make),
    ("twitter", twitter::make),
    ("vkontakte", profiles::make),
    ("wechat", codes::make),
    ("weibo", codes::make),
    ("anonymous", anonymous),
];

/// The adapter of a provider: by its name, or by what its options say it is. `None` if neither is known. The error is a
/// sentence that names the option to mend.
pub fn adapter(name: &str, options: &Map, tools: &Tools) -> Result<Option<Arc<dyn AuthAdapter>>, String> {
    let given = Given::new(name, options);
    let elsewhere = elsewhere::of(&given, tools)?;
    let make = match elsewhere {
        Some(elsewhere::Elsewhere::Adapter(adapter)) => return Ok(Some(adapter)),
        Some(elsewhere::Elsewhere::Sms(sms, options)) => {
            let tools = Tools { sms: Some(sms), ..tools.clone() };
            return adapter(name, &options, &tools);
        }
        None if given.flag("oauth2")? == Some(true) => introspection::make as Make,
        None if given.flag("oidc")? == Some(true) => oidc::make as Make,
        None => match PROVIDERS.iter().find(|(known, _)| *known == name) {
            Some((_, make)) => *make,
            None => return Ok(None),
        },
    };
    make(&given, tools).map(Some)
}

/// Anonymous users have no options; the engine has their adapter.
fn anonymous(given: &Given<'_>, _tools: &Tools) -> Result<Arc<dyn AuthAdapter>, String> {
    Err(given.wrong("", "anonymous users are allowed or not by enableAnonymousUsers"))
}

/// Parse: what a provider does not believe is not found.
fn refused(text: impl Into<std::borrow::Cow<'static, str>>) -> ParseError {
    ParseError::new(ErrorCode::ObjectNotFound, text)
}

fn text<'a>(data: &'a Map, key: &str) -> Option<&'a str> {
    data.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The id of a user as a service gives it: text, or a number that is one.
fn id_of(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some((*number as i64).to_string()),
        _ => None,
    }
}
