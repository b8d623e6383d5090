//! The cloud functions, one file each. Each goes the same way: authenticated caller, validated parameters, permission,
//! the work with its audit entries in one transaction, typed result.

mod create_identity;
mod get_identity_dashboard;
mod log_audit_event;
mod review_verification;
mod submit_verification;

pub use create_identity::{CreateIdentity, IdentityCreated, create_identity};
pub use get_identity_dashboard::{
    Dashboard, GetIdentityDashboard, Overview, OwnIdentity, OwnVerification, get_identity_dashboard,
};
pub use log_audit_event::{AuditEventLogged, LogAuditEvent, log_audit_event};
pub use review_verification::{Check, ReviewVerification, VerificationReviewed, review_verification};
pub use submit_verification::{Document, SubmitVerification, VerificationSubmitted, submit_verification};
