//! `confirmTransactions`: sends what waits, looks what became of what was sent, and settles what is final.

use parsimony_cloud::JobRequest;
use parsimony_kit::{Cause, chain::Trouble};
use parsimony_model::{Filter, Object, ParseError, Query};

use super::Nothing;
use crate::follow::{Counts, Following};
use crate::model::{TRANSACTION, TransactionStatus};
use crate::outbox::{self, Sent};
use crate::settings::Chains;

/// How many are looked at in one run, of each status.
const BATCH: u64 = 500;

/// Goes through every chain. What one chain has trouble with does not keep the others.
pub(crate) async fn confirm_transactions(request: JobRequest<Nothing>, chains: Chains) -> Result<String, ParseError> {
    let cause = Cause::Job(&request.job);
    let (mut counts, mut troubles) = (Counts::default(), Vec::new());
    for (id, place) in chains.iter() {
        match round(id, Following { cause, place, counts: &mut counts }).await {
            Ok(()) => {}
            Err(Trouble::Chain(error)) => {
                tracing::warn!(chain = id, %error, "a chain cannot be asked");
                troubles.push(format!("; chain {id}: {error}"));
            }
            Err(Trouble::Parse(error)) => return Err(error),
        }
    }
    let Counts { submitted, confirmed, failed, replaced, raised, waiting } = counts;
    let done = format!("{submitted} submitted, {confirmed} confirmed, {failed} failed, {replaced} replaced");
    Ok(format!("{done}, {raised} offered more, {waiting} wait{}", troubles.concat()))
}

async fn round(chain: u64, mut following: Following<'_>) -> Result<(), Trouble> {
    let cause = following.cause;
    // What was sent first, so that what waits for it may go in the same run.
    for sent in open(cause, chain, TransactionStatus::Submitted).await? {
        if cause.is_ending() {
            return Ok(());
        }
        following.follow(&sent).await?;
    }
    for waiting in open(cause, chain, TransactionStatus::Created).await? {
        if cause.is_ending() {
            return Ok(());
        }
        match outbox::submit(cause, following.place, &waiting).await? {
            Sent::Submitted => following.counts.submitted += 1,
            Sent::There => following.counts.confirmed += 1,
            Sent::Waits => following.counts.waiting += 1,
            Sent::Failed => following.counts.failed += 1,
        }
    }
    Ok(())
}

async fn open(cause: Cause<'_>, chain: u64, status: TransactionStatus) -> Result<Vec<Object>, ParseError> {
    let open = Filter::equals("status", status).and(Filter::equals("chainId", chain as f64));
    cause.host().find(TRANSACTION, Query::new(open).ascending("createdAt").limit(BATCH)).await
}
