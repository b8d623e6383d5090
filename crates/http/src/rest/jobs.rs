//! `/jobs`, `/cloud_code/jobs` and `/parsimony/jobs`: background jobs and their schedules.

use actix_web::http::header::{HeaderName, HeaderValue};
use parsimony_engine::Work;
use parsimony_model::builtin::Builtin;
use parsimony_model::{ErrorCode, ObjectId, ParseError, Value};

use crate::door::Door;
use crate::envelope::Params;
use crate::reply::Reply;

const X_PARSE_JOB_STATUS_ID: HeaderName = HeaderName::from_static("x-parse-job-status-id");

/// Parse: the name may stand in the body, and stays among the parameters.
pub(super) async fn start(work: &Work, name: Option<String>, params: Params<'_>) -> Result<Reply, ParseError> {
    let params = params.merged();
    let name = name.or_else(|| params.get("jobName").and_then(Value::as_str).map(str::to_owned));
    let id = work.start_job(name.as_deref(), params).await?;
    let mut reply = Reply::empty();
    let id = HeaderValue::from_str(id.as_str()).map_err(ParseError::internal)?;
    reply.headers.push((X_PARSE_JOB_STATUS_ID, id));
    Ok(reply)
}

pub(super) async fn overview(work: &Work) -> Result<Reply, ParseError> {
    Reply::json(&work.jobs().await?)
}

pub(super) async fn pause(work: &Work, name: &str, params: &Params<'_>) -> Result<Reply, ParseError> {
    let is_paused = params.body.get("paused").and_then(Value::as_bool);
    let is_paused = is_paused.ok_or(ParseError::new(ErrorCode::InvalidJson, "paused must be true or false."))?;
    Reply::json(&work.pause_job(name, is_paused).await?)
}

pub(super) async fn cancel(work: &Work, id: &ObjectId) -> Result<Reply, ParseError> {
    work.cancel_job(id).await?;
    Ok(Reply::empty())
}

/// Parse: a bare list.
pub(super) async fn schedules(work: &Work) -> Result<Reply, ParseError> {
    Reply::json(&work.job_schedules().await?)
}

pub(super) async fn data(work: &Work) -> Result<Reply, ParseError> {
    Reply::json(&work.jobs_data().await?)
}

pub(super) async fn create_schedule(door: &Door, work: &Work, params: Params<'_>) -> Result<Reply, ParseError> {
    let saved = work.create_job_schedule(&params.body).await?;
    Reply::saved(&saved, &Builtin::JobSchedule.name(), door.server_url())
}

pub(super) async fn update_schedule(work: &Work, id: &ObjectId, params: Params<'_>) -> Result<Reply, ParseError> {
    Reply::json(&work.update_job_schedule(id, &params.body).await?)
}

pub(super) async fn delete_schedule(work: &Work, id: &ObjectId) -> Result<Reply, ParseError> {
    work.delete_job_schedule(id).await?;
    Ok(Reply::empty())
}
