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

mod batch;
mod defined;
mod functions;
mod great_answers;
mod hooks;
mod idempotency;
mod moving;
mod permissions;
mod push;
mod queries;
mod shop;
mod transactions;
mod users;
mod wire;

/// Makes two tests of each scenario: one on SQLite, one on MongoDB.
macro_rules! on_both_stores {
    ($($name:ident),* $(,)?) => {
        mod sqlite { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(crate::shop::open(parsimony_testkit::StoreKind::Sqlite).await).await; }
        )* }
        mod mongo { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(crate::shop::open(parsimony_testkit::StoreKind::Mongo).await).await; }
        )* }
    };
}
pub(crate) use on_both_stores;
