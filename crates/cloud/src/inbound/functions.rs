//! What administrators ask about events: a list of them, and that one is handled again. Every server with a source has these.

use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Filter, Object, ObjectId, ParseError, Query, Value, map};
use serde::Deserialize;

use super::{EVENTS, EVENTS_SCHEMA};
use crate::define::Application;
use crate::function::Request;
use crate::rules::Rules;

/// Whose members may ask.
const ADMINISTRATORS: [&str; 1] = ["admin"];

/// How many events one list has at most.
const LIST_MAX: u64 = 1_000;

/// How many it has unless told otherwise.
const LIST: u64 = 100;

/// The functions, as an application of their own.
pub(crate) fn administration() -> Application {
    let rules = || Rules::none().require_any_user_roles(ADMINISTRATORS);
    Application::new("webhooks").schema(EVENTS_SCHEMA).define("listWebhookEvents", rules(), list).define(
        "replayWebhookEvent",
        rules(),
        replay,
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct List {
    application: Option<String>,
    source: Option<String>,
    status: Option<String>,
    #[serde(default)]
    skip: f64,
    limit: Option<f64>,
}

async fn list(request: Request<List>) -> Result<Value, ParseError> {
    let List { application, source, status, skip, limit } = &request.params;
    let wanted = [("application", application), ("source", source), ("status", status)];
    let filter = wanted.iter().filter_map(|(field, value)| Some(Filter::equals(field, value.as_deref()?)));
    let filter = filter.fold(Filter::everything(), Filter::and);
    let mut query = Query::new(filter).descending("createdAt").limit(count(*limit, LIST).min(LIST_MAX));
    query.skip = count(Some(*skip), 0);
    let events = request.host.as_master().find(EVENTS, query).await?;
    let events: Vec<Map> = events.iter().map(shown).collect();
    Ok(Value::Object(map! { "events" => events }))
}

fn count(number: Option<f64>, otherwise: u64) -> u64 {
    number.and_then(|number| u64::try_from(number as i64).ok()).unwrap_or(otherwise)
}

/// An event without what came in it, which may be about people.
fn shown(event: &Object) -> Map {
    let fields = ["application", "source", "eventId", "status", "attempts", "message"];
    let mut shown = map! { "objectId" => event.id.as_str() };
    shown.extend(fields.iter().filter_map(|field| Some(((*field).into(), event.get(field)?.clone()))));
    shown.extend(event.created_at.map(|date| ("receivedAt".into(), date.into())));
    for field in ["processedAt", "nextAttemptAt"] {
        shown.extend(event.get(field).filter(|date| !date.is_null()).map(|date| (field.into(), date.clone())));
    }
    shown
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Replay {
    object_id: String,
}

async fn replay(request: Request<Replay>) -> Result<Value, ParseError> {
    let host = request.host.as_master();
    let id = ObjectId::parse(&request.params.object_id)?;
    let event = host.get(EVENTS, &id).await?;
    if event.text("status") == Some("PROCESSING") {
        return Err(ParseError::new(ErrorCode::ValidationError, "The event is being handled at this moment."));
    }
    let again = map! { "status" => "PENDING", "attempts" => 0, "nextAttemptAt" => host.now() };
    host.update(EVENTS, &id, again).await?;
    Ok(Value::Object(map! { "objectId" => id.as_str(), "status" => "PENDING" }))
}
