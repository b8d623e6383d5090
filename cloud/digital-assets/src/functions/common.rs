//! What do the functions about one asset have in common: who may, which tokens are meant, what is answered.

use alloy::primitives::U256;
use parsimony_cloud::{Host, Who};
use parsimony_kit::{Acting, params, permission, roles};
use parsimony_model::query::Constraint;
use parsimony_model::{Filter, Object, ParseError, Query, Value, map};
use serde::{Deserialize, Serialize};

use crate::amount;
use crate::ledger::Asset;
use crate::model::{
    ASSET, AssetStatus, FUNGIBLE, PERMISSION, Permission, PermissionStatus, Standard, TRANSACTION, TransactionStatus,
    TransactionType, pointer, word,
};

/// What is answered: the chain will be asked to do it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionCreated {
    /// The id of the `AssetTransaction`, which tells how it goes.
    pub transaction_id: String,
    /// The id of the `DigitalAsset`.
    pub asset_id: String,
    /// What is done.
    #[serde(rename = "type")]
    pub kind: TransactionType,
    /// Where it stands.
    pub status: TransactionStatus,
    /// How much, in base units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
}

impl TransactionCreated {
    pub(super) fn of(transaction: &Object) -> Result<Self, ParseError> {
        Ok(Self {
            transaction_id: transaction.id.to_string(),
            asset_id: pointer(transaction, "asset")?.id.to_string(),
            kind: word(transaction, "type", TransactionType::parse)?,
            status: parsimony_kit::state::of(transaction)?,
            amount: transaction.text("amount").map(str::to_owned),
        })
    }
}

/// Only who issued the asset, asset managers, and who was permitted. `to` completes "may".
pub(super) async fn require_permission(
    host: &Host,
    who: &Who,
    asset: &Object,
    wanted: Permission,
    to: &str,
) -> Result<(), ParseError> {
    if permission::is_in(who, asset, "issuer") || who.is_any(&[roles::ASSET_MANAGER]) {
        return Ok(());
    }
    if let Some(user) = who.user_pointer() {
        let granted = Filter::equals("asset", asset.pointer())
            .and(Filter::equals("user", user))
            .and(Filter::equals("permission", wanted))
            .and(Filter::equals("status", PermissionStatus::Active));
        let lasting = Filter::Or(vec![
            Filter::Field("expiresAt".into(), Constraint::Exists(false)),
            Filter::Field("expiresAt".into(), Constraint::Greater(host.now().into())),
        ]);
        if host.as_master().first(PERMISSION, Query::new(granted.and(lasting))).await?.is_some() {
            return Ok(());
        }
    }
    let text =
        format!("Only the issuer of the asset, {} or who has its permission {wanted} may {to}.", roles::ASSET_MANAGER);
    Err(permission::refused(text))
}

/// Which tokens are meant, and how many of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tokens {
    /// The id of the token; 0 of what is fungible.
    pub(super) token: String,
    /// How many, in base units.
    pub(super) amount: U256,
}

/// The same as a caller names it: what can be read of it before the asset is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    amount: Option<U256>,
    token: Option<U256>,
}

impl Named {
    /// Reads the parameters.
    pub(super) fn read(amount: Option<&str>, token: Option<&str>) -> Result<Self, ParseError> {
        Ok(Self {
            amount: amount.map(|amount| amount::positive("amount", amount)).transpose()?,
            token: token.map(|token| amount::parse("tokenId", token)).transpose()?,
        })
    }

    /// What a standard needs is required, what it has not is refused.
    pub(super) fn of(self, standard: Standard) -> Result<Tokens, ParseError> {
        let token = match self.token {
            Some(_) if standard.is_fungible() => {
                return Err(params::invalid("tokenId", format!("the tokens of {standard} are all alike")));
            }
            Some(token) => token.to_string(),
            None if standard.is_fungible() => FUNGIBLE.to_owned(),
            None => return Err(params::missing("tokenId", format!("the tokens of {standard} differ"))),
        };
        let amount = match self.amount {
            Some(amount) => amount,
            None if standard == Standard::Erc721 => U256::from(1),
            None => return Err(params::missing("amount", "it says how many base units")),
        };
        if standard == Standard::Erc721 && amount != U256::from(1) {
            return Err(params::invalid("amount", "there is one of each token of ERC721"));
        }
        Ok(Tokens { token, amount })
    }
}

/// Brings an asset to another status, with the entry of the audit trail about it.
pub(super) async fn bring(
    host: &Host,
    acting: &Acting<'_>,
    asset: &Asset,
    to: AssetStatus,
) -> Result<Object, ParseError> {
    let changed = host.update(ASSET, &asset.object.id, map! { "status" => to }).await?;
    acting.record(host, acting.entry().changed(Some(&asset.object), Some(&changed))).await?;
    Ok(changed)
}

/// The entry of the audit trail about a transaction that was decided.
pub(super) async fn record_decided(host: &Host, acting: &Acting<'_>, transaction: &Object) -> Result<(), ParseError> {
    let detail = |field: &str| transaction.get(field).cloned().unwrap_or_default();
    let asset = transaction.get("asset").and_then(Value::as_pointer);
    let entry = (acting.entry_of(TRANSACTION).changed(None, Some(transaction)))
        .detail("assetId", asset.map(|asset| asset.id.to_string()))
        .detail("type", detail("type"))
        .detail("tokenId", detail("tokenId"))
        .detail("amount", detail("amount"));
    acting.record(host, entry).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_standard_needs_what_it_has() {
        for (standard, amount, token, expected) in [
            (Standard::Erc20, Some("5"), None, Ok(("0", 5))),
            (Standard::Erc20, Some("5"), Some("1"), Err("tokenId")),
            (Standard::Erc3643, None, None, Err("amount")),
            (Standard::Erc3643, Some("0"), None, Err("amount")),
            (Standard::Erc721, None, Some("7"), Ok(("7", 1))),
            (Standard::Erc721, Some("1"), Some("7"), Ok(("7", 1))),
            (Standard::Erc721, Some("2"), Some("7"), Err("amount")),
            (Standard::Erc721, None, None, Err("tokenId")),
            (Standard::Erc1155, Some("3"), Some("7"), Ok(("7", 3))),
            (Standard::Erc1155, None, Some("7"), Err("amount")),
            (Standard::Erc1155, Some("3"), Some("-7"), Err("tokenId")),
        ] {
            match (Named::read(amount, token).and_then(|named| named.of(standard)), expected) {
                (Ok(tokens), Ok((token, amount))) => {
                    assert_eq!(tokens, Tokens { token: token.to_owned(), amount: U256::from(amount) });
                }
                (Err(error), Err(field)) => {
                    assert!(error.message.contains(&format!("for {field}: ")), "{}", error.message);
                }
                (seen, expected) => panic!("{standard} {amount:?} {token:?}: {seen:?}, not {expected:?}"),
            }
        }
    }
}
