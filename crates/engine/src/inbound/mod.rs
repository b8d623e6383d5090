//! Webhooks that come in: believed, stored, answered, and then handled.
//!
//! | question | file |
//! | --- | --- |
//! | what is kept of an event, and in which state is it | `events.rs` |
//! | what happens to what waits | `worker.rs` |
//!
//! A delivery is answered when its event is stored, before it is handled: nothing that was acknowledged is lost, and no sender
//! waits for our own work. An event that comes twice is one row, so it is handled once. A handler that fails is called again,
//! later each time, until the event is dead; then an administrator may have it handled again.

mod events;
mod worker;

use std::sync::Arc;

use parsimony_cloud::metrics::WEBHOOK_DELIVERIES;
use parsimony_cloud::{Delivery, Mismatch, Verified, Verifier};
use parsimony_model::{ErrorCode, ParseError};

use self::events::{Events, Stored};
use crate::engine::Engine;
use crate::rate_limits::Deliveries;

/// Begins to handle what waits, where there is a source at all.
pub(crate) fn begin(engine: &Arc<Engine>) {
    if engine.registry.now().has_inbound() {
        engine.tasks.spawn(worker::run(Arc::downgrade(engine)));
    }
}

/// Takes a delivery of a source of an application. When it is answered without an error, its event is stored, now or before.
pub(crate) async fn receive(
    engine: &Arc<Engine>,
    (application, source): (&str, &str),
    delivery: Delivery,
) -> Result<(), ParseError> {
    let registry = engine.registry.now();
    let name = format!("{application}/{source}");
    let Some((_, verifier)) = registry.inbound(&name) else {
        return Err(ParseError::new(ErrorCode::RouteNotFound, "There is no such webhook."));
    };
    let received = take(engine, (application, source), &verifier, &delivery).await;
    let outcome = match &received {
        Ok(Stored::Now(_)) => "accepted",
        Ok(Stored::Before) => "duplicate",
        Err(error) => match error.code {
            ErrorCode::NotSigned => "unsigned",
            ErrorCode::NotReady => "unchecked",
            ErrorCode::ConnectionFailed => "limited",
            ErrorCode::ObjectTooLarge => "large",
            _ => "failed",
        },
    };
    engine.metrics.count(&WEBHOOK_DELIVERIES, &[application, outcome, source]);
    if let Stored::Now(id) = received? {
        // Whoever handles it takes it first: this one, or any server that looks what waits.
        worker::handle_soon(engine, id);
    }
    Ok(())
}

/// Believes a delivery and stores its event.
async fn take(
    engine: &Engine,
    (application, source): (&str, &str),
    verifier: &Verifier,
    delivery: &Delivery,
) -> Result<Stored, ParseError> {
    let name = format!("{application}/{source}");
    let deliveries = Deliveries::of(engine, &name, delivery.ip.as_deref());
    deliveries.admit()?;
    let believed = match believe(engine, verifier, &name, delivery).await {
        Ok(believed) => believed,
        Err(error) => {
            deliveries.count();
            return Err(error);
        }
    };
    let stored = Events::of(engine).await?.store((application, source), &believed.event_id, delivery).await?;
    if matches!(stored, Stored::Before) {
        tracing::info!(webhook = name, event = believed.event_id, "an event came again");
    }
    Ok(stored)
}

/// Which event it is, if it is believed.
async fn believe(
    engine: &Engine,
    verifier: &Verifier,
    name: &str,
    delivery: &Delivery,
) -> Result<Verified, ParseError> {
    if delivery.body.len() > engine.options.limits.inbound_bytes_max {
        return Err(ParseError::new(ErrorCode::ObjectTooLarge, "The event is too large."));
    }
    let looked_at = verifier.verify(delivery, engine.clock.now(), &*engine.http).await;
    looked_at.map_err(|mismatch| unbelieved(name, delivery, &mismatch))
}

/// What a delivery is answered that is not believed: nothing that helps whoever sent it. A certificate that cannot be had is our
/// trouble, and the sender may try again.
fn unbelieved(name: &str, delivery: &Delivery, mismatch: &Mismatch) -> ParseError {
    let ip = delivery.ip.as_deref().unwrap_or_default();
    tracing::warn!(webhook = name, ip, reason = %mismatch, "a delivery is not believed");
    match mismatch {
        Mismatch::Unreached(_) => ParseError::new(ErrorCode::NotReady, "unavailable"),
        _ => ParseError::new(ErrorCode::NotSigned, "unauthorized"),
    }
}
