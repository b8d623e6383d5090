//! What do others tell of identities: a service that watches the chain, and whoever processes documents?

use parsimony_cloud::Inbound;
use parsimony_connectors::chain::sol_types::SolEvent as _;
use parsimony_connectors::chain::{B256, ChainError, Inclusion, transactions_in};
use parsimony_kit::Cause;
use parsimony_model::query::Constraint;
use parsimony_model::{ErrorCode, Filter, Object, ParseError, Query, Value};

use crate::actions::{ACTION, ActionStatus, Runner, note_chain};
use crate::chain::Registrar;
use crate::chain::abi::Factory;
use crate::model::IDENTITY;

/// How many transactions of one event are looked at.
const TRANSACTIONS_MAX: usize = 50;

/// How many steps one event may be about.
const STEPS_MAX: u64 = 50;

/// `chain`: something may have happened on the chain. That is a hint, after which the chain itself is asked, so an event that is late,
/// twice or out of order does no harm, and one that lies neither.
pub(crate) async fn chain_told(event: Inbound, runner: Runner) -> Result<(), ParseError> {
    let Some(registrar) = runner.registrar.as_deref() else { return Ok(()) };
    let mut hashes: Vec<B256> = transactions_in(&event.value()?).into_iter().take(TRANSACTIONS_MAX).collect();
    for step in ours(&event, &hashes).await? {
        runner.take(Cause::Event(&event), &step).await?;
        let own = step.get("hashes").and_then(Value::as_array).unwrap_or_default();
        hashes.retain(|hash| !own.iter().any(|own| own.as_str() == Some(&hash.to_string())));
    }
    for hash in hashes {
        // What is not ours may be somebody else's doing with the same factory.
        for key in keys(registrar, hash).await? {
            note(&event, registrar, key).await?;
        }
    }
    Ok(())
}

/// The steps of ours that an event is about.
async fn ours(event: &Inbound, hashes: &[B256]) -> Result<Vec<Object>, ParseError> {
    if hashes.is_empty() {
        return Ok(Vec::new());
    }
    let named = hashes.iter().map(|hash| hash.to_string().into()).collect();
    let filter =
        Filter::Field("hashes".into(), Constraint::In(named)).and(Filter::equals("status", ActionStatus::Submitted));
    event.host.find(ACTION, Query::new(filter).limit(STEPS_MAX)).await
}

/// The keys of the identities that a transaction has changed, once that is final.
async fn keys(registrar: &Registrar, hash: B256) -> Result<Vec<B256>, ParseError> {
    let (receipt, confirmations) = match registrar.chain.inclusion(hash).await.map_err(|error| unreached(&error))? {
        Inclusion::Included { receipt, confirmations } => (receipt, confirmations),
        Inclusion::Unknown | Inclusion::Waiting => return Ok(Vec::new()),
    };
    let told = [
        Factory::IdentityCreated::SIGNATURE_HASH,
        Factory::IdentityWalletChanged::SIGNATURE_HASH,
        Factory::IdentityStatusSet::SIGNATURE_HASH,
    ];
    let logs = receipt.logs.iter().filter(|log| log.address == registrar.factory);
    let logs = logs.filter(|log| log.topics.first().is_some_and(|event| told.contains(event)));
    let keys: Vec<B256> = logs.filter_map(|log| log.topics.get(1).copied()).collect();
    if !keys.is_empty() && confirmations < registrar.chain.confirmations() {
        // The event is handled again, later.
        return Err(ParseError::new(ErrorCode::ScriptFailed, "The transaction is not final yet."));
    }
    Ok(keys)
}

/// Notes what the chain says of the identity that has this key, if it is one of ours.
async fn note(event: &Inbound, registrar: &Registrar, key: B256) -> Result<(), ParseError> {
    let named = Query::new(Filter::equals("onChainKey", key.to_string()));
    let Some(identity) = event.host.first(IDENTITY, named).await? else { return Ok(()) };
    let Some(found) = registrar.look(key).await.map_err(|error| unreached(&error))? else { return Ok(()) };
    let (cause, found, id) = (Cause::Event(event), &found, &identity.id);
    cause.host().transaction(|host| async move { note_chain(cause, &host, id, found).await }).await
}

fn unreached(error: &ChainError) -> ParseError {
    ParseError::new(ErrorCode::ScriptFailed, error.to_string())
}
