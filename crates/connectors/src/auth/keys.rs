//! By which keys does a provider sign? They are fetched, kept for a while, and fetched again when one is named that is not
//! known; but not more often than that, whoever makes up names.

use std::collections::HashMap;
use std::sync::Arc;

use futures::lock::Mutex;
use jsonwebtoken::DecodingKey;
use parsimony_model::value::Map;
use parsimony_model::{Clock, Date, Value};

use super::Tools;
use super::asking::Asking;
use super::given::Given;

/// How many keys of one provider are kept.
const KEYS_MAX: usize = 100;

/// How long keys are kept unless told otherwise, in milliseconds. Parse's.
const AGE_MILLIS_MAX: u32 = 3_600_000;

/// How long keys count that cannot be fetched again, in milliseconds.
const STALE_MILLIS_MAX: i64 = 24 * 3_600_000;

/// How long nothing is fetched again for a key that is not known, in milliseconds.
const PAUSE_MILLIS: i64 = 2_000;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Rsa,
    P256,
    P384,
}

/// A key to verify by.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) family: Family,
    pub(super) key: Arc<DecodingKey>,
}

/// The keys of a provider.
pub(super) struct Keys {
    url: String,
    asking: Asking,
    clock: Arc<dyn Clock>,
    age_millis_max: i64,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    keys: HashMap<String, Key>,
    fetched_at: Option<Date>,
    tried_at: Option<Date>,
}

impl Keys {
    /// Those at a URL; `cacheMaxAge` says how long they are kept.
    pub(super) fn at(url: String, given: &Given<'_>, tools: &Tools) -> Result<Self, String> {
        given.whole("cacheMaxEntries")?;
        Ok(Self {
            url,
            asking: Asking::new(&tools.http),
            clock: Arc::clone(&tools.clock),
            age_millis_max: given.whole("cacheMaxAge")?.filter(|age| *age > 0).unwrap_or(AGE_MILLIS_MAX).into(),
            kept: Mutex::default(),
        })
    }

    /// The key of this name. A token that names none means the only one there is.
    pub(super) async fn find(&self, name: Option<&str>) -> Option<Key> {
        // Held while they are fetched: whoever comes meanwhile waits for the same answer.
        let mut kept = self.kept.lock().await;
        let now = self.clock.now();
        let since = |date: Option<Date>| date.map(|date| now.millis() - date.millis());
        let fresh = since(kept.fetched_at).is_some_and(|age| age < self.age_millis_max);
        if fresh && let Some(key) = kept.named(name) {
            return Some(key);
        }
        if since(kept.tried_at).is_none_or(|pause| pause >= PAUSE_MILLIS) {
            kept.tried_at = Some(now);
            if let Some(keys) = self.fetch().await {
                kept.keys = keys;
                kept.fetched_at = Some(now);
            }
        }
        if since(kept.fetched_at).is_some_and(|age| age < STALE_MILLIS_MAX) { kept.named(name) } else { None }
    }

    async fn fetch(&self) -> Option<HashMap<String, Key>> {
        match self.asking.get(&self.url, &[], &[]).await {
            Ok(answered) if answered.is_good() => {
                let map = answered.map();
                let keys = map.get("keys").and_then(Value::as_array)?;
                Some(keys.iter().filter_map(Value::as_object).filter_map(read).take(KEYS_MAX).collect())
            }
            Ok(answered) => {
                tracing::warn!(url = self.url, status = answered.status, "the keys of an identity provider");
                None
            }
            Err(error) => {
                tracing::warn!(url = self.url, %error, "the keys of an identity provider");
                None
            }
        }
    }
}

impl Kept {
    fn named(&self, name: Option<&str>) -> Option<Key> {
        match name {
            Some(name) => self.keys.get(name).cloned(),
            None if self.keys.len() == 1 => self.keys.values().next().cloned(),
            None => None,
        }
    }
}

/// A key as a JWK spells it, if it is one to verify by.
fn read(key: &Map) -> Option<(String, Key)> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    if text("use").is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let (family, key) = match (text("kty")?, text("crv")) {
        ("RSA", _) => (Family::Rsa, DecodingKey::from_rsa_components(text("n")?, text("e")?)),
        ("EC", Some("P-256")) => (Family::P256, DecodingKey::from_ec_components(text("x")?, text("y")?)),
        ("EC", Some("P-384")) => (Family::P384, DecodingKey::from_ec_components(text("x")?, text("y")?)),
        _ => return None,
    };
    Some((text("kid").unwrap_or_default().to_owned(), Key { family, key: Arc::new(key.ok()?) }))
}
