//! `getAssetPortfolio`: what somebody holds, how much of it they may use, and what it is worth.

use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, params, permission, roles};
use parsimony_model::value::Map;
use parsimony_model::{Filter, Object, ObjectId, ParseError, Query, Value, map};
use serde::{Deserialize, Serialize};

use crate::APPLICATION;
use crate::holding::Holding;
use crate::model::HOLDING;
use crate::party::user_pointer;
use crate::prices::market::Market;
use crate::prices::total::{self, Prices, Total};
use crate::prices::{quotes, valuation};

/// How many holdings one answer has at most.
const HOLDINGS_MAX: u32 = 1_000;

/// How many it has unless told otherwise.
const HOLDINGS: u32 = 100;

/// How many holdings somebody may have whose total is told without being asked for: it reads all of them.
const HOLDINGS_TOTALLED: u64 = 2_000;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetAssetPortfolio {
    /// The id of the user; the caller, unless they are staff.
    pub holder: Option<String>,
    /// How many holdings to leave out first.
    #[serde(default)]
    pub skip: u32,
    /// How many to tell.
    pub limit: Option<u32>,
    /// Whether to tell what all of them come to; unless said, on the first page, where they are not too many.
    pub total: Option<bool>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Portfolio {
    /// The id of the user.
    pub holder: String,
    /// How many holdings there are in all.
    pub count: u64,
    /// The holdings, the newest first, each with what it is worth where its asset has a price.
    pub holdings: Vec<Map>,
    /// What all of them come to now, and which of them have no price and are not in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Map>,
    /// What all of them came to, day by day, the newest first.
    pub history: Vec<Map>,
}

/// Tells what somebody holds.
pub(crate) async fn get_asset_portfolio(
    request: Request<GetAssetPortfolio>,
    market: Market,
) -> Result<Portfolio, ParseError> {
    let acting = Acting::new(APPLICATION, HOLDING, &request);
    let caller = acting.user()?;
    let params = &request.params;
    let holder = params.holder.as_deref().map(|holder| params::object_id("holder", holder)).transpose()?;
    let limit = params.limit.unwrap_or(HOLDINGS);
    if limit == 0 || limit > HOLDINGS_MAX {
        return Err(params::invalid("limit", format!("it may be from 1 to {HOLDINGS_MAX}")));
    }
    let holder = holder.unwrap_or_else(|| caller.id.clone());
    if holder != caller.id {
        let staff = [roles::ASSET_MANAGER, roles::COMPLIANCE_OFFICER, roles::AUDITOR, roles::SUPPORT];
        let done = permission::require_role(&request.who, &staff, "look at the portfolio of others");
        acting.settle(None, done).await?;
    }
    portfolio(&request.host.as_master(), &market, &holder, (params.skip, limit, params.total)).await
}

async fn portfolio(
    host: &Host,
    market: &Market,
    holder: &ObjectId,
    (skip, limit, totals): (u32, u32, Option<bool>),
) -> Result<Portfolio, ParseError> {
    let held = total::held().and(Filter::equals("holder", user_pointer(holder)?));
    let mut query = Query::new(held.clone()).descending("createdAt").limit(u64::from(limit));
    query.skip = u64::from(skip);
    query.include = vec!["asset".into()];
    let rows = host.find(HOLDING, query).await?;
    let count = host.count(HOLDING, Query::new(held.clone())).await?;
    let quotes = quotes::now(host, market).await?;
    let prices = Prices { market, quotes: &quotes };
    let holdings = rows.iter().map(|row| {
        let mut told = shown(row);
        told.extend(valuation::shown(row, prices)?);
        Ok(told)
    });
    Ok(Portfolio {
        holder: holder.to_string(),
        count,
        holdings: holdings.collect::<Result<_, ParseError>>()?,
        // Who turns the pages is not told the same again, at the cost of reading all of it again.
        total: if totals.unwrap_or(skip == 0 && count <= HOLDINGS_TOTALLED) {
            total(host, prices, held, (&rows, count)).await?
        } else {
            None
        },
        history: valuation::history(host, market, holder).await?,
    })
}

/// What all of it comes to. Where the page is all there is, nothing more is read.
async fn total(
    host: &Host,
    prices: Prices<'_>,
    held: Filter,
    (page, count): (&[Object], u64),
) -> Result<Option<Map>, ParseError> {
    let total = if page.len() as u64 == count {
        let mut total = Total::default();
        total.take(page, prices)?;
        total
    } else {
        Total::of(host, prices, held).await?
    };
    Ok(total.told(prices.market))
}

fn shown(row: &Object) -> Map {
    let mut shown = Holding::shown(row);
    if let Some(Value::Included(asset)) = row.get("asset") {
        let fields = ["name", "symbol", "standard", "decimals", "status"];
        let mut told = map! { "assetId" => asset.id.as_str() };
        told.extend(fields.iter().filter_map(|field| Some(((*field).into(), asset.get(field)?.clone()))));
        shown.insert("asset".into(), Value::Object(told));
    }
    shown
}
