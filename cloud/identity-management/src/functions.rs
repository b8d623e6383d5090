//! The cloud functions, one file each. Each goes the same way: authenticated caller, validated parameters, permission,
//! the work with its audit entries in one transaction, typed result.

mod create_identity;
mod erase_person;
mod get_identity_dashboard;
mod issue_credential;
mod log_audit_event;
mod review_verification;
mod revoke_credential;
mod send_notification;
mod submit_verification;
mod trigger_post_verification_actions;
mod upload_document;

pub use create_identity::{CreateIdentity, IdentityCreated, create_identity};
pub use erase_person::{ErasePerson, PersonErased, Remains, erase_person};
pub use get_identity_dashboard::{
    Dashboard, GetIdentityDashboard, Overview, OwnIdentity, OwnVerification, get_identity_dashboard,
};
pub(crate) use issue_credential::issue_credential;
pub use issue_credential::{CredentialIssued, IssueCredential};
pub use log_audit_event::{AuditEventLogged, LogAuditEvent, log_audit_event};
pub use review_verification::{Check, ReviewVerification, VerificationReviewed, review_verification};
pub use revoke_credential::{CredentialRevoked, RevokeCredential, revoke_credential};
pub use send_notification::{NotificationSent, SendNotification, send_notification};
pub(crate) use submit_verification::DOCUMENTS_MAX;
pub use submit_verification::{Document, SubmitVerification, VerificationSubmitted, submit_verification};
pub(crate) use trigger_post_verification_actions::RUN;
pub use trigger_post_verification_actions::{
    ActionsTriggered, Step, TriggerPostVerificationActions, trigger_post_verification_actions,
};
pub use upload_document::{DocumentUploaded, UploadDocument, UploadedFile, upload_document};
