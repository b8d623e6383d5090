//! Who may see one object: the access control list.

use compact_str::CompactString;
use indexmap::IndexMap;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::error::{ErrorCode, ParseError};
use crate::value::{Map, Value};

/// The grant that everyone has.
pub const PUBLIC: &str = "*";

/// What one entry allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Access {
    /// May see the object.
    pub read: bool,
    /// May change and delete it.
    pub write: bool,
}

impl Access {
    /// Read and write.
    pub const BOTH: Self = Self { read: true, write: true };
    /// Read only.
    pub const READ: Self = Self { read: true, write: false };
}

/// Who may read and write an object: `*`, user ids, and `role:NAME`. An empty list leaves it to the master key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Acl(IndexMap<CompactString, Access, crate::hashing::Keyed>);

impl Acl {
    /// Reads the wire form. `null` is no ACL: everyone may read and write.
    pub fn from_value(value: &Value) -> Result<Option<Self>, ParseError> {
        match value {
            Value::Null => Ok(None),
            // Parse: an entry the SDK could not resolve to a user id. MongoDB: no key has a NUL.
            Value::Object(map) if !map.keys().any(|who| who == "*unresolved" || who.contains('\0')) => {
                Ok(Some(Self::from_map(map)))
            }
            _ => Err(ParseError::new(ErrorCode::InvalidAcl, "Invalid ACL.")),
        }
    }

    // Parse: only the truth of `read` and `write` counts; entries that allow nothing are dropped.
    fn from_map(map: &Map) -> Self {
        let allows =
            |entry: &Value, key| entry.as_object().and_then(|entry| entry.get(key)).is_some_and(Value::is_truthy);
        map.iter()
            .map(|(who, entry)| (who.clone(), Access { read: allows(entry, "read"), write: allows(entry, "write") }))
            .filter(|(_, access)| *access != Access::default())
            .collect()
    }

    /// Rebuilds it from the two lists that stores keep.
    pub fn from_lists<'a>(
        readers: impl IntoIterator<Item = &'a str>,
        writers: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut acl = Self::default();
        for who in readers {
            acl.0.entry(who.into()).or_default().read = true;
        }
        for who in writers {
            acl.0.entry(who.into()).or_default().write = true;
        }
        acl
    }

    /// Allows someone something.
    pub fn grant(&mut self, who: &str, access: Access) {
        let entry = self.0.entry(who.into()).or_default();
        *entry = Access { read: entry.read || access.read, write: entry.write || access.write };
    }

    /// This list with one more entry.
    #[must_use]
    pub fn with(mut self, who: &str, access: Access) -> Self {
        self.grant(who, access);
        self
    }

    /// Those who may read.
    pub fn readers(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, access)| access.read).map(|(who, _)| who.as_str())
    }

    /// Those who may write.
    pub fn writers(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, access)| access.write).map(|(who, _)| who.as_str())
    }

    /// Every entry.
    pub fn entries(&self) -> impl Iterator<Item = (&str, Access)> {
        self.0.iter().map(|(who, access)| (who.as_str(), *access))
    }

    /// The wire form as a value.
    pub fn to_value(&self) -> Value {
        let entry = |access: Access| {
            [("read", access.read), ("write", access.write)]
                .into_iter()
                .filter(|(_, allowed)| *allowed)
                .map(|(key, allowed)| (key.into(), Value::Bool(allowed)))
                .collect::<Map>()
        };
        Value::Object(self.entries().map(|(who, access)| (who.into(), Value::Object(entry(access)))).collect())
    }
}

impl FromIterator<(CompactString, Access)> for Acl {
    fn from_iter<I: IntoIterator<Item = (CompactString, Access)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl Serialize for Access {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(None)?;
        if self.read {
            map.serialize_entry("read", &true)?;
        }
        if self.write {
            map.serialize_entry("write", &true)?;
        }
        map.end()
    }
}

impl Serialize for Acl {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(self.entries())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::json;

    #[test]
    fn only_true_entries_count() {
        let text = br#"{"*":{"read":true},"u1":{"read":true,"write":true},"u2":{"read":false},"role:A":{"write":1}}"#;
        let acl = Acl::from_value(&json::read(text).unwrap()).unwrap().unwrap();
        assert_eq!(acl.readers().collect::<Vec<_>>(), ["*", "u1"]);
        assert_eq!(acl.writers().collect::<Vec<_>>(), ["u1", "role:A"]);
        assert_eq!(Acl::from_lists(acl.readers(), acl.writers()), acl);
        assert_eq!(json::write(&acl), json::write(&acl.to_value()));
        assert_eq!(Acl::from_value(&Value::Null).unwrap(), None);
        assert!(Acl::from_value(&Value::Bool(true)).is_err());
    }
}
