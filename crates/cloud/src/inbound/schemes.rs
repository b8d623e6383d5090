//! How is a signature made: each scheme of the services, from the bytes that came to yes or no. No IO, and no time but what is
//! given.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use parsimony_model::Date;
use ring::digest::{SHA256, digest};
use ring::hmac;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use subtle::ConstantTimeEq;

use super::Delivery;
use super::verifier::Mismatch;

/// The hash of an HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How bytes are spelled in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal digits.
    Hex,
    /// Base64.
    Base64,
}

impl Encoding {
    fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Hex => hex::decode(text).ok(),
            Self::Base64 => BASE64.decode(text).ok(),
        }
    }
}

/// What is signed, piece by piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The value of a header.
    Header(String),
    /// This text.
    Text(String),
    /// The body.
    Body,
}

/// In which form a secret follows the body that is hashed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretForm {
    /// As it is.
    Plain,
    /// Its own SHA-256, in hexadecimal digits.
    Hashed,
    /// Either.
    Any,
}

/// A secret, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(pub(super) Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret")
    }
}

/// How far the time of a signature may be from now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) now: Date,
    pub(super) seconds: i64,
}

impl Window {
    /// Whether a time, which was signed, is near enough.
    pub(super) fn admits(&self, seconds: &str) -> Result<(), Mismatch> {
        let seconds: i64 = seconds.parse().map_err(|_no_number| Mismatch::Malformed)?;
        let apart = self.now.millis().div_euclid(1_000).abs_diff(seconds);
        if apart <= self.seconds.unsigned_abs() { Ok(()) } else { Err(Mismatch::NotNow) }
    }
}

/// The keys of an HMAC: one, or two while one takes the place of the other.
pub(super) fn any_key(
    secrets: &[Secret],
    algorithm: hmac::Algorithm,
    signed: &[u8],
    tag: &[u8],
) -> Result<(), Mismatch> {
    let right = |secret: &Secret| hmac::verify(&hmac::Key::new(algorithm, &secret.0), signed, tag).is_ok();
    if secrets.iter().any(right) { Ok(()) } else { Err(Mismatch::Wrong) }
}

/// Several tags, of which one has to be right: a sender that changes its key sends one by each.
pub(super) fn any_tag(
    mut tags: impl Iterator<Item = Vec<u8>>,
    secrets: &[Secret],
    signed: &[u8],
) -> Result<(), Mismatch> {
    let mut found = Err(Mismatch::Malformed);
    let right = tags.any(|tag| {
        found = any_key(secrets, hmac::HMAC_SHA256, signed, &tag);
        found.is_ok()
    });
    if right { Ok(()) } else { found }
}

pub(super) fn header<'a>(delivery: &'a Delivery, name: &str) -> Result<&'a str, Mismatch> {
    delivery.headers.get(name).map(str::trim).filter(|value| !value.is_empty()).ok_or(Mismatch::Missing)
}

/// An HMAC over some parts, in a header.
pub(super) fn keyed(
    delivery: &Delivery,
    secrets: &[Secret],
    (hash, encoding): (Hash, Encoding),
    (name, prefix): (&str, &str),
    parts: &[Part],
) -> Result<(), Mismatch> {
    let spelled = header(delivery, name)?.strip_prefix(prefix).ok_or(Mismatch::Malformed)?;
    let tag = encoding.decode(spelled).ok_or(Mismatch::Malformed)?;
    let mut signed = Vec::with_capacity(delivery.body.len() + 128);
    for part in parts {
        match part {
            Part::Header(name) => signed.extend_from_slice(header(delivery, name)?.as_bytes()),
            Part::Text(text) => signed.extend_from_slice(text.as_bytes()),
            Part::Body => signed.extend_from_slice(&delivery.body),
        }
    }
    let algorithm = match hash {
        Hash::Sha256 => hmac::HMAC_SHA256,
        Hash::Sha512 => hmac::HMAC_SHA512,
    };
    any_key(secrets, algorithm, &signed, &tag)
}

/// Stripe: `t=SECONDS,v1=HEX`, over `SECONDS.BODY`; any `v1` may be right.
pub(super) fn stripe(delivery: &Delivery, secrets: &[Secret], window: Window) -> Result<(), Mismatch> {
    let pairs = header(delivery, "stripe-signature")?.split(',').filter_map(|pair| pair.trim().split_once('='));
    let pairs: Vec<(&str, &str)> = pairs.collect();
    let time = pairs.iter().find(|(name, _)| *name == "t").map(|(_, time)| *time).ok_or(Mismatch::Malformed)?;
    let signed = [time.as_bytes(), b".", &delivery.body].concat();
    let tags = pairs.iter().filter(|(name, _)| *name == "v1").filter_map(|(_, tag)| hex::decode(tag).ok());
    any_tag(tags, secrets, &signed)?;
    window.admits(time)
}

/// Standard Webhooks: `v1,BASE64` with blanks between several, over `ID.SECONDS.BODY`.
pub(super) fn standard(delivery: &Delivery, secrets: &[Secret], window: Window) -> Result<(), Mismatch> {
    let (id, time) = (header(delivery, "webhook-id")?, header(delivery, "webhook-timestamp")?);
    let signed = [id.as_bytes(), b".", time.as_bytes(), b".", &delivery.body].concat();
    let spelled = header(delivery, "webhook-signature")?.split(' ');
    let tags = spelled.filter_map(|one| BASE64.decode(one.strip_prefix("v1,")?).ok());
    any_tag(tags, secrets, &signed)?;
    window.admits(time)
}

/// Twilio: the URL with the sorted fields of the form, or the URL alone if it has the digest of the body.
pub(super) fn twilio(delivery: &Delivery, secrets: &[Secret], url: &str) -> Result<(), Mismatch> {
    let tag = BASE64.decode(header(delivery, "x-twilio-signature")?).map_err(|_no_base64| Mismatch::Malformed)?;
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let announced = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "bodySHA256");
    let mut signed = url.to_owned();
    if let Some((_, announced)) = announced {
        let announced = hex::decode(announced.as_bytes()).map_err(|_no_hex| Mismatch::Malformed)?;
        same(digest(&SHA256, &delivery.body).as_ref(), &announced)?;
    } else {
        let mut pairs: Vec<(String, String)> = form_urlencoded::parse(&delivery.body).into_owned().collect();
        pairs.sort_unstable();
        pairs.dedup();
        for (name, value) in pairs {
            signed.push_str(&name);
            signed.push_str(&value);
        }
    }
    any_key(secrets, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, signed.as_bytes(), &tag)
}

/// Compares without telling by time how much was right.
pub(super) fn same(one: &[u8], other: &[u8]) -> Result<(), Mismatch> {
    if bool::from(one.ct_eq(other)) { Ok(()) } else { Err(Mismatch::Wrong) }
}

/// A plain SHA-256 over the body and the secret: in one of some headers, in hexadecimal digits.
pub(super) fn hashed(
    delivery: &Delivery,
    secrets: &[Secret],
    names: &[String],
    form: SecretForm,
) -> Result<(), Mismatch> {
    let spelled = names.iter().find_map(|name| header(delivery, name).ok()).ok_or(Mismatch::Missing)?;
    let spelled = hex::decode(spelled).map_err(|_no_hex| Mismatch::Malformed)?;
    let with = |end: &[u8]| digest(&SHA256, &[&delivery.body, end].concat());
    let right = |secret: &Secret| {
        let plain = || same(with(&secret.0).as_ref(), &spelled).is_ok();
        let twice = || same(with(hex::encode(digest(&SHA256, &secret.0)).as_bytes()).as_ref(), &spelled).is_ok();
        match form {
            SecretForm::Plain => plain(),
            SecretForm::Hashed => twice(),
            SecretForm::Any => plain() || twice(),
        }
    };
    if secrets.iter().any(right) { Ok(()) } else { Err(Mismatch::Wrong) }
}

/// What stands before the point in the DER of a public key on the curve P-256.
const P256_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The point of a public key on the curve P-256, given as Base64 of its DER.
pub(super) fn p256_point(key: &str) -> Result<Vec<u8>, String> {
    let der = BASE64.decode(key.trim()).map_err(|error| format!("the public key is no Base64: {error}"))?;
    match der.strip_prefix(&P256_HEAD) {
        Some(point) if point.len() == 65 => Ok(point.to_vec()),
        _ => Err("the public key is none of the curve P-256".to_owned()),
    }
}

/// ECDSA on P-256 over the time and the body, as SendGrid signs.
pub(super) fn p256(
    delivery: &Delivery,
    point: &[u8],
    (signature, time): (&str, &str),
    window: Window,
) -> Result<(), Mismatch> {
    let spelled = BASE64.decode(header(delivery, signature)?).map_err(|_no_base64| Mismatch::Malformed)?;
    let time = header(delivery, time)?;
    let signed = [time.as_bytes(), &delivery.body].concat();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point);
    key.verify(&signed, &spelled).map_err(|_wrong| Mismatch::Wrong)?;
    window.admits(time)
}
