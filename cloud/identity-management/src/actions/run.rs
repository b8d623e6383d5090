//! Which step is due, who takes it, and what becomes of one that fails?

use std::sync::Arc;

use parsimony_cloud::{Host, JobRequest};
use parsimony_kit::chain::Trouble;
use parsimony_kit::{Cause, Outcome, audit, state};
use parsimony_model::query::Constraint;
use parsimony_model::{Date, ErrorCode, Filter, Object, ObjectId, ParseError, Query, Value, map};

use super::{ACTION, Action, ActionStatus, local, register};
use crate::APPLICATION;
use crate::chain::Registrar;
use crate::credentials::Issuer;

/// How many steps one run takes.
const STEP_OBJECTS: u64 = 100;

/// How often a step is tried.
const ATTEMPTS_MAX: u32 = 10;

/// How long to wait after the first failure; twice as long after each other one.
const BACK_OFF_MILLIS: i64 = 10_000;

/// How long to wait at most.
const BACK_OFF_MILLIS_MAX: i64 = 3_600_000;

/// How many characters of an error are kept.
const ERROR_CHARS_MAX: usize = 500;

/// What is kept of a trouble. A fault of ours has its cause in the log, and not here.
fn told(trouble: &Trouble) -> String {
    let text = match trouble {
        Trouble::Chain(error) => error.to_string(),
        Trouble::Parse(error) => {
            if error.code == ErrorCode::InternalServerError {
                tracing::error!(cause = error.detail.as_deref(), "a step after a verification failed");
            }
            error.message.to_string()
        }
    };
    text.chars().take(ERROR_CHARS_MAX).collect()
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It is done, or there is nothing to do.
    Ended,
    /// It goes on later.
    Waits,
}

/// What the steps need that is in the settings.
#[derive(Clone, Default)]
pub(crate) struct Runner {
    /// Who vouches.
    pub(crate) issuer: Option<Arc<Issuer>>,
    /// Who tells the chain.
    pub(crate) registrar: Option<Arc<Registrar>>,
}

impl Runner {
    /// `runPostVerificationActions`: takes every step that is due.
    pub(crate) async fn run(&self, request: JobRequest) -> Result<String, ParseError> {
        let (mut ended, mut waiting, mut failed) = (0_u64, 0_u64, 0_u64);
        let host = request.host.as_master();
        for step in host.find(ACTION, due(host.now())).await? {
            match self.take(Cause::Job(&request.job), &step).await? {
                Some(Progress::Ended) => ended += 1,
                Some(Progress::Waits) => waiting += 1,
                None => failed += 1,
            }
            if request.is_ending() {
                break;
            }
        }
        Ok(format!("{ended} steps ended, {waiting} go on, {failed} failed"))
    }

    /// Takes one step. What went wrong is noted in it (`None`), and is no trouble of the others.
    pub(crate) async fn take(&self, cause: Cause<'_>, step: &Object) -> Result<Option<Progress>, ParseError> {
        let taken = match step.text("action").and_then(Action::parse) {
            Some(Action::ActivateIdentity) => local::activate(cause, step).await,
            Some(Action::IssueCredential) => local::issue(cause, self.issuer.as_deref(), step).await,
            Some(Action::Notify) => local::tell(cause, step).await,
            Some(Action::RegisterOnChain) => register::register(cause, self.registrar.as_deref(), step).await,
            None => Err(ParseError::internal(format!("{ACTION} {} is no step", step.id)).into()),
        };
        match taken {
            Ok(progress) => Ok(Some(progress)),
            Err(trouble) => note_failure(cause, &step.id, &told(&trouble)).await.map(|()| None),
        }
    }
}

fn due(now: Date) -> Query {
    let open = vec![ActionStatus::Pending.into(), ActionStatus::Submitted.into()];
    let filter = Filter::Field("status".into(), Constraint::In(open))
        .and(Filter::Field("nextAttemptAt".into(), Constraint::LessOrEqual(Value::Date(now))));
    Query::new(filter).ascending("nextAttemptAt").limit(STEP_OBJECTS)
}

/// Notes a failure, and when to try again; one that failed too often is given up, with an entry in the audit trail.
async fn note_failure(cause: Cause<'_>, id: &ObjectId, error: &str) -> Result<(), ParseError> {
    let work = |host: Host| async move {
        let before = host.get(ACTION, id).await?;
        let status: ActionStatus = state::of(&before)?;
        if ![ActionStatus::Pending, ActionStatus::Submitted].contains(&status) {
            return Ok(());
        }
        let attempts = attempts(&before) + 1;
        let mut changes = map! {
            "attempts" => f64::from(attempts),
            "lastError" => error,
            "nextAttemptAt" => host.now().plus_millis(back_off(attempts)),
        };
        if attempts < ATTEMPTS_MAX {
            return host.update(ACTION, id, changes).await.map(drop);
        }
        changes.insert("status".into(), ActionStatus::Failed.into());
        let after = host.update(ACTION, id, changes).await?;
        let entry = (cause.entry(ACTION).changed(Some(&before), Some(&after)))
            .outcome(Outcome::Failed)
            .detail("step", after.text("action").unwrap_or_default());
        audit::append(&host, APPLICATION, entry).await.map(drop)
    };
    cause.host().transaction(work).await
}

fn attempts(step: &Object) -> u32 {
    let attempts = step.get("attempts").and_then(Value::as_f64).unwrap_or_default();
    attempts.to_string().parse().unwrap_or_default()
}

/// How long to wait after so many failures.
fn back_off(attempts: u32) -> i64 {
    let doubled = 1_i64.checked_shl(attempts.saturating_sub(1)).filter(|factor| *factor > 0);
    doubled
        .and_then(|factor| BACK_OFF_MILLIS.checked_mul(factor))
        .map_or(BACK_OFF_MILLIS_MAX, |wait| wait.min(BACK_OFF_MILLIS_MAX))
}

/// Ends a step, in the transaction of the host, with its entry.
pub(super) async fn end(
    cause: Cause<'_>,
    host: &Host,
    before: &Object,
    (status, result): (ActionStatus, parsimony_model::value::Map),
) -> Result<(), ParseError> {
    let mut changes = map! { "status" => status, "completedAt" => host.now() };
    if status == ActionStatus::Done {
        changes.insert("attempts".into(), f64::from(attempts(before) + 1).into());
        changes.insert("lastError".into(), map! { "__op" => "Delete" }.into());
        changes.insert("result".into(), result.into());
    } else {
        changes.extend(result);
    }
    let after = host.update(ACTION, &before.id, changes).await?;
    let entry = (cause.entry(ACTION).changed(Some(before), Some(&after)))
        .detail("step", before.text("action").unwrap_or_default())
        .detail("status", status);
    audit::append(host, APPLICATION, entry).await.map(drop)
}

/// Ends a step for which there is nothing to do, and says why.
pub(super) async fn skip(cause: Cause<'_>, id: &ObjectId, why: &str) -> Result<Progress, Trouble> {
    let work = |host: Host| async move {
        let before = host.get(ACTION, id).await?;
        if state::of::<ActionStatus>(&before)? != ActionStatus::Pending {
            return Ok(());
        }
        end(cause, &host, &before, (ActionStatus::Skipped, map! { "lastError" => why })).await
    };
    cause.host().transaction(work).await?;
    Ok(Progress::Ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_longer_up_to_an_hour() {
        let waits: Vec<i64> = [1, 2, 3, 9, 10, 63, 64, 65, u32::MAX].into_iter().map(back_off).collect();
        let hour = BACK_OFF_MILLIS_MAX;
        assert_eq!(waits, [10_000, 20_000, 40_000, 2_560_000, hour, hour, hour, hour, hour]);
    }
}
