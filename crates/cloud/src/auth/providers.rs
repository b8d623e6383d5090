//! Which identity providers does a server have?

use std::collections::BTreeMap;
use std::sync::Arc;

use super::AuthAdapter;

/// The provider of users who have not said yet who they are.
pub const ANONYMOUS: &str = "anonymous";

/// One identity provider.
#[derive(Clone)]
pub struct Provider {
    /// What asks it.
    pub adapter: Arc<dyn AuthAdapter>,
    /// Whether it may be used. What users have of one that may not is still shown as its adapter shows it.
    pub enabled: bool,
    /// Whether the administrator or an application asked for it; then an index keeps its ids unique.
    pub chosen: bool,
}

/// The identity providers of a server, by name.
#[derive(Clone, Default)]
pub struct Providers(BTreeMap<String, Provider>);

impl Providers {
    /// Adds one, in the place of whatever has its name.
    pub fn put(&mut self, name: &str, provider: Provider) {
        self.0.insert(name.to_owned(), provider);
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&Provider> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Provider)> {
        self.0.iter().map(|(name, provider)| (name.as_str(), provider))
    }

    /// Whether any has something to do with what is found.
    pub fn change_what_is_found(&self) -> bool {
        self.0.values().any(|provider| provider.adapter.changes_what_is_found())
    }
}

/// Whether a provider may be called so. Parse: a letter, then letters, digits and `_`, for the name becomes part of a column's.
pub fn is_provider_name(name: &str) -> bool {
    const CHARS_MAX: usize = 64;
    name.len() <= CHARS_MAX
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_parts_of_columns() {
        for good in ["google", "my_oauth2", "A"] {
            assert!(is_provider_name(good), "{good}");
        }
        for bad in ["", "1a", "_a", "a.b", "a-b", "é", &"a".repeat(65)] {
            assert!(!is_provider_name(bad), "{bad}");
        }
    }
}
