//! Which indexes has a collection that its class does not list? Parse: those made past the server are listed from its next
//! start on.

use bson::{Bson, Document, RawDocumentBuf, doc};
use futures::{StreamExt, TryStreamExt, stream};
use mongodb::IndexModel;
use parsimony_model::ClassSchema;
use parsimony_model::schema::FieldType;
use parsimony_store::StoreError;

use crate::classes::{LISTS_AT_ONCE_MAX, listed, listed_indexes, named_document};
use crate::error;
use crate::names;
use crate::open::Shared;
use crate::schemas::{self, ID_INDEX, INDEXES, METADATA};

/// Lists what is not listed, of every class. What cannot be listed now is told to the log; it stands in nobody's way.
pub(crate) async fn all(shared: &Shared) -> Result<(), StoreError> {
    let cursor = shared.schemas().find(Document::new()).await.map_err(error::of_read)?;
    let documents: Vec<RawDocumentBuf> = cursor.try_collect().await.map_err(error::of_read)?;
    let each = documents.into_iter().filter_map(|stored| Some((schemas::class(&stored).ok()??, stored)));
    let work = each.map(|(class, stored)| quietly(shared, class, stored));
    stream::iter(work).buffer_unordered(LISTS_AT_ONCE_MAX).collect::<()>().await;
    Ok(())
}

async fn quietly(shared: &Shared, class: ClassSchema, stored: RawDocumentBuf) {
    if let Err(failure) = one(shared, &class, &stored).await {
        tracing::warn!(class = %class.name, %failure, "the indexes of a class cannot be listed");
    }
}

/// Lists the indexes of a collection that its class, stored so, does not list. Tells whether there were any.
pub(crate) async fn one(shared: &Shared, class: &ClassSchema, stored: &RawDocumentBuf) -> Result<bool, StoreError> {
    let before = listed_indexes(stored);
    let mut indexes = before.clone();
    for model in listed(shared, &class.name).await.map_err(error::of_read)? {
        let Some(name) = model.options.as_ref().and_then(|options| options.name.clone()) else { continue };
        if name != ID_INDEX && !indexes.contains_key(&name) && !is_the_server_s(class, &model) {
            if indexes.is_empty() {
                indexes.insert(ID_INDEX, doc! { names::ID: 1 });
            }
            indexes.insert(name, written(model));
        }
    }
    if indexes == before {
        return Ok(false);
    }
    let place = format!("{METADATA}.{INDEXES}");
    let mut query = named_document(&class.name);
    // Whoever changes the class meanwhile knows better.
    query.insert(&place, if before.is_empty() { doc! { "$exists": false }.into() } else { Bson::from(before) });
    let update = shared.schemas().update_one(query, doc! { "$set": { place: indexes } }).await;
    Ok(update.map_err(error::of_write)?.matched_count > 0)
}

/// Whether the server makes such an index by itself, for places and areas: nobody asked for it, and no class lists it.
fn is_the_server_s(class: &ClassSchema, model: &IndexModel) -> bool {
    let mut keys = model.keys.iter();
    let (Some((column, kind)), None) = (keys.next(), keys.next()) else { return false };
    let is_place = matches!(class.kind(column), Some(FieldType::GeoPoint | FieldType::Polygon));
    is_place && matches!(kind.as_str(), Some("2d" | "2dsphere"))
}

/// The keys of an index as a class lists them. Those of a text index are its weights.
fn written(model: IndexModel) -> Document {
    let weights = model.options.and_then(|options| options.weights).unwrap_or_default();
    let mut keys = Document::new();
    for (column, kind) in model.keys {
        match column.as_str() {
            "_fts" => keys.extend(weights.keys().map(|column| (column.clone(), Bson::from("text")))),
            "_ftsx" => {}
            _ => drop(keys.insert(column, kind)),
        }
    }
    keys
}
