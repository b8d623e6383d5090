//! The five-line server.
