//! `burnTokens`: tokens are destroyed.

use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, params};
use parsimony_model::{ObjectId, ParseError};
use serde::{Deserialize, Serialize};

use super::common::{Named, Tokens, TransactionCreated, record_decided, require_permission};
use crate::APPLICATION;
use crate::amount;
use crate::compliance::Refusal;
use crate::holding::Holding;
use crate::ledger::{Asset, Decided, chain_of};
use crate::model::{ASSET, AssetStatus, Permission, TransactionType};
use crate::party::Party;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BurnTokens {
    /// The id of the `DigitalAsset`.
    pub asset_id: String,
    /// The id of the user who holds them; the caller, unless they may destroy what others hold.
    pub from: Option<String>,
    /// How many, in base units; of ERC-721 always one.
    pub amount: Option<String>,
    /// The id of the token; of what is not fungible.
    pub token_id: Option<String>,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

/// Locks tokens, and has the chain destroy them; they are gone from the ledger when the chain has confirmed it.
pub async fn burn_tokens(request: Request<BurnTokens>) -> Result<TransactionCreated, ParseError> {
    let acting = Acting::new(APPLICATION, ASSET, &request);
    let caller = acting.user()?;
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    let id = params::object_id("assetId", &params.asset_id)?;
    let from = params.from.as_deref().map(|from| params::object_id("from", from)).transpose()?;
    let from = from.unwrap_or_else(|| caller.id.clone());
    let named = Named::read(params.amount.as_deref(), params.token_id.as_deref())?;
    let done = async {
        let asset = Asset::read(request.host.get(ASSET, &id).await?)?;
        let tokens = named.of(asset.standard)?;
        if from != caller.id {
            let to = "destroy what others hold";
            require_permission(&request.host, &request.who, &asset.object, Permission::Burn, to).await?;
        }
        let work = |host| work(host, &acting, [&id, &from], tokens.clone());
        acting.once(params.request_key.as_deref(), params, work).await
    };
    acting.settle(Some(&id), done.await).await
}

async fn work(
    host: Host,
    acting: &Acting<'_>,
    [id, from]: [&ObjectId; 2],
    Tokens { token, amount }: Tokens,
) -> Result<TransactionCreated, ParseError> {
    let asset = Asset::load(&host, id).await?;
    if asset.status != AssetStatus::Active {
        return Err(Refusal::AssetNotActive.into());
    }
    let holder = Party::find(&host, "from", from).await?;
    let mut holding = Holding::load(&host, &asset.pointer(), &holder.user, &token).await?;
    if amount > holding.available() {
        return Err(Refusal::InsufficientAvailable.into());
    }
    holding.pending = amount::add("amount", holding.pending, amount)?;
    holding.store(&host).await?;
    let decided =
        Decided { kind: TransactionType::Burn, from: Some(&holder), to: None, token: &token, amount: Some(amount) };
    let transaction = decided.enqueue(&host, &asset.object, chain_of(&asset.object)?).await?;
    record_decided(&host, acting, &transaction).await?;
    TransactionCreated::of(&transaction)
}
