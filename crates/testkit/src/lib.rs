//! A whole app for a test, a hand-moved clock, a real mongod.
