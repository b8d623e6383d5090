//! What does a service tell of prices by itself? The webhook `prices`, signed as Standard Webhooks: one more source among the others.

use parsimony_cloud::Inbound;
use parsimony_kit::{AuditEntry, audit, params};
use parsimony_model::{Date, ErrorCode, ParseError};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::judge::Reading;
use super::market::Market;
use super::quotes;
use crate::APPLICATION;
use crate::model::QUOTE;

/// How many prices one event may tell.
const PRICES_MAX: usize = 200;

/// What a reading of the webhook is called.
const SOURCE: &str = "webhook";

/// What is told.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Told {
    prices: Vec<ToldPrice>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ToldPrice {
    /// A feed of the settings.
    feed: String,
    /// The price of one in the currency of the settings, as decimal digits.
    price: String,
    /// Of when it is: ISO 8601.
    at: String,
}

/// Takes what a service tells. What is too old, or far from what others say, is written and not believed.
pub(crate) async fn take(event: Inbound, market: Market) -> Result<(), ParseError> {
    let told: Told = event.json()?;
    params::list("prices", &told.prices, PRICES_MAX)?;
    let host = event.host.as_master();
    for told_price in &told.prices {
        let reading = told_price.reading(&market)?;
        quotes::note(&host, &market, &told_price.feed, vec![reading]).await?;
    }
    let entry = AuditEntry::of_event(&event, QUOTE).detail("prices", told.prices.len() as f64);
    audit::append(&host, APPLICATION, entry).await.map(drop)
}

impl ToldPrice {
    /// Whoever has the secret is one source, and cannot be taken for several.
    fn reading(&self, market: &Market) -> Result<Reading, ParseError> {
        market.require("prices.feed", &self.feed)?;
        let price: Option<Decimal> = self.price.parse().ok().filter(|price| *price > Decimal::ZERO);
        let price = price.ok_or_else(|| params::invalid("prices.price", "it must be a decimal number above 0"))?;
        let at: Date = self
            .at
            .parse()
            .map_err(|_error| ParseError::new(ErrorCode::ValidationError, "prices.at must be a time of ISO 8601."))?;
        Ok(Reading { source: SOURCE.to_owned(), price, at })
    }
}
