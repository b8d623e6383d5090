//! What does a test need that is not the server itself? A real mongod, and processes that never outlive the test.

pub mod mongod;
pub mod tether;
pub mod tools;

pub use mongod::Mongod;
