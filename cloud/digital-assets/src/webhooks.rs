//! What do services that watch chains tell? That something may have happened to a transaction of ours: a hint, after which the
//! chain itself is asked. So an event that is late, twice, or out of order does no harm.

use std::collections::BTreeSet;

use alloy::primitives::B256;
use parsimony_cloud::{Encoding, EventId, Hash, Inbound, Part, Verifier};
use parsimony_model::query::Constraint;
use parsimony_model::{Filter, ParseError, Query, Value};
use serde::Deserialize;

use crate::cause::Cause;
use crate::follow::{Counts, Following};
use crate::model::{TRANSACTION, TransactionStatus, whole};
use crate::outbox::Trouble;
use crate::settings::Chains;

/// How many hashes of one event are looked for.
const HASHES_MAX: usize = 1_000;

/// How many transactions of ours one event may be about.
const TRANSACTIONS_MAX: u64 = 500;

/// The secrets with which services sign; without one its source is not there.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct WebhookSecrets {
    /// The signing key of the webhook, `whsec_…`.
    pub alchemy: Option<String>,
    /// The security token of the stream.
    pub quicknode: Option<String>,
    /// The secret of the streams.
    pub moralis: Option<String>,
}

impl WebhookSecrets {
    /// The sources, each with how it signs.
    pub(crate) fn verifiers(&self) -> Vec<(&'static str, Verifier)> {
        let alchemy = |secret: &String| {
            Verifier::hmac(Hash::Sha256, Encoding::Hex, "x-alchemy-signature", secret).event_id(EventId::json(["id"]))
        };
        let quicknode = |secret: &String| {
            let signed = [Part::Header("x-qn-nonce".to_owned()), Part::Header("x-qn-timestamp".to_owned()), Part::Body];
            Verifier::hmac(Hash::Sha256, Encoding::Hex, "x-qn-signature", secret)
                .over(signed)
                .event_id(EventId::header("x-qn-nonce"))
        };
        let moralis = |secret: &String| Verifier::moralis(secret);
        let sources = [
            ("alchemy", self.alchemy.as_ref().map(alchemy)),
            ("quicknode", self.quicknode.as_ref().map(quicknode)),
            ("moralis", self.moralis.as_ref().map(moralis)),
        ];
        sources.into_iter().filter_map(|(source, verifier)| Some((source, verifier?))).collect()
    }
}

/// Looks at every transaction of ours that an event names. A chain that cannot be asked is asked again when the event is.
pub(crate) async fn told(event: Inbound, chains: Chains) -> Result<(), ParseError> {
    let mut hashes = BTreeSet::new();
    collect(&event.value()?, &mut hashes);
    if hashes.is_empty() {
        return Ok(());
    }
    let named: Vec<Value> = hashes.iter().map(|hash| hash.to_string().into()).collect();
    let ours = Filter::Field("hashes".into(), Constraint::In(named))
        .and(Filter::equals("status", TransactionStatus::Submitted));
    let cause = Cause::Event(&event);
    let mut counts = Counts::default();
    for sent in event.host.find(TRANSACTION, Query::new(ours).ascending("createdAt").limit(TRANSACTIONS_MAX)).await? {
        let Some(place) = whole(&sent, "chainId").and_then(|chain| chains.get(chain)) else { continue };
        match (Following { cause, place, counts: &mut counts }).follow(&sent).await {
            Ok(()) => {}
            Err(Trouble::Chain(error)) => return Err(ParseError::internal(error)),
            Err(Trouble::Parse(error)) => return Err(error),
        }
    }
    Ok(())
}

/// The hashes of transactions, wherever a service puts them: in activities, receipts, logs or transactions.
fn collect(value: &Value, hashes: &mut BTreeSet<B256>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
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
        Value::Array(items) => items.iter().for_each(|item| collect(item, hashes)),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Date(_)
        | Value::Bytes(_)
        | Value::File(_)
        | Value::GeoPoint(_)
        | Value::Polygon(_)
        | Value::Pointer(_)
        | Value::Relation(_)
        | Value::Included(_) => {}
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
            let mut hashes = BTreeSet::new();
            collect(&json::read(body.as_bytes()).unwrap(), &mut hashes);
            assert_eq!(hashes.contains(&hash), found, "{body}");
        }
    }
}
