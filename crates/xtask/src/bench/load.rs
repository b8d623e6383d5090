//! How many requests does a server answer when each of N clients sends its next one as soon as it has its answer?

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::join_all;
use hdrhistogram::Histogram;

use super::http::Connection;
use super::workload::Dice;

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

/// One who knows the next request.
pub(crate) trait Script: 'static {
    /// Writes the next request.
    fn write(&self, dice: &mut Dice, into: &mut Vec<u8>);
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Measure {
    /// Requests without an answer, or with another one than a success.
    pub(crate) failures: u64,
    /// The first failure, in words.
    pub(crate) first_failure: Option<String>,
    /// The successes within the measured time, each from the first byte sent to the last byte read, in microseconds.
    pub(crate) latency: Histogram<u64>,
}

impl Measure {
    fn new() -> Result<Self> {
        let latency = Histogram::new_with_bounds(1, LATENCY_MICROS_MAX, 3)?;
        Ok(Self { failures: 0, first_failure: None, latency })
    }

    fn fail(&mut self, what: String) {
        self.failures += 1;
        self.first_failure.get_or_insert(what);
    }

    fn add(&mut self, other: Self) -> Result<()> {
        self.failures += other.failures;
        self.first_failure = self.first_failure.take().or(other.first_failure);
        self.latency.add(other.latency)?;
        Ok(())
    }
}

/// Sends what the script says until the time is over.
pub(crate) async fn drive(port: u16, plan: Plan, script: Rc<impl Script>) -> Result<Measure> {
    let start = Instant::now() + plan.warm_up;
    let window = (start, start + plan.measured);
    let clients = (1..=plan.connections as u64).map(|seed| {
        let script = Rc::clone(&script);
        // A task of its own for each, so that a wake-up touches one client and not all.
        tokio::task::spawn_local(async move { client(port, window, &*script, Dice::new(seed)).await })
    });
    let mut sum = Measure::new()?;
    for measure in join_all(clients).await {
        sum.add(measure??)?;
    }
    Ok(sum)
}

async fn client(port: u16, window: (Instant, Instant), script: &impl Script, mut dice: Dice) -> Result<Measure> {
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
            Ok(answer) if (200..300).contains(&answer.status) => {
                if read >= window.0 {
                    let micros = u64::try_from(read.duration_since(sent).as_micros()).unwrap_or(LATENCY_MICROS_MAX);
                    measure.latency.saturating_record(micros);
                }
            }
            Ok(answer) => {
                let body = connection.body(&answer);
                measure.fail(format!("{}: {}", answer.status, String::from_utf8_lossy(&body)));
            }
            Err(error) => {
                measure.fail(format!("{error:#}"));
                connection = Connection::open(port).await?;
            }
        }
    }
    Ok(measure)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::{LocalSet, spawn_local};

    use super::*;
    use crate::bench::seed::Given;
    use crate::bench::workload::{Dialect, Requests, Workload};

    const PLAN: Plan =
        Plan { connections: 4, warm_up: Duration::from_millis(20), measured: Duration::from_millis(100) };

    /// Answers each request with the same bytes, and counts.
    async fn serve(mut stream: TcpStream, reply: &'static [u8], served: Rc<Cell<u64>>) {
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {
            served.set(served.get() + 1);
            stream.write_all(reply).await.unwrap();
        }
    }

    async fn drive_against(reply: &'static [u8]) -> (Measure, u64) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = Rc::new(Cell::new(0));
        let counter = Rc::clone(&served);
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                spawn_local(serve(stream, reply, Rc::clone(&counter)));
            }
        });
        let script = Requests::new(Dialect::Parse, Workload::Hello, &Given::default());
        (drive(port, PLAN, Rc::new(script)).await.unwrap(), served.get())
    }

    #[tokio::test]
    async fn no_answer_is_counted_that_was_not_served() {
        let (measure, served) =
            LocalSet::new().run_until(drive_against(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")).await;
        let counted = measure.latency.len();
        assert!(counted > 0 && counted < served, "{counted} of {served}");
        assert_eq!(measure.failures, 0);
    }

    #[tokio::test]
    async fn a_refusal_is_a_failure_and_is_told() {
        let refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nno!";
        let (measure, _) = LocalSet::new().run_until(drive_against(refusal)).await;
        assert!(measure.failures > 0);
        assert_eq!(measure.latency.len(), 0);
        assert_eq!(measure.first_failure.as_deref(), Some("400: no!"));
    }
}
