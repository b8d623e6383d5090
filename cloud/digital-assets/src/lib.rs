//! Digital assets: tokens on chains, who holds them, and the ledger that keeps both in step.
//!
//! | function | who may call it |
//! | --- | --- |
//! | `createDigitalAsset` | issuers and asset managers |
//! | `deployAsset`, `grantAssetPermission`, `revokeAssetPermission` | the issuer of the asset, asset managers |
//! | `mintTokens`, `pauseAsset` | the same, and who has the permission |
//! | `transferTokens`, `burnTokens` | every user, of what they hold; of what others hold as above |
//! | `retireAsset` | the issuer of the asset, asset managers |
//! | `createListing` | every user, of what they hold |
//! | `cancelListing` | its seller, asset managers, compliance officers |
//! | `buyListing` | every user who pays with tokens; bank officers and asset managers for who paid money |
//! | `freezeHolding` | as `mintTokens`, and compliance officers |
//! | `getAssetPortfolio` | every user, their own; staff |
//!
//! | question | file |
//! | --- | --- |
//! | may these tokens change hands | `compliance.rs` |
//! | how do they change hands in the ledger | `handover.rs` |
//! | what is for sale, and for how much | `listing.rs`; how it ends unsold, `closing.rs` |
//! | how much does somebody hold | `holding.rs` |
//! | what is written when something is decided | `ledger.rs` |
//! | how does that get to its chain | `outbox.rs` |
//! | how is a contract made, and is it there already | `deployment.rs` |
//! | what became of it there | `follow.rs`, asked by a job and by `webhooks.rs` |
//! | which tokens does a transaction move | `legs.rs` |
//! | what are assets worth | `prices.rs` |
//! | what does the ledger do when the chain has decided | `settle.rs` |
#![deny(clippy::future_not_send)]
#![warn(clippy::wildcard_enum_match_arm)]

mod amount;
mod closing;
pub mod compliance;
pub mod contracts;
mod deployment;
mod follow;
pub mod functions;
mod handover;
mod holding;
mod hooks;
mod jobs;
mod ledger;
mod legs;
pub mod listing;
pub mod model;
mod outbox;
mod party;
mod prices;
pub mod settings;
mod settle;
pub mod webhooks;

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use parsimony_cloud::{Application, BeforeSave, HttpClient, Inbound, JobPlan, JobRequest, Request, Rules, Verifier};
use parsimony_connectors::Http;

use functions::{
    CreateDigitalAsset, CreateListing, DeployAsset, GetAssetPortfolio, burn_tokens, buy_listing, cancel_listing,
    create_digital_asset, create_listing, deploy_asset, freeze_holding, get_asset_portfolio, grant_asset_permission,
    mint_tokens, pause_asset, retire_asset, revoke_asset_permission, transfer_tokens,
};
pub use jobs::{Installed, install};
use model::{ASSET, DEPLOYMENT, HOLDING, LISTING, PERMISSION, TRANSACTION};
use prices::market::{Market, PriceSettings};
use prices::{quotes, told, valuation};
use settings::{Chains, Settings};

/// The name of the application: its audit trail and its settings bear it.
pub const APPLICATION: &str = "digital-assets";

/// The application, with everything it needs.
pub fn application() -> Application {
    // The master key alone is nobody: who decides something has to be a person.
    let person = || Rules::none().require_user().validate_master_key();
    with_classes(Application::new(APPLICATION).sharing(parsimony_kit::application()))
        .before_save(DEPLOYMENT, hooks::keep_deployment)
        .before_save(TRANSACTION, hooks::keep_transaction)
        .before_save(HOLDING, hooks::keep_holding)
        .before_save(PERMISSION, hooks::keep_permission)
        .before_save(LISTING, hooks::keep_listing)
        .script("DigitalAsset", include_str!("../hooks/DigitalAsset.rhai"))
        .script("AssetTransaction", include_str!("../hooks/AssetTransaction.rhai"))
        .script("AssetHolding", include_str!("../hooks/AssetHolding.rhai"))
        .script("AssetPermission", include_str!("../hooks/AssetPermission.rhai"))
        .script("AssetMarketplaceListing", include_str!("../hooks/AssetMarketplaceListing.rhai"))
        .define("mintTokens", person(), mint_tokens)
        .define("transferTokens", person(), transfer_tokens)
        .define("burnTokens", person(), burn_tokens)
        .define("pauseAsset", person(), pause_asset)
        .define("retireAsset", person(), retire_asset)
        .define("cancelListing", person(), cancel_listing)
        .define("buyListing", person(), buy_listing)
        .define("freezeHolding", person(), freeze_holding)
        .define("grantAssetPermission", person(), grant_asset_permission)
        .define("revokeAssetPermission", person(), revoke_asset_permission)
        .job("expireListings", JobPlan::manual().cron("* * * * *", "UTC"), jobs::expire_listings)
        .configured(|application, settings| {
            let settings: Settings = settings.read()?;
            let http: Arc<dyn HttpClient> = Arc::new(Http::new());
            let chains = Chains::new(&settings, &http)?;
            let market = Market::new(&settings.prices, &chains, &http)?;
            let sources = settings.webhooks.verifiers().into_iter();
            let application = with_prices(with_chains(application, &chains), &settings.prices, &market);
            Ok(sources.fold(application, |application, (source, verifier)| {
                let chains = chains.clone();
                application.webhook(source, verifier, move |event: Inbound| webhooks::told(event, chains.clone()))
            }))
        })
}

/// What needs the chains of the settings.
fn with_chains(application: Application, chains: &Chains) -> Application {
    let person = || Rules::none().require_user().validate_master_key();
    let plan =
        |cron: &str, minutes: u64| JobPlan::manual().cron(cron, "UTC").timeout(Duration::from_secs(minutes * 60));
    let deploy = {
        let chains = chains.clone();
        move |request: Request<DeployAsset>| deploy_asset(request, chains.clone())
    };
    let list = {
        let chains = chains.clone();
        move |request: Request<CreateListing>| create_listing(request, chains.clone())
    };
    let confirm = {
        let chains = chains.clone();
        move |request: JobRequest<_>| jobs::confirm_transactions(request, chains.clone())
    };
    let reconcile = {
        let chains = chains.clone();
        move |request: JobRequest<_>| jobs::reconcile_holdings(request, chains.clone())
    };
    let install = {
        let chains = chains.clone();
        move |request: JobRequest<_>| jobs::install_contracts(request, chains.clone())
    };
    application
        .define("deployAsset", person(), deploy)
        .define("createListing", person(), list)
        .job("confirmTransactions", plan("*/15 * * * * *", 10), confirm)
        .job("reconcileHoldings", plan("23 * * * *", 50), reconcile)
        .job("installContracts", JobPlan::manual(), install)
}

/// What needs the sources of prices.
fn with_prices(application: Application, settings: &PriceSettings, market: &Market) -> Application {
    let portfolio = {
        let market = market.clone();
        move |request: Request<GetAssetPortfolio>| get_asset_portfolio(request, market.clone())
    };
    let create = {
        let market = market.clone();
        move |request: Request<CreateDigitalAsset>| create_digital_asset(request, market.clone())
    };
    let keep = {
        let market = market.clone();
        move |request: BeforeSave| ready(hooks::keep_asset(request, &market))
    };
    let sync = {
        let market = market.clone();
        move |request: JobRequest<_>| quotes::sync_market_data(request, market.clone())
    };
    let value = {
        let market = market.clone();
        move |request: JobRequest<_>| valuation::value_portfolios(request, market.clone())
    };
    let plan = |cron: &str| JobPlan::manual().cron(cron, "UTC").timeout(Duration::from_secs(3_000));
    let application = application
        .before_save(ASSET, keep)
        .define("createDigitalAsset", Rules::none().require_user().validate_master_key(), create)
        .define("getAssetPortfolio", Rules::none().require_user(), portfolio)
        .job("syncMarketData", plan("*/5 * * * *"), sync)
        .job("valuePortfolios", plan("50 23 * * *"), value);
    let Some(secret) = &settings.webhook_secret else { return application };
    let market = market.clone();
    let told = move |event: Inbound| told::take(event, market.clone());
    application.webhook("prices", Verifier::standard_webhooks(secret), told)
}

fn with_classes(application: Application) -> Application {
    application
        .schema(include_str!("../../../schemas/digital-assets/DigitalAsset.json"))
        .schema(include_str!("../../../schemas/digital-assets/AssetDeployment.json"))
        .schema(include_str!("../../../schemas/digital-assets/AssetTransaction.json"))
        .schema(include_str!("../../../schemas/digital-assets/AssetHolding.json"))
        .schema(include_str!("../../../schemas/digital-assets/AssetPermission.json"))
        .schema(include_str!("../../../schemas/digital-assets/AssetMarketplaceListing.json"))
        .schema(include_str!("../../../schemas/digital-assets/PriceQuote.json"))
        .schema(include_str!("../../../schemas/digital-assets/PortfolioSnapshot.json"))
}

#[cfg(test)]
mod tests;
