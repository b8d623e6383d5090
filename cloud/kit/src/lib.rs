//! What the applications share: the audit trail, permission checks, state machines, request keys.
//!
//! | question | file |
//! | --- | --- |
//! | what is there once, however many applications there are | [`application`], with its [`functions`] |
//! | who acts, and what is kept of it when it fails | [`acting`] |
//! | what was done, by whom, and has anybody changed the record | [`audit`] |
//! | which text of a value are digests made of | [`canonical`] |
//! | what goes on by itself, without a caller | [`cause`] |
//! | how is a chain set and reached, and what keeps something from getting there | [`mod@chain`] |
//! | what do all entities have in common | [`entity`] |
//! | which number is the next of an account that sends to a chain | [`nonces`] |
//! | which letters are a country, and what is its number | [`countries`] |
//! | is that money | [`money`] |
//! | what is somebody told | [`notifications`] |
//! | who outside hears of what happens | [`outbound`] |
//! | is a parameter what it should be | [`params`] |
//! | what becomes of personal data that is sealed | [`pii`] |
//! | may this caller do that | [`permission`] |
//! | was this request answered before | [`request_key`] |
//! | which roles are there | [`roles`] |
//! | what is set for all applications together | `settings.rs` |
//! | which status may follow which | [`state`] |
//! | what do the tests of applications ask alike | `testing`, a feature |
//! | how is a closed list of words written in Rust | [`words`](mod@words) |
#![deny(clippy::future_not_send)]
#![warn(clippy::wildcard_enum_match_arm)]

pub mod acting;
pub mod application;
pub mod audit;
pub mod canonical;
pub mod cause;
pub mod chain;
pub mod countries;
pub mod entity;
pub mod functions;
pub mod money;
pub mod nonces;
pub mod notifications;
pub mod outbound;
pub mod params;
pub mod permission;
pub mod pii;
pub mod request_key;
pub mod roles;
mod settings;
pub mod state;
#[cfg(feature = "testing")]
pub mod testing;
pub mod words;

#[cfg(test)]
mod fake;

pub use acting::Acting;
pub use application::application;
pub use audit::{AuditEntry, Outcome};
pub use cause::Cause;
