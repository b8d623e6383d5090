//! What is written of prices: a `PriceQuote` for each feed, with what every source said last and what became of it.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use parsimony_cloud::{CONFLICT, Host, JobRequest};
use parsimony_model::value::Map;
use parsimony_model::{Date, ErrorCode, Filter, Object, ParseError, Query, Value, map};
use rust_decimal::Decimal;

use super::judge::{Judged, Reading};
use super::market::Market;
use crate::jobs::Nothing;
use crate::model::QUOTE;

/// How many quotes are read at once; there are as many as feeds in the settings.
const QUOTES_MAX: u64 = 1_000;

/// `syncMarketData`: asks every source, and writes what is believed. Who cannot be asked does not keep the others.
pub(crate) async fn sync_market_data(request: JobRequest<Nothing>, market: Market) -> Result<String, ParseError> {
    let host = request.host.as_master();
    let mut gathered = market.gather(&host).await;
    let (mut priced, mut unpriced) = (0_u32, Vec::new());
    for feed in market.feeds() {
        let readings = gathered.readings.remove(feed).unwrap_or_default();
        if note(&host, &market, feed, readings).await? {
            priced += 1;
        } else {
            unpriced.push(feed.to_owned());
        }
    }
    for trouble in &gathered.troubles {
        tracing::warn!(trouble, "a source of prices does not answer as it should");
    }
    let missing = if unpriced.is_empty() { String::new() } else { format!("; no price of {}", unpriced.join(", ")) };
    let troubles = gathered.troubles.len();
    Ok(format!("{priced} prices, {troubles} troubles{missing}"))
}

/// Puts what sources say beside what others said, judges all of it anew, and writes it; tells whether there is a price. A price
/// that nobody confirms any more stays as it was: its time tells how old it is.
pub(crate) async fn note(host: &Host, market: &Market, feed: &str, readings: Vec<Reading>) -> Result<bool, ParseError> {
    // Two may note at once: whoever comes second sees what the first has written.
    host.transaction(|host| {
        let readings = readings.clone();
        async move {
            let stored = stored(&host, market, feed).await?;
            // What is of a time that has not come would stand before everything its source says until then.
            let readings = readings.into_iter().filter(|reading| !market.measure().is_to_come(reading, host.now()));
            let latest: BTreeMap<String, Reading> = stored.iter().flat_map(read).chain(readings).fold(
                BTreeMap::new(),
                |mut latest: BTreeMap<String, Reading>, reading| {
                    let is_older = latest.get(&reading.source).is_some_and(|known| known.at > reading.at);
                    if !is_older {
                        latest.insert(reading.source.clone(), reading);
                    }
                    latest
                },
            );
            let judged = market.measure().judge(latest.into_values().collect(), host.now());
            let is_priced = judged.price.is_some();
            write(&host, market, feed, (stored, judged)).await?;
            Ok(is_priced)
        }
    })
    .await
}

async fn stored(host: &Host, market: &Market, feed: &str) -> Result<Option<Object>, ParseError> {
    let same = Filter::equals("feed", feed).and(Filter::equals("currency", market.currency()));
    host.first(QUOTE, Query::new(same)).await
}

fn read(quote: &Object) -> Vec<Reading> {
    let readings = quote.get("readings").and_then(Value::as_array).unwrap_or_default();
    let reading = |value: &Value| {
        let fields = value.as_object()?;
        Some(Reading {
            source: fields.get("source")?.as_str()?.to_owned(),
            price: Decimal::from_str(fields.get("price")?.as_str()?).ok()?,
            at: fields.get("at")?.as_date()?,
        })
    };
    readings.iter().filter_map(reading).collect()
}

async fn write(
    host: &Host,
    market: &Market,
    feed: &str,
    (stored, judged): (Option<Object>, Judged),
) -> Result<(), ParseError> {
    let readings: Vec<Value> = judged
        .readings
        .iter()
        .map(|(Reading { source, price, at }, verdict)| {
            map! { "source" => source.as_str(), "price" => price.normalize().to_string(), "at" => *at, "verdict" => *verdict }.into()
        })
        .collect();
    let mut fields: Map = map! { "readings" => readings };
    if let Some((price, at)) = judged.price {
        fields.extend(map! { "price" => price.normalize().to_string(), "at" => at });
    }
    let Some(stored) = stored else {
        fields.extend(map! { "feed" => feed, "currency" => market.currency() });
        return match host.create(QUOTE, fields).await {
            Err(error) if error.code == ErrorCode::DuplicateValue => {
                Err(ParseError::with_number(CONFLICT, "Another server has written this quote."))
            }
            done => done.map(drop),
        };
    };
    host.update(QUOTE, &stored.id, fields).await.map(drop)
}

/// A price that is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quote {
    /// The price of one.
    pub(crate) price: Decimal,
    /// Of when it is.
    pub(crate) at: Date,
}

/// The prices that count now, by their feeds: those that are not too old.
pub(crate) async fn now(host: &Host, market: &Market) -> Result<BTreeMap<String, Quote>, ParseError> {
    let oldest = host.now().plus_millis(-market.measure().age_millis_max);
    let ours = Query::new(Filter::equals("currency", market.currency())).limit(QUOTES_MAX);
    let quote = |row: &Object| {
        let quote = Quote { price: row.text("price")?.parse().ok()?, at: row.get("at")?.as_date()? };
        (quote.at >= oldest).then(|| Some((row.text("feed")?.to_owned(), quote)))?
    };
    Ok(host.find(QUOTE, ours).await?.iter().filter_map(quote).collect())
}
