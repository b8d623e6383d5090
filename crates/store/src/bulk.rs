//! What is asked for that is too much for one answer: whole classes and relations, in pieces.

use std::sync::Arc;

use futures::stream::BoxStream;
use parsimony_model::{ClassSchema, Object, ObjectId};

use crate::change::Join;
use crate::error::StoreError;
use crate::objects::{Answer, Objects};
use crate::selection::Selection;

/// Rows that come some at a time. After an error nothing comes; dropping it ends the read.
pub type Pieces<T> = BoxStream<'static, Result<Vec<T>, StoreError>>;

/// How many rows one piece has at most, if they are small.
pub const PIECE_ROWS_MAX: usize = 256;

/// A row of a relation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Link {
    /// The object that has the relation.
    pub owner: ObjectId,
    /// The one that is in it.
    pub member: ObjectId,
}

/// Reading and writing more than memory should hold at once.
///
/// A store may bound for how long one read goes on, and how long it waits for whoever reads: then it ends with
/// [`StoreError::Timeout`].
pub trait Bulk: Objects {
    /// What [`Objects::find`] finds, in the same order and as the data is when it is asked for or later, in pieces that are
    /// not empty.
    fn pieces<'a>(&'a self, selection: &'a Selection) -> Answer<'a, Pieces<Object>>;

    /// Every row of a relation, each once, in no particular order.
    fn links<'a>(&'a self, join: &'a Join) -> Answer<'a, Pieces<Link>>;

    /// Stores new objects of a class, in their order. If one is refused, those before it may be there.
    fn insert_all<'a>(&'a self, class: &'a Arc<ClassSchema>, objects: &'a [Object]) -> Answer<'a, ()>;

    /// Puts rows into a relation, of which none is in it yet.
    fn fill<'a>(&'a self, join: &'a Join, links: &'a [Link]) -> Answer<'a, ()>;

    /// What the database holds besides classes and their relations, by name, in the order of names.
    fn others(&self) -> Answer<'_, Vec<String>>;
}
