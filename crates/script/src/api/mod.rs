//! What can a script call?

mod basics;
mod engine;
mod outside;

use rhai::Engine;

/// The functions that wait for something: a script that calls one of them runs where waiting is allowed.
pub(crate) const WAITING: [&str; 13] = [
    "save",
    "destroy",
    "fetch",
    "find",
    "first",
    "get_by_id",
    "count",
    "run",
    "send_push",
    "http",
    "mail",
    "notify",
    "message",
];

/// Teaches an engine all functions.
pub(crate) fn register(engine: &mut Engine) {
    basics::register(engine);
    engine::register(engine);
    outside::register(engine);
}
