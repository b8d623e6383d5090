//! The vault in a transaction: the secrets that are made in it count for others when it is committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parsimony_model::aggregate::{Document, Pipeline};
use parsimony_model::query::Verbosity;
use parsimony_model::{ClassSchema, Object, ObjectId, Value};
use parsimony_store::{Answer, Change, Join, Objects, Selection, Transaction};

use crate::marks::Marks;
use crate::persons::Made;
use crate::questions::asked;
use crate::sealed::{Inner, Means, is_about_persons};

/// A transaction that seals.
pub(crate) struct SealedTransaction {
    inner: Arc<dyn Transaction>,
    means: Arc<Means>,
    made: Made,
    /// Whether it deletes secrets of persons.
    forgets: AtomicBool,
}

impl SealedTransaction {
    pub(crate) fn new(inner: Arc<dyn Transaction>, means: Arc<Means>) -> Self {
        Self { inner, means, made: Made::default(), forgets: AtomicBool::new(false) }
    }

    fn sealed(&self) -> Inner<'_> {
        Inner { means: &self.means, objects: &*self.inner, made: Some(&self.made) }
    }
}

impl Objects for SealedTransaction {
    fn find<'a>(&'a self, selection: &'a Selection) -> Answer<'a, Vec<Object>> {
        match Marks::of(&selection.class) {
            Some(marks) => Box::pin(self.sealed().find(selection, marks)),
            None => self.inner.find(selection),
        }
    }

    fn count<'a>(&'a self, selection: &'a Selection) -> Answer<'a, u64> {
        match Marks::of(&selection.class) {
            Some(marks) => {
                Box::pin(async move { self.inner.count(&asked(selection, &marks, &self.means.ring)?).await })
            }
            None => self.inner.count(selection),
        }
    }

    fn distinct<'a>(&'a self, selection: &'a Selection, field: &'a str) -> Answer<'a, Vec<Value>> {
        match Marks::of(&selection.class) {
            Some(marks) => Box::pin(self.sealed().distinct(selection, field, marks)),
            None => self.inner.distinct(selection, field),
        }
    }

    fn aggregate<'a>(&'a self, selection: &'a Selection, pipeline: &'a Pipeline) -> Answer<'a, Vec<Document>> {
        match Marks::of(&selection.class) {
            Some(marks) => {
                Box::pin(
                    async move { self.inner.aggregate(&asked(selection, &marks, &self.means.ring)?, pipeline).await },
                )
            }
            None => self.inner.aggregate(selection, pipeline),
        }
    }

    fn explain<'a>(
        &'a self,
        selection: &'a Selection,
        pipeline: Option<&'a Pipeline>,
        verbosity: Verbosity,
    ) -> Answer<'a, Document> {
        match Marks::of(&selection.class) {
            Some(marks) => Box::pin(async move {
                self.inner.explain(&asked(selection, &marks, &self.means.ring)?, pipeline, verbosity).await
            }),
            None => self.inner.explain(selection, pipeline, verbosity),
        }
    }

    fn insert<'a>(&'a self, class: &'a Arc<ClassSchema>, object: &'a Object) -> Answer<'a, ()> {
        match Marks::of(class) {
            Some(marks) => Box::pin(self.sealed().insert(class, object, marks)),
            None => self.inner.insert(class, object),
        }
    }

    fn update<'a>(&'a self, selection: &'a Selection, change: &'a Change) -> Answer<'a, Option<Object>> {
        match Marks::of(&selection.class) {
            Some(marks) => Box::pin(self.sealed().update(selection, change, marks)),
            None => self.inner.update(selection, change),
        }
    }

    fn update_all<'a>(&'a self, selection: &'a Selection, change: &'a Change) -> Answer<'a, u64> {
        match Marks::of(&selection.class) {
            Some(marks) => Box::pin(self.sealed().update_all(selection, change, marks)),
            None => self.inner.update_all(selection, change),
        }
    }

    fn delete<'a>(&'a self, selection: &'a Selection) -> Answer<'a, u64> {
        Box::pin(async move {
            if is_about_persons(selection) {
                self.forgets.store(true, Ordering::Relaxed);
                self.made.lock().clear();
            }
            match Marks::of(&selection.class) {
                Some(marks) => self.inner.delete(&asked(selection, &marks, &self.means.ring)?).await,
                None => self.inner.delete(selection).await,
            }
        })
    }

    fn link<'a>(&'a self, join: &'a Join, owner: &'a ObjectId, members: &'a [ObjectId]) -> Answer<'a, ()> {
        self.inner.link(join, owner, members)
    }

    fn unlink<'a>(&'a self, join: &'a Join, owner: &'a ObjectId, members: &'a [ObjectId]) -> Answer<'a, ()> {
        self.inner.unlink(join, owner, members)
    }
}

impl Transaction for SealedTransaction {
    fn commit(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.inner.commit().await?;
            if self.forgets.load(Ordering::Relaxed) {
                self.means.persons.forget();
            } else {
                self.means.persons.learn(&self.made);
            }
            Ok(())
        })
    }

    fn roll_back(&self) -> Answer<'_, ()> {
        self.inner.roll_back()
    }
}
