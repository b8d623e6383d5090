//! The cloud functions, one file each. Each goes the same way: authenticated caller, validated parameters, permission,
//! the work with its audit entries in one transaction, typed result. None of them asks a chain: a job brings what they decide
//! there.

mod burn_tokens;
mod buy_listing;
mod cancel_listing;
mod common;
mod create_digital_asset;
mod create_listing;
mod deploy_asset;
mod freeze_holding;
mod get_asset_portfolio;
mod mint_tokens;
mod pause_asset;
mod permissions;
mod retire_asset;
mod transfer_tokens;

pub use burn_tokens::{BurnTokens, burn_tokens};
pub use buy_listing::{BuyListing, ListingBought, buy_listing};
pub use cancel_listing::{CancelListing, ListingCancelled, cancel_listing};
pub use common::TransactionCreated;
pub(crate) use create_digital_asset::create_digital_asset;
pub use create_digital_asset::{AssetCreated, CreateDigitalAsset};
pub use create_listing::{CreateListing, ListingCreated, create_listing};
pub use deploy_asset::{DeployAsset, deploy_asset};
pub use freeze_holding::{FreezeHolding, freeze_holding};
pub(crate) use get_asset_portfolio::get_asset_portfolio;
pub use get_asset_portfolio::{GetAssetPortfolio, Portfolio};
pub use mint_tokens::{MintTokens, mint_tokens};
pub use pause_asset::{PauseAsset, pause_asset};
pub use permissions::{
    GrantAssetPermission, PermissionGranted, RevokeAssetPermission, grant_asset_permission, revoke_asset_permission,
};
pub use retire_asset::{AssetRetired, RetireAsset, retire_asset};
pub use transfer_tokens::{TransferTokens, transfer_tokens};
