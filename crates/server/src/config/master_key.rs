//! What is the master key: text, or a file that may be given a new one while the server runs?

use std::sync::Arc;

use parking_lot::Mutex;
use parsimony_engine::MasterKey;
use parsimony_model::Date;
use serde_json::Value;

use super::raw::Raw;

/// `masterKey`: text, or `{"file": PATH}` of a file that has it and nothing else, which is read again after
/// `masterKeyTtl` seconds.
pub(super) fn read(raw: &Raw) -> Result<MasterKey, String> {
    let bad = || r#"masterKey must be text or {"file": PATH}."#.to_owned();
    let ttl_seconds = raw.number("masterKeyTtl")?.unwrap_or(0);
    if ttl_seconds < 0 {
        return Err("masterKeyTtl must not be negative.".to_owned());
    }
    match raw.get("masterKey") {
        None => Ok(MasterKey::Fixed(String::new())),
        Some(Value::String(key)) if key.is_empty() => Err("masterKey must not be empty.".to_owned()),
        Some(Value::String(key)) => Ok(MasterKey::Fixed(key.clone())),
        Some(Value::Object(object)) => {
            let path = object.get("file").and_then(Value::as_str).filter(|_| object.len() == 1).ok_or_else(bad)?;
            let key = of_file(path).map_err(|cause| format!("masterKey: {cause}"))?;
            // Parse: without a time to live the first answer counts for ever.
            if ttl_seconds == 0 {
                return Ok(MasterKey::Fixed(key.as_ref().to_owned()));
            }
            Ok(rereading(path.to_owned(), key, ttl_seconds.saturating_mul(1_000)))
        }
        Some(_) => Err(bad()),
    }
}

/// Whether the key is this one at the start.
pub(super) fn is_now(master: &MasterKey, key: &str) -> bool {
    match master {
        MasterKey::Fixed(master) => master == key,
        MasterKey::Changing(master) => &*master(Date::EPOCH) == key,
    }
}

fn of_file(path: &str) -> Result<Arc<str>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("the file {path} cannot be read: {error}."))?;
    match text.trim() {
        "" => Err(format!("the file {path} is empty.")),
        key => Ok(key.into()),
    }
}

/// A key that counts for its time to live and is then read again. While the file cannot be read the last key counts on:
/// a slip of the hand in a deploy locks nobody out.
fn rereading(path: String, first: Arc<str>, ttl_millis: i64) -> MasterKey {
    let known = Mutex::new((first, Date::EPOCH));
    MasterKey::Changing(Box::new(move |now| {
        let mut known = known.lock();
        if now.millis().saturating_sub(known.1.millis()) >= ttl_millis {
            known.1 = now;
            match of_file(&path) {
                Ok(key) => known.0 = key,
                Err(cause) => tracing::error!(cause, "the master key could not be read again; the last one counts"),
            }
        }
        Arc::clone(&known.0)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_in_the_file_counts_after_the_time_to_live() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let at = |millis| Date::from_millis(millis);
        std::fs::write(&path, "first\n").unwrap();
        let path_text = path.to_str().unwrap();
        let MasterKey::Changing(key) = rereading(path_text.to_owned(), of_file(path_text).unwrap(), 10_000) else {
            panic!("it may change");
        };
        std::fs::write(&path, "second").unwrap();
        assert_eq!(&*key(at(9_999)), "first");
        assert_eq!(&*key(at(10_000)), "second");
        // A file that is away, or empty, locks nobody out.
        std::fs::remove_file(&path).unwrap();
        assert_eq!(&*key(at(20_000)), "second");
        std::fs::write(&path, " \n").unwrap();
        assert_eq!(&*key(at(30_000)), "second");
        std::fs::write(&path, "third").unwrap();
        assert_eq!(&*key(at(39_999)), "second");
        assert_eq!(&*key(at(40_000)), "third");
    }
}
