//! Scenarios against the whole server: see `scenarios/`, and `sdk/` for the JavaScript SDK.
