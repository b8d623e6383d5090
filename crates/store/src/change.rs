//! What shall change: in an object, in a relation, in a class.

use parsimony_model::permissions::ClassPermissions;
use parsimony_model::schema::{Field, Index};
use parsimony_model::{Acl, ClassName, Date, FieldName, ObjectId, Update};

/// A change of one object, or of all that a selection finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// What happens to its fields. Holds no [`parsimony_model::Op::Relate`].
    pub update: Update,
    /// Its new ACL, if that changes; `Some(None)` takes the ACL away.
    pub acl: Option<Option<Acl>>,
    /// When it changed.
    pub updated_at: Date,
}

/// A many-to-many field: the join table between the class that owns it and its target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Join {
    /// The class that has the field.
    pub class: ClassName,
    /// The field.
    pub field: FieldName,
}

impl Join {
    /// Parse's name of the table, `_Join:FIELD:CLASS`.
    pub fn table(&self) -> String {
        format!("_Join:{}:{}", self.field, self.class)
    }
}

/// A change of a class. Parts that are empty change nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClassChange {
    /// New permissions.
    pub permissions: Option<ClassPermissions>,
    /// Fields to add, or whose options to replace.
    pub set_fields: Vec<(FieldName, Field)>,
    /// Fields to drop, with their data.
    pub drop_fields: Vec<FieldName>,
    /// Indexes to add.
    pub add_indexes: Vec<(String, Index)>,
    /// Indexes to drop.
    pub drop_indexes: Vec<String>,
    /// Whether its objects can only be added from now on.
    pub append_only: Option<bool>,
}

/// Objects that a unique index could not tell apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Duplicates {
    /// How many groups of equal ones there are.
    pub groups: u64,
    /// How many objects are in them.
    pub objects: u64,
    /// A few of them, those of one group beside each other.
    pub samples: Vec<ObjectId>,
}

/// How far something has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is done.
    pub done: u64,
    /// What there is to do.
    pub total: u64,
}

/// One step of sealing anew.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resealed {
    /// How many objects were looked at.
    pub seen: u64,
    /// How many of them were sealed anew.
    pub resealed: u64,
    /// The last of them, after which the next step begins; `None` if there is none.
    pub next: Option<ObjectId>,
}
