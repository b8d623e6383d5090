//! How does a server prove who it is? With a token that it signs, as JSON Web Tokens are.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

/// A key that signs tokens.
pub(super) enum Signer {
    /// ES256
    Ecdsa(Box<EcdsaKeyPair>),
    /// RS256
    Rsa(Box<RsaKeyPair>),
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

fn der(pem: &str) -> Result<PrivatePkcs8KeyDer<'static>, String> {
    PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| format!("the key is no PKCS #8 in PEM: {error}"))
}

impl Signer {
    /// A key of the curve P-256, in PEM.
    pub(super) fn ecdsa(pem: &str) -> Result<Self, String> {
        let der = der(pem)?;
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der(), &SystemRandom::new());
        pair.map(|pair| Self::Ecdsa(Box::new(pair))).map_err(|why| format!("the key is none of the curve P-256: {why}"))
    }

    /// A key of the curve P-256, in two raw halves.
    pub(super) fn ecdsa_raw(private: &[u8], public: &[u8]) -> Result<Self, String> {
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            private,
            public,
            &SystemRandom::new(),
        );
        pair.map(|pair| Self::Ecdsa(Box::new(pair)))
            .map_err(|why| format!("the keys are no pair of the curve P-256: {why}"))
    }

    /// A key of RSA, in PEM.
    pub(super) fn rsa(pem: &str) -> Result<Self, String> {
        let der = der(pem)?;
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der());
        pair.map(|pair| Self::Rsa(Box::new(pair))).map_err(|why| format!("the key is none of RSA: {why}"))
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, String> {
        let chance = SystemRandom::new();
        match self {
            Self::Ecdsa(pair) => {
                let signed = pair.sign(&chance, text).map_err(|why| why.to_string())?;
                Ok(signed.as_ref().to_vec())
            }
            Self::Rsa(pair) => {
                let mut signed = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &chance, text, &mut signed).map_err(|why| why.to_string())?;
                Ok(signed)
            }
        }
    }

    /// A signed token with these claims; `key_id` is for services that know several keys.
    pub(super) fn token(&self, key_id: Option<&str>, claims: &Value) -> Result<String, String> {
        let algorithm = if matches!(self, Self::Ecdsa(_)) { "ES256" } else { "RS256" };
        let mut head = json!({ "alg": algorithm, "typ": "JWT" });
        if let (Some(key_id), Some(head)) = (key_id, head.as_object_mut()) {
            head.insert("kid".to_owned(), key_id.into());
        }
        let text = format!("{}.{}", BASE64URL.encode(head.to_string()), BASE64URL.encode(claims.to_string()));
        let signed = self.sign(text.as_bytes())?;
        Ok(format!("{text}.{}", BASE64URL.encode(signed)))
    }
}

/// Reads base64 of any alphabet, with or without its padding.
pub(super) fn base64_any(text: &str) -> Option<Vec<u8>> {
    let plain: String = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    BASE64URL.decode(plain).ok()
}
