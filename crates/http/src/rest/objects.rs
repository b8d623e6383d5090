//! `/classes/C`, `/users`, `/sessions`, `/roles`, `/installations`, `/aggregate/C`: objects of a class.

use parsimony_engine::Work;
use parsimony_model::query::parse;
use parsimony_model::{ClassName, ObjectId, ParseError};

use crate::door::Door;
use crate::envelope::Params;
use crate::reply::Reply;

pub(super) async fn find(work: &Work, class: &ClassName, params: Params<'_>) -> Result<Reply, ParseError> {
    Reply::found(work.find(class, &params.read()).await?)
}

/// As [`find`], but what is long comes in pieces.
pub(super) async fn begin_find(work: &Work, class: &ClassName, params: Params<'_>) -> Result<Reply, ParseError> {
    let (found, rest) = work.begin_find(class, &params.read()).await?;
    Reply::begun(found, rest)
}

pub(super) async fn aggregate(work: &Work, class: &ClassName, params: Params<'_>) -> Result<Reply, ParseError> {
    Reply::results(&work.aggregate(class, params.read()).await?)
}

pub(super) async fn get(
    work: &Work,
    class: &ClassName,
    id: &ObjectId,
    params: Params<'_>,
) -> Result<Reply, ParseError> {
    let query = parse::get(&params.read())?;
    Reply::json(&work.get(class, id, query).await?)
}

pub(super) async fn create(
    door: &Door,
    work: &Work,
    class: &ClassName,
    params: Params<'_>,
) -> Result<Reply, ParseError> {
    let saved = work.create(class, params.body).await?;
    Reply::saved(&saved, class, door.server_url())
}

pub(super) async fn update(
    door: &Door,
    work: &Work,
    (class, id): (&ClassName, &ObjectId),
    params: Params<'_>,
) -> Result<Reply, ParseError> {
    let saved = work.update(class, id, params.body).await?;
    Reply::saved(&saved, class, door.server_url())
}

pub(super) async fn delete(work: &Work, class: &ClassName, id: &ObjectId) -> Result<Reply, ParseError> {
    work.delete(class, id).await?;
    Ok(Reply::empty())
}
