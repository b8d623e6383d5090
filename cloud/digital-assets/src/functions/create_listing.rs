//! `createListing`: somebody offers tokens that they hold. They are reserved until the listing ends.

use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, params, state};
use parsimony_model::value::{Map, json};
use parsimony_model::{Date, ObjectId, ParseError, Pointer, map};
use serde::{Deserialize, Serialize};

use super::common::{Named, Tokens};
use crate::APPLICATION;
use crate::compliance::{ComplianceRules, Refusal};
use crate::holding::Holding;
use crate::ledger::{Asset, chain_of, put};
use crate::listing::{Asked, ListingPrice};
use crate::model::{ASSET, AssetStatus, LISTING, ListingStatus, readable_by_all};
use crate::party::Party;
use crate::settings::Chains;

/// How long a listing lasts unless told otherwise.
const LASTS_MILLIS: i64 = 30 * 86_400_000;

/// How long it may last.
const LASTS_MILLIS_MAX: i64 = 365 * 86_400_000;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateListing {
    /// The id of the `DigitalAsset`.
    pub asset_id: String,
    /// How many, in base units; of ERC-721 always one.
    pub amount: Option<String>,
    /// The id of the token; of what is not fungible.
    pub token_id: Option<String>,
    /// What all of it costs: money, or tokens of another asset of the ledger.
    pub price: ListingPrice,
    /// Whether a part of it may be bought, for its part of the price.
    #[serde(default)]
    pub allow_partial: bool,
    /// Until when; without it for thirty days.
    pub expires_at: Option<Date>,
    /// The client's own notes.
    pub metadata: Option<Map>,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListingCreated {
    /// The id of the `AssetMarketplaceListing`.
    pub listing_id: String,
    /// Where it stands.
    pub status: ListingStatus,
    /// How many are for sale, in base units.
    pub amount: String,
    /// Until when.
    pub expires_at: Date,
}

/// Offers tokens of the caller.
pub async fn create_listing(request: Request<CreateListing>, chains: Chains) -> Result<ListingCreated, ParseError> {
    let acting = Acting::new(APPLICATION, LISTING, &request);
    let seller = acting.user()?;
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    let id = params::object_id("assetId", &params.asset_id)?;
    let asked = params.price.asked()?;
    let expires_at = params.expiry(request.host.now())?;
    if let Some(metadata) = &params.metadata {
        params::metadata("metadata", metadata)?;
    }
    let named = Named::read(params.amount.as_deref(), params.token_id.as_deref())?;
    let done = async {
        let asset = Asset::read(request.host.get(ASSET, &id).await?)?;
        let tokens = named.of(asset.standard)?;
        let offering = Offering { acting: &acting, seller: &seller, tokens, asked, params, expires_at };
        let work = |host| offering.run(host, &id, &chains);
        acting.once(params.request_key.as_deref(), params, work).await
    };
    acting.settle(None, done.await).await
}

impl CreateListing {
    fn expiry(&self, now: Date) -> Result<Date, ParseError> {
        let Some(at) = self.expires_at else { return Ok(now.plus_millis(LASTS_MILLIS)) };
        params::future("expiresAt", at, now)?;
        if at > now.plus_millis(LASTS_MILLIS_MAX) {
            return Err(params::invalid("expiresAt", "it may be a year away"));
        }
        Ok(at)
    }
}

/// The work inside of the transaction.
struct Offering<'a> {
    acting: &'a Acting<'a>,
    seller: &'a Pointer,
    tokens: Tokens,
    asked: Asked,
    params: &'a CreateListing,
    expires_at: Date,
}

impl Offering<'_> {
    async fn run(&self, host: Host, id: &ObjectId, chains: &Chains) -> Result<ListingCreated, ParseError> {
        let asset = Asset::load(&host, id).await?;
        let seller = Party::find(&host, "assetId", &self.seller.id).await?;
        let mut holding = Holding::load(&host, &asset.pointer(), &seller.user, &self.tokens.token).await?;
        self.check(&asset, &holding, host.now())?;
        let payment = match &self.asked {
            Asked::Tokens { asset: payment, .. } => Some(payment_asset(&host, &asset, payment, chains).await?),
            Asked::Money { .. } => None,
        };
        holding.reserve(self.tokens.amount)?;
        holding.store(&host).await?;
        let listing = host.create(LISTING, self.fields(&asset, payment.as_ref())?).await?;
        let entry = (self.acting.entry().changed(None, Some(&listing)))
            .detail("assetId", id.as_str())
            .detail("amount", self.tokens.amount.to_string());
        self.acting.record(&host, entry).await?;
        Ok(ListingCreated {
            listing_id: listing.id.to_string(),
            status: state::of(&listing)?,
            amount: self.tokens.amount.to_string(),
            expires_at: self.expires_at,
        })
    }

    /// What can be known before there is a buyer, in the order of a transfer.
    fn check(&self, asset: &Asset, holding: &Holding, now: Date) -> Result<(), ParseError> {
        if asset.status != AssetStatus::Active {
            return Err(Refusal::AssetNotActive.into());
        }
        if holding.frozen_whole {
            return Err(Refusal::SenderFrozen.into());
        }
        if self.tokens.amount > holding.available() {
            return Err(Refusal::InsufficientAvailable.into());
        }
        let lock_up = ComplianceRules::of(&asset.object)?.transferable_from;
        if lock_up.is_some_and(|from| now < from) {
            return Err(Refusal::LockUp.into());
        }
        Ok(())
    }

    fn fields(&self, asset: &Asset, payment: Option<&Pointer>) -> Result<Map, ParseError> {
        let mut fields = map! {
            "asset" => asset.pointer(),
            "tokenId" => self.tokens.token.as_str(),
            "seller" => self.seller.clone(),
            "amount" => self.tokens.amount.to_string(),
            "remaining" => self.tokens.amount.to_string(),
            "awaiting" => "0",
            "sold" => "0",
            "price" => json::from_serializable(&self.asked.price()?)?,
            "allowPartial" => self.params.allow_partial,
            "expiresAt" => self.expires_at,
            "status" => ListingStatus::Active,
            "createdBy" => self.seller.clone(),
            "lastModifiedBy" => self.seller.clone(),
            "ACL" => readable_by_all(),
        };
        put(&mut fields, "paymentAsset", payment.cloned());
        put(&mut fields, "metadata", self.params.metadata.clone());
        Ok(fields)
    }
}

/// Both assets change hands in one transaction of one chain, so they have to be on the same, and something has to be there that
/// does both or none.
async fn payment_asset(host: &Host, asset: &Asset, id: &ObjectId, chains: &Chains) -> Result<Pointer, ParseError> {
    let wrong = |reason: String| params::invalid("price.assetId", reason);
    if *id == asset.object.id {
        return Err(wrong("it is what is for sale".to_owned()));
    }
    let found = host.get(ASSET, id).await.map_err(|_missing| wrong("there is no such asset".to_owned()))?;
    let payment = Asset::read(found)?;
    if !payment.standard.is_fungible() {
        return Err(wrong(format!("the tokens of {} differ", payment.standard)));
    }
    if payment.status != AssetStatus::Active {
        return Err(wrong(format!("it is {}", payment.status)));
    }
    let chain = chain_of(&asset.object)?;
    if chain_of(&payment.object)? != chain {
        return Err(wrong("it is on another chain".to_owned()));
    }
    if chains.get(chain).is_none_or(|place| place.settlement.is_none()) {
        return Err(wrong(format!("this server has no settlement on chain {chain}")));
    }
    Ok(payment.pointer())
}
