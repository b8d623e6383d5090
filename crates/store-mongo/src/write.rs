//! Inserting, changing and deleting objects.

use bson::RawDocumentBuf;
use futures::TryStreamExt;
use mongodb::error::Error;
use mongodb::options::{FindOneAndUpdateOptions, ReturnDocument};
use parsimony_model::Object;
use parsimony_model::schema::ClassSchema;
use parsimony_store::{Change, Selection, StoreError};

use crate::documents;
use crate::error;
use crate::filter::{self, Purpose};
use crate::joins;
use crate::names;
use crate::open::{Session, Shared};
use crate::update;

/// Stores a new object.
pub(crate) async fn insert(
    shared: &Shared,
    session: Session<'_>,
    class: &ClassSchema,
    object: &Object,
) -> Result<(), StoreError> {
    let document = documents::document(class, object)?;
    let objects = shared.objects(&class.name);
    let insert = objects.insert_one(document);
    let inserted = match session {
        None => insert.await,
        Some(session) => insert.session(session).await,
    };
    inserted.map(drop).map_err(error::of_write)
}

/// Changes the first object of a selection, and gives it as it is afterwards.
pub(crate) async fn update(
    shared: &Shared,
    mut session: Session<'_>,
    selection: &Selection,
    change: &Change,
) -> Result<Option<Object>, StoreError> {
    let class = &selection.class;
    let condition = joins::look_up(shared, session.as_deref_mut(), selection).await?;
    let query = filter::document(selection, &condition, Purpose::Match)?;
    let providers = providers(shared, session.as_deref_mut(), selection, change).await?;
    let update = update::document(class, change, &providers)?;
    let mut options = FindOneAndUpdateOptions::default();
    options.return_document = Some(ReturnDocument::After);
    options.sort = filter::sort(class, &selection.order);
    let objects = shared.objects(&class.name);
    let update = objects.find_one_and_update(query, update).with_options(options);
    let updated = match session {
        None => update.await,
        Some(session) => update.session(session).await,
    };
    updated.map_err(error::of_write)?.map(|document| documents::object(class, &document)).transpose()
}

/// Changes every object of a selection.
pub(crate) async fn update_all(
    shared: &Shared,
    mut session: Session<'_>,
    selection: &Selection,
    change: &Change,
) -> Result<u64, StoreError> {
    let condition = joins::look_up(shared, session.as_deref_mut(), selection).await?;
    let query = filter::document(selection, &condition, Purpose::Match)?;
    let providers = providers(shared, session.as_deref_mut(), selection, change).await?;
    let update = update::document(&selection.class, change, &providers)?;
    let objects = shared.objects(&selection.class.name);
    let update = objects.update_many(query, update);
    let updated = match session {
        None => update.await,
        Some(session) => update.session(session).await,
    };
    updated.map(|result| result.matched_count).map_err(error::of_write)
}

/// The login providers that the objects have now, if the change needs to know: each is a column of its own, and no update
/// can take away columns that it does not name.
async fn providers(
    shared: &Shared,
    mut session: Session<'_>,
    selection: &Selection,
    change: &Change,
) -> Result<Vec<String>, StoreError> {
    if !update::replaces_auth_data(&selection.class, change) {
        return Ok(Vec::new());
    }
    let condition = joins::look_up(shared, session.as_deref_mut(), selection).await?;
    let query = filter::document(selection, &condition, Purpose::Match)?;
    let objects = shared.objects(&selection.class.name);
    let users: Result<Vec<RawDocumentBuf>, Error> = match session {
        None => match objects.find(query).await {
            Ok(cursor) => cursor.try_collect().await,
            Err(failure) => Err(failure),
        },
        Some(session) => match objects.find(query).session(&mut *session).await {
            Ok(mut cursor) => cursor.stream(session).try_collect().await,
            Err(failure) => Err(failure),
        },
    };
    let users = users.map_err(error::of_read)?;
    let mut providers: Vec<String> = users
        .iter()
        .flat_map(|user| user.iter_elements().flatten())
        .filter_map(|element| element.key().as_str().strip_prefix(names::AUTH_DATA).map(str::to_owned))
        .collect();
    providers.sort_unstable();
    providers.dedup();
    Ok(providers)
}

/// Deletes every object of a selection.
pub(crate) async fn delete(
    shared: &Shared,
    mut session: Session<'_>,
    selection: &Selection,
) -> Result<u64, StoreError> {
    let condition = joins::look_up(shared, session.as_deref_mut(), selection).await?;
    let query = filter::document(selection, &condition, Purpose::Match)?;
    let objects = shared.objects(&selection.class.name);
    let delete = objects.delete_many(query);
    let deleted = match session {
        None => delete.await,
        Some(session) => delete.session(session).await,
    };
    deleted.map(|result| result.deleted_count).map_err(error::of_write)
}
