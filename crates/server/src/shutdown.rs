//! When does the server end: at SIGTERM or SIGINT, after what runs has been answered.

use tokio::signal::unix::{SignalKind, signal};

use crate::wire::Running;

/// Waits until the server is told to end, and ends it. A second signal does not wait for what runs.
pub(crate) async fn serve_until_told(mut running: Running) -> Result<(), String> {
    let told = |error: std::io::Error| format!("Signals cannot be received: {error}.");
    let mut terminate = signal(SignalKind::terminate()).map_err(told)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(told)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        ended = running.ended() => {
            running.stop().await;
            return Err(ended.map_or_else(|error| error, |()| "The HTTP server ended by itself.".to_owned()));
        }
    }
    tracing::info!("stopping: no new connections, what runs is answered");
    tokio::select! {
        () = running.stop() => {}
        _ = terminate.recv() => tracing::warn!("stopped at once"),
        _ = interrupt.recv() => tracing::warn!("stopped at once"),
    }
    tracing::info!("stopped");
    Ok(())
}
