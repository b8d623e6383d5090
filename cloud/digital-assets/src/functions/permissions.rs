//! `grantAssetPermission` and `revokeAssetPermission`: who else may do what with an asset.

use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, params, permission, roles, state};
use parsimony_model::{Date, ErrorCode, Filter, ObjectId, ParseError, Query, map};
use serde::{Deserialize, Serialize};

use crate::APPLICATION;
use crate::ledger::put;
use crate::model::{ASSET, PERMISSION, Permission, PermissionStatus, pointer, readable_by};
use crate::party::user_pointer;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GrantAssetPermission {
    /// The id of the `DigitalAsset`.
    pub asset_id: String,
    /// The id of the user.
    pub user: String,
    /// What they may do.
    pub permission: Permission,
    /// Until when; without it until it is revoked.
    pub expires_at: Option<Date>,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevokeAssetPermission {
    /// The id of the `AssetPermission`.
    pub permission_id: String,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PermissionGranted {
    /// The id of the `AssetPermission`.
    pub permission_id: String,
    /// Where it stands.
    pub status: PermissionStatus,
}

/// Permits somebody to do something with an asset. Who has a permission cannot hand it on.
pub async fn grant_asset_permission(request: Request<GrantAssetPermission>) -> Result<PermissionGranted, ParseError> {
    let acting = Acting::new(APPLICATION, PERMISSION, &request);
    acting.user()?;
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    let id = params::object_id("assetId", &params.asset_id)?;
    let user = params::object_id("user", &params.user)?;
    if let Some(at) = params.expires_at {
        params::future("expiresAt", at, request.host.now())?;
    }
    let done = async {
        let asset = request.host.get(ASSET, &id).await?;
        let to = "grant permissions on it";
        permission::require_owner_or_role(&request.who, &asset, "issuer", &[roles::ASSET_MANAGER], to)?;
        let work = |host| grant(host, &acting, [&id, &user], params);
        acting.once(params.request_key.as_deref(), params, work).await
    };
    acting.settle(Some(&id), done.await).await
}

async fn grant(
    host: Host,
    acting: &Acting<'_>,
    [id, user]: [&ObjectId; 2],
    params: &GrantAssetPermission,
) -> Result<PermissionGranted, ParseError> {
    let asset = host.get(ASSET, id).await?;
    host.get("_User", user).await.map_err(|_missing| params::invalid("user", "there is no such user"))?;
    let user = user_pointer(user)?;
    let same = Filter::equals("asset", asset.pointer())
        .and(Filter::equals("user", user.clone()))
        .and(Filter::equals("permission", params.permission))
        .and(Filter::equals("status", PermissionStatus::Active));
    if host.first(PERMISSION, Query::new(same)).await?.is_some() {
        let text = format!("This user has the permission {} already.", params.permission);
        return Err(ParseError::new(ErrorCode::DuplicateValue, text));
    }
    let mut fields = map! {
        "asset" => asset.pointer(),
        "user" => user.clone(),
        "permission" => params.permission,
        "status" => PermissionStatus::Active,
        "ACL" => readable_by([&user.id, &pointer(&asset, "issuer")?.id]),
    };
    put(&mut fields, "expiresAt", params.expires_at);
    let granted = host.create(PERMISSION, fields).await?;
    let entry = acting.entry().changed(None, Some(&granted)).detail("permission", params.permission);
    acting.record(&host, entry.detail("assetId", id.as_str())).await?;
    Ok(PermissionGranted { permission_id: granted.id.to_string(), status: state::of(&granted)? })
}

/// Takes a permission back.
pub async fn revoke_asset_permission(request: Request<RevokeAssetPermission>) -> Result<PermissionGranted, ParseError> {
    let acting = Acting::new(APPLICATION, PERMISSION, &request);
    acting.user()?;
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    let id = params::object_id("permissionId", &params.permission_id)?;
    let done = async {
        let granted = request.host.get(PERMISSION, &id).await?;
        let asset = request.host.get(ASSET, &pointer(&granted, "asset")?.id).await?;
        let to = "revoke permissions on it";
        permission::require_owner_or_role(&request.who, &asset, "issuer", &[roles::ASSET_MANAGER], to)?;
        let work = |host| revoke(host, &acting, &id);
        acting.once(params.request_key.as_deref(), params, work).await
    };
    acting.settle(Some(&id), done.await).await
}

async fn revoke(host: Host, acting: &Acting<'_>, id: &ObjectId) -> Result<PermissionGranted, ParseError> {
    let before = host.get(PERMISSION, id).await?;
    state::step(state::of(&before)?, PermissionStatus::Revoked)?;
    let after = host.update(PERMISSION, id, map! { "status" => PermissionStatus::Revoked }).await?;
    acting.record(&host, acting.entry().changed(Some(&before), Some(&after))).await?;
    Ok(PermissionGranted { permission_id: id.to_string(), status: state::of(&after)? })
}
