//! What does a client ask of `/aggregate`, and what does it mean: a pipeline as a typed value, and what it gives.
//!
//! MongoDB runs a pipeline itself. The embedded store runs it here, on rows as they would be in MongoDB, with the same answers.
//!
//! | question | file |
//! | --- | --- |
//! | what is a value inside a pipeline, and which of two comes first | `datum.rs`, `key.rs`, `sort.rs` |
//! | which request is it, and which stages does it have | `asked.rs` |
//! | what do Parse's names mean on disk | `translate.rs` |
//! | which stages are there, and which does a pipeline have | `pipeline.rs`, `stage.rs`, `projection.rs` |
//! | what is an expression worth | `expression.rs`, `operators.rs`, `accumulate.rs` |
//! | does a document meet a condition | `matching.rs`, `path.rs` |
//! | how does it run, and within which bounds | `step.rs`, `run.rs` |
//! | which part of it can a plain query answer | `leading.rs`, `needs.rs` |
//! | what is a row to a pipeline | `layout.rs` |
//! | how does MongoDB's Extended JSON spell a value | `ejson.rs` |
//! | how does a document become an answer | `answer.rs` |

mod accumulate;
pub mod answer;
pub mod asked;
pub mod datum;
mod ejson;
mod expression;
mod failure;
mod key;
pub mod layout;
mod leading;
mod matching;
mod needs;
mod operators;
mod path;
mod pipeline;
mod projection;
mod run;
mod sort;
mod stage;
mod step;
mod translate;

pub use answer::Form;
pub use asked::{Asked, Question};
pub use datum::{Datum, Document};
pub use failure::Failure;
pub use leading::Prepared;
pub(crate) use path::index;
pub use pipeline::Pipeline;
pub use run::{Flow, Rows, Run, Source, Take};
