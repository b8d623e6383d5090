//! `submitVerification`: an identity and its documents are handed in to be verified.

use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, canonical, params, permission, roles, state};
use parsimony_model::query::Constraint;
use parsimony_model::value::Map;
use parsimony_model::{Date, ErrorCode, Filter, Object, ObjectId, ParseError, Pointer, Query, Value, map};
use serde::{Deserialize, Serialize};

use crate::APPLICATION;
use crate::model::{
    DOCUMENT, DocumentStatus, DocumentType, IDENTITY, IdentityStatus, Level, Provider, VERIFICATION,
    VerificationStatus, pointer, readable_by,
};

/// How many documents one verification may rest on.
pub(crate) const DOCUMENTS_MAX: usize = 10;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitVerification {
    /// The id of the `Identity`.
    pub identity_id: String,
    /// How thorough it shall be.
    pub level: Level,
    /// Who shall verify.
    pub provider: Provider,
    /// What it rests on.
    #[serde(default)]
    pub documents: Vec<Document>,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

/// A document, by what is written on it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: DocumentType,
    /// Its number.
    pub number: Option<String>,
    /// Who issued it, ISO 3166-1 alpha-2.
    pub issuing_country: Option<String>,
    /// Until when it is valid; necessary for the types that say so.
    pub expires_at: Option<Date>,
    /// SHA-256 of the file that will be uploaded.
    pub sha256: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationSubmitted {
    /// The id of the `IdentityVerification`.
    pub verification_id: String,
    /// The id of the `Identity`.
    pub identity_id: String,
    /// The ids of the `VerificationDocument`s, in the order of the request.
    pub document_ids: Vec<String>,
    /// Where the verification stands.
    pub status: VerificationStatus,
    /// Where the identity stands.
    pub identity_status: IdentityStatus,
}

/// Opens a verification of an identity. An identity has one open verification at most.
///
/// A verified identity stays verified while it is renewed or raised to another level.
pub async fn submit_verification(request: Request<SubmitVerification>) -> Result<VerificationSubmitted, ParseError> {
    let acting = Acting::new(APPLICATION, IDENTITY, &request);
    let caller = acting.user()?;
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    let id = params.check(request.host.now())?;
    let done = async {
        // Read with the caller's eyes: what they may not see is not there (101).
        let identity = request.host.get(IDENTITY, &id).await?;
        let staff = [roles::COMPLIANCE_OFFICER];
        permission::require_owner_or_role(&request.who, &identity, "user", &staff, "submit it for verification")?;
        let work = |host| Submission { host, acting: &acting, caller: &caller, params }.run(&id);
        acting.once(params.request_key.as_deref(), params, work).await
    };
    acting.settle(Some(&id), done.await).await
}

impl SubmitVerification {
    fn check(&self, now: Date) -> Result<ObjectId, ParseError> {
        let id = params::object_id("identityId", &self.identity_id)?;
        params::list("documents", &self.documents, DOCUMENTS_MAX)?;
        for (index, document) in self.documents.iter().enumerate() {
            document.check(&format!("documents[{index}]"), now)?;
        }
        Ok(id)
    }
}

impl Document {
    fn check(&self, at: &str, now: Date) -> Result<(), ParseError> {
        if let Some(number) = &self.number {
            params::word(&format!("{at}.number"), number, " -/.", 64)?;
        }
        if let Some(country) = &self.issuing_country {
            params::country(&format!("{at}.issuingCountry"), country)?;
        }
        if let Some(sha256) = &self.sha256 {
            params::sha256(&format!("{at}.sha256"), sha256)?;
        }
        match self.expires_at {
            Some(expires_at) => params::future(&format!("{at}.expiresAt"), expires_at, now),
            None if self.kind.expires() => {
                Err(params::missing(&format!("{at}.expiresAt"), format!("a {} has an expiry date", self.kind)))
            }
            None => Ok(()),
        }
    }

    fn fields(&self) -> Map {
        let optional = [
            ("number", self.number.as_deref().map(Value::from)),
            ("issuingCountry", self.issuing_country.as_deref().map(Value::from)),
            ("expiresAt", self.expires_at.map(Value::from)),
            ("sha256", self.sha256.as_deref().map(Value::from)),
        ];
        let mut fields = map! { "type" => self.kind, "status" => DocumentStatus::Pending };
        fields.extend(optional.into_iter().filter_map(|(field, value)| Some((field.into(), value?))));
        fields
    }
}

/// The work inside of the transaction.
struct Submission<'a> {
    host: Host,
    acting: &'a Acting<'a>,
    caller: &'a Pointer,
    params: &'a SubmitVerification,
}

impl Submission<'_> {
    async fn run(self, id: &ObjectId) -> Result<VerificationSubmitted, ParseError> {
        let before = self.host.get(IDENTITY, id).await?;
        let next = next_status(state::of(&before)?)?;
        self.refuse_second(&before).await?;
        let owner = pointer(&before, "user")?;
        let verification = self.host.create(VERIFICATION, self.verification(&before, &owner)).await?;
        let documents = self.documents(&before, &verification, &owner).await?;
        let changes = map! {
            "status" => next,
            "currentVerification" => verification.pointer(),
            "lastModifiedBy" => self.caller.clone(),
        };
        let identity = self.host.update(IDENTITY, id, changes).await?;
        self.record(&before, &identity, &verification, &documents).await?;
        Ok(VerificationSubmitted {
            verification_id: verification.id.to_string(),
            identity_id: id.to_string(),
            document_ids: documents.iter().map(|document| document.id.to_string()).collect(),
            status: state::of(&verification)?,
            identity_status: state::of(&identity)?,
        })
    }

    async fn refuse_second(&self, identity: &Object) -> Result<(), ParseError> {
        let open = VerificationStatus::OPEN.map(Value::from).to_vec();
        let filter =
            Filter::equals("identity", identity.pointer()).and(Filter::Field("status".into(), Constraint::In(open)));
        match self.host.first(VERIFICATION, Query::new(filter)).await? {
            None => Ok(()),
            Some(open) => {
                let status: VerificationStatus = state::of(&open)?;
                let text = format!("The identity has an open verification already, which is {status}.");
                Err(ParseError::new(ErrorCode::ValidationError, text))
            }
        }
    }

    fn verification(&self, identity: &Object, owner: &Pointer) -> Map {
        let mut fields = self.common(identity, owner);
        fields.insert("level".into(), self.params.level.into());
        fields.insert("provider".into(), self.params.provider.into());
        fields.insert("status".into(), VerificationStatus::Pending.into());
        fields.insert("submittedAt".into(), self.host.now().into());
        fields
    }

    async fn documents(
        &self,
        identity: &Object,
        verification: &Object,
        owner: &Pointer,
    ) -> Result<Vec<Object>, ParseError> {
        let mut documents = Vec::with_capacity(self.params.documents.len());
        for document in &self.params.documents {
            let mut fields = self.common(identity, owner);
            fields.insert("verification".into(), verification.pointer().into());
            fields.extend(document.fields());
            documents.push(self.host.create(DOCUMENT, fields).await?);
        }
        Ok(documents)
    }

    fn common(&self, identity: &Object, owner: &Pointer) -> Map {
        map! {
            "identity" => identity.pointer(),
            "user" => owner.clone(),
            "createdBy" => self.caller.clone(),
            "lastModifiedBy" => self.caller.clone(),
            "ACL" => readable_by(&owner.id),
        }
    }

    async fn record(
        &self,
        before: &Object,
        identity: &Object,
        verification: &Object,
        documents: &[Object],
    ) -> Result<(), ParseError> {
        let digests: Vec<String> = documents.iter().map(canonical::object_digest).collect();
        let submitted = (self.acting.entry_of(VERIFICATION))
            .changed(None, Some(verification))
            .detail("identityId", identity.id.as_str())
            .detail("level", self.params.level)
            .detail("provider", self.params.provider)
            .detail("documentDigests", digests);
        self.acting.record(&self.host, submitted).await?;
        let moved = (self.acting.entry().changed(Some(before), Some(identity)))
            .detail("verificationId", verification.id.as_str())
            .detail("status", state::of::<IdentityStatus>(identity)?);
        self.acting.record(&self.host, moved).await
    }
}

/// Where an identity stands after a verification was submitted for it.
fn next_status(status: IdentityStatus) -> Result<IdentityStatus, ParseError> {
    match status {
        // It waits already, since its last verification expired undecided; or it is renewed, or raised to another level.
        IdentityStatus::Submitted | IdentityStatus::Verified => Ok(status),
        IdentityStatus::Draft
        | IdentityStatus::InReview
        | IdentityStatus::Rejected
        | IdentityStatus::Suspended
        | IdentityStatus::Expired => state::step(status, IdentityStatus::Submitted).map(|()| IdentityStatus::Submitted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_where_an_identity_may_be_submitted() {
        for (status, expected) in [
            (IdentityStatus::Draft, Ok("SUBMITTED")),
            (IdentityStatus::Submitted, Ok("SUBMITTED")),
            (IdentityStatus::InReview, Ok("SUBMITTED")),
            (IdentityStatus::Verified, Ok("VERIFIED")),
            (IdentityStatus::Rejected, Ok("SUBMITTED")),
            (IdentityStatus::Suspended, Err("Identity cannot go from SUSPENDED to SUBMITTED.")),
            (IdentityStatus::Expired, Ok("SUBMITTED")),
        ] {
            let next = next_status(status).map(IdentityStatus::as_str).map_err(|error| error.message);
            assert_eq!(next.as_ref().map_err(AsRef::as_ref).copied(), expected);
        }
    }
}
