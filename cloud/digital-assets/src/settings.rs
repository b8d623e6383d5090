//! What has the administrator set: which chains there are, who signs, and where the contracts are.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::primitives::Address;
use parsimony_cloud::HttpClient;
use parsimony_connectors::chain::{Chain, Signer};
use parsimony_kit::chain::Reach;
use parsimony_kit::params;
use parsimony_model::ParseError;
use serde::Deserialize;

use crate::prices::market::PriceSettings;
use crate::webhooks::WebhookSecrets;

/// `parsimony.settings.digital-assets`.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// The chains on which assets may be.
    pub chains: Vec<ChainSettings>,
    /// Who knows prices, and when they are believed.
    pub prices: PriceSettings,
    /// The secrets of the services that watch chains.
    pub webhooks: WebhookSecrets,
}

parsimony_kit::chain_settings! {
    /// One chain.
    pub struct ChainSettings {
        /// The key that signs, 64 hexadecimal digits; a secret, best kept in a file or a variable.
        pub signer_key: Option<String>,
        /// The `DiamondFactory`.
        pub factory: Option<Address>,
        /// The `IdentityRegistry`.
        pub identity_registry: Option<Address>,
        /// The `AssetSettlement`.
        pub settlement: Option<Address>,
    }
}

/// A chain with who signs for us there and what is there.
pub struct Place {
    /// The chain.
    pub chain: Arc<dyn Chain>,
    /// Who signs.
    pub signer: Option<Signer>,
    /// The `DiamondFactory`.
    pub factory: Option<Address>,
    /// The `IdentityRegistry`.
    pub identity_registry: Option<Address>,
    /// The `AssetSettlement`.
    pub settlement: Option<Address>,
    /// What may be offered for a unit of gas, in wei.
    pub max_fee: u128,
    /// After how many milliseconds a transaction that is in no block is offered more for.
    pub stuck_after_millis: i64,
}

/// The chains, by their numbers.
#[derive(Clone, Default)]
pub struct Chains(Arc<BTreeMap<u64, Place>>);

impl Chains {
    /// The chains of the settings; nothing is asked of them yet. The error names the setting to mend.
    pub fn new(settings: &Settings, http: &Arc<dyn HttpClient>) -> Result<Self, String> {
        let mut places = BTreeMap::new();
        for (index, chain) in settings.chains.iter().enumerate() {
            let at = |fault: String| format!("parsimony.settings.digital-assets.chains[{index}]: {fault}");
            let place = chain.place(Arc::clone(http)).map_err(at)?;
            if places.insert(chain.id, place).is_some() {
                return Err(at(format!("chain {} is there twice", chain.id)));
            }
        }
        Ok(Self(Arc::new(places)))
    }

    /// Every one of them.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Place)> {
        self.0.iter().map(|(id, place)| (*id, place))
    }

    /// One of them, if there is such a chain.
    pub fn get(&self, id: u64) -> Option<&Place> {
        self.0.get(&id)
    }

    /// One that assets can be made on; a refusal that names the parameter (142).
    pub(crate) fn ready(&self, field: &str, id: u64) -> Result<&Place, ParseError> {
        let place = self.get(id).ok_or_else(|| {
            let known: Vec<String> = self.0.keys().map(u64::to_string).collect();
            params::invalid(field, format!("this server knows the chains [{}]", known.join(", ")))
        })?;
        if place.signer.is_none() || place.factory.is_none() {
            return Err(params::invalid(field, format!("this server has no signer or no factory on chain {id}")));
        }
        Ok(place)
    }
}

impl ChainSettings {
    fn place(&self, http: Arc<dyn HttpClient>) -> Result<Place, String> {
        let Reach { chain, max_fee, stuck_after_millis } = self.reach(http)?;
        Ok(Place {
            chain,
            signer: self.signer_key.as_deref().map(Signer::parse).transpose()?,
            factory: self.factory,
            identity_registry: self.identity_registry,
            settlement: self.settlement,
            max_fee,
            stuck_after_millis,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsimony_connectors::Http;

    fn chains(json: &str) -> Result<Chains, String> {
        let values = serde_json::from_str(json).unwrap();
        let settings = parsimony_cloud::Settings::new("digital-assets", values).read::<Settings>()?;
        Chains::new(&settings, &(Arc::new(Http::new()) as Arc<dyn HttpClient>))
    }

    #[test]
    fn what_cannot_be_is_named_and_no_key_is_repeated() {
        assert!(chains("{}").unwrap().ready("chainId", 1).is_err());
        let good = r#"{"chains": [{"id": 1, "endpoints": ["http://localhost:1"]}]}"#;
        let refused = chains(good).unwrap().ready("chainId", 1).err().unwrap();
        assert!(refused.message.contains("no signer"), "{}", refused.message);
        for (change, expected) in [
            (r#""endpoints": []"#, "chains[0]: chain 1 has no endpoints"),
            (r#""endpoints": ["nonsense"]"#, "chains[0]: an endpoint's URL cannot be read"),
            (r#""endpoints": ["http://x"], "maxFeePerGas": "1.5""#, "maxFeePerGas"),
            (r#""endpoints": ["http://x"], "confirmations": 0"#, "confirmation"),
            (r#""endpoints": ["http://x"], "signerKey": "hush""#, "a signer's key has 64 hexadecimal digits"),
            (r#""endpoints": ["http://x"], "factory": "0x12""#, "chains[0].factory"),
            (r#""endpoints": ["http://x"], "endpoint": "y""#, "unknown field `endpoint`"),
        ] {
            let error = chains(&format!(r#"{{"chains": [{{"id": 1, {change}}}]}}"#)).err().unwrap();
            assert!(error.contains(expected) && !error.contains("hush"), "{error}");
        }
        let twice = r#"{"chains": [{"id": 1, "endpoints": ["http://a"]}, {"id": 1, "endpoints": ["http://b"]}]}"#;
        assert!(chains(twice).err().unwrap().contains("twice"));
    }
}
