//! What does a pipeline give? MongoDB runs it itself.

use bson::{RawBsonRef, doc};
use futures::TryStreamExt;
use mongodb::options::AggregateOptions;
use mongodb::raw_batch_cursor::RawBatch;
use parsimony_model::aggregate::{Document, Pipeline};
use parsimony_store::{Selection, StoreError};

use crate::filter::{self, Purpose};
use crate::open::{Session, Shared};
use crate::{advice, datum, error, joins};

/// Documents in one answer of the server at most.
const BATCH_ROWS_MAX: u32 = 1_000;

/// Runs a pipeline on what a selection is for.
pub(crate) async fn aggregate(
    shared: &Shared,
    mut session: Session<'_>,
    selection: &Selection,
    pipeline: &Pipeline,
) -> Result<Vec<Document>, StoreError> {
    let stages = stages(shared, session.as_deref_mut(), selection, pipeline).await?;
    let mut options = AggregateOptions::default();
    options.max_time = shared.query_time();
    options.batch_size = Some(BATCH_ROWS_MAX);
    options.hint = advice::hint(selection);
    options.comment = advice::comment(selection);
    options.selection_criteria = advice::criteria(selection, session.is_some());
    let objects = shared.objects(&selection.class.name);
    let aggregate = objects.aggregate(stages).with_options(options);
    let batches: Result<Vec<RawBatch>, _> = match session {
        None => match aggregate.batch().await {
            Ok(cursor) => cursor.try_collect().await,
            Err(failure) => Err(failure),
        },
        Some(session) => match aggregate.session(&mut *session).batch().await {
            Ok(mut cursor) => cursor.stream(session).try_collect().await,
            Err(failure) => Err(failure),
        },
    };
    read(&batches.map_err(error::of_pipeline)?)
}

/// The stages as the server takes them. What the selection asks comes first.
pub(crate) async fn stages(
    shared: &Shared,
    session: Session<'_>,
    selection: &Selection,
    pipeline: &Pipeline,
) -> Result<Vec<bson::Document>, StoreError> {
    let condition = joins::look_up(shared, session, selection).await?;
    let query = filter::document(selection, &condition, Purpose::Match)?;
    // Some stages must come first, and a condition that asks nothing must not stand in their way.
    let first = (!query.is_empty()).then(|| Ok(doc! { "$match": query }));
    first.into_iter().chain(pipeline.documents().iter().map(datum::to_document)).collect()
}

fn read(batches: &[RawBatch]) -> Result<Vec<Document>, StoreError> {
    let mut found = Vec::new();
    for batch in batches {
        for document in batch.doc_slices().map_err(error::of_read)? {
            match document {
                Ok(RawBsonRef::Document(document)) => found.push(datum::from_document(document)?),
                Ok(_) => return Err(StoreError::Corrupt("a row that is no document".to_owned())),
                Err(cause) => return Err(StoreError::Corrupt(cause.to_string())),
            }
        }
    }
    Ok(found)
}
