//! What a Parse object, query, permission, schema, update and error are, and their JSON.
//!
//! Nothing here does IO or waits: every function is a plain one, so every rule can be tested with a table of cases.
//!
//! | question | file |
//! | --- | --- |
//! | which error, which number, which HTTP status | [`error`] |
//! | what may a class, a field, an object be called | [`names`] |
//! | what is a value, and how does JSON spell it | [`value`] (and `value/json.rs`, the only reader and writer of `__type`) |
//! | what is a stored object | [`object`] |
//! | what does an update do | [`update`] |
//! | who may see one object | [`acl`] |
//! | who may do what with a class | [`permissions`] |
//! | which fields does a class have | [`schema`], and [`builtin`] for the classes Parse brings along |
//! | which fields are the server's own | [`internal`] |
//! | what does a client ask for | [`query`] |
//! | what does a client ask of a pipeline, and what does that mean | [`aggregate`] |
//! | how are the keys of maps hashed | [`hashing`] |
//! | what time is it, and what comes out of the dice | [`clock`] |
#![deny(clippy::future_not_send)]

pub mod acl;
pub mod aggregate;
pub mod builtin;
pub mod clock;
pub mod error;
pub mod hashing;
pub mod internal;
pub mod names;
pub mod object;
pub mod permissions;
pub mod query;
pub mod schema;
pub mod update;
pub mod value;

pub use acl::{Access, Acl};
pub use clock::{Clock, SystemClock};
pub use error::{ErrorCode, ParseError};
pub use names::{ClassName, FieldName, ObjectId};
pub use object::Object;
pub use permissions::{ClassPermissions, Operation};
pub use query::{Constraint, Filter, Order, Query};
pub use schema::{ClassSchema, Field, FieldType};
pub use update::{Op, Update};
pub use value::{Date, File, GeoPoint, Map, Pointer, Polygon, Value};
