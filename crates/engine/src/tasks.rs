//! What goes on beside the requests: tasks that the end of the server waits for, and tasks that it ends.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use parsimony_model::{Clock, Date};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Tasks on the runtime on which the engine was opened; those that began on a worker of the door would hold it up.
#[derive(Clone)]
pub(crate) struct Tasks {
    runtime: Handle,
    alive: Arc<watch::Sender<usize>>,
    stopping: Arc<watch::Sender<bool>>,
    /// Those that nobody waits for.
    unwaited: Arc<Mutex<JoinSet<()>>>,
}

/// Counts a task for as long as it lives, also if it panics or is dropped.
struct Counted(Arc<watch::Sender<usize>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|alive| *alive = alive.saturating_sub(1));
    }
}

impl Tasks {
    /// On the runtime that this is called from.
    pub(crate) fn new() -> Self {
        Self {
            runtime: Handle::current(),
            alive: Arc::new(watch::Sender::new(0)),
            stopping: Arc::new(watch::Sender::new(false)),
            unwaited: Arc::default(),
        }
    }

    /// Begins one.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.alive.send_modify(|alive| *alive += 1);
        let counted = Counted(Arc::clone(&self.alive));
        self.runtime.spawn(async move {
            task.await;
            drop(counted);
        });
    }

    /// Begins one that may be ended in the middle.
    pub(crate) fn spawn_unwaited(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut unwaited = self.unwaited.lock();
        while unwaited.try_join_next().is_some() {}
        unwaited.spawn_on(task, &self.runtime);
    }

    /// Ends all that nobody waits for.
    pub(crate) fn abort(&self) {
        self.unwaited.lock().abort_all();
    }

    /// Tells all of them that the server ends.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Whether the server ends.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Waits until the server ends.
    pub(crate) async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        drop(stopping.wait_for(|stopping| *stopping).await);
    }

    /// Waits until there are none, but no longer than this. Tells whether there are none.
    pub(crate) async fn ended(&self, time_max: Duration) -> bool {
        let mut alive = self.alive.subscribe();
        tokio::time::timeout(time_max, alive.wait_for(|alive| *alive == 0)).await.is_ok_and(|ended| ended.is_ok())
    }
}

/// Waits until the clock has come so far. The clock may be moved by hand, so it is looked at every tick.
pub(crate) async fn until(clock: &dyn Clock, moment: Date, tick: Duration) {
    loop {
        let left = moment.millis().saturating_sub(clock.now().millis());
        let Ok(left) = u64::try_from(left) else { return };
        if left == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(left).min(tick)).await;
    }
}

#[cfg(test)]
mod tests {
    use parsimony_model::clock::HandClock;

    use super::*;

    #[tokio::test]
    async fn tasks_are_waited_for() {
        let tasks = Tasks::new();
        let (tell, told) = tokio::sync::oneshot::channel::<()>();
        tasks.spawn(async move { drop(told.await) });
        assert!(!tasks.ended(Duration::from_millis(20)).await);
        tell.send(()).unwrap();
        assert!(tasks.ended(Duration::from_secs(10)).await);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_ended() {
        let tasks = Tasks::new();
        let (tell, told) = tokio::sync::oneshot::channel::<()>();
        tasks.spawn_unwaited(async move {
            std::future::pending::<()>().await;
            drop(tell);
        });
        assert!(tasks.ended(Duration::ZERO).await);
        tasks.abort();
        assert!(told.await.is_err());
    }

    #[tokio::test]
    async fn a_clock_moved_by_hand_ends_the_wait() {
        let clock = Arc::new(HandClock::default());
        let moment = clock.now().plus_millis(3_600_000);
        let moved = Arc::clone(&clock);
        let wait = async move { until(&*moved, moment, Duration::from_millis(1)).await };
        let ((), waited) = tokio::join!(
            async { clock.advance_millis(3_600_000) },
            tokio::time::timeout(Duration::from_secs(10), wait)
        );
        assert_eq!(waited, Ok(()));
    }
}
