//! Facebook: `{id, access_token}`, which its Graph API explains, or `{id, token}` of a limited login, signed by Facebook for one
//! of our `appIds`.

use std::sync::Arc;

use hmac::{Hmac, Mac};
use parsimony_cloud::Pending;
use parsimony_cloud::auth::{AuthAdapter, AuthRequest, Validated};
use parsimony_model::value::Map;
use parsimony_model::{ParseError, Value};
use sha2::Sha256;

use super::asking::Asking;
use super::given::{Given, unconfigured};
use super::tokens::{self, Tokens};
use super::{Tools, id_of, refused, text};

const ISSUER: &str = "https://www.facebook.com";
const KEYS: &str = "https://www.facebook.com/.well-known/oauth/openid/jwks/";
const GRAPH: &str = "https://graph.facebook.com";

struct Facebook {
    tokens: Tokens,
    asking: Asking,
    graph: String,
    apps: Vec<String>,
    secret: Option<String>,
}

pub(super) fn make(given: &Given<'_>, tools: &Tools) -> Result<Arc<dyn AuthAdapter>, String> {
    Ok(Arc::new(Facebook {
        tokens: Tokens::new(given.url("keys", KEYS)?, given, tools)?,
        asking: Asking::new(&tools.http),
        graph: given.url("graph", GRAPH)?.trim_end_matches('/').to_owned(),
        apps: given.texts("appIds")?.unwrap_or_default(),
        secret: given.text("appSecret")?,
    }))
}

fn invalid() -> ParseError {
    refused("Facebook auth is invalid for this user.")
}

impl Facebook {
    /// Asks the Graph API about a token, with the proof that it is ours to ask.
    async fn ask(&self, path: &str, token: &str) -> Result<Map, ParseError> {
        let mut query = vec![("access_token", token)];
        let proof = self.secret.as_deref().map(|secret| proof(secret, token)).transpose()?;
        if let Some(proof) = &proof {
            query.push(("appsecret_proof", proof));
        }
        if path == "me" {
            query.push(("fields", "id"));
        }
        Ok(self.asking.get(&format!("{}/{path}", self.graph), &query, &[]).await?.map())
    }

    async fn check_token(&self, token: &str, id: Option<&str>) -> Result<(), ParseError> {
        let claims = self.tokens.claims(token, Some(&self.apps)).await?;
        if !tokens::claims(&claims, "iss", ISSUER) {
            let from = tokens::shown(&claims, "iss");
            let text = "id token not issued by correct OpenID provider - expected:";
            return Err(refused(format!("{text} {ISSUER} | from: {from}")));
        }
        if id.is_some_and(|id| tokens::claims(&claims, "sub", id)) {
            return Ok(());
        }
        Err(refused("auth data is invalid for this user."))
    }
}

/// That whoever asks has the secret of the application.
fn proof(secret: &str, token: &str) -> Result<String, ParseError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(ParseError::internal)?;
    mac.update(token.as_bytes());
    Ok(hex::encode(mac.finalize().into_bytes()))
}

impl AuthAdapter for Facebook {
    fn validate_auth_data<'a>(&'a self, data: &'a Map, _request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(async move {
            if self.apps.is_empty() {
                return Err(unconfigured("Facebook auth is not configured."));
            }
            let id = text(data, "id");
            if let Some(token) = text(data, "token") {
                self.check_token(token, id).await?;
                return Ok(Validated::as_sent());
            }
            let token = text(data, "access_token").ok_or_else(invalid)?;
            let app = id_of(self.ask("app", token).await?.get("id"));
            if !app.is_some_and(|app| self.apps.contains(&app)) {
                return Err(invalid());
            }
            let user = id_of(self.ask("me", token).await?.get("id").or(Some(&Value::Null)));
            if user.is_none() || user.as_deref() != id { Err(invalid()) } else { Ok(Validated::as_sent()) }
        })
    }
}
