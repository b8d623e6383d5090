//! What is for sale, how much of it is left, and what is asked for it? One row of `AssetMarketplaceListing`.

use alloy::primitives::{U256, U512};
use parsimony_cloud::Host;
use parsimony_kit::money::Money;
use parsimony_kit::{params, state};
use parsimony_model::value::json;
use parsimony_model::{Date, Object, ObjectId, ParseError, Pointer, Value, map};
use serde::{Deserialize, Serialize};

use crate::amount;
use crate::model::{LISTING, ListingStatus, pointer, text};

/// What is asked for all of a listing: money, or tokens of another asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListingPrice {
    /// How much: a decimal number, or base units of the asset.
    pub amount: String,
    /// Of which currency, ISO 4217.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Of which asset: the id of the `DigitalAsset`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset_id: Option<String>,
}

/// The same, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// So many of the smallest units of a currency.
    Money {
        /// How many.
        units: U256,
        /// The currency.
        currency: String,
    },
    /// So many base units of an asset.
    Tokens {
        /// How many.
        units: U256,
        /// The asset.
        asset: ObjectId,
    },
}

impl ListingPrice {
    /// Understands a parameter; a refusal names the field (142).
    pub(crate) fn asked(&self) -> Result<Asked, ParseError> {
        match (&self.currency, &self.asset_id) {
            (Some(currency), None) => {
                let money = Money { amount: self.amount.clone(), currency: currency.clone() };
                Ok(Asked::Money { units: U256::from(money.units("price")?), currency: currency.clone() })
            }
            (None, Some(asset)) => Ok(Asked::Tokens {
                units: amount::positive("price.amount", &self.amount)?,
                asset: params::object_id("price.assetId", asset)?,
            }),
            (None, None) | (Some(_), Some(_)) => {
                Err(params::invalid("price", "it has either a currency or an assetId"))
            }
        }
    }
}

impl Asked {
    /// What a part of the listing costs: the same part of the price, rounded up to its units, so that no seller gets less.
    pub(crate) fn part(&self, bought: U256, of: U256) -> Result<Self, ParseError> {
        let part = |units: U256| -> Result<U256, ParseError> {
            let of = U512::from(of);
            let product = U512::from(units) * U512::from(bought);
            let rounded = product.checked_add(of.saturating_sub(U512::from(1))).and_then(|sum| sum.checked_div(of));
            rounded.map(U256::saturating_from).ok_or_else(|| ParseError::internal("a listing offers nothing"))
        };
        Ok(match self {
            Self::Money { units, currency } => Self::Money { units: part(*units)?, currency: currency.clone() },
            Self::Tokens { units, asset } => Self::Tokens { units: part(*units)?, asset: asset.clone() },
        })
    }

    /// As it is sent.
    pub(crate) fn price(&self) -> Result<ListingPrice, ParseError> {
        match self {
            Self::Money { units, currency } => {
                let money = Money::of_units(units.saturating_to(), currency);
                let money = money.ok_or_else(|| ParseError::internal(format!("{units} {currency} is no money")))?;
                Ok(ListingPrice { amount: money.amount, currency: Some(money.currency), asset_id: None })
            }
            Self::Tokens { units, asset } => {
                Ok(ListingPrice { amount: units.to_string(), currency: None, asset_id: Some(asset.to_string()) })
            }
        }
    }
}

/// A listing as it stands in the transaction that changes it.
///
/// Of its `amount`, some is still to be had (`remaining`, reserved in the seller's holding), some is bought and not confirmed
/// by the chain (`awaiting`), some is sold; what is none of these went back to the seller.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Listing {
    pub(crate) id: ObjectId,
    pub(crate) asset: Pointer,
    pub(crate) seller: Pointer,
    pub(crate) token: String,
    pub(crate) amount: U256,
    pub(crate) remaining: U256,
    pub(crate) awaiting: U256,
    pub(crate) sold: U256,
    pub(crate) allow_partial: bool,
    pub(crate) expires_at: Date,
    pub(crate) price: Asked,
    pub(crate) status: ListingStatus,
}

impl Listing {
    /// A stored listing.
    pub(crate) fn read(row: &Object) -> Result<Self, ParseError> {
        let missing = |field: &str| ParseError::internal(format!("{} {} has no {field}", row.class, row.id));
        let price = row.get("price").ok_or_else(|| missing("price"))?;
        let price: ListingPrice = serde_json::from_slice(&json::write(price)).map_err(ParseError::internal)?;
        Ok(Self {
            id: row.id.clone(),
            asset: pointer(row, "asset")?,
            seller: pointer(row, "seller")?,
            token: text(row, "tokenId")?.to_owned(),
            amount: amount::of(row, "amount")?,
            remaining: amount::of(row, "remaining")?,
            awaiting: amount::of(row, "awaiting")?,
            sold: amount::of(row, "sold")?,
            allow_partial: row.get("allowPartial") == Some(&Value::Bool(true)),
            expires_at: row.get("expiresAt").and_then(Value::as_date).ok_or_else(|| missing("expiresAt"))?,
            price: price.asked()?,
            status: state::of(row)?,
        })
    }

    /// How much of it is bought, if that much can be (142).
    pub(crate) fn wanted(&self, amount: Option<U256>, now: Date) -> Result<U256, ParseError> {
        if self.status != ListingStatus::Active {
            return Err(not_active(self.status));
        }
        if self.expires_at <= now {
            return Err(not_active(ListingStatus::Expired));
        }
        let wanted = amount.unwrap_or(self.remaining);
        if wanted > self.remaining {
            return Err(params::invalid("amount", format!("{} are left", self.remaining)));
        }
        if wanted != self.amount && !self.allow_partial {
            return Err(params::invalid("amount", "the listing is sold as a whole"));
        }
        Ok(wanted)
    }

    /// So much of it is bought.
    pub(crate) fn buy(&mut self, amount: U256) -> Result<(), ParseError> {
        self.remaining = amount::subtract("what is left of a listing", self.remaining, amount)?;
        self.awaiting = amount::add("amount", self.awaiting, amount)?;
        if self.remaining.is_zero() {
            state::step(self.status, ListingStatus::Reserved)?;
            self.status = ListingStatus::Reserved;
        }
        Ok(())
    }

    /// The chain has confirmed so much of it.
    pub(crate) fn sold(&mut self, amount: U256) -> Result<(), ParseError> {
        self.awaiting = amount::subtract("what is awaited of a listing", self.awaiting, amount)?;
        self.sold = amount::add("amount", self.sold, amount)?;
        if self.status == ListingStatus::Reserved && self.awaiting.is_zero() {
            self.status = ListingStatus::Sold;
        }
        Ok(())
    }

    /// The chain has refused so much of it. Says whether it can be bought again; otherwise it is the seller's to use.
    pub(crate) fn refused(&mut self, amount: U256) -> Result<bool, ParseError> {
        self.awaiting = amount::subtract("what is awaited of a listing", self.awaiting, amount)?;
        let again = matches!(self.status, ListingStatus::Active | ListingStatus::Reserved);
        if again {
            self.remaining = amount::add("amount", self.remaining, amount)?;
            self.status = ListingStatus::Active;
        }
        Ok(again)
    }

    /// It can be bought no longer (142 if it could not be anyway); gives what is the seller's again.
    pub(crate) fn close(&mut self, status: ListingStatus) -> Result<U256, ParseError> {
        state::step(self.status, status)?;
        self.status = status;
        Ok(std::mem::take(&mut self.remaining))
    }

    /// Writes the row.
    pub(crate) async fn store(&self, host: &Host) -> Result<Object, ParseError> {
        let fields = map! {
            "remaining" => self.remaining.to_string(),
            "awaiting" => self.awaiting.to_string(),
            "sold" => self.sold.to_string(),
            "status" => self.status,
        };
        host.update(LISTING, &self.id, fields).await
    }
}

fn not_active(status: ListingStatus) -> ParseError {
    let text = format!("the listing is {status}, and has to be {}", ListingStatus::Active);
    params::invalid("listingId", text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsimony_model::ClassName;

    fn listing(amount: u64, allow_partial: bool) -> Listing {
        let pointer = |class: &str| Pointer::new(ClassName::parse(class).unwrap(), ObjectId::parse("x").unwrap());
        let number = U256::from(amount);
        Listing {
            id: ObjectId::parse("l").unwrap(),
            asset: pointer("DigitalAsset"),
            seller: pointer("_User"),
            token: "0".to_owned(),
            amount: number,
            remaining: number,
            awaiting: U256::ZERO,
            sold: U256::ZERO,
            allow_partial,
            expires_at: Date::EPOCH.plus_millis(1_000),
            price: Asked::Money { units: U256::from(1_000), currency: "EUR".to_owned() },
            status: ListingStatus::Active,
        }
    }

    fn three(listing: &Listing) -> [u64; 3] {
        [listing.remaining, listing.awaiting, listing.sold].map(|part| part.to())
    }

    #[test]
    fn a_listing_adds_up_whatever_the_chain_decides() {
        let mut listing = listing(10, true);
        let number = |value: u64| U256::from(value);
        listing.buy(number(4)).unwrap();
        assert_eq!((three(&listing), listing.status), ([6, 4, 0], ListingStatus::Active));
        listing.buy(number(6)).unwrap();
        assert_eq!((three(&listing), listing.status), ([0, 10, 0], ListingStatus::Reserved));
        assert!(listing.clone().close(ListingStatus::Cancelled).is_err(), "what is bought is not taken back");
        assert!(listing.refused(number(6)).unwrap());
        assert_eq!((three(&listing), listing.status), ([6, 4, 0], ListingStatus::Active));
        listing.sold(number(4)).unwrap();
        assert_eq!((three(&listing), listing.status), ([6, 0, 4], ListingStatus::Active));
        let mut closed = listing.clone();
        closed.buy(number(1)).unwrap();
        assert_eq!(closed.close(ListingStatus::Expired).unwrap(), number(5));
        assert!(!closed.refused(number(1)).unwrap(), "it is over");
        assert_eq!((three(&closed), closed.status), ([0, 0, 4], ListingStatus::Expired));
        listing.buy(number(6)).unwrap();
        listing.sold(number(6)).unwrap();
        assert_eq!((three(&listing), listing.status), ([0, 0, 10], ListingStatus::Sold));
    }

    #[test]
    fn only_what_is_there_can_be_bought() {
        let (now, late) = (Date::EPOCH, Date::EPOCH.plus_millis(1_000));
        let number = |value: u64| Some(U256::from(value));
        let mut whole = listing(10, false);
        assert_eq!(whole.wanted(None, now).unwrap(), U256::from(10));
        for (listing, amount, at, expected) in [
            (&whole, number(9), now, "for amount: the listing is sold as a whole"),
            (&whole, number(11), now, "for amount: 10 are left"),
            (&whole, None, late, "for listingId: the listing is EXPIRED"),
        ] {
            let error = listing.wanted(amount, at).unwrap_err();
            assert!(error.message.contains(expected) && error.number() == Some(142), "{}", error.message);
        }
        assert_eq!(listing(10, true).wanted(number(9), now).unwrap(), U256::from(9));
        whole.buy(U256::from(10)).unwrap();
        assert!(whole.wanted(None, now).unwrap_err().message.contains("the listing is RESERVED"));
    }

    #[test]
    fn a_part_costs_its_part_and_never_less() {
        let asked = |units: U256| Asked::Money { units, currency: "EUR".to_owned() };
        let number = |value: u64| U256::from(value);
        for (units, bought, of, expected) in [
            (number(1_000), number(10), number(10), number(1_000)),
            (number(1_000), number(3), number(10), number(300)),
            (number(1_000), number(1), number(3), number(334)),
            (number(1), number(1), U256::MAX, number(1)),
            (U256::MAX, U256::MAX, U256::MAX, U256::MAX),
        ] {
            assert_eq!(asked(units).part(bought, of).unwrap(), asked(expected), "{bought} of {of}");
        }
    }

    #[test]
    fn a_price_is_money_or_tokens() {
        let price = |amount: &str, currency: Option<&str>, asset: Option<&str>| ListingPrice {
            amount: amount.to_owned(),
            currency: currency.map(str::to_owned),
            asset_id: asset.map(str::to_owned),
        };
        for (price, expected) in [
            (price("5", None, None), "for price: "),
            (price("5", Some("EUR"), Some("a")), "for price: "),
            (price("5.001", Some("EUR"), None), "for price.amount: "),
            (price("5", Some("???"), None), "for price.currency: "),
            (price("5.0", None, Some("a")), "for price.amount: "),
            (price("5", None, Some("")), "for price.assetId: "),
        ] {
            assert!(price.asked().unwrap_err().message.contains(expected), "{price:?}");
        }
        for price in [price("12.50", Some("EUR"), None), price("7", None, Some("a"))] {
            assert_eq!(price.asked().unwrap().price().unwrap(), price);
        }
    }
}
