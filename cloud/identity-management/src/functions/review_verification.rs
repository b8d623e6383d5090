//! `reviewVerification`: a second person approves a verification, rejects it, or asks for more.

use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, params, permission, roles, state};
use parsimony_model::{Date, ObjectId, ParseError, Pointer, map};
use serde::{Deserialize, Serialize};

use crate::APPLICATION;
use crate::model::{CheckResult, Decision, IdentityStatus, RiskRating, VERIFICATION, VerificationStatus};
use crate::ruling::{Ruled, Ruling};

/// How many reasons and checks a review may have.
const ITEMS_MAX: usize = 20;

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
    params::request_key(params.request_key.as_deref())?;
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
        let work = |host| work(host, &acting, &reviewer, params, &id);
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
async fn work(
    host: Host,
    acting: &Acting<'_>,
    reviewer: &Pointer,
    params: &ReviewVerification,
    id: &ObjectId,
) -> Result<VerificationReviewed, ParseError> {
    let verification = host.get(VERIFICATION, id).await?;
    let status: VerificationStatus = state::of(&verification)?;
    if !VerificationStatus::OPEN.contains(&status) {
        // What a provider may take back, a reviewer may not: it is decided.
        return Err(state::illegal(status, params.decision.leads_to()));
    }
    let checks = params.checks.iter().map(|check| map! { "name" => check.name.as_str(), "result" => check.result });
    let ruling = Ruling {
        decision: params.decision,
        reasons: params.reasons.clone(),
        checks: checks.collect(),
        comment: params.comment.clone(),
        risk_rating: params.risk_rating,
        expires_at: params.expires_at,
        reviewer: Some(reviewer.clone()),
    };
    let Ruled { verification: after, identity, expires_at, .. } =
        ruling.apply(&host, verification, &|class| acting.entry_of(class)).await?;
    Ok(VerificationReviewed {
        verification_id: id.to_string(),
        identity_id: identity.id.to_string(),
        status: state::of(&after)?,
        identity_status: state::of(&identity)?,
        expires_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
