//! `getIdentityDashboard`: a user's own identities, and for staff how the work stands.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, roles, state};
use parsimony_model::query::Constraint;
use parsimony_model::{Date, Filter, Object, ParseError, Pointer, Query, Value};
use serde::{Deserialize, Serialize};

use crate::APPLICATION;
use crate::model::{IDENTITY, IdentityStatus, IdentityType, RiskRating, VERIFICATION, VerificationStatus};

/// Who sees the figures.
const STAFF: [&str; 4] = [roles::VERIFIER, roles::COMPLIANCE_OFFICER, roles::AUDITOR, roles::ADMIN];

/// How old an open verification is: the name of the age, from so many days, up to so many.
const AGES: [(&str, i64, Option<i64>); 5] = [
    ("under1Day", 0, Some(1)),
    ("from1To3Days", 1, Some(3)),
    ("from3To7Days", 3, Some(7)),
    ("from7To30Days", 7, Some(30)),
    ("over30Days", 30, None),
];

const DAY_MILLIS: i64 = 86_400_000;

/// What is asked: nothing can be chosen.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetIdentityDashboard {}

/// What is answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dashboard {
    /// The caller's own identities.
    pub identities: Vec<OwnIdentity>,
    /// How the work stands; for staff only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overview: Option<Overview>,
}

/// An identity, as its owner sees it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnIdentity {
    identity_id: String,
    #[serde(rename = "type")]
    kind: IdentityType,
    status: IdentityStatus,
    legal_name: Option<String>,
    verification_level: Option<String>,
    expires_at: Option<Date>,
    verification: Option<OwnVerification>,
}

/// The newest verification of an identity, as the owner sees it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnVerification {
    verification_id: String,
    status: VerificationStatus,
    level: Option<String>,
    provider: Option<String>,
    reasons: Value,
    submitted_at: Option<Date>,
    reviewed_at: Option<Date>,
    expires_at: Option<Date>,
}

/// The figures. Each is one count in the database; they are counted at the same time, not in one moment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// How many identities have each status.
    pub identities_by_status: BTreeMap<&'static str, u64>,
    /// How many verifications have each status.
    pub verifications_by_status: BTreeMap<&'static str, u64>,
    /// How many verifications are open.
    pub queue_length: u64,
    /// How many of the open ones were submitted how long ago.
    pub queue_ageing: BTreeMap<&'static str, u64>,
    /// How many identities have each risk rating; `UNRATED` are those without one.
    pub risk_distribution: BTreeMap<&'static str, u64>,
}

/// What the caller should know about identities: their own, and if they are staff the figures of all.
pub async fn get_identity_dashboard(request: Request<GetIdentityDashboard>) -> Result<Dashboard, ParseError> {
    let acting = Acting::new(APPLICATION, IDENTITY, &request);
    let done = async {
        let identities = match request.who.user_pointer() {
            Some(user) => own_identities(&request.host, &user).await?,
            None => Vec::new(),
        };
        // The figures tell nothing about anybody, so they are counted past the ACLs; who may see them is decided here.
        let overview = if request.who.is_any(&STAFF) { Some(overview(&request.host.as_master()).await?) } else { None };
        let entry = acting.entry().detail("overview", overview.is_some());
        acting.record(&request.host, entry).await?;
        Ok(Dashboard { identities, overview })
    };
    acting.settle(None, done.await).await
}

/// Read with the caller's eyes: what is hidden even from the owner stays hidden.
async fn own_identities(host: &Host, user: &Pointer) -> Result<Vec<OwnIdentity>, ParseError> {
    // One of each type at most.
    let mine = Query::new(Filter::equals("user", user.clone())).ascending("createdAt");
    let identities = host.find(IDENTITY, mine.limit(IdentityType::ALL.len() as u64)).await?;
    try_join_all(identities.iter().map(|identity| own_identity(host, identity))).await
}

async fn own_identity(host: &Host, identity: &Object) -> Result<OwnIdentity, ParseError> {
    let newest = Query::new(Filter::equals("identity", identity.pointer())).descending("submittedAt");
    let verification = host.first(VERIFICATION, newest).await?;
    let kind = identity.text("type").and_then(IdentityType::parse);
    Ok(OwnIdentity {
        identity_id: identity.id.to_string(),
        kind: kind.ok_or_else(|| ParseError::internal(format!("Identity {} has no known type", identity.id)))?,
        status: state::of(identity)?,
        legal_name: text(identity, "legalName"),
        verification_level: text(identity, "verificationLevel"),
        expires_at: date(identity, "expiresAt"),
        verification: verification.as_ref().map(own_verification).transpose()?,
    })
}

fn own_verification(verification: &Object) -> Result<OwnVerification, ParseError> {
    Ok(OwnVerification {
        verification_id: verification.id.to_string(),
        status: state::of(verification)?,
        level: text(verification, "level"),
        provider: text(verification, "provider"),
        reasons: verification.get("reasons").cloned().unwrap_or_else(|| Value::Array(Vec::new())),
        submitted_at: date(verification, "submittedAt"),
        reviewed_at: date(verification, "reviewedAt"),
        expires_at: date(verification, "expiresAt"),
    })
}

fn text(object: &Object, field: &str) -> Option<String> {
    object.text(field).map(str::to_owned)
}

fn date(object: &Object, field: &str) -> Option<Date> {
    object.get(field).and_then(Value::as_date)
}

async fn overview(host: &Host) -> Result<Overview, ParseError> {
    let has = |field: &'static str, value: &'static str| (value, Filter::equals(field, value));
    let identity_statuses = IdentityStatus::ALL.iter().map(|status| has("status", status.as_str()));
    let statuses = VerificationStatus::ALL.iter().map(|status| has("status", status.as_str()));
    let unrated = ("UNRATED", Filter::Field("riskRating".into(), Constraint::Equals(Value::Null)));
    let ratings = RiskRating::ALL.iter().map(|rating| has("riskRating", rating.as_str())).chain([unrated]);
    let now = host.now();
    let ages = AGES.iter().map(|(name, from, to)| (*name, open().and(submitted(now, *from, *to))));
    let queue_length = host.count(VERIFICATION, Query::new(open()));
    let (identities_by_status, verifications_by_status, queue_ageing, risk_distribution, queue_length) = futures::try_join!(
        counts(host, IDENTITY, identity_statuses),
        counts(host, VERIFICATION, statuses),
        counts(host, VERIFICATION, ages),
        counts(host, IDENTITY, ratings),
        queue_length,
    )?;
    Ok(Overview { identities_by_status, verifications_by_status, queue_length, queue_ageing, risk_distribution })
}

async fn counts(
    host: &Host,
    class: &str,
    filters: impl Iterator<Item = (&'static str, Filter)> + Send,
) -> Result<BTreeMap<&'static str, u64>, ParseError> {
    let counted: Vec<_> = filters
        .map(|(name, filter)| async move { Ok::<_, ParseError>((name, host.count(class, Query::new(filter)).await?)) })
        .collect();
    Ok(try_join_all(counted).await?.into_iter().collect())
}

fn open() -> Filter {
    Filter::Field("status".into(), Constraint::In(VerificationStatus::OPEN.map(Value::from).to_vec()))
}

/// Submitted at least so many days ago, and less than so many.
fn submitted(now: Date, from_days: i64, to_days: Option<i64>) -> Filter {
    let ago = |days: i64| Value::Date(now.plus_millis(-days * DAY_MILLIS));
    let at = |constraint| Filter::Field("submittedAt".into(), constraint);
    let old_enough = at(Constraint::LessOrEqual(ago(from_days)));
    match to_days {
        Some(days) => old_enough.and(at(Constraint::Greater(ago(days)))),
        None => old_enough,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_age_is_counted_once() {
        for (before, after) in AGES.iter().zip(AGES.iter().skip(1)) {
            assert_eq!(before.2, Some(after.1), "{} and {}", before.0, after.0);
        }
        assert_eq!((AGES[0].1, AGES[4].2), (0, None));
    }
}
