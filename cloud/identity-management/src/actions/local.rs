//! The steps that this server takes by itself. Each is done in the transaction that notes it as done: never twice, never half.

use parsimony_cloud::Host;
use parsimony_kit::chain::Trouble;
use parsimony_kit::notifications::{Notice, notify};
use parsimony_kit::{Cause, audit, state};
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Object, ParseError, Value, map};

use super::run::{Progress, end, skip};
use super::{ACTION, ActionStatus};
use crate::APPLICATION;
use crate::credentials::{self, DEFAULT_CLAIMS, Issuer, Order};
use crate::model::{CREDENTIAL, IDENTITY, IdentityStatus, VERIFICATION, pointer};

/// Does the work of a step and notes it as done, if it still waits; the work gives the result that is shown.
async fn once<A>(
    cause: Cause<'_>,
    step: &Object,
    work: impl Fn(Host, Object) -> A + Send + Sync,
) -> Result<Progress, Trouble>
where
    A: Future<Output = Result<Map, ParseError>> + Send,
{
    let work = &work;
    let whole = |host: Host| async move {
        let before = host.get(ACTION, &step.id).await?;
        if state::of::<ActionStatus>(&before)? != ActionStatus::Pending {
            return Ok(());
        }
        let identity = host.get(IDENTITY, &pointer(&before, "identity")?.id).await?;
        let result = work(host.clone(), identity).await?;
        end(cause, &host, &before, (ActionStatus::Done, result)).await
    };
    cause.host().transaction(whole).await?;
    Ok(Progress::Ended)
}

/// The identity rests on this verification from now on.
pub(super) async fn activate(cause: Cause<'_>, step: &Object) -> Result<Progress, Trouble> {
    let verification = &pointer(step, "verification")?;
    let work = |host: Host, identity: Object| async move {
        require_verified(&identity)?;
        let changes = map! { "currentVerification" => verification.clone(), "activatedAt" => host.now() };
        let after = host.update(IDENTITY, &identity.id, changes).await?;
        let told = cause.entry(IDENTITY).changed(Some(&identity), Some(&after));
        audit::append(&host, APPLICATION, told.detail("verificationId", verification.id.as_str())).await?;
        Ok(map! { "verificationId" => verification.id.as_str() })
    };
    once(cause, step, work).await
}

fn require_verified(identity: &Object) -> Result<(), ParseError> {
    let status: IdentityStatus = state::of(identity)?;
    if status == IdentityStatus::Verified {
        return Ok(());
    }
    Err(ParseError::new(ErrorCode::ValidationError, format!("The identity is {status} by now.")))
}

/// A credential says how thoroughly the identity was verified, and nothing else.
pub(super) async fn issue(cause: Cause<'_>, issuer: Option<&Issuer>, step: &Object) -> Result<Progress, Trouble> {
    let Some(issuer) = issuer else {
        return skip(cause, &step.id, "not configured: this server issues no credentials").await;
    };
    let order = &Order {
        claims: DEFAULT_CLAIMS.to_vec(),
        verification: Some(pointer(step, "verification")?),
        ..Order::default()
    };
    let work = |host: Host, identity: Object| async move {
        let credential = credentials::issue(&host, issuer, &identity, order).await?;
        let told = cause.entry(CREDENTIAL).changed(None, Some(&credential)).detail("identityId", identity.id.as_str());
        audit::append(&host, APPLICATION, told).await?;
        Ok(map! { "credentialId" => credential.id.as_str() })
    };
    once(cause, step, work).await
}

/// Its owner hears of it.
pub(super) async fn tell(cause: Cause<'_>, step: &Object) -> Result<Progress, Trouble> {
    let verification = &pointer(step, "verification")?;
    let work = |host: Host, identity: Object| async move {
        let approved = host.get(VERIFICATION, &verification.id).await?;
        let mut data = map! { "identityId" => identity.id.as_str(), "verificationId" => verification.id.as_str() };
        for field in ["level", "expiresAt"] {
            data.extend(approved.get(field).map(|value: &Value| (field.into(), value.clone())));
        }
        let notice = Notice {
            user: pointer(&identity, "user")?,
            kind: "IDENTITY_VERIFIED".into(),
            title: "Your identity is verified.".to_owned(),
            body: None,
            data,
            about: Some(format!("{IDENTITY}:{}", identity.id)),
            once: format!("identity-verified:{}", verification.id),
        };
        let told = notify(&host, APPLICATION, notice).await?;
        Ok(told.map(|told| map! { "notificationId" => told.id.as_str() }).unwrap_or_default())
    };
    once(cause, step, work).await
}
