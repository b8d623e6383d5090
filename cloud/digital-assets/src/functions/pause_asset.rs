//! `pauseAsset`: an asset rests, or goes on.

use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, params, state};
use parsimony_model::{ObjectId, ParseError};
use serde::{Deserialize, Serialize};

use super::common::{TransactionCreated, bring, record_decided, require_permission};
use crate::APPLICATION;
use crate::ledger::{Asset, Decided, chain_of};
use crate::model::{ASSET, AssetStatus, Permission, TransactionType};

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PauseAsset {
    /// The id of the `DigitalAsset`.
    pub asset_id: String,
    /// Whether it shall rest; `false` lets it go on.
    #[serde(default = "yes")]
    pub paused: bool,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

const fn yes() -> bool {
    true
}

/// Lets an asset rest at once in the ledger, and has the chain do the same.
pub async fn pause_asset(request: Request<PauseAsset>) -> Result<TransactionCreated, ParseError> {
    let acting = Acting::new(APPLICATION, ASSET, &request);
    acting.user()?;
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    let id = params::object_id("assetId", &params.asset_id)?;
    let done = async {
        let asset = request.host.get(ASSET, &id).await?;
        require_permission(&request.host, &request.who, &asset, Permission::Pause, "pause it").await?;
        let work = |host| work(host, &acting, &id, params.paused);
        acting.once(params.request_key.as_deref(), params, work).await
    };
    acting.settle(Some(&id), done.await).await
}

async fn work(host: Host, acting: &Acting<'_>, id: &ObjectId, paused: bool) -> Result<TransactionCreated, ParseError> {
    let asset = Asset::load(&host, id).await?;
    let (status, kind) = if paused {
        (AssetStatus::Paused, TransactionType::Pause)
    } else {
        (AssetStatus::Active, TransactionType::Unpause)
    };
    // Nobody but the chain makes an asset active that is being deployed.
    if asset.status == AssetStatus::Deploying {
        return Err(state::illegal(asset.status, status));
    }
    state::step(asset.status, status)?;
    let changed = bring(&host, acting, &asset, status).await?;
    let transaction = Decided::about_asset(kind).enqueue(&host, &changed, chain_of(&changed)?).await?;
    record_decided(&host, acting, &transaction).await?;
    TransactionCreated::of(&transaction)
}
