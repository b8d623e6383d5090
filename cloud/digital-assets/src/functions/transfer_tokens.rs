//! `transferTokens`: tokens change hands, if every rule of the asset lets them.

use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, params};
use parsimony_model::{ObjectId, ParseError};
use serde::{Deserialize, Serialize};

use super::common::{Named, Tokens, TransactionCreated, record_decided, require_permission};
use crate::APPLICATION;
use crate::handover::{Handover, Out};
use crate::ledger::{Asset, Decided, chain_of};
use crate::model::{ASSET, Permission, TransactionType};
use crate::party::Party;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransferTokens {
    /// The id of the `DigitalAsset`.
    pub asset_id: String,
    /// The id of the user who receives them.
    pub to: String,
    /// The id of the user who gives them; the caller, unless they may move what others hold.
    pub from: Option<String>,
    /// How many, in base units; of ERC-721 always one.
    pub amount: Option<String>,
    /// The id of the token; of what is not fungible.
    pub token_id: Option<String>,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

/// Moves tokens in the ledger at once, and has the chain do the same. What is received can be used when the chain has
/// confirmed it.
pub async fn transfer_tokens(request: Request<TransferTokens>) -> Result<TransactionCreated, ParseError> {
    let acting = Acting::new(APPLICATION, ASSET, &request);
    let caller = acting.user()?;
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    let id = params::object_id("assetId", &params.asset_id)?;
    let to = params::object_id("to", &params.to)?;
    let from = params.from.as_deref().map(|from| params::object_id("from", from)).transpose()?;
    let from = from.unwrap_or_else(|| caller.id.clone());
    if from == to {
        return Err(params::invalid("to", "it is the one who gives"));
    }
    let named = Named::read(params.amount.as_deref(), params.token_id.as_deref())?;
    let done = async {
        let asset = Asset::read(request.host.get(ASSET, &id).await?)?;
        let tokens = named.of(asset.standard)?;
        if from != caller.id {
            let to = "move what others hold";
            require_permission(&request.host, &request.who, &asset.object, Permission::Transfer, to).await?;
        }
        let work = |host| work(host, &acting, [&id, &from, &to], tokens.clone());
        acting.once(params.request_key.as_deref(), params, work).await
    };
    acting.settle(Some(&id), done.await).await
}

async fn work(
    host: Host,
    acting: &Acting<'_>,
    [id, from, to]: [&ObjectId; 3],
    Tokens { token, amount }: Tokens,
) -> Result<TransactionCreated, ParseError> {
    let asset = Asset::load(&host, id).await?;
    let sender = Party::find(&host, "from", from).await?;
    let receiver = Party::find(&host, "to", to).await?;
    let handover =
        Handover { asset: &asset, sender: &sender, receiver: &receiver, token: &token, amount, out: Out::Of };
    handover.run(&host).await?;
    let decided = Decided {
        kind: TransactionType::Transfer,
        from: Some(&sender),
        to: Some(&receiver),
        token: &token,
        amount: Some(amount),
    };
    let transaction = decided.enqueue(&host, &asset.object, chain_of(&asset.object)?).await?;
    record_decided(&host, acting, &transaction).await?;
    TransactionCreated::of(&transaction)
}
