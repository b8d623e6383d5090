//! What holds for every save of our classes, whoever saves: the functions, the master key, a job.

use alloy::primitives::U256;
use parsimony_cloud::{BeforeSave, Draft, Origin};
use parsimony_kit::entity;
use parsimony_kit::state::State;
use parsimony_model::{ErrorCode, ParseError};

use crate::model::{AssetStatus, DeploymentStatus, HoldingStatus, ListingStatus, PermissionStatus, TransactionStatus};
use crate::prices::market::Market;

/// An asset stays what it was described as, and is valued by a feed that is there.
pub(crate) fn keep_asset(request: BeforeSave, market: &Market) -> Result<Draft, ParseError> {
    let draft = keep::<AssetStatus>(request, &["issuer", "standard", "decimals", "symbol", "supplyCap"])?;
    whole_amounts(&draft, &["totalSupply", "supplyCap"])?;
    if draft.is_dirty("priceFeed")
        && let Some(feed) = draft.text("priceFeed")
    {
        market.require("priceFeed", &feed)?;
    }
    Ok(draft)
}

/// A contract stays of its asset and on its chain.
pub(crate) async fn keep_deployment(request: BeforeSave) -> Result<Draft, ParseError> {
    keep::<DeploymentStatus>(request, &["asset", "chainId"])
}

/// What was decided stays; only how it went is written.
pub(crate) async fn keep_transaction(request: BeforeSave) -> Result<Draft, ParseError> {
    let frozen = ["asset", "type", "from", "to", "fromAddress", "toAddress", "tokenId", "amount", "chainId"];
    let sale = ["listing", "paymentAsset", "paymentAmount", "payment", "paymentReference"];
    let frozen = [&frozen[..], &sale].concat();
    let mut draft = keep::<TransactionStatus>(request, &frozen)?;
    whole_amounts(&draft, &["amount", "paymentAmount"])?;
    let over = [TransactionStatus::Failed, TransactionStatus::Replaced].map(TransactionStatus::as_str);
    if draft.text("status").is_some_and(|status| over.contains(&status.as_str())) && draft.get("paymentKey").is_some() {
        // What was paid for may be bought with the same payment again.
        draft.unset("paymentKey");
    }
    Ok(draft)
}

/// What is offered stays, and adds up: no more of it is left, bought and sold than there was.
pub(crate) async fn keep_listing(request: BeforeSave) -> Result<Draft, ParseError> {
    let frozen = ["asset", "tokenId", "seller", "amount", "price", "paymentAsset", "allowPartial", "expiresAt"];
    let draft = keep::<ListingStatus>(request, &frozen)?;
    let parts = ["remaining", "awaiting", "sold"];
    whole_amounts(&draft, &["amount", "remaining", "awaiting", "sold"])?;
    let sum = parts.iter().try_fold(U256::ZERO, |sum, part| sum.checked_add(amount(&draft, part).ok()?));
    let offered = amount(&draft, "amount")?;
    if sum.is_none_or(|sum| sum > offered) {
        let text = "A listing cannot sell more than it offers.";
        return Err(ParseError::new(ErrorCode::ValidationError, text));
    }
    Ok(draft)
}

/// A permission stays whose and for what it is.
pub(crate) async fn keep_permission(request: BeforeSave) -> Result<Draft, ParseError> {
    keep::<PermissionStatus>(request, &["asset", "user", "permission"])
}

/// A holding stays whose and of what it is, and adds up: what is locked is a part of what is held.
pub(crate) async fn keep_holding(request: BeforeSave) -> Result<Draft, ParseError> {
    let mut draft = keep::<HoldingStatus>(request, &["asset", "holder", "tokenId"])?;
    let parts = ["frozen", "reserved", "pending"];
    whole_amounts(&draft, &["balance", "frozen", "reserved", "pending"])?;
    let balance = amount(&draft, "balance")?;
    let locked = parts.iter().try_fold(U256::ZERO, |sum, part| sum.checked_add(amount(&draft, part).ok()?));
    let available = locked.and_then(|locked| balance.checked_sub(locked)).ok_or_else(|| {
        let text = "A holding cannot lock more than it has.";
        ParseError::new(ErrorCode::ValidationError, text)
    })?;
    draft.set("locked", (balance - available).to_string());
    draft.set("available", available.to_string());
    Ok(draft)
}

fn keep<S: State>(request: BeforeSave, frozen: &[&str]) -> Result<Draft, ParseError> {
    let BeforeSave { object: mut draft, origin } = request;
    let Origin { who, host, .. } = origin;
    entity::keep::<S>(&mut draft, &who, &host, frozen)?;
    Ok(draft)
}

fn whole_amounts(draft: &Draft, fields: &[&str]) -> Result<(), ParseError> {
    fields.iter().filter(|field| draft.is_dirty(field)).try_for_each(|field| amount(draft, field).map(drop))
}

fn amount(draft: &Draft, field: &str) -> Result<U256, ParseError> {
    match draft.text(field) {
        None => Ok(U256::ZERO),
        Some(text) => crate::amount::parse(field, &text),
    }
}
