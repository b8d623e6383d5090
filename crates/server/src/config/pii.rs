//! What is personal data sealed with: `parsimony.pii`, the ring of keys.

use parsimony_vault::{KeyDefinition, KeyRing};

use super::raw::Raw;
use super::settings::{fetched, variable};

/// `parsimony.pii`: `{"keys": [{"id": …, "key": …}, …]}`, the newest first. A key may stand in a file or in a variable, as
/// in `parsimony.settings`.
pub(super) fn ring(raw: &Raw) -> Result<Option<KeyRing>, String> {
    let Some(written) = raw.get("parsimony.pii") else { return Ok(None) };
    let pii = fetched(written, "parsimony.pii", &variable)?;
    read(pii, "parsimony.pii").map(Some)
}

/// What the option says, and the file in the data folder too.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Pii {
    keys: Vec<KeyDefinition>,
}

/// Reads the keys. The error names the place.
pub(crate) fn read(pii: serde_json::Value, at: &str) -> Result<KeyRing, String> {
    let pii: Pii = serde_path_to_error::deserialize(pii).map_err(|error| {
        let path = error.path().to_string();
        let below = if path == "." { String::new() } else { format!(".{path}") };
        format!("{at}{below}: {}.", error.inner())
    })?;
    KeyRing::new(&pii.keys).map_err(|error| format!("{at}.keys: {error}."))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::raw::Sources;
    use super::*;

    fn ring_of(written: &Value) -> Result<Option<KeyRing>, String> {
        let file = Some(("test".to_owned(), json!({ "parsimony": {"pii": written} }).to_string()));
        ring(&Raw::gather(Sources { file, ..Sources::default() })?)
    }

    #[test]
    fn a_ring_is_read_and_what_is_wrong_names_its_place() {
        let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        assert!(!ring_of(&json!({"keys": [{"id": "a", "key": key}]})).unwrap().unwrap().is_empty());
        assert!(ring_of(&Value::Null).unwrap().is_none());
        for (written, expected) in [
            (json!({"keys": [{"id": "a"}]}), "parsimony.pii.keys[0]: missing field `key`"),
            (json!({"keys": [{"id": "a", "key": "x"}]}), "parsimony.pii.keys: the key a must be 32 bytes"),
            (json!({"kyes": []}), "parsimony.pii.kyes: unknown field"),
        ] {
            let error = ring_of(&written).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
