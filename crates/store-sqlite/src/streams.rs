//! How are many rows read without holding them all? On a thread and a connection of their own, handed over piece by piece.
//!
//! Whoever takes the rows may be slow, and the connections that answer everybody else must not wait for that.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures::stream;
use parsimony_store::{PIECE_ROWS_MAX, Pieces, StoreError};
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::objects::Shared;
use crate::open;
use crate::transaction::closed;
use crate::worker;

/// How many bytes of rows one piece has at most, unless a single row has more.
const PIECE_BYTES_MAX: usize = 256 << 10;
/// Pieces that wait to be taken.
const WAITING_PIECES_MAX: usize = 1;
/// How often a thread whose rows nobody takes looks whether the store is being closed.
const LOOK_MILLIS: u64 = 100;
/// How long a thread waits for another stream before it ends.
const IDLE_MILLIS: u64 = 60_000;

/// Work for a thread.
type Job = Box<dyn FnOnce(&Connection) + Send>;

/// The streams of a store.
pub(crate) struct Streams {
    path: PathBuf,
    shared: Arc<Shared>,
    /// To a thread that waits for work, if one does.
    idle: flume::Sender<Job>,
    jobs: flume::Receiver<Job>,
    /// As many as streams may be open.
    places: Arc<Semaphore>,
    /// Each thread has one, so that closing waits for it.
    alive: flume::Sender<()>,
}

/// What a thread says.
enum Said<T> {
    Piece(Vec<T>),
    /// That was all. A stream that ends without it was cut off.
    Last(Vec<T>),
    Failed(StoreError),
}

impl Streams {
    pub(crate) fn new(path: PathBuf, shared: Arc<Shared>, alive: flume::Sender<()>) -> Arc<Self> {
        // Nothing waits in it: what a thread does not take at once needs another thread.
        let (idle, jobs) = flume::bounded(0);
        let places = Arc::new(Semaphore::new(shared.limits.streams_max));
        Arc::new(Self { path, shared, idle, jobs, places, alive })
    }

    /// A place for one more stream, if one comes free in time. Whoever waits for it does not hold the store open.
    pub(crate) fn place(&self) -> impl Future<Output = Option<Place>> + use<> {
        let place = Arc::clone(&self.places).acquire_owned();
        let time = Duration::from_millis(self.shared.limits.stream_wait_millis_max);
        async move { tokio::time::timeout(time, place).await.ok()?.ok().map(Place) }
    }

    /// Runs a read that hands rows over.
    pub(crate) fn start<T, R>(self: &Arc<Self>, place: Place, read: R) -> Result<Pieces<T>, StoreError>
    where
        T: Send + 'static,
        R: FnOnce(&Connection, &mut Hand<T>) -> Result<(), StoreError> + Send + 'static,
    {
        let (sender, said) = flume::bounded(WAITING_PIECES_MAX);
        let mut hand = Hand::new(sender, self);
        let job = move |connection: &Connection| {
            let outcome = read(connection, &mut hand);
            hand.end(outcome);
            drop(place);
        };
        self.run(Box::new(job))?;
        Ok(Box::pin(stream::unfold(Some(said), |said| async {
            let said = said?;
            match said.recv_async().await {
                Ok(Said::Piece(piece)) => Some((Ok(piece), Some(said))),
                Ok(Said::Last(piece)) => (!piece.is_empty()).then_some((Ok(piece), None)),
                Ok(Said::Failed(error)) => Some((Err(error), None)),
                Err(_cut_off) => Some((Err(StoreError::Timeout), None)),
            }
        })))
    }

    /// Runs it on a thread that waits for work, or on a new one.
    fn run(&self, job: Job) -> Result<(), StoreError> {
        let Err(flume::TrySendError::Full(job) | flume::TrySendError::Disconnected(job)) = self.idle.try_send(job)
        else {
            return Ok(());
        };
        let connection = open::stream(&self.path, &self.shared.limits, &self.shared.patterns)?;
        let (jobs, alive) = (self.jobs.clone(), self.alive.clone());
        let run = move || {
            let mut next = Some(job);
            while let Some(job) = next.take() {
                if std::panic::catch_unwind(AssertUnwindSafe(|| job(&connection))).is_err() {
                    tracing::error!("a stream of rows panicked");
                }
                next = jobs.recv_timeout(Duration::from_millis(IDLE_MILLIS)).ok();
            }
            drop(connection);
            drop(alive);
        };
        worker::start("sqlite-stream".to_owned(), run).map(drop)
    }
}

/// A stream may be open as long as it has one.
pub(crate) struct Place(#[expect(dead_code, reason = "dropping it makes room")] OwnedSemaphorePermit);

/// Through which a read hands its rows over.
pub(crate) struct Hand<T> {
    sender: flume::Sender<Said<T>>,
    piece: Vec<T>,
    bytes: usize,
    store: Weak<Streams>,
    deadline: Option<Instant>,
    idle: Duration,
}

impl<T> Hand<T> {
    fn new(sender: flume::Sender<Said<T>>, streams: &Arc<Streams>) -> Self {
        let limits = &streams.shared.limits;
        Self {
            sender,
            piece: Vec::new(),
            bytes: 0,
            store: Arc::downgrade(streams),
            // A time that is further off than time goes is none.
            deadline: Instant::now().checked_add(Duration::from_millis(limits.stream_millis_max)),
            idle: Duration::from_millis(limits.stream_idle_millis_max),
        }
    }

    /// Hands over a row of so many bytes. An error means that nobody wants more.
    pub(crate) fn over(&mut self, row: T, bytes: usize) -> Result<(), StoreError> {
        self.piece.push(row);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.piece.len() >= PIECE_ROWS_MAX || self.bytes >= PIECE_BYTES_MAX { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.bytes = 0;
        let piece = std::mem::take(&mut self.piece);
        self.say(Said::Piece(piece))
    }

    fn end(&mut self, outcome: Result<(), StoreError>) {
        let piece = std::mem::take(&mut self.piece);
        // Whoever does not take this sees that the stream was cut off.
        let _ = self.say(outcome.map_or_else(Said::Failed, |()| Said::Last(piece)));
    }

    /// Waits until there is room, but not for ever.
    fn say(&self, mut said: Said<T>) -> Result<(), StoreError> {
        let began = Instant::now();
        loop {
            match self.sender.send_timeout(said, Duration::from_millis(LOOK_MILLIS)) {
                Ok(()) => return Ok(()),
                Err(flume::SendTimeoutError::Disconnected(_)) => return Err(closed()),
                Err(flume::SendTimeoutError::Timeout(back)) => said = back,
            }
            let late = self.deadline.is_some_and(|deadline| Instant::now() > deadline);
            if late || began.elapsed() > self.idle {
                tracing::warn!("a stream of rows was cut off: nobody took them in time");
                return Err(StoreError::Timeout);
            }
            if self.store.strong_count() == 0 {
                return Err(closed());
            }
        }
    }
}
