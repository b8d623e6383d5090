//! How are many rows read without holding them all? On a thread and a connection of their own, handed over piece by piece.
//!
//! Whoever takes the rows may be slow, and the connections that answer everybody else must not wait for that.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures::stream;
use parking_lot::Mutex;
use parsimony_store::{PIECE_ROWS_MAX, Pieces, StoreError};
use rusqlite::Connection;

use crate::objects::Shared;
use crate::open;
use crate::transaction::closed;
use crate::worker;

/// How many bytes of rows one piece has at most, unless a single row has more.
const PIECE_BYTES_MAX: usize = 256 << 10;
/// Pieces that wait to be taken.
const WAITING_PIECES_MAX: usize = 1;
/// Connections that are kept for the next streams.
const SPARE_MAX: usize = 2;
/// How often a thread whose rows nobody takes looks whether the store is being closed.
const LOOK_MILLIS: u64 = 100;

/// The streams of a store.
pub(crate) struct Streams {
    path: PathBuf,
    shared: Arc<Shared>,
    /// Connections of streams that have ended.
    spare: Mutex<Vec<Connection>>,
    /// How many streams are open.
    open: AtomicUsize,
    /// Each thread has one, so that closing waits for it.
    alive: flume::Sender<()>,
}

/// What a thread says.
enum Said<T> {
    Piece(Vec<T>),
    Failed(StoreError),
    /// That was all. A stream that ends without it was cut off.
    End,
}

impl Streams {
    pub(crate) fn new(path: PathBuf, shared: Arc<Shared>, alive: flume::Sender<()>) -> Arc<Self> {
        Arc::new(Self { path, shared, spare: Mutex::default(), open: AtomicUsize::new(0), alive })
    }

    /// Runs a read that hands rows over. Gives the read back if as many are open as there may be.
    pub(crate) fn start<T, R>(self: &Arc<Self>, read: R) -> Result<Pieces<T>, Busy<R>>
    where
        T: Send + 'static,
        R: FnOnce(&Connection, &mut Hand<T>) -> Result<(), StoreError> + Send + 'static,
    {
        let place = Place::take(self);
        let Some(place) = place else { return Err(Busy::Full(read)) };
        let (sender, said) = flume::bounded(WAITING_PIECES_MAX);
        let limits = &self.shared.limits;
        let now = Instant::now();
        let mut hand = Hand {
            sender,
            piece: Vec::new(),
            bytes: 0,
            store: Arc::downgrade(self),
            // A time that is further off than time goes is none.
            deadline: now.checked_add(Duration::from_millis(limits.stream_millis_max)),
            idle: Duration::from_millis(limits.stream_idle_millis_max),
        };
        let connection = self.connection().map_err(Busy::Failed)?;
        let (streams, alive) = (Arc::downgrade(self), self.alive.clone());
        let run = move || {
            let outcome = read(&connection, &mut hand).and_then(|()| hand.flush());
            hand.end(outcome);
            if let Some(streams) = streams.upgrade() {
                streams.keep(connection);
            }
            drop(place);
            drop(alive);
        };
        worker::start("sqlite-stream".to_owned(), run).map_err(Busy::Failed)?;
        Ok(Box::pin(stream::unfold(Some(said), |said| async {
            let said = said?;
            match said.recv_async().await {
                Ok(Said::Piece(piece)) => Some((Ok(piece), Some(said))),
                Ok(Said::Failed(error)) => Some((Err(error), None)),
                Ok(Said::End) => None,
                Err(_cut_off) => Some((Err(StoreError::Timeout), None)),
            }
        })))
    }

    /// Keeps a connection for the next stream, with what it has compiled.
    fn keep(&self, connection: Connection) {
        let mut spare = self.spare.lock();
        if spare.len() < SPARE_MAX {
            spare.push(connection);
        }
    }

    fn connection(&self) -> Result<Connection, StoreError> {
        if let Some(connection) = self.spare.lock().pop() {
            return Ok(connection);
        }
        open::stream(&self.path, &self.shared.limits, &self.shared.patterns)
    }
}

/// Why a stream did not start.
pub(crate) enum Busy<R> {
    /// As many are open as there may be.
    Full(R),
    /// The database cannot.
    Failed(StoreError),
}

/// One of the streams that may be open.
struct Place(Weak<Streams>);

impl Place {
    fn take(streams: &Arc<Streams>) -> Option<Self> {
        let max = streams.shared.limits.streams_max;
        let one_more = |open: usize| (open < max).then_some(open + 1);
        let taken = streams.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        taken.is_ok().then(|| Self(Arc::downgrade(streams)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(streams) = self.0.upgrade() {
            streams.open.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

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
    /// Hands over a row of so many bytes. An error means that nobody wants more.
    pub(crate) fn over(&mut self, row: T, bytes: usize) -> Result<(), StoreError> {
        self.piece.push(row);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.piece.len() >= PIECE_ROWS_MAX || self.bytes >= PIECE_BYTES_MAX { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.bytes = 0;
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.piece);
        self.say(Said::Piece(piece))
    }

    fn end(&mut self, outcome: Result<(), StoreError>) {
        // Whoever does not take this sees that the stream was cut off.
        let _ = self.say(outcome.map_or_else(Said::Failed, |()| Said::End));
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
