//! How is the contract of an asset made, and is it there already? The factory makes one for each key, whoever asks how often.

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::SolCall as _;
use parsimony_connectors::chain::Receipt;
use parsimony_kit::chain::Trouble;
use parsimony_model::ParseError;

use crate::amount;
use crate::compliance::ComplianceRules;
use crate::contracts::abi::{Common, Factory};
use crate::contracts::{asset_key, deployed};
use crate::ledger::Asset;
use crate::model::{text, whole};
use crate::settings::Place;
use crate::settle::Made;

/// Whether an asset has its contract.
pub(crate) enum Found {
    /// It has none.
    Nowhere,
    /// It has one in a block that may still go.
    NotFinal,
    /// It has one.
    There(Made),
}

/// What the factory is told.
pub(crate) fn input(place: &Place, asset: &Asset) -> Result<Bytes, ParseError> {
    let rules = ComplianceRules::of(&asset.object)?;
    let max_balance = match &rules.max_balance {
        Some(max) => amount::parse("maxBalance", max)?,
        None => U256::ZERO,
    };
    let registry = place.identity_registry.filter(|_| rules.asks_for_verified(asset.standard)).unwrap_or_default();
    let decimals = whole(&asset.object, "decimals").and_then(|decimals| u8::try_from(decimals).ok());
    let (country_rule, countries) = rules.countries();
    let described = Factory::Asset {
        name: text(&asset.object, "name")?.to_owned(),
        symbol: text(&asset.object, "symbol")?.to_owned(),
        uri: asset.object.text("baseUri").unwrap_or_default().to_owned(),
        decimals: decimals.unwrap_or_default(),
        cap: asset.cap()?.unwrap_or_default(),
        maxBalance: max_balance,
        registry,
        settlement: place.settlement.unwrap_or_default(),
        countryRule: country_rule as u8,
        countries,
    };
    let key = asset_key(asset.object.id.as_str());
    Ok(Factory::deployCall { key, standard: asset.standard.number(), asset: described }.abi_encode().into())
}

/// Asks the factory. What it has made is found so too when this server does not know that it had asked for it: because the
/// transaction lost its nonce to one of the same, or because the store is older than the chain.
pub(crate) async fn find(place: &Place, asset: &Asset) -> Result<Found, Trouble> {
    let factory = place.factory.ok_or_else(|| ParseError::internal("the chain has no factory any more"))?;
    let key = asset_key(asset.object.id.as_str());
    let asked: Bytes = Factory::assetOfCall { key }.abi_encode().into();
    let read = |answer: &Bytes| Factory::assetOfCall::abi_decode_returns(answer).map_err(ParseError::internal);
    if read(&place.chain.call(factory, asked.clone()).await?)?.is_zero() {
        return Ok(Found::Nowhere);
    }
    let head = place.chain.head().await?.number;
    let Some(last) = (head + 1).checked_sub(place.chain.confirmations()) else { return Ok(Found::NotFinal) };
    let answer = place.chain.call_at(factory, asked, last).await?;
    // Before the factory was there, there is no answer.
    let address = if answer.is_empty() { Address::ZERO } else { read(&answer)? };
    if address.is_zero() {
        return Ok(Found::NotFinal);
    }
    Ok(Found::There(made(place, address).await?))
}

/// What a receipt says that was made.
pub(crate) async fn told(place: &Place, asset: &str, receipt: &Receipt) -> Result<Made, Trouble> {
    let factory = place.factory.ok_or_else(|| ParseError::internal("the chain has no factory any more"))?;
    match deployed(receipt, factory, asset_key(asset)) {
        Some(address) => made(place, address).await,
        None => Err(ParseError::internal("a deployment succeeded, and the factory told of no asset").into()),
    }
}

async fn made(place: &Place, address: Address) -> Result<Made, Trouble> {
    let answer = place.chain.call(address, Common::facetAddressesCall {}.abi_encode().into()).await?;
    let facets = Common::facetAddressesCall::abi_decode_returns(&answer).map_err(ParseError::internal)?;
    Ok(Made { address, facets })
}
