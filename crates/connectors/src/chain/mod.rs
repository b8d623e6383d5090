//! What does a chain say, and how is something sent to it? EVM chains over JSON-RPC, several endpoints for each.
//!
//! | question | file |
//! | --- | --- |
//! | what is asked of an endpoint, and what is its answer | `rpc.rs` |
//! | which endpoint is asked, and when is it left alone | `endpoints.rs` |
//! | how does a chain answer in our terms | `evm.rs` |
//! | what may a transaction cost | `fees.rs` |
//! | whose signature is it | `signer.rs` |
//! | what does a price feed on the chain say | `price.rs` |
//! | what do services tell that watch the chain | `watch.rs` |
//!
//! A nonce is given by who sends: the application counts the transactions of a sender in a row of its store, in the same
//! transaction in which it writes down the signed bytes. So two servers never use one nonce for two things, and what was
//! written down can be sent again without harm, as the same bytes are the same transaction.

mod endpoints;
mod evm;
mod fees;
mod price;
mod rpc;
mod signer;
#[cfg(test)]
mod tests;
mod watch;

use std::fmt;

pub use alloy::primitives::{Address, B256, Bytes, U256, address, keccak256};
pub use alloy::sol_types;
use futures::future::BoxFuture;

pub use self::endpoints::EndpointHealth;
pub use self::evm::{ChainOptions, EvmChain};
pub use self::fees::{Fees, RAISE_PERCENT};
pub use self::price::{Feed, FeedPrice, PriceFault, read_feed};
pub use self::signer::{Signed, Signer, TxPlan};
pub use self::watch::{WatchService, transactions_in};

/// A pending answer of a chain.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, ChainError>>;

/// Why a chain did not do as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainError {
    /// No endpoint answers. It may be asked again later; whether something that was sent arrived is not known.
    Unavailable(String),
    /// The chain refused: the node's number and words, and what the contract said.
    Refused {
        /// JSON-RPC's number.
        code: i64,
        /// The node's words.
        message: String,
        /// What a contract reverted with.
        revert: Option<Bytes>,
    },
    /// It would cost more than the configuration lets it.
    TooExpensive {
        /// What it would cost for each unit of gas, in wei.
        wanted: u128,
        /// What it may cost.
        max: u128,
    },
    /// The chain answered something that is no answer.
    Malformed(String),
}

impl ChainError {
    /// Whether a contract or the node's rules say no, so that the same will be refused again.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(reason) => write!(f, "no endpoint of the chain answers: {reason}"),
            Self::Refused { code, message, revert: None } => write!(f, "the chain refused: {message} ({code})"),
            Self::Refused { code, message, revert: Some(data) } => {
                write!(f, "the chain refused: {message} ({code}), {data}")
            }
            Self::TooExpensive { wanted, max } => {
                write!(f, "the chain asks {wanted} wei for a unit of gas, and {max} are allowed")
            }
            Self::Malformed(reason) => write!(f, "the chain's answer cannot be read: {reason}"),
        }
    }
}

impl std::error::Error for ChainError {}

/// A block, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// How many blocks are before it.
    pub number: u64,
    /// Its hash: another one under the same number tells of a reorganization.
    pub hash: B256,
    /// When it was made, in seconds since 1970.
    pub seconds: u64,
    /// What it takes for a unit of gas, in wei; `None` on chains without EIP-1559.
    pub base_fee: Option<u128>,
}

/// What became of a transaction that is in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction.
    pub transaction: B256,
    /// The block's number.
    pub block_number: u64,
    /// The block's hash.
    pub block_hash: B256,
    /// Whether it did what it was to do; if not, it has cost its fee and changed nothing.
    pub succeeded: bool,
    /// What it used.
    pub gas_used: u64,
    /// The contract that it made.
    pub contract: Option<Address>,
    /// What contracts told.
    pub logs: Vec<LogEntry>,
}

/// What a contract told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The contract.
    pub address: Address,
    /// The event, and what of it can be looked for.
    pub topics: Vec<B256>,
    /// The rest of it.
    pub data: Bytes,
    /// In which block.
    pub block_number: u64,
    /// The hash of that block.
    pub block_hash: B256,
    /// In which transaction.
    pub transaction: B256,
    /// Its place among all that was told in the block.
    pub index: u64,
}

/// Which events are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// The first block.
    pub from_block: u64,
    /// The last one.
    pub to_block: u64,
    /// Of these contracts.
    pub addresses: Vec<Address>,
    /// These events; all if there are none.
    pub events: Vec<B256>,
}

/// Where a transaction stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inclusion {
    /// Nobody knows it: it never arrived, was dropped, or was replaced.
    Unknown,
    /// It waits to be in a block.
    Waiting,
    /// It is in a block that is part of the chain.
    Included {
        /// What became of it.
        receipt: Receipt,
        /// How many blocks the chain has from its own on, that one included.
        confirmations: u64,
    },
}

/// Which nonce is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// How many transactions of the sender are in blocks.
    Included,
    /// With those that wait.
    WithWaiting,
}

/// One chain, by whichever of its endpoints answers.
pub trait Chain: Send + Sync {
    /// Its number of EIP-155.
    fn id(&self) -> u64;
    /// How many confirmations make something final here.
    fn confirmations(&self) -> u64;
    /// The newest block.
    fn head(&self) -> Answer<'_, Block>;
    /// The block of a number, if there is one.
    fn block(&self, number: u64) -> Answer<'_, Option<Block>>;
    /// What a contract answers, without changing anything.
    fn call(&self, to: Address, input: Bytes) -> Answer<'_, Bytes>;
    /// The same, as of the block of this number.
    fn call_at(&self, to: Address, input: Bytes, block: u64) -> Answer<'_, Bytes>;
    /// How much gas it takes, as far as one can tell. What would revert is refused here.
    fn estimate(&self, from: Address, to: Option<Address>, input: Bytes) -> Answer<'_, u64>;
    /// What a transaction has to offer to be taken soon, if that is not too much.
    fn fees(&self) -> Answer<'_, Fees>;
    /// How many transactions a sender has sent.
    fn transaction_count(&self, sender: Address, count: Count) -> Answer<'_, u64>;
    /// What an account has of the chain's own currency, in wei.
    fn balance(&self, account: Address) -> Answer<'_, U256>;
    /// Hands in a signed transaction. That it is known already is no error.
    fn send(&self, raw: Bytes) -> Answer<'_, ()>;
    /// Where a transaction stands. A receipt of a block that is no longer part of the chain counts as none.
    fn inclusion(&self, transaction: B256) -> Answer<'_, Inclusion>;
    /// What contracts told in a range of blocks.
    fn logs(&self, query: LogQuery) -> Answer<'_, Vec<LogEntry>>;
    /// How its endpoints are.
    fn health(&self) -> Vec<EndpointHealth>;
}
