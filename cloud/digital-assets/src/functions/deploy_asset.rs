//! `deployAsset`: the contract of an asset shall be made on a chain.

use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, params, permission, roles, state};
use parsimony_model::{ObjectId, ParseError, map};
use serde::{Deserialize, Serialize};

use super::common::{TransactionCreated, record_decided};
use crate::APPLICATION;
use crate::compliance::ComplianceRules;
use crate::ledger::{Asset, Decided};
use crate::model::{ASSET, AssetStatus, DEPLOYMENT, DeploymentStatus, TransactionType, readable_by_all};
use crate::settings::{Chains, Place};

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeployAsset {
    /// The id of the `DigitalAsset`.
    pub asset_id: String,
    /// The chain, by its number of EIP-155.
    pub chain_id: u64,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

/// Decides that an asset that is a draft gets its contract. It is active once the chain has confirmed it.
pub async fn deploy_asset(request: Request<DeployAsset>, chains: Chains) -> Result<TransactionCreated, ParseError> {
    let acting = Acting::new(APPLICATION, ASSET, &request);
    acting.user()?;
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    let id = params::object_id("assetId", &params.asset_id)?;
    let place = chains.ready("chainId", params.chain_id)?;
    let done = async {
        let asset = request.host.get(ASSET, &id).await?;
        permission::require_owner_or_role(&request.who, &asset, "issuer", &[roles::ASSET_MANAGER], "deploy it")?;
        let work = |host| work(host, &acting, &id, (params.chain_id, place));
        acting.once(params.request_key.as_deref(), params, work).await
    };
    acting.settle(Some(&id), done.await).await
}

async fn work(
    host: Host,
    acting: &Acting<'_>,
    id: &ObjectId,
    (chain, place): (u64, &Place),
) -> Result<TransactionCreated, ParseError> {
    let asset = Asset::load(&host, id).await?;
    state::step(asset.status, AssetStatus::Deploying)?;
    if ComplianceRules::of(&asset.object)?.asks_for_verified(asset.standard) && place.identity_registry.is_none() {
        return Err(params::invalid(
            "chainId",
            "this server has no identity registry there, which the asset's rules need",
        ));
    }
    let changes = map! { "status" => AssetStatus::Deploying, "chainId" => chain as f64 };
    let deploying = host.update(ASSET, id, changes).await?;
    let transaction = Decided::about_asset(TransactionType::Deploy).enqueue(&host, &deploying, chain).await?;
    let deployment = map! {
        "asset" => deploying.pointer(),
        "chainId" => chain as f64,
        "transaction" => transaction.pointer(),
        "status" => DeploymentStatus::Pending,
        "ACL" => readable_by_all(),
    };
    host.create(DEPLOYMENT, deployment).await?;
    let entry = acting.entry().changed(Some(&asset.object), Some(&deploying)).detail("chainId", chain as f64);
    acting.record(&host, entry).await?;
    record_decided(&host, acting, &transaction).await?;
    TransactionCreated::of(&transaction)
}
