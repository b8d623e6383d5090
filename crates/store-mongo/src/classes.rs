//! The work on classes: `_SCHEMA` documents, collections and their indexes.

use bson::{Document, RawDocumentBuf, doc};
use futures::{StreamExt, TryStreamExt, stream};
use indexmap::IndexMap;
use mongodb::IndexModel;
use mongodb::error::Error;
use parsimony_model::schema::{FieldType, Index};
use parsimony_model::update::top;
use parsimony_model::{ClassName, ClassSchema};
use parsimony_store::{ClassChange, Join, StoreError};

use crate::adopt;
use crate::error;
use crate::indexes;
use crate::names;
use crate::open::Shared;
use crate::schemas::{self, INDEXES, METADATA};

/// How many collections are asked for their indexes at once.
pub(crate) const LISTS_AT_ONCE_MAX: usize = 8;
/// How often a change of a class is tried again because another one was first.
const TRIES_MAX: u8 = 10;

/// Every class that has a document.
pub(crate) async fn all(shared: &Shared) -> Result<Vec<ClassSchema>, StoreError> {
    let cursor = shared.schemas().find(Document::new()).await.map_err(error::of_read)?;
    let documents: Vec<RawDocumentBuf> = cursor.try_collect().await.map_err(error::of_read)?;
    let classes = documents.iter().filter_map(|document| schemas::class(document).transpose());
    let classes = classes.collect::<Result<Vec<_>, _>>()?;
    let complete = classes.into_iter().map(|class| with_index_options(shared, class));
    stream::iter(complete).buffered(LISTS_AT_ONCE_MAX).try_collect().await
}

/// One class, if it is there: it has a document, or, if it may not have one, a collection.
pub(crate) async fn one(shared: &Shared, name: &ClassName) -> Result<Option<ClassSchema>, StoreError> {
    if schemas::is_volatile(name) {
        let named = shared.database.list_collection_names().filter(doc! { "name": shared.objects(name).name() });
        let is_there = !named.await.map_err(error::of_read)?.is_empty();
        return if is_there { volatile(shared, name).await.map(Some) } else { Ok(None) };
    }
    match read(shared, name).await?.map(|stored| schemas::class(&stored)).transpose()?.flatten() {
        Some(class) => with_index_options(shared, class).await.map(Some),
        None => Ok(None),
    }
}

/// The class with what only its collection knows of its indexes.
async fn with_index_options(shared: &Shared, mut class: ClassSchema) -> Result<ClassSchema, StoreError> {
    if class.indexes.is_empty() {
        return Ok(class);
    }
    for model in listed(shared, &class.name).await.map_err(error::of_read)? {
        let options = model.options.unwrap_or_default();
        let Some(name) = options.name.as_deref() else { continue };
        if let Some(index) = class.indexes.get_mut(name) {
            indexes::take_options(index, &options)?;
        }
    }
    Ok(class)
}

/// The indexes of a collection; of one that is not there yet, none.
pub(crate) async fn listed(shared: &Shared, class: &ClassName) -> Result<Vec<IndexModel>, Error> {
    match shared.objects(class).list_indexes().await {
        Ok(cursor) => cursor.try_collect().await,
        Err(failure) if error::is_missing(&failure) => Ok(Vec::new()),
        Err(failure) => Err(failure),
    }
}

/// Creates a class; `false` if there is one of that name.
pub(crate) async fn create(shared: &Shared, class: &ClassSchema) -> Result<bool, StoreError> {
    let volatile = schemas::is_volatile(&class.name);
    if !volatile {
        let document = RawDocumentBuf::try_from(&schemas::document(class));
        let document = document.map_err(|cause| StoreError::Unfit(cause.to_string()))?;
        match shared.schemas().insert_one(document).await {
            Ok(_) => {}
            Err(failure) if error::is_duplicate(&failure) => return Ok(false),
            Err(failure) => return Err(error::of_write(failure)),
        }
    }
    // With the collection there, the first insert of a transaction cannot clash with that of another one over making it.
    let objects = shared.objects(&class.name);
    let is_new = match shared.database.create_collection(objects.name()).await {
        Ok(()) => true,
        Err(failure) if error::is_existing(&failure) => false,
        Err(failure) => return Err(error::of_write(failure)),
    };
    let named = class.indexes.iter().map(|(name, index)| indexes::model(class, name, index));
    let models = named.chain(indexes::of_areas(&class.fields).into_iter().map(Ok)).collect::<Result<_, _>>()?;
    if let Err(failure) = create_indexes(shared, &class.name, models).await {
        if !volatile {
            shared.schemas().delete_one(named_document(&class.name)).await.map_err(error::of_write)?;
        }
        return Err(failure);
    }
    Ok(!volatile || is_new)
}

pub(crate) fn named_document(class: &ClassName) -> Document {
    doc! { names::ID: class.as_str() }
}

/// Creates indexes, all or none; those that are there as they should be stay.
async fn create_indexes(shared: &Shared, class: &ClassName, models: Vec<IndexModel>) -> Result<(), StoreError> {
    if models.is_empty() {
        return Ok(());
    }
    shared.objects(class).create_indexes(models).await.map(drop).map_err(error::of_write)
}

/// Drops indexes; one that is not there is no error.
async fn drop_indexes(shared: &Shared, class: &ClassName, names: &[String]) -> Result<(), StoreError> {
    for name in names {
        match shared.objects(class).drop_index(name).await {
            Ok(()) => {}
            Err(failure) if error::is_missing(&failure) => {}
            Err(failure) => return Err(error::of_write(failure)),
        }
    }
    Ok(())
}

async fn read(shared: &Shared, name: &ClassName) -> Result<Option<RawDocumentBuf>, StoreError> {
    shared.schemas().find_one(named_document(name)).await.map_err(error::of_read)
}

/// Changes a class and gives it as it is afterwards; `None` if there is no such class.
pub(crate) async fn change(
    shared: &Shared,
    name: &ClassName,
    change: &ClassChange,
) -> Result<Option<ClassSchema>, StoreError> {
    if schemas::is_volatile(name) {
        return change_volatile(shared, name, change).await.map(Some);
    }
    for _ in 0..TRIES_MAX {
        let Some(stored) = read(shared, name).await? else { return Ok(None) };
        let Some(before) = schemas::class(&stored)? else { return Ok(None) };
        let change = &with_orphans(&before, change);
        let planned = schemas::plan(&before, &stored, listed_indexes(&stored), change)?;
        let made = match make_indexes(shared, &before, change).await {
            // A collection has one text index at most. If this one has it and the class did not know, now it does.
            Err(refused) if adds_text_index(&before, change) => {
                if !adopt::one(shared, &before, &stored).await? {
                    return Err(refused);
                }
                return one(shared, name).await;
            }
            made => made?,
        };
        let updated = if planned.update.is_empty() {
            Ok(true)
        } else {
            let update = shared.schemas().update_one(planned.query, planned.update).await;
            update.map(|result| result.matched_count > 0).map_err(error::of_write)
        };
        match updated {
            Ok(true) => {
                clear(shared, &before, change).await?;
                let Some(stored) = read(shared, name).await? else { return Ok(None) };
                let Some(after) = schemas::class(&stored)? else { return Ok(None) };
                return with_index_options(shared, after).await.map(Some);
            }
            // Another one added a field, or dropped the class.
            Ok(false) => {}
            Err(failure) => {
                drop_indexes(shared, name, &made).await?;
                return Err(failure);
            }
        }
    }
    Err(StoreError::Conflict(format!("the class {name} is being changed by others")))
}

/// Whether a change is that a class without an index for text gets one.
fn adds_text_index(before: &ClassSchema, change: &ClassChange) -> bool {
    let only = ClassChange { add_indexes: change.add_indexes.clone(), ..ClassChange::default() };
    let is_one = |added: &[(String, Index)]| matches!(added, [(_, index)] if index.is_for_text());
    *change == only && is_one(&change.add_indexes) && before.text_index().is_none()
}

/// The change, and what follows from it: an index goes with a field that it is on.
fn with_orphans(before: &ClassSchema, change: &ClassChange) -> ClassChange {
    let mut change = change.clone();
    let is_dropped = |path: &str| change.drop_fields.iter().any(|field| *field == top(path));
    let orphans = before.indexes.iter().filter(|(_, index)| index.keys.keys().any(|path| is_dropped(path)));
    let orphans: Vec<String> = orphans.map(|(name, _)| name.to_string()).collect();
    change.drop_indexes.extend(orphans);
    change
}

/// The indexes that a `_SCHEMA` document lists, as they are written there.
pub(crate) fn listed_indexes(stored: &RawDocumentBuf) -> Document {
    let listed = stored.get_document(METADATA).and_then(|metadata| metadata.get_document(INDEXES));
    listed.ok().and_then(|listed| Document::try_from(listed).ok()).unwrap_or_default()
}

/// Makes the indexes of a change, all or none, before anything else is done: the data may refuse them. Gives the names of
/// those that were not listed before.
async fn make_indexes(shared: &Shared, before: &ClassSchema, change: &ClassChange) -> Result<Vec<String>, StoreError> {
    let after = schemas::with_fields(before, change);
    let named = change.add_indexes.iter().map(|(name, index)| indexes::model(&after, name, index));
    let new_fields = change.set_fields.iter().filter(|(name, _)| !before.fields.contains_key(name));
    let areas = indexes::of_areas(new_fields.map(|(name, field)| (name, field)));
    let models = named.chain(areas.into_iter().map(Ok)).collect::<Result<_, _>>()?;
    create_indexes(shared, &before.name, models).await?;
    let added = change.add_indexes.iter().map(|(name, _)| name);
    Ok(added.filter(|name| !before.indexes.contains_key(name.as_str())).cloned().collect())
}

/// Clears away what a change dropped: indexes, columns, join tables.
async fn clear(shared: &Shared, before: &ClassSchema, change: &ClassChange) -> Result<(), StoreError> {
    drop_indexes(shared, &before.name, &change.drop_indexes).await?;
    let mut gone = Document::new();
    for field in &change.drop_fields {
        if matches!(before.fields.get(field).map(|field| &field.kind), Some(FieldType::Relation(_))) {
            let join = Join { class: before.name.clone(), field: field.clone() };
            shared.join(&join).drop().await.map_err(error::of_write)?;
        } else {
            gone.extend(
                names::columns(before, field.as_str()).into_iter().map(|column| (column.into_owned(), true.into())),
            );
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    let any: Vec<Document> = gone.keys().map(|column| doc! { column: { "$exists": true } }).collect();
    let objects = shared.objects(&before.name);
    let cleared = objects.update_many(doc! { "$or": any }, doc! { "$unset": gone }).await;
    cleared.map(drop).map_err(error::of_write)
}

/// A class whose schema is Parse's alone can only get and lose indexes.
async fn change_volatile(shared: &Shared, name: &ClassName, change: &ClassChange) -> Result<ClassSchema, StoreError> {
    let before = ClassSchema::new(name.clone());
    make_indexes(shared, &before, change).await?;
    drop_indexes(shared, name, &change.drop_indexes).await?;
    volatile(shared, name).await
}

/// The class of a volatile name, with the indexes that its collection has.
async fn volatile(shared: &Shared, name: &ClassName) -> Result<ClassSchema, StoreError> {
    let mut found = IndexMap::new();
    for model in listed(shared, name).await.map_err(error::of_read)? {
        let options = model.options.unwrap_or_default();
        let Some(name) = options.name.as_deref().filter(|name| *name != schemas::ID_INDEX) else { continue };
        let keys = model.keys.iter().map(|(column, kind)| {
            let kind = kind.as_i32().map_or_else(|| kind.as_str().unwrap_or_default().into(), Into::into);
            (names::path_of(column).as_ref().into(), kind)
        });
        let mut index = Index { keys: keys.collect(), ..Index::default() };
        indexes::take_options(&mut index, &options)?;
        found.insert(name.into(), index);
    }
    Ok(schemas::volatile(name, found))
}

/// Drops a class with its objects, and the join tables of its relations.
pub(crate) async fn drop_class(shared: &Shared, class: &ClassSchema) -> Result<(), StoreError> {
    shared.objects(&class.name).drop().await.map_err(error::of_write)?;
    shared.schemas().delete_one(named_document(&class.name)).await.map_err(error::of_write)?;
    for (field, _) in class.relations() {
        let join = Join { class: class.name.clone(), field: field.clone() };
        shared.join(&join).drop().await.map_err(error::of_write)?;
    }
    Ok(())
}
