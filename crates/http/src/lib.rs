//! The wire: REST routes and how a request is opened and answered.
