//! How is a chain set and reached, and what keeps something from getting there? For every application that brings something to one.

use std::sync::Arc;
use std::time::Duration;

use parsimony_cloud::HttpClient;
use parsimony_connectors::chain::{Chain, ChainError, ChainOptions, EvmChain};
use parsimony_model::ParseError;

/// Why something that is brought to a chain did not come to its end.
#[derive(Debug)]
pub enum Trouble {
    /// The chain: with this one, none of its others can be helped.
    Chain(ChainError),
    /// The store, or what is asked of an object in it.
    Parse(ParseError),
}

impl From<ChainError> for Trouble {
    fn from(error: ChainError) -> Self {
        Self::Chain(error)
    }
}

impl From<ParseError> for Trouble {
    fn from(error: ParseError) -> Self {
        Self::Parse(error)
    }
}

/// A chain as it is reached.
pub struct Reach {
    /// The chain; nothing was asked of it yet.
    pub chain: Arc<dyn Chain>,
    /// What may be offered for a unit of gas, in wei.
    pub max_fee: u128,
    /// After how many milliseconds a transaction that is in no block is offered more for.
    pub stuck_after_millis: i64,
}

impl Reach {
    /// The chain of these options. The error names the setting to mend.
    pub fn new(
        mut options: ChainOptions,
        max_fee_per_gas: &str,
        stuck_after_seconds: u64,
        http: Arc<dyn HttpClient>,
    ) -> Result<Self, String> {
        options.max_fee = max_fee_per_gas.parse().map_err(|_digits| "maxFeePerGas has decimal digits".to_owned())?;
        let stuck_after = Duration::from_secs(stuck_after_seconds);
        Ok(Self {
            max_fee: options.max_fee,
            chain: Arc::new(EvmChain::new(&options, http)?),
            stuck_after_millis: i64::try_from(stuck_after.as_millis()).unwrap_or(i64::MAX),
        })
    }
}

/// Declares the settings of a chain: what every application says of one, and what this one needs besides.
///
/// A macro, since serde lets no struct refuse unknown settings that has another one flattened into it.
#[macro_export]
macro_rules! chain_settings {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($more:tt)* }) => {
        $(#[$meta])*
        #[derive(Clone, serde::Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        $vis struct $name {
            /// Its number of EIP-155: 1 Ethereum, 137 Polygon, 56 BNB Smart Chain, 42161 Arbitrum.
            pub id: u64,
            /// The URLs of its endpoints, in the order in which they are asked.
            pub endpoints: Vec<String>,
            /// How many confirmations make something final.
            #[serde(default = "parsimony_kit::chain::confirmations")]
            pub confirmations: u64,
            /// What may be offered for a unit of gas, in wei, as decimal digits.
            #[serde(default = "parsimony_kit::chain::max_fee_per_gas")]
            pub max_fee_per_gas: String,
            /// How long an endpoint may take.
            #[serde(default = "parsimony_kit::chain::timeout_millis")]
            pub timeout_millis: u64,
            /// After how many seconds a transaction that is in no block is offered more for.
            #[serde(default = "parsimony_kit::chain::stuck_after_seconds")]
            pub stuck_after_seconds: u64,
            $($more)*
        }

        impl $name {
            /// The chain, as it is reached. The error names the setting to mend.
            $vis fn reach(
                &self,
                http: std::sync::Arc<dyn parsimony_cloud::HttpClient>,
            ) -> Result<parsimony_kit::chain::Reach, String> {
                let options = parsimony_connectors::chain::ChainOptions {
                    id: self.id,
                    endpoints: self.endpoints.clone(),
                    confirmations: self.confirmations,
                    max_fee: 0,
                    time_max: std::time::Duration::from_millis(self.timeout_millis),
                };
                parsimony_kit::chain::Reach::new(options, &self.max_fee_per_gas, self.stuck_after_seconds, http)
            }
        }
    };
}

/// How many confirmations make something final, unless told otherwise.
#[must_use]
pub const fn confirmations() -> u64 {
    12
}

/// What may be offered for a unit of gas, unless told otherwise.
#[must_use]
pub fn max_fee_per_gas() -> String {
    "500000000000".to_owned()
}

/// How long an endpoint may take, unless told otherwise.
#[must_use]
pub const fn timeout_millis() -> u64 {
    10_000
}

/// After how many seconds more is offered, unless told otherwise.
#[must_use]
pub const fn stuck_after_seconds() -> u64 {
    180
}
