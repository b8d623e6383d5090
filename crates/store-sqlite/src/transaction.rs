//! Where a question is asked: of the whole store, or inside an open transaction.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use parsimony_store::{Answer, StoreError, Transaction};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::objects::Asked;
use crate::streams::Streams;
use crate::worker::{Message, Opening, Read, Step, job};

/// A way to the connections.
pub trait Lane: Send + Sync + 'static {
    /// Runs work that only reads.
    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send;

    /// Runs work that reads a few pages at most.
    fn glance<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send;

    /// Runs work that writes: all of it, or none if it fails.
    fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send;
}

/// The whole store: reads run beside one another, writes share commits.
#[derive(Debug)]
pub struct Whole {
    /// The ways to the threads, until it is closed.
    pub(crate) doors: ArcSwapOption<Doors>,
    /// The threads, until they are waited for.
    pub(crate) threads: Mutex<Vec<JoinHandle<()>>>,
    /// Answers when the last thread is gone.
    pub(crate) gone: flume::Receiver<()>,
    pub(crate) path: PathBuf,
}

/// The ways to the threads. A thread ends when it has done all that was asked for and these are gone.
pub(crate) struct Doors {
    pub(crate) writer: flume::Sender<Message>,
    pub(crate) readers: flume::Sender<Read>,
    /// The connections that read, each shared with its thread.
    pub(crate) connections: Vec<Arc<Mutex<Connection>>>,
    /// The reads that have threads of their own.
    pub(crate) streams: Arc<Streams>,
    /// Sweeping stops when this is gone.
    pub(crate) _sweeping: flume::Sender<()>,
}

impl fmt::Debug for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doors").field("readers", &self.connections.len()).finish_non_exhaustive()
    }
}

pub(crate) fn closed() -> StoreError {
    StoreError::unavailable("the database is closed")
}

impl Whole {
    /// Tells the writer something.
    pub(crate) async fn tell(&self, message: Message) -> Result<(), StoreError> {
        let doors = self.doors.load_full().ok_or_else(closed)?;
        send(&doors.writer, message).await
    }

    /// Opens a transaction when the writer is free.
    pub(crate) async fn begin(&self) -> Result<Inside, StoreError> {
        let (opened, answer) = oneshot::channel();
        // As long as those who work in the transaction wait for its steps.
        let (sender, steps) = mpsc::channel();
        let timed_out = Arc::new(AtomicBool::new(false));
        self.tell(Message::Begin(Opening { opened, steps, timed_out: Arc::clone(&timed_out) })).await?;
        answer.await.map_err(|_gone| closed())??;
        Ok(Inside { sender, timed_out })
    }
}

impl Lane for Whole {
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let question: Read = Box::new(move |connection| {
            // Whoever asked may have gone; then there is nothing to read.
            if !reply.is_closed() {
                drop(reply.send(work(connection)));
            }
        });
        let doors = self.doors.load_full().ok_or_else(closed)?;
        send(&doors.readers, question).await?;
        drop(doors);
        answer.await.map_err(|_gone| closed())?
    }

    /// Waking a thread and being woken takes ten times as long as the work, so this does it at once on a connection that
    /// nobody uses now.
    async fn glance<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        // A task that does nothing else must let others run now and then.
        tokio::task::coop::consume_budget().await;
        let doors = self.doors.load_full().ok_or_else(closed)?;
        if let Some(connection) = doors.connections.iter().find_map(|connection| connection.try_lock()) {
            return work(&connection);
        }
        drop(doors);
        self.read(work).await
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.tell(Message::Write(job(work, reply))).await?;
        answer.await.map_err(|_gone| StoreError::unavailable("the database could not write"))?
    }
}

/// Waits only if the queue is full.
async fn send<T>(door: &flume::Sender<T>, message: T) -> Result<(), StoreError> {
    match door.try_send(message) {
        Ok(()) => Ok(()),
        Err(flume::TrySendError::Full(message)) => door.send_async(message).await.map_err(|_gone| closed()),
        Err(flume::TrySendError::Disconnected(_)) => Err(closed()),
    }
}

/// An open transaction: it has the writer to itself.
#[derive(Debug)]
pub struct Inside {
    sender: mpsc::Sender<Step>,
    timed_out: Arc<AtomicBool>,
}

impl Inside {
    async fn step<T>(&self, step: Step, answer: oneshot::Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
        let ended = || {
            if self.timed_out.load(Ordering::Acquire) {
                StoreError::Timeout
            } else {
                StoreError::unavailable("the transaction has ended")
            }
        };
        self.sender.send(step).map_err(|_gone| ended())?;
        answer.await.map_err(|_gone| ended())?
    }
}

impl Lane for Inside {
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write(work).await
    }

    async fn glance<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write(work).await
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.step(Step::Run(job(work, reply)), answer).await
    }
}

impl Transaction for Asked<Inside> {
    fn commit(&self) -> Answer<'_, ()> {
        Box::pin(async {
            let (reply, answer) = oneshot::channel();
            self.lane.step(Step::Commit(reply), answer).await
        })
    }

    fn roll_back(&self) -> Answer<'_, ()> {
        Box::pin(async {
            let (reply, answer) = oneshot::channel();
            self.lane.step(Step::RollBack(reply), answer).await
        })
    }
}
