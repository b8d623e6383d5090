//! Outside services behind traits.
//!
//! | question | where |
//! | --- | --- |
//! | how does an HTTP request go out | `http.rs` |

mod http;

pub use http::Http;
