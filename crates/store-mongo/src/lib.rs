//! MongoDB in Parse's own on-disk layout: a database that Parse Server wrote opens as it is, and Parse Server reads what
//! is written here.
//!
//! | question | file |
//! | --- | --- |
//! | how is the database reached | `open.rs`; through whose connections, `clients.rs` |
//! | what is a field, a class or a type called on disk | `names.rs` |
//! | how does an object become a document, and come back | `documents.rs` |
//! | how does a condition become a query document | `filter.rs` |
//! | how does a change become an update document | `update.rs` |
//! | finding, counting, distinct values | `find.rs` |
//! | whole classes and relations in pieces | `bulk.rs` |
//! | pipelines, and their values | `aggregate.rs`, `datum.rs` |
//! | plans, hints, remarks and read preferences | `explain.rs`, `advice.rs` |
//! | inserting, changing, deleting | `write.rs` |
//! | the many-to-many rows | `joins.rs` |
//! | the `_SCHEMA` documents as data, and the work on them | `schemas.rs`, `classes.rs` |
//! | which indexes were made past the server | `adopt.rs` |
//! | what is an index to the server; what keeps a unique one from being made | `indexes.rs`, `duplicates.rs` |
//! | transactions | `transaction.rs` |
//! | what the driver's errors mean | `error.rs` |
#![deny(clippy::future_not_send)]

mod adopt;
mod advice;
mod aggregate;
mod bulk;
mod classes;
mod clients;
mod datum;
mod documents;
mod duplicates;
mod error;
mod explain;
mod files;
mod filter;
mod find;
mod indexes;
mod joins;
mod names;
mod open;
mod schemas;
mod store;
mod transaction;
mod update;
mod watch;
mod write;

pub use open::{MongoOptions, MongoStore};
