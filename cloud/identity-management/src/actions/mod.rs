//! What follows from an approval: the identity becomes active, a credential is issued, the chain is told, its owner hears of it.
//!
//! Each of these steps is a row, made in the transaction of the approval, with its status, its tries and its last error. A job
//! takes each step alone, again after each failure, later each time. What a step does here it does in the transaction that notes
//! it as done, so it is done once; what it asks of a chain it writes down before it sends it.
//!
//! | question | file |
//! | --- | --- |
//! | which step is due, and what becomes of one that fails | `run.rs` |
//! | what is done within this server | `local.rs` |
//! | what is the chain to say, and does it | `register.rs` |
//! | how does a transaction get to the chain, and what became of it | `outbox.rs` |

mod local;
mod outbox;
mod register;
mod run;

use parsimony_cloud::{CONFLICT, Host};
use parsimony_kit::{states, words};
use parsimony_model::{ErrorCode, Filter, Object, ParseError, Query, map};

pub(crate) use register::note as note_chain;
pub(crate) use run::Runner;

use crate::model::{pointer, readable_by};

/// The class of the steps.
pub const ACTION: &str = "PostVerificationAction";

words! {
    /// A step.
    pub enum Action {
        /// The identity rests on this verification from now on.
        ActivateIdentity = "ACTIVATE_IDENTITY",
        /// A credential says so.
        IssueCredential = "ISSUE_CREDENTIAL",
        /// The chain says so.
        RegisterOnChain = "REGISTER_ON_CHAIN",
        /// Its owner hears of it.
        Notify = "NOTIFY",
    }
}

states! {
    /// Where a step stands.
    pub enum ActionStatus of "PostVerificationAction" from Pending {
        /// It waits for its turn.
        Pending = "PENDING" => [Submitted, Done, Failed, Skipped];
        /// It is on its way to the chain.
        Submitted = "SUBMITTED" => [Pending, Done, Failed];
        /// It is done. What a chain says may have to be said anew.
        Done = "DONE" => [Pending];
        /// It failed too often. It may be begun again by hand.
        Failed = "FAILED" => [Pending];
        /// There is nothing to do, as nothing is configured for it. It may be begun again by hand.
        Skipped = "SKIPPED" => [Pending];
    }
}

/// Makes the steps that follow from an approval, in its transaction; those that are there stay as they are.
pub(crate) async fn plan(host: &Host, identity: &Object, verification: &Object) -> Result<(), ParseError> {
    let planned = planned(host, verification).await?;
    let owner = pointer(identity, "user")?;
    for action in Action::ALL {
        if planned.iter().any(|step| step.text("action") == Some(action.as_str())) {
            continue;
        }
        let fields = map! {
            "identity" => identity.pointer(),
            "verification" => verification.pointer(),
            "user" => owner.clone(),
            "action" => *action,
            "status" => ActionStatus::Pending,
            "attempts" => 0.0,
            "nextAttemptAt" => host.now(),
            "ACL" => readable_by(&owner.id),
        };
        host.create(ACTION, fields).await.map_err(|error| {
            let taken = error.code == ErrorCode::DuplicateValue;
            if taken { ParseError::with_number(CONFLICT, "Another one plans the same.") } else { error }
        })?;
    }
    Ok(())
}

/// The steps of an approval.
pub(crate) async fn planned(host: &Host, verification: &Object) -> Result<Vec<Object>, ParseError> {
    let query = Query::new(Filter::equals("verification", verification.pointer()));
    host.find(ACTION, query.limit(Action::ALL.len() as u64)).await
}

/// Has the chain told anew what it was told of an identity, in the transaction of the host: something has changed since.
pub(crate) async fn tell_chain_anew(host: &Host, identity: &Object) -> Result<(), ParseError> {
    let told = Filter::equals("identity", identity.pointer())
        .and(Filter::equals("action", Action::RegisterOnChain))
        .and(Filter::equals("status", ActionStatus::Done));
    let Some(step) = host.first(ACTION, Query::new(told).descending("createdAt")).await? else { return Ok(()) };
    host.update(ACTION, &step.id, begun_anew(host)).await.map(drop)
}

/// The fields of a step that begins anew.
pub(crate) fn begun_anew(host: &Host) -> parsimony_model::value::Map {
    let gone = || map! { "__op" => "Delete" };
    map! {
        "status" => ActionStatus::Pending,
        "attempts" => 0.0,
        "nextAttemptAt" => host.now(),
        "lastError" => gone(),
        "completedAt" => gone(),
    }
}
