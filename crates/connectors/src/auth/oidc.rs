//! Any provider of `OpenID` Connect, by `oidc: true`: `{id, id_token}`, where the token is signed by the `issuer` for one of our
//! `clientId`s.

use std::sync::Arc;

use futures::lock::Mutex;
use jsonwebtoken::Algorithm;
use parsimony_cloud::Pending;
use parsimony_cloud::auth::{AuthAdapter, AuthRequest, Validated};
use parsimony_model::value::Map;
use parsimony_model::{ParseError, Value};

use super::asking::Asking;
use super::given::Given;
use super::tokens::{self, Tokens};
use super::{Tools, refused, text};

struct OpenId {
    issuer: String,
    clients: Vec<String>,
    /// The claim that says who it is.
    subject: String,
    algorithms: Vec<Algorithm>,
    tools: Tools,
    options: Map,
    name: String,
    /// Made when its keys' place is known.
    tokens: Mutex<Option<Arc<Tokens>>>,
}

pub(super) fn make(given: &Given<'_>, tools: &Tools) -> Result<Arc<dyn AuthAdapter>, String> {
    let clients = given.texts("clientId")?.filter(|clients| !clients.is_empty());
    let algorithms = given.texts("algorithms")?.unwrap_or_else(|| vec!["RS256".to_owned()]);
    let wrong = |name: &str| given.wrong("algorithms", &format!("{name} is none of RS256 to PS512, ES256 and ES384"));
    let algorithm = |name: &String| match name.parse() {
        Ok(Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 | Algorithm::EdDSA) | Err(_) => Err(wrong(name)),
        Ok(algorithm) => Ok(algorithm),
    };
    let issuer = given.required("issuer")?;
    Ok(Arc::new(OpenId {
        issuer: given.checked("issuer", &issuer)?,
        clients: clients.ok_or_else(|| given.wrong("clientId", "this is required"))?,
        subject: given.text("useridField")?.unwrap_or_else(|| "sub".to_owned()),
        algorithms: algorithms.iter().map(algorithm).collect::<Result<_, _>>()?,
        tools: tools.clone(),
        options: given.options.clone(),
        name: given.name.to_owned(),
        tokens: Mutex::default(),
    }))
}

impl OpenId {
    /// What tells good tokens; the issuer says where its keys are, unless the configuration does.
    async fn tokens(&self) -> Result<Arc<Tokens>, ParseError> {
        let mut made = self.tokens.lock().await;
        if let Some(tokens) = &*made {
            return Ok(Arc::clone(tokens));
        }
        let given = Given::new(&self.name, &self.options);
        let told = given.url("keys", "").map_err(ParseError::internal)?;
        let keys = if told.is_empty() { self.discover().await? } else { told };
        let tokens = Tokens::signed_by(keys, self.algorithms.clone(), &given, &self.tools);
        let tokens = Arc::new(tokens.map_err(ParseError::internal)?);
        *made = Some(Arc::clone(&tokens));
        Ok(tokens)
    }

    async fn discover(&self) -> Result<String, ParseError> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let told = Asking::new(&self.tools.http).get(&url, &[], &[]).await?.map();
        // What says that it is another one is not asked for keys.
        let keys =
            told.get("jwks_uri").and_then(Value::as_str).filter(|_| tokens::claims(&told, "issuer", &self.issuer));
        keys.map(str::to_owned).ok_or_else(|| refused("The identity provider does not say where its keys are."))
    }
}

impl AuthAdapter for OpenId {
    fn validate_auth_data<'a>(&'a self, data: &'a Map, _request: &'a AuthRequest) -> Pending<'a, Validated> {
        Box::pin(async move {
            let token = text(data, "id_token").ok_or_else(|| refused("id token is invalid for this user."))?;
            let claims = self.tokens().await?.claims(token, Some(&self.clients)).await?;
            if !tokens::claims(&claims, "iss", &self.issuer) {
                let (issuer, from) = (&self.issuer, tokens::shown(&claims, "iss"));
                let text = "id token not issued by correct provider - expected:";
                return Err(refused(format!("{text} {issuer} | from: {from}")));
            }
            if !text(data, "id").is_some_and(|id| tokens::claims(&claims, &self.subject, id)) {
                return Err(refused("auth data is invalid for this user."));
            }
            Ok(Validated::as_sent())
        })
    }
}
