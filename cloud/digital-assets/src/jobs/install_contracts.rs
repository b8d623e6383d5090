//! `installContracts`: makes on a chain what assets and identities stand on, once, and tells the addresses for the settings.

use std::time::Duration;

use alloy::primitives::{Address, Bytes, FixedBytes};
use alloy::sol_types::{SolCall as _, SolValue as _};
use parsimony_cloud::JobRequest;
use parsimony_connectors::chain::{Chain, ChainError, Count, Inclusion, Receipt, Signer, TxPlan};
use parsimony_kit::{AuditEntry, audit, params};
use parsimony_model::ParseError;
use serde::Deserialize;

use crate::APPLICATION;
use crate::contracts::Contract;
use crate::contracts::abi::{Factory, Identities};
use crate::model::Standard;
use crate::settings::Chains;

/// How long one transaction may take to be in a block.
const WAIT_SECONDS_MAX: u64 = 300;

/// How long to wait before it is looked for again.
const POLL: Duration = Duration::from_millis(250);

/// What is asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct InstallContracts {
    chain_id: u64,
}

/// Where things are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installed {
    /// The `DiamondFactory`.
    pub factory: Address,
    /// The `IdentityRegistry`.
    pub identity_registry: Address,
    /// The `IdentityFactory`.
    pub identity_factory: Address,
    /// The `AssetSettlement`.
    pub settlement: Address,
}

/// Makes the contracts on a chain of the settings, with its signer. Nothing else should be sent for that signer meanwhile.
pub(crate) async fn install_contracts(
    request: JobRequest<InstallContracts>,
    chains: Chains,
) -> Result<String, ParseError> {
    let id = request.params.chain_id;
    let place = chains.get(id).ok_or_else(|| params::invalid("chainId", "this server knows no such chain"))?;
    let signer = place.signer.as_ref().ok_or_else(|| params::invalid("chainId", "this server has no signer there"))?;
    let installed = install(place.chain.as_ref(), signer).await.map_err(ParseError::internal)?;
    let Installed { factory, identity_registry, identity_factory, settlement } = installed;
    let entry = AuditEntry::of_job(&request.job, "DiamondFactory")
        .detail("chainId", id as f64)
        .detail("factory", factory.to_string());
    audit::append(&request.host, APPLICATION, entry).await?;
    let identities = format!("identityRegistry {identity_registry}, identityFactory {identity_factory}");
    Ok(format!("factory {factory}, {identities}, settlement {settlement}"))
}

/// Makes the contracts; the signer becomes their owner.
pub async fn install(chain: &dyn Chain, signer: &Signer) -> Result<Installed, ChainError> {
    let mut outgoing = Outgoing { chain, signer };
    let diamond = outgoing.make(Contract::DiamondFacet, &[]).await?;
    let asset = outgoing.make(Contract::AssetFacet, &[]).await?;
    let fungible = outgoing.make(Contract::Erc20Facet, &[]).await?;
    let unique = outgoing.make(Contract::Erc721Facet, &[]).await?;
    let multi = outgoing.make(Contract::Erc1155Facet, &[]).await?;
    let factory = outgoing.make(Contract::DiamondFactory, &[]).await?;
    let common = [(Contract::DiamondFacet, diamond), (Contract::AssetFacet, asset)];
    for (standard, facet, interfaces) in [
        (Standard::Erc20, (Contract::Erc20Facet, fungible), &[[0x36, 0x37, 0x2b, 0x07]][..]),
        (Standard::Erc721, (Contract::Erc721Facet, unique), &[[0x80, 0xac, 0x58, 0xcd], [0x5b, 0x5e, 0x13, 0x9f]]),
        (Standard::Erc1155, (Contract::Erc1155Facet, multi), &[[0xd9, 0xb6, 0x7a, 0x26], [0x0e, 0x89, 0x34, 0x1c]]),
        (Standard::Erc3643, (Contract::Erc20Facet, fungible), &[[0x36, 0x37, 0x2b, 0x07]]),
    ] {
        let cuts = common.iter().chain([&facet]).map(cut).collect::<Result<_, _>>()?;
        let interfaces = interfaces.iter().map(|id| FixedBytes(*id)).collect();
        let input = Factory::setStandardCall { standard: standard.number(), cuts, interfaces }.abi_encode();
        outgoing.tell(factory, input.into()).await?;
    }
    let identity_registry = outgoing.make(Contract::IdentityRegistry, &[]).await?;
    let identity_factory = outgoing.make(Contract::IdentityFactory, &identity_registry.abi_encode()).await?;
    let agent = Identities::addAgentCall { agent: identity_factory }.abi_encode();
    outgoing.tell(identity_registry, agent.into()).await?;
    let settlement = outgoing.make(Contract::AssetSettlement, &[]).await?;
    Ok(Installed { factory, identity_registry, identity_factory, settlement })
}

fn cut((contract, address): &(Contract, Address)) -> Result<Factory::FacetCut, ChainError> {
    let selectors = contract.selectors().map_err(ChainError::Malformed)?;
    Ok(Factory::FacetCut { facetAddress: *address, action: 0, functionSelectors: selectors })
}

/// What is sent one after the other, each when the one before is in a block.
struct Outgoing<'a> {
    chain: &'a dyn Chain,
    signer: &'a Signer,
}

impl Outgoing<'_> {
    async fn make(&mut self, contract: Contract, arguments: &[u8]) -> Result<Address, ChainError> {
        let creation = contract.creation(arguments).map_err(ChainError::Malformed)?;
        let receipt = self.send(None, creation).await?;
        receipt.contract.ok_or_else(|| ChainError::Malformed(format!("{contract:?} was made nowhere")))
    }

    async fn tell(&mut self, to: Address, input: Bytes) -> Result<(), ChainError> {
        self.send(Some(to), input).await.map(drop)
    }

    async fn send(&mut self, to: Option<Address>, input: Bytes) -> Result<Receipt, ChainError> {
        let sender = self.signer.address();
        let gas = self.chain.estimate(sender, to, input.clone()).await?;
        let nonce = self.chain.transaction_count(sender, Count::WithWaiting).await?;
        let plan = TxPlan { chain: self.chain.id(), nonce, to, input, gas, fees: self.chain.fees().await? };
        let signed = self.signer.sign(&plan)?;
        self.chain.send(signed.raw).await?;
        for _ in 0..WAIT_SECONDS_MAX * 4 {
            if let Inclusion::Included { receipt, .. } = self.chain.inclusion(signed.hash).await? {
                let refused = || ChainError::Malformed(format!("{} was refused in its block", signed.hash));
                return if receipt.succeeded { Ok(receipt) } else { Err(refused()) };
            }
            tokio::time::sleep(POLL).await;
        }
        Err(ChainError::Unavailable(format!("{} is in no block", signed.hash)))
    }
}
