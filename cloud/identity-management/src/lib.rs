//! Identity management: identities, their verification, and who may see them.
//!
//! | function | who may call it |
//! | --- | --- |
//! | `createIdentity` | every user, for themselves |
//! | `submitVerification` | the owner of the identity, compliance officers |
//! | `reviewVerification` | verifiers and compliance officers, but not for themselves |
//! | `getIdentityDashboard` | every user; the figures are for staff |
//! | `uploadDocument` | the owner of the identity, compliance officers |
//! | `erasePerson` | compliance officers and administrators |
//! | `logAuditEvent` | staff who act; auditors only read |
#![deny(clippy::future_not_send)]
#![warn(clippy::wildcard_enum_match_arm)]

pub mod functions;
mod hooks;
mod jobs;
pub mod model;
mod providers;
mod ruling;
mod settings;

use parsimony_cloud::{Application, Rules};

use functions::{
    create_identity, erase_person, get_identity_dashboard, log_audit_event, review_verification, submit_verification,
    upload_document,
};
use model::{DOCUMENT, IDENTITY, VERIFICATION};

/// The name of the application: its audit trail bears it.
pub const APPLICATION: &str = "identity-management";

/// The application, with everything it needs.
pub fn application() -> Application {
    // The master key alone is nobody: who creates, submits and reviews has to be a person.
    let person = || Rules::none().require_user().validate_master_key();
    jobs::with_jobs(with_classes(Application::new(APPLICATION).sharing(parsimony_kit::application())))
        .before_save(IDENTITY, hooks::keep_identity)
        .before_save(VERIFICATION, hooks::keep_verification)
        .before_save(DOCUMENT, hooks::keep_document)
        .script("Identity", include_str!("../hooks/Identity.rhai"))
        .define("createIdentity", person(), create_identity)
        .define("submitVerification", person(), submit_verification)
        .define("reviewVerification", person(), review_verification)
        .define("getIdentityDashboard", Rules::none().require_user(), get_identity_dashboard)
        .define("logAuditEvent", Rules::none().require_user(), log_audit_event)
        .define("uploadDocument", person(), upload_document)
        .define("erasePerson", person(), erase_person)
        .configured(|application, settings| Ok(providers::with_providers(application, &settings.read()?)))
}

fn with_classes(application: Application) -> Application {
    application
        .schema(include_str!("../../../schemas/identity-management/Identity.json"))
        .schema(include_str!("../../../schemas/identity-management/IdentityVerification.json"))
        .schema(include_str!("../../../schemas/identity-management/VerificationDocument.json"))
        .schema(include_str!("../../../schemas/identity-management/VerifiableCredential.json"))
}

#[cfg(test)]
mod tests;
