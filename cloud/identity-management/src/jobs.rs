//! What happens to identities by itself: what is too old expires, and whose document expires is told in time.

use parsimony_cloud::{Application, Host, Job, JobPlan, JobRequest};
use parsimony_kit::notifications::{Notice, notify};
use parsimony_kit::state::State;
use parsimony_kit::{AuditEntry, audit, state};
use parsimony_model::query::Constraint;
use parsimony_model::{Date, Filter, Object, ParseError, Query, Value, map};

use crate::APPLICATION;
use crate::model::{DOCUMENT, DocumentStatus, IDENTITY, IdentityStatus, VERIFICATION, VerificationStatus, pointer};
use crate::ruling::DAY_MILLIS;

/// How many days a verification may be open.
const OPEN_DAYS_MAX: i64 = 30;

/// How many days before a document expires its owner is told, the first time first.
const NOTICE_DAYS: [i64; 4] = [30, 14, 3, 0];

/// How many objects one step takes.
const STEP_OBJECTS: u64 = 100;

/// The application with its nightly jobs.
pub(crate) fn with_jobs(application: Application) -> Application {
    let nightly = |minute: u8| JobPlan::manual().cron(&format!("{minute} 2 * * *"), "UTC");
    application.job("expireVerifications", nightly(5), expire_verifications).job(
        "checkDocumentExpiry",
        nightly(15),
        check_document_expiry,
    )
}

/// `expireVerifications`: open ones that nobody decided, approvals whose time is over, and identities that rest on them.
async fn expire_verifications(request: JobRequest) -> Result<String, ParseError> {
    let now = request.host.now();
    let open = Filter::Field("status".into(), Constraint::In(VerificationStatus::OPEN.map(Value::from).to_vec()))
        .and(before("submittedAt", now.plus_millis(-OPEN_DAYS_MAX * DAY_MILLIS)));
    let approved = Filter::equals("status", VerificationStatus::Approved).and(before("expiresAt", now));
    let verified = Filter::equals("status", IdentityStatus::Verified).and(before("expiresAt", now));
    let undecided = expire(&request, VERIFICATION, open, VerificationStatus::Expired).await?;
    let over = expire(&request, VERIFICATION, approved, VerificationStatus::Expired).await?;
    let identities = expire(&request, IDENTITY, verified, IdentityStatus::Expired).await?;
    Ok(format!("{undecided} undecided verifications, {over} approvals and {identities} identities have expired"))
}

/// `checkDocumentExpiry`: tells the owners of documents 30, 14 and 3 days before they expire, and when they do.
async fn check_document_expiry(request: JobRequest) -> Result<String, ParseError> {
    let now = request.host.now();
    let valid = || {
        let statuses = vec![DocumentStatus::Pending.into(), DocumentStatus::Accepted.into()];
        Filter::Field("status".into(), Constraint::In(statuses))
    };
    let soon = valid().and(before("expiresAt", now.plus_millis(NOTICE_DAYS[0] * DAY_MILLIS)));
    let (mut seen, mut told) = (0, 0_u64);
    let mut rest = soon.clone();
    loop {
        let query = Query::new(rest).ascending("objectId").limit(STEP_OBJECTS);
        let documents = request.host.find(DOCUMENT, query).await?;
        for document in &documents {
            told += u64::from(tell(&request.host, document, now).await?);
        }
        seen += documents.len() as u64;
        let Some(last) = documents.last().filter(|_| documents.len() as u64 == STEP_OBJECTS) else { break };
        rest = soon.clone().and(Filter::Field("objectId".into(), Constraint::Greater(last.id.as_str().into())));
        request.message(format!("{seen} documents seen, {told} owners told")).await?;
    }
    let expired = expire(&request, DOCUMENT, valid().and(before("expiresAt", now)), DocumentStatus::Expired).await?;
    Ok(format!("{told} owners told, {expired} documents have expired"))
}

/// Tells the owner of a document that it expires, once for each of the days.
async fn tell(host: &Host, document: &Object, now: Date) -> Result<bool, ParseError> {
    let Some(expires_at) = document.get("expiresAt").and_then(Value::as_date) else { return Ok(false) };
    let Some(days) = days_told(expires_at, now) else { return Ok(false) };
    let kind = document.text("type").unwrap_or_default();
    let title = match days {
        0 => format!("Your {kind} has expired."),
        days => format!("Your {kind} expires in less than {} days.", days + 1),
    };
    let notice = Notice {
        user: pointer(document, "user")?,
        kind: if days == 0 { "DOCUMENT_EXPIRED" } else { "DOCUMENT_EXPIRES" }.into(),
        title,
        body: None,
        data: map! { "documentId" => document.id.as_str(), "expiresAt" => expires_at, "days" => days as f64 },
        about: Some(format!("{DOCUMENT}:{}", document.id)),
        once: format!("document-expiry:{}:{}:{days}", document.id, expires_at.millis()),
    };
    Ok(notify(host, APPLICATION, notice).await?.is_some())
}

/// Which of the days it is, if it is any: the last that has come.
fn days_told(expires_at: Date, now: Date) -> Option<i64> {
    let left = expires_at.millis() - now.millis();
    NOTICE_DAYS.into_iter().rev().find(|days| left <= days * DAY_MILLIS)
}

fn before(field: &str, moment: Date) -> Filter {
    Filter::Field(field.into(), Constraint::LessOrEqual(Value::Date(moment)))
}

/// Moves all objects of a class that a filter finds to a status, each in a transaction with its entry; tells how many.
pub(crate) async fn expire<S: State>(job: &Job, class: &str, filter: Filter, to: S) -> Result<u64, ParseError> {
    let mut moved = 0;
    loop {
        let found = job.host.find(class, Query::new(filter.clone()).limit(STEP_OBJECTS)).await?;
        for object in &found {
            job.host.as_master().transaction(|host| async move { one(&host, job, object, to).await }).await?;
        }
        moved += found.len() as u64;
        if (found.len() as u64) < STEP_OBJECTS || job.is_ending() {
            return Ok(moved);
        }
        job.message(format!("{moved} of {class} have expired")).await?;
    }
}

async fn one<S: State>(host: &Host, job: &Job, object: &Object, to: S) -> Result<(), ParseError> {
    let class = object.class.as_str();
    let before = host.get(class, &object.id).await?;
    // Somebody may have been quicker: then it is theirs to say where it goes.
    let from: S = state::of(&before)?;
    if !from.next().contains(&to) {
        return Ok(());
    }
    let after = host.update(class, &object.id, map! { "status" => to.name() }).await?;
    let entry = AuditEntry::of_job(job, class).changed(Some(&before), Some(&after)).detail("status", to.name());
    audit::append(host, APPLICATION, entry).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_told_on_the_days() {
        let now = Date::from_millis(1_000 * DAY_MILLIS);
        for (left_millis, expected) in [
            (31 * DAY_MILLIS, None),
            (30 * DAY_MILLIS, Some(30)),
            (15 * DAY_MILLIS, Some(30)),
            (14 * DAY_MILLIS, Some(14)),
            (3 * DAY_MILLIS + 1, Some(14)),
            (3 * DAY_MILLIS, Some(3)),
            (1, Some(3)),
            (0, Some(0)),
            (-9 * DAY_MILLIS, Some(0)),
        ] {
            assert_eq!(days_told(now.plus_millis(left_millis), now), expected, "{left_millis}");
        }
    }
}
