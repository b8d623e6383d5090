//! The database as the engine sees it.

use std::sync::Arc;
use std::time::Duration;

use bson::doc;
use parsimony_model::aggregate::{Document, Pipeline};
use parsimony_model::query::Verbosity;
use parsimony_model::schema::Index;
use parsimony_model::{ClassName, ClassSchema, Object, ObjectId, Value};
use parsimony_store::{
    Answer, Change, ClassChange, Duplicates, FileStore, Happenings, Join, Objects, Progress, Selection, Store,
    StoreError, Transaction, Watching,
};

use crate::open::MongoStore;
use crate::transaction::MongoTransaction;
use crate::{aggregate, classes, duplicates, error, explain, find, joins, watch, write};

/// How long closing waits for what still runs.
const CLOSE_MILLIS_MAX: u64 = 5_000;

impl Objects for MongoStore {
    fn find<'a>(&'a self, selection: &'a Selection) -> Answer<'a, Vec<Object>> {
        Box::pin(async move { find::find(&self.clients.here(), None, selection).await })
    }

    fn count<'a>(&'a self, selection: &'a Selection) -> Answer<'a, u64> {
        Box::pin(async move { find::count(&self.clients.here(), None, selection).await })
    }

    fn distinct<'a>(&'a self, selection: &'a Selection, field: &'a str) -> Answer<'a, Vec<Value>> {
        Box::pin(async move { find::distinct(&self.clients.here(), None, selection, field).await })
    }

    fn aggregate<'a>(&'a self, selection: &'a Selection, pipeline: &'a Pipeline) -> Answer<'a, Vec<Document>> {
        Box::pin(async move { aggregate::aggregate(&self.clients.here(), None, selection, pipeline).await })
    }

    fn explain<'a>(
        &'a self,
        selection: &'a Selection,
        pipeline: Option<&'a Pipeline>,
        verbosity: Verbosity,
    ) -> Answer<'a, Document> {
        Box::pin(async move { explain::explain(&self.clients.here(), selection, pipeline, verbosity).await })
    }

    fn insert<'a>(&'a self, class: &'a Arc<ClassSchema>, object: &'a Object) -> Answer<'a, ()> {
        Box::pin(async move { write::insert(&self.clients.here(), None, class, object).await })
    }

    fn update<'a>(&'a self, selection: &'a Selection, change: &'a Change) -> Answer<'a, Option<Object>> {
        Box::pin(async move { write::update(&self.clients.here(), None, selection, change).await })
    }

    fn update_all<'a>(&'a self, selection: &'a Selection, change: &'a Change) -> Answer<'a, u64> {
        Box::pin(async move { write::update_all(&self.clients.here(), None, selection, change).await })
    }

    fn delete<'a>(&'a self, selection: &'a Selection) -> Answer<'a, u64> {
        Box::pin(async move { write::delete(&self.clients.here(), None, selection).await })
    }

    fn link<'a>(&'a self, join: &'a Join, owner: &'a ObjectId, members: &'a [ObjectId]) -> Answer<'a, ()> {
        Box::pin(async move { joins::link(&self.clients.here(), None, join, owner, members).await })
    }

    fn unlink<'a>(&'a self, join: &'a Join, owner: &'a ObjectId, members: &'a [ObjectId]) -> Answer<'a, ()> {
        Box::pin(async move { joins::unlink(&self.clients.here(), None, join, owner, members).await })
    }
}

impl Store for MongoStore {
    fn describe(&self) -> String {
        format!("MongoDB {}", self.clients.home().place)
    }

    fn classes(&self) -> Answer<'_, Vec<ClassSchema>> {
        Box::pin(async move { classes::all(&self.clients.here()).await })
    }

    fn class<'a>(&'a self, name: &'a ClassName) -> Answer<'a, Option<ClassSchema>> {
        Box::pin(async move { classes::one(&self.clients.here(), name).await })
    }

    fn create_class<'a>(&'a self, class: &'a ClassSchema) -> Answer<'a, bool> {
        Box::pin(async move { classes::create(&self.clients.here(), class).await })
    }

    fn change_class<'a>(&'a self, name: &'a ClassName, change: &'a ClassChange) -> Answer<'a, Option<ClassSchema>> {
        Box::pin(async move { classes::change(&self.clients.here(), name, change).await })
    }

    fn duplicates<'a>(&'a self, class: &'a Arc<ClassSchema>, index: &'a Index) -> Answer<'a, Duplicates> {
        Box::pin(async move { duplicates::find(&self.clients.here(), class, index).await })
    }

    fn index_progress<'a>(&'a self, class: &'a ClassName) -> Answer<'a, Option<Progress>> {
        Box::pin(async move { duplicates::progress(&self.clients.here(), class).await })
    }

    fn members<'a>(&'a self, join: &'a Join) -> Answer<'a, u64> {
        Box::pin(async move { joins::members(&self.clients.here(), join).await })
    }

    fn drop_class<'a>(&'a self, class: &'a ClassSchema) -> Answer<'a, ()> {
        Box::pin(async move { classes::drop_class(&self.clients.here(), class).await })
    }

    fn files(&self) -> &dyn FileStore {
        self
    }

    fn begin(&self) -> Answer<'_, Arc<dyn Transaction>> {
        Box::pin(async {
            let transaction = MongoTransaction::begin(self.clients.here()).await?;
            Ok(Arc::new(transaction) as Arc<dyn Transaction>)
        })
    }

    fn watching(&self) -> Watching {
        self.clients.home().watching
    }

    fn watch<'a>(&'a self, classes: &'a [String]) -> Answer<'a, Happenings> {
        Box::pin(async move { watch::watch(Arc::clone(self.clients.home()), classes).await })
    }

    fn keep_images<'a>(&'a self, class: &'a ClassName) -> Answer<'a, ()> {
        Box::pin(async move { watch::keep_images(&self.clients.here(), class).await })
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(async {
            let pong = self.clients.here().database.run_command(doc! { "ping": 1 }).await;
            pong.map(drop).map_err(error::of_read)
        })
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async {
            let client = &self.clients.home().client;
            let wait = Duration::from_millis(CLOSE_MILLIS_MAX);
            // Transactions that nobody ends must not keep the process alive.
            if tokio::time::timeout(wait, client.clone().shutdown()).await.is_err() {
                client.clone().shutdown().immediate(true).await;
            }
            Ok::<(), StoreError>(())
        })
    }
}
