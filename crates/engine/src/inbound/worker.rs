//! What happens to events that wait: they are taken, one server at a time, and handed to their handlers.

use std::sync::{Arc, Weak};

use parsimony_cloud::Inbound;
use parsimony_cloud::metrics::WEBHOOK_EVENTS;
use parsimony_model::{Date, ErrorCode, ObjectId, ParseError, Value};

use super::events::{Events, Taken};
use crate::engine::Engine;
use crate::triggers;

/// How many events one look finds.
const FOUND_MAX: u64 = 32;

/// How often what was handled long ago is taken away.
const FORGET_MILLIS: i64 = 3_600_000;

/// Looks what waits until the engine is gone or ends.
pub(super) async fn run(engine: Weak<Engine>) {
    let mut forgotten = Date::EPOCH;
    loop {
        let Some(engine) = engine.upgrade() else { return };
        if engine.tasks.is_stopping() {
            return;
        }
        if let Err(error) = turn(&engine, &mut forgotten).await {
            tracing::warn!(cause = error.detail.as_deref(), "webhooks: {}", error.message);
        }
        let (tick, tasks) = (engine.options.limits.inbound_tick, engine.tasks.clone());
        // Whoever lets go of the engine need not wait for the tick.
        drop(engine);
        tokio::select! {
            () = tokio::time::sleep(tick) => {}
            () = tasks.stopped() => return,
        }
    }
}

async fn turn(engine: &Arc<Engine>, forgotten: &mut Date) -> Result<(), ParseError> {
    let events = Events::of(engine).await?;
    let now = engine.clock.now();
    if now.millis() - forgotten.millis() >= FORGET_MILLIS {
        events.forget().await?;
        *forgotten = now;
    }
    loop {
        let due = events.due(FOUND_MAX).await?;
        futures::future::join_all(due.iter().map(|id| in_place(engine, id))).await;
        if (due.len() as u64) < FOUND_MAX || engine.tasks.is_stopping() {
            return Ok(());
        }
    }
}

/// Handles one that has only just come, beside the request that brought it. Where too many are handled already it waits in the
/// store, until there is a look at what waits.
pub(super) fn handle_soon(engine: &Arc<Engine>, id: ObjectId) {
    if engine.tasks.is_stopping() || engine.inbound_places.available_permits() == 0 {
        return;
    }
    let its_engine = Arc::clone(engine);
    engine.tasks.spawn(async move { Box::pin(in_place(&its_engine, &id)).await });
}

/// Handles an event when there is a place for it.
async fn in_place(engine: &Arc<Engine>, id: &ObjectId) {
    // Nobody closes the places.
    let Ok(_place) = engine.inbound_places.acquire().await else { return };
    handle(engine, id).await;
}

/// Takes an event and hands it to its handler.
async fn handle(engine: &Arc<Engine>, id: &ObjectId) {
    let handled = async {
        let events = Events::of(engine).await?;
        let Some(taken) = events.take(id).await? else { return Ok(()) };
        match call(engine, &taken).await {
            Ok(()) => {
                noted(engine, &taken, "handled");
                events.done(&taken).await
            }
            Err(error) => {
                let dead = events.failed(&taken, &error.message).await?;
                noted(engine, &taken, if dead { "dead" } else { "retried" });
                let (webhook, attempt) = (name_of(&taken), taken.attempt);
                let cause = error.detail.as_deref();
                if dead {
                    tracing::error!(webhook, %id, attempt, cause, "an event is dead: {}", error.message);
                } else {
                    tracing::warn!(webhook, %id, attempt, cause, "an event was not handled: {}", error.message);
                }
                Ok(())
            }
        }
    };
    let handled: Result<(), ParseError> = handled.await;
    if let Err(error) = handled {
        // It is found again when its time is over.
        tracing::error!(%id, cause = error.detail.as_deref(), "an event cannot be handled: {}", error.message);
    }
}

fn noted(engine: &Engine, taken: &Taken, outcome: &str) {
    let text = |field| taken.row.text(field).unwrap_or_default();
    engine.metrics.count(&WEBHOOK_EVENTS, &[text("application"), outcome, text("source")]);
}

fn name_of(taken: &Taken) -> String {
    let text = |field| taken.row.text(field).unwrap_or_default();
    format!("{}/{}", text("application"), text("source"))
}

async fn call(engine: &Arc<Engine>, taken: &Taken) -> Result<(), ParseError> {
    let registry = engine.registry.now();
    let name = name_of(taken);
    let Some((hook, _)) = registry.inbound(&name) else {
        return Err(ParseError::new(ErrorCode::ScriptFailed, format!("Nobody handles {name} any more.")));
    };
    let row = &taken.row;
    let text = |field| row.text(field).unwrap_or_default();
    let event = Inbound {
        application: text("application").into(),
        source: text("source").into(),
        id: row.id.clone(),
        event_id: text("eventId").to_owned(),
        headers: row.get("headers").and_then(Value::as_object).cloned().unwrap_or_default(),
        body: text("body").to_owned(),
        received_at: row.created_at.unwrap_or(Date::EPOCH),
        attempt: taken.attempt,
        origin: triggers::origin(&engine.as_master())?,
    };
    let time_max = engine.options.limits.inbound_time_max;
    let called = tokio::time::timeout(time_max, triggers::call(engine, (hook, text("source")), event)).await;
    called.unwrap_or_else(|_elapsed| {
        let text = format!("It was not handled within {} s.", time_max.as_secs_f64());
        Err(ParseError::new(ErrorCode::Timeout, text))
    })
}
