//! What follows from a decision about a verification, whoever made it: for the verification, its documents, the identity.

use parsimony_cloud::Host;
use parsimony_kit::{AuditEntry, audit, state};
use parsimony_model::value::Map;
use parsimony_model::{Date, Filter, Object, ParseError, Pointer, Query, Value, map};

use crate::APPLICATION;
use crate::actions;
use crate::credentials;
use crate::functions::DOCUMENTS_MAX;
use crate::model::{
    DOCUMENT, Decision, DocumentStatus, IDENTITY, IdentityStatus, RiskRating, VERIFICATION, VerificationStatus, pointer,
};

/// For how long an approval holds if nobody says, in days.
const APPROVAL_DAYS: i64 = 365;

/// A day.
pub(crate) const DAY_MILLIS: i64 = 86_400_000;

/// A decision.
pub(crate) struct Ruling {
    pub(crate) decision: Decision,
    pub(crate) reasons: Vec<String>,
    pub(crate) checks: Vec<Map>,
    pub(crate) comment: Option<String>,
    pub(crate) risk_rating: Option<RiskRating>,
    pub(crate) expires_at: Option<Date>,
    /// Who decided, if it was a person.
    pub(crate) reviewer: Option<Pointer>,
}

/// What a decision has led to.
pub(crate) struct Ruled {
    pub(crate) verification: Object,
    pub(crate) identity: Object,
    /// Until when an approval holds.
    pub(crate) expires_at: Option<Date>,
}

impl Ruling {
    /// Carries it out in the transaction of the host, with its entries in the audit trail. `entry` begins an entry about
    /// an object of a class.
    pub(crate) async fn apply(
        self,
        host: &Host,
        verification: Object,
        entry: &(dyn Fn(&str) -> AuditEntry + Sync),
    ) -> Result<Ruled, ParseError> {
        let identity = host.get(IDENTITY, &pointer(&verification, "identity")?.id).await?;
        let default = || host.now().plus_millis(APPROVAL_DAYS * DAY_MILLIS);
        let expires_at = (self.decision == Decision::Approve).then(|| self.expires_at.unwrap_or_else(default));
        let decided = self.decide(host, &verification, expires_at).await?;
        self.judge_documents(host, &verification).await?;
        let moved = self.move_identity(host, (&identity, &verification), expires_at, entry).await?;
        if self.decision == Decision::Approve {
            actions::plan(host, &moved, &decided).await?;
        }
        let told = (entry(VERIFICATION).changed(Some(&verification), Some(&decided)))
            .detail("identityId", identity.id.as_str())
            .detail("decision", self.decision)
            .detail("reasons", self.reasons.clone())
            .detail("riskRating", self.risk_rating);
        audit::append(host, APPLICATION, told).await?;
        let told = (entry(IDENTITY).changed(Some(&identity), Some(&moved)))
            .detail("verificationId", verification.id.as_str())
            .detail("status", state::of::<IdentityStatus>(&moved)?);
        audit::append(host, APPLICATION, told).await?;
        Ok(Ruled { verification: decided, identity: moved, expires_at })
    }

    /// Moves the verification through `IN_REVIEW` to where the decision leads.
    async fn decide(&self, host: &Host, verification: &Object, expires_at: Option<Date>) -> Result<Object, ParseError> {
        if state::of::<VerificationStatus>(verification)? == VerificationStatus::Pending {
            host.update(VERIFICATION, &verification.id, self.signed(map! { "status" => VerificationStatus::InReview }))
                .await?;
        } else {
            state::step(state::of(verification)?, self.decision.leads_to())?;
        }
        let mut fields = self.signed(map! {
            "status" => self.decision.leads_to(),
            "reviewedAt" => host.now(),
            "reasons" => self.reasons.clone(),
            "checks" => self.checks.clone(),
        });
        put(&mut fields, "reviewer", self.reviewer.clone());
        put(&mut fields, "expiresAt", expires_at);
        put(&mut fields, "comment", self.comment.clone());
        put(&mut fields, "riskRating", self.risk_rating);
        host.update(VERIFICATION, &verification.id, fields).await
    }

    /// The documents share the fate of the verification they came with.
    async fn judge_documents(&self, host: &Host, verification: &Object) -> Result<(), ParseError> {
        let filter = Filter::equals("verification", verification.pointer())
            .and(Filter::equals("status", DocumentStatus::Pending));
        let status = match self.decision {
            Decision::Approve => DocumentStatus::Accepted,
            Decision::Reject | Decision::RequestResubmission => DocumentStatus::Rejected,
        };
        let query = Query::new(filter).limit(DOCUMENTS_MAX as u64);
        for document in host.find(DOCUMENT, query).await? {
            host.update(DOCUMENT, &document.id, self.signed(map! { "status" => status })).await?;
        }
        Ok(())
    }

    /// Moves the identity through `IN_REVIEW` to where the decision leads.
    async fn move_identity(
        &self,
        host: &Host,
        (identity, verification): (&Object, &Object),
        expires_at: Option<Date>,
        entry: &(dyn Fn(&str) -> AuditEntry + Sync),
    ) -> Result<Object, ParseError> {
        let taken_back = state::of::<VerificationStatus>(verification)? == VerificationStatus::Approved;
        let steps = identity_steps(state::of(identity)?, self.decision, taken_back)?;
        let mut fields = self.signed(Map::default());
        for status in steps {
            host.update(IDENTITY, &identity.id, self.signed(map! { "status" => *status })).await?;
        }
        if steps.contains(&IdentityStatus::Suspended) {
            let reason = ("IDENTITY_SUSPENDED", self.reviewer.as_ref());
            credentials::end_all(host, identity, reason, entry).await?;
            actions::tell_chain_anew(host, identity).await?;
        }
        put(&mut fields, "riskRating", self.risk_rating);
        if let Some(expires_at) = expires_at {
            fields.insert("verificationLevel".into(), verification.get("level").cloned().unwrap_or_default());
            fields.insert("verifiedAt".into(), host.now().into());
            fields.insert("expiresAt".into(), expires_at.into());
        }
        host.update(IDENTITY, &identity.id, fields).await
    }

    /// These fields, and who wrote them.
    fn signed(&self, mut fields: Map) -> Map {
        put(&mut fields, "lastModifiedBy", self.reviewer.clone());
        fields
    }
}

fn put(fields: &mut Map, field: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        fields.insert(field.into(), value.into());
    }
}

/// Which steps an identity takes with a decision, from where it stands.
///
/// A verified identity stays verified: what was decided then is only its renewal or its rise to another level, and
/// taking it out of use is another decision; unless what it rests on is taken back. One whose owner is asked for more stays
/// in review.
fn identity_steps(
    status: IdentityStatus,
    decision: Decision,
    taken_back: bool,
) -> Result<&'static [IdentityStatus], ParseError> {
    use IdentityStatus::{InReview, Rejected, Submitted, Suspended, Verified};
    Ok(match (status, decision) {
        (Verified, Decision::Reject) if taken_back => &[Suspended],
        // Whatever became of it since, it is not verified, and that is what is to be.
        (_, Decision::Reject) if taken_back => &[],
        (Verified, _) | (InReview, Decision::RequestResubmission) => &[],
        (Submitted, Decision::Approve) => &[InReview, Verified],
        (Submitted, Decision::Reject) => &[InReview, Rejected],
        (Submitted, Decision::RequestResubmission) => &[InReview],
        (InReview, Decision::Approve) => &[Verified],
        (InReview, Decision::Reject) => &[Rejected],
        (
            IdentityStatus::Draft | Rejected | Suspended | IdentityStatus::Expired,
            Decision::Approve | Decision::Reject | Decision::RequestResubmission,
        ) => return state::step(status, InReview).map(|()| &[][..]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsimony_kit::state::State;

    /// Where a decision leads an identity.
    fn led(from: IdentityStatus, decision: Decision, taken_back: bool) -> Result<IdentityStatus, ParseError> {
        identity_steps(from, decision, taken_back)?.iter().try_fold(from, |at, next| {
            assert!(at.next().contains(next), "{at} to {next}");
            Ok(*next)
        })
    }

    #[test]
    fn every_decision_takes_steps_of_the_state_machine_or_is_refused() {
        let pairs =
            || IdentityStatus::ALL.iter().flat_map(|from| Decision::ALL.iter().map(move |decision| (*from, *decision)));
        for (from, decision) in pairs() {
            if let Err(error) = led(from, decision, false) {
                assert_eq!(error.message, format!("Identity cannot go from {from} to IN_REVIEW."));
            }
        }
        for (from, decision) in pairs().filter(|(_, decision)| *decision == Decision::Reject) {
            assert_ne!(led(from, decision, true).unwrap(), IdentityStatus::Verified, "{from}");
        }
    }

    #[test]
    fn only_waiting_and_verified_identities_can_be_decided_on() {
        for from in IdentityStatus::ALL {
            let expected =
                matches!(from, IdentityStatus::Submitted | IdentityStatus::InReview | IdentityStatus::Verified);
            for decision in Decision::ALL {
                assert_eq!(identity_steps(*from, *decision, false).is_ok(), expected, "{from} {decision}");
            }
        }
    }
}
