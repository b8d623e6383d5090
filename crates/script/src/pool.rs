//! Where do scripts run that wait: threads of their own, not too many, none taken by a call within a call.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Builder;
use std::time::Duration;

use parsimony_cloud::stack;
use parsimony_model::{ErrorCode, ParseError};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::error::failed;

/// The stack of a thread: room for calls within calls, each with its part of the engine.
const STACK_BYTES: usize = 32 << 20;

struct Job {
    work: Box<dyn FnOnce() + Send>,
    /// Goes back when the job is done, whether or not somebody still waits for it.
    permit: OwnedSemaphorePermit,
}

/// Threads for scripts that wait.
pub(crate) struct Pool {
    jobs: flume::Sender<Job>,
    taken: flume::Receiver<Job>,
    permits: Arc<Semaphore>,
    /// How many threads wait for a job that nobody has counted on yet.
    idle: Arc<AtomicUsize>,
    wait_max: Duration,
}

thread_local! {
    static IS_ONE: Cell<bool> = const { Cell::new(false) };
    /// Whether nobody waits for the job of this thread any more.
    static ABANDONED: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// Whether nobody waits for what this thread does any more.
pub(crate) fn is_abandoned() -> bool {
    ABANDONED.with_borrow(|flag| flag.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed)))
}

/// Whoever waits for a job; gone, it says so.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Pool {
    /// A pool that has no threads yet.
    pub(crate) fn new(threads_max: usize, wait_max: Duration) -> Self {
        let (jobs, taken) = flume::unbounded();
        let permits = Arc::new(Semaphore::new(threads_max));
        Self { jobs, taken, permits, idle: Arc::default(), wait_max }
    }

    /// Does the work on a thread that may wait. One that is such a thread already does it itself: if it took another one,
    /// calls within calls could take all of them and wait for ever.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ParseError> + Send + 'static,
    ) -> Result<T, ParseError> {
        if IS_ONE.get() {
            return work();
        }
        let permit = tokio::time::timeout(self.wait_max, Arc::clone(&self.permits).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(ParseError::new(ErrorCode::Timeout, "Too many scripts are running; try again later."));
        };
        let (tell, told) = oneshot::channel();
        let runtime = Handle::try_current().map_err(ParseError::internal)?;
        let waiting = Waiting(Arc::default());
        let abandoned = Arc::clone(&waiting.0);
        let work = Box::new(move || {
            ABANDONED.set(Some(abandoned));
            let _entered = runtime.enter();
            let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panicked(&*panic)));
            tell.send(done).ok();
        });
        self.submit(Job { work, permit })?;
        let done = told.await;
        drop(waiting);
        done.unwrap_or_else(|_gone| Err(failed("the thread of a script ended".to_owned())))
    }

    /// Hands a job to a thread that waits for one, or to a new one. There are never more than permits.
    fn submit(&self, job: Job) -> Result<(), ParseError> {
        let counted_on = self.idle.fetch_update(Ordering::AcqRel, Ordering::Acquire, |idle| idle.checked_sub(1));
        if counted_on.is_err() {
            let (taken, idle) = (self.taken.clone(), Arc::clone(&self.idle));
            let thread = Builder::new().name("script".to_owned()).stack_size(STACK_BYTES);
            thread.spawn(move || serve(&taken, &idle)).map_err(ParseError::internal)?;
        }
        self.jobs.send(job).map_err(ParseError::internal)
    }
}

fn serve(jobs: &flume::Receiver<Job>, idle: &AtomicUsize) {
    IS_ONE.set(true);
    stack::make_roomy();
    while let Ok(Job { work, permit }) = jobs.recv() {
        work();
        // In this order: whoever gets the permit finds the thread idle, and makes no other.
        idle.fetch_add(1, Ordering::AcqRel);
        drop(permit);
    }
}

fn panicked(panic: &(dyn Any + Send)) -> ParseError {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    failed(text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default())
}
