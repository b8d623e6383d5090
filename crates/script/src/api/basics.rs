//! What is there without waiting: the log, the time, chance.

use rhai::{Dynamic, Engine};

use crate::current::{self, Current};
use crate::error::{Thrown, fault};

/// How many random letters a script may have at a time.
const RANDOM_MAX: i64 = 1_024;

/// Who logs, as lines of scripts are found by it.
const LOG: &str = "parsimony::script";

fn log(level: &str, text: &str) -> Result<(), Thrown> {
    let current = current::get()?;
    if current.may_log() {
        write(&current, level, text);
    }
    Ok(())
}

fn write(current: &Current, level: &str, text: &str) {
    let (script, request_id) = (&*current.what, current.request_id());
    let text: String = text.chars().take(current.core.limits.line_chars_max).collect();
    match level {
        "error" => tracing::error!(target: LOG, script, request_id, "{text}"),
        "warn" => tracing::warn!(target: LOG, script, request_id, "{text}"),
        "debug" => tracing::debug!(target: LOG, script, request_id, "{text}"),
        _ => tracing::info!(target: LOG, script, request_id, "{text}"),
    }
}

/// Teaches an engine these functions.
pub(super) fn register(engine: &mut Engine) {
    engine
        .register_fn("log", |text: Dynamic| log("info", &text.to_string()))
        .register_fn("log", |level: &str, text: Dynamic| log(level, &text.to_string()))
        .register_fn("now", || Ok::<_, Thrown>(current::get()?.origin.host.now()))
        .register_fn("random", |length: i64| {
            let length = usize::try_from(length.clamp(0, RANDOM_MAX)).unwrap_or_default();
            Ok::<_, Thrown>(current::get()?.origin.host.random(length))
        });
    // Rhai's own would stop the thread for as long as the script likes.
    engine
        .register_fn("sleep", |_: i64| Err::<(), _>(fault("a script cannot sleep")))
        .register_fn("sleep", |_: f64| Err::<(), _>(fault("a script cannot sleep")));
    engine.on_print(|text| drop(log("info", text)));
    engine.on_debug(|text, _, _| drop(log("debug", text)));
}
