//! How much does somebody hold of an asset, and how much of it may they use? One row of the ledger.

use alloy::primitives::U256;
use parsimony_cloud::{CONFLICT, Host};
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Filter, Object, ObjectId, ParseError, Pointer, Query, map};

use crate::amount;
use crate::model::{HOLDING, HoldingStatus, pointer, readable_by};

/// A holding as it stands in the transaction that changes it.
///
/// What is locked is a part of the balance: `frozen` by an agent, `reserved` for a listing, and `pending` on the chain: what
/// came in and is not confirmed, what is about to be burned.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Holding {
    pub(crate) id: Option<ObjectId>,
    pub(crate) asset: Pointer,
    pub(crate) holder: Pointer,
    pub(crate) token: String,
    pub(crate) balance: U256,
    pub(crate) frozen: U256,
    pub(crate) reserved: U256,
    pub(crate) pending: U256,
    pub(crate) frozen_whole: bool,
}

impl Holding {
    /// The holding of somebody who never had any.
    pub(crate) fn nothing(asset: Pointer, holder: Pointer, token: &str) -> Self {
        Self {
            id: None,
            asset,
            holder,
            token: token.to_owned(),
            balance: U256::ZERO,
            frozen: U256::ZERO,
            reserved: U256::ZERO,
            pending: U256::ZERO,
            frozen_whole: false,
        }
    }

    /// What somebody holds. Who is frozen for one token of an asset is frozen for all of them.
    pub(crate) async fn load(host: &Host, asset: &Pointer, holder: &Pointer, token: &str) -> Result<Self, ParseError> {
        let of_holder = Filter::equals("asset", asset.clone()).and(Filter::equals("holder", holder.clone()));
        let row = Query::new(of_holder.clone().and(Filter::equals("tokenId", token)));
        let mut holding = match host.first(HOLDING, row).await? {
            Some(row) => Self::read(&row)?,
            None => Self::nothing(asset.clone(), holder.clone(), token),
        };
        if !holding.frozen_whole {
            let frozen = of_holder.and(Filter::equals("status", HoldingStatus::Frozen));
            holding.frozen_whole = host.first(HOLDING, Query::new(frozen)).await?.is_some();
        }
        Ok(holding)
    }

    /// A row of the ledger.
    pub(crate) fn read(row: &Object) -> Result<Self, ParseError> {
        Ok(Self {
            id: Some(row.id.clone()),
            asset: pointer(row, "asset")?,
            holder: pointer(row, "holder")?,
            token: crate::model::text(row, "tokenId")?.to_owned(),
            balance: amount::of(row, "balance")?,
            frozen: amount::of(row, "frozen")?,
            reserved: amount::of(row, "reserved")?,
            pending: amount::of(row, "pending")?,
            frozen_whole: row.text("status") == Some(HoldingStatus::Frozen.as_str()),
        })
    }

    /// What may be used.
    pub(crate) fn available(&self) -> U256 {
        [self.frozen, self.reserved, self.pending].iter().fold(self.balance, |left, part| left.saturating_sub(*part))
    }

    /// Comes in from the chain, and cannot be used until it is confirmed.
    pub(crate) fn receive(&mut self, amount: U256) -> Result<(), ParseError> {
        self.balance = amount::add("amount", self.balance, amount)?;
        self.pending = amount::add("amount", self.pending, amount)?;
        Ok(())
    }

    /// What came in is confirmed, or what was to be burned is kept.
    pub(crate) fn settle(&mut self, amount: U256) -> Result<(), ParseError> {
        self.pending = amount::subtract("what is pending", self.pending, amount)?;
        Ok(())
    }

    /// Is kept for who buys it.
    pub(crate) fn reserve(&mut self, amount: U256) -> Result<(), ParseError> {
        self.reserved = amount::add("amount", self.reserved, amount)?;
        Ok(())
    }

    /// Is kept no longer.
    pub(crate) fn release(&mut self, amount: U256) -> Result<(), ParseError> {
        self.reserved = amount::subtract("what is reserved", self.reserved, amount)?;
        Ok(())
    }

    /// Goes out.
    pub(crate) fn give(&mut self, amount: U256) -> Result<(), ParseError> {
        self.balance = amount::subtract("a balance", self.balance, amount)?;
        Ok(())
    }

    /// Comes back, to be used at once.
    pub(crate) fn take_back(&mut self, amount: U256) -> Result<(), ParseError> {
        self.balance = amount::add("amount", self.balance, amount)?;
        Ok(())
    }

    /// Writes the row. Two who write the first row of one holder at once get in each other's way, as they shall.
    pub(crate) async fn store(&self, host: &Host) -> Result<Object, ParseError> {
        let mut fields = map! {
            "balance" => self.balance.to_string(),
            "frozen" => self.frozen.to_string(),
            "reserved" => self.reserved.to_string(),
            "pending" => self.pending.to_string(),
        };
        if let Some(id) = &self.id {
            return host.update(HOLDING, id, fields).await;
        }
        fields.extend(self.first_fields());
        host.create(HOLDING, fields).await.map_err(|error| {
            if error.code == ErrorCode::DuplicateValue {
                return ParseError::with_number(CONFLICT, "Another transaction opened this holding.");
            }
            error
        })
    }

    fn first_fields(&self) -> Map {
        map! {
            "asset" => self.asset.clone(),
            "holder" => self.holder.clone(),
            "tokenId" => self.token.as_str(),
            "status" => HoldingStatus::Active,
            "ACL" => readable_by([&self.holder.id]),
        }
    }

    /// What a holding is in an answer.
    pub(crate) fn shown(row: &Object) -> Map {
        let fields = ["tokenId", "balance", "locked", "available", "status"];
        fields.iter().filter_map(|field| Some(((*field).into(), row.get(field)?.clone()))).collect::<Map>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsimony_model::ClassName;

    #[test]
    fn what_is_locked_cannot_be_used_and_sums_hold() {
        let user = Pointer::new(ClassName::parse("_User").unwrap(), ObjectId::parse("u").unwrap());
        let mut holding = Holding::nothing(user.clone(), user, "0");
        let number = |value: u64| U256::from(value);
        holding.receive(number(10)).unwrap();
        assert_eq!((holding.balance, holding.available()), (number(10), number(0)));
        holding.settle(number(10)).unwrap();
        holding.frozen = number(3);
        holding.reserved = number(2);
        assert_eq!(holding.available(), number(5));
        holding.give(number(5)).unwrap();
        holding.take_back(number(1)).unwrap();
        assert_eq!((holding.balance, holding.available()), (number(6), number(1)));
        assert!(holding.settle(number(1)).is_err(), "nothing is pending");
        assert!(holding.give(number(7)).is_err(), "there is less");
        assert!(holding.receive(U256::MAX).is_err(), "there is no more than the greatest amount");
    }
}
