//! `mintTokens`: tokens are made, for a holder.

use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, params};
use parsimony_model::query::Constraint;
use parsimony_model::{Filter, ObjectId, ParseError, Query};
use serde::{Deserialize, Serialize};

use super::common::{Named, Tokens, TransactionCreated, record_decided, require_permission};
use crate::APPLICATION;
use crate::amount;
use crate::compliance::{ComplianceRules, Refusal};
use crate::holding::Holding;
use crate::ledger::{Asset, Decided, chain_of};
use crate::model::{ASSET, AssetStatus, HOLDING, Permission, Standard, TransactionType};
use crate::party::Party;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MintTokens {
    /// The id of the `DigitalAsset`.
    pub asset_id: String,
    /// The id of the user who receives them.
    pub to: String,
    /// How many, in base units; of ERC-721 always one.
    pub amount: Option<String>,
    /// The id of the token; of what is not fungible.
    pub token_id: Option<String>,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

/// Makes tokens. As ERC-3643 has it, who receives them has to be verified, and no other rule is asked.
pub async fn mint_tokens(request: Request<MintTokens>) -> Result<TransactionCreated, ParseError> {
    let acting = Acting::new(APPLICATION, ASSET, &request);
    acting.user()?;
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    let id = params::object_id("assetId", &params.asset_id)?;
    let to = params::object_id("to", &params.to)?;
    let named = Named::read(params.amount.as_deref(), params.token_id.as_deref())?;
    let done = async {
        let asset = Asset::read(request.host.get(ASSET, &id).await?)?;
        let tokens = named.of(asset.standard)?;
        require_permission(&request.host, &request.who, &asset.object, Permission::Mint, "mint it").await?;
        let work = |host| work(host, &acting, (&id, &to), tokens.clone());
        acting.once(params.request_key.as_deref(), params, work).await
    };
    acting.settle(Some(&id), done.await).await
}

async fn work(
    host: Host,
    acting: &Acting<'_>,
    (id, to): (&ObjectId, &ObjectId),
    Tokens { token, amount }: Tokens,
) -> Result<TransactionCreated, ParseError> {
    let asset = Asset::load(&host, id).await?;
    if asset.status != AssetStatus::Active {
        return Err(Refusal::AssetNotActive.into());
    }
    let receiver = Party::find(&host, "to", to).await?;
    let rules = ComplianceRules::of(&asset.object)?;
    if (rules.require_verified || asset.standard == Standard::Erc3643) && !receiver.verified {
        return Err(Refusal::ReceiverNotVerified.into());
    }
    if asset.standard == Standard::Erc721 {
        refuse_second(&host, &asset, &token).await?;
    }
    let supply = amount::add("amount", asset.supply()?, amount)?;
    if asset.cap()?.is_some_and(|cap| supply > cap) {
        return Err(params::invalid("amount", "there would be more than the supply cap"));
    }
    // The supply is one row, so those who mint at once get in each other's way, and no cap is passed.
    asset.set_supply(&host, supply).await?;
    let mut holding = Holding::load(&host, &asset.pointer(), &receiver.user, &token).await?;
    holding.receive(amount)?;
    holding.store(&host).await?;
    let decided =
        Decided { kind: TransactionType::Mint, from: None, to: Some(&receiver), token: &token, amount: Some(amount) };
    let transaction = decided.enqueue(&host, &asset.object, chain_of(&asset.object)?).await?;
    record_decided(&host, acting, &transaction).await?;
    TransactionCreated::of(&transaction)
}

/// A token of ERC-721 is there once.
async fn refuse_second(host: &Host, asset: &Asset, token: &str) -> Result<(), ParseError> {
    let held = Filter::equals("asset", asset.pointer())
        .and(Filter::equals("tokenId", token))
        .and(Filter::Field("balance".into(), Constraint::NotEquals("0".into())));
    match host.first(HOLDING, Query::new(held)).await? {
        Some(_) => Err(params::invalid("tokenId", "this token is there already")),
        None => Ok(()),
    }
}
