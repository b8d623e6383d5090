//! How are exchanges with a Parse server written down, made, and compared?
//!
//! `cargo xtask record` makes them with Parse Server and writes its replies into the files of `tests/wire`; the ring `wire`
//! makes them with this server, on both stores, and compares.

mod compare;
mod files;
mod format;
mod given;
mod json;
mod normal;
mod play;
mod scenario;
mod variables;

pub use compare::differences;
pub use files::{Areas, servers};
pub use given::put_given;
pub use json::Json;
pub use play::{Player, wait_until_it_answers};
pub use scenario::{Area, Pending, Reply, Scenario, Step};
