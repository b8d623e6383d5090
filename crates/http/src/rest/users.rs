//! `/login`, `/challenge`, `/logout`, `/verifyPassword`, `/users/me`: who somebody is.

use parsimony_engine::{LogIn, Work};
use parsimony_model::ParseError;

use crate::envelope::Params;
use crate::reply::Reply;

pub(super) async fn me(work: &Work) -> Result<Reply, ParseError> {
    Reply::json(&work.me().await?)
}

pub(super) async fn log_in(work: &Work, params: Params<'_>) -> Result<Reply, ParseError> {
    Reply::json(&work.log_in(LogIn { fields: params.log_in() }).await?)
}

pub(super) async fn challenge(work: &Work, params: Params<'_>) -> Result<Reply, ParseError> {
    Reply::json(&work.challenge(&params.body).await?)
}

pub(super) async fn verify_password(work: &Work, params: Params<'_>) -> Result<Reply, ParseError> {
    Reply::json(&work.verify_password(LogIn { fields: params.log_in() }).await?)
}

pub(super) async fn log_out(work: &Work) -> Result<Reply, ParseError> {
    work.log_out().await?;
    Ok(Reply::empty())
}
