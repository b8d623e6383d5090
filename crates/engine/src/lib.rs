//! Everything Parse does, behind one [`Engine`] that every door asks.
//!
//! A door turns what came over the wire into [`Credentials`], gets [`Work`] from [`Engine::authenticate`], and calls one of
//! its methods. Permission, redaction, limits and validation are decided here and nowhere else.
//!
//! | question | where |
//! | --- | --- |
//! | who asks | `caller.rs`, `users/` |
//! | what becomes of accounts: passwords, letters, lockout | `users/` |
//! | may they | `access/` |
//! | a save, a query, a delete | `save/`, `find/`, `delete.rs` |
//! | a pipeline, the distinct values of a field | `aggregate.rs` |
//! | what the built-in classes add | `classes/` |
//! | the classes themselves | `schema/` |
//! | what a transaction does that lacks one | `transaction.rs` |
//! | who wants to be told of changes | `live/` |
//! | requests that must not happen twice | `idempotency.rs` |
//! | cloud code, and its way back in | `functions.rs`, `triggers.rs`, `host.rs` |
//! | cloud code that runs elsewhere | `webhooks/` |
//! | how often something may be asked | `rate_limits.rs` |
//! | webhooks that come in | `inbound/` |
//! | documents that everybody may read | `public.rs` |
//! | files, Parse Config | `files/`, `config.rs` |
//! | the last lines of the log, weak options, receipts | `logs.rs`, `security.rs`, `purchases.rs` |
//! | what is measured | `measures.rs`; of the database, `timed.rs` |
//! | background jobs | `jobs/` |
//! | pushes | `push/` |
//! | what goes on beside the requests | `tasks.rs` |
//! | cloud code that is changed while the server runs | `scripts/` |
#![deny(clippy::future_not_send)]

mod access;
mod aggregate;
mod caller;
mod classes;
mod config;
mod delete;
mod engine;
mod files;
mod find;
mod functions;
mod host;
mod idempotency;
mod inbound;
mod jobs;
mod limits;
mod live;
mod logs;
mod measures;
mod nodes;
mod options;
mod public;
mod purchases;
mod push;
mod rate_limits;
mod rows;
mod save;
mod schema;
mod scripts;
mod security;
mod tasks;
mod timed;
mod transaction;
mod triggers;
mod turns;
mod uri;
mod users;
mod webhooks;
mod work;

pub use caller::Credentials;
pub use engine::{Engine, Surroundings};
pub use files::{Allowed, Download, Extensions, FileContent, FileOptions, Sealed, Upload, Uploaded};
pub use find::pieces::Rest;
pub use idempotency::{Claim, Idempotency, Kept, Once, Repeatable};
pub use limits::{Complexity, Limits};
pub use live::{LiveConnection, LiveOptions, Outgoing};
pub use logs::{LogLine, Logs};
pub use options::{
    AddressRule, DefinedSchemas, DeniedKeyword, DuplicateAction, InstallationOptions, Keys, MasterKey, MergePriority,
    Options, PushOptions, default_denied_keywords,
};
pub use parsimony_cloud::metrics;
pub use parsimony_cloud::{Delivery, Head, Headers, RateLimit, Zone};
pub use public::{PublicAsked, PublicShown};
pub use purchases::PurchaseOptions;
pub use rate_limits::{CountedBy, PatternLimit};
pub use security::SecurityOptions;
pub use uri::URI_COMPONENT;
pub use users::options::{AccountOptions, HashKind, Lockout, PasswordPolicy, Verification};
pub use webhooks::{Kind as WebhookKind, Target as WebhookTarget};
pub use work::{Found, LogIn, Saved, Work};
