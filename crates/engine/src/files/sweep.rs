//! What becomes of uploads that broke off because their server was killed? From time to time they are swept away.

use std::sync::Arc;

use crate::engine::Engine;

/// Begins to sweep, until the engine is gone. Every server does; what one has swept the next does not find.
pub(crate) fn begin(engine: &Arc<Engine>) {
    let weak = Arc::downgrade(engine);
    engine.background(async move {
        loop {
            let Some(engine) = weak.upgrade() else { return };
            sweep(&engine).await;
            let pause = engine.options.limits.upload_idle_max;
            drop(engine);
            tokio::time::sleep(pause).await;
        }
    });
}

/// An upload of which nothing has come for so long is not under way on any server.
async fn sweep(engine: &Engine) {
    let idle_millis = i64::try_from(engine.options.limits.upload_idle_max.as_millis()).unwrap_or(i64::MAX);
    let since = engine.clock.now().plus_millis(idle_millis.saturating_neg());
    match engine.files.sweep(since).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "uploads that broke off with their server are swept away"),
        Err(error) => tracing::warn!(%error, "uploads that broke off with their server stay where they are"),
    }
}
