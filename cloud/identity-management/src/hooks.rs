//! What holds for every save of our classes, whoever saves: the functions, the master key, a job.

use parsimony_cloud::{BeforeSave, Draft, Origin};
use parsimony_kit::entity;
use parsimony_kit::state::State;
use parsimony_model::ParseError;

use crate::actions::ActionStatus;
use crate::model::{CredentialStatus, DocumentStatus, IdentityStatus, VerificationStatus};

/// An identity stays its owner's and of its type.
pub(crate) async fn keep_identity(request: BeforeSave) -> Result<Draft, ParseError> {
    keep::<IdentityStatus>(request, &["user", "type"])
}

/// A verification stays of its identity, and as thorough as it was asked for.
pub(crate) async fn keep_verification(request: BeforeSave) -> Result<Draft, ParseError> {
    keep::<VerificationStatus>(request, &["identity", "user", "level", "provider", "submittedAt"])
}

/// A document stays of its verification.
pub(crate) async fn keep_document(request: BeforeSave) -> Result<Draft, ParseError> {
    keep::<DocumentStatus>(request, &["identity", "verification", "user", "type"])
}

/// A credential stays what was signed.
pub(crate) async fn keep_credential(request: BeforeSave) -> Result<Draft, ParseError> {
    let signed =
        ["identity", "user", "credentialId", "issuer", "statusList", "statusListIndex", "validFrom", "validUntil"];
    keep::<CredentialStatus>(request, &signed)
}

/// A step stays what it follows from.
pub(crate) async fn keep_action(request: BeforeSave) -> Result<Draft, ParseError> {
    keep::<ActionStatus>(request, &["identity", "verification", "user", "action"])
}

fn keep<S: State>(request: BeforeSave, frozen: &[&str]) -> Result<Draft, ParseError> {
    let BeforeSave { object: mut draft, origin } = request;
    let Origin { who, host, .. } = origin;
    entity::keep::<S>(&mut draft, &who, &host, frozen)?;
    Ok(draft)
}
