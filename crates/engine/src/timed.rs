//! How long does the database take? A store that times what it is asked.

use std::sync::Arc;
use std::time::Instant;

use parsimony_cloud::metrics::{Metrics, STORE_OPERATION_DURATION};
use parsimony_model::aggregate::{Document, Pipeline};
use parsimony_model::query::Verbosity;
use parsimony_model::schema::Index;
use parsimony_model::{ClassName, ClassSchema, Object, ObjectId, Value};
use parsimony_store::{
    Answer, Bulk, Change, ClassChange, Duplicates, FileStore, Happenings, Join, Link, Objects, Pieces, Progress,
    Selection, Store, StoreError, Transaction, Watching,
};

/// A store, or a transaction, that is timed. What is told of while it goes on, and closing, is not.
pub(crate) struct Timed<S: ?Sized> {
    inner: Arc<S>,
    metrics: Metrics,
}

fn outcome<T>(answer: &Result<T, StoreError>) -> &'static str {
    match answer {
        Ok(_) => "done",
        Err(
            StoreError::Duplicate { .. }
            | StoreError::Conflict(_)
            | StoreError::Unfit(_)
            | StoreError::Unsupported(_)
            | StoreError::InvalidQuery(_),
        ) => "refused",
        Err(StoreError::Timeout | StoreError::Unavailable(_) | StoreError::Corrupt(_)) => "failed",
    }
}

impl<S: Send + Sync + ?Sized> Timed<S> {
    pub(crate) fn new(inner: Arc<S>, metrics: Metrics) -> Self {
        Self { inner, metrics }
    }

    fn timed<'a, T: Send + 'a>(&'a self, operation: &'static str, answer: Answer<'a, T>) -> Answer<'a, T> {
        Box::pin(async move {
            let began = Instant::now();
            let answer = answer.await;
            self.metrics.time(&STORE_OPERATION_DURATION, &[operation, outcome(&answer)], began.elapsed());
            answer
        })
    }
}

impl<S: Objects + ?Sized> Objects for Timed<S> {
    fn find<'a>(&'a self, selection: &'a Selection) -> Answer<'a, Vec<Object>> {
        self.timed("find", self.inner.find(selection))
    }

    fn count<'a>(&'a self, selection: &'a Selection) -> Answer<'a, u64> {
        self.timed("count", self.inner.count(selection))
    }

    fn distinct<'a>(&'a self, selection: &'a Selection, field: &'a str) -> Answer<'a, Vec<Value>> {
        self.timed("distinct", self.inner.distinct(selection, field))
    }

    fn aggregate<'a>(&'a self, selection: &'a Selection, pipeline: &'a Pipeline) -> Answer<'a, Vec<Document>> {
        self.timed("aggregate", self.inner.aggregate(selection, pipeline))
    }

    fn explain<'a>(
        &'a self,
        selection: &'a Selection,
        pipeline: Option<&'a Pipeline>,
        verbosity: Verbosity,
    ) -> Answer<'a, Document> {
        self.timed("explain", self.inner.explain(selection, pipeline, verbosity))
    }

    fn insert<'a>(&'a self, class: &'a Arc<ClassSchema>, object: &'a Object) -> Answer<'a, ()> {
        self.timed("insert", self.inner.insert(class, object))
    }

    fn update<'a>(&'a self, selection: &'a Selection, change: &'a Change) -> Answer<'a, Option<Object>> {
        self.timed("update", self.inner.update(selection, change))
    }

    fn update_all<'a>(&'a self, selection: &'a Selection, change: &'a Change) -> Answer<'a, u64> {
        self.timed("update_all", self.inner.update_all(selection, change))
    }

    fn delete<'a>(&'a self, selection: &'a Selection) -> Answer<'a, u64> {
        self.timed("delete", self.inner.delete(selection))
    }

    fn link<'a>(&'a self, join: &'a Join, owner: &'a ObjectId, members: &'a [ObjectId]) -> Answer<'a, ()> {
        self.timed("link", self.inner.link(join, owner, members))
    }

    fn unlink<'a>(&'a self, join: &'a Join, owner: &'a ObjectId, members: &'a [ObjectId]) -> Answer<'a, ()> {
        self.timed("unlink", self.inner.unlink(join, owner, members))
    }
}

impl Transaction for Timed<dyn Transaction> {
    fn commit(&self) -> Answer<'_, ()> {
        self.timed("commit", self.inner.commit())
    }

    fn roll_back(&self) -> Answer<'_, ()> {
        self.timed("roll_back", self.inner.roll_back())
    }
}

impl Bulk for Timed<dyn Store> {
    fn pieces<'a>(&'a self, selection: &'a Selection) -> Answer<'a, Pieces<Object>> {
        self.timed("pieces", self.inner.pieces(selection))
    }

    fn links<'a>(&'a self, join: &'a Join) -> Answer<'a, Pieces<Link>> {
        self.timed("links", self.inner.links(join))
    }

    fn insert_all<'a>(&'a self, class: &'a Arc<ClassSchema>, objects: &'a [Object]) -> Answer<'a, ()> {
        self.timed("insert_all", self.inner.insert_all(class, objects))
    }

    fn fill<'a>(&'a self, join: &'a Join, links: &'a [Link]) -> Answer<'a, ()> {
        self.timed("fill", self.inner.fill(join, links))
    }

    fn others(&self) -> Answer<'_, Vec<String>> {
        self.timed("others", self.inner.others())
    }
}

impl Store for Timed<dyn Store> {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn classes(&self) -> Answer<'_, Vec<ClassSchema>> {
        self.timed("classes", self.inner.classes())
    }

    fn class<'a>(&'a self, name: &'a ClassName) -> Answer<'a, Option<ClassSchema>> {
        self.timed("class", self.inner.class(name))
    }

    fn create_class<'a>(&'a self, class: &'a ClassSchema) -> Answer<'a, bool> {
        self.timed("create_class", self.inner.create_class(class))
    }

    fn change_class<'a>(&'a self, name: &'a ClassName, change: &'a ClassChange) -> Answer<'a, Option<ClassSchema>> {
        self.timed("change_class", self.inner.change_class(name, change))
    }

    fn duplicates<'a>(&'a self, class: &'a Arc<ClassSchema>, index: &'a Index) -> Answer<'a, Duplicates> {
        self.timed("duplicates", self.inner.duplicates(class, index))
    }

    fn index_progress<'a>(&'a self, class: &'a ClassName) -> Answer<'a, Option<Progress>> {
        self.timed("index_progress", self.inner.index_progress(class))
    }

    fn members<'a>(&'a self, join: &'a Join) -> Answer<'a, u64> {
        self.timed("members", self.inner.members(join))
    }

    fn drop_class<'a>(&'a self, class: &'a ClassSchema) -> Answer<'a, ()> {
        self.timed("drop_class", self.inner.drop_class(class))
    }

    fn files(&self) -> &dyn FileStore {
        self.inner.files()
    }

    fn begin(&self) -> Answer<'_, Arc<dyn Transaction>> {
        let began = async {
            let inner = self.inner.begin().await?;
            let timed: Arc<dyn Transaction> = Arc::new(Timed::new(inner, self.metrics.clone()));
            Ok(timed)
        };
        self.timed("begin", Box::pin(began))
    }

    fn watching(&self) -> Watching {
        self.inner.watching()
    }

    fn watch<'a>(&'a self, classes: &'a [String]) -> Answer<'a, Happenings> {
        self.inner.watch(classes)
    }

    fn keep_images<'a>(&'a self, class: &'a ClassName) -> Answer<'a, ()> {
        self.inner.keep_images(class)
    }

    fn check(&self) -> Answer<'_, ()> {
        self.timed("check", self.inner.check())
    }

    fn close(&self) -> Answer<'_, ()> {
        self.inner.close()
    }
}
