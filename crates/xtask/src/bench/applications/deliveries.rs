//! Is any webhook lost, or applied twice, when a thousand come each second, many of them twice and out of order, and the
//! server is killed meanwhile?

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::future::join_all;
use hdrhistogram::Histogram;
use parsimony_cloud::standard_signature;
use parsimony_model::clock::{Clock as _, SystemClock};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::super::http::{self, Connection};
use super::super::seed::Seeder;
use super::super::workload::{Dialect, Dice};
use super::site::{self, Ground, Place};

/// Deliveries per second.
const RATE: u64 = 1_000;
/// How many events there are.
const EVENTS: usize = 10_000;
/// Every so many are delivered a second time.
const TWICE: usize = 4;
/// How far a delivery may be from its place in the order.
const DISORDER: u64 = 500;
const SENDERS: usize = 32;
/// After so many deliveries the server is killed.
const KILLED_AFTER: usize = 5_000;
/// How long who sent waits with a delivery that was not taken.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the last event may take to be handled.
const REST: Duration = Duration::from_secs(300);
const LATENCY_MICROS_MAX: u64 = 60_000_000;
/// Rows of one look into the audit trail.
const PAGE: usize = 1_000;

/// What became of them.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    place: &'static str,
    /// How many were answered 200, duplicates and what was sent again included.
    accepted: u64,
    /// How many found no server, or lost it, and were sent again.
    sent_again: u64,
    /// From the first delivery to the last answer.
    seconds: f64,
    p50_millis: f64,
    p99_millis: f64,
    /// From the last answer until every event was handled.
    handled_after_seconds: f64,
}

/// Delivers to a server on each store.
pub(crate) async fn run() -> Result<Vec<Outcome>> {
    let ground = Ground::prepare().await?;
    let mut outcomes = Vec::new();
    for place in [Place::Sqlite, Place::Mongo] {
        let outcome = deliver(&ground, place).await?;
        println!("{}", outcome.line());
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// What the senders share.
struct Sending {
    /// Where the server listens now.
    port: Cell<u16>,
    waiting: RefCell<VecDeque<usize>>,
    accepted: Cell<u64>,
    sent_again: Cell<u64>,
    latency: RefCell<Histogram<u64>>,
    secret: String,
}

async fn deliver(ground: &Ground, place: Place) -> Result<Outcome> {
    let server = ground.start(place).await?;
    let sending = Rc::new(Sending {
        port: Cell::new(server.port),
        waiting: RefCell::new(deliveries()),
        accepted: Cell::new(0),
        sent_again: Cell::new(0),
        latency: RefCell::new(Histogram::new_with_bounds(1, LATENCY_MICROS_MAX, 3)?),
        secret: site::webhook_secret(),
    });
    let total = sending.waiting.borrow().len();
    println!("{}: {total} deliveries of {EVENTS} events, and the server is killed after {KILLED_AFTER}", place.name());
    let begun = Instant::now();
    let senders = (0..SENDERS).map(|_| tokio::task::spawn_local(Rc::clone(&sending).send()));
    let senders: Vec<_> = senders.collect();

    while total - sending.waiting.borrow().len() < KILLED_AFTER {
        sleep(Duration::from_millis(5)).await;
    }
    drop(server);
    let server = ground.start(place).await?;
    sending.port.set(server.port);
    for sender in join_all(senders).await {
        sender??;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let handled_after_seconds = judge(server.port).await?;
    let latency = sending.latency.borrow();
    let millis = |quantile| latency.value_at_quantile(quantile) as f64 / 1_000.0;
    Ok(Outcome {
        place: place.name(),
        accepted: sending.accepted.get(),
        sent_again: sending.sent_again.get(),
        seconds,
        p50_millis: millis(0.5),
        p99_millis: millis(0.99),
        handled_after_seconds,
    })
}

/// The numbers of the events in the order in which they are delivered.
fn deliveries() -> VecDeque<usize> {
    let mut dice = Dice::new(7);
    let twice = (0..EVENTS).filter(|number| number % TWICE == 0);
    let mut all: Vec<(u64, usize)> =
        (0..EVENTS).chain(twice).map(|number| (number as u64 + dice.next() % DISORDER, number)).collect();
    all.sort_unstable();
    all.into_iter().map(|(_, number)| number).collect()
}

impl Sending {
    /// One of the senders: its share of the rate, until nothing waits. What is not answered 200 is sent again, as services do.
    async fn send(self: Rc<Self>) -> Result<()> {
        let mut ticks = interval(Duration::from_secs_f64(SENDERS as f64 / RATE as f64));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut connection = None;
        loop {
            let Some(number) = self.waiting.borrow_mut().pop_front() else { return Ok(()) };
            ticks.tick().await;
            let begun = Instant::now();
            while let Err(error) = self.attempt(number, &mut connection).await {
                if begun.elapsed() > REST {
                    return Err(error.context("no server takes the delivery"));
                }
                self.sent_again.set(self.sent_again.get() + 1);
                connection = None;
                sleep(PAUSE).await;
            }
        }
    }

    async fn attempt(&self, number: usize, connection: &mut Option<Connection>) -> Result<()> {
        if connection.is_none() {
            *connection = Some(Connection::open(self.port.get()).await?);
        }
        let connection = connection.as_mut().context("there is no connection")?;
        let mut request = Vec::new();
        self.write(number, &mut request);
        let sent = Instant::now();
        let answer = connection.exchange(&request).await?;
        if answer.status != 200 {
            bail!("{}: {}", answer.status, String::from_utf8_lossy(&connection.body(&answer)));
        }
        let micros = u64::try_from(sent.elapsed().as_micros()).unwrap_or(LATENCY_MICROS_MAX);
        self.latency.borrow_mut().saturating_record(micros);
        self.accepted.set(self.accepted.get() + 1);
        Ok(())
    }

    fn write(&self, number: usize, into: &mut Vec<u8>) {
        let now = (SystemClock.now().millis() / 1_000).to_string();
        let price =
            json!({ "feed": site::feed(number % site::FEEDS), "price": "100.5", "at": "2026-01-01T00:00:00.000Z" });
        let body = json!({ "prices": [price] }).to_string();
        let id = format!("event-{number}");
        let signature = standard_signature(&self.secret, &id, &now, body.as_bytes());
        let headers = format!(
            "Content-Type: application/json\r\nwebhook-id: {id}\r\nwebhook-timestamp: {now}\r\nwebhook-signature: {signature}\r\n"
        );
        http::request(into, "POST", "/parse/webhooks/digital-assets/prices", &headers, &body);
    }
}

/// Waits until every event is handled, and tells how long that took; refuses if one was lost, or applied twice.
async fn judge(port: u16) -> Result<f64> {
    let begun = Instant::now();
    let mut seeder = Seeder::open(port, Dialect::Parse).await?;
    loop {
        let open = json!({ "_method": "GET", "where": { "status": { "$ne": "PROCESSED" } }, "count": 1, "limit": 0 });
        let open = count(&seeder.ask_as_master("POST", "/parse/classes/WebhookEvent", &open).await?)?;
        if open == 0 {
            break;
        }
        if begun.elapsed() > REST {
            bail!("{open} events are still not handled");
        }
        sleep(PAUSE).await;
    }
    let took = begun.elapsed().as_secs_f64();
    let all = json!({ "_method": "GET", "count": 1, "limit": 0 });
    let stored = count(&seeder.ask_as_master("POST", "/parse/classes/WebhookEvent", &all).await?)?;
    let applied = applied(&mut seeder).await?;
    let twice = applied.values().filter(|times| **times > 1).count();
    if stored != EVENTS as u64 || applied.len() != EVENTS || twice > 0 {
        bail!(
            "of {EVENTS} events {stored} are stored, {} were applied, and {twice} of them more than once",
            applied.len()
        );
    }
    Ok(took)
}

/// How often each event was applied, by the audit trail.
async fn applied(seeder: &mut Seeder) -> Result<BTreeMap<String, usize>> {
    let mut times = BTreeMap::new();
    for page in 0.. {
        let query = json!({
            "_method": "GET", "where": { "actor": "webhook:prices", "sequence": { "$gt": page * PAGE, "$lte": (page + 1) * PAGE } },
            "keys": "details", "limit": PAGE,
        });
        let found = seeder.ask_as_master("POST", "/parse/classes/AuditLog", &query).await?;
        let entries = found.get("results").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            let event =
                entry.pointer("/details/event").and_then(Value::as_str).context("an entry without its event")?;
            *times.entry(event.to_owned()).or_default() += 1;
        }
    }
    Ok(times)
}

fn count(answer: &Value) -> Result<u64> {
    answer.get("count").and_then(Value::as_u64).context("an answer without a count")
}

impl Outcome {
    fn line(&self) -> String {
        let Self { place, accepted, sent_again, seconds, p50_millis, p99_millis, handled_after_seconds } = self;
        format!(
            "{place:<8}{accepted} accepted in {seconds:.1} s ({:.0}/s), p50 {p50_millis:.1} ms, p99 {p99_millis:.1} ms; {sent_again} \
             sent again; all handled {handled_after_seconds:.1} s after the last; none lost, none applied twice",
            *accepted as f64 / seconds
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_delivered_and_some_twice_and_not_in_order() {
        let all = deliveries();
        let mut seen = vec![0; EVENTS];
        for number in &all {
            seen[*number] += 1;
        }
        assert!(seen.iter().enumerate().all(|(number, times)| *times == if number % TWICE == 0 { 2 } else { 1 }));
        assert!(all.iter().zip(all.iter().skip(1)).any(|(one, next)| one > next));
    }
}
