//! Which words and statuses do identities and their verifications have, and who may read them.

use parsimony_kit::{permission, roles, states, words};
use parsimony_model::{ObjectId, ParseError, Pointer, Value};

/// The class of identities.
pub const IDENTITY: &str = "Identity";
/// The class of their verifications.
pub const VERIFICATION: &str = "IdentityVerification";
/// The class of the documents a verification rests on.
pub const DOCUMENT: &str = "VerificationDocument";
/// The class of the credentials that were issued.
pub const CREDENTIAL: &str = "VerifiableCredential";
/// The class of the lists that say which of them are revoked.
pub const STATUS_LIST: &str = "CredentialStatusList";

states! {
    /// Where an identity stands.
    pub enum IdentityStatus of "Identity" from Draft {
        /// It was created, and nobody was asked to verify it.
        Draft = "DRAFT" => [Submitted];
        /// It waits for a review.
        Submitted = "SUBMITTED" => [InReview];
        /// It is being reviewed, or its owner was asked for more.
        InReview = "IN_REVIEW" => [Verified, Rejected, Submitted];
        /// It is what it says.
        Verified = "VERIFIED" => [Suspended, Expired];
        /// It is not, as far as one can tell. Its owner may try again.
        Rejected = "REJECTED" => [Submitted, Suspended, Expired];
        /// It was taken out of use, until it is reinstated.
        Suspended = "SUSPENDED" => [Verified, Expired];
        /// Its verification is too old. Its owner may renew it.
        Expired = "EXPIRED" => [Submitted];
    }
}

states! {
    /// Where a verification stands.
    pub enum VerificationStatus of "IdentityVerification" from Pending {
        /// It waits for a reviewer or a provider.
        Pending = "PENDING" => [InReview, Expired];
        /// Somebody is at it.
        InReview = "IN_REVIEW" => [Approved, Rejected, ResubmissionRequired, Expired];
        /// It succeeded. A provider may take that back.
        Approved = "APPROVED" => [Expired, Rejected];
        /// It failed.
        Rejected = "REJECTED" => [];
        /// It is too old, or was never decided.
        Expired = "EXPIRED" => [];
        /// The owner was asked to submit anew; that will be another verification.
        ResubmissionRequired = "RESUBMISSION_REQUIRED" => [Expired];
    }
}

impl VerificationStatus {
    /// The statuses of a verification that still has to be decided.
    pub const OPEN: [Self; 2] = [Self::Pending, Self::InReview];
}

states! {
    /// Where a document stands.
    pub enum DocumentStatus of "VerificationDocument" from Pending {
        /// Nobody looked at it yet.
        Pending = "PENDING" => [Accepted, Rejected, Expired];
        /// A verification that rests on it was approved.
        Accepted = "ACCEPTED" => [Expired];
        /// The verification it came with was not approved.
        Rejected = "REJECTED" => [];
        /// It is no longer valid.
        Expired = "EXPIRED" => [];
    }
}

states! {
    /// Where a credential stands.
    pub enum CredentialStatus of "VerifiableCredential" from Active {
        /// It is in force.
        Active = "ACTIVE" => [Revoked, Expired];
        /// It was taken back, and its list says so.
        Revoked = "REVOKED" => [];
        /// Its time is over.
        Expired = "EXPIRED" => [];
    }
}

words! {
    /// Whose identity it is.
    pub enum IdentityType {
        /// A natural person's.
        Individual = "INDIVIDUAL",
        /// A legal person's.
        Organization = "ORGANIZATION",
    }
}

words! {
    /// How thorough a verification is.
    pub enum Level {
        /// Simplified due diligence.
        Basic = "BASIC",
        /// Standard due diligence.
        Standard = "STANDARD",
        /// Enhanced due diligence.
        Enhanced = "ENHANCED",
    }
}

words! {
    /// Who verifies.
    pub enum Provider {
        /// People with the role `verifier`.
        Manual = "MANUAL",
        /// Jumio.
        Jumio = "JUMIO",
        /// Onfido.
        Onfido = "ONFIDO",
        /// Sumsub.
        Sumsub = "SUMSUB",
        /// Shufti.
        Shufti = "SHUFTI",
    }
}

words! {
    /// What a document is.
    pub enum DocumentType {
        /// A passport.
        Passport = "PASSPORT",
        /// A national identity card.
        NationalId = "NATIONAL_ID",
        /// A driving licence.
        DrivingLicence = "DRIVING_LICENCE",
        /// A residence permit.
        ResidencePermit = "RESIDENCE_PERMIT",
        /// A utility bill or the like.
        ProofOfAddress = "PROOF_OF_ADDRESS",
        /// An extract from a register of companies.
        RegistrationCertificate = "REGISTRATION_CERTIFICATE",
        /// A picture of the person.
        Selfie = "SELFIE",
        /// Anything else.
        Other = "OTHER",
    }
}

impl DocumentType {
    /// Whether such a document says until when it is valid.
    pub const fn expires(self) -> bool {
        matches!(self, Self::Passport | Self::NationalId | Self::DrivingLicence | Self::ResidencePermit)
    }
}

words! {
    /// What a reviewer decides.
    pub enum Decision {
        /// The identity is what it says.
        Approve = "APPROVE",
        /// It is not.
        Reject = "REJECT",
        /// More is needed to tell.
        RequestResubmission = "REQUEST_RESUBMISSION",
    }
}

impl Decision {
    /// Where it leads a verification.
    pub const fn leads_to(self) -> VerificationStatus {
        match self {
            Self::Approve => VerificationStatus::Approved,
            Self::Reject => VerificationStatus::Rejected,
            Self::RequestResubmission => VerificationStatus::ResubmissionRequired,
        }
    }
}

words! {
    /// How risky it is to do business with somebody.
    pub enum RiskRating {
        /// Low.
        Low = "LOW",
        /// Medium.
        Medium = "MEDIUM",
        /// High.
        High = "HIGH",
    }
}

words! {
    /// How one check of a verification ended.
    pub enum CheckResult {
        /// Nothing was found.
        Pass = "PASS",
        /// Something was found.
        Fail = "FAIL",
        /// It did not apply.
        NotApplicable = "NOT_APPLICABLE",
    }
}

/// Who may read an identity and what belongs to it: its owner and staff. Nobody but the functions may write.
///
/// Which fields each of them sees is up to the `protectedFields` of the class.
pub fn readable_by(owner: &ObjectId) -> Value {
    permission::readable_by([owner], &STAFF)
}

/// The same, and those who issue credentials.
pub(crate) fn readable_by_issuers_too(owner: &ObjectId) -> Value {
    permission::readable_by([owner], &[&STAFF[..], &[roles::ISSUER]].concat())
}

/// Who reads identities, beside their owners.
const STAFF: [&str; 5] = [roles::ADMIN, roles::COMPLIANCE_OFFICER, roles::VERIFIER, roles::AUDITOR, roles::SUPPORT];

/// Where a required pointer field of an object of ours points.
pub(crate) fn pointer(object: &parsimony_model::Object, field: &str) -> Result<Pointer, ParseError> {
    object
        .get(field)
        .and_then(Value::as_pointer)
        .ok_or_else(|| ParseError::internal(format!("{} {} has no {field}", object.class, object.id)))
}
