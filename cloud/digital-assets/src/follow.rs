//! What became of what was sent? The chain is asked, and it alone is believed; then the ledger settles.

use alloy::primitives::Bytes;
use parsimony_connectors::chain::{Count, Inclusion, Receipt};
use parsimony_kit::{Cause, chain::Trouble};
use parsimony_model::{Date, Object, ParseError, Value, map};

use crate::deployment;
use crate::model::{TRANSACTION, TransactionType, pointer, text, whole, word};
use crate::outbox;
use crate::settings::Place;
use crate::settle::{self, Made};

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) submitted: u64,
    pub(crate) confirmed: u64,
    pub(crate) failed: u64,
    pub(crate) replaced: u64,
    pub(crate) raised: u64,
    pub(crate) waiting: u64,
}

/// One chain, and who looks at it.
pub(crate) struct Following<'a> {
    pub(crate) cause: Cause<'a>,
    pub(crate) place: &'a Place,
    pub(crate) counts: &'a mut Counts,
}

impl Following<'_> {
    /// Looks what became of one that was sent.
    pub(crate) async fn follow(&mut self, sent: &Object) -> Result<(), Trouble> {
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
                self.cause.host().update(TRANSACTION, &sent.id, seen).await?;
            }
            return Ok(());
        }
        if !receipt.succeeded {
            settle::fail(self.cause, &sent.id, "the contract refused it in its block").await?;
            self.counts.failed += 1;
            return Ok(());
        }
        let made = self.made(sent, receipt).await?;
        settle::confirm(self.cause, &sent.id, &settle::placed(receipt, confirmations), made.as_ref()).await?;
        self.counts.confirmed += 1;
        Ok(())
    }

    /// The asset that a deployment has made.
    async fn made(&self, sent: &Object, receipt: &Receipt) -> Result<Option<Made>, Trouble> {
        if word(sent, "type", TransactionType::parse)? != TransactionType::Deploy {
            return Ok(None);
        }
        deployment::told(self.place, pointer(sent, "asset")?.id.as_str(), receipt).await.map(Some)
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
        self.cause.host().update(TRANSACTION, &sent.id, cleared).await?;
        Ok(())
    }

    async fn waits(&mut self, sent: &Object) -> Result<(), Trouble> {
        let since = sent.get("submittedAt").and_then(Value::as_date);
        if self.is_long_ago(since) && outbox::offer_more(self.cause, self.place, sent).await? {
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
            settle::replace(self.cause, &sent.id).await?;
            self.counts.replaced += 1;
            return Ok(());
        }
        self.counts.waiting += 1;
        if since.is_none() {
            // An endpoint that is behind may not know it yet.
            let noted = map! { "missingSince" => self.cause.host().now() };
            self.cause.host().update(TRANSACTION, &sent.id, noted).await?;
        }
        Ok(())
    }

    fn is_long_ago(&self, since: Option<Date>) -> bool {
        since.is_some_and(|since| since.plus_millis(self.place.stuck_after_millis) <= self.cause.host().now())
    }
}
