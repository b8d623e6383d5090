//! How does what was decided get to its chain? It is signed and written down in one transaction with its nonce, and sent after
//! that, as often as it takes.

use alloy::primitives::{Address, B256, Bytes, U256};
use parsimony_cloud::Host;
use parsimony_connectors::chain::{ChainError, Count, Fees, Signed, Signer, TxPlan};
use parsimony_kit::{Cause, chain::Trouble, nonces, state};
use parsimony_model::query::Constraint;
use parsimony_model::value::Map;
use parsimony_model::{Filter, Object, ObjectId, ParseError, Query, Value, map};

use crate::amount;
use crate::contracts::{self, Doing};
use crate::deployment::{self, Found};
use crate::ledger::Asset;
use crate::model::{TRANSACTION, TransactionStatus, TransactionType, optional_pointer, pointer, text, whole, word};
use crate::settings::Place;
use crate::settle;

/// What became of one that was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is on its way.
    Submitted,
    /// The chain had it already.
    There,
    /// It has to wait for others.
    Waits,
    /// The chain would refuse it.
    Failed,
}

/// Where something is told, and what.
pub(crate) struct Message {
    pub(crate) to: Address,
    pub(crate) input: Bytes,
}

impl Message {
    /// What a transaction tells which contract.
    pub(crate) async fn of(host: &Host, place: &Place, asset: &Asset, waiting: &Object) -> Result<Self, ParseError> {
        let missing = |what: &str| ParseError::internal(format!("the chain has no {what} any more"));
        let to = match word(waiting, "type", TransactionType::parse)? {
            TransactionType::Deploy => {
                let to = place.factory.ok_or_else(|| missing("factory"))?;
                return Ok(Self { to, input: deployment::input(place, asset)? });
            }
            TransactionType::Swap => {
                let to = place.settlement.ok_or_else(|| missing("settlement"))?;
                return Ok(Self { to, input: swap(host, asset, waiting).await? });
            }
            TransactionType::Mint
            | TransactionType::Transfer
            | TransactionType::Burn
            | TransactionType::Pause
            | TransactionType::Unpause
            | TransactionType::Freeze
            | TransactionType::Unfreeze
            | TransactionType::FreezeTokens
            | TransactionType::UnfreezeTokens => contract(asset)?,
        };
        Ok(Self { to, input: doing(asset, waiting)?.input()? })
    }
}

/// Where the contract of an asset is.
fn contract(asset: &Asset) -> Result<Address, ParseError> {
    text(&asset.object, "address")?.parse().map_err(ParseError::internal)
}

fn address(object: &Object, field: &str) -> Result<Option<Address>, ParseError> {
    object.text(field).map(|text| text.parse().map_err(ParseError::internal)).transpose()
}

fn doing(asset: &Asset, waiting: &Object) -> Result<Doing, ParseError> {
    Ok(Doing {
        kind: word(waiting, "type", TransactionType::parse)?,
        standard: asset.standard,
        from: address(waiting, "fromAddress")?,
        to: address(waiting, "toAddress")?,
        token: U256::from_str_radix(text(waiting, "tokenId")?, 10).map_err(ParseError::internal)?,
        amount: amount::of(waiting, "amount")?,
    })
}

/// Tokens for tokens: the transfers of both, the one the other way round.
async fn swap(host: &Host, asset: &Asset, waiting: &Object) -> Result<Bytes, ParseError> {
    let sold = doing(asset, waiting)?;
    let payment = Asset::load(host, &pointer(waiting, "paymentAsset")?.id).await?;
    let paid = Doing {
        standard: payment.standard,
        from: sold.to,
        to: sold.from,
        token: U256::ZERO,
        amount: amount::of(waiting, "paymentAmount")?,
        ..sold
    };
    let legs = vec![(contract(asset)?, sold.transfer()?), (contract(&payment)?, paid.transfer()?)];
    Ok(contracts::settlement(waiting.id.as_str(), legs))
}

/// Sends one that waits to be sent.
pub(crate) async fn submit(cause: Cause<'_>, place: &Place, waiting: &Object) -> Result<Sent, Trouble> {
    let Some(key) = &place.signer else { return Ok(Sent::Waits) };
    let asset = Asset::load(cause.host(), &pointer(waiting, "asset")?.id).await?;
    if word(waiting, "type", TransactionType::parse)? == TransactionType::Deploy {
        match deployment::find(place, &asset).await? {
            Found::Nowhere => {}
            Found::NotFinal => return Ok(Sent::Waits),
            Found::There(made) => {
                settle::confirm(cause, &waiting.id, &Map::default(), Some(&made)).await?;
                return Ok(Sent::There);
            }
        }
    }
    let message = Message::of(cause.host(), place, &asset, waiting).await?;
    let gas = match place.chain.estimate(key.address(), Some(message.to), message.input.clone()).await {
        Ok(gas) => gas,
        Err(error @ ChainError::Refused { .. }) => {
            if has_earlier(cause.host(), waiting).await? {
                return Ok(Sent::Waits);
            }
            settle::fail(cause, &waiting.id, &error.to_string()).await?;
            return Ok(Sent::Failed);
        }
        Err(error) => return Err(error.into()),
    };
    let fees = place.chain.fees().await?;
    let known = place.chain.transaction_count(key.address(), Count::WithWaiting).await?;
    let draft = TxPlan { chain: place.chain.id(), nonce: known, to: Some(message.to), input: message.input, gas, fees };
    let Some(signed) = write_down(cause.host(), key, &waiting.id, &draft).await? else { return Ok(Sent::Waits) };
    send(place, &signed.raw).await?;
    Ok(Sent::Submitted)
}

/// Hands in what was written down. That the chain refuses it now is not its end: it is looked at again.
pub(crate) async fn send(place: &Place, raw: &Bytes) -> Result<(), Trouble> {
    match place.chain.send(raw.clone()).await {
        Ok(()) => Ok(()),
        Err(error @ ChainError::Refused { .. }) => {
            tracing::warn!(chain = place.chain.id(), %error, "a transaction was not taken, and will be sent again");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether something of the same assets has to come first.
async fn has_earlier(host: &Host, waiting: &Object) -> Result<bool, ParseError> {
    let assets = [Some(pointer(waiting, "asset")?), optional_pointer(waiting, "paymentAsset")];
    let assets: Vec<Value> = assets.into_iter().flatten().map(Value::from).collect();
    let of_assets =
        ["asset", "paymentAsset"].map(|field| Filter::Field(field.into(), Constraint::In(assets.clone()))).to_vec();
    let open = TransactionStatus::OPEN.map(Value::from).to_vec();
    let mut earlier = Filter::Or(of_assets)
        .and(Filter::Field("status".into(), Constraint::In(open)))
        .and(Filter::Field("objectId".into(), Constraint::NotEquals(waiting.id.as_str().into())));
    if let Some(created_at) = waiting.created_at {
        earlier = earlier.and(Filter::Field("createdAt".into(), Constraint::LessOrEqual(created_at.into())));
    }
    host.first(TRANSACTION, Query::new(earlier)).await.map(|found| found.is_some())
}

/// Gives it the next nonce, signs it and writes both down, all in one: no two servers give one nonce to two.
async fn write_down(host: &Host, key: &Signer, id: &ObjectId, draft: &TxPlan) -> Result<Option<Signed>, ParseError> {
    let work = |host: Host| async move {
        let waiting = host.get(TRANSACTION, id).await?;
        if state::of::<TransactionStatus>(&waiting)? != TransactionStatus::Created {
            return Ok(None);
        }
        let nonce = nonces::take(&host, draft.chain, &key.address().to_string(), draft.nonce).await?;
        let plan = TxPlan { nonce, ..draft.clone() };
        let signed = key.sign(&plan).map_err(ParseError::internal)?;
        let mut changes = attempt(&waiting, &plan, &signed, host.now().into());
        changes.insert("status".into(), TransactionStatus::Submitted.into());
        changes.insert("nonce".into(), (nonce as f64).into());
        // One field, so that what has no nonce yet is not taken for the same.
        let nonce_key = format!("{}:{}:{nonce}", draft.chain, key.address());
        changes.insert("nonceKey".into(), nonce_key.into());
        changes.insert("sender".into(), key.address().to_string().into());
        host.update(TRANSACTION, id, changes).await?;
        Ok(Some(signed))
    };
    host.transaction(work).await
}

/// What is written of an attempt: the hash under which it may be found, beside those of the ones before.
fn attempt(transaction: &Object, plan: &TxPlan, signed: &Signed, now: Value) -> Map {
    let mut hashes = transaction.get("hashes").and_then(Value::as_array).map(<[Value]>::to_vec).unwrap_or_default();
    hashes.push(signed.hash.to_string().into());
    map! {
        "transactionHash" => signed.hash.to_string(),
        "hashes" => hashes,
        "rawTransaction" => signed.raw.to_string(),
        "gas" => plan.gas.to_string(),
        "maxFeePerGas" => plan.fees.max_fee.to_string(),
        "maxPriorityFeePerGas" => plan.fees.priority_fee.to_string(),
        "submittedAt" => now,
        "missingSince" => Value::Null,
    }
}

/// Offers more for one that waits too long: the same nonce, so that only one of both can be.
pub(crate) async fn offer_more(cause: Cause<'_>, place: &Place, stuck: &Object) -> Result<bool, Trouble> {
    let Some(key) = &place.signer else { return Ok(false) };
    let asset = Asset::load(cause.host(), &pointer(stuck, "asset")?.id).await?;
    let message = Message::of(cause.host(), place, &asset, stuck).await?;
    let number =
        |field: &str| -> Result<u128, ParseError> { text(stuck, field)?.parse().map_err(ParseError::internal) };
    let before = Fees { max_fee: number("maxFeePerGas")?, priority_fee: number("maxPriorityFeePerGas")? };
    let Ok(fees) = before.raised(place.chain.fees().await?, place.max_fee) else { return Ok(false) };
    let nonce = whole(stuck, "nonce").ok_or_else(|| ParseError::internal("a transaction was sent without a nonce"))?;
    let gas = text(stuck, "gas")?.parse().map_err(ParseError::internal)?;
    let plan = TxPlan { chain: place.chain.id(), nonce, to: Some(message.to), input: message.input, gas, fees };
    let signed = &key.sign(&plan)?;
    let plan = &plan;
    let work = |host: Host| async move {
        let now = host.get(TRANSACTION, &stuck.id).await?;
        // Another server may have done the same, or it is in a block by now.
        let status: TransactionStatus = state::of(&now)?;
        if now.text("transactionHash") != stuck.text("transactionHash") || status != TransactionStatus::Submitted {
            return Ok(false);
        }
        host.update(TRANSACTION, &stuck.id, attempt(&now, plan, signed, host.now().into())).await?;
        Ok(true)
    };
    if cause.host().transaction(work).await? {
        send(place, &signed.raw).await?;
        return Ok(true);
    }
    Ok(false)
}

/// The hashes under which a transaction may be found, the newest first.
pub(crate) fn hashes(transaction: &Object) -> Vec<B256> {
    let hashes = transaction.get("hashes").and_then(Value::as_array).unwrap_or_default();
    hashes.iter().rev().filter_map(|hash| hash.as_str()?.parse().ok()).collect()
}
