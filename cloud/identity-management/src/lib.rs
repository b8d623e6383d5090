//! Identity management: identities, their verification, and who may see them.
//!
//! | function | who may call it |
//! | --- | --- |
//! | `createIdentity` | every user, for themselves |
//! | `submitVerification` | the owner of the identity, compliance officers |
//! | `reviewVerification` | verifiers and compliance officers, but not for themselves |
//! | `getIdentityDashboard` | every user; the figures are for staff |
//! | `issueCredential` | issuers |
//! | `revokeCredential` | issuers and compliance officers |
//! | `uploadDocument` | the owner of the identity, compliance officers |
//! | `erasePerson` | compliance officers and administrators |
//! | `logAuditEvent` | staff who act; auditors only read |
#![deny(clippy::future_not_send)]
#![warn(clippy::wildcard_enum_match_arm)]

mod credentials;
pub mod functions;
mod hooks;
mod jobs;
pub mod model;
mod providers;
mod ruling;
mod settings;

use parsimony_cloud::{Application, JobPlan, JobRequest, Request, Rules};

use credentials::Issuer;
use functions::{
    IssueCredential, create_identity, erase_person, get_identity_dashboard, issue_credential, log_audit_event,
    review_verification, revoke_credential, submit_verification, upload_document,
};
use model::{CREDENTIAL, DOCUMENT, IDENTITY, VERIFICATION};
use settings::Settings;

/// The name of the application: its audit trail bears it.
pub const APPLICATION: &str = "identity-management";

/// The application, with everything it needs.
pub fn application() -> Application {
    jobs::with_jobs(with_classes(Application::new(APPLICATION).sharing(parsimony_kit::application())))
        .before_save(IDENTITY, hooks::keep_identity)
        .before_save(VERIFICATION, hooks::keep_verification)
        .before_save(DOCUMENT, hooks::keep_document)
        .before_save(CREDENTIAL, hooks::keep_credential)
        .script("Identity", include_str!("../hooks/Identity.rhai"))
        .define("createIdentity", person(), create_identity)
        .define("submitVerification", person(), submit_verification)
        .define("reviewVerification", person(), review_verification)
        .define("getIdentityDashboard", Rules::none().require_user(), get_identity_dashboard)
        .define("logAuditEvent", Rules::none().require_user(), log_audit_event)
        .define("uploadDocument", person(), upload_document)
        .define("erasePerson", person(), erase_person)
        .define("revokeCredential", person(), revoke_credential)
        .configured(|application, settings| {
            let settings: Settings = settings.read()?;
            let application = with_credentials(application, &settings)?;
            Ok(providers::with_providers(application, &settings))
        })
}

/// The master key alone is nobody: who creates, submits, reviews and issues has to be a person.
fn person() -> Rules {
    Rules::none().require_user().validate_master_key()
}

/// What needs the issuer of the settings, if there is one.
fn with_credentials(application: Application, settings: &Settings) -> Result<Application, String> {
    let made = settings.credentials.as_ref().map(|own| Issuer::new(own, settings.public_url.as_deref()));
    let issuer = made.transpose()?;
    let function = {
        let issuer = issuer.clone();
        move |request: Request<IssueCredential>| issue_credential(request, issuer.clone())
    };
    let application = application.define("issueCredential", person(), function);
    let Some(issuer) = issuer else { return Ok(application) };
    let kept_millis = issuer.kept_millis();
    let cleans = move |request: JobRequest| credentials::expire(request, kept_millis);
    let plan = JobPlan::manual().cron("25 2 * * *", "UTC");
    Ok(credentials::with_documents(application, &issuer).job("cleanupExpiredCredentials", plan, cleans))
}

fn with_classes(application: Application) -> Application {
    application
        .schema(include_str!("../../../schemas/identity-management/Identity.json"))
        .schema(include_str!("../../../schemas/identity-management/IdentityVerification.json"))
        .schema(include_str!("../../../schemas/identity-management/VerificationDocument.json"))
        .schema(include_str!("../../../schemas/identity-management/VerifiableCredential.json"))
        .schema(include_str!("../../../schemas/identity-management/CredentialStatusList.json"))
}

#[cfg(test)]
mod tests;
