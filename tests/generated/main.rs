//! Do both stores, and one object by itself, give the same answers to whatever is asked? Classes, objects and questions are
//! made by chance; what fails becomes a named case among the behaviours of a store (`conformance/regressions.rs`).
//!
//! `PARSIMONY_GENERATED_CASES` makes as many cases as are wanted, whatever time that takes, and `PARSIMONY_GENERATED_SEED`
//! makes others.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::tests_outside_test_module,
    reason = "all of it is tests; it tells how many cases it made, and is told how many to make"
)]

mod answers;
mod conditions;
mod questions;
mod values;

use std::cell::Cell;
use std::time::{Duration, Instant};

use parsimony_testkit::StoreKind;
use parsimony_testkit::app::fresh;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::answers::Stores;

/// Classes made by a run that nobody told how many to make. Each is asked up to [`questions::QUESTIONS_MAX`] questions.
const CASES: u32 = 400;

/// When such a run stops, however many classes it has made.
const SECONDS_MAX: u64 = 30;

/// The seed of a run that nobody gave one: the same each time, so that it tells of changes to the server only.
const SEED: u64 = 3;

fn told(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn both_stores_and_the_object_itself_give_the_same_answers() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let cases = told("PARSIMONY_GENERATED_CASES");
    let deadline = cases.is_none().then(|| Instant::now() + Duration::from_secs(SECONDS_MAX));
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&told("PARSIMONY_GENERATED_SEED").unwrap_or(SEED).to_le_bytes());
    let config = Config {
        cases: cases.map_or(CASES, |cases| u32::try_from(cases).unwrap()),
        failure_persistence: None,
        max_shrink_iters: 3_000,
        ..Config::default()
    };
    let (stores, _folder) = runtime.block_on(async {
        let (sqlite, folder) = fresh(StoreKind::Sqlite).await;
        let (mongo, _) = fresh(StoreKind::Mongo).await;
        (Stores::new(sqlite, mongo), folder)
    });
    let (classes, asked) = (Cell::new(0_u64), Cell::new(0_u64));
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let outcome = runner.run(&questions::case(), |case| {
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            return Ok(());
        }
        let answered = runtime.block_on(stores.compare(&case)).map_err(TestCaseError::fail)?;
        classes.set(classes.get() + 1);
        asked.set(asked.get() + answered);
        Ok(())
    });
    println!("{} classes were made and {} questions answered", classes.get(), asked.get());
    if let Err(error) = outcome {
        panic!("{error}");
    }
    assert!(asked.get() > 1_000, "too few questions were asked to tell anything");
}
