//! What a door may ask about pushes: sending one, and the audiences that the dashboard keeps. All of it is for the master key.

use parsimony_model::builtin::Builtin;
use parsimony_model::value::{Map, json};
use parsimony_model::{ErrorCode, Object, ObjectId, ParseError, Query, Value, map};

use super::queue::Queue;
use super::request::{self, Asked};
use super::status;
use crate::work::{Found, Work};
use crate::{find, save};

/// Takes a push; gives the id of its `_PushStatus`. It is sent after this.
pub(crate) async fn push(work: &Work, body: Map) -> Result<ObjectId, ParseError> {
    work.require_master()?;
    work.caller.may_write("send push notifications")?;
    let engine = &work.engine;
    let audience = request::audience(&body)?;
    let Some(options) = &engine.options.push else {
        return Err(ParseError::new(ErrorCode::PushMisconfigured, "Missing push configuration"));
    };
    let mut asked = Asked::read(body, audience, engine.clock.now())?;
    if asked.time.is_some() && !options.scheduled {
        // Parse: sent at once, with a warning.
        tracing::warn!("a push has a push_time, but scheduledPush is off: it is sent at once");
        asked.time = None;
    }
    let server = engine.as_master();
    let id = status::create(&server, &asked).await?;
    if let Some(audience) = asked.audience.as_ref().and_then(|id| ObjectId::parse(id).ok()) {
        note_use(&server, &audience).await;
    }
    Queue::of(engine).await?.add(&id, &asked).await?;
    engine.pushes.wake();
    Ok(id)
}

/// Counts the use of an audience. Parse: that there is none of this id is no error.
async fn note_use(server: &Work, audience: &ObjectId) {
    let used = map! {
        "lastUsed" => server.engine.clock.now(),
        "timesUsed" => map! { "__op" => "Increment", "amount" => 1 },
    };
    if let Err(error) = save::save(server, &Builtin::Audience.name(), Some(audience), used).await {
        tracing::warn!(%audience, cause = error.detail.as_deref(), "the use of an audience is not noted: {}", error.message);
    }
}

/// Parse: on these routes the query of an audience is no text, but what the text says.
fn open_query(audience: &mut Object) {
    let query = audience.text("query").and_then(|text| json::read(text.as_bytes()).ok());
    if let Some(query) = query {
        audience.fields.insert("query".into(), query);
    }
}

/// Finds audiences.
pub(crate) async fn audiences(work: &Work, params: &Map) -> Result<Found, ParseError> {
    work.require_master()?;
    let mut found = find::find_params(work, &Builtin::Audience.name(), params).await?;
    found.results.iter_mut().for_each(open_query);
    Ok(found)
}

/// Reads an audience.
pub(crate) async fn audience(work: &Work, id: &ObjectId, query: Query) -> Result<Object, ParseError> {
    work.require_master()?;
    let mut audience = find::get(work, &Builtin::Audience.name(), id, query).await?;
    open_query(&mut audience);
    Ok(audience)
}

/// What of pushes a server offers, for the dashboard: now, later.
pub(crate) fn offered(work: &Work) -> (bool, bool) {
    let push = work.engine.options.push.as_ref();
    (push.is_some(), push.is_some_and(|push| push.scheduled))
}

/// What a push is refused with whose `where` is none.
pub(super) fn no_query() -> ParseError {
    ParseError::new(ErrorCode::InvalidJson, "The where of a push must be an object.")
}

/// The text of a value.
pub(super) fn text_of(value: &Value) -> String {
    String::from_utf8_lossy(&json::write(value)).into_owned()
}
