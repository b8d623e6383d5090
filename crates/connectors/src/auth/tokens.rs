//! Is a signed token good? Its signature by the provider's own key, its time, and for whom it is.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, crypto};
use parsimony_model::value::{Map, json};
use parsimony_model::{Clock, ParseError, Value};

use super::Tools;
use super::given::Given;
use super::keys::{Family, Keys};
use super::refused;

/// What tells good tokens of a provider from others.
pub(super) struct Tokens {
    keys: Keys,
    clock: Arc<dyn Clock>,
    /// Which ways of signing count: never one that a token chooses by itself.
    algorithms: Vec<Algorithm>,
}

impl Tokens {
    /// Those that are signed as Parse's providers sign, by the keys at a URL.
    pub(super) fn new(keys_url: String, given: &Given<'_>, tools: &Tools) -> Result<Self, String> {
        Self::signed_by(keys_url, vec![Algorithm::RS256], given, tools)
    }

    pub(super) fn signed_by(
        keys_url: String,
        algorithms: Vec<Algorithm>,
        given: &Given<'_>,
        tools: &Tools,
    ) -> Result<Self, String> {
        Ok(Self { keys: Keys::at(keys_url, given, tools)?, clock: Arc::clone(&tools.clock), algorithms })
    }

    /// What a token claims, if it is signed, in time, and for one of these; `None` lets it be for anybody.
    pub(super) async fn claims(&self, token: &str, audiences: Option<&[String]>) -> Result<Map, ParseError> {
        let (signed, signature) = token.rsplit_once('.').ok_or_else(undecodable)?;
        let (header, claims) = signed.split_once('.').ok_or_else(undecodable)?;
        let (header, claims) = (part(header)?, part(claims)?);
        let name = header.get("kid").and_then(Value::as_str);
        let missing = || {
            let name = parsimony_model::names::shorten(name.unwrap_or("undefined"));
            refused(format!("Unable to find matching key for Key ID: {name}"))
        };
        let key = self.keys.find(name).await.ok_or_else(missing)?;
        if signature.is_empty() {
            return Err(refused("jwt signature is required"));
        }
        let algorithm = header.get("alg").and_then(Value::as_str).and_then(|name| name.parse::<Algorithm>().ok());
        let fits =
            |algorithm: &Algorithm| self.algorithms.contains(algorithm) && family(*algorithm) == Some(key.family);
        let algorithm = algorithm.filter(fits).ok_or_else(|| refused("invalid algorithm"))?;
        let right = crypto::verify(signature, signed.as_bytes(), &key.key, algorithm).unwrap_or(false);
        if !right {
            return Err(refused("invalid signature"));
        }
        self.check_time(&claims)?;
        match audiences {
            Some(audiences) if !is_for(&claims, audiences) => {
                Err(refused(format!("jwt audience invalid. expected: {}", audiences.join(" or "))))
            }
            _ => Ok(claims),
        }
    }

    fn check_time(&self, claims: &Map) -> Result<(), ParseError> {
        let now = self.clock.now().millis() as f64 / 1_000.0;
        let time = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(Value::Number(time)) => Ok(Some(*time)),
            Some(_) => Err(refused(format!("invalid {name} value"))),
        };
        if time("nbf")?.is_some_and(|begin| begin > now) {
            return Err(refused("jwt not active"));
        }
        // One that never ends would log in for ever whoever finds it.
        let end = time("exp")?.ok_or_else(|| refused("jwt has no exp"))?;
        if end <= now { Err(refused("jwt expired")) } else { Ok(()) }
    }
}

fn undecodable() -> ParseError {
    refused("provided token does not decode as JWT")
}

fn part(text: &str) -> Result<Map, ParseError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_error| undecodable())?;
    match json::read(&bytes) {
        Ok(Value::Object(map)) => Ok(map),
        _ => Err(undecodable()),
    }
}

/// By which keys an algorithm verifies; `None` for those by a shared secret, which no provider has with a server.
fn family(algorithm: Algorithm) -> Option<Family> {
    match algorithm {
        Algorithm::RS256
        | Algorithm::RS384
        | Algorithm::RS512
        | Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512 => Some(Family::Rsa),
        Algorithm::ES256 => Some(Family::P256),
        Algorithm::ES384 => Some(Family::P384),
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 | Algorithm::EdDSA => None,
    }
}

fn is_for(claims: &Map, audiences: &[String]) -> bool {
    let meant = |value: &Value| value.as_str().is_some_and(|text| audiences.iter().any(|audience| audience == text));
    match claims.get("aud") {
        Some(Value::Array(items)) => items.iter().any(meant),
        Some(one) => meant(one),
        None => false,
    }
}

/// Whether the claim is exactly this text.
pub(super) fn claims(claims: &Map, name: &str, text: &str) -> bool {
    claims.get(name).and_then(Value::as_str) == Some(text)
}

/// A claim as a sentence shows it.
pub(super) fn shown(claims: &Map, name: &str) -> String {
    claims.get(name).and_then(Value::as_str).map_or("undefined".to_owned(), parsimony_model::names::shorten)
}
