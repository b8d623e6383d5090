//! What every answer carries, whatever the route: an id, a log line, a measure, the CORS headers.
//!
//! Plain functions that the door calls: a middleware of the framework would box every request.

pub(crate) mod cors;
pub(crate) mod log;
pub(crate) mod measure;
pub(crate) mod request_id;
