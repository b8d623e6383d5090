//! `retireAsset`: an asset is over. All of it was burned before, and it rests or never was more than a draft.

use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, params, permission, roles, state};
use parsimony_model::query::Constraint;
use parsimony_model::{Filter, ObjectId, ParseError, Query, Value};
use serde::{Deserialize, Serialize};

use super::common::bring;
use crate::APPLICATION;
use crate::ledger::Asset;
use crate::model::{ASSET, AssetStatus, TRANSACTION, TransactionStatus};

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetireAsset {
    /// The id of the `DigitalAsset`.
    pub asset_id: String,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetRetired {
    /// The id of the `DigitalAsset`.
    pub asset_id: String,
    /// Where it stands.
    pub status: AssetStatus,
}

/// Ends an asset for good. Its contract stays paused on its chain, with nothing in it.
pub async fn retire_asset(request: Request<RetireAsset>) -> Result<AssetRetired, ParseError> {
    let acting = Acting::new(APPLICATION, ASSET, &request);
    acting.user()?;
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    let id = params::object_id("assetId", &params.asset_id)?;
    let done = async {
        let asset = request.host.get(ASSET, &id).await?;
        permission::require_owner_or_role(&request.who, &asset, "issuer", &[roles::ASSET_MANAGER], "retire it")?;
        let work = |host| work(host, &acting, &id);
        acting.once(params.request_key.as_deref(), params, work).await
    };
    acting.settle(Some(&id), done.await).await
}

async fn work(host: Host, acting: &Acting<'_>, id: &ObjectId) -> Result<AssetRetired, ParseError> {
    let asset = Asset::load(&host, id).await?;
    state::step(asset.status, AssetStatus::Retired)?;
    let supply = asset.supply()?;
    if !supply.is_zero() {
        return Err(params::invalid("assetId", format!("{supply} of it are held, and have to be burned first")));
    }
    let open = TransactionStatus::OPEN.map(Value::from).to_vec();
    let open = Filter::equals("asset", asset.pointer()).and(Filter::Field("status".into(), Constraint::In(open)));
    if host.first(TRANSACTION, Query::new(open)).await?.is_some() {
        return Err(params::invalid("assetId", "the chain has not confirmed all that was decided about it"));
    }
    let retired = bring(&host, acting, &asset, AssetStatus::Retired).await?;
    Ok(AssetRetired { asset_id: id.to_string(), status: state::of(&retired)? })
}
