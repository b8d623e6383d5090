//! What is a stored object: one type from the store's row to the wire.

use crate::acl::Acl;
use crate::names::{ClassName, ObjectId};
use crate::value::{Date, Map, Pointer, Value};

/// A stored object.
///
/// `fields` holds the class's own fields, and Parse's internal ones (`_hashed_password`, ...), whose names start with `_`
/// and never leave the server; the columns every class has are fields of this struct.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its class.
    pub class: ClassName,
    /// Its id, unique in the class.
    pub id: ObjectId,
    /// When it was created; missing only in rows written past Parse.
    pub created_at: Option<Date>,
    /// When it was last changed; missing only in rows written past Parse.
    pub updated_at: Option<Date>,
    /// Who may read and write it; `None` means everyone.
    pub acl: Option<Acl>,
    /// Its other fields.
    pub fields: Map,
}

impl Object {
    /// A reference to it.
    pub fn pointer(&self) -> Pointer {
        Pointer::new(self.class.clone(), self.id.clone())
    }

    /// One field of its own; the columns every class has are not among them.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.fields.get(field)
    }

    /// The text in a field.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.get(field)?.as_str()
    }

    /// Any field, also `objectId`, `createdAt`, `updatedAt` and `ACL`.
    pub fn lookup(&self, field: &str) -> Option<Value> {
        match field {
            "objectId" => Some(self.id.as_str().into()),
            "createdAt" => self.created_at.map(Value::Date),
            "updatedAt" => self.updated_at.map(Value::Date),
            "ACL" => self.acl.as_ref().map(Acl::to_value),
            _ => self.fields.get(field).cloned(),
        }
    }
}
