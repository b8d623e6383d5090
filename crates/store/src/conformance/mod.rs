//! Behaviours every store must show.
