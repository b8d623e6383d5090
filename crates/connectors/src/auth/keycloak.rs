//! Keycloak: `{id, access_token, roles, groups}`, where the token is signed by the realm for our client.

use std::sync::Arc;

use parsimony_cloud::Pending;
use parsimony_cloud::auth::{AuthAdapter, AuthRequest, Validated};
use parsimony_model::Value;
use parsimony_model::value::Map;

use super::given::{Given, unconfigured};
use super::tokens::{self, Tokens};
use super::{Tools, refused, text};

struct Keycloak {
    realm: Option<Realm>,
}

struct Realm {
    tokens: Tokens,
    issuer: String,
    client: Option<String>,
}

pub(super) fn make(given: &Given<'_>, tools: &Tools) -> Result<Arc<dyn AuthAdapter>, String> {
    let Some(config) = given.get("config") else { return Ok(Arc::new(Keycloak { realm: None })) };
    let config = config.as_object().ok_or_else(|| given.wrong("config", "this must be an object"))?;
    let inside = format!("{}.config", given.name);
    let of = Given::new(&inside, config);
    let (Some(server), Some(realm)) = (of.text("auth-server-url")?, of.text("realm")?) else {
        return Ok(Arc::new(Keycloak { realm: None }));
    };
    let server = of.checked("auth-server-url", &server)?;
    let issuer = format!("{server}/realms/{realm}");
    let keys = given.url("keys", &format!("{issuer}/protocol/openid-connect/certs"))?;
    let tokens = Tokens::new(keys, given, tools)?;
    Ok(Arc::new(Keycloak { realm: Some(Realm { tokens, issuer, client: of.text("client-id")? }) }))
}

/// Parse: lists are equal whatever their order, and what neither has is equal too.
fn agree(claimed: Option<&Value>, sent: Option<&Value>) -> bool {
    match (claimed, sent) {
        (Some(Value::Array(claimed)), Some(Value::Array(sent))) => {
            claimed.len() == sent.len()
                && claimed.iter().all(|item| {
                    let count = |list: &[Value]| list.iter().filter(|other| *other == item).count();
                    count(claimed) == count(sent)
                })
        }
        (claimed, sent) => claimed == sent,
    }
}

impl AuthAdapter for Keycloak {
    fn validate_auth_data<'a>(&'a self, data: &'a Map, _request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(async move {
            let realm = self.realm.as_ref().ok_or_else(|| unconfigured("Missing keycloak configuration"))?;
            let (Some(token), Some(id)) = (text(data, "access_token"), text(data, "id")) else {
                return Err(refused("Missing access token and/or User id"));
            };
            let missing = || unconfigured("Keycloak auth is not configured. Missing client-id.");
            let client = realm.client.as_deref().ok_or_else(missing)?;
            let claims = realm.tokens.claims(token, None).await?;
            if !tokens::claims(&claims, "iss", &realm.issuer) {
                let (issuer, from) = (&realm.issuer, tokens::shown(&claims, "iss"));
                let text = "access token not issued by correct provider - expected:";
                return Err(refused(format!("{text} {issuer} | from: {from}")));
            }
            if !tokens::claims(&claims, "azp", client) {
                let from = tokens::shown(&claims, "azp");
                let text = "access token is not authorized for this client - expected:";
                return Err(refused(format!("{text} {client} | from: {from}")));
            }
            if !tokens::claims(&claims, "sub", id) {
                return Err(refused("auth data is invalid for this user."));
            }
            if !["roles", "groups"].iter().all(|name| agree(claims.get(*name), data.get(*name))) {
                return Err(refused("Invalid authentication"));
            }
            Ok(Validated::as_sent())
        })
    }
}
