//! On which chain are identities registered, by whom, and where? And what does that chain say of one?

use std::sync::Arc;

use parsimony_cloud::HttpClient;
use parsimony_connectors::chain::sol_types::SolCall as _;
use parsimony_connectors::chain::{Address, B256, Bytes, Chain, ChainError, Signer, WatchService, keccak256};
use parsimony_kit::chain::Reach;
use serde::Deserialize;

use crate::APPLICATION;

/// The interfaces, as the sources of the contracts have them.
pub mod abi {
    parsimony_connectors::chain::sol_types::sol! {
        #![sol(alloy_sol_types = parsimony_connectors::chain::sol_types)]

        interface Factory {
            event IdentityCreated(bytes32 indexed key, address indexed wallet, address indexed identity);
            event IdentityWalletChanged(bytes32 indexed key, address indexed wallet, address indexed identity);
            event IdentityStatusSet(bytes32 indexed key, address indexed wallet, uint8 indexed status);
            function createIdentity(bytes32 key, address wallet, uint16 country) external returns (address made);
            function setStatus(bytes32 key, uint8 status, uint64 validUntil) external;
            function changeWallet(bytes32 key, address next) external;
            function identityOf(bytes32 key) external view returns (address);
        }

        interface Registry {
            function statusOf(address account) external view returns (uint8 status, uint64 validUntil);
        }

        interface Person {
            function wallet() external view returns (address);
        }
    }
}

use abi::{Factory, Person, Registry};

parsimony_kit::words! {
    /// What the registry says of an address, in the order of the contract.
    pub enum ChainStatus {
        /// Nothing.
        None = "NONE",
        /// It is somebody's who is verified.
        Verified = "VERIFIED",
        /// It is suspended: it counts again when that is lifted.
        Suspended = "SUSPENDED",
        /// That is over.
        Expired = "EXPIRED",
        /// That was a mistake.
        Revoked = "REVOKED",
    }
}

impl ChainStatus {
    /// Its number in the contract.
    pub(crate) fn number(self) -> u8 {
        Self::ALL.iter().zip(0..).find(|(status, _)| **status == self).map_or(0, |(_, number)| number)
    }

    fn of(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

parsimony_kit::chain_settings! {
    /// `parsimony.settings.identity-management.chain`
    pub(crate) struct ChainSettings {
        /// The key that signs, the owner of the factory; a secret, best kept in a file or a variable.
        signer_key: String,
        /// The `IdentityFactory`.
        identity_factory: Address,
        /// The `IdentityRegistry`.
        identity_registry: Address,
        /// The service that watches the chain, if there is one.
        pub(crate) webhook: Option<ChainWatcher>,
    }
}

/// Who tells of what happens on the chain.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChainWatcher {
    /// Which service it is, that is, how it signs.
    pub(crate) service: WatchService,
    /// With what it signs.
    pub(crate) secret: String,
}

/// A chain with the contracts of identities, and who may tell them something.
pub(crate) struct Registrar {
    /// The chain.
    pub(crate) chain: Arc<dyn Chain>,
    /// Who signs.
    pub(crate) signer: Signer,
    /// The `IdentityFactory`.
    pub(crate) factory: Address,
    registry: Address,
    /// What may be offered for a unit of gas, in wei.
    pub(crate) max_fee: u128,
    /// After how many milliseconds a transaction that is in no block is offered more for.
    pub(crate) stuck_after_millis: i64,
}

/// What the chain says of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OnChain {
    /// Its contract.
    pub(crate) contract: Address,
    /// The address that acts for it.
    pub(crate) wallet: Address,
    /// Whether that counts.
    pub(crate) status: ChainStatus,
    /// Until when, in seconds since 1970; 0 for ever.
    pub(crate) valid_until: u64,
}

impl Registrar {
    /// The chain of the settings; nothing is asked of it yet. The error names the setting to mend.
    pub(crate) fn new(settings: &ChainSettings, http: Arc<dyn HttpClient>) -> Result<Arc<Self>, String> {
        let at = |fault: &str| format!("parsimony.settings.{APPLICATION}.chain: {fault}");
        let Reach { chain, max_fee, stuck_after_millis } = settings.reach(http).map_err(|fault| at(&fault))?;
        Ok(Arc::new(Self {
            chain,
            signer: Signer::parse(&settings.signer_key).map_err(|fault| at(&fault))?,
            factory: settings.identity_factory,
            registry: settings.identity_registry,
            max_fee,
            stuck_after_millis,
        }))
    }

    /// What the chain says of an identity now; `None` if it knows none of this key.
    pub(crate) async fn look(&self, key: B256) -> Result<Option<OnChain>, ChainError> {
        let answer = self.chain.call(self.factory, Factory::identityOfCall { key }.abi_encode().into()).await?;
        let contract = Factory::identityOfCall::abi_decode_returns(&answer).map_err(malformed)?;
        if contract == Address::ZERO {
            return Ok(None);
        }
        let answer = self.chain.call(contract, Person::walletCall {}.abi_encode().into()).await?;
        let wallet = Person::walletCall::abi_decode_returns(&answer).map_err(malformed)?;
        let input: Bytes = Registry::statusOfCall { account: wallet }.abi_encode().into();
        let answer = self.chain.call(self.registry, input).await?;
        let told = Registry::statusOfCall::abi_decode_returns(&answer).map_err(malformed)?;
        let status = ChainStatus::of(told.status).ok_or_else(|| malformed("a status that the contract has not"))?;
        Ok(Some(OnChain { contract, wallet, status, valid_until: told.validUntil }))
    }
}

fn malformed(error: impl std::fmt::Display) -> ChainError {
    ChainError::Malformed(format!("{error}"))
}

/// Under which key the factory knows an identity: a digest of its id. Nothing else about it is on the chain.
pub fn identity_key(id: &str) -> B256 {
    keccak256(format!("Identity:{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsimony_connectors::Http;

    fn registrar(change: &str) -> Result<Arc<Registrar>, String> {
        let key = "1".repeat(64);
        let (factory, registry) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let good = format!(
            r#"{{"id": 1, "endpoints": ["http://x"], "signerKey": "{key}", "identityFactory": "{factory}", "identityRegistry": "{registry}"}}"#
        );
        let mut settings: serde_json::Value = serde_json::from_str(&good).unwrap();
        let change: serde_json::Value = serde_json::from_str(change).unwrap();
        settings.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let settings: ChainSettings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
        Registrar::new(&settings, Arc::new(Http::new()))
    }

    #[test]
    fn settings_that_cannot_be_are_named_and_no_key_is_repeated() {
        assert!(registrar("{}").is_ok());
        for (change, fault) in [
            (r#"{"endpoints": []}"#, "no endpoints"),
            (r#"{"maxFeePerGas": "1.5"}"#, "maxFeePerGas"),
            (r#"{"signerKey": "hush"}"#, "64 hexadecimal digits"),
            (r#"{"identityFactory": "0x12"}"#, ""),
            (r#"{"webhook": {"service": "carrier pigeon", "secret": "hush"}}"#, "carrier pigeon"),
        ] {
            let error = registrar(change).err().unwrap();
            assert!(error.contains(fault) && !error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn statuses_are_those_of_the_contract() {
        for (status, number) in ChainStatus::ALL.iter().zip(0_u8..) {
            assert_eq!((status.number(), ChainStatus::of(number)), (number, Some(*status)));
        }
        assert_eq!(ChainStatus::of(5), None);
    }
}
