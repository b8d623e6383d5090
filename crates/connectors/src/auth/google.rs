//! Sign in with Google: `{id, id_token}`, where the token is signed by Google for one of our `clientId`s.

use std::sync::Arc;

use parsimony_cloud::Pending;
use parsimony_cloud::auth::{AuthAdapter, AuthRequest, Validated};
use parsimony_model::value::Map;

use super::given::{Given, unconfigured};
use super::tokens::{self, Tokens};
use super::{Tools, refused, text};

const ISSUERS: [&str; 2] = ["accounts.google.com", "https://accounts.google.com"];
const KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";

struct Google {
    tokens: Tokens,
    clients: Option<Vec<String>>,
}

pub(super) fn make(given: &Given<'_>, tools: &Tools) -> Result<Arc<dyn AuthAdapter>, String> {
    let tokens = Tokens::new(given.url("keys", KEYS)?, given, tools)?;
    Ok(Arc::new(Google { tokens, clients: given.texts("clientId")? }))
}

impl AuthAdapter for Google {
    fn validate_auth_data<'a>(&'a self, data: &'a Map, _request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(async move {
            let clients = self.clients.as_deref().ok_or_else(|| unconfigured("Google auth is not configured."))?;
            let token = text(data, "id_token").ok_or_else(|| refused("id token is invalid for this user."))?;
            let claims = self.tokens.claims(token, Some(clients)).await?;
            if !ISSUERS.iter().any(|issuer| tokens::claims(&claims, "iss", issuer)) {
                let (from, issuers) = (tokens::shown(&claims, "iss"), ISSUERS.join(" or "));
                let text = "id token not issued by correct provider - expected:";
                return Err(refused(format!("{text} {issuers} | from: {from}")));
            }
            if !text(data, "id").is_some_and(|id| tokens::claims(&claims, "sub", id)) {
                return Err(refused("auth data is invalid for this user."));
            }
            Ok(Validated::as_sent())
        })
    }
}
