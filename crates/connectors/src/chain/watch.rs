//! What do services that watch chains tell, and how do they sign it? Each puts the hash of a transaction elsewhere.

use std::collections::BTreeSet;

use alloy::primitives::B256;
use parsimony_cloud::{Encoding, EventId, Hash, Part, Verifier};
use parsimony_model::Value;
use serde::Deserialize;

/// How many hashes of one event are looked for.
const HASHES_MAX: usize = 1_000;

/// A service that watches chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WatchService {
    /// Alchemy Notify; its secret is the signing key of the webhook, `whsec_…`.
    Alchemy,
    /// Streams of `QuickNode`; their secret is the security token.
    QuickNode,
    /// Moralis Streams.
    Moralis,
}

impl WatchService {
    /// What tells whether a delivery is from there.
    pub fn verifier(self, secret: &str) -> Verifier {
        let hex = |header| Verifier::hmac(Hash::Sha256, Encoding::Hex, header, secret);
        match self {
            Self::Alchemy => hex("x-alchemy-signature").event_id(EventId::json(["id"])),
            Self::QuickNode => {
                let headers = ["x-qn-nonce", "x-qn-timestamp"].map(|header| Part::Header(header.to_owned()));
                hex("x-qn-signature")
                    .over(headers.into_iter().chain([Part::Body]))
                    .event_id(EventId::header("x-qn-nonce"))
            }
            Self::Moralis => Verifier::moralis(secret),
        }
    }
}

/// The hashes of transactions in an event, wherever its service puts them: in activities, receipts, logs or transactions.
pub fn transactions_in(event: &Value) -> BTreeSet<B256> {
    let mut hashes = BTreeSet::new();
    collect(event, &mut hashes);
    hashes
}

fn collect(value: &Value, hashes: &mut BTreeSet<B256>) {
    if let Some(items) = value.as_array() {
        for item in items {
            collect(item, hashes);
        }
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        match value.as_str() {
            Some(text) if matches!(key.as_str(), "hash" | "transactionHash" | "transaction_hash") => {
                if hashes.len() < HASHES_MAX {
                    hashes.extend(text.parse::<B256>().ok());
                }
            }
            _ => collect(value, hashes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsimony_model::value::json;

    #[test]
    fn each_service_puts_the_hash_elsewhere() {
        let hash = B256::repeat_byte(7);
        for (body, found) in [
            (r#"{"type":"MINED_TRANSACTION","event":{"transaction":{"hash":"HASH"}}}"#, true),
            (r#"{"type":"ADDRESS_ACTIVITY","event":{"activity":[{"hash":"HASH","log":{"removed":true}}]}}"#, true),
            (r#"[{"transactionHash":"HASH","logs":[]}]"#, true),
            (r#"{"txs":[{"hash":"HASH"}],"logs":[{"transactionHash":"HASH"}]}"#, true),
            (r#"{"block":{"number":"1"},"txs":[],"hash":"0x12"}"#, false),
            (r#"{"note":"HASH"}"#, false),
        ] {
            let body = body.replace("HASH", &hash.to_string());
            assert_eq!(transactions_in(&json::read(body.as_bytes()).unwrap()).contains(&hash), found, "{body}");
        }
    }
}
