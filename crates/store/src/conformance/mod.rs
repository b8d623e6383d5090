//! What must every store do? Behaviours that a store's own tests run against it.
//!
//! A store's test makes a [`Fresh`] that gives an empty store each time it is asked, and calls [`all`]. Every behaviour runs,
//! whatever the others did, and the report names each one that failed. [`some`] runs a part of them.
//!
//! What is right is what MongoDB does under Parse Server; where MongoDB leaves something open, so do the behaviours.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "behaviours are tests: they fail by panicking"
)]

mod aggregate;
mod bulk;
mod classes;
mod expressions;
pub mod files;
mod filter_cases;
mod filters;
mod geo;
mod given;
mod index_options;
mod indexes;
mod order;
mod regressions;
mod relations;
mod scopes;
mod text;
mod transactions;
mod updates;
mod values;

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;

use crate::Store;

/// How long one behaviour may take before it counts as hanging.
const BEHAVIOUR_SECONDS_MAX: u64 = 120;

/// Something later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Gives stores to test.
pub trait Fresh: Send + Sync {
    /// A new store without any class or object.
    fn store(&self) -> Later<'_, Arc<dyn Store>>;

    /// Whether the stores can open transactions.
    fn has_transactions(&self) -> bool;
}

/// One thing a store must do. It panics if the store does not.
pub type Behaviour = for<'a> fn(&'a dyn Fresh) -> Later<'a, ()>;

/// Behaviours with their names.
pub type Behaviours = &'static [(&'static str, Behaviour)];

/// Lists functions with their names.
macro_rules! behaviours {
    ($($name:ident),* $(,)?) => { &[ $( (stringify!($name), |fresh| ::std::boxed::Box::pin($name(fresh))) ),* ] };
}
use behaviours;

/// Every behaviour, by area.
pub const AREAS: &[(&str, Behaviours)] = &[
    ("values", values::BEHAVIOURS),
    ("filters", filters::BEHAVIOURS),
    ("expressions", expressions::BEHAVIOURS),
    ("order", order::BEHAVIOURS),
    ("regressions", regressions::BEHAVIOURS),
    ("scopes", scopes::BEHAVIOURS),
    ("updates", updates::BEHAVIOURS),
    ("relations", relations::BEHAVIOURS),
    ("classes", classes::BEHAVIOURS),
    ("indexes", indexes::BEHAVIOURS),
    ("index options", index_options::BEHAVIOURS),
    ("geo", geo::BEHAVIOURS),
    ("text", text::BEHAVIOURS),
    ("aggregate", aggregate::BEHAVIOURS),
    ("bulk", bulk::BEHAVIOURS),
    ("files", files::BEHAVIOURS),
    ("transactions", transactions::BEHAVIOURS),
];

/// Runs every behaviour. Panics with a report of all that failed, if any did.
pub async fn all(fresh: &dyn Fresh) {
    some(fresh, "").await;
}

/// Runs the behaviours whose `area::name` contains this text. Panics with a report of those that failed, and if there is
/// no such behaviour.
pub async fn some(fresh: &dyn Fresh, part: &str) {
    let mut ran = 0;
    let mut failures = Vec::new();
    for (area, behaviours) in AREAS {
        for (name, behaviour) in *behaviours {
            let name = format!("{area}::{name}");
            if name.contains(part) {
                ran += 1;
                if let Err(reason) = run(*behaviour, fresh).await {
                    failures.push(format!("--- {name}\n{reason}"));
                }
            }
        }
    }
    assert!(ran > 0, "no behaviour is called {part:?}");
    let failed = failures.len();
    assert!(failures.is_empty(), "{failed} of {ran} behaviours failed:\n{}", failures.join("\n"));
}

/// Runs one behaviour; gives what its panic said.
async fn run(behaviour: Behaviour, fresh: &dyn Fresh) -> Result<(), String> {
    let bound = Duration::from_secs(BEHAVIOUR_SECONDS_MAX);
    let bounded = tokio::time::timeout(bound, AssertUnwindSafe(behaviour(fresh)).catch_unwind());
    match bounded.await {
        Ok(outcome) => outcome.map_err(|panic| message(&*panic)),
        Err(_) => Err(format!("it did not end within {BEHAVIOUR_SECONDS_MAX} seconds")),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked without a text").to_owned()
}
