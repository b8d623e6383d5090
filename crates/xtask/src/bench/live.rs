//! How soon do a thousand LiveQuery subscribers hear of a write, and how many writes are taken meanwhile?

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::future::join_all;
use futures::{SinkExt as _, StreamExt as _};
use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::http::{self, Connection};
use super::subject::{Ground, Running, Subject};
use super::workload::{APP_ID, Dialect};

/// The class that is listened to; the servers are told its name.
pub(super) const CLASS: &str = "BenchLive";
const SUBSCRIBERS: usize = 1_000;
const ROOMS: usize = 100;
/// Sockets that hear nothing, each with a question of its own.
const IDLE: usize = 10_000;
const SECONDS: u64 = 10;
/// Writes per second: what the aim is stated for, and more, to see where it ends.
const RATES: [u64; 3] = [100, 1_000, 4_000];
/// Clients that write.
const WRITERS: usize = 16;
/// How long the last events may take.
const REST: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(30);
const LATENCY_MICROS_MAX: u64 = 60_000_000;

/// One server at one rate.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    subject: &'static str,
    rate: u64,
    /// Writes that should have been taken, and those that were.
    writes: (u64, u64),
    /// Events that the writes that were taken cause, and those that arrived.
    events: (u64, u64),
    /// From just before the write is sent to the arrival of its event, in milliseconds.
    p50: f64,
    p99: f64,
}

/// What clients cost that hear nothing.
#[derive(Debug, Serialize)]
pub(crate) struct Idle {
    subject: &'static str,
    before_kb: u64,
    with_kb: u64,
}

/// Asks each server that has LiveQuery.
pub(crate) async fn run(subjects: &[Subject]) -> Result<(Vec<Told>, Vec<Idle>)> {
    let ground = Ground::prepare().await?;
    let (mut all, mut idles) = (Vec::new(), Vec::new());
    for subject in subjects.iter().copied().filter(|subject| subject.has_live_queries()) {
        let server = Running::start(subject, &ground).await?;
        // The class is there before the first subscriber, as it is in life.
        write(server.port, Instant::now(), 1, 0, Duration::from_millis(10)).await?;
        let heard = Rc::new(RefCell::new(Heard::new()?));
        println!("{}: {SUBSCRIBERS} subscribers come", subject.name());
        for number in 0..SUBSCRIBERS {
            let socket = subscribe(server.port, number % ROOMS).await?;
            tokio::task::spawn_local(listen(socket, Rc::clone(&heard)));
        }
        let idle = idle(&server, subject).await?;
        println!("{}", idle.line());
        idles.push(idle);
        for rate in RATES {
            let told = ask(&server, subject, rate, &heard).await?;
            println!("{}", told.line());
            let saturated = told.writes.1 < told.writes.0 * 9 / 10;
            all.push(told);
            if saturated {
                break;
            }
        }
    }
    Ok((all, idles))
}

/// Opens many sockets, subscribes each to a room in which nothing happens, and closes them.
async fn idle(server: &Running, subject: Subject) -> Result<Idle> {
    let before_kb = server.resident_kb().unwrap_or_default();
    let mut sockets = Vec::with_capacity(IDLE);
    for number in 0..IDLE {
        sockets.push(subscribe(server.port, ROOMS + number).await?);
    }
    sleep(Duration::from_secs(1)).await;
    Ok(Idle { subject: subject.name(), before_kb, with_kb: server.resident_kb().unwrap_or_default() })
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

struct Heard {
    begin: Instant,
    events: u64,
    latency: Histogram<u64>,
}

impl Heard {
    fn new() -> Result<Self> {
        let latency = Histogram::new_with_bounds(1, LATENCY_MICROS_MAX, 3)?;
        Ok(Self { begin: Instant::now(), events: 0, latency })
    }
}

async fn subscribe(port: u16, room: usize) -> Result<Socket> {
    let (mut socket, _) = connect_async(format!("ws://127.0.0.1:{port}/parse")).await?;
    for frame in [
        json!({ "op": "connect", "applicationId": APP_ID }),
        json!({ "op": "subscribe", "requestId": 1, "query": { "className": CLASS, "where": { "room": room } } }),
    ] {
        socket.send(Message::text(frame.to_string())).await?;
        let answer = timeout(ANSWER, next_text(&mut socket)).await.context("no answer of LiveQuery")??;
        if answer.contains("\"error\"") {
            bail!("LiveQuery refuses: {answer}");
        }
    }
    Ok(socket)
}

async fn next_text(socket: &mut Socket) -> Result<String> {
    while let Some(message) = socket.next().await {
        if let Message::Text(text) = message? {
            return Ok(text.to_string());
        }
    }
    bail!("the server closed the socket")
}

/// Takes in events; each carries when its write was sent.
async fn listen(mut socket: Socket, heard: Rc<RefCell<Heard>>) {
    while let Ok(text) = next_text(&mut socket).await {
        let sent = text.split_once("\"sent\":").map(|(_, rest)| rest.split([',', '}']).next().unwrap_or_default());
        let Some(sent) = sent.and_then(|sent| sent.parse::<u64>().ok()) else { continue };
        let mut heard = heard.borrow_mut();
        heard.events += 1;
        let micros = u64::try_from(heard.begin.elapsed().as_micros()).unwrap_or(u64::MAX).saturating_sub(sent);
        heard.latency.saturating_record(micros.max(1));
    }
}

async fn ask(server: &Running, subject: Subject, rate: u64, heard: &Rc<RefCell<Heard>>) -> Result<Told> {
    let begin = {
        let mut heard = heard.borrow_mut();
        *heard = Heard::new()?;
        heard.begin
    };
    let wanted = rate * SECONDS;
    let writers = (0..WRITERS as u64).map(|writer| {
        let port = server.port;
        tokio::task::spawn_local(async move { write(port, begin, rate, writer, Duration::from_secs(SECONDS)).await })
    });
    let mut taken = 0;
    for writer in join_all(writers).await {
        taken += writer??;
    }
    let expected = taken * (SUBSCRIBERS / ROOMS) as u64;
    let rest = Instant::now();
    while heard.borrow().events < expected && rest.elapsed() < REST {
        sleep(Duration::from_millis(10)).await;
    }
    let heard = heard.borrow();
    let millis = |quantile| heard.latency.value_at_quantile(quantile) as f64 / 1_000.0;
    Ok(Told {
        subject: subject.name(),
        rate,
        writes: (wanted, taken),
        events: (expected, heard.events),
        p50: millis(0.5),
        p99: millis(0.99),
    })
}

/// One of the writers: its share of the rate, until the time is over. Tells how many were taken.
async fn write(port: u16, begin: Instant, rate: u64, writer: u64, time: Duration) -> Result<u64> {
    let mut connection = Connection::open(port).await?;
    let mut ticks = interval(Duration::from_secs_f64(WRITERS as f64 / rate as f64));
    // A server that is too slow is asked less often, and not all at once afterwards.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut taken, mut number, mut request) = (0, writer, Vec::new());
    while begin.elapsed() < time {
        ticks.tick().await;
        let room = number % ROOMS as u64;
        let body = json!({ "room": room, "text": "something was said", "sent": begin.elapsed().as_micros() as u64 });
        let path = Dialect::Parse.objects(CLASS);
        http::request(&mut request, "POST", &path, &Dialect::Parse.headers(), &body.to_string());
        if connection.exchange(&request).await?.status == 201 {
            taken += 1;
        }
        number += WRITERS as u64;
    }
    Ok(taken)
}

impl Idle {
    fn line(&self) -> String {
        let each = self.with_kb.saturating_sub(self.before_kb) as f64 / IDLE as f64;
        format!(
            "{:<18}{IDLE} idle sockets: {} MB before, {} MB with them, {each:.1} kB each",
            self.subject,
            self.before_kb / 1024,
            self.with_kb / 1024
        )
    }
}

impl Told {
    fn line(&self) -> String {
        let Self { subject, rate, writes, events, p50, p99 } = self;
        format!(
            "{subject:<18}{rate:>6} writes/s: {} of {} taken, {} of {} events, p50 {p50:.1} ms, p99 {p99:.1} ms",
            writes.1, writes.0, events.1, events.0
        )
    }
}
