//! `issueCredential`: this server vouches, with its signature, for what it knows of somebody.

use std::collections::BTreeSet;
use std::sync::Arc;

use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, params, permission, roles, state};
use parsimony_model::{Date, ErrorCode, Object, ObjectId, ParseError, Pointer, Value};
use serde::{Deserialize, Serialize};

use crate::APPLICATION;
use crate::credentials::{Claim, DEFAULT_CLAIMS, Issuer, Order, is_did, issue};
use crate::model::{CREDENTIAL, CredentialStatus, IDENTITY};

/// How long a DID may be, in characters.
const DID_CHARS_MAX: usize = 512;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssueCredential {
    /// The id of the `Identity`.
    pub identity_id: String,
    /// What the credential says; without them how thoroughly the identity was verified, and nothing else.
    pub claims: Option<Vec<Claim>>,
    /// Whom it is about, a DID of the holder; without it that of the identity, if it has one.
    pub subject: Option<String>,
    /// Until when it holds; without it as long as it may.
    pub valid_until: Option<Date>,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialIssued {
    /// The id of the `VerifiableCredential`.
    pub credential_id: String,
    /// What the credential is called in itself.
    pub id: String,
    /// Where it stands.
    pub status: CredentialStatus,
    /// From when on it holds.
    pub valid_from: Date,
    /// Until when it holds.
    pub valid_until: Date,
    /// The credential, signed.
    pub credential: String,
}

/// What is kept for a request that is repeated: nothing of what the credential says.
#[derive(Serialize, Deserialize)]
struct Kept {
    credential: String,
}

/// Issues a credential about a verified identity.
pub(crate) async fn issue_credential(
    request: Request<IssueCredential>,
    issuer: Option<Arc<Issuer>>,
) -> Result<CredentialIssued, ParseError> {
    let acting = Acting::new(APPLICATION, CREDENTIAL, &request);
    let by = acting.user()?;
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    let id = params.check(request.host.now())?;
    let done = async {
        permission::require_role(&request.who, &[roles::ISSUER], "issue a credential")?;
        let issuer = issuer.as_deref().ok_or_else(unconfigured)?;
        let work = |host| work(host, &acting, issuer, params, (&id, &by));
        let kept: Kept = acting.once(params.request_key.as_deref(), params, work).await?;
        let credential = params::object_id("credentialId", &kept.credential)?;
        answer(&request.host.as_master().get(CREDENTIAL, &credential).await?)
    };
    acting.settle(None, done.await).await
}

/// The refusal of a server that vouches for nothing.
fn unconfigured() -> ParseError {
    let text = "This server issues no credentials: parsimony.settings.identity-management.credentials is not set.";
    ParseError::new(ErrorCode::ScriptFailed, text)
}

impl IssueCredential {
    fn check(&self, now: Date) -> Result<ObjectId, ParseError> {
        let id = params::object_id("identityId", &self.identity_id)?;
        if let Some(claims) = &self.claims {
            let once: BTreeSet<Claim> = claims.iter().copied().collect();
            if claims.is_empty() || once.len() != claims.len() {
                return Err(params::invalid("claims", "it names one claim at least, and each of them once"));
            }
        }
        if let Some(subject) = &self.subject {
            params::text("subject", subject, 1, DID_CHARS_MAX)?;
            if !is_did(subject) {
                return Err(params::invalid("subject", "it must be a DID, such as did:key:z6Mk…"));
            }
        }
        self.valid_until.map_or(Ok(()), |until| params::future("validUntil", until, now)).map(|()| id)
    }

    fn order(&self, by: &Pointer) -> Order {
        Order {
            claims: self.claims.clone().unwrap_or_else(|| DEFAULT_CLAIMS.to_vec()),
            subject: self.subject.clone(),
            valid_until: self.valid_until,
            by: Some(by.clone()),
            verification: None,
        }
    }
}

async fn work(
    host: Host,
    acting: &Acting<'_>,
    issuer: &Issuer,
    params: &IssueCredential,
    (id, by): (&ObjectId, &Pointer),
) -> Result<Kept, ParseError> {
    let identity = host.get(IDENTITY, id).await?;
    let credential = issue(&host, issuer, &identity, &params.order(by)).await?;
    let told = (acting.entry().changed(None, Some(&credential)))
        .detail("identityId", id.as_str())
        .detail("claims", credential.get("claims").cloned().unwrap_or_default());
    acting.record(&host, told).await?;
    Ok(Kept { credential: credential.id.to_string() })
}

fn answer(credential: &Object) -> Result<CredentialIssued, ParseError> {
    let text = |field: &str| credential.text(field).unwrap_or_default().to_owned();
    let date = |field: &str| credential.get(field).and_then(Value::as_date).unwrap_or_default();
    Ok(CredentialIssued {
        credential_id: credential.id.to_string(),
        id: text("credentialId"),
        status: state::of(credential)?,
        valid_from: date("validFrom"),
        valid_until: date("validUntil"),
        // Of one that was erased since, nothing is left to show.
        credential: text("jwt"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let now = Date::from_millis(1_000);
        let good = IssueCredential {
            identity_id: "i".to_owned(),
            claims: Some(vec![Claim::LegalName]),
            subject: Some("did:key:z6Mk".to_owned()),
            valid_until: Some(now.plus_millis(1)),
            request_key: None,
        };
        let long = format!("did:key:{}", "z".repeat(DID_CHARS_MAX));
        for (params, field) in [
            (good.clone(), ""),
            (IssueCredential { claims: None, subject: None, valid_until: None, ..good.clone() }, ""),
            (IssueCredential { identity_id: String::new(), ..good.clone() }, "identityId"),
            (IssueCredential { claims: Some(vec![]), ..good.clone() }, "claims"),
            (IssueCredential { claims: Some(vec![Claim::LegalName; 2]), ..good.clone() }, "claims"),
            (IssueCredential { subject: Some("ada".to_owned()), ..good.clone() }, "subject"),
            (IssueCredential { subject: Some(long), ..good.clone() }, "subject"),
            (IssueCredential { valid_until: Some(now), ..good }, "validUntil"),
        ] {
            let refusal = params.check(now).err().map(|error| error.message.into_owned()).unwrap_or_default();
            assert_eq!(refusal.is_empty(), field.is_empty(), "{refusal}");
            assert!(refusal.contains(field), "{refusal}");
        }
    }
}
