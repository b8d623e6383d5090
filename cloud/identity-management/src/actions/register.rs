//! What is the chain to say of an identity, and does it? As long as it says something else, it is told; what it says is looked at,
//! and not what it was told before, so the same is never told twice.

use parsimony_cloud::Host;
use parsimony_connectors::chain::sol_types::SolCall as _;
use parsimony_connectors::chain::{Address, Bytes};
use parsimony_kit::chain::Trouble;
use parsimony_kit::{Cause, audit, countries, state};
use parsimony_model::{ErrorCode, Object, ParseError, Value, map};

use super::outbox::{self, Followed};
use super::run::{Progress, end, skip};
use super::{ACTION, ActionStatus};
use crate::APPLICATION;
use crate::chain::abi::Factory;
use crate::chain::{ChainStatus, OnChain, Registrar, identity_key};
use crate::model::{IDENTITY, IdentityStatus, pointer};

/// What the chain is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    wallet: Address,
    country: u16,
    status: ChainStatus,
    valid_until: u64,
}

/// Has the chain say of an identity what this server says of it.
pub(super) async fn register(
    cause: Cause<'_>,
    registrar: Option<&Registrar>,
    step: &Object,
) -> Result<Progress, Trouble> {
    let Some(registrar) = registrar else {
        return skip(cause, &step.id, "not configured: this server knows no chain for identities").await;
    };
    if state::of::<ActionStatus>(step)? == ActionStatus::Submitted {
        match outbox::follow(cause, registrar, step).await? {
            Followed::Waits => return Ok(Progress::Waits),
            // What it changed is seen when the chain is looked at.
            Followed::Arrived => {}
        }
    }
    let host = cause.host();
    let identity = host.get(IDENTITY, &pointer(step, "identity")?.id).await?;
    let Some(wanted) = wanted(&identity)? else {
        return skip(cause, &step.id, "the identity has no onChainAddress").await;
    };
    let key = identity_key(identity.id.as_str());
    let found = registrar.look(key).await?;
    match (next(&wanted, found.as_ref(), identity.id.as_str()), found) {
        (Some(input), _) => {
            outbox::submit(cause, registrar, &step.id, input).await?;
            Ok(Progress::Waits)
        }
        (None, Some(found)) => done(cause, step, &found).await,
        (None, None) => Err(ParseError::internal("what is not on the chain has to be told").into()),
    }
}

/// What the chain is to say of an identity; nothing if it has no address there.
fn wanted(identity: &Object) -> Result<Option<Wanted>, ParseError> {
    let Some(address) = identity.text("onChainAddress") else { return Ok(None) };
    let refused = |text: &str| ParseError::new(ErrorCode::ValidationError, text.to_owned());
    let wallet = address.parse().ok().filter(|wallet| *wallet != Address::ZERO);
    let wallet = wallet.ok_or_else(|| refused("The onChainAddress of the identity is no address."))?;
    let country = identity.text("countryOfResidence").and_then(countries::number);
    let status = match state::of(identity)? {
        IdentityStatus::Verified => ChainStatus::Verified,
        IdentityStatus::Suspended => ChainStatus::Suspended,
        IdentityStatus::Expired => ChainStatus::Expired,
        IdentityStatus::Draft | IdentityStatus::Submitted | IdentityStatus::InReview | IdentityStatus::Rejected => {
            return Err(refused("The identity is not verified any more."));
        }
    };
    let until = identity.get("expiresAt").and_then(Value::as_date).map(|until| until.millis() / 1_000);
    Ok(Some(Wanted {
        wallet,
        country: country.ok_or_else(|| refused("The identity has no country that the chain knows."))?,
        status,
        valid_until: until.and_then(|until| u64::try_from(until).ok()).unwrap_or_default(),
    }))
}

/// What the chain has to be told next so that it says what it is to say; nothing if it does.
fn next(wanted: &Wanted, found: Option<&OnChain>, id: &str) -> Option<Bytes> {
    let key = identity_key(id);
    let Wanted { wallet, country, status, valid_until } = *wanted;
    let call = match found {
        None => Factory::createIdentityCall { key, wallet, country }.abi_encode(),
        Some(found) if found.wallet != wallet => Factory::changeWalletCall { key, next: wallet }.abi_encode(),
        Some(found) if (found.status, found.valid_until) != (status, valid_until) => {
            Factory::setStatusCall { key, status: status.number(), validUntil: valid_until }.abi_encode()
        }
        Some(_) => return None,
    };
    Some(call.into())
}

/// The chain says what it is to say: that is noted, in the step and in the identity.
async fn done(cause: Cause<'_>, step: &Object, found: &OnChain) -> Result<Progress, Trouble> {
    let work = |host: Host| async move {
        let before = host.get(ACTION, &step.id).await?;
        let status: ActionStatus = state::of(&before)?;
        if status != ActionStatus::Pending {
            return Ok(());
        }
        note(cause, &host, &pointer(&before, "identity")?.id, found).await?;
        let told = map! { "identityContract" => found.contract.to_string(), "status" => found.status };
        end(cause, &host, &before, (ActionStatus::Done, told)).await
    };
    cause.host().transaction(work).await?;
    Ok(Progress::Ended)
}

/// Notes what the chain says of an identity, in the transaction of the host, if that is anything new.
pub(crate) async fn note(
    cause: Cause<'_>,
    host: &Host,
    id: &parsimony_model::ObjectId,
    found: &OnChain,
) -> Result<(), ParseError> {
    let before = host.get(IDENTITY, id).await?;
    let contract = found.contract.to_string();
    if before.text("onChainIdentity") == Some(&contract) && before.text("onChainStatus") == Some(found.status.as_str())
    {
        return Ok(());
    }
    let changes = map! {
        "onChainIdentity" => contract,
        "onChainKey" => identity_key(id.as_str()).to_string(),
        "onChainStatus" => found.status,
    };
    let after = host.update(IDENTITY, id, changes).await?;
    let told = cause.entry(IDENTITY).changed(Some(&before), Some(&after)).detail("onChainStatus", found.status);
    audit::append(host, APPLICATION, told).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALLET: Address = Address::repeat_byte(7);

    fn found(wallet: Address, status: ChainStatus, valid_until: u64) -> OnChain {
        OnChain { contract: Address::repeat_byte(1), wallet, status, valid_until }
    }

    #[test]
    fn the_chain_is_told_until_it_says_what_it_is_to_say() {
        let wanted = Wanted { wallet: WALLET, country: 276, status: ChainStatus::Verified, valid_until: 9 };
        let told =
            |found: Option<OnChain>| next(&wanted, found.as_ref(), "i").map(|input| input.get(..4).unwrap().to_vec());
        assert_eq!(told(None), Some(Factory::createIdentityCall::SELECTOR.to_vec()));
        // As the factory makes it: without an end.
        assert_eq!(
            told(Some(found(WALLET, ChainStatus::Verified, 0))),
            Some(Factory::setStatusCall::SELECTOR.to_vec())
        );
        let other = found(Address::repeat_byte(8), ChainStatus::Verified, 9);
        assert_eq!(told(Some(other)), Some(Factory::changeWalletCall::SELECTOR.to_vec()));
        for status in [ChainStatus::Suspended, ChainStatus::Expired, ChainStatus::Revoked, ChainStatus::None] {
            assert_eq!(told(Some(found(WALLET, status, 9))), Some(Factory::setStatusCall::SELECTOR.to_vec()));
        }
        assert_eq!(told(Some(found(WALLET, ChainStatus::Verified, 9))), None);
    }
}
