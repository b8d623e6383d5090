//! `revokeCredential`: this server no longer stands by a credential, and everybody who checks it sees so at once.

use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, params, permission, roles, state};
use parsimony_model::{Date, ObjectId, ParseError, Pointer, Value};
use serde::{Deserialize, Serialize};

use crate::APPLICATION;
use crate::credentials::revoke;
use crate::model::{CREDENTIAL, CredentialStatus};

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevokeCredential {
    /// The id of the `VerifiableCredential`.
    pub credential_id: String,
    /// Why: a code in capitals, such as `HOLDER_LOST_IT`, which the holder reads.
    pub reason: String,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialRevoked {
    /// The id of the `VerifiableCredential`.
    pub credential_id: String,
    /// Where it stands.
    pub status: CredentialStatus,
    /// Since when.
    pub revoked_at: Date,
}

/// Revokes a credential that is in force.
pub async fn revoke_credential(request: Request<RevokeCredential>) -> Result<CredentialRevoked, ParseError> {
    let acting = Acting::new(APPLICATION, CREDENTIAL, &request);
    let by = acting.user()?;
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    let id = params::object_id("credentialId", &params.credential_id)?;
    params::code("reason", &params.reason)?;
    let done = async {
        let staff = [roles::ISSUER, roles::COMPLIANCE_OFFICER];
        permission::require_role(&request.who, &staff, "revoke a credential")?;
        // Read with the caller's eyes: what they may not see is not there (101).
        request.host.get(CREDENTIAL, &id).await?;
        let work = |host| work(host, &acting, params, (&id, &by));
        acting.once(params.request_key.as_deref(), params, work).await
    };
    acting.settle(Some(&id), done.await).await
}

async fn work(
    host: Host,
    acting: &Acting<'_>,
    params: &RevokeCredential,
    (id, by): (&ObjectId, &Pointer),
) -> Result<CredentialRevoked, ParseError> {
    let revoked = revoke(&host, id, (&params.reason, Some(by)), &|class| acting.entry_of(class)).await?;
    Ok(CredentialRevoked {
        credential_id: id.to_string(),
        status: state::of(&revoked)?,
        revoked_at: revoked.get("revokedAt").and_then(Value::as_date).unwrap_or_default(),
    })
}
