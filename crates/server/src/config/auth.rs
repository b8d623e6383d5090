//! Which identity providers does the administrator want, and with which options? `auth`, in Parse Server's names.

use std::sync::Arc;

use parsimony_cloud::Registry;
use parsimony_cloud::auth::{ANONYMOUS, AuthAdapter, Provider, Providers, is_provider_name};
use parsimony_connectors::auth::{self as connectors, Tools};
use parsimony_model::value::{Map, json};
use parsimony_model::{Value as Parsed, map};
use serde_json::Value;

use super::raw::Raw;

/// The identity providers, as they are written.
#[derive(Debug, Clone, Default)]
pub struct AuthOptions {
    /// `enableInsecureAuthAdapters`
    pub insecure: bool,
    /// Whether a provider that nobody knows is only told, and not refused.
    lenient: bool,
    given: Vec<(String, Map)>,
}

/// Options that every provider may have.
const COMMON: [&str; 5] = ["enabled", "urls", "enableInsecureAuth", "appIds", "options"];

/// Options that providers have of their own. One with an adapter elsewhere, or of an application, may have any.
const OWN: [(&str, &[&str]); 25] = [
    ("apple", &["clientId", "cacheMaxEntries", "cacheMaxAge"]),
    ("digits", &["consumer_key", "consumer_secret"]),
    ("facebook", &["appSecret", "cacheMaxEntries", "cacheMaxAge"]),
    ("gcenter", &["bundleId", "rootCertificateUrl"]),
    ("github", &["clientId", "clientSecret"]),
    ("google", &["clientId", "cacheMaxEntries", "cacheMaxAge"]),
    ("gpgames", &["clientId", "clientSecret"]),
    ("instagram", &["clientId", "clientSecret", "redirectUri"]),
    ("janraincapture", &["janrain_capture_host"]),
    ("janrainengage", &["api_key"]),
    ("keycloak", &["config", "cacheMaxEntries", "cacheMaxAge"]),
    ("ldap", &["url", "suffix", "dn", "groupCn", "groupFilter", "tlsOptions"]),
    ("line", &["clientId", "clientSecret"]),
    ("linkedin", &["clientId", "clientSecret"]),
    ("meetup", &[]),
    ("mfa", &["digits", "period", "algorithm"]),
    ("microsoft", &["clientId", "clientSecret"]),
    ("phantauth", &[]),
    ("qq", &["clientId", "clientSecret"]),
    ("spotify", &["clientId", "clientSecret"]),
    ("twitter", &["consumer_key", "consumer_secret"]),
    ("vkontakte", &["appSecret", "apiVersion"]),
    ("wechat", &["clientId", "clientSecret"]),
    ("weibo", &["clientId", "clientSecret"]),
    (ANONYMOUS, &[]),
];

/// Options by which a provider says that it speaks a protocol that any provider may.
const PROTOCOLS: [(&str, &[&str]); 2] = [
    ("oauth2", &["tokenIntrospectionEndpointUrl", "useridField", "appidField", "authorizationHeader", "debug"]),
    ("oidc", &["issuer", "clientId", "useridField", "algorithms", "cacheMaxEntries", "cacheMaxAge"]),
];

/// Reads `auth`.
pub(super) fn read(raw: &Raw) -> Result<AuthOptions, String> {
    // Read so that a wrong one is refused. Parse: a login always asks the provider, so it changes nothing.
    if raw.get("allowExpiredAuthDataToken").is_some_and(|value| !value.is_boolean()) {
        return Err("Parse Server option allowExpiredAuthDataToken must be a boolean.".to_owned());
    }
    let mut options = AuthOptions {
        insecure: raw.flag("enableInsecureAuthAdapters")?.unwrap_or(false),
        lenient: raw.flag("parsimony.ignoreUnknownOptions")?.unwrap_or(false),
        given: Vec::new(),
    };
    let providers = match raw.get("auth") {
        None => return Ok(options),
        Some(Value::Object(providers)) => providers,
        Some(_) => return Err("auth must be an object of providers.".to_owned()),
    };
    for (name, given) in providers {
        if !is_provider_name(name) {
            return Err(format!("auth.{name}: a provider has a letter first, then letters, digits and _."));
        }
        let map = match json::read(given.to_string().as_bytes()) {
            Ok(Parsed::Object(map)) => map,
            Ok(Parsed::Bool(enabled)) => map! { "enabled" => enabled },
            Ok(Parsed::Null) => continue,
            _ => return Err(format!("auth.{name} must be an object of options.")),
        };
        options.given.push((name.clone(), map));
    }
    Ok(options)
}

impl AuthOptions {
    /// The providers, each with what asks it. The error names the option to mend.
    pub(crate) fn providers(&self, registry: &Registry, tools: &Tools) -> Result<Providers, String> {
        let mut providers = Providers::default();
        for name in connectors::ALWAYS {
            if let Some(adapter) = connectors::adapter(name, &Map::default(), tools)? {
                providers.put(name, Provider { adapter, enabled: true, chosen: false });
            }
        }
        for (name, options) in &self.given {
            let enabled = match options.get("enabled") {
                None | Some(Parsed::Null) => true,
                Some(Parsed::Bool(enabled)) => *enabled,
                Some(_) => return Err(format!("auth.{name}.enabled: this must be true or false.")),
            };
            let own = registry.auth().find(|(own, _)| own == name).map(|(_, adapter)| adapter);
            let adapter = match own {
                Some(adapter) => {
                    adapter.validate_options(options).map_err(|error| format!("auth.{name}: {error}"))?;
                    Arc::clone(adapter)
                }
                None if name == ANONYMOUS => continue,
                None => self.shipped(name, options, tools)?,
            };
            providers.put(name, Provider { adapter, enabled, chosen: true });
        }
        Ok(providers)
    }

    fn shipped(&self, name: &str, options: &Map, tools: &Tools) -> Result<Arc<dyn AuthAdapter>, String> {
        if !self.lenient {
            refuse_unknown(name, options)?;
        }
        match connectors::adapter(name, options, tools)? {
            Some(adapter) => Ok(adapter),
            // Parse: it is there, and says when it is used that it has no methods.
            None if self.lenient => Ok(Arc::new(Nothing)),
            None => {
                let known: Vec<&str> = OWN.iter().map(|(name, _)| *name).collect();
                let ways = "webhook says where an adapter runs, oauth2 or oidc that it speaks that";
                Err(format!("auth.{name}: there is no such provider; there are {}; {ways}.", known.join(", ")))
            }
        }
    }
}

/// Refuses an option that the provider does not have.
fn refuse_unknown(name: &str, options: &Map) -> Result<(), String> {
    if options.contains_key("webhook") {
        return Ok(());
    }
    let own = OWN.iter().find(|(own, _)| *own == name).map_or(&[] as &[&str], |(_, own)| own);
    let speaks = |protocol: &str| options.get(protocol).is_some_and(Parsed::is_truthy);
    let protocols = PROTOCOLS.iter().filter(|(protocol, _)| speaks(protocol));
    let protocols: Vec<&str> = protocols.flat_map(|(protocol, own)| own.iter().chain([protocol])).copied().collect();
    let is_known = |option: &str| COMMON.contains(&option) || own.contains(&option) || protocols.contains(&option);
    match options.keys().find(|option| !is_known(option)) {
        // What nobody knows at all is told as such.
        Some(_) if own.is_empty() && protocols.is_empty() && !OWN.iter().any(|(known, _)| *known == name) => Ok(()),
        Some(option) => Err(format!("auth.{name}.{option}: this provider has no such option.")),
        None => Ok(()),
    }
}

/// An adapter without any method.
struct Nothing;

impl AuthAdapter for Nothing {}
