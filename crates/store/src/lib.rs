//! What a database must do for the engine.
//!
//! # How to write a store
//!
//! Implement [`Store`] with [`Bulk`], [`Transaction`] and, for both, [`Objects`]; then call `conformance::all` from a test. A store
//! keeps objects and classes; it knows nothing of callers, permissions of classes, hooks or the wire. What it is asked is
//! always a [`Selection`], which cannot be made without a [`Scope`], so the access control list is part of the database's
//! own query and no read can forget it.
//!
//! Reads and writes give and take [`parsimony_model::Object`]. "Not found" is `None` or an empty list, never an error.
#![deny(clippy::future_not_send)]
#![warn(clippy::wildcard_enum_match_arm)]

mod bulk;
mod change;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod files;
mod objects;
mod selection;
mod watch;

pub use bulk::{Bulk, Link, PIECE_ROWS_MAX, Pieces};
pub use change::{Change, ClassChange, Duplicates, Join, Progress, Resealed};
pub use error::StoreError;
pub use files::{CHUNK_BYTES, Content, Cutter, FileStore, NAMES_MAX, NewFile, StoredFile};
pub use objects::{Answer, Objects, Store, Transaction};
pub use selection::{Scope, Selection};
pub use watch::{Happening, Happenings, Image, Watching, Written};
