//! `/functions/NAME`: cloud functions.

use parsimony_engine::Work;
use parsimony_model::ParseError;

use crate::envelope::Params;
use crate::reply::Reply;

pub(super) async fn call(work: &Work, function: &str, params: Params<'_>) -> Result<Reply, ParseError> {
    let (result, head) = work.call(function, params.merged()).await?;
    Reply::called(&result.0, head)
}
