//! `/hooks`: functions and triggers that run elsewhere.

use parsimony_engine::{WebhookKind, WebhookTarget, Work};
use parsimony_model::{ParseError, Value};

use crate::envelope::Params;
use crate::reply::Reply;

pub(super) async fn list(work: &Work, kind: WebhookKind) -> Result<Reply, ParseError> {
    Reply::json(&work.webhooks(kind).await?)
}

pub(super) async fn one(work: &Work, target: &WebhookTarget) -> Result<Reply, ParseError> {
    Reply::json(&work.webhook(target).await?)
}

pub(super) async fn create(work: &Work, params: Params<'_>) -> Result<Reply, ParseError> {
    Reply::json(&work.create_webhook(&params.body).await?)
}

/// Parse: a webhook is taken away by a `PUT` of an operation.
pub(super) async fn change(work: &Work, target: &WebhookTarget, params: Params<'_>) -> Result<Reply, ParseError> {
    let text = |name: &str| params.body.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("__op") == "Delete" {
        work.delete_webhook(target).await?;
        return Ok(Reply::empty());
    }
    Reply::json(&work.update_webhook(target, text("url")).await?)
}
