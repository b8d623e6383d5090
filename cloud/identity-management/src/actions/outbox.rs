//! How does a transaction get to the chain, and what became of it? It is signed and written down with its nonce before it is sent,
//! and sent again as often as it takes: the same bytes are the same transaction.

use parsimony_cloud::Host;
use parsimony_connectors::chain::{Address, B256, Bytes, ChainError, Count, Fees, Inclusion, Signed, TxPlan};
use parsimony_kit::chain::Trouble;
use parsimony_kit::{Cause, nonces, state};
use parsimony_model::value::Map;
use parsimony_model::{Date, ErrorCode, Object, ObjectId, ParseError, Value, map};

use super::{ACTION, ActionStatus};
use crate::chain::Registrar;

/// How long to wait before it is looked what became of a transaction.
const LOOK_MILLIS: i64 = 10_000;

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Followed {
    /// It is on its way.
    Waits,
    /// It is final; the step waits for its next turn.
    Arrived,
}

/// Sends something to the factory for a step.
pub(super) async fn submit(
    cause: Cause<'_>,
    registrar: &Registrar,
    id: &ObjectId,
    input: Bytes,
) -> Result<(), Trouble> {
    let (chain, account) = (&registrar.chain, registrar.signer.address());
    let gas = chain.estimate(account, Some(registrar.factory), input.clone()).await?;
    let fees = chain.fees().await?;
    let known = chain.transaction_count(account, Count::WithWaiting).await?;
    let draft = TxPlan { chain: chain.id(), nonce: known, to: Some(registrar.factory), input, gas, fees };
    match write_down(cause, registrar, id, &draft).await? {
        Some(signed) => send(registrar, &signed.raw).await,
        None => Ok(()),
    }
}

/// Gives it the next nonce, signs it and writes both down, all in one.
async fn write_down(
    cause: Cause<'_>,
    registrar: &Registrar,
    id: &ObjectId,
    draft: &TxPlan,
) -> Result<Option<Signed>, ParseError> {
    let work = |host: Host| async move {
        let before = host.get(ACTION, id).await?;
        if state::of::<ActionStatus>(&before)? != ActionStatus::Pending {
            return Ok(None);
        }
        let account = registrar.signer.address().to_string();
        let nonce = nonces::take(&host, draft.chain, &account, draft.nonce).await?;
        let plan = TxPlan { nonce, ..draft.clone() };
        let signed = registrar.signer.sign(&plan).map_err(ParseError::internal)?;
        let mut changes = attempt(&before, &plan, &signed, host.now());
        changes.extend(map! {
            "status" => ActionStatus::Submitted,
            "chainId" => draft.chain as f64,
            "nonce" => nonce as f64,
            "nonceKey" => format!("{}:{account}:{nonce}", draft.chain),
            "sender" => account,
            "missingSince" => map! { "__op" => "Delete" },
        });
        host.update(ACTION, id, changes).await?;
        Ok(Some(signed))
    };
    cause.host().transaction(work).await
}

/// What is written of an attempt: the hash under which it may be found, beside those of the ones before.
fn attempt(step: &Object, plan: &TxPlan, signed: &Signed, now: Date) -> Map {
    let mut hashes = step.get("hashes").and_then(Value::as_array).map(<[Value]>::to_vec).unwrap_or_default();
    hashes.push(signed.hash.to_string().into());
    map! {
        "transactionHash" => signed.hash.to_string(),
        "hashes" => hashes,
        "rawTransaction" => signed.raw.to_string(),
        "input" => plan.input.to_string(),
        "gas" => plan.gas.to_string(),
        "maxFeePerGas" => plan.fees.max_fee.to_string(),
        "maxPriorityFeePerGas" => plan.fees.priority_fee.to_string(),
        "submittedAt" => now,
        "nextAttemptAt" => now.plus_millis(LOOK_MILLIS),
    }
}

/// Hands in what was written down. That the chain refuses it now is not its end: it is looked at again.
async fn send(registrar: &Registrar, raw: &Bytes) -> Result<(), Trouble> {
    match registrar.chain.send(raw.clone()).await {
        Ok(()) => Ok(()),
        Err(error @ ChainError::Refused { .. }) => {
            tracing::warn!(chain = registrar.chain.id(), %error, "a transaction was not taken, and will be sent again");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Looks what became of one that was sent.
pub(super) async fn follow(cause: Cause<'_>, registrar: &Registrar, sent: &Object) -> Result<Followed, Trouble> {
    let mut waits = false;
    for hash in hashes(sent) {
        match registrar.chain.inclusion(hash).await? {
            Inclusion::Included { confirmations, .. } if confirmations < registrar.chain.confirmations() => {
                return later(cause, sent, Map::default()).await;
            }
            Inclusion::Included { receipt, .. } => {
                release(cause, sent).await?;
                if receipt.succeeded {
                    return Ok(Followed::Arrived);
                }
                let text = "The contract refused it in its block.";
                return Err(ParseError::new(ErrorCode::ScriptFailed, text).into());
            }
            Inclusion::Waiting => waits = true,
            Inclusion::Unknown => {}
        }
    }
    if waits { waiting(cause, registrar, sent).await } else { missing(cause, registrar, sent).await }
}

/// It is final: the step is free for what comes next; unless another one has seen that too, and sent what comes next.
async fn release(cause: Cause<'_>, sent: &Object) -> Result<(), ParseError> {
    let work = |host: Host| async move {
        let before = host.get(ACTION, &sent.id).await?;
        let same = before.text("transactionHash") == sent.text("transactionHash");
        if !same || state::of::<ActionStatus>(&before)? != ActionStatus::Submitted {
            return Ok(());
        }
        let gone = || map! { "__op" => "Delete" };
        let mut changes =
            map! { "status" => ActionStatus::Pending, "nextAttemptAt" => host.now(), "hashes" => Vec::<Value>::new() };
        changes.extend(["nonce", "nonceKey", "rawTransaction"].map(|field| (field.into(), gone().into())));
        host.update(ACTION, &sent.id, changes).await.map(drop)
    };
    cause.host().transaction(work).await
}

async fn later(cause: Cause<'_>, sent: &Object, mut changes: Map) -> Result<Followed, Trouble> {
    let host = cause.host();
    changes.insert("nextAttemptAt".into(), host.now().plus_millis(LOOK_MILLIS).into());
    host.update(ACTION, &sent.id, changes).await?;
    Ok(Followed::Waits)
}

/// It waits to be in a block: when it has waited too long, more is offered for it.
async fn waiting(cause: Cause<'_>, registrar: &Registrar, sent: &Object) -> Result<Followed, Trouble> {
    if !is_long_ago(cause, registrar, sent, "submittedAt") {
        return later(cause, sent, Map::default()).await;
    }
    let number = |field: &str| -> Result<u128, ParseError> { text(sent, field)?.parse().map_err(ParseError::internal) };
    let before = Fees { max_fee: number("maxFeePerGas")?, priority_fee: number("maxPriorityFeePerGas")? };
    let Ok(fees) = before.raised(registrar.chain.fees().await?, registrar.max_fee) else {
        return later(cause, sent, Map::default()).await;
    };
    let plan = TxPlan {
        chain: registrar.chain.id(),
        nonce: nonce(sent)?,
        to: Some(registrar.factory),
        input: text(sent, "input")?.parse().map_err(ParseError::internal)?,
        gas: text(sent, "gas")?.parse().map_err(ParseError::internal)?,
        fees,
    };
    let signed = &registrar.signer.sign(&plan)?;
    let plan = &plan;
    let work = |host: Host| async move {
        let now = host.get(ACTION, &sent.id).await?;
        // Another server may have done the same.
        if now.text("transactionHash") != sent.text("transactionHash") {
            return Ok(());
        }
        host.update(ACTION, &sent.id, attempt(&now, plan, signed, host.now())).await.map(drop)
    };
    cause.host().transaction(work).await?;
    send(registrar, &signed.raw).await?;
    Ok(Followed::Waits)
}

/// No endpoint knows it: it was dropped, and is sent again; unless its nonce is gone, and has been for a while.
async fn missing(cause: Cause<'_>, registrar: &Registrar, sent: &Object) -> Result<Followed, Trouble> {
    let account: Address = text(sent, "sender")?.parse().map_err(ParseError::internal)?;
    let included = registrar.chain.transaction_count(account, Count::Included).await?;
    if nonce(sent)? >= included {
        send(registrar, &text(sent, "rawTransaction")?.parse().map_err(ParseError::internal)?).await?;
        return later(cause, sent, Map::default()).await;
    }
    if is_long_ago(cause, registrar, sent, "missingSince") {
        // Something else has its nonce. What the chain says now decides whether anything is left to be told.
        release(cause, sent).await?;
        return Ok(Followed::Arrived);
    }
    // An endpoint that is behind may not know it yet.
    let since = sent.get("missingSince").cloned().unwrap_or_else(|| cause.host().now().into());
    later(cause, sent, map! { "missingSince" => since }).await
}

fn is_long_ago(cause: Cause<'_>, registrar: &Registrar, sent: &Object, field: &str) -> bool {
    let since = sent.get(field).and_then(Value::as_date);
    since.is_some_and(|since| since.plus_millis(registrar.stuck_after_millis) <= cause.host().now())
}

/// The hashes under which it may be found, the newest first.
fn hashes(sent: &Object) -> Vec<B256> {
    let hashes = sent.get("hashes").and_then(Value::as_array).unwrap_or_default();
    hashes.iter().rev().filter_map(|hash| hash.as_str()?.parse().ok()).collect()
}

fn text<'a>(sent: &'a Object, field: &str) -> Result<&'a str, ParseError> {
    sent.text(field).ok_or_else(|| ParseError::internal(format!("{ACTION} {} has no {field}", sent.id)))
}

fn nonce(sent: &Object) -> Result<u64, ParseError> {
    let nonce = sent.get("nonce").and_then(Value::as_f64).and_then(|nonce| nonce.to_string().parse().ok());
    nonce.ok_or_else(|| ParseError::internal(format!("{ACTION} {} was sent without a nonce", sent.id)))
}
