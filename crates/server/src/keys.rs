//! Which keys has a server that nobody chose keys for: made on the first start, kept in a file only its owner reads.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parsimony_model::Clock;
use parsimony_vault::KeyRing;
use serde::{Deserialize, Serialize};

use crate::config::pii;

/// The file in the data folder.
const FILE: &str = "keys.json";

/// The file in the data folder with what personal data is sealed with, as the option `parsimony.pii` has it.
const RING_FILE: &str = "pii-keys.json";

/// How many letters and digits the application id has.
const APPLICATION_ID_CHARS: usize = 24;

/// How many letters and digits the master key has: more than 256 bits.
const MASTER_KEY_CHARS: usize = 44;

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GeneratedKeys {
    /// The application id.
    #[serde(rename = "appId")]
    pub(crate) application_id: String,
    /// The master key.
    #[serde(rename = "masterKey")]
    pub(crate) master_key: String,
}

/// Where the keys are, and what the administrator should know of the file.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) keys: GeneratedKeys,
    pub(crate) path: PathBuf,
    pub(crate) warning: Option<String>,
}

/// Makes the data folder, for its owner only, if it is not there.
pub(crate) fn make_folder(folder: &Path) -> Result<(), String> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| format!("The data folder {} cannot be made: {error}.", folder.display()))
}

/// Makes an empty file that only its owner reads, if there is none; SQLite gives its other files the same rights.
pub(crate) fn make_private(path: &Path) -> Result<(), String> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(format!("The file {} cannot be made: {error}.", path.display()))
        }
        _ => Ok(()),
    }
}

/// Reads the keys that a server keeps there; none if none does.
pub(crate) fn load(folder: &Path) -> Result<Option<GeneratedKeys>, String> {
    let path = folder.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("The keys in {} cannot be read: {error}.", path.display())),
    };
    let keys: GeneratedKeys = serde_json::from_str(&text)
        .map_err(|error| format!("The keys in {} are damaged: {error}. Restore the file.", path.display()))?;
    if keys.application_id.is_empty() || keys.master_key.is_empty() {
        return Err(format!("The keys in {} are empty. Restore the file.", path.display()));
    }
    Ok(Some(keys))
}

/// Reads the keys, or makes them. A file that is there is never written to.
pub(crate) fn load_or_make(folder: &Path, clock: &dyn Clock) -> Result<Kept, String> {
    let path = folder.join(FILE);
    let keys = if let Some(keys) = load(folder)? {
        keys
    } else {
        make(&path, &new_keys(clock), clock)
            .map_err(|error| format!("The keys cannot be kept in {}: {error}.", path.display()))?;
        // Whoever was first: two servers that start at one time have the same keys.
        load(folder)?.ok_or_else(|| format!("The keys in {} are gone.", path.display()))?
    };
    let told = |error: std::io::Error| format!("The keys in {} cannot be read: {error}.", path.display());
    let mode = fs::metadata(&path).map_err(told)?.permissions().mode();
    let warning = (mode & 0o077 != 0)
        .then(|| format!("{} can be read by other users of this machine; run: chmod 600 {0}", path.display()));
    Ok(Kept { keys, path, warning })
}

/// Reads what personal data is sealed with, or makes it.
pub(crate) fn load_or_make_ring(folder: &Path, clock: &dyn Clock) -> Result<KeyRing, String> {
    let path = folder.join(RING_FILE);
    let told = |error: &dyn std::fmt::Display| format!("The keys in {} cannot be read: {error}.", path.display());
    if !path.exists() {
        let mut key = [0; 32];
        clock.fill(&mut key);
        let ring = serde_json::json!({ "keys": [{"id": "first", "key": STANDARD.encode(key)}] });
        make(&path, &ring, clock).map_err(|error| told(&error))?;
    }
    let text = fs::read_to_string(&path).map_err(|error| told(&error))?;
    let ring = serde_json::from_str(&text).map_err(|error| told(&error))?;
    pii::read(ring, &path.display().to_string())
}

fn new_keys(clock: &dyn Clock) -> GeneratedKeys {
    GeneratedKeys {
        application_id: clock.alphanumeric(APPLICATION_ID_CHARS),
        master_key: clock.alphanumeric(MASTER_KEY_CHARS),
    }
}

/// Writes new keys beside the file and links them to its place, which fails if there is one already.
fn make(path: &Path, keys: &impl Serialize, clock: &dyn Clock) -> Result<(), std::io::Error> {
    let beside = path.with_extension(format!("{}.new", clock.alphanumeric(8)));
    let mut text = serde_json::to_vec_pretty(keys)?;
    text.push(b'\n');
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = file
        .set_permissions(Permissions::from_mode(0o600))
        .and_then(|()| file.write_all(&text))
        .and_then(|()| file.sync_all())
        .and_then(|()| match fs::hard_link(&beside, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    fs::remove_file(&beside)?;
    written
}

#[cfg(test)]
mod tests {
    use parsimony_model::SystemClock;

    use super::*;

    #[test]
    fn what_personal_data_is_sealed_with_is_made_once_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        load_or_make_ring(folder.path(), &SystemClock).unwrap();
        let path = folder.path().join(RING_FILE);
        let made = fs::read_to_string(&path).unwrap();
        load_or_make_ring(folder.path(), &SystemClock).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "{}").unwrap();
        let error = load_or_make_ring(folder.path(), &SystemClock).unwrap_err();
        assert!(error.contains("missing field `keys`"), "{error}");
    }

    #[test]
    fn keys_are_made_once_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("a/b");
        make_folder(&data).unwrap();
        assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
        let first = load_or_make(&data, &SystemClock).unwrap();
        assert_eq!(first.keys.master_key.len(), MASTER_KEY_CHARS);
        assert_eq!(fs::metadata(&first.path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(first.warning, None);
        assert_eq!(load_or_make(&data, &SystemClock).unwrap().keys, first.keys);
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1);
    }

    #[test]
    fn a_database_file_is_its_owner_s_and_one_that_is_there_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        make_private(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "kept").unwrap();
        make_private(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
        assert!(make_private(&folder.path().join("nowhere/a.db")).is_err());
    }

    #[test]
    fn a_file_that_others_can_read_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = load_or_make(folder.path(), &SystemClock).unwrap().path;
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(load_or_make(folder.path(), &SystemClock).unwrap().warning.unwrap().contains("chmod 600"));
    }

    #[test]
    fn a_damaged_file_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        for text in ["", "{", r#"{"appId":"a"}"#, r#"{"appId":"","masterKey":""}"#] {
            fs::write(&path, text).unwrap();
            assert!(load_or_make(folder.path(), &SystemClock).unwrap_err().contains("Restore the file"), "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn of_two_servers_that_start_at_one_time_both_have_the_keys_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        make(&path, &new_keys(&SystemClock), &SystemClock).unwrap();
        let first = fs::read_to_string(&path).unwrap();
        make(&path, &new_keys(&SystemClock), &SystemClock).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), first);
    }
}
