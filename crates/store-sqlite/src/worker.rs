//! Who runs the statements? One thread that writes, making durable together what waits together, and several that read.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use parsimony_store::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::store_error;
use crate::open::Limits;

/// What a write leaves to be done: to tell the outcome, once it is known whether it is durable.
pub(crate) struct Ran {
    /// Whether what it wrote stays.
    pub(crate) kept: bool,
    /// Tells the one who waits.
    pub(crate) answer: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

/// Work for the writer.
pub(crate) type Job = Box<dyn FnOnce(&Connection) -> Ran + Send>;

/// Work for a reader.
pub(crate) type Read = Box<dyn FnOnce(&Connection) + Send>;

/// What the writer is told.
pub(crate) enum Message {
    /// A write, which may share its commit with others.
    Write(Job),
    /// A change of a class: a commit of its own, after which the tables are different ones.
    Alone(Job),
    /// A transaction.
    Begin(Opening),
}

/// A transaction that waits for its turn.
pub(crate) struct Opening {
    /// Told when it is open.
    pub(crate) opened: oneshot::Sender<Result<(), StoreError>>,
    /// What it asks for.
    ///
    /// The channel of the standard library drops what waits in it with its receiver, so that whoever waits for a step that is
    /// never taken hears of it.
    pub(crate) steps: mpsc::Receiver<Step>,
    /// Set if its time runs out.
    pub(crate) timed_out: Arc<AtomicBool>,
}

/// What a transaction asks of the writer.
pub(crate) enum Step {
    /// A read or a write.
    Run(Job),
    /// Make it visible.
    Commit(oneshot::Sender<Result<(), StoreError>>),
    /// Undo it.
    RollBack(oneshot::Sender<Result<(), StoreError>>),
}

/// A job for the writer that answers with what its work gives.
pub(crate) fn job<T: Send + 'static>(
    work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    reply: oneshot::Sender<Result<T, StoreError>>,
) -> Job {
    Box::new(move |connection| {
        let outcome = work(connection);
        let kept = outcome.is_ok();
        // Whoever asked may have gone; then nobody is told.
        let answer =
            move |durable: Result<(), StoreError>| drop(reply.send(outcome.and_then(|value| durable.map(|()| value))));
        Ran { kept, answer: Box::new(answer) }
    })
}

/// What a transaction asks next.
fn next_step(steps: &mpsc::Receiver<Step>, deadline: Instant) -> Result<Step, mpsc::RecvTimeoutError> {
    let asleep = Instant::now() + AWAKE;
    while Instant::now() < asleep {
        match steps.try_recv() {
            Ok(step) => return Ok(step),
            Err(mpsc::TryRecvError::Disconnected) => return Err(mpsc::RecvTimeoutError::Disconnected),
            Err(mpsc::TryRecvError::Empty) => std::thread::yield_now(),
        }
    }
    steps.recv_timeout(deadline.saturating_duration_since(Instant::now()))
}

/// Starts a thread. It ends when all is done that was asked for and nobody can ask any more.
pub(crate) fn start(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    std::thread::Builder::new().name(name).spawn(run).map_err(StoreError::unavailable)
}

/// Serves reads.
pub(crate) fn read(connection: &Mutex<Connection>, questions: &flume::Receiver<Read>) {
    while let Ok(read) = questions.recv() {
        if std::panic::catch_unwind(AssertUnwindSafe(|| read(&connection.lock()))).is_err() {
            tracing::error!("a read panicked");
        }
    }
}

/// The one thread that writes.
pub(crate) struct Writer {
    connection: Connection,
    messages: flume::Receiver<Message>,
    limits: Limits,
    /// How many writes the last group had.
    group_before: Cell<usize>,
}

/// How long a group waits for one more write, if at all: little next to what a commit takes.
const GATHERING: Duration = Duration::from_micros(50);

/// How long the writer stays awake for the next step of a transaction, which mostly comes within a moment: to be woken takes
/// longer than what is asked.
const AWAKE: Duration = Duration::from_micros(50);

type Answers = Vec<Box<dyn FnOnce(Result<(), StoreError>) + Send>>;

impl Writer {
    /// A writer with its connection.
    pub(crate) fn new(connection: Connection, messages: flume::Receiver<Message>, limits: Limits) -> Self {
        Self { connection, messages, limits, group_before: Cell::new(0) }
    }

    /// Serves writes.
    pub(crate) fn run(self) {
        let mut next = self.messages.recv().ok();
        while let Some(message) = next.take() {
            match message {
                Message::Write(job) => next = self.group(job),
                Message::Alone(job) => {
                    let mut job = Some(job);
                    self.commit_after_each(|| job.take());
                }
                Message::Begin(opening) => self.transaction(opening),
            }
            next = next.or_else(|| self.messages.recv().ok());
        }
        self.finish();
    }

    /// Leaves the file in order for the next start.
    fn finish(self) {
        for text in ["PRAGMA analysis_limit=400", "PRAGMA optimize", "PRAGMA wal_checkpoint(TRUNCATE)"] {
            let outcome = self.connection.prepare(text).and_then(|mut statement| {
                let mut rows = statement.query([])?;
                while rows.next()?.is_some() {}
                Ok(())
            });
            if let Err(error) = outcome {
                tracing::warn!(%error, text, "closing the database");
            }
        }
    }

    /// Writes all that waits with one commit. Gives the message that ended the group, if one did.
    fn group(&self, first: Job) -> Option<Message> {
        let mut other = None;
        let mut first = Some(first);
        let mut count = 0;
        self.commit_after_each(|| {
            if let Some(first) = first.take() {
                return Some(first);
            }
            count += 1;
            if count >= self.limits.group_jobs_max {
                return None;
            }
            match self.next_in_group(count)? {
                Message::Write(job) => Some(job),
                message => {
                    other = Some(message);
                    None
                }
            }
        });
        self.group_before.set(count);
        other
    }

    /// What waits, or comes within a moment if the group is still smaller than the one before: those who were just answered
    /// often have more to write, and one commit for all is quicker than two.
    fn next_in_group(&self, count: usize) -> Option<Message> {
        let mut deadline = None;
        loop {
            if let Ok(message) = self.messages.try_recv() {
                return Some(message);
            }
            let now = Instant::now();
            if count >= self.group_before.get() || now > *deadline.get_or_insert(now + GATHERING) {
                return None;
            }
            std::thread::yield_now();
        }
    }

    /// Runs jobs in one transaction, commits, and only then answers: an acknowledged write is on disk.
    fn commit_after_each(&self, mut jobs: impl FnMut() -> Option<Job>) {
        let mut answers: Answers = Vec::new();
        let mut outcome = execute(&self.connection, "BEGIN IMMEDIATE");
        while let Some(job) = jobs() {
            if outcome.is_err() {
                // Without a transaction nothing may be written: the job is dropped, and whoever waits for it is told so.
                continue;
            }
            let ran = in_savepoint(&self.connection, job);
            answers.extend(ran.map(|ran| ran.answer));
            if self.connection.is_autocommit() {
                // A full disk, for instance: SQLite has undone the whole group.
                outcome = Err(StoreError::unavailable("the database has undone a group of writes"));
            }
        }
        let outcome = outcome.and_then(|()| execute(&self.connection, "COMMIT"));
        if outcome.is_err() && !self.connection.is_autocommit() {
            let _ = execute(&self.connection, "ROLLBACK");
        }
        if let Err(error) = &outcome {
            tracing::error!(%error, writes = answers.len(), "a group of writes failed");
        }
        for answer in answers {
            answer(copy(&outcome));
        }
    }

    /// Serves one transaction until it ends, is forgotten, or takes too long. Everybody else waits.
    fn transaction(&self, opening: Opening) {
        let began = execute(&self.connection, "BEGIN IMMEDIATE");
        let failed = began.is_err();
        if opening.opened.send(began).is_err() || failed {
            self.undo();
            return;
        }
        let deadline = Instant::now() + Duration::from_millis(self.limits.transaction_millis_max);
        loop {
            match next_step(&opening.steps, deadline) {
                Ok(Step::Run(job)) => {
                    if !self.step(job) {
                        return;
                    }
                }
                Ok(Step::Commit(reply)) => {
                    let outcome = execute(&self.connection, "COMMIT");
                    self.undo();
                    let _ = reply.send(outcome);
                    return;
                }
                Ok(Step::RollBack(reply)) => {
                    self.undo();
                    let _ = reply.send(Ok(()));
                    return;
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    self.undo();
                    return;
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    // Before the steps are dropped: whoever waits for one looks here for the reason.
                    opening.timed_out.store(true, Ordering::Release);
                    self.undo();
                    tracing::warn!(millis = self.limits.transaction_millis_max, "a transaction took too long");
                    return;
                }
            }
        }
    }

    /// Runs one step of a transaction and answers at once. `false` if the transaction is lost by it.
    fn step(&self, job: Job) -> bool {
        let ran = in_savepoint(&self.connection, job);
        let lost = self.connection.is_autocommit();
        let outcome =
            if lost { Err(StoreError::unavailable("the database has undone the transaction")) } else { Ok(()) };
        if let Some(ran) = ran {
            (ran.answer)(outcome);
        }
        !lost
    }

    /// Ends what is open.
    fn undo(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = execute(&self.connection, "ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be undone");
        }
    }
}

/// Runs a job so that it leaves nothing behind if it fails. `None` if it panicked: then nobody waits any more.
fn in_savepoint(connection: &Connection, job: Job) -> Option<Ran> {
    if let Err(error) = execute(connection, "SAVEPOINT job") {
        tracing::error!(%error, "a write could not begin");
        return None;
    }
    let ran = std::panic::catch_unwind(AssertUnwindSafe(|| job(connection))).ok();
    if ran.is_none() {
        tracing::error!("a write panicked");
    }
    let mut outcome = Ok(());
    if !ran.as_ref().is_some_and(|ran| ran.kept) && !connection.is_autocommit() {
        outcome = execute(connection, "ROLLBACK TO job");
    }
    if !connection.is_autocommit() {
        outcome = outcome.and_then(|()| execute(connection, "RELEASE job"));
    }
    if let Err(error) = outcome {
        // What the job left cannot be told apart from the rest: none of it may stay.
        tracing::error!(%error, "a write could not be undone");
        let _ = execute(connection, "ROLLBACK");
    }
    ran
}

fn execute(connection: &Connection, text: &str) -> Result<(), StoreError> {
    connection.prepare_cached(text).and_then(|mut statement| statement.execute([])).map_err(store_error)?;
    Ok(())
}

/// The same outcome for everyone in a group.
fn copy(outcome: &Result<(), StoreError>) -> Result<(), StoreError> {
    match outcome {
        Ok(()) => Ok(()),
        Err(StoreError::Conflict(text)) => Err(StoreError::Conflict(text.clone())),
        Err(error) => Err(StoreError::unavailable(error)),
    }
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
