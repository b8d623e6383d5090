//! What is measured of the engine: how calls of cloud code went, and what there is at this moment.

use std::sync::Arc;
use std::time::Duration;

use parsimony_cloud::Place;
use parsimony_cloud::metrics::{
    HANDLER_DURATION, JOB_RUNS_UNDER_WAY, LIVE_SOCKETS, LIVE_SUBSCRIPTIONS, MEMORY, Metrics, SCRIPTS_SERVING,
    SCRIPTS_STALE,
};
use parsimony_model::{ErrorCode, ParseError};
use subtle::ConstantTimeEq;

use crate::engine::Engine;
use crate::scripts;
use crate::work::Work;

/// Lets the measures say what there is whenever they are told.
pub(crate) fn begin(engine: &Arc<Engine>) {
    let weak = Arc::downgrade(engine);
    engine.metrics.look_first(move |metrics| {
        if let Some(engine) = weak.upgrade() {
            look(&engine, metrics);
        }
    });
}

fn look(engine: &Engine, metrics: &Metrics) {
    let set = |measure, count: usize| metrics.set(measure, &[], count as f64);
    let (loaded, stale) = scripts::standing(engine);
    set(&SCRIPTS_SERVING, loaded);
    set(&SCRIPTS_STALE, usize::from(stale));
    set(&JOB_RUNS_UNDER_WAY, engine.jobs.under_way());
    if engine.options.live.is_some() {
        let audience = engine.live.audience();
        set(&LIVE_SOCKETS, audience.clients);
        set(&LIVE_SUBSCRIPTIONS, audience.subscriptions);
    }
    if let Some(bytes) = resident_bytes() {
        metrics.set(&MEMORY, &[], bytes);
    }
}

/// What the operating system says of this process, where it says that in a file.
fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1_024.0)
}

/// All measures, for the master key.
pub(crate) fn told(work: &Work) -> Result<String, ParseError> {
    work.require_master()?;
    Ok(work.engine.metrics.text())
}

/// All measures, for whoever has the token that opens nothing else; `None` for anybody else.
pub(crate) fn told_by_token(engine: &Engine, token: &str) -> Option<String> {
    let known = engine.options.keys.metrics_token.as_deref()?;
    bool::from(known.as_bytes().ct_eq(token.as_bytes())).then(|| engine.metrics.text())
}

/// Notes how a call of cloud code went.
pub(crate) fn called<T>(
    metrics: &Metrics,
    (place, trigger, name): (&Place, &str, &str),
    answer: &Result<T, ParseError>,
    took: Duration,
) {
    let outcome = match answer {
        Ok(_) => "done",
        Err(error) if error.code == ErrorCode::Timeout => "timeout",
        // What the client is not told is a fault of the code; what it is told, the code has thrown.
        Err(error) if error.detail.is_some() => "failed",
        Err(_) => "refused",
    };
    metrics.time(&HANDLER_DURATION, &[&place.application, name, outcome, trigger], took);
}
