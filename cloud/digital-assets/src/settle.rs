//! What does the ledger do when the chain has decided? What came in is free, what was refused goes back.

use alloy::primitives::Address;
use parsimony_cloud::Host;
use parsimony_connectors::chain::Receipt;
use parsimony_kit::{Cause, audit, state};
use parsimony_model::value::Map;
use parsimony_model::{Filter, Object, ObjectId, ParseError, Query, map};

use crate::APPLICATION;
use crate::amount;
use crate::ledger::{Asset, again};
use crate::legs::Leg;
use crate::listing::Listing;
use crate::model::{
    ASSET, AssetStatus, DEPLOYMENT, DeploymentStatus, LISTING, TRANSACTION, TransactionStatus, TransactionType,
    optional_pointer, pointer, word,
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
}

/// What the chain chose.
#[derive(Clone, Copy)]
enum Chosen {
    Confirmed,
    Refused,
}

/// The block is final: what was decided is so. `placed` says where; a deployment that is found on the chain, and was not seen in
/// a block, says nothing.
pub(crate) async fn confirm(
    cause: Cause<'_>,
    id: &ObjectId,
    placed: &Map,
    made: Option<&Made>,
) -> Result<(), ParseError> {
    let work = |host: Host| async move {
        let Some(settling) = Settling::load(&host, id).await? else { return Ok(()) };
        let mut changes = placed.clone();
        changes.insert("status".into(), TransactionStatus::Confirmed.into());
        settling.confirm(made).await?;
        settling.listing(cause, Chosen::Confirmed).await?;
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
        settling.listing(cause, Chosen::Refused).await?;
        settling.finish(cause, map! { "status" => TransactionStatus::Failed, "failure" => reason.as_str() }).await
    };
    cause.host().transaction(work).await
}

/// Something else took its nonce: the same is decided once more.
pub(crate) async fn replace(cause: Cause<'_>, id: &ObjectId) -> Result<(), ParseError> {
    let work = |host: Host| async move {
        let Some(settling) = Settling::load(&host, id).await? else { return Ok(()) };
        // First: the payment of a sale is attested by one transaction at a time.
        settling.finish(cause, map! { "status" => TransactionStatus::Replaced }).await?;
        host.create(TRANSACTION, again(&settling.transaction)).await.map(drop)
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
        Ok(Some(Self { host, transaction, kind, asset }))
    }

    async fn confirm(&self, made: Option<&Made>) -> Result<(), ParseError> {
        if self.kind == TransactionType::Deploy {
            let made = made.ok_or_else(|| ParseError::internal("the factory told of no asset"))?;
            return self.deployed(made).await;
        }
        for leg in Leg::of(&self.transaction)? {
            leg.confirm(self.host).await?;
        }
        Ok(())
    }

    /// What rests or is frozen in the ledger stays so: whoever decided it wanted no less.
    async fn undo(&self) -> Result<(), ParseError> {
        if self.kind == TransactionType::Deploy {
            return self.not_deployed().await;
        }
        for leg in Leg::of(&self.transaction)? {
            leg.undo(self.host).await?;
        }
        Ok(())
    }

    /// What it means to the listing that was bought with it, if one was.
    async fn listing(&self, cause: Cause<'_>, decided: Chosen) -> Result<(), ParseError> {
        let Some(listing) = optional_pointer(&self.transaction, "listing") else { return Ok(()) };
        let before = self.host.get(LISTING, &listing.id).await?;
        let mut listing = Listing::read(&before)?;
        let amount = amount::of(&self.transaction, "amount")?;
        match decided {
            Chosen::Confirmed => listing.sold(amount)?,
            Chosen::Refused => {
                if listing.refused(amount)? {
                    let legs = Leg::of(&self.transaction)?;
                    let own = legs.first().ok_or_else(|| ParseError::internal("a sale moves nothing"))?;
                    own.change(self.host, &listing.seller, |holding| holding.reserve(amount)).await?;
                }
            }
        }
        let after = listing.store(self.host).await?;
        let entry = cause.entry(LISTING).changed(Some(&before), Some(&after)).detail("status", listing.status);
        audit::append(self.host, APPLICATION, entry).await.map(drop)
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
