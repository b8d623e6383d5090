//! Sign in with Apple: `{id, token}`, where the token is signed by Apple for one of our `clientId`s.

use std::sync::Arc;

use parsimony_cloud::Pending;
use parsimony_cloud::auth::{AuthAdapter, AuthRequest, Validated};
use parsimony_model::value::Map;

use super::given::{Given, unconfigured};
use super::tokens::{self, Tokens};
use super::{Tools, refused, text};

const ISSUER: &str = "https://appleid.apple.com";
const KEYS: &str = "https://appleid.apple.com/auth/keys";

struct Apple {
    tokens: Tokens,
    clients: Option<Vec<String>>,
}

pub(super) fn make(given: &Given<'_>, tools: &Tools) -> Result<Arc<dyn AuthAdapter>, String> {
    let tokens = Tokens::new(given.url("keys", KEYS)?, given, tools)?;
    Ok(Arc::new(Apple { tokens, clients: given.texts("clientId")? }))
}

impl AuthAdapter for Apple {
    fn validate_auth_data<'a>(&'a self, data: &'a Map, _request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(async move {
            let clients = self.clients.as_deref().ok_or_else(|| unconfigured("Apple auth is not configured."))?;
            let token = text(data, "token").ok_or_else(|| refused("id token is invalid for this user."))?;
            let claims = self.tokens.claims(token, Some(clients)).await?;
            if !tokens::claims(&claims, "iss", ISSUER) {
                let from = tokens::shown(&claims, "iss");
                let text = "id token not issued by correct OpenID provider - expected:";
                return Err(refused(format!("{text} {ISSUER} | from: {from}")));
            }
            if !text(data, "id").is_some_and(|id| tokens::claims(&claims, "sub", id)) {
                return Err(refused("auth data is invalid for this user."));
            }
            Ok(Validated::as_sent())
        })
    }
}
