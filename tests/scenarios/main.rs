//! What does the whole server do, asked over HTTP, on both stores?
//!
//! Each scenario states request, status, body, and which hooks ran how often.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::tests_outside_test_module,
    reason = "all of it is tests"
)]

mod accounts;
mod auth;
mod bad_input;
mod batch;
mod compliance;
mod credentials;
mod defined;
mod devices;
mod digital_assets;
mod digital_assets_chain;
mod digital_assets_limits;
mod digital_assets_market;
mod digital_assets_prices;
mod digital_assets_settled;
mod file_hooks;
mod files;
mod functions;
mod great_answers;
mod hooks;
mod idempotency;
mod identity;
mod identity_limits;
mod illegal_steps;
mod inbound;
mod job_schedules;
mod jobs;
mod metrics;
mod moving;
mod notifications;
mod outbound;
mod permissions;
mod post_verification;
mod public;
mod push;
mod queries;
mod rate_limits;
mod scripts;
mod security;
mod servers;
mod shop;
mod transactions;
mod triggers;
mod users;
mod webhook_faults;
mod webhooks;
mod wire;
mod wrong_parameters;

/// Makes two tests of each scenario: one on SQLite, one on MongoDB.
///
/// They ask the shop, unless the function that opens another application stands before them.
macro_rules! on_both_stores {
    ($open:path; $($name:ident),* $(,)?) => {
        mod sqlite { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($open(parsimony_testkit::StoreKind::Sqlite).await).await; }
        )* }
        mod mongo { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($open(parsimony_testkit::StoreKind::Mongo).await).await; }
        )* }
    };
    ($($name:ident),* $(,)?) => { $crate::on_both_stores!($crate::shop::open; $($name),*); };
}
pub(crate) use on_both_stores;
