//! `reviewVerification`: a second person approves a verification, rejects it, or asks for more.

use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, params, permission, roles, state};
use parsimony_model::value::Map;
use parsimony_model::{Date, Filter, Object, ObjectId, ParseError, Pointer, Query, Value, map};
use serde::{Deserialize, Serialize};

use super::submit_verification::DOCUMENTS_MAX;
use crate::APPLICATION;
use crate::model::{
    CheckResult, DOCUMENT, Decision, DocumentStatus, IDENTITY, IdentityStatus, RiskRating, VERIFICATION,
    VerificationStatus, pointer,
};

/// For how long an approval holds if the reviewer does not say, in days.
const APPROVAL_DAYS: i64 = 365;

/// How many reasons and checks a review may have.
const ITEMS_MAX: usize = 20;

const DAY_MILLIS: i64 = 86_400_000;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReviewVerification {
    /// The id of the `IdentityVerification`.
    pub verification_id: String,
    /// What the reviewer decides.
    pub decision: Decision,
    /// Reason codes in capitals, which the owner reads; necessary unless it is approved.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// What was checked, and how it ended.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// A remark for colleagues, which the owner does not read.
    pub comment: Option<String>,
    /// How risky the reviewer finds the subject.
    pub risk_rating: Option<RiskRating>,
    /// Until when an approval holds.
    pub expires_at: Option<Date>,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

/// One check of a review.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Check {
    /// What was checked, as a code in capitals.
    pub name: String,
    /// How it ended.
    pub result: CheckResult,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationReviewed {
    /// The id of the `IdentityVerification`.
    pub verification_id: String,
    /// The id of the `Identity`.
    pub identity_id: String,
    /// Where the verification stands.
    pub status: VerificationStatus,
    /// Where the identity stands.
    pub identity_status: IdentityStatus,
    /// Until when an approval holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Date>,
}

/// Decides an open verification. Four eyes: it is nobody's own, and not the reviewer's own submission.
pub async fn review_verification(request: Request<ReviewVerification>) -> Result<VerificationReviewed, ParseError> {
    let acting = Acting::new(APPLICATION, VERIFICATION, &request);
    let reviewer = acting.user()?;
    let params = &request.params;
    let id = params.check(request.host.now())?;
    let done = async {
        permission::require_role(&request.who, &[roles::VERIFIER, roles::COMPLIANCE_OFFICER], "review a verification")?;
        // Read with the caller's eyes: what they may not see is not there (101).
        let verification = request.host.get(VERIFICATION, &id).await?;
        permission::require_other(
            &request.who,
            &verification,
            &["user", "createdBy"],
            "review one's own verification",
        )?;
        let work = |host| Review { host, acting: &acting, reviewer: &reviewer, params }.run(&id);
        acting.once(params.request_key.as_deref(), params, work).await
    };
    acting.settle(Some(&id), done.await).await
}

impl ReviewVerification {
    fn check(&self, now: Date) -> Result<ObjectId, ParseError> {
        let id = params::object_id("verificationId", &self.verification_id)?;
        params::list("reasons", &self.reasons, ITEMS_MAX)?;
        params::list("checks", &self.checks, ITEMS_MAX)?;
        for (index, reason) in self.reasons.iter().enumerate() {
            params::code(&format!("reasons[{index}]"), reason)?;
        }
        for (index, check) in self.checks.iter().enumerate() {
            params::code(&format!("checks[{index}].name"), &check.name)?;
        }
        if let Some(comment) = &self.comment {
            params::text("comment", comment, 1, 2000)?;
        }
        if self.decision == Decision::Approve {
            return self.expires_at.map_or(Ok(()), |at| params::future("expiresAt", at, now)).map(|()| id);
        }
        if self.expires_at.is_some() {
            return Err(params::invalid("expiresAt", "only an approval expires"));
        }
        if self.reasons.is_empty() {
            return Err(params::missing("reasons", format!("the decision {} needs them", self.decision)));
        }
        Ok(id)
    }
}

/// The work inside of the transaction.
struct Review<'a> {
    host: Host,
    acting: &'a Acting<'a>,
    reviewer: &'a Pointer,
    params: &'a ReviewVerification,
}

impl Review<'_> {
    async fn run(self, id: &ObjectId) -> Result<VerificationReviewed, ParseError> {
        let verification = self.host.get(VERIFICATION, id).await?;
        let identity = self.host.get(IDENTITY, &pointer(&verification, "identity")?.id).await?;
        let expires_at = self.expires_at();
        let decided = self.decide(&verification, expires_at).await?;
        self.judge_documents(&verification).await?;
        let moved = self.move_identity(&identity, &verification, expires_at).await?;
        self.record([&verification, &decided], [&identity, &moved]).await?;
        Ok(VerificationReviewed {
            verification_id: id.to_string(),
            identity_id: identity.id.to_string(),
            status: state::of(&decided)?,
            identity_status: state::of(&moved)?,
            expires_at,
        })
    }

    fn expires_at(&self) -> Option<Date> {
        let default = || self.host.now().plus_millis(APPROVAL_DAYS * DAY_MILLIS);
        (self.params.decision == Decision::Approve).then(|| self.params.expires_at.unwrap_or_else(default))
    }

    /// Moves the verification through `IN_REVIEW` to where the decision leads.
    async fn decide(&self, verification: &Object, expires_at: Option<Date>) -> Result<Object, ParseError> {
        if state::of::<VerificationStatus>(verification)? == VerificationStatus::Pending {
            let taken = map! { "status" => VerificationStatus::InReview, "lastModifiedBy" => self.reviewer.clone() };
            self.host.update(VERIFICATION, &verification.id, taken).await?;
        } else {
            state::step(state::of(verification)?, verification_status(self.params.decision))?;
        }
        let checks =
            self.params.checks.iter().map(|check| map! { "name" => check.name.as_str(), "result" => check.result });
        let mut fields = map! {
            "status" => verification_status(self.params.decision),
            "reviewer" => self.reviewer.clone(),
            "reviewedAt" => self.host.now(),
            "reasons" => self.params.reasons.clone(),
            "checks" => checks.collect::<Vec<Map>>(),
            "lastModifiedBy" => self.reviewer.clone(),
        };
        put(&mut fields, "expiresAt", expires_at);
        put(&mut fields, "comment", self.params.comment.clone());
        put(&mut fields, "riskRating", self.params.risk_rating);
        self.host.update(VERIFICATION, &verification.id, fields).await
    }

    /// The documents share the fate of the verification they came with.
    async fn judge_documents(&self, verification: &Object) -> Result<(), ParseError> {
        let filter = Filter::equals("verification", verification.pointer())
            .and(Filter::equals("status", DocumentStatus::Pending));
        let status = match self.params.decision {
            Decision::Approve => DocumentStatus::Accepted,
            Decision::Reject | Decision::RequestResubmission => DocumentStatus::Rejected,
        };
        let query = Query::new(filter).limit(DOCUMENTS_MAX as u64);
        for document in self.host.find(DOCUMENT, query).await? {
            let fields = map! { "status" => status, "lastModifiedBy" => self.reviewer.clone() };
            self.host.update(DOCUMENT, &document.id, fields).await?;
        }
        Ok(())
    }

    /// Moves the identity through `IN_REVIEW` to where the decision leads.
    async fn move_identity(
        &self,
        identity: &Object,
        verification: &Object,
        expires_at: Option<Date>,
    ) -> Result<Object, ParseError> {
        let steps = identity_steps(state::of(identity)?, self.params.decision)?;
        let mut fields = map! { "lastModifiedBy" => self.reviewer.clone() };
        for status in steps {
            let step = map! { "status" => *status, "lastModifiedBy" => self.reviewer.clone() };
            self.host.update(IDENTITY, &identity.id, step).await?;
        }
        put(&mut fields, "riskRating", self.params.risk_rating);
        if let Some(expires_at) = expires_at {
            fields.insert("verificationLevel".into(), verification.get("level").cloned().unwrap_or_default());
            fields.insert("verifiedAt".into(), self.host.now().into());
            fields.insert("expiresAt".into(), expires_at.into());
        }
        self.host.update(IDENTITY, &identity.id, fields).await
    }

    async fn record(&self, verification: [&Object; 2], identity: [&Object; 2]) -> Result<(), ParseError> {
        let [before, after] = verification;
        let decided = (self.acting.entry().changed(Some(before), Some(after)))
            .detail("identityId", identity[0].id.as_str())
            .detail("decision", self.params.decision)
            .detail("reasons", self.params.reasons.clone())
            .detail("riskRating", self.params.risk_rating);
        self.acting.record(&self.host, decided).await?;
        let [before, after] = identity;
        let moved = (self.acting.entry_of(IDENTITY).changed(Some(before), Some(after)))
            .detail("verificationId", verification[0].id.as_str())
            .detail("status", state::of::<IdentityStatus>(after)?);
        self.acting.record(&self.host, moved).await
    }
}

fn put(fields: &mut Map, field: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        fields.insert(field.into(), value.into());
    }
}

const fn verification_status(decision: Decision) -> VerificationStatus {
    match decision {
        Decision::Approve => VerificationStatus::Approved,
        Decision::Reject => VerificationStatus::Rejected,
        Decision::RequestResubmission => VerificationStatus::ResubmissionRequired,
    }
}

/// Which steps an identity takes with a decision, from where it stands.
///
/// A verified identity stays verified: what was decided then is only its renewal or its rise to another level, and
/// taking it out of use is another decision. One whose owner is asked for more stays in review.
fn identity_steps(status: IdentityStatus, decision: Decision) -> Result<&'static [IdentityStatus], ParseError> {
    use IdentityStatus::{InReview, Rejected, Submitted, Verified};
    Ok(match (status, decision) {
        (Verified, _) | (InReview, Decision::RequestResubmission) => &[],
        (Submitted, Decision::Approve) => &[InReview, Verified],
        (Submitted, Decision::Reject) => &[InReview, Rejected],
        (Submitted, Decision::RequestResubmission) => &[InReview],
        (InReview, Decision::Approve) => &[Verified],
        (InReview, Decision::Reject) => &[Rejected],
        (
            IdentityStatus::Draft | Rejected | IdentityStatus::Suspended | IdentityStatus::Expired,
            Decision::Approve | Decision::Reject | Decision::RequestResubmission,
        ) => return state::step(status, InReview).map(|()| &[][..]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsimony_kit::state::State;

    fn review(decision: Decision) -> ReviewVerification {
        ReviewVerification {
            verification_id: "v".to_owned(),
            decision,
            reasons: Vec::new(),
            checks: Vec::new(),
            comment: None,
            risk_rating: None,
            expires_at: None,
            request_key: None,
        }
    }

    #[test]
    fn every_decision_takes_steps_of_the_state_machine_or_is_refused() {
        let pairs =
            IdentityStatus::ALL.iter().flat_map(|from| Decision::ALL.iter().map(move |decision| (*from, *decision)));
        for (from, decision) in pairs {
            let steps = match identity_steps(from, decision) {
                Ok(steps) => steps,
                Err(error) => {
                    assert_eq!(error.message, format!("Identity cannot go from {from} to IN_REVIEW."));
                    continue;
                }
            };
            let mut at = from;
            for next in steps {
                assert!(at.next().contains(next), "{at} to {next}");
                at = *next;
            }
        }
    }

    #[test]
    fn only_waiting_and_verified_identities_can_be_decided_on() {
        for from in IdentityStatus::ALL {
            let expected =
                matches!(from, IdentityStatus::Submitted | IdentityStatus::InReview | IdentityStatus::Verified);
            for decision in Decision::ALL {
                assert_eq!(identity_steps(*from, *decision).is_ok(), expected, "{from} {decision}");
            }
        }
    }

    #[test]
    fn a_refusal_needs_reasons_and_only_an_approval_expires() {
        let now = Date::from_millis(1_000);
        let later = Some(now.plus_millis(1));
        let reasons = vec!["DOCUMENT_UNREADABLE".to_owned()];
        let reject = review(Decision::Reject);
        let checks = vec![Check { name: "face match".to_owned(), result: CheckResult::Pass }];
        for (params, field) in [
            (review(Decision::Approve), ""),
            (ReviewVerification { expires_at: later, ..review(Decision::Approve) }, ""),
            (ReviewVerification { expires_at: Some(now), ..review(Decision::Approve) }, "expiresAt"),
            (reject.clone(), "reasons"),
            (review(Decision::RequestResubmission), "reasons"),
            (ReviewVerification { reasons: reasons.clone(), ..reject.clone() }, ""),
            (ReviewVerification { reasons: vec!["a b".to_owned()], ..reject.clone() }, "reasons[0]"),
            (ReviewVerification { reasons: vec!["A".to_owned(); 21], ..reject.clone() }, "reasons"),
            (ReviewVerification { reasons, expires_at: later, ..reject.clone() }, "expiresAt"),
            (ReviewVerification { checks, ..review(Decision::Approve) }, "checks[0].name"),
            (ReviewVerification { verification_id: String::new(), ..reject }, "verificationId"),
        ] {
            let refusal = params.check(now).err().map(|error| error.message.into_owned()).unwrap_or_default();
            assert_eq!(refusal.is_empty(), field.is_empty(), "{refusal}");
            assert!(refusal.contains(field), "{refusal}");
        }
    }
}
