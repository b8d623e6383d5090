//! What does a client ask of `/aggregate`, and what does it mean: a pipeline as a typed value.
//!
//! | question | file |
//! | --- | --- |
//! | what is a value inside a pipeline, and which of two comes first | `datum.rs` |
//! | which request is it, and which stages does it have | `asked.rs` |
//! | what do Parse's names mean on disk | `translate.rs` |
//! | how does MongoDB's Extended JSON spell a value | `ejson.rs` |
//! | how does a document become an answer | `answer.rs` |

pub mod answer;
pub mod asked;
pub mod datum;
mod ejson;
mod pipeline;
mod translate;

pub use answer::Form;
pub use asked::{Asked, Question};
pub use datum::{Datum, Document};
pub use pipeline::Pipeline;
