//! `/push` and `/push_audiences`.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Bytes;
use parsimony_engine::Work;
use parsimony_model::builtin::Builtin;
use parsimony_model::query::parse;
use parsimony_model::{Map, ParseError};

use super::objects;
use crate::door::Door;
use crate::envelope::Params;
use crate::reply::Reply;
use crate::routes::push::PushRoute;

const X_PARSE_PUSH_STATUS_ID: HeaderName = HeaderName::from_static("x-parse-push-status-id");

/// Answers a request about pushes.
pub(super) async fn answer(
    door: &Door,
    work: &Work,
    route: PushRoute,
    params: Params<'_>,
) -> Result<Reply, ParseError> {
    let audiences = Builtin::Audience.name();
    if route != PushRoute::Send {
        work.require_master()?;
    }
    match route {
        PushRoute::Send => send(work, params.body).await,
        PushRoute::Audiences => Reply::found(work.push_audiences(&params.read()).await?),
        PushRoute::Audience(id) => {
            let query = parse::get(&params.read())?;
            Reply::json(&work.push_audience(&id, query).await?)
        }
        PushRoute::CreateAudience => objects::create(door, work, &audiences, params).await,
        PushRoute::UpdateAudience(id) => objects::update(door, work, (&audiences, &id), params).await,
        PushRoute::DeleteAudience(id) => objects::delete(work, &audiences, &id).await,
    }
}

async fn send(work: &Work, body: Map) -> Result<Reply, ParseError> {
    let id = work.push(body).await?;
    let mut reply = Reply::text(Bytes::from_static(br#"{"result":true}"#));
    let id = HeaderValue::from_str(id.as_str()).map_err(ParseError::internal)?;
    reply.headers.push((X_PARSE_PUSH_STATUS_ID, id));
    Ok(reply)
}
