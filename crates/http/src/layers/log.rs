//! What does the log say of a request: one line, never a key, a token or a query string.

use std::time::Instant;

use crate::reply::Reply;

/// Longest path in a log line.
const PATH_BYTES_MAX: usize = 256;

/// Writes the line of a request that has been answered.
pub(crate) fn answered(method: &str, path: &str, request_id: &str, started: Instant, reply: &Reply) {
    if !tracing::enabled!(tracing::Level::INFO) {
        return;
    }
    let micros = u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX);
    tracing::info!(
        method,
        path = path.get(..PATH_BYTES_MAX).unwrap_or(path.get(..PATH_BYTES_MAX / 2).unwrap_or(path)),
        status = reply.status.as_u16(),
        duration_ms = f64::from(micros) / 1_000.0,
        code = reply.code,
        reason = reply.reason.as_deref(),
        request_id,
        "request"
    );
}
