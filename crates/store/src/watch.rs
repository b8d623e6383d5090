//! What is written to a database that several servers share, as it is committed, whoever wrote it.

use std::fmt;
use std::pin::Pin;

use futures::Stream;
use parsimony_model::{ClassName, ClassSchema, Object};

use crate::error::StoreError;

/// How much a store tells of what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watching {
    /// Nothing: it has one server only, or the database cannot.
    No,
    /// Which objects.
    Names,
    /// Also what they were, and what they are.
    Images,
}

/// What is written, without an end.
pub type Happenings = Pin<Box<dyn Stream<Item = Happening> + Send>>;

/// Something that was written.
#[derive(Debug)]
pub enum Happening {
    /// Classes were made, changed or dropped.
    Classes,
    /// The members of a relation of this class.
    Members(ClassName),
    /// An object.
    Object(Written),
    /// Something may have been missed: whatever is known of the database may be old.
    Gap,
}

/// An object that was written.
#[derive(Debug)]
pub struct Written {
    /// Its class.
    pub class: ClassName,
    /// Its id, as text.
    pub id: String,
    /// Whether it is gone.
    pub deleted: bool,
    /// Whether it is new.
    pub created: bool,
    /// As it was; `None` for a new one, and where the store does not know.
    pub before: Option<Image>,
    /// As it is; `None` for one that is gone, and where the store does not know.
    pub after: Option<Image>,
}

/// How an object is read when its class is known.
type Read = dyn Fn(&ClassSchema) -> Result<Object, StoreError> + Send + Sync;

/// An object that has yet to be read: its class says how.
pub struct Image(Box<Read>);

impl Image {
    /// An image that is read like this.
    pub fn new(read: impl Fn(&ClassSchema) -> Result<Object, StoreError> + Send + Sync + 'static) -> Self {
        Self(Box::new(read))
    }

    /// The object.
    pub fn read(&self, class: &ClassSchema) -> Result<Object, StoreError> {
        (self.0)(class)
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Image")
    }
}
