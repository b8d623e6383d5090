//! How are our contracts called? Their functions as Rust, what each kind of transaction tells them, and their bytes.

use alloy::primitives::{Address, B256, Bytes, FixedBytes, U256, keccak256};
use alloy::sol_types::{SolCall as _, SolEvent as _};
use parsimony_connectors::chain::Receipt;
use parsimony_model::ParseError;
use serde::Deserialize;

use crate::model::{Standard, TransactionType};

/// The interfaces, as the sources in `contracts/src` have them.
#[expect(unused_qualifications, reason = "what the macro writes")]
pub mod abi {
    alloy::sol_types::sol! {
        #![sol(alloy_sol_types = alloy::sol_types)]

        interface Factory {
            struct Asset {
                string name;
                string symbol;
                string uri;
                uint8 decimals;
                uint256 cap;
                uint256 maxBalance;
                address registry;
                address settlement;
                uint8 countryRule;
                uint16[] countries;
            }
            struct FacetCut {
                address facetAddress;
                uint8 action;
                bytes4[] functionSelectors;
            }
            event AssetDeployed(bytes32 indexed key, address indexed asset, uint8 indexed standard);
            function deploy(bytes32 key, uint8 standard, Asset asset) external returns (address made);
            function setStandard(uint8 standard, FacetCut[] cuts, bytes4[] interfaces) external;
            function assetOf(bytes32 key) external view returns (address);
        }

        interface Settlement {
            struct Leg {
                address asset;
                bytes input;
            }
            function settle(bytes32 key, Leg[] legs) external;
        }

        interface Fungible {
            function mint(address to, uint256 value) external;
            function burn(address from, uint256 value) external;
            function operatorTransfer(address from, address to, uint256 value) external;
        }

        interface Unique {
            function mint(address to, uint256 id) external;
            function burn(uint256 id) external;
            function operatorTransfer(address from, address to, uint256 id) external;
        }

        interface Multi {
            function mint(address to, uint256 id, uint256 value) external;
            function burn(address from, uint256 id, uint256 value) external;
            function operatorTransfer(address from, address to, uint256 id, uint256 value) external;
        }

        interface Common {
            function supply() external view returns (uint256);
            function holdingOf(address account, uint256 id) external view returns (uint256);
            function facetAddresses() external view returns (address[] found);
            function pause() external;
            function unpause() external;
            function setAddressFrozen(address account, bool freeze) external;
            function freezePartialTokens(address account, uint256 id, uint256 amount) external;
            function unfreezePartialTokens(address account, uint256 id, uint256 amount) external;
        }

        interface Identities {
            function createIdentity(bytes32 key, address wallet, uint16 country) external returns (address made);
            function setStatus(bytes32 key, uint8 status, uint64 validUntil) external;
            function addAgent(address agent) external;
        }
    }
}

use abi::{Common, Factory, Fungible, Multi, Settlement, Unique};

/// Under which key the factory knows an asset: a digest of its id.
pub fn asset_key(id: &str) -> B256 {
    keccak256(format!("DigitalAsset:{id}"))
}

/// What is done to the tokens of an asset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doing {
    pub(crate) kind: TransactionType,
    pub(crate) standard: Standard,
    pub(crate) from: Option<Address>,
    pub(crate) to: Option<Address>,
    pub(crate) token: U256,
    pub(crate) amount: U256,
}

impl Doing {
    /// What the asset's contract is told.
    pub(crate) fn input(&self) -> Result<Bytes, ParseError> {
        let Self { token, amount, .. } = *self;
        Ok(match self.kind {
            TransactionType::Deploy => return Err(ParseError::internal("an asset is made by the factory")),
            TransactionType::Swap => return Err(ParseError::internal("two assets are settled together")),
            TransactionType::Mint => self.mint()?,
            TransactionType::Transfer => self.transfer()?,
            TransactionType::Burn => self.burn()?,
            TransactionType::Pause => Common::pauseCall {}.abi_encode(),
            TransactionType::Unpause => Common::unpauseCall {}.abi_encode(),
            TransactionType::Freeze => {
                Common::setAddressFrozenCall { account: self.from()?, freeze: true }.abi_encode()
            }
            TransactionType::Unfreeze => {
                Common::setAddressFrozenCall { account: self.from()?, freeze: false }.abi_encode()
            }
            TransactionType::FreezeTokens => {
                Common::freezePartialTokensCall { account: self.from()?, id: token, amount }.abi_encode()
            }
            TransactionType::UnfreezeTokens => {
                Common::unfreezePartialTokensCall { account: self.from()?, id: token, amount }.abi_encode()
            }
        }
        .into())
    }

    fn mint(&self) -> Result<Vec<u8>, ParseError> {
        let (to, id, value) = (self.to()?, self.token, self.amount);
        Ok(match self.standard {
            Standard::Erc20 | Standard::Erc3643 => Fungible::mintCall { to, value }.abi_encode(),
            Standard::Erc721 => Unique::mintCall { to, id }.abi_encode(),
            Standard::Erc1155 => Multi::mintCall { to, id, value }.abi_encode(),
        })
    }

    /// What is told in a transfer.
    pub(crate) fn transfer(&self) -> Result<Vec<u8>, ParseError> {
        let (from, to, id, value) = (self.from()?, self.to()?, self.token, self.amount);
        Ok(match self.standard {
            Standard::Erc20 | Standard::Erc3643 => Fungible::operatorTransferCall { from, to, value }.abi_encode(),
            Standard::Erc721 => Unique::operatorTransferCall { from, to, id }.abi_encode(),
            Standard::Erc1155 => Multi::operatorTransferCall { from, to, id, value }.abi_encode(),
        })
    }

    fn burn(&self) -> Result<Vec<u8>, ParseError> {
        let (id, value) = (self.token, self.amount);
        Ok(match self.standard {
            Standard::Erc20 | Standard::Erc3643 => Fungible::burnCall { from: self.from()?, value }.abi_encode(),
            Standard::Erc721 => Unique::burnCall { id }.abi_encode(),
            Standard::Erc1155 => Multi::burnCall { from: self.from()?, id, value }.abi_encode(),
        })
    }

    fn from(&self) -> Result<Address, ParseError> {
        self.from.ok_or_else(|| ParseError::internal(format!("a {} has no address it is from", self.kind)))
    }

    fn to(&self) -> Result<Address, ParseError> {
        self.to.ok_or_else(|| ParseError::internal(format!("a {} has no address it goes to", self.kind)))
    }
}

/// What the settlement is told: these transfers, all or none.
pub(crate) fn settlement(key: &str, legs: Vec<(Address, Vec<u8>)>) -> Bytes {
    let legs = legs.into_iter().map(|(asset, input)| Settlement::Leg { asset, input: input.into() }).collect();
    Settlement::settleCall { key: keccak256(format!("AssetTransaction:{key}")), legs }.abi_encode().into()
}

/// The address of the asset that a transaction has made.
pub(crate) fn deployed(receipt: &Receipt, factory: Address, key: B256) -> Option<Address> {
    let wanted = [Factory::AssetDeployed::SIGNATURE_HASH, key];
    let log = receipt.logs.iter().find(|log| log.address == factory && log.topics.starts_with(&wanted))?;
    log.topics.get(2).map(|topic| Address::from_word(*topic))
}

/// A contract that can be deployed: what of it is needed for that.
#[derive(Deserialize)]
struct Artifact {
    bytecode: Bytes,
}

macro_rules! artifacts {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)*) => {
        /// A contract, by its artefact.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Contract { $($(#[$doc])* $name,)* }

        impl Contract {
            const fn artifact(self) -> &'static str {
                match self { $(Self::$name => include_str!(concat!("../contracts/artifacts/", $file, ".json")),)* }
            }
        }
    };
}

artifacts! {
    /// What every asset answers about its facets.
    DiamondFacet = "DiamondFacet";
    /// What every asset has.
    AssetFacet = "AssetFacet";
    /// ERC-20 and ERC-3643.
    Erc20Facet = "ERC20Facet";
    /// ERC-721.
    Erc721Facet = "ERC721Facet";
    /// ERC-1155.
    Erc1155Facet = "ERC1155Facet";
    /// What moves tokens of several assets, all or none.
    AssetSettlement = "AssetSettlement";
    /// What makes assets.
    DiamondFactory = "DiamondFactory";
    /// Which addresses are verified.
    IdentityRegistry = "IdentityRegistry";
    /// What makes identities.
    IdentityFactory = "IdentityFactory";
    /// A price feed for local chains.
    LocalPriceFeed = "LocalPriceFeed";
}

/// The contracts' functions, as their artefacts name them.
#[derive(Deserialize)]
struct Interface {
    abi: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    inputs: Vec<Parameter>,
}

#[derive(Deserialize)]
struct Parameter {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    components: Vec<Parameter>,
}

impl Parameter {
    /// Its type as signatures spell it: a struct is a tuple.
    fn spelled(&self) -> String {
        match self.kind.strip_prefix("tuple") {
            Some(rest) => {
                let parts: Vec<String> = self.components.iter().map(Self::spelled).collect();
                format!("({}){rest}", parts.join(","))
            }
            None => self.kind.clone(),
        }
    }
}

impl Contract {
    /// What is sent to make it: its code, and its constructor's arguments.
    pub fn creation(self, arguments: &[u8]) -> Result<Bytes, String> {
        let artifact: Artifact = serde_json::from_str(self.artifact()).map_err(|error| error.to_string())?;
        Ok([artifact.bytecode.as_ref(), arguments].concat().into())
    }

    /// The selectors of its functions.
    pub fn selectors(self) -> Result<Vec<FixedBytes<4>>, String> {
        let interface: Interface = serde_json::from_str(self.artifact()).map_err(|error| error.to_string())?;
        let functions = interface.abi.iter().filter(|entry| entry.kind == "function");
        Ok(functions
            .map(|entry| {
                let inputs: Vec<String> = entry.inputs.iter().map(Parameter::spelled).collect();
                let digest = keccak256(format!("{}({})", entry.name, inputs.join(",")));
                let [one, two, three, four, ..] = digest.0;
                FixedBytes([one, two, three, four])
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_call_is_what_the_contracts_have() {
        let has = |contract: Contract, selector: [u8; 4]| contract.selectors().unwrap().contains(&FixedBytes(selector));
        for (contract, selector) in [
            (Contract::DiamondFactory, Factory::deployCall::SELECTOR),
            (Contract::DiamondFactory, Factory::setStandardCall::SELECTOR),
            (Contract::DiamondFactory, Factory::assetOfCall::SELECTOR),
            (Contract::Erc20Facet, Fungible::mintCall::SELECTOR),
            (Contract::Erc20Facet, Fungible::burnCall::SELECTOR),
            (Contract::Erc20Facet, Fungible::operatorTransferCall::SELECTOR),
            (Contract::Erc721Facet, Unique::mintCall::SELECTOR),
            (Contract::Erc721Facet, Unique::burnCall::SELECTOR),
            (Contract::Erc721Facet, Unique::operatorTransferCall::SELECTOR),
            (Contract::Erc1155Facet, Multi::mintCall::SELECTOR),
            (Contract::Erc1155Facet, Multi::burnCall::SELECTOR),
            (Contract::Erc1155Facet, Multi::operatorTransferCall::SELECTOR),
            (Contract::AssetSettlement, Settlement::settleCall::SELECTOR),
            (Contract::DiamondFacet, Common::facetAddressesCall::SELECTOR),
            (Contract::AssetFacet, Common::supplyCall::SELECTOR),
            (Contract::AssetFacet, Common::holdingOfCall::SELECTOR),
            (Contract::AssetFacet, Common::pauseCall::SELECTOR),
            (Contract::AssetFacet, Common::unpauseCall::SELECTOR),
            (Contract::AssetFacet, Common::setAddressFrozenCall::SELECTOR),
            (Contract::AssetFacet, Common::freezePartialTokensCall::SELECTOR),
            (Contract::AssetFacet, Common::unfreezePartialTokensCall::SELECTOR),
            (Contract::IdentityFactory, abi::Identities::createIdentityCall::SELECTOR),
            (Contract::IdentityFactory, abi::Identities::setStatusCall::SELECTOR),
            (Contract::IdentityRegistry, abi::Identities::addAgentCall::SELECTOR),
        ] {
            assert!(has(contract, selector), "{contract:?} {selector:02x?}");
        }
    }

    #[test]
    fn no_two_facets_of_a_standard_answer_the_same_selector() {
        for standard in [Contract::Erc20Facet, Contract::Erc721Facet, Contract::Erc1155Facet] {
            let facets = [Contract::DiamondFacet, Contract::AssetFacet, standard];
            let all: Vec<_> = facets.iter().flat_map(|facet| facet.selectors().unwrap()).collect();
            let once: std::collections::BTreeSet<_> = all.iter().collect();
            assert_eq!(once.len(), all.len(), "{standard:?}");
        }
    }
}
