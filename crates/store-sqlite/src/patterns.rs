//! Which regular expressions are compiled already? A statement binds one as text, and finds it here.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use parsimony_model::query::{Pattern, pcre};
use parsimony_store::StoreError;
use regex::Regex;

pub(crate) use parsimony_model::query::pcre::literal_start;

/// Compiled expressions that are kept.
const PATTERNS_MAX: usize = 32;

/// The compiled expressions of a store, by [`key`].
#[derive(Debug, Default)]
pub(crate) struct Patterns(Mutex<HashMap<String, Arc<Regex>, ahash::RandomState>>);

impl Patterns {
    /// The compiled expression with this key.
    pub(crate) fn get(&self, key: &str) -> Result<Arc<Regex>, StoreError> {
        if let Some(known) = self.0.lock().get(key) {
            return Ok(Arc::clone(known));
        }
        let compiled = Arc::new(pcre::compile(&pattern(key)).map_err(StoreError::InvalidQuery)?);
        let mut known = self.0.lock();
        // Rarely reached: an application has few expressions, and a stranger's many push out each other.
        if known.len() >= PATTERNS_MAX {
            let oldest = known.keys().next().cloned();
            oldest.map(|oldest| known.remove(&oldest));
        }
        known.insert(key.to_owned(), Arc::clone(&compiled));
        Ok(compiled)
    }

    /// Compiles an expression, unless it is known, and gives its key.
    pub(crate) fn check(&self, pattern: &Pattern) -> Result<String, StoreError> {
        let key = key(pattern);
        self.get(&key)?;
        Ok(key)
    }
}

/// The expression with its options as one text, which a statement can bind.
pub(crate) fn key(pattern: &Pattern) -> String {
    format!("{}/{}", pattern.options, pattern.source)
}

/// The expression that this text stands for.
pub(crate) fn pattern(key: &str) -> Pattern {
    let (options, source) = key.split_once('/').unwrap_or(("", key));
    Pattern { source: source.to_owned(), options: options.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(source: &str, options: &str) -> Pattern {
        Pattern { source: source.to_owned(), options: options.to_owned() }
    }

    #[test]
    fn what_cannot_be_taken_is_an_invalid_query() {
        for source in ["(", "(?=a)b", r"(a)\1", "a{1000}{1000}"] {
            let error = Patterns::default().check(&pattern(source, "")).unwrap_err();
            assert!(matches!(error, StoreError::InvalidQuery(_)), "{source}: {error}");
        }
    }

    #[test]
    fn compiled_expressions_are_bounded() {
        let patterns = Patterns::default();
        for number in 0..PATTERNS_MAX * 2 {
            patterns.check(&pattern(&number.to_string(), "")).unwrap();
        }
        assert_eq!(patterns.0.lock().len(), PATTERNS_MAX);
    }
}
