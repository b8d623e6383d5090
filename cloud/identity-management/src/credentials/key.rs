//! Whose signature is it? A key of the curve P-256, which signs and is never shown.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use parsimony_model::ParseError;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

/// How many bytes a coordinate of the curve has.
const COORDINATE_BYTES: usize = 32;

/// A key that signs, and its public half.
pub(super) struct SigningKey {
    pair: EcdsaKeyPair,
    x: String,
    y: String,
}

/// The key is not shown.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.thumbprint())
    }
}

impl SigningKey {
    /// Reads a key: PKCS #8 in PEM. The error does not repeat it.
    pub(super) fn parse(pem: &str) -> Result<Self, String> {
        let unread = "it has to be a private key of the curve P-256, as PKCS #8 in PEM \
                      (openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256)";
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_secret| unread.to_owned())?;
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.secret_pkcs8_der(), &SystemRandom::new())
            .map_err(|_secret| unread.to_owned())?;
        // A byte that says that both coordinates follow, then both.
        let (x, y) = match pair.public_key().as_ref().split_first() {
            Some((4, point)) if point.len() == 2 * COORDINATE_BYTES => point.split_at(COORDINATE_BYTES),
            _ => return Err(unread.to_owned()),
        };
        let (x, y) = (BASE64URL.encode(x), BASE64URL.encode(y));
        Ok(Self { pair, x, y })
    }

    /// What the key is called: the digest of its public half, by RFC 7638.
    pub(super) fn thumbprint(&self) -> String {
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, self.x, self.y);
        BASE64URL.encode(Sha256::digest(canonical))
    }

    /// Its public half, by RFC 7517, under this name.
    pub(super) fn public(&self, kid: &str) -> Json {
        json!({ "kty": "EC", "crv": "P-256", "x": self.x, "y": self.y, "kid": kid, "alg": "ES256", "use": "sig" })
    }

    /// Signs claims as a JSON Web Token of this type, under this name of the key.
    pub(super) fn token(&self, typ: &str, kid: &str, claims: &Json) -> Result<String, ParseError> {
        let header = json!({ "alg": "ES256", "typ": typ, "kid": kid });
        let signed = format!("{}.{}", BASE64URL.encode(header.to_string()), BASE64URL.encode(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = signature.map_err(|_error| ParseError::internal("there is no chance to sign with"))?;
        Ok(format!("{signed}.{}", BASE64URL.encode(signature)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    /// A key that is nobody's.
    pub(in crate::credentials) const KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgyvqA82FODP/MFJQT
7G1cVKNK/4rN2ceSIU1PZkc+C2ehRANCAATwvSaAiDdixKlS9L0KtP2ZzYyiFwoN
TSYbKr2vPcMX4qhdKTMkzWyPXlqBVhAEjtG4BZ18aKj+ZT2jeoFX63RE
-----END PRIVATE KEY-----
";

    #[test]
    fn a_token_is_signed_by_the_key_that_is_published() {
        let key = SigningKey::parse(KEY).unwrap();
        let token = key.token("vc+jwt", "did:web:x#1", &json!({"iss": "did:web:x"})).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (public, bytes) = (key.public("did:web:x#1"), |text: &str| BASE64URL.decode(text).unwrap());
        let coordinate = |name: &str| bytes(public[name].as_str().unwrap());
        let point = [vec![4], coordinate("x"), coordinate("y")].concat();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed.as_bytes(), &bytes(signature)).unwrap();
        let header = signed.split('.').next().map(bytes).unwrap();
        let header: Json = serde_json::from_slice(&header).unwrap();
        assert_eq!(header, json!({"alg": "ES256", "typ": "vc+jwt", "kid": "did:web:x#1"}));
        assert!(public.get("d").is_none() && !format!("{key:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_thumbprint_is_that_of_the_standard() {
        // Computed by another library: jose, for npm.
        let key = SigningKey::parse(KEY).unwrap();
        assert_eq!(key.thumbprint(), "JRM_tjqyfqaG8W2Q8H9dyegDStSLaKVdbS2DlBQ4fOc");
        assert_eq!(key.public("k")["x"], "8L0mgIg3YsSpUvS9CrT9mc2MohcKDU0mGyq9rz3DF-I");
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_repeated() {
        for pem in ["", "hush", "-----BEGIN EC PRIVATE KEY-----\naHVzaA==\n-----END EC PRIVATE KEY-----\n"] {
            let error = SigningKey::parse(pem).unwrap_err();
            assert!(error.contains("PKCS #8") && !error.contains("hush") && !error.contains("aHVzaA"), "{error}");
        }
    }
}
