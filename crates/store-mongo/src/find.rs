//! Finding objects, counting them, and their distinct values.

use bson::{Bson, Document, RawBsonRef};
use futures::TryStreamExt;
use mongodb::error::Error;
use mongodb::options::{CountOptions, DistinctOptions, FindOptions};
use mongodb::raw_batch_cursor::{RawBatch, RawBatchCursor};
use parsimony_model::query::{Filter, SCORE_FIELD};
use parsimony_model::schema::{ClassSchema, FieldType};
use parsimony_model::{Object, Value};
use parsimony_store::{Selection, StoreError};

use crate::advice;
use crate::bulk::BATCH_ROWS;
use crate::documents;
use crate::error;
use crate::filter::{self, Purpose};
use crate::joins;
use crate::names;
use crate::open::{Session, Shared};

/// Objects in one answer of the server at most.
const BATCH_ROWS_MAX: u32 = 1_000;

/// Finds what a selection is for.
pub(crate) async fn find(
    shared: &Shared,
    mut session: Session<'_>,
    selection: &Selection,
) -> Result<Vec<Object>, StoreError> {
    // To MongoDB a limit of 0 is none.
    if selection.limit == Some(0) {
        return Ok(Vec::new());
    }
    if session.is_none()
        && let Some(members) = joins::some_members(selection)
    {
        return find_members(shared, selection, members).await;
    }
    let condition = joins::look_up(shared, session.as_deref_mut(), selection).await?;
    find_where(shared, session, selection, &condition).await
}

/// Finds some members of a relation, looking at no more of it than it takes to find them.
async fn find_members(
    shared: &Shared,
    selection: &Selection,
    mut members: joins::Members,
) -> Result<Vec<Object>, StoreError> {
    let mut found = Vec::new();
    let mut rows = members.rows(shared).await?;
    while let Some(ids) = rows.next().await? {
        let missing = selection.limit.map(|limit| limit.saturating_sub(found.len() as u64));
        let mut narrowed = selection.clone();
        narrowed.limit = missing;
        let condition = members.condition_for(ids);
        found.extend(find_where(shared, None, &narrowed, &condition).await?);
        if selection.limit.is_some_and(|limit| found.len() as u64 >= limit) {
            break;
        }
    }
    Ok(found)
}

/// Finds by a condition without relations.
async fn find_where(
    shared: &Shared,
    session: Session<'_>,
    selection: &Selection,
    condition: &Filter,
) -> Result<Vec<Object>, StoreError> {
    let query = filter::document(selection, condition, Purpose::Find)?;
    let in_transaction = session.is_some();
    let batches = match batches(shared, session, selection, query.clone()).await {
        Err(failure) if !in_transaction && error::lacks_index(&failure) => {
            create_special_index(shared, selection, condition).await?;
            batches(shared, None, selection, query).await
        }
        answer => answer,
    };
    objects(selection, &batches.map_err(error::of_read)?)
}

/// The objects in what the server answers, with the fields that are wanted.
pub(crate) fn objects(selection: &Selection, batches: &[RawBatch]) -> Result<Vec<Object>, StoreError> {
    let mut objects = read(&selection.class, batches)?;
    if filters_keys_itself(selection) {
        for object in &mut objects {
            object.fields.retain(|field, _| selection.keys.iter().any(|key| key == field));
        }
    }
    Ok(objects)
}

/// A cursor over what is found, which gives some objects at a time.
pub(crate) async fn cursor(shared: &Shared, selection: &Selection, query: Document) -> Result<RawBatchCursor, Error> {
    let mut options = options(shared, selection, false);
    options.batch_size = Some(BATCH_ROWS);
    shared.objects(&selection.class.name).find(query).with_options(options).batch().await
}

/// What the server answers, as it came.
async fn batches(
    shared: &Shared,
    session: Session<'_>,
    selection: &Selection,
    query: Document,
) -> Result<Vec<RawBatch>, Error> {
    let objects = shared.objects(&selection.class.name);
    let find = objects.find(query).with_options(options(shared, selection, session.is_some()));
    match session {
        None => find.batch().await?.try_collect().await,
        Some(session) => {
            let mut cursor = find.session(&mut *session).batch().await?;
            cursor.stream(session).try_collect().await
        }
    }
}

fn options(shared: &Shared, selection: &Selection, in_transaction: bool) -> FindOptions {
    let mut options = FindOptions::default();
    // A limit beyond what the server can count is none.
    options.limit = selection.limit.and_then(|limit| i64::try_from(limit).ok());
    options.batch_size = match selection.limit.and_then(|limit| u32::try_from(limit).ok()) {
        // The server's own first batch holds that many.
        Some(limit) if limit <= 100 => None,
        Some(limit) => Some(limit.min(BATCH_ROWS_MAX)),
        None => Some(BATCH_ROWS_MAX),
    };
    options.skip = (selection.skip > 0).then_some(selection.skip);
    options.sort = filter::sort(&selection.class, &selection.order);
    options.projection = projection(selection);
    options.max_time = shared.query_time();
    options.collation = filter::asks_for_same_text(&selection.filter).then(names::without_case);
    options.hint = advice::hint(selection);
    options.comment = advice::comment(selection);
    options.selection_criteria = advice::criteria(selection, in_transaction);
    options
}

/// Login providers are columns that no projection can name, so a selection of them is cut down here.
fn filters_keys_itself(selection: &Selection) -> bool {
    names::has_auth_data(&selection.class.name) && selection.keys.iter().any(|key| key == names::AUTH_DATA_FIELD)
}

pub(crate) fn projection(selection: &Selection) -> Option<Document> {
    let mut columns = Document::new();
    if !selection.keys.is_empty() && !filters_keys_itself(selection) {
        columns.extend(names::ALWAYS.iter().map(|column| ((*column).to_owned(), Bson::Int32(1))));
        // No column has such a name, and MongoDB takes none.
        let is_part = |part: &str| !part.is_empty() && !part.starts_with('$') && !part.contains('\0');
        let is_name = |key: &&String| key.split('.').all(is_part);
        let keys = selection.keys.iter().filter(is_name).flat_map(|key| names::columns(&selection.class, key));
        columns.extend(keys.map(|column| (column.into_owned(), Bson::Int32(1))));
    }
    if selection.score {
        // In the place of a field of that name. Alone, it leaves the other columns as they are.
        columns.insert(SCORE_FIELD, filter::score());
    }
    (!columns.is_empty()).then_some(columns)
}

fn read(class: &ClassSchema, batches: &[RawBatch]) -> Result<Vec<Object>, StoreError> {
    let mut objects = Vec::new();
    for batch in batches {
        for document in batch.doc_slices().map_err(error::of_read)? {
            match document {
                Ok(RawBsonRef::Document(document)) => objects.push(documents::object(class, document)?),
                Ok(_) => return Err(StoreError::Corrupt("a row that is no document".to_owned())),
                Err(cause) => return Err(StoreError::Corrupt(cause.to_string())),
            }
        }
    }
    Ok(objects)
}

/// Parse: the index that a query by distance or text needs is created when the first such query comes.
pub(crate) async fn create_special_index(
    shared: &Shared,
    selection: &Selection,
    condition: &Filter,
) -> Result<(), StoreError> {
    let class = &selection.class;
    let mut refused = None;
    for index in filter::special_indexes(class, condition)? {
        tracing::info!(class = %class.name, keys = %index.keys, "creating the index that a query needs");
        match shared.objects(&class.name).create_index(index).await {
            Ok(_) => return Ok(()),
            Err(failure) => refused = Some(error::of_read(failure)),
        }
    }
    refused.map_or(Ok(()), Err)
}

/// Counts what a selection is for.
pub(crate) async fn count(shared: &Shared, mut session: Session<'_>, selection: &Selection) -> Result<u64, StoreError> {
    let condition = joins::look_up(shared, session.as_deref_mut(), selection).await?;
    let query = filter::document(selection, &condition, Purpose::Match)?;
    let objects = shared.objects(&selection.class.name);
    let mut options = CountOptions::default();
    options.max_time = shared.query_time();
    options.hint = advice::hint(selection);
    options.comment = advice::comment(selection);
    options.selection_criteria = advice::criteria(selection, session.is_some());
    let count = match session {
        // Parse: without a condition it is the collection's own number, which costs nothing.
        None if query.is_empty() && options.hint.is_none() => objects.estimated_document_count().await,
        None => objects.count_documents(query).with_options(options).await,
        Some(session) => objects.count_documents(query).with_options(options).session(session).await,
    };
    count.map_err(error::of_read)
}

/// The distinct values of a field among what a selection is for.
pub(crate) async fn distinct(
    shared: &Shared,
    mut session: Session<'_>,
    selection: &Selection,
    field: &str,
) -> Result<Vec<Value>, StoreError> {
    let condition = joins::look_up(shared, session.as_deref_mut(), selection).await?;
    let query = filter::document(selection, &condition, Purpose::Match)?;
    let class = &selection.class;
    if class.fields.get(field).is_some_and(|field| field.kind == FieldType::GeoPoint) {
        return distinct_places(shared, session, selection, field).await;
    }
    let mut options = DistinctOptions::default();
    options.max_time = shared.query_time();
    let objects = shared.objects(&class.name);
    let distinct = objects.distinct(names::column(class, field), query).with_options(options);
    let found = match session {
        None => distinct.await,
        Some(session) => distinct.session(session).await,
    };
    documents::values(class, field, &found.map_err(error::of_read)?)
}

/// A place is stored as a pair, which the server would take apart like any list.
async fn distinct_places(
    shared: &Shared,
    session: Session<'_>,
    selection: &Selection,
    field: &str,
) -> Result<Vec<Value>, StoreError> {
    let narrowed = selection.clone().only(vec![field.to_owned()]).ordered(Vec::new()).range(0, None);
    let mut places: Vec<Value> = Vec::new();
    for mut object in find(shared, session, &narrowed).await? {
        if let Some(place) = object.fields.swap_remove(field)
            && !place.is_null()
            && !places.contains(&place)
        {
            places.push(place);
        }
    }
    Ok(places)
}
