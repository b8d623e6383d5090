//! The wire: how a request is opened, which route it is for, and how it is answered.
//!
//! A door translates; it never decides. Everything is asked of [`parsimony_engine::Engine`].
//!
//! | question | file |
//! | --- | --- |
//! | how does the door get its requests | `listen.rs` |
//! | what happens to one request, from socket to socket | `door.rs` |
//! | how is the body read without reading too much | `body.rs` |
//! | what did the client mean (headers, body, `_method`, query) | `envelope.rs` |
//! | how do files come and go | `files.rs` |
//! | how do public documents go out | `public.rs` |
//! | who does it say it is, and from where | `caller.rs` |
//! | which route is it for | `routes.rs`, every route on one page |
//! | what is asked of the engine | `rest/*.rs` |
//! | what do people with a browser see | `pages/` |
//! | what does the answer look like | `reply.rs`, `error.rs` |
//! | what does every answer carry | `layers/*.rs` |

mod body;
mod caller;
mod door;
mod envelope;
mod error;
mod files;
mod frame_guard;
mod layers;
mod listen;
mod live_socket;
mod once;
mod pages;
mod public;
mod reply;
mod rest;
mod routes;

pub use caller::TrustProxy;
pub use door::{Door, HttpOptions};
pub use listen::Listening;
pub use pages::PagesOptions;
pub use routes::{AccountRoute, Missing, Operation, Route};
