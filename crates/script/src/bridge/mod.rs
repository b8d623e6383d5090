//! How does a script see what the server has, and what does the server get back?

pub(crate) mod context;
pub(crate) mod document;
pub(crate) mod query;
pub(crate) mod request;
pub(crate) mod value;

use rhai::Engine;

/// Teaches an engine all types.
pub(crate) fn register(engine: &mut Engine) {
    value::register(engine);
    document::register(engine);
    query::register(engine);
    request::register(engine);
    context::register(engine);
}
