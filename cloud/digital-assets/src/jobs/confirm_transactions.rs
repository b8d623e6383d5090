//! `confirmTransactions`: sends what waits, looks what became of what was sent, and settles what is final.

use alloy::primitives::Bytes;
use alloy::sol_types::SolCall as _;
use parsimony_cloud::{Job, JobRequest};
use parsimony_connectors::chain::{Address, Count, Inclusion, Receipt};
use parsimony_model::{Date, Filter, Object, ParseError, Query, Value, map};

use super::Nothing;
use crate::contracts::abi::Common;
use crate::contracts::{asset_key, deployed};
use crate::model::{TRANSACTION, TransactionStatus, TransactionType, pointer, text, whole, word};
use crate::outbox::{self, Sent, Trouble};
use crate::settings::{Chains, Place};
use crate::settle::{self, Made};

/// How many are looked at in one run, of each status.
const BATCH: u64 = 500;

/// What a run did.
#[derive(Debug, Default)]
struct Counts {
    submitted: u64,
    confirmed: u64,
    failed: u64,
    replaced: u64,
    raised: u64,
    waiting: u64,
    trouble: Vec<String>,
}

/// Goes through every chain. What one chain has trouble with does not keep the others.
pub(crate) async fn confirm_transactions(request: JobRequest<Nothing>, chains: Chains) -> Result<String, ParseError> {
    let job = &request.job;
    let mut counts = Counts::default();
    for (id, place) in chains.iter() {
        let mut round = Round { job, place, counts: &mut counts };
        match round.run(id).await {
            Ok(()) => {}
            Err(Trouble::Chain(error)) => {
                tracing::warn!(chain = id, %error, "a chain cannot be asked");
                counts.trouble.push(format!("chain {id}: {error}"));
            }
            Err(Trouble::Parse(error)) => return Err(error),
        }
    }
    Ok(counts.told())
}

impl Counts {
    fn told(&self) -> String {
        let Self { submitted, confirmed, failed, replaced, raised, waiting, trouble } = self;
        let mut text = format!(
            "{submitted} submitted, {confirmed} confirmed, {failed} failed, {replaced} replaced, {raised} offered more, {waiting} wait"
        );
        for trouble in trouble {
            text.push_str("; ");
            text.push_str(trouble);
        }
        text
    }
}

/// One chain.
struct Round<'a> {
    job: &'a Job,
    place: &'a Place,
    counts: &'a mut Counts,
}

impl Round<'_> {
    async fn run(&mut self, chain: u64) -> Result<(), Trouble> {
        // What was sent first, so that what waits for it may go in the same run.
        for sent in self.open(chain, TransactionStatus::Submitted).await? {
            if self.job.is_ending() {
                return Ok(());
            }
            self.follow(&sent).await?;
        }
        for waiting in self.open(chain, TransactionStatus::Created).await? {
            if self.job.is_ending() {
                return Ok(());
            }
            match outbox::submit(self.job, self.place, &waiting).await? {
                Sent::Submitted => self.counts.submitted += 1,
                Sent::Waits => self.counts.waiting += 1,
                Sent::Failed => self.counts.failed += 1,
            }
        }
        Ok(())
    }

    async fn open(&self, chain: u64, status: TransactionStatus) -> Result<Vec<Object>, ParseError> {
        let open = Filter::equals("status", status).and(Filter::equals("chainId", chain as f64));
        self.job.host.find(TRANSACTION, Query::new(open).ascending("createdAt").limit(BATCH)).await
    }

    async fn follow(&mut self, sent: &Object) -> Result<(), Trouble> {
        let mut waits = false;
        for hash in outbox::hashes(sent) {
            match self.place.chain.inclusion(hash).await? {
                Inclusion::Included { receipt, confirmations } => {
                    return self.included(sent, &receipt, confirmations).await;
                }
                Inclusion::Waiting => waits = true,
                Inclusion::Unknown => {}
            }
        }
        self.taken_back(sent).await?;
        if waits { self.waits(sent).await } else { self.missing(sent).await }
    }

    async fn included(&mut self, sent: &Object, receipt: &Receipt, confirmations: u64) -> Result<(), Trouble> {
        if confirmations < self.place.chain.confirmations() {
            self.counts.waiting += 1;
            if whole(sent, "confirmations") != Some(confirmations) {
                let seen = settle::placed(receipt, confirmations);
                self.job.host.update(TRANSACTION, &sent.id, seen).await?;
            }
            return Ok(());
        }
        if !receipt.succeeded {
            settle::fail(self.job, &sent.id, "the contract refused it in its block").await?;
            self.counts.failed += 1;
            return Ok(());
        }
        let made = self.made(sent, receipt).await?;
        settle::confirm(self.job, &sent.id, (receipt, confirmations), made.as_ref()).await?;
        self.counts.confirmed += 1;
        Ok(())
    }

    /// The asset that a deployment has made, with its facets.
    async fn made(&self, sent: &Object, receipt: &Receipt) -> Result<Option<Made>, Trouble> {
        if word(sent, "type", TransactionType::parse)? != TransactionType::Deploy {
            return Ok(None);
        }
        let asset = pointer(sent, "asset")?;
        let factory = self.place.factory.ok_or_else(|| ParseError::internal("the chain has no factory any more"))?;
        let key = asset_key(asset.id.as_str());
        let Some(address) = deployed(receipt, factory, key) else {
            return Err(ParseError::internal("a deployment succeeded, and the factory told of no asset").into());
        };
        let facets = self.facets(address).await?;
        Ok(Some(Made { address, facets }))
    }

    async fn facets(&self, asset: Address) -> Result<Vec<Address>, Trouble> {
        let answer = self.place.chain.call(asset, Common::facetAddressesCall {}.abi_encode().into()).await?;
        let facets = Common::facetAddressesCall::abi_decode_returns(&answer);
        facets.map_err(|error| ParseError::internal(error).into())
    }

    /// It was in a block once, which is no longer part of the chain.
    async fn taken_back(&self, sent: &Object) -> Result<(), Trouble> {
        if sent.get("blockHash").is_none_or(Value::is_null) {
            return Ok(());
        }
        tracing::warn!(
            transaction = sent.id.as_str(),
            "the chain was reorganized, and a transaction is in no block any more"
        );
        let cleared = map! { "blockHash" => Value::Null, "blockNumber" => Value::Null, "confirmations" => 0 };
        self.job.host.update(TRANSACTION, &sent.id, cleared).await?;
        Ok(())
    }

    async fn waits(&mut self, sent: &Object) -> Result<(), Trouble> {
        let since = sent.get("submittedAt").and_then(Value::as_date);
        if self.is_long_ago(since) && outbox::offer_more(self.job, self.place, sent).await? {
            self.counts.raised += 1;
        } else {
            self.counts.waiting += 1;
        }
        Ok(())
    }

    /// No endpoint knows it: it was dropped, and is sent again; unless its nonce is gone, and has been for a while.
    async fn missing(&mut self, sent: &Object) -> Result<(), Trouble> {
        let sender = text(sent, "sender")?.parse().map_err(ParseError::internal)?;
        let included = self.place.chain.transaction_count(sender, Count::Included).await?;
        let gone = whole(sent, "nonce").is_some_and(|nonce| nonce < included);
        if !gone {
            let raw: Bytes = text(sent, "rawTransaction")?.parse().map_err(ParseError::internal)?;
            self.counts.waiting += 1;
            return outbox::send(self.place, &raw).await;
        }
        let since = sent.get("missingSince").and_then(Value::as_date);
        if self.is_long_ago(since) {
            settle::replace(self.job, &sent.id).await?;
            self.counts.replaced += 1;
            return Ok(());
        }
        self.counts.waiting += 1;
        if since.is_none() {
            // An endpoint that is behind may not know it yet.
            let noted = map! { "missingSince" => self.job.host.now() };
            self.job.host.update(TRANSACTION, &sent.id, noted).await?;
        }
        Ok(())
    }

    fn is_long_ago(&self, since: Option<Date>) -> bool {
        since.is_some_and(|since| since.plus_millis(self.place.stuck_after_millis) <= self.job.host.now())
    }
}
