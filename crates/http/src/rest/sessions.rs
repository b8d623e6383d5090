//! `/sessions/me`: the session that was presented.

use parsimony_engine::Work;
use parsimony_model::ParseError;

use crate::reply::Reply;

pub(super) async fn me(work: &Work) -> Result<Reply, ParseError> {
    Reply::json(&work.my_session().await?)
}
