//! How does an EVM chain answer in our terms? The methods of `eth_…`, and what they mean.

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U64, U128, U256};
use parsimony_cloud::HttpClient;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::endpoints::{EndpointHealth, Endpoints};
use super::fees::Fees;
use super::{Answer, Block, Chain, ChainError, Count, Inclusion, LogEntry, LogQuery, Receipt};

/// How much more gas is allowed than was estimated, in percent: what others do in between may change it.
const GAS_MARGIN_PERCENT: u64 = 20;

/// How many blocks of logs are asked for at once: more than this many endpoints refuse.
const LOG_BLOCKS_MAX: u64 = 2_000;

/// What is offered to who makes the block where the chain does not say, in wei.
const PRIORITY_FEE: u128 = 1_000_000_000;

/// What a chain is, by the configuration.
#[derive(Debug, Clone)]
pub struct ChainOptions {
    /// Its number of EIP-155.
    pub id: u64,
    /// The URLs of its endpoints, in the order in which they are asked.
    pub endpoints: Vec<String>,
    /// How many confirmations make something final.
    pub confirmations: u64,
    /// What may be offered for a unit of gas, in wei.
    pub max_fee: u128,
    /// How long an endpoint may take.
    pub time_max: Duration,
}

/// A chain by its endpoints.
pub struct EvmChain {
    id: u64,
    confirmations: u64,
    max_fee: u128,
    endpoints: Endpoints,
}

impl EvmChain {
    /// The chain, of which nothing is asked yet. The error says what of the options cannot be.
    pub fn new(options: &ChainOptions, http: Arc<dyn HttpClient>) -> Result<Self, String> {
        if options.confirmations == 0 {
            return Err(format!("chain {} needs one confirmation at least", options.id));
        }
        let endpoints = Endpoints::new(options.id, &options.endpoints, http, options.time_max)?;
        Ok(Self { id: options.id, confirmations: options.confirmations, max_fee: options.max_fee, endpoints })
    }

    async fn ask<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, ChainError> {
        let answer = self.endpoints.ask(method, params).await?;
        serde_json::from_value(answer).map_err(|error| ChainError::Malformed(format!("{method}: {error}")))
    }

    async fn block_of(&self, which: Value) -> Result<Option<Block>, ChainError> {
        let block: Option<WireBlock> = self.ask("eth_getBlockByNumber", json!([which, false])).await?;
        Ok(block.map(Block::from))
    }

    async fn newest(&self) -> Result<Block, ChainError> {
        let newest = self.block_of(json!("latest")).await?;
        newest.ok_or_else(|| ChainError::Malformed("there is no newest block".to_owned()))
    }

    /// A receipt counts if its block is the one that the chain has under that number.
    async fn stands(&self, receipt: &Receipt) -> Result<bool, ChainError> {
        let block = self.block(receipt.block_number).await?;
        Ok(block.is_some_and(|block| block.hash == receipt.block_hash))
    }
}

impl Chain for EvmChain {
    fn id(&self) -> u64 {
        self.id
    }

    fn confirmations(&self) -> u64 {
        self.confirmations
    }

    fn head(&self) -> Answer<'_, Block> {
        Box::pin(self.newest())
    }

    fn block(&self, number: u64) -> Answer<'_, Option<Block>> {
        Box::pin(self.block_of(json!(U64::from(number))))
    }

    fn call(&self, to: Address, input: Bytes) -> Answer<'_, Bytes> {
        Box::pin(async move { self.ask("eth_call", json!([{ "to": to, "input": input }, "latest"])).await })
    }

    fn call_at(&self, to: Address, input: Bytes, block: u64) -> Answer<'_, Bytes> {
        let call = json!([{ "to": to, "input": input }, U64::from(block)]);
        Box::pin(async move { self.ask("eth_call", call).await })
    }

    fn estimate(&self, from: Address, to: Option<Address>, input: Bytes) -> Answer<'_, u64> {
        Box::pin(async move {
            let mut transaction = json!({ "from": from, "input": input });
            if let (Some(to), Some(fields)) = (to, transaction.as_object_mut()) {
                fields.insert("to".to_owned(), json!(to));
            }
            let gas: U64 = self.ask("eth_estimateGas", json!([transaction])).await?;
            let gas = gas.to::<u64>();
            Ok(gas.saturating_add(gas.saturating_mul(GAS_MARGIN_PERCENT) / 100))
        })
    }

    fn fees(&self) -> Answer<'_, Fees> {
        Box::pin(async move {
            let head = self.newest().await?;
            let Some(base_fee) = head.base_fee else {
                // Without EIP-1559 there is one price; a transaction of that kind pays it in full.
                let price: U128 = self.ask("eth_gasPrice", json!([])).await?;
                let price = price.to::<u128>();
                return Fees::offer(0, price, self.max_fee);
            };
            let priority = match self.ask::<U128>("eth_maxPriorityFeePerGas", json!([])).await {
                Ok(fee) => fee.to::<u128>(),
                // Not every node knows the method.
                Err(ChainError::Refused { .. } | ChainError::Malformed(_) | ChainError::Unavailable(_)) => PRIORITY_FEE,
                Err(error @ ChainError::TooExpensive { .. }) => return Err(error),
            };
            Fees::offer(base_fee, priority, self.max_fee)
        })
    }

    fn transaction_count(&self, sender: Address, count: Count) -> Answer<'_, u64> {
        let tag = match count {
            Count::Included => "latest",
            Count::WithWaiting => "pending",
        };
        Box::pin(async move {
            let count: U64 = self.ask("eth_getTransactionCount", json!([sender, tag])).await?;
            Ok(count.to())
        })
    }

    fn balance(&self, account: Address) -> Answer<'_, U256> {
        Box::pin(async move { self.ask("eth_getBalance", json!([account, "latest"])).await })
    }

    fn send(&self, raw: Bytes) -> Answer<'_, ()> {
        Box::pin(async move {
            match self.ask::<B256>("eth_sendRawTransaction", json!([raw])).await {
                Ok(_hash) => Ok(()),
                Err(ChainError::Refused { message, .. }) if is_known(&message) => Ok(()),
                Err(error) => Err(error),
            }
        })
    }

    fn inclusion(&self, transaction: B256) -> Answer<'_, Inclusion> {
        Box::pin(async move {
            let receipt: Option<WireReceipt> = self.ask("eth_getTransactionReceipt", json!([transaction])).await?;
            if let Some(receipt) = receipt.and_then(WireReceipt::placed)
                && self.stands(&receipt).await?
            {
                let head = self.newest().await?;
                let confirmations = (head.number + 1).saturating_sub(receipt.block_number);
                return Ok(Inclusion::Included { receipt, confirmations });
            }
            let known: Value = self.ask("eth_getTransactionByHash", json!([transaction])).await?;
            Ok(if known.is_null() { Inclusion::Unknown } else { Inclusion::Waiting })
        })
    }

    fn logs(&self, query: LogQuery) -> Answer<'_, Vec<LogEntry>> {
        Box::pin(async move {
            let mut found = Vec::new();
            let mut from = query.from_block;
            while from <= query.to_block {
                let to = query.to_block.min(from.saturating_add(LOG_BLOCKS_MAX - 1));
                let mut filter =
                    json!({ "fromBlock": U64::from(from), "toBlock": U64::from(to), "address": query.addresses });
                if let (false, Some(fields)) = (query.events.is_empty(), filter.as_object_mut()) {
                    fields.insert("topics".to_owned(), json!([query.events]));
                }
                let logs: Vec<WireLog> = self.ask("eth_getLogs", json!([filter])).await?;
                found.extend(logs.into_iter().filter_map(WireLog::placed));
                let Some(next) = to.checked_add(1) else { break };
                from = next;
            }
            Ok(found)
        })
    }

    fn health(&self) -> Vec<EndpointHealth> {
        self.endpoints.health()
    }
}

/// The same transaction once more: nodes say so in their own words.
fn is_known(message: &str) -> bool {
    let lower = message.to_ascii_lowercase();
    ["already known", "already imported", "known transaction", "already exists"]
        .iter()
        .any(|words| lower.contains(words))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireBlock {
    number: U64,
    hash: B256,
    timestamp: U64,
    base_fee_per_gas: Option<U128>,
}

impl From<WireBlock> for Block {
    fn from(block: WireBlock) -> Self {
        Self {
            number: block.number.to(),
            hash: block.hash,
            seconds: block.timestamp.to(),
            base_fee: block.base_fee_per_gas.map(|fee| fee.to()),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireReceipt {
    transaction_hash: B256,
    block_number: Option<U64>,
    block_hash: Option<B256>,
    status: Option<U64>,
    gas_used: U64,
    contract_address: Option<Address>,
    #[serde(default)]
    logs: Vec<WireLog>,
}

impl WireReceipt {
    /// The receipt, if it is of a block.
    fn placed(self) -> Option<Receipt> {
        Some(Receipt {
            transaction: self.transaction_hash,
            block_number: self.block_number?.to(),
            block_hash: self.block_hash?,
            succeeded: self.status.is_some_and(|status| status == U64::from(1)),
            gas_used: self.gas_used.to(),
            contract: self.contract_address,
            logs: self.logs.into_iter().filter_map(WireLog::placed).collect(),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLog {
    address: Address,
    topics: Vec<B256>,
    data: Bytes,
    block_number: Option<U64>,
    block_hash: Option<B256>,
    transaction_hash: Option<B256>,
    log_index: Option<U64>,
    #[serde(default)]
    removed: bool,
}

impl WireLog {
    /// The log, if it is of a block that the chain still has.
    fn placed(self) -> Option<LogEntry> {
        if self.removed {
            return None;
        }
        Some(LogEntry {
            address: self.address,
            topics: self.topics,
            data: self.data,
            block_number: self.block_number?.to(),
            block_hash: self.block_hash?,
            transaction: self.transaction_hash?,
            index: self.log_index?.to(),
        })
    }
}
