//! How is a signature made by the services that have a way of their own: no header over the body, no HMAC, or none at all.

use std::net::IpAddr;

use ring::digest::{SHA256, digest};
use ring::hmac;
use serde::Deserialize;
use sha3::{Digest as _, Keccak256};
use subtle::ConstantTimeEq as _;

use super::Delivery;
use super::schemes::{Secret, Window, any_key, any_tag, header, same};
use super::verifier::Mismatch;

/// Coinbase: `t=SECONDS,v0=HEX,h=NAMES,v1=HEX` in `X-Hook0-Signature`. `v1` covers the named headers too; where it is there,
/// it alone counts.
pub(super) fn hook0(delivery: &Delivery, secrets: &[Secret], window: Window) -> Result<(), Mismatch> {
    let pairs = header(delivery, "x-hook0-signature")?.split(',').filter_map(|pair| pair.trim().split_once('='));
    let pairs: Vec<(&str, &str)> = pairs.collect();
    let value_of = |wanted: &str| pairs.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let time = value_of("t").ok_or(Mismatch::Malformed)?;
    let mut signed = format!("{time}.").into_bytes();
    let tag = match (value_of("h"), value_of("v1")) {
        (Some(names), Some(tag)) => {
            let values = names.split(' ').map(|name| header(delivery, &name.to_ascii_lowercase()));
            let values = values.collect::<Result<Vec<_>, _>>()?.join(".");
            signed.extend_from_slice(format!("{names}.{values}.").as_bytes());
            tag
        }
        _ => value_of("v0").ok_or(Mismatch::Malformed)?,
    };
    signed.extend_from_slice(&delivery.body);
    any_tag(hex::decode(tag).into_iter(), secrets, &signed)?;
    window.admits(time)
}

/// What Mailgun signs, in the body itself.
#[derive(Deserialize)]
struct MailgunBody {
    signature: MailgunSignature,
}

#[derive(Deserialize)]
struct MailgunSignature {
    timestamp: String,
    token: String,
    signature: String,
}

/// Mailgun: an HMAC over the time and a token that counts once. It does not cover the event.
pub(super) fn mailgun(delivery: &Delivery, secrets: &[Secret], window: Window) -> Result<(), Mismatch> {
    let body: MailgunBody = serde_json::from_slice(&delivery.body).map_err(|_no_such_body| Mismatch::Missing)?;
    let MailgunSignature { timestamp, token, signature } = body.signature;
    let tag = hex::decode(signature).map_err(|_no_hex| Mismatch::Malformed)?;
    any_key(secrets, hmac::HMAC_SHA256, format!("{timestamp}{token}").as_bytes(), &tag)?;
    window.admits(&timestamp)
}

/// Moralis: `0x` and the Keccak-256, which is not SHA-3, of the body and the secret. The body may have been spelled anew on its
/// way, so it counts as it came and in the shortest spelling.
pub(super) fn moralis(delivery: &Delivery, secrets: &[Secret]) -> Result<(), Mismatch> {
    let spelled = header(delivery, "x-signature")?.strip_prefix("0x").ok_or(Mismatch::Malformed)?;
    let tag = hex::decode(spelled).map_err(|_no_hex| Mismatch::Malformed)?;
    let right = |body: &[u8]| {
        let of = |secret: &Secret| Keccak256::new().chain_update(body).chain_update(&secret.0).finalize();
        secrets.iter().any(|secret| same(&of(secret), &tag).is_ok())
    };
    if right(&delivery.body) {
        return Ok(());
    }
    let shortest = || {
        let body: Box<serde_json::value::RawValue> = serde_json::from_slice(&delivery.body).ok()?;
        Some(without_blanks(body.get()))
    };
    if shortest().is_some_and(|body| right(body.as_bytes())) { Ok(()) } else { Err(Mismatch::Wrong) }
}

/// JSON without the blanks between its tokens; its numbers and texts stay as they are spelled.
fn without_blanks(json: &str) -> String {
    let mut short = String::with_capacity(json.len());
    let (mut in_text, mut escaped) = (false, false);
    for letter in json.chars() {
        if in_text || !letter.is_ascii_whitespace() {
            short.push(letter);
        }
        if escaped {
            escaped = false;
        } else if in_text && letter == '\\' {
            escaped = true;
        } else if letter == '"' {
            in_text = !in_text;
        }
    }
    short
}

/// Those that sign nothing, such as Jumio: a secret in the URL that was given to them, and the addresses they send from.
pub(super) fn in_url(delivery: &Delivery, secrets: &[Secret], senders: &[IpAddr]) -> Result<(), Mismatch> {
    let query = delivery.url.split_once('?').map_or("", |(_, query)| query);
    let mut given = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "secret");
    let (_, given) = given.next().ok_or(Mismatch::Missing)?;
    // Digests, so that not even the length is told by time.
    let of = |text: &[u8]| digest(&SHA256, text);
    let given = of(given.as_bytes());
    if !secrets.iter().any(|secret| bool::from(of(&secret.0).as_ref().ct_eq(given.as_ref()))) {
        return Err(Mismatch::Wrong);
    }
    let known = |ip: &str| ip.parse::<IpAddr>().is_ok_and(|ip| senders.contains(&ip.to_canonical()));
    if senders.is_empty() || delivery.ip.as_deref().is_some_and(known) { Ok(()) } else { Err(Mismatch::Foreign) }
}
