//! Which call of a script is this thread at, how long may it still take, and how does it wait?

use std::cell::RefCell;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parsimony_cloud::{Effects, Origin};
use parsimony_model::ParseError;

use crate::error::{Thrown, fault, thrown};
use crate::interpreter::Core;
use crate::pool;

/// A call of a script.
pub(crate) struct Current {
    /// The script and the function, as the log says it.
    pub(crate) what: Arc<str>,
    /// Where the request comes from.
    pub(crate) origin: Origin,
    /// What it runs on.
    pub(crate) core: Arc<Core>,
    /// Whether it may reach out of the server.
    pub(crate) effects: Effects,
    deadline: Instant,
    /// Whether this thread may wait.
    may_wait: bool,
    handed_bytes: AtomicUsize,
    log_lines: AtomicUsize,
}

/// How often somebody who waits looks whether anybody still wants to know.
const LOOKING: Duration = Duration::from_millis(200);

thread_local! {
    static CURRENT: RefCell<Option<Arc<Current>>> = const { RefCell::new(None) };
}

/// While it lives, a thread is at this call. A call within a call comes back to the one around it.
pub(crate) struct Entered(Option<Arc<Current>>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

impl Current {
    pub(crate) fn new(what: &Arc<str>, origin: &Origin, core: &Arc<Core>, may_wait: bool) -> Self {
        let own = Instant::now() + core.limits.time_max;
        // A call within a call takes of the time of the one around it, which cannot go on meanwhile.
        let around = CURRENT.with_borrow(|current| current.as_ref().map(|current| current.deadline));
        Self {
            what: Arc::clone(what),
            origin: origin.clone(),
            core: Arc::clone(core),
            effects: core.effects,
            deadline: around.map_or(own, |around| around.min(own)),
            may_wait,
            handed_bytes: AtomicUsize::new(0),
            log_lines: AtomicUsize::new(0),
        }
    }

    /// Makes this thread be at this call.
    pub(crate) fn enter(self) -> Entered {
        Entered(CURRENT.replace(Some(Arc::new(self))))
    }

    /// Counts a line of the log; `false` if there were enough.
    pub(crate) fn may_log(&self) -> bool {
        self.log_lines.fetch_add(1, Ordering::Relaxed) < self.core.limits.log_lines_max
    }

    /// Who asks, and with which id.
    pub(crate) fn request_id(&self) -> &str {
        &self.origin.who.request_id
    }

    /// How long it may still take.
    pub(crate) fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// The call this thread is at.
pub(crate) fn get() -> Result<Arc<Current>, Thrown> {
    CURRENT.with_borrow(Clone::clone).ok_or_else(|| fault("a script's function was called outside of a call"))
}

/// Whether the call has taken all its time.
pub(crate) fn is_late() -> bool {
    pool::is_abandoned()
        || CURRENT.with_borrow(|current| current.as_ref().is_some_and(|current| Instant::now() >= current.deadline))
}

/// Counts bytes that go into a script or come out of it.
pub(crate) fn hand_over(bytes: usize) -> Result<(), Thrown> {
    CURRENT.with_borrow(|current| match current {
        Some(current) => {
            let handed = current.handed_bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
            let max = current.core.limits.handed_bytes_max;
            if handed > max { Err(fault(format!("more than {max} bytes were read and written"))) } else { Ok(()) }
        }
        None => Ok(()),
    })
}

/// Waits for an answer, for as long as the call may still take.
pub(crate) fn wait<T>(
    current: &Current,
    answer: impl Future<Output = Result<T, ParseError>> + Send,
) -> Result<T, Thrown> {
    if !current.may_wait {
        return Err(fault("a script that was taken for one that never waits has to wait"));
    }
    let mut answer = std::pin::pin!(answer);
    pollster::block_on(async {
        loop {
            let looking = (Instant::now() + LOOKING).min(current.deadline);
            match tokio::time::timeout_at(looking.into(), &mut answer).await {
                Ok(answer) => return answer.map_err(thrown),
                Err(_not_yet) if is_late() => return Err(fault("it took too long")),
                Err(_not_yet) => {}
            }
        }
    })
}
