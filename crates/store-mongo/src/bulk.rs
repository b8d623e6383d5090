//! Whole classes and relations, in pieces: cursors, and many documents in one request.

use std::collections::HashSet;
use std::sync::Arc;

use bson::{RawBsonRef, RawDocumentBuf, doc, rawdoc};
use futures::{StreamExt, TryStreamExt, stream};
use mongodb::error::Error;
use mongodb::raw_batch_cursor::{RawBatch, RawBatchCursor};
use parsimony_model::builtin::Builtin;
use parsimony_model::{ClassSchema, Object, ObjectId};
use parsimony_store::{Answer, Bulk, Join, Link, PIECE_ROWS_MAX, Pieces, Selection, StoreError};

use crate::filter::{self, Purpose};
use crate::open::{MongoStore, Shared};
use crate::{classes, documents, error, find, joins, names};

/// Rows in one answer of the server.
pub(crate) const BATCH_ROWS: u32 = PIECE_ROWS_MAX as u32;

impl Bulk for MongoStore {
    fn pieces<'a>(&'a self, selection: &'a Selection) -> Answer<'a, Pieces<Object>> {
        Box::pin(async move { pieces(&self.clients.here(), selection).await })
    }

    fn links<'a>(&'a self, join: &'a Join) -> Answer<'a, Pieces<Link>> {
        Box::pin(async move { links(&self.clients.here(), join).await })
    }

    fn insert_all<'a>(&'a self, class: &'a Arc<ClassSchema>, objects: &'a [Object]) -> Answer<'a, ()> {
        Box::pin(async move {
            let documents = objects.iter().map(|object| documents::document(class, object));
            let documents = documents.collect::<Result<Vec<_>, _>>()?;
            if documents.is_empty() {
                return Ok(());
            }
            let inserted = self.clients.here().objects(&class.name).insert_many(documents).await;
            inserted.map(drop).map_err(error::of_write)
        })
    }

    fn fill<'a>(&'a self, join: &'a Join, links: &'a [Link]) -> Answer<'a, ()> {
        Box::pin(async move {
            let row = |link: &Link| rawdoc! { "relatedId": link.member.as_str(), "owningId": link.owner.as_str() };
            let rows: Vec<RawDocumentBuf> = links.iter().map(row).collect();
            if rows.is_empty() {
                return Ok(());
            }
            let inserted = self.clients.here().join(join).insert_many(rows).await;
            inserted.map(drop).map_err(error::of_write)
        })
    }

    fn others(&self) -> Answer<'_, Vec<String>> {
        Box::pin(async { others(&self.clients.here()).await })
    }
}

async fn pieces(shared: &Shared, selection: &Selection) -> Result<Pieces<Object>, StoreError> {
    // To MongoDB a limit of 0 is none.
    if selection.limit == Some(0) {
        return Ok(Box::pin(stream::empty()));
    }
    let condition = joins::look_up(shared, None, selection).await?;
    let query = filter::document(selection, &condition, Purpose::Find)?;
    let cursor = match find::cursor(shared, selection, query.clone()).await {
        Err(failure) if error::lacks_index(&failure) => {
            find::create_special_index(shared, selection, &condition).await?;
            find::cursor(shared, selection, query).await
        }
        answer => answer,
    };
    let selection = selection.clone();
    let read = move |batch: RawBatch| find::objects(&selection, std::slice::from_ref(&batch));
    Ok(in_pieces(cursor.map_err(error::of_read)?, read))
}

/// Every batch of a cursor as a piece.
fn in_pieces<T, R>(cursor: RawBatchCursor, read: R) -> Pieces<T>
where
    T: Send + 'static,
    R: Fn(RawBatch) -> Result<Vec<T>, StoreError> + Send + 'static,
{
    let pieces = cursor.map(move |batch| batch.map_err(error::of_read).and_then(&read));
    // The last answer of the server can be empty.
    Box::pin(pieces.try_filter(|piece| std::future::ready(!piece.is_empty())))
}

/// The server forgets rows that are there more than once: a relation is a set.
async fn links(shared: &Shared, join: &Join) -> Result<Pieces<Link>, StoreError> {
    let once = doc! { "$group": { "_id": { "o": "$owningId", "r": "$relatedId" } } };
    let table = shared.join(join);
    let rows = table.aggregate([once]).allow_disk_use(true).batch_size(BATCH_ROWS).batch().await;
    Ok(in_pieces(rows.map_err(error::of_read)?, |batch| read_links(&batch)))
}

fn read_links(batch: &RawBatch) -> Result<Vec<Link>, StoreError> {
    let mut links = Vec::new();
    for row in batch.doc_slices().map_err(error::of_read)? {
        let Ok(RawBsonRef::Document(row)) = row else {
            return Err(StoreError::Corrupt("a row that is no document".to_owned()));
        };
        let ends = row.get_document(names::ID).map_err(|cause| StoreError::Corrupt(cause.to_string()))?;
        let end = |name: &str| ends.get_str(name).ok().and_then(|id| ObjectId::parse(id).ok());
        // A row without two ids relates nothing.
        if let (Some(owner), Some(member)) = (end("o"), end("r")) {
            links.push(Link { owner, member });
        }
    }
    Ok(links)
}

/// The collections that are neither a class nor a relation of one.
async fn others(shared: &Shared) -> Result<Vec<String>, StoreError> {
    let mut known: HashSet<String> = Builtin::all().map(|class| class.name().as_str().to_owned()).collect();
    known.insert(names::SCHEMA.to_owned());
    for class in classes::all(shared).await? {
        let joins = class.relations().map(|(field, _)| Join { class: class.name.clone(), field: field.clone() });
        known.extend(joins.map(|join| join.table()));
        known.insert(class.name.as_str().to_owned());
    }
    let all = collections(shared).await.map_err(error::of_read)?;
    let prefix = shared.options.collection_prefix.as_str();
    let mut others: Vec<String> = all
        .iter()
        .filter_map(|name| name.strip_prefix(prefix))
        .filter(|name| !known.contains(*name) && !name.starts_with("system."))
        .map(str::to_owned)
        .collect();
    others.sort_unstable();
    Ok(others)
}

async fn collections(shared: &Shared) -> Result<Vec<String>, Error> {
    // An empty collection holds nothing.
    let named = shared.database.list_collection_names().filter(doc! { "type": "collection" }).await?;
    let mut full = Vec::new();
    for name in named {
        let first = shared.database.collection::<RawDocumentBuf>(&name).find_one(doc! {}).await?;
        if first.is_some() {
            full.push(name);
        }
    }
    Ok(full)
}
