//! What is one holding worth, and what did somebody's holdings come to, day by day?

use std::collections::BTreeMap;

use parsimony_cloud::{Host, JobRequest};
use parsimony_kit::money::Money;
use parsimony_model::value::Map;
use parsimony_model::{Date, ErrorCode, Filter, Object, ObjectId, ParseError, Query, Value, map};

use super::market::Market;
use super::quotes;
use super::total::{Prices, Sum, Walk, held, money};
use crate::jobs::Nothing;
use crate::model::{SNAPSHOT, readable_by};
use crate::party::user_pointer;

/// How many days a portfolio tells of.
const HISTORY_DAYS: u64 = 90;

/// What a holding shows of its worth, where it has a price.
pub(crate) fn shown(row: &Object, prices: Prices<'_>) -> Result<Map, ParseError> {
    let Ok((units, quote)) = prices.worth(row)? else { return Ok(Map::default()) };
    let value = Money::of_units(units, prices.market.currency());
    Ok(value.map_or_else(Map::default, |value| {
        map! {
            "price" => map! { "amount" => quote.price.to_string(), "currency" => value.currency.as_str(), "at" => quote.at },
            "value" => money(&value),
        }
    }))
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
    let prices = Prices { market: &market, quotes: &quotes };
    let (mut sums, mut walk, mut seen) = (BTreeMap::<ObjectId, Sum>::new(), Walk::new(&host, held()), 0);
    while let Some(rows) = walk.next().await? {
        for row in &rows {
            let Some(holder) = row.get("holder").and_then(Value::as_pointer) else { continue };
            sums.entry(holder.id).or_default().take(row, prices)?;
        }
        seen += rows.len();
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
    let Some(values) = sum.told(market) else { return Ok(()) };
    let holder = user_pointer(holder)?;
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
