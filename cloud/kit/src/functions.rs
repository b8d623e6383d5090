//! The cloud functions that all applications share, one file each.

mod verify_audit_trail;

pub use verify_audit_trail::{VerifyAuditTrail, verify_audit_trail};
