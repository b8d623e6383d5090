//! Pushes: read, noted in `_PushStatus`, and worked through piece by piece, by one of the servers at a time.
//!
//! | question | file |
//! | --- | --- |
//! | what a door may ask | `api.rs` |
//! | what is asked for, and can it be | `request.rs` |
//! | when is it which time where a device is | `zones.rs` |
//! | which pushes wait or are under way, where, and how far they have come | `queue.rs` |
//! | which server sends, and what when it is gone | `worker.rs` |
//! | what happens in a push: its pieces, badges, counts and its end | `deliver.rs` |
//! | which words does a device get | `payload.rs` |
//! | what is seen of a push | `status.rs` |
//!
//! A push is a row of `_PushWork` until it is sent. A server takes the row, and says every few seconds that it is there; if it
//! says nothing for the length of a lease, another one goes on. How far a push has come is written after each piece, so a
//! server that dies between the wire and that note leaves one piece, at most, that is sent again.

pub(crate) mod api;
mod deliver;
mod payload;
mod queue;
mod request;
mod status;
mod worker;
mod zones;

pub(crate) use worker::{Pushes, begin};
