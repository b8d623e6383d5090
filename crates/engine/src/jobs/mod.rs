//! Background jobs: which run when, on which of the servers, and what becomes of them.
//!
//! | question | file |
//! | --- | --- |
//! | what a door may ask | `api.rs` |
//! | when is a schedule of the dashboard due | `schedule.rs` |
//! | which runs are due now, and which were missed | `due.rs` |
//! | which server starts them | `lease.rs` |
//! | which runs wait or are under way, and where | `runs.rs` |
//! | which jobs do not run by themselves for a while | `pause.rs` |
//! | what happens in every tick | `runner.rs` |
//! | what happens in a run: tries, time limits, its end | `run.rs` |
//! | what is seen of a run | `status.rs` |
//!
//! Every server may start runs by hand. One of them holds the lease and starts those that are due; when it says nothing for the
//! length of the lease, another one takes the lease, and fails the runs that were under way there.

pub(crate) mod api;
mod due;
mod lease;
mod pause;
mod run;
mod runner;
mod runs;
mod schedule;
mod status;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use parsimony_model::{Clock, ObjectId};
use tokio::sync::{Notify, watch};

use self::lease::Leases;
use self::run::Ending;
use crate::engine::Engine;

/// The runs of this server.
pub(crate) struct Jobs {
    /// What this server is called among those that share the store.
    me: String,
    /// For each run that is under way here, why it has to end.
    under_way: Mutex<HashMap<ObjectId, watch::Sender<Option<Ending>>>>,
    /// Told when a run has ended, since another may wait for that.
    ended: Notify,
}

/// How many characters the name of a server has.
const NAME_CHARS: usize = 20;

/// How long a run may take to end that has been told to.
const END_TIME_MAX: Duration = Duration::from_secs(5);

impl Jobs {
    /// None yet.
    pub(crate) fn new(clock: &dyn Clock) -> Self {
        Self { me: clock.alphanumeric(NAME_CHARS), under_way: Mutex::default(), ended: Notify::new() }
    }

    /// What this server is called among those that share the store.
    pub(crate) fn server(&self) -> &str {
        &self.me
    }

    /// Tells a run of this server that it has to end. `false` if there is none.
    fn end(&self, id: &ObjectId, why: Ending) -> bool {
        let under_way = self.under_way.lock();
        under_way.get(id).is_some_and(|run| run.send_replace(Some(why)).is_none())
    }

    /// Notes that a run is no longer under way here.
    fn forget(&self, id: &ObjectId) {
        self.under_way.lock().remove(id);
        self.ended.notify_one();
    }

    /// How many runs are under way here.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.lock().len()
    }

    /// The runs that are under way here.
    fn ids(&self) -> Vec<ObjectId> {
        self.under_way.lock().keys().cloned().collect()
    }
}

/// Begins to look what is due.
pub(crate) fn begin(engine: &Arc<Engine>) {
    engine.tasks.spawn(runner::run(Arc::downgrade(engine)));
}

/// Ends what goes on beside the requests, each run with a status, and lets another server go on at once.
pub(crate) async fn stop(engine: &Engine) {
    let (jobs, tasks) = (&engine.jobs, &engine.tasks);
    tasks.stop();
    if !tasks.ended(engine.options.limits.job_stop_time_max).await {
        for id in jobs.ids() {
            jobs.end(&id, Ending::Stopped);
        }
        if !tasks.ended(END_TIME_MAX).await {
            tracing::warn!("some runs of jobs did not end");
        }
    }
    if engine.registry.now().jobs().is_empty() {
        return;
    }
    let released = async { Leases::of(engine).await?.release(&jobs.me).await };
    if let Err(error) = released.await {
        tracing::warn!(%error, "another server has to wait until the lease of the jobs is over");
    }
}
