//! `buyListing`: what is for sale changes hands, and what is asked for it with it.
//!
//! A listing that asks for tokens is bought by who pays them: both change hands in one transaction, here and on the chain. A
//! listing that asks for money is bought for somebody by who sees payments come in and attests this one; nobody does that for
//! themselves, and one payment pays once.

use alloy::primitives::U256;
use parsimony_cloud::{Host, Request, Who};
use parsimony_kit::{Acting, params, permission, roles};
use parsimony_model::value::{Map, json};
use parsimony_model::{ErrorCode, Object, ObjectId, ParseError, map};
use serde::{Deserialize, Serialize};

use super::common::record_decided;
use crate::APPLICATION;
use crate::amount;
use crate::handover::{Handover, Out};
use crate::ledger::{Asset, Decided, chain_of};
use crate::listing::{Asked, Listing, ListingPrice};
use crate::model::{FUNGIBLE, LISTING, ListingStatus, TransactionType};
use crate::party::Party;

/// How long the reference of a payment may be.
const REFERENCE_CHARS_MAX: usize = 100;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BuyListing {
    /// The id of the `AssetMarketplaceListing`.
    pub listing_id: String,
    /// How many, in base units; without it all that is left.
    pub amount: Option<String>,
    /// The id of the user who buys; the caller, unless a payment is attested.
    pub buyer: Option<String>,
    /// Which payment was received; of what costs money.
    pub payment_reference: Option<String>,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

/// What is answered: the chain will be asked to do it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListingBought {
    /// The id of the `AssetMarketplaceListing`.
    pub listing_id: String,
    /// The id of the `AssetTransaction`, which tells how it goes.
    pub transaction_id: String,
    /// Where the listing stands.
    pub status: ListingStatus,
    /// How many were bought, in base units.
    pub amount: String,
    /// What was paid for them.
    pub payment: ListingPrice,
}

/// Buys a listing, or a part of it.
pub async fn buy_listing(request: Request<BuyListing>) -> Result<ListingBought, ParseError> {
    let acting = Acting::new(APPLICATION, LISTING, &request);
    let caller = acting.user()?;
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    let id = params::object_id("listingId", &params.listing_id)?;
    let buyer = params.buyer.as_deref().map(|buyer| params::object_id("buyer", buyer)).transpose()?;
    let buyer = buyer.unwrap_or_else(|| caller.id.clone());
    let wanted = params.amount.as_deref().map(|amount| amount::positive("amount", amount)).transpose()?;
    if let Some(reference) = &params.payment_reference {
        params::word("paymentReference", reference, "-_.:/", REFERENCE_CHARS_MAX)?;
    }
    let done = async {
        let row = request.host.get(LISTING, &id).await?;
        let listing = Listing::read(&row)?;
        if listing.seller.id == buyer {
            return Err(params::invalid("buyer", "it is the seller"));
        }
        let reference = params.payment_reference.as_deref();
        match &listing.price {
            Asked::Money { .. } => may_attest(&request.who, [&listing.seller.id, &buyer], reference)?,
            Asked::Tokens { .. } => may_pay(&caller.id, &buyer, reference)?,
        }
        let buying = Buying { acting: &acting, buyer: &buyer, wanted, reference };
        let work = |host| buying.run(host, &id);
        acting.once(params.request_key.as_deref(), params, work).await
    };
    acting.settle(Some(&id), done.await).await
}

/// Only who sees payments, of others, and says which one.
fn may_attest(who: &Who, parties: [&ObjectId; 2], reference: Option<&str>) -> Result<(), ParseError> {
    permission::require_role(who, &[roles::BANK_OFFICER, roles::ASSET_MANAGER], "attest that a listing was paid")?;
    if parties.iter().any(|party| who.user_id() == Some(*party)) {
        return Err(permission::refused("One may not attest a payment of one's own."));
    }
    reference.map(drop).ok_or_else(|| params::missing("paymentReference", "the listing costs money"))
}

/// Who gives tokens does it themselves.
fn may_pay(caller: &ObjectId, buyer: &ObjectId, reference: Option<&str>) -> Result<(), ParseError> {
    if caller != buyer {
        return Err(permission::refused("Only the buyer may give the tokens that a listing asks for."));
    }
    if reference.is_some() {
        return Err(params::invalid("paymentReference", "the listing costs tokens, which change hands with it"));
    }
    Ok(())
}

/// The work inside of the transaction.
struct Buying<'a> {
    acting: &'a Acting<'a>,
    buyer: &'a ObjectId,
    wanted: Option<U256>,
    reference: Option<&'a str>,
}

impl Buying<'_> {
    async fn run(&self, host: Host, id: &ObjectId) -> Result<ListingBought, ParseError> {
        let before = host.get(LISTING, id).await?;
        let mut listing = Listing::read(&before)?;
        let amount = listing.wanted(self.wanted, host.now())?;
        let asset = Asset::load(&host, &listing.asset.id).await?;
        let seller = Party::find(&host, "listingId", &listing.seller.id).await?;
        let buyer = Party::find(&host, "buyer", self.buyer).await?;
        let payment = listing.price.part(amount, listing.amount)?;
        let token = listing.token.as_str();
        let (sender, receiver) = (&seller, &buyer);
        Handover { asset: &asset, sender, receiver, token, amount, out: Out::OfReserved }.run(&host).await?;
        let (kind, more) = self.pay(&host, [&seller, &buyer], &before, &payment).await?;
        let decided = Decided { kind, from: Some(&seller), to: Some(&buyer), token, amount: Some(amount) };
        let transaction = decided.enqueue_with(&host, &asset.object, chain_of(&asset.object)?, more).await;
        let transaction = transaction.map_err(paid_before)?;
        listing.buy(amount)?;
        let after = listing.store(&host).await?;
        let entry = self.acting.entry().changed(Some(&before), Some(&after)).detail("amount", amount.to_string());
        self.acting.record(&host, entry).await?;
        record_decided(&host, self.acting, &transaction).await?;
        Ok(ListingBought {
            listing_id: id.to_string(),
            transaction_id: transaction.id.to_string(),
            status: listing.status,
            amount: amount.to_string(),
            payment: payment.price()?,
        })
    }

    /// Tokens are paid at once. Of money it is written down which payment it was.
    async fn pay(
        &self,
        host: &Host,
        [seller, buyer]: [&Party; 2],
        listing: &Object,
        payment: &Asked,
    ) -> Result<(TransactionType, Map), ParseError> {
        let mut more =
            map! { "listing" => listing.pointer(), "payment" => json::from_serializable(&payment.price()?)? };
        match payment {
            Asked::Tokens { units, asset } => {
                let asset = Asset::load(host, asset).await?;
                let (sender, receiver, amount) = (buyer, seller, *units);
                Handover { asset: &asset, sender, receiver, token: FUNGIBLE, amount, out: Out::Of }.run(host).await?;
                more.insert("paymentAsset".into(), asset.pointer().into());
                more.insert("paymentAmount".into(), units.to_string().into());
                Ok((TransactionType::Swap, more))
            }
            Asked::Money { .. } => {
                if let Some(reference) = self.reference {
                    more.insert("paymentReference".into(), reference.into());
                    // It is free again when the chain refuses the sale.
                    more.insert("paymentKey".into(), reference.into());
                }
                Ok((TransactionType::Transfer, more))
            }
        }
    }
}

/// The only other unique field of a transaction is its nonce, which this one has not yet.
fn paid_before(error: ParseError) -> ParseError {
    if error.code == ErrorCode::DuplicateValue {
        return ParseError::new(ErrorCode::DuplicateValue, "This payment was attested for another sale already.");
    }
    error
}
