//! What the applications share: the audit trail, permission checks, state machines.
