//! What do somebody's holdings come to: now, and day by day?

use std::collections::BTreeMap;

use parsimony_cloud::{Host, JobRequest};
use parsimony_kit::money::Money;
use parsimony_model::query::Constraint;
use parsimony_model::value::Map;
use parsimony_model::{Date, ErrorCode, Filter, Object, ObjectId, ParseError, Query, Value, map};

use super::market::Market;
use super::quotes::{self, Quote};
use super::worth::worth;
use crate::amount;
use crate::jobs::Nothing;
use crate::model::{HOLDING, SNAPSHOT, readable_by, whole};
use crate::party::user_pointer;

/// How many holdings are read at once.
const STEP_HOLDINGS: u64 = 1_000;

/// How many days a portfolio tells of.
const HISTORY_DAYS: u64 = 90;

/// What holdings are worth, in the smallest units of the currency, and how many of them have no price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    units: u128,
    priced: u64,
    unpriced: u64,
}

/// What one holding is worth at these prices; `None` without a price. The asset is included in the row.
fn worth_of(
    row: &Object,
    market: &Market,
    quotes: &BTreeMap<String, Quote>,
) -> Result<Option<(u128, Quote)>, ParseError> {
    let Some(Value::Included(asset)) = row.get("asset") else { return Ok(None) };
    let Some(quote) = asset.text("priceFeed").and_then(|feed| quotes.get(feed)) else { return Ok(None) };
    let decimals = whole(asset, "decimals").and_then(|decimals| u32::try_from(decimals).ok()).unwrap_or_default();
    let units = worth(amount::of(row, "balance")?, decimals, quote.price, market.digits());
    Ok(units.map(|units| (units, *quote)))
}

/// What a holding shows of its worth, where it has a price.
pub(crate) fn shown(row: &Object, market: &Market, quotes: &BTreeMap<String, Quote>) -> Result<Map, ParseError> {
    let Some((units, quote)) = worth_of(row, market, quotes)? else { return Ok(Map::default()) };
    let value = Money::of_units(units, market.currency());
    Ok(value.map_or_else(Map::default, |value| {
        map! {
            "price" => map! { "amount" => quote.price.to_string(), "currency" => value.currency.as_str(), "at" => quote.at },
            "value" => money(&value),
        }
    }))
}

fn money(money: &Money) -> Map {
    map! { "amount" => money.amount.as_str(), "currency" => money.currency.as_str() }
}

/// The days of a portfolio, the newest first.
pub(crate) async fn history(host: &Host, market: &Market, holder: &ObjectId) -> Result<Vec<Map>, ParseError> {
    let own = Filter::equals("holder", user_pointer(holder)?).and(Filter::equals("currency", market.currency()));
    let days = host.find(SNAPSHOT, Query::new(own).descending("day").limit(HISTORY_DAYS)).await?;
    let day = |row: &Object| {
        ["day", "value", "priced", "unpriced"]
            .into_iter()
            .filter_map(|field| Some((field.into(), row.get(field)?.clone())))
            .collect()
    };
    Ok(days.iter().map(day).collect())
}

/// `valuePortfolios`: what each holder's holdings come to today. Run again, it writes the same day anew.
pub(crate) async fn value_portfolios(request: JobRequest<Nothing>, market: Market) -> Result<String, ParseError> {
    let host = request.host.as_master();
    let quotes = quotes::now(&host, &market).await?;
    let held = Filter::Field("balance".into(), Constraint::NotEquals("0".into()));
    let (mut sums, mut rest, mut seen) = (BTreeMap::<ObjectId, Sum>::new(), held.clone(), 0);
    loop {
        let rows =
            host.find(HOLDING, Query::new(rest).ascending("objectId").limit(STEP_HOLDINGS).include("asset")).await?;
        for row in &rows {
            let Some(holder) = row.get("holder").and_then(Value::as_pointer) else { continue };
            let sum = sums.entry(holder.id).or_default();
            match worth_of(row, &market, &quotes)? {
                Some((units, _)) => {
                    sum.units = sum.units.saturating_add(units);
                    sum.priced += 1;
                }
                None => sum.unpriced += 1,
            }
        }
        seen += rows.len();
        let Some(last) = rows.last().filter(|_| rows.len() as u64 == STEP_HOLDINGS) else { break };
        rest = held.clone().and(Filter::Field("objectId".into(), Constraint::Greater(last.id.as_str().into())));
        request.message(format!("{seen} holdings valued")).await?;
    }
    let day = day(host.now());
    for (holder, sum) in &sums {
        snapshot(&host, &market, (holder, &day), *sum).await?;
    }
    Ok(format!("{} portfolios of {seen} holdings on {day}", sums.len()))
}

/// The day of a moment in UTC, `2026-02-21`.
fn day(now: Date) -> String {
    now.to_string().chars().take(10).collect()
}

async fn snapshot(host: &Host, market: &Market, (holder, day): (&ObjectId, &str), sum: Sum) -> Result<(), ParseError> {
    let Some(value) = Money::of_units(sum.units, market.currency()) else { return Ok(()) };
    let holder = user_pointer(holder)?;
    let values = map! { "value" => money(&value), "priced" => sum.priced as f64, "unpriced" => sum.unpriced as f64 };
    let same = Filter::equals("holder", holder.clone())
        .and(Filter::equals("day", day))
        .and(Filter::equals("currency", market.currency()));
    if let Some(known) = host.first(SNAPSHOT, Query::new(same)).await? {
        return host.update(SNAPSHOT, &known.id, values).await.map(drop);
    }
    let mut fields = map! {
        "ACL" => readable_by([&holder.id]),
        "holder" => holder,
        "day" => day,
        "currency" => market.currency(),
    };
    fields.extend(values);
    match host.create(SNAPSHOT, fields).await {
        // Another run has written the day at this moment.
        Err(error) if error.code == ErrorCode::DuplicateValue => Ok(()),
        done => done.map(drop),
    }
}
