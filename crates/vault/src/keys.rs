//! Which keys is data sealed with: the ring of the configuration, the newest first.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::{aead, hkdf, hmac};

/// How many bytes a key has.
const KEY_BYTES: usize = 32;

/// How long the id of a key may be, in characters.
const ID_CHARS_MAX: usize = 32;

/// What the keys that seal are derived for; another text is another key.
const SEALING: &[u8] = b"parsimony pii 1";

/// What the keys of blind indexes are derived for.
const INDEXING: &[u8] = b"parsimony blind index 1";

/// A key as it is configured.
#[derive(Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyDefinition {
    /// What sealed values call it: letters, digits, `-` and `_`.
    pub id: String,
    /// 32 random bytes in base64.
    pub key: String,
}

impl fmt::Debug for KeyDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyDefinition({})", self.id)
    }
}

/// The keys. New values are sealed with the first; the others open what was sealed before.
#[derive(Default)]
pub struct KeyRing {
    keys: Vec<Key>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.id)).finish()
    }
}

/// One key of the ring.
pub(crate) struct Key {
    pub(crate) id: String,
    bytes: [u8; KEY_BYTES],
    index: hmac::Key,
}

impl KeyRing {
    /// The ring, newest key first. The error says which key is none.
    pub fn new(definitions: &[KeyDefinition]) -> Result<Self, String> {
        let mut keys: Vec<Key> = Vec::with_capacity(definitions.len());
        for KeyDefinition { id, key } in definitions {
            let mark = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
            if id.is_empty() || id.len() > ID_CHARS_MAX || !id.chars().all(mark) {
                return Err(format!("the id of a key must have 1 to {ID_CHARS_MAX} letters, digits, - and _"));
            }
            if keys.iter().any(|known| known.id == *id) {
                return Err(format!("there are two keys with the id {id}"));
            }
            let bytes = STANDARD.decode(key).ok().and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes).ok());
            let bytes = bytes.ok_or_else(|| format!("the key {id} must be {KEY_BYTES} bytes in base64"))?;
            keys.push(Key {
                id: id.clone(),
                bytes,
                index: hmac::Key::new(hmac::HMAC_SHA256, &derived(&bytes, b"", INDEXING)),
            });
        }
        Ok(Self { keys })
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key that seals.
    pub(crate) fn newest(&self) -> Option<&Key> {
        self.keys.first()
    }

    pub(crate) fn key(&self, id: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// What the blind index of a value may be: by each key, the newest first.
    pub(crate) fn indexed<'a>(
        &'a self,
        class: &'a str,
        field: &'a str,
        text: &'a str,
    ) -> impl Iterator<Item = String> + 'a {
        self.keys.iter().map(move |key| key.indexed(class, field, text))
    }
}

impl Key {
    /// The key for one person's data.
    pub(crate) fn sealing(&self, secret: &[u8]) -> Result<aead::LessSafeKey, ring::error::Unspecified> {
        aead::UnboundKey::new(&aead::AES_256_GCM, &derived(&self.bytes, secret, SEALING)).map(aead::LessSafeKey::new)
    }

    /// The blind index of a value: HMAC-SHA-256 over class, field and text.
    pub(crate) fn indexed(&self, class: &str, field: &str, text: &str) -> String {
        let mut context = hmac::Context::with_key(&self.index);
        for part in [class, "\0", field, "\0", text] {
            context.update(part.as_bytes());
        }
        hex::encode(context.sign())
    }
}

fn derived(key: &[u8], salt: &[u8], purpose: &[u8]) -> [u8; KEY_BYTES] {
    let mut bytes = [0; KEY_BYTES];
    let info = [purpose];
    let expanded = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(key);
    // A length of 32 is always to be had.
    if let Ok(okm) = expanded.expand(&info, hkdf::HKDF_SHA256) {
        okm.fill(&mut bytes).ok();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(id: &str, byte: u8) -> KeyDefinition {
        KeyDefinition { id: id.to_owned(), key: STANDARD.encode([byte; 32]) }
    }

    #[test]
    fn a_ring_says_what_is_wrong_with_its_keys() {
        for (definitions, expected) in [
            (vec![definition("", 1)], "the id of a key"),
            (vec![definition("a.b", 1)], "the id of a key"),
            (vec![definition("a", 1), definition("a", 2)], "two keys with the id a"),
            (vec![KeyDefinition { id: "a".to_owned(), key: "c2hvcnQ=".to_owned() }], "the key a must be 32 bytes"),
        ] {
            let error = KeyRing::new(&definitions).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let ring = KeyRing::new(&[definition("b", 2), definition("a", 1)]).unwrap();
        assert_eq!(ring.newest().unwrap().id, "b");
        assert!(!format!("{:?} {:?}", ring, definition("a", 1)).contains("AQEB"));
    }

    #[test]
    fn a_derived_key_is_hkdf_sha256_and_differs_by_key_salt_and_purpose() {
        // RFC 5869, A.1, with its first 32 bytes.
        let okm = derived(&[0x0b; 22], &(0..=12).collect::<Vec<u8>>(), &(0xf0..=0xf9).collect::<Vec<u8>>());
        assert_eq!(hex::encode(okm), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
        let all = [
            derived(b"k", b"s", SEALING),
            derived(b"l", b"s", SEALING),
            derived(b"k", b"t", SEALING),
            derived(b"k", b"s", INDEXING),
        ];
        for (place, one) in all.iter().enumerate() {
            assert!(!all.iter().skip(place + 1).any(|other| other == one));
        }
    }

    #[test]
    fn a_blind_index_differs_by_class_field_and_text() {
        let ring = KeyRing::new(&[definition("b", 2), definition("a", 1)]).unwrap();
        let of = |class: &str, field: &str, text: &str| ring.indexed(class, field, text).collect::<Vec<_>>();
        assert_eq!(of("C", "f", "x").len(), 2);
        for (class, field, text) in [("D", "f", "x"), ("C", "g", "x"), ("C", "f", "y"), ("Cf", "", "x")] {
            assert!(of(class, field, text).iter().all(|other| !of("C", "f", "x").contains(other)));
        }
    }
}
