//! What do those say who know prices? Services behind one trait, whose numbers are read digit by digit and never as floats.
//!
//! | service | file | what it calls a coin |
//! | --- | --- | --- |
//! | CoinGecko | `coingecko.rs` | a word, such as `bitcoin` |
//! | CoinMarketCap | `coinmarketcap.rs` | a number, such as 1: symbols are not unique |
//! | Chainlink, on a chain | `../chain/price.rs` | a contract |

mod coingecko;
mod coinmarketcap;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use parsimony_model::Date;
use rust_decimal::Decimal;
use serde_json::value::RawValue;

pub use crate::service::AskFailure;
pub use coingecko::{CoinGecko, CoinGeckoOptions, CoinGeckoPlan};
pub use coinmarketcap::{CoinMarketCap, CoinMarketCapOptions};

/// A price that a service told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The price of one.
    pub price: Decimal,
    /// Of when it is.
    pub at: Date,
}

/// A service that knows prices.
pub trait PriceSource: Send + Sync {
    /// How the metrics call it.
    fn name(&self) -> &'static str;

    /// What these cost in a currency. What the service does not know, or tells no price of, is left out.
    fn prices<'a>(
        &'a self,
        ids: &'a [String],
        currency: &'a str,
    ) -> BoxFuture<'a, Result<BTreeMap<String, Told>, AskFailure>>;
}

/// Asks for so many at once, until all are asked for.
async fn in_steps<'a, A>(
    ids: &'a [String],
    ids_max: usize,
    ask: impl Fn(&'a [String]) -> A,
) -> Result<BTreeMap<String, Told>, AskFailure>
where
    A: Future<Output = Result<BTreeMap<String, Told>, AskFailure>>,
{
    let mut all = BTreeMap::new();
    for ids in ids.chunks(ids_max) {
        all.extend(ask(ids).await?);
    }
    Ok(all)
}

/// The digits of a JSON number, or of a text with one; a number with more than 28 of them is rounded to as many.
pub fn decimal(raw: &RawValue) -> Option<Decimal> {
    let text = raw.get().trim_matches('"');
    let plain =
        !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
    let exact = || if text.contains(['e', 'E']) { Decimal::from_scientific(text).ok() } else { text.parse().ok() };
    plain.then(exact).flatten()
}

/// A price: what is nothing or less is none.
fn price(raw: &RawValue) -> Option<Decimal> {
    decimal(raw).filter(|price| *price > Decimal::ZERO)
}
