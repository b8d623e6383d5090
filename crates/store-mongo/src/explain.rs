//! How would the server answer? Its own plan.

use bson::{Bson, RawDocumentBuf, doc};
use mongodb::action::{Action, RunCommand};
use mongodb::options::Hint;
use parsimony_model::aggregate::{Document, Pipeline};
use parsimony_model::query::Verbosity;
use parsimony_store::{Selection, StoreError};

use crate::filter::{self, Purpose};
use crate::open::Shared;
use crate::{advice, aggregate, datum, error, find, joins, names};

/// The plan of a find, or of a pipeline.
pub(crate) async fn explain(
    shared: &Shared,
    selection: &Selection,
    pipeline: Option<&Pipeline>,
    verbosity: Verbosity,
) -> Result<Document, StoreError> {
    let mut command = match pipeline {
        None => find_command(shared, selection).await?,
        Some(pipeline) => {
            let stages = aggregate::stages(shared, None, selection, pipeline).await?;
            doc! { "aggregate": collection(shared, selection), "pipeline": stages, "cursor": {} }
        }
    };
    match advice::hint(selection) {
        Some(Hint::Keys(keys)) => drop(command.insert("hint", keys)),
        Some(Hint::Name(name)) => drop(command.insert("hint", name)),
        // The driver may come to know other kinds; none of them is made here.
        Some(_) | None => {}
    }
    if let Some(comment) = advice::comment(selection) {
        command.insert("comment", comment);
    }
    let mut explain = doc! { "explain": command, "verbosity": verbosity.name() };
    if let Some(limit) = shared.query_time().and_then(|limit| i64::try_from(limit.as_millis()).ok()) {
        explain.insert("maxTimeMS", limit);
    }
    let run = shared
        .database
        .run_command(explain)
        .optional(advice::criteria(selection, false), RunCommand::selection_criteria);
    let plan = run.await.map_err(if pipeline.is_some() { error::of_pipeline } else { error::of_read })?;
    let plan = RawDocumentBuf::try_from(&plan).map_err(|cause| StoreError::Corrupt(cause.to_string()))?;
    let mut plan = datum::from_document(&plan)?;
    // What a replica set says about itself with each answer is no part of the plan.
    plan.retain(|key, _| !key.starts_with('$') && key != "operationTime");
    Ok(plan)
}

fn collection(shared: &Shared, selection: &Selection) -> String {
    shared.objects(&selection.class.name).name().to_owned()
}

async fn find_command(shared: &Shared, selection: &Selection) -> Result<bson::Document, StoreError> {
    let condition = joins::look_up(shared, None, selection).await?;
    let query = filter::document(selection, &condition, Purpose::Find)?;
    let mut command = doc! { "find": collection(shared, selection), "filter": query };
    let number = |number: u64| Bson::Int64(i64::try_from(number).unwrap_or(i64::MAX));
    if let Some(sort) = filter::sort(&selection.class, &selection.order) {
        command.insert("sort", sort);
    }
    if let Some(projection) = find::projection(selection) {
        command.insert("projection", projection);
    }
    if selection.skip > 0 {
        command.insert("skip", number(selection.skip));
    }
    if let Some(limit) = selection.limit {
        command.insert("limit", number(limit));
    }
    if filter::asks_for_same_text(&selection.filter) {
        let collation = names::without_case();
        command.insert("collation", doc! { "locale": collation.locale, "strength": 2 });
    }
    Ok(command)
}
