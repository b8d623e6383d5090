//! What can only the browser read? A message encrypted for its subscription, as RFC 8291 and RFC 8188 (`aes128gcm`) say.
//!
//! Agreement, key derivation and cipher are those of `ring`; what stands here is the order in which they are put together.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use ring::rand::SystemRandom;

/// How many bytes a message may have: with what is added to it, services take 4,096.
pub(super) const MESSAGE_BYTES_MAX: usize = 3_993;

/// How long one record is; there is only one.
const RECORD_BYTES: u32 = 4_096;

/// What ends the last record.
const LAST: u8 = 2;

/// The keys of a subscription.
pub(super) struct SubscriptionKeys {
    /// `p256dh`: a point of the curve P-256, uncompressed.
    pub(super) public: Vec<u8>,
    /// `auth`
    pub(super) secret: Vec<u8>,
}

/// So many bytes.
struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

fn expanded(prk: &Prk, info: &[&[u8]], length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    prk.expand(info, Bytes(length)).ok()?.fill(&mut bytes).ok()?;
    Some(bytes)
}

/// The body of the request that brings a message; `None` if the keys are none, or the message is too long.
pub(super) fn encrypted(message: &[u8], keys: &SubscriptionKeys, salt: [u8; 16]) -> Option<Vec<u8>> {
    if message.len() > MESSAGE_BYTES_MAX {
        return None;
    }
    let own = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).ok()?;
    let own_public = own.compute_public_key().ok()?;
    let own_public = own_public.as_ref();
    let theirs = UnparsedPublicKey::new(&ECDH_P256, &keys.public);
    let input = agree_ephemeral(own, &theirs, |shared| {
        let prk = Salt::new(HKDF_SHA256, &keys.secret).extract(shared);
        expanded(&prk, &[b"WebPush: info\0", &keys.public, own_public], 32)
    });
    let input = input.ok()??;
    let prk = Salt::new(HKDF_SHA256, &salt).extract(&input);
    let key = expanded(&prk, &[b"Content-Encoding: aes128gcm\0"], 16)?;
    let nonce = expanded(&prk, &[b"Content-Encoding: nonce\0"], 12)?;
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).ok()?);
    let mut record = message.to_vec();
    record.push(LAST);
    let nonce = Nonce::try_assume_unique_for_key(&nonce).ok()?;
    cipher.seal_in_place_append_tag(nonce, Aad::empty(), &mut record).ok()?;
    let mut body = Vec::with_capacity(16 + 4 + 1 + own_public.len() + record.len());
    body.extend_from_slice(&salt);
    body.extend_from_slice(&RECORD_BYTES.to_be_bytes());
    body.push(u8::try_from(own_public.len()).ok()?);
    body.extend_from_slice(own_public);
    body.extend_from_slice(&record);
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a message as the browser does that owns the subscription.
    fn read(body: &[u8], own: EphemeralPrivateKey, secret: &[u8]) -> Vec<u8> {
        let (salt, rest) = body.split_at(16);
        let (length, rest) = (usize::from(rest[4]), &rest[5..]);
        let (sender, record) = rest.split_at(length);
        let own_public = own.compute_public_key().unwrap().as_ref().to_vec();
        let input = agree_ephemeral(own, &UnparsedPublicKey::new(&ECDH_P256, sender), |shared| {
            let prk = Salt::new(HKDF_SHA256, secret).extract(shared);
            expanded(&prk, &[b"WebPush: info\0", &own_public, sender], 32)
        });
        let prk = Salt::new(HKDF_SHA256, salt).extract(&input.unwrap().unwrap());
        let key = expanded(&prk, &[b"Content-Encoding: aes128gcm\0"], 16).unwrap();
        let nonce = expanded(&prk, &[b"Content-Encoding: nonce\0"], 12).unwrap();
        let cipher = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
        let mut record = record.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(&nonce).unwrap();
        let plain = cipher.open_in_place(nonce, Aad::empty(), &mut record).unwrap();
        let (last, message) = plain.split_last().unwrap();
        assert_eq!(*last, LAST);
        message.to_vec()
    }

    #[test]
    fn the_owner_of_the_subscription_reads_what_was_sent() {
        let own = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
        let public = own.compute_public_key().unwrap().as_ref().to_vec();
        let keys = SubscriptionKeys { public, secret: vec![7; 16] };
        let body = encrypted(b"hello", &keys, [3; 16]).unwrap();
        assert!(!body.windows(5).any(|part| part == b"hello"));
        assert_eq!(read(&body, own, &[7; 16]), b"hello");
        let longest = vec![b'x'; MESSAGE_BYTES_MAX];
        assert_eq!(encrypted(&longest, &keys, [3; 16]).unwrap().len(), 4_096);
    }

    #[test]
    fn keys_that_are_none_and_messages_too_long_encrypt_nothing() {
        let keys = SubscriptionKeys { public: vec![4; 65], secret: vec![7; 16] };
        assert!(encrypted(b"hello", &keys, [3; 16]).is_none());
        assert!(encrypted(&vec![0; MESSAGE_BYTES_MAX + 1], &keys, [3; 16]).is_none());
    }
}
