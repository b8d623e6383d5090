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
//! | `triggerPostVerificationActions` | compliance officers |
//! | `sendNotification` | verifiers, compliance officers, support |
//! | `logAuditEvent` | staff who act; auditors only read |
#![deny(clippy::future_not_send)]
#![warn(clippy::wildcard_enum_match_arm)]

pub mod actions;
pub mod chain;
mod compliance;
mod credentials;
mod documents;
pub mod functions;
mod hooks;
mod jobs;
pub mod model;
mod providers;
mod ruling;
mod settings;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use parsimony_cloud::{Application, HttpClient, Inbound, JobPlan, JobRequest, Request, Rules};
use parsimony_connectors::Http;
use parsimony_kit::notifications::feedback;

use actions::{ACTION, Runner};
use chain::Registrar;
use credentials::Issuer;
use functions::{
    IssueCredential, RUN, create_identity, erase_person, get_identity_dashboard, issue_credential, log_audit_event,
    review_verification, revoke_credential, send_notification, submit_verification, trigger_post_verification_actions,
    upload_document,
};
use model::{CREDENTIAL, DOCUMENT, IDENTITY, VERIFICATION};
use settings::Settings;

/// The name of the application: its audit trail bears it.
pub const APPLICATION: &str = "identity-management";

/// How long one run of a job may take that has much to do.
const RUN_TIME_MAX: Duration = Duration::from_secs(600);

/// The application, with everything it needs.
pub fn application() -> Application {
    jobs::with_jobs(with_classes(Application::new(APPLICATION).sharing(parsimony_kit::application())))
        .before_save(IDENTITY, hooks::keep_identity)
        .before_save(VERIFICATION, hooks::keep_verification)
        .before_save(DOCUMENT, hooks::keep_document)
        .before_save(CREDENTIAL, hooks::keep_credential)
        .before_save(ACTION, hooks::keep_action)
        .script("Identity", include_str!("../hooks/Identity.rhai"))
        .script("IdentityVerification", include_str!("../hooks/IdentityVerification.rhai"))
        .script("VerificationDocument", include_str!("../hooks/VerificationDocument.rhai"))
        .script("VerifiableCredential", include_str!("../hooks/VerifiableCredential.rhai"))
        .define("createIdentity", person(), create_identity)
        .define("submitVerification", person(), submit_verification)
        .define("reviewVerification", person(), review_verification)
        .define("getIdentityDashboard", Rules::none().require_user(), get_identity_dashboard)
        .define("logAuditEvent", Rules::none().require_user(), log_audit_event)
        .define("uploadDocument", person(), upload_document)
        .define("erasePerson", person(), erase_person)
        .define("sendNotification", person(), send_notification)
        .define("revokeCredential", person(), revoke_credential)
        .define("triggerPostVerificationActions", person(), trigger_post_verification_actions)
        .configured(|application, settings| {
            let settings: Settings = settings.read()?;
            let http: Arc<dyn HttpClient> = Arc::new(Http::new());
            let application = with_runner(application, &settings, &http)?;
            let application = feedback::with_webhook(application, &settings.delivery);
            let application = with_compliance(documents::with_reader(application, &settings), &settings)?;
            Ok(providers::with_providers(application, &settings))
        })
}

/// The master key alone is nobody: who creates, submits, reviews and issues has to be a person.
fn person() -> Rules {
    Rules::none().require_user().validate_master_key()
}

/// What needs the issuer and the chain of the settings, as far as they are there.
fn with_runner(
    application: Application,
    settings: &Settings,
    http: &Arc<dyn HttpClient>,
) -> Result<Application, String> {
    let issuer =
        settings.credentials.as_ref().map(|own| Issuer::new(own, settings.public_url.as_deref())).transpose()?;
    let registrar = settings.chain.as_ref().map(|own| Registrar::new(own, Arc::clone(http))).transpose()?;
    let runner = Runner { issuer: issuer.clone(), registrar };
    let application = with_watcher(application, settings, &runner);
    let run = move |request: JobRequest| {
        let runner = runner.clone();
        async move { runner.run(request).await }
    };
    let plan = JobPlan::manual().cron("*/10 * * * * *", "UTC").timeout(RUN_TIME_MAX);
    Ok(with_credentials(application, issuer).job(RUN, plan, run))
}

/// The webhook of the service that watches the chain, if there is one.
fn with_watcher(application: Application, settings: &Settings, runner: &Runner) -> Application {
    let Some(watcher) = settings.chain.as_ref().and_then(|chain| chain.webhook.as_ref()) else { return application };
    let runner = runner.clone();
    let told = move |event: Inbound| webhooks::chain_told(event, runner.clone());
    application.webhook("chain", watcher.service.verifier(&watcher.secret), told)
}

/// The jobs of those who answer for all of it.
fn with_compliance(application: Application, settings: &Settings) -> Result<Application, String> {
    let risk = Arc::new(settings.risk.clone());
    risk.check()?;
    let assess = move |request: JobRequest| {
        let risk = Arc::clone(&risk);
        async move { compliance::assess_all(request, &risk).await }
    };
    let plan = |cron: &str| JobPlan::manual().cron(cron, "UTC").timeout(RUN_TIME_MAX);
    Ok(application.job("complianceRiskAssessment", plan("35 2 * * *"), assess).job(
        "generateComplianceReports",
        plan("45 2 1 * *"),
        compliance::generate,
    ))
}

/// What needs the issuer, if there is one.
fn with_credentials(application: Application, issuer: Option<Arc<Issuer>>) -> Application {
    let function = {
        let issuer = issuer.clone();
        move |request: Request<IssueCredential>| issue_credential(request, issuer.clone())
    };
    let application = application.define("issueCredential", person(), function);
    let Some(issuer) = issuer else { return application };
    let kept_millis = issuer.kept_millis();
    let cleans = move |request: JobRequest| credentials::expire(request, kept_millis);
    let plan = JobPlan::manual().cron("25 2 * * *", "UTC");
    credentials::with_documents(application, &issuer).job("cleanupExpiredCredentials", plan, cleans)
}

fn with_classes(application: Application) -> Application {
    application
        .schema(include_str!("../../../schemas/identity-management/Identity.json"))
        .schema(include_str!("../../../schemas/identity-management/IdentityVerification.json"))
        .schema(include_str!("../../../schemas/identity-management/VerificationDocument.json"))
        .schema(include_str!("../../../schemas/identity-management/VerifiableCredential.json"))
        .schema(include_str!("../../../schemas/identity-management/CredentialStatusList.json"))
        .schema(include_str!("../../../schemas/identity-management/PostVerificationAction.json"))
        .schema(include_str!("../../../schemas/identity-management/ComplianceReport.json"))
}

#[cfg(test)]
mod tests;
