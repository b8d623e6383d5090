//! What do services that watch chains tell? That something may have happened to a transaction of ours: a hint, after which the
//! chain itself is asked. So an event that is late, twice, or out of order does no harm.

use parsimony_cloud::{Inbound, Verifier};
use parsimony_connectors::chain::{WatchService, transactions_in};
use parsimony_kit::{Cause, chain::Trouble};
use parsimony_model::query::Constraint;
use parsimony_model::{Filter, ParseError, Query, Value};
use serde::Deserialize;

use crate::follow::{Counts, Following};
use crate::model::{TRANSACTION, TransactionStatus, whole};
use crate::settings::Chains;

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
        let sources = [
            ("alchemy", WatchService::Alchemy, &self.alchemy),
            ("quicknode", WatchService::QuickNode, &self.quicknode),
            ("moralis", WatchService::Moralis, &self.moralis),
        ];
        let told = sources
            .into_iter()
            .filter_map(|(source, service, secret)| Some((source, service.verifier(secret.as_deref()?))));
        told.collect()
    }
}

/// Looks at every transaction of ours that an event names. A chain that cannot be asked is asked again when the event is.
pub(crate) async fn told(event: Inbound, chains: Chains) -> Result<(), ParseError> {
    let hashes = transactions_in(&event.value()?);
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
