//! When is it looked at how risky identities are, and who is told of a change?

use std::collections::BTreeSet;

use parsimony_cloud::{Host, Job, JobRequest};
use parsimony_kit::notifications::{Notice, notify};
use parsimony_kit::{AuditEntry, audit, roles};
use parsimony_model::query::{Constraint, Relatives};
use parsimony_model::{Date, FieldName, Filter, Object, ParseError, Pointer, Query, Value, map};

use super::factors::{Assessment, Factor, RiskSettings};
use crate::APPLICATION;
use crate::documents::Finding;
use crate::model::{
    DOCUMENT, DocumentStatus, IDENTITY, IdentityStatus, IdentityType, Level, RiskRating, VERIFICATION,
    VerificationStatus,
};
use crate::ruling::DAY_MILLIS;

/// How many identities one step takes.
const STEP_OBJECTS: u64 = 100;

/// How many documents of one identity are looked at.
const DOCUMENTS_MAX: u64 = 100;

/// How many officers are told.
const OFFICERS_MAX: u64 = 100;

/// After how many days a verification is old.
const OLD_DAYS: i64 = 365;

/// `complianceRiskAssessment`: looks how risky every identity is that was ever submitted.
pub(crate) async fn assess_all(request: JobRequest, settings: &RiskSettings) -> Result<String, ParseError> {
    let host = request.host.as_master();
    let officers = officers(&host).await?;
    let known = Filter::Field("status".into(), Constraint::NotEquals(IdentityStatus::Draft.into()));
    let (mut seen, mut changed, mut rest) = (0_u64, 0_u64, known.clone());
    loop {
        let query = Query::new(rest).ascending("objectId").limit(STEP_OBJECTS);
        let identities = host.find(IDENTITY, query).await?;
        for identity in &identities {
            let found = found(&host, settings, identity).await?;
            let assessed = settings.assess(&found);
            changed += u64::from(keep(&request.job, identity, &assessed, &officers).await?);
        }
        seen += identities.len() as u64;
        let more = identities.len() as u64 == STEP_OBJECTS && !request.is_ending();
        let Some(last) = identities.last().filter(|_| more) else { break };
        rest = known.clone().and(Filter::Field("objectId".into(), Constraint::Greater(last.id.as_str().into())));
        request.message(format!("{seen} identities seen, {changed} are rated otherwise")).await?;
    }
    Ok(format!("{seen} identities seen, {changed} are rated otherwise"))
}

/// Who answers for it: the members of the role.
async fn officers(host: &Host) -> Result<Vec<Pointer>, ParseError> {
    let named = Query::new(Filter::equals("name", roles::COMPLIANCE_OFFICER));
    let Some(role) = host.first("_Role", named).await? else { return Ok(Vec::new()) };
    let members = Filter::RelatedTo(Relatives { owner: role.pointer(), field: FieldName::parse("users")? });
    let found = host.find("_User", Query::new(members).limit(OFFICERS_MAX)).await?;
    Ok(found.iter().map(Object::pointer).collect())
}

/// What makes an identity risky.
async fn found(host: &Host, settings: &RiskSettings, identity: &Object) -> Result<BTreeSet<Factor>, ParseError> {
    let mut found = of_itself(settings, identity, host.now());
    let of = || Filter::equals("identity", identity.pointer());
    let rejected = of().and(Filter::equals("status", VerificationStatus::Rejected));
    if host.count(VERIFICATION, Query::new(rejected)).await? > 0 {
        found.insert(Factor::Rejected);
    }
    let documents = host.find(DOCUMENT, Query::new(of()).limit(DOCUMENTS_MAX)).await?;
    found.extend(of_documents(&documents, identity));
    if let Some(number) = identity.text("documentNumber") {
        let same = Filter::equals("documentNumber", number)
            .and(Filter::Field("objectId".into(), Constraint::NotEquals(identity.id.as_str().into())));
        if host.first(IDENTITY, Query::new(same)).await?.is_some() {
            found.insert(Factor::SharedDocument);
        }
    }
    Ok(found)
}

fn of_itself(settings: &RiskSettings, identity: &Object, now: Date) -> BTreeSet<Factor> {
    let is = |field: &str, word: &str| identity.text(field) == Some(word);
    let listed = |field: &str| identity.text(field).is_some_and(|code| settings.high_risk_countries.contains(code));
    let verified = identity.get("verifiedAt").and_then(Value::as_date);
    let found = [
        (Factor::Residence, listed("countryOfResidence")),
        (Factor::Nationality, listed("nationality")),
        (Factor::Organization, is("type", IdentityType::Organization.as_str())),
        (Factor::BasicLevel, is("verificationLevel", Level::Basic.as_str())),
        (Factor::OldVerification, verified.is_some_and(|at| at.plus_millis(OLD_DAYS * DAY_MILLIS) < now)),
    ];
    found.into_iter().filter(|(_, holds)| *holds).map(|(factor, _)| factor).collect()
}

fn of_documents(documents: &[Object], identity: &Object) -> Vec<Factor> {
    let is = |document: &Object, status: DocumentStatus| document.text("status") == Some(status.as_str());
    let doubtful = |document: &Object| {
        document.text("processingResult") == Some(Finding::SuspectedForgery.as_str())
            || document.get("ocrMatches") == Some(&Value::Bool(false))
    };
    // Of one that was never verified nothing has to be valid.
    let verified = identity.get("verifiedAt").is_some() && !documents.is_empty();
    let none_valid = verified && !documents.iter().any(|document| is(document, DocumentStatus::Accepted));
    let found = [(Factor::NoValidDocument, none_valid), (Factor::DoubtfulDocument, documents.iter().any(doubtful))];
    found.into_iter().filter(|(_, holds)| *holds).map(|(factor, _)| factor).collect()
}

/// The rating that holds: what a reviewer found is the least of it.
fn rating(assessed: RiskRating, reviewed: Option<RiskRating>) -> RiskRating {
    reviewed.map_or(assessed, |reviewed| reviewed.max(assessed))
}

/// Keeps what was found, if it is anything new; tells whether the rating changed.
async fn keep(job: &Job, identity: &Object, assessed: &Assessment, officers: &[Pointer]) -> Result<bool, ParseError> {
    let work = |host: Host| async move {
        let before = host.get(IDENTITY, &identity.id).await?;
        let was = before.text("riskRating").and_then(RiskRating::parse);
        let rated = rating(assessed.rating, reviewed(&host, &before).await?);
        let factors: Vec<Value> = (assessed.factors.iter())
            .map(|(factor, weight)| map! { "factor" => *factor, "weight" => f64::from(*weight) }.into())
            .collect();
        let same = was == Some(rated) && before.get("riskFactors").and_then(Value::as_array) == Some(&factors);
        if same {
            return Ok(false);
        }
        let changes = map! {
            "riskRating" => rated,
            "riskScore" => f64::from(assessed.score),
            "riskFactors" => factors.clone(),
            "riskAssessedAt" => host.now(),
        };
        let after = host.update(IDENTITY, &before.id, changes).await?;
        if was == Some(rated) {
            return Ok(false);
        }
        let told = (AuditEntry::of_job(job, IDENTITY).changed(Some(&before), Some(&after)))
            .detail("from", was)
            .detail("to", rated)
            .detail("score", f64::from(assessed.score))
            .detail("factors", factors);
        audit::append(&host, APPLICATION, told).await?;
        if was.is_some() || rated == RiskRating::High {
            tell(&host, job, (&after, was, rated), officers).await?;
        }
        Ok(true)
    };
    job.host.as_master().transaction(work).await
}

/// What the reviewer said whose approval the identity rests on.
async fn reviewed(host: &Host, identity: &Object) -> Result<Option<RiskRating>, ParseError> {
    let Some(current) = identity.get("currentVerification").and_then(Value::as_pointer) else { return Ok(None) };
    let query = Query::new(Filter::id(&current.id));
    let verification = host.first(VERIFICATION, query).await?;
    Ok(verification.and_then(|verification| RiskRating::parse(verification.text("riskRating")?)))
}

async fn tell(
    host: &Host,
    job: &Job,
    (identity, was, rated): (&Object, Option<RiskRating>, RiskRating),
    officers: &[Pointer],
) -> Result<(), ParseError> {
    for officer in officers {
        let notice = Notice {
            user: officer.clone(),
            kind: "RISK_RATING_CHANGED".into(),
            title: format!("The risk rating of an identity is {rated} now."),
            body: None,
            data: map! { "identityId" => identity.id.as_str(), "from" => was, "to" => rated },
            about: Some(format!("{IDENTITY}:{}", identity.id)),
            once: format!("risk:{}:{}:{}", identity.id, job.id, officer.id),
        };
        notify(host, APPLICATION, notice).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reviewer_found_is_the_least_of_it() {
        use RiskRating::{High, Low, Medium};
        for (assessed, reviewed, expected) in
            [(Low, None, Low), (Low, Some(High), High), (High, Some(Low), High), (Medium, Some(Medium), Medium)]
        {
            assert_eq!(rating(assessed, reviewed), expected);
        }
    }
}
