//! `/schemas` and `/purge`: the classes; and `/parsimony/schema`, their definitions.

use parsimony_engine::Work;
use parsimony_model::ParseError;

use crate::envelope::Params;
use crate::reply::Reply;

pub(super) async fn all(work: &Work) -> Result<Reply, ParseError> {
    Reply::results(&work.schemas().await?)
}

pub(super) async fn one(work: &Work, class: &str) -> Result<Reply, ParseError> {
    Reply::json(&work.schema(class).await?)
}

pub(super) async fn create(work: &Work, class: Option<&str>, params: Params<'_>) -> Result<Reply, ParseError> {
    Reply::json(&work.create_schema(class, &params.body).await?)
}

pub(super) async fn update(work: &Work, class: &str, params: Params<'_>) -> Result<Reply, ParseError> {
    Reply::json(&work.update_schema(class, &params.body).await?)
}

pub(super) async fn delete(work: &Work, class: &str) -> Result<Reply, ParseError> {
    work.delete_schema(class).await?;
    Ok(Reply::empty())
}

pub(super) async fn plan(work: &Work, params: Params<'_>) -> Result<Reply, ParseError> {
    Reply::json(&work.plan_schemas(&params.body).await?)
}

pub(super) async fn push(work: &Work, params: Params<'_>) -> Result<Reply, ParseError> {
    Reply::json(&work.push_schemas(&params.body).await?)
}

pub(super) async fn roll_back(work: &Work, params: Params<'_>) -> Result<Reply, ParseError> {
    Reply::json(&work.roll_back_schemas(&params.body).await?)
}

pub(super) async fn definitions(work: &Work) -> Result<Reply, ParseError> {
    Reply::json(&work.schema_definitions().await?)
}

pub(super) async fn history(work: &Work, params: Params<'_>) -> Result<Reply, ParseError> {
    Reply::json(&work.schema_history(&params.read()).await?)
}

pub(super) async fn purge(work: &Work, class: &str) -> Result<Reply, ParseError> {
    work.purge(class).await?;
    Ok(Reply::empty())
}
