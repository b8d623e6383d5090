//! Which server sends: each looks which pushes are due, takes some that no other has, and says while it sends that it is there.

use std::collections::HashSet;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use parsimony_model::{ObjectId, ParseError};
use tokio::sync::Notify;

use super::deliver;
use super::queue::Queue;
use crate::engine::Engine;

/// The pushes of this server.
#[derive(Default)]
pub(crate) struct Pushes {
    under_way: Mutex<HashSet<ObjectId>>,
    /// Told when there may be something to do before the next tick.
    news: Notify,
}

/// A push that is under way here, until this is dropped.
struct UnderWay(Arc<Pushes>, ObjectId);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.lock().remove(&self.1);
        self.0.wake();
    }
}

impl Pushes {
    /// Says that there may be something to do.
    pub(crate) fn wake(&self) {
        self.news.notify_one();
    }
}

/// Begins to look what is due, where there is push at all.
pub(crate) fn begin(engine: &Arc<Engine>) {
    if engine.options.push.as_ref().is_some_and(|push| push.sends) {
        engine.tasks.spawn(run(Arc::downgrade(engine)));
    }
}

async fn run(engine: Weak<Engine>) {
    loop {
        let Some(engine) = engine.upgrade() else { return };
        if engine.tasks.is_stopping() {
            return;
        }
        if let Err(error) = turn(&engine).await {
            tracing::warn!(cause = error.detail.as_deref(), "pushes: {}", error.message);
        }
        let (tick, tasks, pushes) = (engine.options.limits.push_tick, engine.tasks.clone(), Arc::clone(&engine.pushes));
        // Whoever lets go of the engine need not wait for the tick.
        drop(engine);
        tokio::select! {
            () = tokio::time::sleep(tick) => {}
            () = pushes.news.notified() => {}
            () = tasks.stopped() => return,
        }
    }
}

async fn turn(engine: &Arc<Engine>) -> Result<(), ParseError> {
    let Some(queue) = Queue::if_any(engine).await? else { return Ok(()) };
    let pushes = &engine.pushes;
    let room = engine.options.limits.pushes_under_way_max.saturating_sub(pushes.under_way.lock().len());
    if room == 0 {
        return Ok(());
    }
    for id in queue.due(u64::try_from(room).unwrap_or(u64::MAX)).await? {
        // One that this server has, and for too long has said nothing of, is left to the others.
        if !pushes.under_way.lock().insert(id.clone()) {
            continue;
        }
        let under_way = UnderWay(Arc::clone(pushes), id.clone());
        if let Some(push) = queue.take(&id, engine.jobs.server()).await? {
            let its_engine = Arc::clone(engine);
            engine.tasks.spawn(async move {
                Box::pin(deliver::deliver(&its_engine, push)).await;
                drop(under_way);
            });
        }
    }
    Ok(())
}
