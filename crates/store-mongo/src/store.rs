//! The database as the engine sees it.

use std::sync::Arc;
use std::time::Duration;

use bson::doc;
use parsimony_model::{ClassName, ClassSchema, Object, ObjectId, Value};
use parsimony_store::{Answer, Change, ClassChange, Join, Objects, Selection, Store, StoreError, Transaction};

use crate::open::MongoStore;
use crate::transaction::MongoTransaction;
use crate::{classes, error, find, joins, write};

/// How long closing waits for what still runs.
const CLOSE_MILLIS_MAX: u64 = 5_000;

impl Objects for MongoStore {
    fn find<'a>(&'a self, selection: &'a Selection) -> Answer<'a, Vec<Object>> {
        Box::pin(find::find(&self.shared, None, selection))
    }

    fn count<'a>(&'a self, selection: &'a Selection) -> Answer<'a, u64> {
        Box::pin(find::count(&self.shared, None, selection))
    }

    fn distinct<'a>(&'a self, selection: &'a Selection, field: &'a str) -> Answer<'a, Vec<Value>> {
        Box::pin(find::distinct(&self.shared, None, selection, field))
    }

    fn insert<'a>(&'a self, class: &'a Arc<ClassSchema>, object: &'a Object) -> Answer<'a, ()> {
        Box::pin(write::insert(&self.shared, None, class, object))
    }

    fn update<'a>(&'a self, selection: &'a Selection, change: &'a Change) -> Answer<'a, Option<Object>> {
        Box::pin(write::update(&self.shared, None, selection, change))
    }

    fn update_all<'a>(&'a self, selection: &'a Selection, change: &'a Change) -> Answer<'a, u64> {
        Box::pin(write::update_all(&self.shared, None, selection, change))
    }

    fn delete<'a>(&'a self, selection: &'a Selection) -> Answer<'a, u64> {
        Box::pin(write::delete(&self.shared, None, selection))
    }

    fn link<'a>(&'a self, join: &'a Join, owner: &'a ObjectId, members: &'a [ObjectId]) -> Answer<'a, ()> {
        Box::pin(joins::link(&self.shared, None, join, owner, members))
    }

    fn unlink<'a>(&'a self, join: &'a Join, owner: &'a ObjectId, members: &'a [ObjectId]) -> Answer<'a, ()> {
        Box::pin(joins::unlink(&self.shared, None, join, owner, members))
    }
}

impl Store for MongoStore {
    fn describe(&self) -> String {
        format!("MongoDB {}", self.shared.place)
    }

    fn classes(&self) -> Answer<'_, Vec<ClassSchema>> {
        Box::pin(classes::all(&self.shared))
    }

    fn create_class<'a>(&'a self, class: &'a ClassSchema) -> Answer<'a, bool> {
        Box::pin(classes::create(&self.shared, class))
    }

    fn change_class<'a>(&'a self, name: &'a ClassName, change: &'a ClassChange) -> Answer<'a, Option<ClassSchema>> {
        Box::pin(classes::change(&self.shared, name, change))
    }

    fn drop_class<'a>(&'a self, class: &'a ClassSchema) -> Answer<'a, ()> {
        Box::pin(classes::drop_class(&self.shared, class))
    }

    fn begin(&self) -> Answer<'_, Arc<dyn Transaction>> {
        Box::pin(async {
            let transaction = MongoTransaction::begin(&self.shared).await?;
            Ok(Arc::new(transaction) as Arc<dyn Transaction>)
        })
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(async {
            let pong = self.shared.database.run_command(doc! { "ping": 1 }).await;
            pong.map(drop).map_err(error::of_read)
        })
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async {
            let client = &self.shared.client;
            let wait = Duration::from_millis(CLOSE_MILLIS_MAX);
            // Transactions that nobody ends must not keep the process alive.
            if tokio::time::timeout(wait, client.clone().shutdown()).await.is_err() {
                client.clone().shutdown().immediate(true).await;
            }
            Ok::<(), StoreError>(())
        })
    }
}
