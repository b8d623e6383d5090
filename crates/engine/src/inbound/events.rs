//! `WebhookEvent`: what is kept of an event, and the states it goes through.
//!
//! `PENDING` waits for `nextAttemptAt`. `PROCESSING` is being handled; when its server says nothing until `nextAttemptAt`, it
//! counts as waiting. `PROCESSED` and `DEAD` stay as they are, unless somebody has them handled again.

use parsimony_cloud::{Delivery, EVENTS};
use parsimony_model::value::Map;
use parsimony_model::{ClassName, Constraint, Date, Filter, Object, ObjectId, Op, ParseError, Update, Value, map};

use crate::engine::Engine;
use crate::rows::{Rows, id_of};

/// Whether an event was there.
pub(super) enum Stored {
    /// It is new.
    Now(ObjectId),
    /// It came before.
    Before,
}

/// An event that this server has taken to handle it.
pub(super) struct Taken {
    pub(super) row: Object,
    /// Which try it is, from 1.
    pub(super) attempt: u32,
}

/// The rows.
pub(super) struct Events<'a> {
    rows: Rows<'a>,
    engine: &'a Engine,
}

const PENDING: &str = "PENDING";
const PROCESSING: &str = "PROCESSING";
const PROCESSED: &str = "PROCESSED";
const DEAD: &str = "DEAD";

/// Headers that are nobody's business once the delivery is believed.
const HIDDEN: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The headers that are kept.
fn kept_headers(delivery: &Delivery) -> Map {
    let kept = delivery.headers.iter().filter(|(name, _)| !HIDDEN.contains(name) && !name.contains(['.', '$']));
    kept.map(|(name, value)| (name.into(), value.into())).collect()
}

impl<'a> Events<'a> {
    pub(super) async fn of(engine: &'a Engine) -> Result<Self, ParseError> {
        Ok(Self { rows: Rows::named(engine, &ClassName::parse(EVENTS)?).await?, engine })
    }

    /// Stores an event, unless it is there.
    pub(super) async fn store(
        &self,
        (application, source): (&str, &str),
        event_id: &str,
        delivery: &Delivery,
    ) -> Result<Stored, ParseError> {
        let id = id_of(&[application, source, event_id])?;
        let fields = map! {
            "application" => application,
            "source" => source,
            "eventId" => event_id,
            "status" => PENDING,
            "url" => delivery.url.as_str(),
            "headers" => kept_headers(delivery),
            "body" => String::from_utf8_lossy(&delivery.body).into_owned(),
            "attempts" => 0,
            "nextAttemptAt" => self.engine.clock.now(),
        };
        Ok(if self.rows.insert(&id, fields).await? { Stored::Now(id) } else { Stored::Before })
    }

    /// The ids of those whose time has come, the earliest first.
    pub(super) async fn due(&self, limit: u64) -> Result<Vec<ObjectId>, ParseError> {
        let found = self.rows.first(due(self.engine.clock.now()), "nextAttemptAt", limit).await?;
        Ok(found.into_iter().map(|row| row.id).collect())
    }

    /// Takes an event whose time has come; `None` if another server has it.
    pub(super) async fn take(&self, id: &ObjectId) -> Result<Option<Taken>, ParseError> {
        let now = self.engine.clock.now();
        let until = now.plus_millis(millis(self.engine.options.limits.inbound_time_max).saturating_mul(2));
        let mut update: Update = [("attempts".into(), Op::Increment(1.0))].into_iter().collect();
        update.set("status", PROCESSING);
        update.set("nextAttemptAt", until);
        let row = self.rows.update(Filter::id(id).and(due(now)), update).await?;
        Ok(row.map(|row| {
            let attempts = row.get("attempts").and_then(Value::as_f64).unwrap_or_default();
            Taken { row, attempt: u32::try_from(attempts as i64).unwrap_or(u32::MAX).max(1) }
        }))
    }

    /// Notes that an event is handled.
    pub(super) async fn done(&self, taken: &Taken) -> Result<(), ParseError> {
        let now = self.engine.clock.now();
        let done = map! {
            "status" => PROCESSED, "processedAt" => now, "message" => Value::Null, "nextAttemptAt" => Value::Null,
        };
        self.rows.set(own(taken), done).await.map(drop)
    }

    /// Notes that handling an event failed: it waits, or is dead. Tells whether it is dead.
    pub(super) async fn failed(&self, taken: &Taken, why: &str) -> Result<bool, ParseError> {
        let limits = &self.engine.options.limits;
        let dead = taken.attempt >= limits.inbound_attempts_max;
        let why: String = why.chars().take(limits.job_message_chars_max).collect();
        let noted = if dead {
            map! { "status" => DEAD, "message" => why, "nextAttemptAt" => Value::Null }
        } else {
            let next = self.engine.clock.now().plus_millis(pause_millis(taken.attempt, &*self.engine.clock));
            map! { "status" => PENDING, "message" => why, "nextAttemptAt" => next }
        };
        self.rows.set(own(taken), noted).await?;
        Ok(dead)
    }

    /// Takes away what was handled long ago.
    pub(super) async fn forget(&self) -> Result<(), ParseError> {
        let kept = millis(self.engine.options.limits.inbound_kept);
        let old = Constraint::Less(self.engine.clock.now().plus_millis(-kept).into());
        let handled = Filter::equals("status", PROCESSED);
        self.rows.delete(handled.and(Filter::Field("processedAt".into(), old))).await
    }
}

/// What is met by an event whose time has come.
fn due(now: Date) -> Filter {
    let waits = Constraint::In(vec![PENDING.into(), PROCESSING.into()]);
    let now = Filter::Field("nextAttemptAt".into(), Constraint::LessOrEqual(now.into()));
    Filter::Field("status".into(), waits).and(now)
}

/// What is met by the event for as long as nobody else has taken it.
fn own(taken: &Taken) -> Filter {
    let attempt = Filter::equals("attempts", f64::from(taken.attempt));
    Filter::id(&taken.row.id).and(Filter::equals("status", PROCESSING)).and(attempt)
}

/// How long to wait after so many failures, at first.
const PAUSE_MILLIS: i64 = 5_000;

/// And at most.
const PAUSE_MILLIS_MAX: i64 = 3_600_000;

/// How long to wait after so many failures: twice as long each time, and up to a fifth more by chance, so that what failed
/// together does not come back together.
fn pause_millis(failures: u32, clock: &dyn parsimony_model::Clock) -> i64 {
    let doubled = 2_i64.checked_pow(failures.saturating_sub(1)).and_then(|times| PAUSE_MILLIS.checked_mul(times));
    let pause = doubled.unwrap_or(PAUSE_MILLIS_MAX).min(PAUSE_MILLIS_MAX);
    let mut dice = [0_u8; 1];
    clock.fill(&mut dice);
    pause + pause / 5 * i64::from(dice[0]) / 255
}

#[cfg(test)]
mod tests {
    use parsimony_model::clock::HandClock;

    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_differ() {
        let clock = HandClock::default();
        for (failures, least) in [(1, 5_000), (2, 10_000), (5, 80_000), (11, 3_600_000), (99, 3_600_000)] {
            let pauses: Vec<i64> = (0..50).map(|_| pause_millis(failures, &clock)).collect();
            assert!(pauses.iter().all(|pause| (least..=least + least / 5).contains(pause)), "{failures}: {pauses:?}");
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{failures}");
        }
    }
}
