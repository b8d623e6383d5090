//! What does a test need that is not the server itself? A real mongod, a real chain, and processes that never outlive the test.

#[cfg(feature = "app")]
pub mod anvil;
#[cfg(feature = "app")]
pub mod app;
#[cfg(feature = "app")]
pub mod mail_sink;
pub mod mongod;
pub mod tether;
pub mod tools;
#[cfg(feature = "wire")]
pub mod wire;

#[cfg(feature = "app")]
pub use anvil::Anvil;
#[cfg(feature = "app")]
pub use app::{
    AccountOptions, App, Client, CountedBy, DefinedSchemas, Idempotency, Lockout, Options, PasswordPolicy,
    PatternLimit, PushOptions, Seen, StoreKind, Verification, everything, fresh,
};
#[cfg(feature = "app")]
pub use mail_sink::{MailSink, SunkLetter};
pub use mongod::Mongod;
