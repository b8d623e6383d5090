//! What a store can be asked: objects, transactions and classes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use parsimony_model::aggregate::{Document, Pipeline};
use parsimony_model::query::Verbosity;
use parsimony_model::schema::Index;
use parsimony_model::{ClassName, ClassSchema, Object, ObjectId, Value};

use crate::bulk::Bulk;
use crate::change::{Change, ClassChange, Duplicates, Join, Progress, Resealed};
use crate::error::StoreError;
use crate::files::FileStore;
use crate::selection::Selection;
use crate::watch::{Happenings, Watching};

/// What a store answers with, later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Reading and writing objects. A store and an open transaction both can, so a pipeline is written once and does not know
/// which of the two it holds.
pub trait Objects: Send + Sync {
    /// Finds what the selection's scope may see, in its order and range.
    fn find<'a>(&'a self, selection: &'a Selection) -> Answer<'a, Vec<Object>>;

    /// Counts what the selection's scope may see; order and range do not count.
    fn count<'a>(&'a self, selection: &'a Selection) -> Answer<'a, u64>;

    /// The distinct values of a field among what the selection's scope may see; array elements count one by one.
    fn distinct<'a>(&'a self, selection: &'a Selection, field: &'a str) -> Answer<'a, Vec<Value>>;

    /// What a pipeline gives for what the selection's scope may see; its order and range do not count.
    fn aggregate<'a>(&'a self, selection: &'a Selection, pipeline: &'a Pipeline) -> Answer<'a, Vec<Document>>;

    /// How the selection, or a pipeline on it, would be answered.
    fn explain<'a>(
        &'a self,
        selection: &'a Selection,
        pipeline: Option<&'a Pipeline>,
        verbosity: Verbosity,
    ) -> Answer<'a, Document>;

    /// Stores a new object. Its fields are in the class.
    fn insert<'a>(&'a self, class: &'a Arc<ClassSchema>, object: &'a Object) -> Answer<'a, ()>;

    /// Changes the first object that the selection finds, atomically, and gives it as it is afterwards.
    fn update<'a>(&'a self, selection: &'a Selection, change: &'a Change) -> Answer<'a, Option<Object>>;

    /// Changes every object that the selection finds, and tells how many.
    fn update_all<'a>(&'a self, selection: &'a Selection, change: &'a Change) -> Answer<'a, u64>;

    /// Deletes every object that the selection finds, and tells how many.
    fn delete<'a>(&'a self, selection: &'a Selection) -> Answer<'a, u64>;

    /// Puts members into a relation of an object; those that are in it stay.
    fn link<'a>(&'a self, join: &'a Join, owner: &'a ObjectId, members: &'a [ObjectId]) -> Answer<'a, ()>;

    /// Takes members out of a relation of an object.
    fn unlink<'a>(&'a self, join: &'a Join, owner: &'a ObjectId, members: &'a [ObjectId]) -> Answer<'a, ()>;
}

/// An open transaction. It ends by `commit` or `roll_back`; dropping the last reference rolls it back.
///
/// After its end, and after its time limit, everything it is asked fails.
pub trait Transaction: Objects {
    /// Makes it all visible at once. [`StoreError::Conflict`] means that nothing was written and it may be tried again.
    fn commit(&self) -> Answer<'_, ()>;

    /// Undoes it all.
    fn roll_back(&self) -> Answer<'_, ()>;
}

/// A database.
pub trait Store: Bulk {
    /// What it is called in logs and the start banner, such as `SQLite ./data/parsimony.db`; never with credentials.
    fn describe(&self) -> String;

    /// Every class it knows.
    fn classes(&self) -> Answer<'_, Vec<ClassSchema>>;

    /// One class; `None` if there is none of that name. Costs as much as reading one object.
    fn class<'a>(&'a self, name: &'a ClassName) -> Answer<'a, Option<ClassSchema>>;

    /// Creates a class. `false` if there is one of that name, which is left as it is.
    fn create_class<'a>(&'a self, class: &'a ClassSchema) -> Answer<'a, bool>;

    /// Changes a class and gives it as it is afterwards; `None` if there is no such class.
    ///
    /// A field of the same name and type that is already there is no error (another request was first); one of another
    /// type is [`StoreError::Unfit`]. A unique index that the data does not allow is [`StoreError::Duplicate`].
    fn change_class<'a>(&'a self, name: &'a ClassName, change: &'a ClassChange) -> Answer<'a, Option<ClassSchema>>;

    /// What keeps a unique index from being made: objects that it could not tell apart. The index may stand on fields that
    /// the class does not have yet.
    fn duplicates<'a>(&'a self, class: &'a Arc<ClassSchema>, index: &'a Index) -> Answer<'a, Duplicates>;

    /// How far the index has come that is being made for a class; `None` if that cannot be told, or none is.
    fn index_progress<'a>(&'a self, class: &'a ClassName) -> Answer<'a, Option<Progress>>;

    /// How many members all objects of a class together have in a relation.
    fn members<'a>(&'a self, join: &'a Join) -> Answer<'a, u64>;

    /// Drops a class with its objects, and the join tables of its relations.
    fn drop_class<'a>(&'a self, class: &'a ClassSchema) -> Answer<'a, ()>;

    /// The files that are kept in it.
    fn files(&self) -> &dyn FileStore;

    /// Opens a transaction. Waits for its turn where the database has one writer.
    fn begin(&self) -> Answer<'_, Arc<dyn Transaction>>;

    /// How much it tells of what is written.
    fn watching(&self) -> Watching {
        Watching::No
    }

    /// What is written from now on to classes whose whole names one of these regular expressions meets, and to their
    /// relations, in the order in which it is committed; classes that change are always told. What is missed while the
    /// database is not reached is made up for, or told as a gap. Only stores that are [`Watching`] can.
    fn watch<'a>(&'a self, classes: &'a [String]) -> Answer<'a, Happenings> {
        let _ = classes;
        Box::pin(async { Ok(Box::pin(futures::stream::pending()) as Happenings) })
    }

    /// Lets what is written to a class from now on be told with its images. A class that does not exist is no error.
    fn keep_images<'a>(&'a self, class: &'a ClassName) -> Answer<'a, ()> {
        let _ = class;
        Box::pin(async { Ok(()) })
    }

    /// Seals anew what of a class is in clear though it should not be, or sealed with an old key: of the objects that come
    /// after this one in the order of their ids, some. A store that seals nothing has nothing to do.
    fn reseal<'a>(&'a self, class: &'a Arc<ClassSchema>, after: Option<&'a ObjectId>) -> Answer<'a, Resealed> {
        let _ = (class, after);
        Box::pin(async { Ok(Resealed::default()) })
    }

    /// Whether it answers.
    fn check(&self) -> Answer<'_, ()>;

    /// Finishes what runs and closes.
    fn close(&self) -> Answer<'_, ()>;
}
