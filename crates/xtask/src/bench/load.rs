//! How many requests does a server answer when each of N clients sends its next one as soon as it has its answer?

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::join_all;
use hdrhistogram::Histogram;

use super::http::Connection;
use super::workload::{Dice, Script};

const LATENCY_MICROS_MAX: u64 = 60_000_000;
/// A server that refuses everything is not worth the whole time.
const FAILURES_MAX: u64 = 1000;

/// How hard and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Clients at the same time.
    pub(crate) connections: usize,
    /// What is not counted, at the beginning.
    pub(crate) warm_up: Duration,
    /// What is counted.
    pub(crate) measured: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Measure {
    /// Answers within the measured time, the failed ones too.
    pub(crate) answers: u64,
    /// Answers that were not a success.
    pub(crate) failures: u64,
    /// The first failure, in words.
    pub(crate) first_failure: Option<String>,
    /// From the first byte sent to the last byte read, in microseconds.
    pub(crate) latency: Histogram<u64>,
}

impl Measure {
    fn new() -> Result<Self> {
        let latency = Histogram::new_with_bounds(1, LATENCY_MICROS_MAX, 3)?;
        Ok(Self { answers: 0, failures: 0, first_failure: None, latency })
    }

    fn fail(&mut self, what: String) {
        self.failures += 1;
        self.first_failure.get_or_insert(what);
    }

    fn add(&mut self, other: Self) -> Result<()> {
        self.answers += other.answers;
        self.failures += other.failures;
        self.first_failure = self.first_failure.take().or(other.first_failure);
        self.latency.add(other.latency)?;
        Ok(())
    }
}

/// Sends what the script says until the time is over.
pub(crate) async fn drive(port: u16, plan: Plan, script: Rc<Script>) -> Result<Measure> {
    let start = Instant::now() + plan.warm_up;
    let window = (start, start + plan.measured);
    let clients = (1..=plan.connections as u64).map(|seed| {
        let script = Rc::clone(&script);
        // A task of its own for each, so that a wake-up touches one client and not all.
        tokio::task::spawn_local(async move { client(port, window, &script, Dice::new(seed)).await })
    });
    let mut sum = Measure::new()?;
    for measure in join_all(clients).await {
        sum.add(measure??)?;
    }
    Ok(sum)
}

async fn client(port: u16, window: (Instant, Instant), script: &Script, mut dice: Dice) -> Result<Measure> {
    let mut measure = Measure::new()?;
    let mut connection = Connection::open(port).await?;
    let mut request = Vec::new();
    while measure.failures < FAILURES_MAX {
        script.write(&mut dice, &mut request);
        let sent = Instant::now();
        let answer = connection.exchange(&request).await;
        let read = Instant::now();
        if read >= window.1 {
            break;
        }
        match answer {
            Ok(answer) if (200..300).contains(&answer.status) => {}
            Ok(answer) => {
                let body = connection.body(&answer);
                measure.fail(format!("{}: {}", answer.status, String::from_utf8_lossy(&body)));
            }
            Err(error) => {
                measure.fail(format!("{error:#}"));
                connection = Connection::open(port).await?;
            }
        }
        if read >= window.0 {
            measure.answers += 1;
            let micros = u64::try_from(read.duration_since(sent).as_micros()).unwrap_or(LATENCY_MICROS_MAX);
            measure.latency.saturating_record(micros);
        }
    }
    Ok(measure)
}
