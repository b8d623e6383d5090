//! What may a class, a field or an object be called: checked once, and a type from then on.

use std::fmt;
use std::sync::Arc;

use compact_str::CompactString;
use serde::Serialize;

use crate::builtin;
use crate::error::{ErrorCode, ParseError};

/// Longest class, field or object name, in bytes. Parse has no bound; a database has.
pub const NAME_BYTES_MAX: usize = 128;

/// Parse: neither fields nor classes are called so; it would break the SDKs' collections.
const RESERVED: [&str; 2] = ["length", "className"];

/// The name of a class. If you hold one, it is valid.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ClassName(Arc<str>);

/// The refusal of a name that no class can have here.
pub fn invalid_class_name(raw: &str) -> ParseError {
    let rule = "classnames can only have alphanumeric characters and _, and must start with an alpha character ";
    ParseError::new(ErrorCode::InvalidClassName, format!("Invalid classname: {}, {rule}", shorten(raw)))
}

impl ClassName {
    /// Reads a class name from outside: a URL, a body, a schema file.
    pub fn parse(raw: &str) -> Result<Self, ParseError> {
        if builtin::is_builtin(raw) || is_plain(raw) && !RESERVED.contains(&raw) {
            Ok(Self(raw.into()))
        } else {
            Err(invalid_class_name(raw))
        }
    }

    /// The name of a class that Parse brings along, from `builtin.rs`.
    pub(crate) fn builtin(name: &'static str) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a field of a class. If you hold one, it is valid.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct FieldName(CompactString);

impl FieldName {
    /// Reads a field name from outside.
    pub fn parse(raw: &str) -> Result<Self, ParseError> {
        if is_plain(raw) && !RESERVED.contains(&raw) {
            Ok(Self(raw.into()))
        } else {
            Err(ParseError::new(ErrorCode::InvalidKeyName, format!("Invalid field name: {}.", shorten(raw))))
        }
    }

    /// The name of a field that Parse brings along, from `builtin.rs`: one of them is called `className`.
    pub(crate) fn builtin(name: &'static str) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The id of an object, unique in its class: any text that is not empty, has no NUL and is not too long.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ObjectId(CompactString);

impl ObjectId {
    /// Reads an id from outside.
    pub fn parse(raw: &str) -> Result<Self, ParseError> {
        if raw.is_empty() {
            return Err(ParseError::new(ErrorCode::MissingObjectId, "objectId must not be empty, null or undefined"));
        }
        if raw.len() > NAME_BYTES_MAX || raw.contains('\0') {
            return Err(ParseError::not_found());
        }
        Ok(Self(raw.into()))
    }

    /// What an object has that cloud code made up and no store knows. It is not told.
    pub fn none() -> Self {
        Self(CompactString::default())
    }

    /// Whether it is [`Self::none`].
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A letter, then letters, digits and `_`.
pub fn is_plain(raw: &str) -> bool {
    raw.len() <= NAME_BYTES_MAX
        && raw.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && raw.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What a client sent, short enough for an error text.
pub fn shorten(raw: &str) -> String {
    cut(raw, NAME_BYTES_MAX)
}

/// How long a text is that says what is wrong with what a client sent.
const SENTENCE_CHARS_MAX: usize = 1_000;

/// A text that says what is wrong, and may repeat what a client sent.
pub fn sentence(text: &str) -> String {
    cut(text, SENTENCE_CHARS_MAX)
}

fn cut(raw: &str, chars_max: usize) -> String {
    let mut short: String = raw.chars().take(chars_max).collect();
    if short.len() < raw.len() {
        short.push('…');
    }
    short
}

macro_rules! text_like {
    ($($name:ident),*) => { $(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Debug::fmt(&self.0, f) }
        }
        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool { &*self.0 == other }
        }
        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool { &*self.0 == *other }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str { &self.0 }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str { &self.0 }
        }
    )* };
}
text_like!(ClassName, FieldName, ObjectId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_at_the_door() {
        for good in ["A", "GameScore", "a_1", "_User", "_Session"] {
            assert!(ClassName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "1A", "a b", "_Mine", "a.b", "A$", "é", &"a".repeat(129)] {
            assert_eq!(ClassName::parse(bad).unwrap_err().code, ErrorCode::InvalidClassName, "{bad}");
        }
        for bad in ["length", "className", "_rperm", "a.b", "$x", ""] {
            assert_eq!(FieldName::parse(bad).unwrap_err().code, ErrorCode::InvalidKeyName, "{bad}");
        }
        assert!(ObjectId::parse("a\0b").is_err());
    }
}
