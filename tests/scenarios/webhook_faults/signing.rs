//! How does each service sign what it tells, and how would somebody else try to?

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use parsimony_connectors::chain::keccak256;
use ring::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256, HMAC_SHA512};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A secret of all services: also that of Standard Webhooks, as Base64.
pub(super) const SECRET: &str = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0";

/// What nobody ever agreed on.
const OTHER: &str = "whsec_b3RoZXJvdGhlcm90aGVy";

/// Where Twilio is told to call.
pub(super) const CALLBACK: &str = "https://id.example.org/parse/webhooks/identity-management/delivery";

/// How a service signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// HMAC-SHA256 over the body, in hexadecimal digits, in this header.
    Hmac(&'static str),
    /// The same, with the name of the algorithm beside it.
    Sumsub,
    /// HMAC-SHA256 over a nonce, a time and the body.
    QuickNode,
    /// Keccak-256 over the body and the secret.
    Moralis,
    /// Standard Webhooks.
    Standard,
    /// SHA-256 over the body and the hash of the secret.
    Shufti,
    /// Nothing is signed: the secret stands in the URL.
    InUrl,
    /// HMAC-SHA256 over a time and a token, in the body.
    Mailgun,
    /// HMAC-SHA1 over the URL and the fields of a form.
    Twilio,
    /// ECDSA over a time and the body.
    SendGrid,
}

impl Scheme {
    /// Whether the time is signed, so that what comes late is known to.
    pub(super) const fn is_timed(self) -> bool {
        matches!(self, Self::Standard | Self::Mailgun | Self::SendGrid)
    }

    /// Whether the body is signed, or can be read no more if a part of it is missing.
    pub(super) const fn covers_body(self) -> bool {
        !matches!(self, Self::InUrl)
    }
}

/// By whom, and how, it is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hand {
    /// By the service.
    Right,
    /// By somebody with another secret.
    Forger,
    /// By somebody with the right secret, or the public key for one, by another algorithm.
    OtherAlgorithm,
    /// By nobody.
    Nobody,
}

/// What goes over the wire.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) query: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// The keys of a run.
pub(super) struct Keys {
    sendgrid: EcdsaKeyPair,
    forger: EcdsaKeyPair,
}

fn key_pair() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap()
}

fn tag(algorithm: hmac::Algorithm, key: &[u8], signed: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, key), signed).as_ref().to_vec()
}

impl Keys {
    pub(super) fn new() -> Self {
        Self { sendgrid: key_pair(), forger: key_pair() }
    }

    /// `SendGrid`'s public key, as its pages show it.
    pub(super) fn public_key(&self) -> String {
        let head = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
        BASE64.encode([&head, self.sendgrid.public_key().as_ref()].concat())
    }

    /// Signs an event; the id is what the service calls it, where that is no part of the body.
    pub(super) fn sign(&self, scheme: Scheme, hand: Hand, (id, seconds): (&str, i64), event: &str) -> Sent {
        let secret = if hand == Hand::Forger { OTHER } else { SECRET };
        let algorithm = if hand == Hand::OtherAlgorithm { HMAC_SHA1_FOR_LEGACY_USE_ONLY } else { HMAC_SHA256 };
        let keyed = |signed: &str| hex::encode(tag(algorithm, secret.as_bytes(), signed.as_bytes()));
        let mut body = event.to_owned();
        let mut query = String::new();
        let time = seconds.to_string();
        let headers = match scheme {
            Scheme::Hmac(header) => vec![(header, keyed(event))],
            Scheme::Sumsub => {
                let name = if hand == Hand::OtherAlgorithm { "HMAC_SHA1_HEX" } else { "HMAC_SHA256_HEX" };
                vec![("x-payload-digest", keyed(event)), ("x-payload-digest-alg", name.to_owned())]
            }
            Scheme::QuickNode => {
                let signature = keyed(&format!("{id}{time}{event}"));
                vec![("x-qn-nonce", id.to_owned()), ("x-qn-timestamp", time), ("x-qn-signature", signature)]
            }
            Scheme::Moralis => {
                let signed = format!("{event}{secret}");
                let plain = || format!("0x{}", hex::encode(Sha256::digest(&signed)));
                let keccak = || keccak256(&signed).to_string();
                vec![("x-signature", if hand == Hand::OtherAlgorithm { plain() } else { keccak() })]
            }
            Scheme::Standard => standard(hand, secret, [id, &time, event]),
            Scheme::Shufti => {
                let hashed = hex::encode(Sha256::digest(format!("{event}{}", hex::encode(Sha256::digest(secret)))));
                vec![("signature", if hand == Hand::OtherAlgorithm { keyed(event) } else { hashed })]
            }
            Scheme::InUrl if hand == Hand::OtherAlgorithm => vec![("x-signature", keyed(event))],
            Scheme::InUrl => {
                query = format!("?secret={secret}");
                Vec::new()
            }
            Scheme::Mailgun => {
                let signature = json!({ "timestamp": time, "token": id, "signature": keyed(&format!("{time}{id}")) });
                let told: Value = serde_json::from_str(event).unwrap();
                let signed = json!({ "signature": signature, "event-data": told });
                body = if hand == Hand::Nobody { json!({ "event-data": told }) } else { signed }.to_string();
                vec![("content-type", "application/json".to_owned())]
            }
            Scheme::Twilio => twilio(hand, secret, event),
            Scheme::SendGrid => self.send_grid(hand, &time, event),
        };
        let is_kept = |name: &str| hand != Hand::Nobody || name == "content-type";
        let headers = headers.into_iter().filter(|(name, _)| is_kept(name));
        if hand == Hand::Nobody {
            query.clear();
        }
        Sent {
            query,
            headers: headers.map(|(name, value)| (name.to_owned(), value)).collect(),
            body: body.into_bytes(),
        }
    }

    fn send_grid(&self, hand: Hand, time: &str, event: &str) -> Vec<(&'static str, String)> {
        let signed = format!("{time}{event}");
        let signature = match hand {
            // The public key is known to everybody: it is no secret of an HMAC.
            Hand::OtherAlgorithm => tag(HMAC_SHA256, self.sendgrid.public_key().as_ref(), signed.as_bytes()),
            Hand::Right | Hand::Forger | Hand::Nobody => {
                let key = if hand == Hand::Forger { &self.forger } else { &self.sendgrid };
                key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec()
            }
        };
        vec![
            ("x-twilio-email-event-webhook-signature", BASE64.encode(signature)),
            ("x-twilio-email-event-webhook-timestamp", time.to_owned()),
        ]
    }
}

fn standard(hand: Hand, secret: &str, [id, time, event]: [&str; 3]) -> Vec<(&'static str, String)> {
    let key = BASE64.decode(secret.trim_start_matches("whsec_")).unwrap();
    let algorithm = if hand == Hand::OtherAlgorithm { HMAC_SHA512 } else { HMAC_SHA256 };
    let signature = BASE64.encode(tag(algorithm, &key, format!("{id}.{time}.{event}").as_bytes()));
    vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", time.to_owned()),
        ("webhook-signature", format!("v1,{signature}")),
    ]
}

/// The fields of the form are in their order already.
fn twilio(hand: Hand, secret: &str, event: &str) -> Vec<(&'static str, String)> {
    let algorithm = if hand == Hand::OtherAlgorithm { HMAC_SHA256 } else { HMAC_SHA1_FOR_LEGACY_USE_ONLY };
    let signed = format!("{CALLBACK}{}", event.replace(['=', '&'], ""));
    let signature = BASE64.encode(tag(algorithm, secret.as_bytes(), signed.as_bytes()));
    vec![("content-type", "application/x-www-form-urlencoded".to_owned()), ("x-twilio-signature", signature)]
}
