//! `createDigitalAsset`: an asset is described, before there is a contract for it.

use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, params, permission, roles, state};
use parsimony_model::value::{Map, json};
use parsimony_model::{ParseError, Pointer, map};
use serde::{Deserialize, Serialize};

use crate::APPLICATION;
use crate::amount;
use crate::compliance::ComplianceRules;
use crate::ledger::put;
use crate::model::{ASSET, AssetStatus, Standard, readable_by_all};
use crate::prices::market::Market;

/// How many digits of a fungible asset are behind the point, unless told otherwise: as those of ether.
const DECIMALS: u8 = 18;

/// How many there may be.
const DECIMALS_MAX: u8 = 36;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateDigitalAsset {
    /// By which standard its contract shall speak.
    pub standard: Standard,
    /// Its name.
    pub name: String,
    /// Its short name.
    pub symbol: String,
    /// How many digits are behind the point; of what is fungible only.
    pub decimals: Option<u8>,
    /// How many base units there may be.
    pub supply_cap: Option<String>,
    /// Where the descriptions of its tokens are; of what is not fungible only.
    pub base_uri: Option<String>,
    /// By which feed of prices it is valued: a name in the settings. Asset managers say so.
    pub price_feed: Option<String>,
    /// What it asks of who holds it.
    pub compliance_rules: Option<ComplianceRules>,
    /// The client's own notes.
    pub metadata: Option<Map>,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetCreated {
    /// The id of the `DigitalAsset`.
    pub asset_id: String,
    /// By which standard its contract will speak.
    pub standard: Standard,
    /// Where it stands.
    pub status: AssetStatus,
}

/// Describes an asset; the caller becomes its issuer.
pub(crate) async fn create_digital_asset(
    request: Request<CreateDigitalAsset>,
    market: Market,
) -> Result<AssetCreated, ParseError> {
    let acting = Acting::new(APPLICATION, ASSET, &request);
    let issuer = acting.user()?;
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    params.check(&market)?;
    let done = async {
        permission::require_role(&request.who, &[roles::ISSUER, roles::ASSET_MANAGER], "create a digital asset")?;
        if params.price_feed.is_some() {
            // Nobody says what their own asset is worth.
            permission::require_role(&request.who, &[roles::ASSET_MANAGER], "have an asset valued by a feed")?;
        }
        let work = |host| work(host, &acting, &issuer, params);
        acting.once(params.request_key.as_deref(), params, work).await
    };
    acting.settle(None, done.await).await
}

impl CreateDigitalAsset {
    fn check(&self, market: &Market) -> Result<(), ParseError> {
        params::text("name", &self.name, 1, 100)?;
        params::word("symbol", &self.symbol, "-.", 12)?;
        if let Some(cap) = &self.supply_cap {
            amount::positive("supplyCap", cap)?;
        }
        if let Some(uri) = &self.base_uri {
            params::text("baseUri", uri, 1, 500)?;
        }
        if let Some(feed) = &self.price_feed {
            market.require("priceFeed", feed)?;
        }
        if let Some(rules) = &self.compliance_rules {
            rules.check()?;
        }
        if let Some(metadata) = &self.metadata {
            params::metadata("metadata", metadata)?;
        }
        self.check_standard()
    }

    /// What a standard has not is refused.
    fn check_standard(&self) -> Result<(), ParseError> {
        let foreign = |field| Err(params::invalid(field, format!("an asset of {} has none", self.standard)));
        match (self.decimals, self.standard.is_fungible()) {
            (Some(decimals), true) if decimals > DECIMALS_MAX => {
                return Err(params::invalid("decimals", format!("it may be {DECIMALS_MAX}")));
            }
            (Some(decimals), false) if decimals > 0 => return foreign("decimals"),
            (Some(_) | None, _) => {}
        }
        if self.base_uri.is_some() && self.standard.is_fungible() {
            return foreign("baseUri");
        }
        Ok(())
    }

    fn fields(&self, issuer: &Pointer) -> Result<Map, ParseError> {
        let decimals = if self.standard.is_fungible() { self.decimals.unwrap_or(DECIMALS) } else { 0 };
        let mut fields = map! {
            "issuer" => issuer.clone(),
            "standard" => self.standard,
            "name" => self.name.as_str(),
            "symbol" => self.symbol.as_str(),
            "decimals" => f64::from(decimals),
            "totalSupply" => "0",
            "status" => AssetStatus::Draft,
            "createdBy" => issuer.clone(),
            "lastModifiedBy" => issuer.clone(),
            "ACL" => readable_by_all(),
        };
        let rules = self.compliance_rules.as_ref().map(json::from_serializable).transpose()?;
        put(&mut fields, "supplyCap", self.supply_cap.as_deref());
        put(&mut fields, "baseUri", self.base_uri.as_deref());
        put(&mut fields, "priceFeed", self.price_feed.as_deref());
        put(&mut fields, "complianceRules", rules);
        put(&mut fields, "metadata", self.metadata.clone());
        Ok(fields)
    }
}

async fn work(
    host: Host,
    acting: &Acting<'_>,
    issuer: &Pointer,
    params: &CreateDigitalAsset,
) -> Result<AssetCreated, ParseError> {
    let asset = host.create(ASSET, params.fields(issuer)?).await?;
    let entry = acting.entry().changed(None, Some(&asset)).detail("standard", params.standard);
    acting.record(&host, entry.detail("symbol", params.symbol.as_str())).await?;
    Ok(AssetCreated { asset_id: asset.id.to_string(), standard: params.standard, status: state::of(&asset)? })
}
