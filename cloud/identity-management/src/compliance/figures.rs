//! What is in a report? How many of what, and each decision of the time; nothing that names a person.

use std::collections::BTreeMap;

use parsimony_cloud::Host;
use parsimony_kit::audit;
use parsimony_model::query::Constraint;
use parsimony_model::{Date, Filter, Object, ParseError, Query, Value};
use serde::Serialize;

use crate::APPLICATION;
use crate::model::{
    CREDENTIAL, CredentialStatus, DOCUMENT, DocumentStatus, IDENTITY, IdentityStatus, IdentityType, RiskRating,
    VERIFICATION, VerificationStatus,
};

/// How many decisions a report has at most.
pub(super) const DECISIONS_MAX: usize = 10_000;

/// How many are read at once.
const PAGE: u64 = 500;

/// How many hours one hour has in milliseconds.
const HOUR_MILLIS: f64 = 3_600_000.0;

/// A report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// The beginning of the time.
    pub(super) from: Date,
    /// Its end, which is not part of it.
    pub(super) to: Date,
    /// When it was made.
    pub(super) generated_at: Date,
    /// How many there are of each.
    pub(super) counts: Vec<Counted>,
    /// How long a decision took in the middle, in hours.
    pub(super) hours_to_decide: Option<f64>,
    /// Whether the audit trail holds, and up to which entry it was looked at.
    pub(super) audit_trail: Trail,
    /// What was decided in the time.
    pub(super) decisions: Vec<Decided>,
    /// Whether those are all.
    pub(super) complete: bool,
}

/// How many there are of something.
#[derive(Debug, Serialize)]
pub(super) struct Counted {
    /// Of what.
    pub(super) of: &'static str,
    /// Of which kind.
    pub(super) kind: &'static str,
    /// How many.
    pub(super) count: u64,
}

/// Whether the audit trail holds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Trail {
    pub(super) intact: bool,
    pub(super) entries: u64,
    pub(super) complete: bool,
    pub(super) head_hash: Option<String>,
}

/// A decision about a verification.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Decided {
    pub(super) verification: String,
    pub(super) identity: String,
    pub(super) level: String,
    pub(super) provider: String,
    pub(super) status: String,
    pub(super) reasons: Vec<String>,
    pub(super) risk_rating: Option<String>,
    pub(super) submitted_at: Option<Date>,
    pub(super) reviewed_at: Option<Date>,
}

impl Report {
    /// Makes it: each number is one count of the database.
    pub(super) async fn make(host: &Host, from: Date, to: Date) -> Result<Self, ParseError> {
        let decisions = decisions(host, from, to).await?;
        let verdict = audit::verify(host, APPLICATION, 1, None).await?;
        let trail = Trail {
            intact: verdict.intact,
            entries: verdict.entries,
            complete: verdict.complete,
            head_hash: verdict.head_hash,
        };
        Ok(Self {
            from,
            to,
            generated_at: host.now(),
            counts: counts(host, from, to).await?,
            hours_to_decide: median_hours(&decisions),
            audit_trail: trail,
            complete: decisions.len() < DECISIONS_MAX,
            decisions,
        })
    }
}

async fn counts(host: &Host, from: Date, to: Date) -> Result<Vec<Counted>, ParseError> {
    let by = |field: &str, word: &'static str| Filter::equals(field, word);
    let during = |field: &str| within(field, from, to);
    let all = || Filter::And(Vec::new());
    let mut wanted: Vec<(&str, &'static str, &'static str, Filter)> = Vec::new();
    wanted.extend(
        IdentityStatus::ALL.iter().map(|word| (IDENTITY, "identities", word.as_str(), by("status", word.as_str()))),
    );
    wanted.extend(
        IdentityType::ALL.iter().map(|word| (IDENTITY, "identities", word.as_str(), by("type", word.as_str()))),
    );
    let risks = RiskRating::ALL.iter().map(|word| (IDENTITY, "risk", word.as_str(), by("riskRating", word.as_str())));
    wanted.extend(risks);
    wanted.push((VERIFICATION, "verifications submitted", "in this time", during("submittedAt")));
    wanted.extend(VerificationStatus::ALL.iter().map(|word| {
        (
            VERIFICATION,
            "verifications reviewed in this time",
            word.as_str(),
            by("status", word.as_str()).and(during("reviewedAt")),
        )
    }));
    wanted.extend(
        DocumentStatus::ALL.iter().map(|word| (DOCUMENT, "documents", word.as_str(), by("status", word.as_str()))),
    );
    wanted.extend(
        CredentialStatus::ALL
            .iter()
            .map(|word| (CREDENTIAL, "credentials", word.as_str(), by("status", word.as_str()))),
    );
    wanted.push((CREDENTIAL, "credentials revoked", "in this time", during("revokedAt")));
    wanted.push((IDENTITY, "identities", "all", all()));
    let mut counted = Vec::with_capacity(wanted.len());
    for (class, of, kind, filter) in wanted {
        counted.push(Counted { of, kind, count: host.count(class, Query::new(filter)).await? });
    }
    Ok(counted)
}

fn within(field: &str, from: Date, to: Date) -> Filter {
    Filter::Field(field.into(), Constraint::GreaterOrEqual(Value::Date(from)))
        .and(Filter::Field(field.into(), Constraint::Less(Value::Date(to))))
}

async fn decisions(host: &Host, from: Date, to: Date) -> Result<Vec<Decided>, ParseError> {
    let during = within("reviewedAt", from, to);
    let (mut decided, mut rest) = (BTreeMap::new(), during.clone());
    loop {
        let page = host.find(VERIFICATION, Query::new(rest).ascending("objectId").limit(PAGE)).await?;
        decided.extend(page.iter().map(|verification| (verification.id.to_string(), Decided::of(verification))));
        let more = page.len() as u64 == PAGE && decided.len() < DECISIONS_MAX;
        let Some(last) = page.last().filter(|_| more) else { break };
        rest = during.clone().and(Filter::Field("objectId".into(), Constraint::Greater(last.id.as_str().into())));
    }
    let mut decided: Vec<Decided> = decided.into_values().collect();
    decided.sort_by_key(|decision| decision.reviewed_at);
    Ok(decided)
}

impl Decided {
    fn of(verification: &Object) -> Self {
        let text = |field: &str| verification.text(field).unwrap_or_default().to_owned();
        let date = |field: &str| verification.get(field).and_then(Value::as_date);
        let reasons = verification.get("reasons").and_then(Value::as_array).unwrap_or_default();
        let identity = verification.get("identity").and_then(Value::as_pointer);
        Self {
            verification: verification.id.to_string(),
            identity: identity.map(|identity| identity.id.to_string()).unwrap_or_default(),
            level: text("level"),
            provider: text("provider"),
            status: text("status"),
            reasons: reasons.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            risk_rating: verification.text("riskRating").map(str::to_owned),
            submitted_at: date("submittedAt"),
            reviewed_at: date("reviewedAt"),
        }
    }
}

/// How long it took in the middle: half took less, half took more.
fn median_hours(decisions: &[Decided]) -> Option<f64> {
    let took = decisions.iter().filter_map(|one| Some(one.reviewed_at?.millis() - one.submitted_at?.millis()));
    let mut took: Vec<i64> = took.collect();
    took.sort_unstable();
    let middle = *took.get(took.len() / 2)?;
    Some((middle as f64 / HOUR_MILLIS * 100.0).round() / 100.0)
}
