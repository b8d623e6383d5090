//! How does an event get out: by a job, signed as Standard Webhooks, again with growing pauses until it is taken.
//!
//! An attempt is counted before it is made. A server that is killed in between sends the event once more, under the same
//! `webhook-id`: whoever receives it knows it by that.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use parsimony_cloud::{BeforeSave, Draft, Host, HttpClient, HttpRequest, JobRequest, standard_signature};
use parsimony_connectors::Measured;
use parsimony_model::query::Constraint;
use parsimony_model::value::Map;
use parsimony_model::{Filter, Object, ParseError, Query, Value, map};

use super::subscription::{SubscriptionStatus, secrets};
use super::{EVENT, SUBSCRIPTION};
use crate::state;

crate::states! {
    /// How an event stands.
    pub enum EventStatus of "OutboundEvent" from Pending {
        /// It waits for its turn, or for its next attempt.
        Pending = "PENDING" => [Sent, Failed];
        /// It was taken.
        Sent = "SENT" => [];
        /// It was given up. An administrator may have it sent again.
        Failed = "FAILED" => [Pending];
    }
}

/// How many events one step takes, and how many are sent at a time.
const STEP_EVENTS: u64 = 96;
const AT_A_TIME: usize = 16;

/// How often an event is tried: the last time after more than three hours.
const ATTEMPTS_MAX: f64 = 12.0;

/// How long to wait after the first attempt, in milliseconds; twice as long after each further one.
const PAUSE_MILLIS: f64 = 5_000.0;

/// How long a receiver may take. Who has more to do takes the event first.
const TIME_MAX: Duration = Duration::from_secs(15);

/// Holds an event to its states.
pub(crate) async fn keep_event(request: BeforeSave) -> Result<Draft, ParseError> {
    let BeforeSave { object: mut draft, origin } = request;
    state::guard::<EventStatus>(&mut draft, origin.host.now())?;
    Ok(draft)
}

/// `sendWebhooks`: sends the events that are due.
pub(crate) async fn send(request: JobRequest, http: Arc<dyn HttpClient>) -> Result<String, ParseError> {
    let host = request.host.as_master();
    let http = Measured::new(http, host.metrics().service("outbound-webhooks"));
    let (mut sent, mut seen) = (0_usize, 0_u64);
    loop {
        let due = Filter::equals("status", EventStatus::Pending)
            .and(Filter::Field("nextAttemptAt".into(), Constraint::LessOrEqual(host.now().into())));
        let events = host.find(EVENT, Query::new(due).ascending("nextAttemptAt").limit(STEP_EVENTS)).await?;
        for some in events.chunks(AT_A_TIME) {
            for done in join_all(some.iter().map(|event| one(&host, &http, event))).await {
                sent += usize::from(done?);
            }
        }
        seen += events.len() as u64;
        if (events.len() as u64) < STEP_EVENTS || request.is_ending() {
            return Ok(format!("{sent} of {seen} events taken"));
        }
    }
}

/// Tries one event; tells whether it was taken.
async fn one(host: &Host, http: &Measured<dyn HttpClient>, event: &Object) -> Result<bool, ParseError> {
    let attempts = event.get("attempts").and_then(Value::as_f64).unwrap_or_default() + 1.0;
    let pause = PAUSE_MILLIS * 2_f64.powf(attempts.min(ATTEMPTS_MAX) - 1.0);
    let next = host.now().plus_millis(pause as i64);
    update(host, event, map! { "attempts" => attempts, "nextAttemptAt" => next }).await?;
    let given_up = |why: String| map! { "status" => EventStatus::Failed, "answer" => why };
    let fields = match attempt(host, http, event).await? {
        Attempt::Taken(status) => {
            map! { "status" => EventStatus::Sent, "sentAt" => host.now(), "answer" => format!("status {status}") }
        }
        Attempt::Never(why) => given_up(why.to_owned()),
        Attempt::Again(why) if attempts >= ATTEMPTS_MAX => given_up(why),
        Attempt::Again(why) => map! { "answer" => why },
    };
    let is_taken = fields.contains_key("sentAt");
    update(host, event, fields).await?;
    Ok(is_taken)
}

async fn update(host: &Host, event: &Object, fields: Map) -> Result<(), ParseError> {
    host.update(EVENT, &event.id, fields).await.map(drop)
}

/// What an attempt came to.
enum Attempt {
    Taken(u16),
    Again(String),
    Never(&'static str),
}

async fn attempt(host: &Host, http: &Measured<dyn HttpClient>, event: &Object) -> Result<Attempt, ParseError> {
    let pointer = event.get("subscription").and_then(Value::as_pointer);
    let subscription = match pointer {
        Some(pointer) => host.first(SUBSCRIPTION, Query::new(Filter::id(&pointer.id))).await?,
        None => None,
    };
    let Some(subscription) = subscription else { return Ok(Attempt::Never("the subscription is gone")) };
    if state::of::<SubscriptionStatus>(&subscription)? != SubscriptionStatus::Active {
        return Ok(Attempt::Never("the subscription has ended"));
    }
    Ok(match http.send(request(host, &subscription, event)).await {
        Ok(response) if (200..300).contains(&response.status) => Attempt::Taken(response.status),
        // Standard Webhooks: who answers this wants no more events of the kind, ever.
        Ok(response) if response.status == 410 => Attempt::Never("the receiver is gone (410)"),
        Ok(response) => Attempt::Again(format!("status {}", response.status)),
        Err(failure) => Attempt::Again(failure.to_string()),
    })
}

fn request(host: &Host, subscription: &Object, event: &Object) -> HttpRequest {
    let now = host.now();
    let (id, seconds) = (format!("msg_{}", event.id), now.millis().div_euclid(1_000).to_string());
    let body = event.text("body").unwrap_or_default();
    let signed = secrets(subscription, now).into_iter();
    let signatures: Vec<String> =
        signed.map(|secret| standard_signature(secret, &id, &seconds, body.as_bytes())).collect();
    HttpRequest {
        method: "POST".to_owned(),
        url: subscription.text("url").unwrap_or_default().to_owned(),
        headers: vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("webhook-id".to_owned(), id),
            ("webhook-timestamp".to_owned(), seconds),
            ("webhook-signature".to_owned(), signatures.join(" ")),
        ],
        body: body.as_bytes().to_vec(),
        time_max: TIME_MAX,
        answer_bytes_max: 64 << 10,
    }
}
