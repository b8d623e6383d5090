//! What does a sealed value look like, and who can open it?

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parsimony_model::value::{Map, json};
use parsimony_model::{Clock, ObjectId, Value};
use ring::aead::{Aad, NONCE_LEN, Nonce};

use crate::keys::{Key, KeyRing};

/// What every sealed text begins with.
const FORM: &str = "pii1";

/// The key under which the sealed text of an Object stands.
const SEALED: &str = "sealed";

/// The secret of a person; empty where the data is nobody's.
pub(crate) type Secret = [u8];

/// Where a value stands: it opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) class: &'a str,
    pub(crate) field: &'a str,
    pub(crate) id: &'a ObjectId,
}

impl At<'_> {
    fn data(&self) -> Aad<Vec<u8>> {
        Aad::from([self.class, self.field, self.id.as_str()].join("\0").into_bytes())
    }
}

/// A sealed value, as it can be read without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sealed<'a> {
    /// The id of the key.
    pub(crate) key: &'a str,
    /// The id of the person; may be empty.
    pub(crate) person: &'a str,
    bytes: &'a str,
}

impl<'a> Sealed<'a> {
    /// Reads a stored value; `None` if it is not sealed.
    pub(crate) fn of(value: &'a Value) -> Option<Self> {
        let text = match value {
            Value::String(text) => text,
            Value::Object(map) if map.len() == 1 => map.get(SEALED)?.as_str()?,
            _ => return None,
        };
        let mut parts = text.splitn(4, '.');
        let (form, key, person, bytes) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        (form == FORM).then_some(Self { key, person, bytes })
    }

    /// Opens it; `None` if it was changed, moved, or sealed with another key or secret.
    pub(crate) fn open(&self, ring: &KeyRing, secret: &Secret, at: At<'_>) -> Option<Value> {
        let key = ring.key(self.key)?.sealing(secret).ok()?;
        let mut bytes = URL_SAFE_NO_PAD.decode(self.bytes).ok()?;
        let (nonce, rest) = bytes.split_first_chunk_mut::<NONCE_LEN>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = key.open_in_place(nonce, at.data(), rest).ok()?;
        json::read(opened).ok()
    }
}

/// Seals a value with a key and a secret.
pub(crate) fn seal(
    value: &Value,
    key: &Key,
    (person, secret): (&str, &Secret),
    at: At<'_>,
    clock: &dyn Clock,
) -> Result<Value, ring::error::Unspecified> {
    let mut nonce = [0; NONCE_LEN];
    clock.fill(&mut nonce);
    let mut bytes = json::write(value);
    let sealing = key.sealing(secret)?;
    sealing.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), at.data(), &mut bytes)?;
    let text = format!("{FORM}.{}.{person}.{}", key.id, URL_SAFE_NO_PAD.encode([nonce.as_slice(), &bytes].concat()));
    Ok(match value {
        Value::Object(_) => Map::from_iter([(SEALED.into(), text.into())]).into(),
        _ => text.into(),
    })
}

#[cfg(test)]
mod tests {
    use parsimony_model::{SystemClock, map};

    use super::*;
    use crate::keys::KeyDefinition;

    fn ring(ids: &[&str]) -> KeyRing {
        let key = |id: &&str| KeyDefinition {
            id: (*id).to_owned(),
            key: base64::engine::general_purpose::STANDARD.encode([id.as_bytes()[0]; 32]),
        };
        KeyRing::new(&ids.iter().map(key).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_value_opens_where_it_was_sealed_and_nowhere_else() {
        let (ring, other) = (ring(&["b", "a"]), ring(&["c"]));
        let (id, elsewhere) = (ObjectId::parse("x").unwrap(), ObjectId::parse("y").unwrap());
        let at = At { class: "C", field: "f", id: &id };
        for value in
            [Value::from("Ada Lovelace"), "".into(), "pii1.b..x".into(), map! { "a" => 1 }.into(), map! {}.into()]
        {
            let sealed = seal(&value, ring.newest().unwrap(), ("p", b"secret"), at, &SystemClock).unwrap();
            assert!(!String::from_utf8(json::write(&sealed)).unwrap().contains("Lovelace"));
            let read = Sealed::of(&sealed).unwrap();
            assert_eq!((read.key, read.person), ("b", "p"));
            assert_eq!(read.open(&ring, b"secret", at), Some(value));
            assert_eq!(read.open(&ring, b"another", at), None);
            assert_eq!(read.open(&other, b"secret", at), None);
            for at in [At { class: "D", ..at }, At { field: "g", ..at }, At { id: &elsewhere, ..at }] {
                assert_eq!(read.open(&ring, b"secret", at), None);
            }
        }
    }

    #[test]
    fn a_single_altered_byte_is_noticed_and_the_same_value_never_looks_the_same() {
        let ring = ring(&["a"]);
        let id = ObjectId::parse("x").unwrap();
        let at = At { class: "C", field: "f", id: &id };
        let once = || seal(&"v".into(), ring.newest().unwrap(), ("", b""), at, &SystemClock).unwrap();
        assert_ne!(once(), once());
        let Value::String(text) = once() else { panic!("no text") };
        let begin = "pii1.a..".len();
        for place in begin..text.len() - 1 {
            let mut altered = text.clone().into_bytes();
            altered[place] = if altered[place] == b'A' { b'B' } else { b'A' };
            let altered = Value::from(String::from_utf8(altered).unwrap());
            assert_eq!(Sealed::of(&altered).unwrap().open(&ring, b"", at), None, "byte {place}");
        }
    }

    #[test]
    fn what_is_not_sealed_is_told_apart() {
        for value in
            [Value::from("pii1"), "pii1.a.b".into(), "pii2.a.b.c".into(), 1.into(), map! { "sealed" => 1 }.into()]
        {
            assert_eq!(Sealed::of(&value), None, "{value:?}");
        }
    }
}
