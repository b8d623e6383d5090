//! Everything Parse does, behind one [`Engine`] that every door asks.
#![deny(clippy::future_not_send)]
#![warn(clippy::wildcard_enum_match_arm)]

mod caller;
mod limits;
mod options;
mod work;

pub use caller::Credentials;
pub use limits::Limits;
pub use options::{AddressRule, DeniedKeyword, Keys, Options, default_denied_keywords};
pub use work::{Engine, Found, LogIn, Saved, Work};
