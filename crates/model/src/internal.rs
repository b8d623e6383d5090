//! Which fields of an object are the server's own, and may be asked for, or written, by its administrator alone?

use crate::schema::FieldType;

/// A field that no class names and no client sees.
#[derive(Debug)]
pub struct InternalField {
    /// Its name.
    pub name: &'static str,
    /// What is in it.
    pub kind: FieldType,
    open: Open,
}

/// To what an internal field is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// Queries by the master key, and writes by the maintenance key.
    Both,
    /// Queries.
    Questions,
    /// Writes.
    Writes,
}

impl InternalField {
    /// Whether a query by the master key may name it.
    pub fn can_be_asked(&self) -> bool {
        self.open != Open::Writes
    }

    /// Whether the maintenance key may write it.
    pub fn can_be_written(&self) -> bool {
        self.open != Open::Questions
    }
}

const fn row(name: &'static str, kind: FieldType, open: Open) -> InternalField {
    InternalField { name, kind, open }
}

static TABLE: [InternalField; 13] = [
    row("_rperm", FieldType::Array, Open::Both),
    row("_wperm", FieldType::Array, Open::Both),
    row("_hashed_password", FieldType::String, Open::Writes),
    row("_email_verify_token", FieldType::String, Open::Both),
    row("_email_verify_token_expires_at", FieldType::Date, Open::Both),
    row("_perishable_token", FieldType::String, Open::Both),
    row("_perishable_token_expires_at", FieldType::Date, Open::Both),
    row("_failed_login_count", FieldType::Number, Open::Both),
    row("_account_lockout_expires_at", FieldType::Date, Open::Both),
    row("_password_changed_at", FieldType::Date, Open::Both),
    row("_password_history", FieldType::Array, Open::Both),
    row("_tombstone", FieldType::Boolean, Open::Questions),
    row("_session_token", FieldType::String, Open::Questions),
];

/// The internal field of this name.
pub fn field(name: &str) -> Option<&'static InternalField> {
    // Most names are no such field's.
    name.starts_with('_').then(|| TABLE.iter().find(|field| field.name == name))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_written_and_never_asked_for() {
        let hash = field("_hashed_password").unwrap();
        assert!(hash.can_be_written() && !hash.can_be_asked());
        assert!(!field("_tombstone").unwrap().can_be_written());
        assert!(field("_nope").is_none() && field("username").is_none());
    }
}
