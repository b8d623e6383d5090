//! `/hooks/scripts`: the hook scripts that serve, and the versions that are stored.

use parsimony_engine::Work;
use parsimony_model::ParseError;

use crate::envelope::Params;
use crate::reply::Reply;

pub(super) fn list(work: &Work) -> Result<Reply, ParseError> {
    Reply::json(&work.scripts()?)
}

pub(super) async fn one(work: &Work, name: &str, params: Params<'_>) -> Result<Reply, ParseError> {
    Reply::json(&work.script(name, &params.read()).await?)
}

pub(super) async fn put(work: &Work, name: &str, params: Params<'_>) -> Result<Reply, ParseError> {
    Reply::json(&work.put_script(name, &params.body).await?)
}

pub(super) async fn delete(work: &Work, name: &str, params: Params<'_>) -> Result<Reply, ParseError> {
    Reply::json(&work.delete_script(name, &params.read()).await?)
}

pub(super) async fn history(work: &Work, name: &str) -> Result<Reply, ParseError> {
    Reply::json(&work.script_history(name).await?)
}

pub(super) async fn roll_back(work: &Work, name: &str, params: Params<'_>) -> Result<Reply, ParseError> {
    Reply::json(&work.roll_back_script(name, &params.body).await?)
}

pub(super) async fn rehearse(work: &Work, name: &str, params: Params<'_>) -> Result<Reply, ParseError> {
    Reply::json(&work.rehearse_script(name, &params.body).await?)
}
