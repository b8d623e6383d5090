//! What does a price feed on the chain say? Chainlink's aggregators, and when their word is not taken.

use std::fmt;

use alloy::primitives::{Address, I256, U256};
use alloy::sol_types::SolCall as _;

use super::{Chain, ChainError};

/// The part of an aggregator that is asked.
mod aggregator {
    alloy::sol_types::sol! {
        #![sol(alloy_sol_types = alloy::sol_types)]
        function latestRoundData() external view
            returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
        function decimals() external view returns (uint8);
    }
}

use self::aggregator::{decimalsCall, latestRoundDataCall, latestRoundDataReturn};

/// A feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feed {
    /// The aggregator's proxy.
    pub address: Address,
    /// How old its answer may be, in seconds: its heartbeat and some more.
    pub age_seconds_max: u64,
    /// On rollups, the feed that says whether the sequencer is up.
    pub sequencer: Option<Address>,
}

/// How long the sequencer has to be up before prices count again, in seconds.
const SEQUENCER_GRACE_SECONDS: u64 = 3_600;

/// A price: an integer and how many of its digits are behind the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedPrice {
    /// The price without its point.
    pub value: U256,
    /// How many digits are behind the point.
    pub decimals: u8,
    /// Of when it is, in seconds since 1970.
    pub seconds: u64,
}

/// Why there is no price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PriceFault {
    /// The chain did not answer.
    Chain(ChainError),
    /// The answer is none: zero, negative, or no numbers.
    NoPrice(String),
    /// The answer is too old.
    Stale {
        /// Of when it is.
        seconds: u64,
    },
    /// The rollup's sequencer is down, or was a moment ago.
    SequencerDown,
}

impl fmt::Display for PriceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain(error) => error.fmt(f),
            Self::NoPrice(reason) => write!(f, "the feed has no price: {reason}"),
            Self::Stale { seconds } => write!(f, "the price of the feed is of {seconds}, which is too old"),
            Self::SequencerDown => f.write_str("the sequencer of the chain is or was down"),
        }
    }
}

impl From<ChainError> for PriceFault {
    fn from(error: ChainError) -> Self {
        Self::Chain(error)
    }
}

/// Reads a feed, as of the chain's newest block.
pub async fn read_feed(chain: &dyn Chain, feed: &Feed) -> Result<FeedPrice, PriceFault> {
    let now = chain.head().await?.seconds;
    if let Some(sequencer) = feed.sequencer {
        let status = round(chain, sequencer).await?;
        let up_for = now.saturating_sub(status.startedAt.saturating_to::<u64>());
        if !status.answer.is_zero() || up_for < SEQUENCER_GRACE_SECONDS {
            return Err(PriceFault::SequencerDown);
        }
    }
    let latest = round(chain, feed.address).await?;
    if latest.answer <= I256::ZERO {
        return Err(PriceFault::NoPrice(format!("it answers {}", latest.answer)));
    }
    let seconds = latest.updatedAt.saturating_to::<u64>();
    if seconds == 0 || now.saturating_sub(seconds) > feed.age_seconds_max {
        return Err(PriceFault::Stale { seconds });
    }
    let answer = chain.call(feed.address, decimalsCall {}.abi_encode().into()).await?;
    let decimals = decimalsCall::abi_decode_returns(&answer).map_err(|error| PriceFault::NoPrice(error.to_string()))?;
    Ok(FeedPrice { value: latest.answer.unsigned_abs(), decimals, seconds })
}

async fn round(chain: &dyn Chain, feed: Address) -> Result<latestRoundDataReturn, PriceFault> {
    let answer = chain.call(feed, latestRoundDataCall {}.abi_encode().into()).await?;
    latestRoundDataCall::abi_decode_returns(&answer).map_err(|error| PriceFault::NoPrice(error.to_string()))
}
