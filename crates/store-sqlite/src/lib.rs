//! The embedded store: one SQLite file, one writer with group commit, readers apart.
//!
//! A class is a table and a field a column of its type; lists and objects are JSON. What a condition means is what MongoDB
//! means by it under Parse Server.
//!
//! | question | file |
//! | --- | --- |
//! | how is the file opened, and within which bounds | `open.rs` |
//! | who runs the statements, and when is a write durable | `worker.rs` |
//! | the store as a whole, its classes and transactions | `store.rs` |
//! | reading and writing objects, in the store or in a transaction | `objects.rs`, `transaction.rs` |
//! | which table holds a class, which column a field | `tables.rs`, `definition.rs` |
//! | creating, changing and dropping classes, and their indexes | `classes.rs`, `indexes.rs` |
//! | what keeps a unique index from being made | `duplicates.rs` |
//! | how does a condition become SQL | `filter.rs`, `searches.rs`, `sql.rs` |
//! | what is inside a list or an object | `inside.rs`, through `functions.rs`; what it means, `model::query::matches` |
//! | what it sorts by | `sort_key.rs` |
//! | regular expressions | `patterns.rs` |
//! | how are places found, and how is a condition on them put | `geo/`; what it means, `model::query::places` |
//! | how are words found | `text/`; what a search means, `model::query::text` |
//! | finding, counting, distinct values | `find.rs` |
//! | whole classes and relations in pieces, without holding them | `bulk.rs`, `streams.rs` |
//! | pipelines: the rows they run on | `aggregate.rs` |
//! | plans, and hints of indexes | `explain.rs`, `hints.rs` |
//! | inserting, changing, deleting | `write.rs` |
//! | how does a row become an object, and a value a column | `rows.rs`, `values.rs` |
//! | what goes when its time is over | `sweep.rs` |
//! | what SQLite's errors mean | `error.rs` |
#![deny(clippy::future_not_send)]

mod aggregate;
mod bulk;
mod classes;
mod definition;
mod duplicates;
mod error;
mod explain;
mod files;
mod filter;
mod find;
mod functions;
mod geo;
mod hints;
mod indexes;
mod inside;
mod objects;
mod open;
mod patterns;
mod rows;
mod searches;
mod sort_key;
mod sql;
mod store;
mod streams;
mod sweep;
mod tables;
mod text;
mod transaction;
mod values;
mod worker;
mod write;

pub use objects::Asked;
pub use open::Limits;
pub use store::SqliteStore;
pub use transaction::{Inside, Lane, Whole};
