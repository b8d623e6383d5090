//! What does the ledger do when the chain has decided? What came in is free, what was refused goes back.

use alloy::primitives::{Address, U256};
use parsimony_cloud::Host;
use parsimony_connectors::chain::Receipt;
use parsimony_kit::{audit, state};
use parsimony_model::value::Map;
use parsimony_model::{Filter, Object, ObjectId, ParseError, Query, map};

use crate::APPLICATION;
use crate::amount;
use crate::cause::Cause;
use crate::holding::Holding;
use crate::ledger::{Asset, again};
use crate::model::{
    ASSET, AssetStatus, DEPLOYMENT, DeploymentStatus, TRANSACTION, TransactionStatus, TransactionType, pointer, text,
    word,
};

/// How long the reason of a failure may be, in characters.
const REASON_CHARS_MAX: usize = 500;

/// What the chain has made of an asset.
pub(crate) struct Made {
    pub(crate) address: Address,
    pub(crate) facets: Vec<Address>,
}

/// A transaction about which the chain has decided, in the transaction of the store that writes it down.
struct Settling<'a> {
    host: &'a Host,
    transaction: Object,
    kind: TransactionType,
    asset: Asset,
    amount: U256,
}

/// The block is final: what was decided is so.
pub(crate) async fn confirm(
    cause: Cause<'_>,
    id: &ObjectId,
    (receipt, confirmations): (&Receipt, u64),
    made: Option<&Made>,
) -> Result<(), ParseError> {
    let work = |host: Host| async move {
        let Some(settling) = Settling::load(&host, id).await? else { return Ok(()) };
        let mut changes = placed(receipt, confirmations);
        changes.insert("status".into(), TransactionStatus::Confirmed.into());
        settling.confirm(made).await?;
        settling.finish(cause, changes).await
    };
    cause.host().transaction(work).await
}

/// It did not come to be: the ledger goes back.
pub(crate) async fn fail(cause: Cause<'_>, id: &ObjectId, reason: &str) -> Result<(), ParseError> {
    let reason: &String = &reason.chars().take(REASON_CHARS_MAX).collect();
    let work = |host: Host| async move {
        let Some(settling) = Settling::load(&host, id).await? else { return Ok(()) };
        settling.undo().await?;
        settling.finish(cause, map! { "status" => TransactionStatus::Failed, "failure" => reason.as_str() }).await
    };
    cause.host().transaction(work).await
}

/// Something else took its nonce: the same is decided once more.
pub(crate) async fn replace(cause: Cause<'_>, id: &ObjectId) -> Result<(), ParseError> {
    let work = |host: Host| async move {
        let Some(settling) = Settling::load(&host, id).await? else { return Ok(()) };
        host.create(TRANSACTION, again(&settling.transaction)).await?;
        settling.finish(cause, map! { "status" => TransactionStatus::Replaced }).await
    };
    cause.host().transaction(work).await
}

/// Where a receipt says that a transaction is.
pub(crate) fn placed(receipt: &Receipt, confirmations: u64) -> Map {
    map! {
        "blockNumber" => receipt.block_number as f64,
        "blockHash" => receipt.block_hash.to_string(),
        "confirmations" => confirmations as f64,
        "gasUsed" => receipt.gas_used.to_string(),
    }
}

impl<'a> Settling<'a> {
    /// The transaction, unless another server was quicker.
    async fn load(host: &'a Host, id: &ObjectId) -> Result<Option<Self>, ParseError> {
        let transaction = host.get(TRANSACTION, id).await?;
        if !TransactionStatus::OPEN.contains(&state::of(&transaction)?) {
            return Ok(None);
        }
        let asset = Asset::load(host, &pointer(&transaction, "asset")?.id).await?;
        let kind = word(&transaction, "type", TransactionType::parse)?;
        let amount = amount::of(&transaction, "amount")?;
        Ok(Some(Self { host, transaction, kind, asset, amount }))
    }

    async fn confirm(&self, made: Option<&Made>) -> Result<(), ParseError> {
        match self.kind {
            TransactionType::Deploy => {
                let made = made.ok_or_else(|| ParseError::internal("the factory told of no asset"))?;
                self.deployed(made).await
            }
            TransactionType::Mint | TransactionType::Transfer => {
                let mut holding = self.holding("to").await?;
                holding.settle(self.amount)?;
                holding.store(self.host).await.map(drop)
            }
            TransactionType::Burn => {
                let mut holding = self.holding("from").await?;
                holding.settle(self.amount)?;
                holding.give(self.amount)?;
                holding.store(self.host).await?;
                self.lower_supply().await
            }
            // The ledger has done these when they were decided.
            TransactionType::Pause
            | TransactionType::Unpause
            | TransactionType::Freeze
            | TransactionType::Unfreeze
            | TransactionType::FreezeTokens
            | TransactionType::UnfreezeTokens => Ok(()),
        }
    }

    async fn undo(&self) -> Result<(), ParseError> {
        match self.kind {
            TransactionType::Deploy => self.not_deployed().await,
            TransactionType::Mint => {
                self.take_from_receiver().await?;
                self.lower_supply().await
            }
            TransactionType::Transfer => {
                self.take_from_receiver().await?;
                let mut sender = self.holding("from").await?;
                sender.take_back(self.amount)?;
                sender.store(self.host).await.map(drop)
            }
            TransactionType::Burn => {
                let mut holding = self.holding("from").await?;
                holding.settle(self.amount)?;
                holding.store(self.host).await.map(drop)
            }
            // What rests or is frozen in the ledger stays so: whoever decided it wanted no less.
            TransactionType::Pause
            | TransactionType::Unpause
            | TransactionType::Freeze
            | TransactionType::Unfreeze
            | TransactionType::FreezeTokens
            | TransactionType::UnfreezeTokens => Ok(()),
        }
    }

    async fn take_from_receiver(&self) -> Result<(), ParseError> {
        let mut receiver = self.holding("to").await?;
        receiver.settle(self.amount)?;
        receiver.give(self.amount)?;
        receiver.store(self.host).await.map(drop)
    }

    async fn lower_supply(&self) -> Result<(), ParseError> {
        let supply = amount::subtract("the supply", self.asset.supply()?, self.amount)?;
        self.asset.set_supply(self.host, supply).await.map(drop)
    }

    async fn holding(&self, side: &str) -> Result<Holding, ParseError> {
        let holder = pointer(&self.transaction, side)?;
        Holding::load(self.host, &self.asset.pointer(), &holder, text(&self.transaction, "tokenId")?).await
    }

    async fn deployed(&self, made: &Made) -> Result<(), ParseError> {
        let deployment = self.deployment().await?;
        let facets: Vec<String> = made.facets.iter().map(Address::to_string).collect();
        let changes = map! {
            "status" => DeploymentStatus::Active,
            "address" => made.address.to_string(),
            "facets" => facets,
            "transactionHash" => self.transaction.text("transactionHash"),
        };
        self.host.update(DEPLOYMENT, &deployment.id, changes).await?;
        let changes = map! { "status" => AssetStatus::Active, "address" => made.address.to_string() };
        self.host.update(ASSET, &self.asset.object.id, changes).await.map(drop)
    }

    async fn not_deployed(&self) -> Result<(), ParseError> {
        let deployment = self.deployment().await?;
        let failed = map! { "status" => DeploymentStatus::Failed };
        self.host.update(DEPLOYMENT, &deployment.id, failed).await?;
        let draft = map! { "status" => AssetStatus::Draft };
        self.host.update(ASSET, &self.asset.object.id, draft).await.map(drop)
    }

    async fn deployment(&self) -> Result<Object, ParseError> {
        let pending =
            Filter::equals("asset", self.asset.pointer()).and(Filter::equals("status", DeploymentStatus::Pending));
        let found = self.host.first(DEPLOYMENT, Query::new(pending)).await?;
        found.ok_or_else(|| ParseError::internal("an asset is deployed, and no deployment waits for it"))
    }

    async fn finish(&self, cause: Cause<'_>, changes: Map) -> Result<(), ParseError> {
        let after = self.host.update(TRANSACTION, &self.transaction.id, changes).await?;
        let entry = cause
            .entry(TRANSACTION)
            .changed(Some(&self.transaction), Some(&after))
            .detail("type", self.kind)
            .detail("status", state::of::<TransactionStatus>(&after)?);
        audit::append(self.host, APPLICATION, entry).await.map(drop)
    }
}
