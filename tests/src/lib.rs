//! Scenarios against the whole server, on both stores.
