//! CoinMarketCap: `/v2/cryptocurrency/quotes/latest`, by the numbers of coins.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use parsimony_cloud::HttpClient;
use parsimony_model::Date;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{AskFailure, PriceSource, Told, in_steps, price};
use crate::service::{Service, part};

/// How many coins are asked for at once: what costs one credit.
const IDS_MAX: usize = 100;

/// How CoinMarketCap is reached.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CoinMarketCapOptions {
    /// The key, a secret.
    pub api_key: String,
    /// The API.
    #[serde(default = "base_url")]
    pub base_url: String,
}

fn base_url() -> String {
    "https://pro-api.coinmarketcap.com".to_owned()
}

/// CoinMarketCap.
pub struct CoinMarketCap {
    options: CoinMarketCapOptions,
    service: Service,
}

#[derive(Deserialize)]
struct Answer {
    status: Status,
    #[serde(default)]
    data: BTreeMap<String, Coin>,
}

#[derive(Deserialize)]
struct Status {
    /// 0, as a number or as a text.
    error_code: Box<RawValue>,
}

#[derive(Deserialize)]
struct Coin {
    #[serde(default)]
    quote: BTreeMap<String, Quote>,
}

#[derive(Deserialize)]
struct Quote {
    /// `null` of a coin that nobody trades.
    price: Box<RawValue>,
    last_updated: String,
}

impl CoinMarketCap {
    /// CoinMarketCap, as it is configured.
    pub fn new(options: CoinMarketCapOptions, http: Arc<dyn HttpClient>) -> Self {
        Self { options, service: Service::new(http) }
    }

    async fn ask(&self, ids: &[String], currency: &str) -> Result<BTreeMap<String, Told>, AskFailure> {
        let base = self.options.base_url.trim_end_matches('/');
        // What it does not know would make it refuse all.
        let (ids, convert) = (part(&ids.join(",")), part(currency));
        let url = format!("{base}/v2/cryptocurrency/quotes/latest?id={ids}&convert={convert}&skip_invalid=true");
        let headers = [("x-cmc_pro_api_key", self.options.api_key.as_str()), ("accept", "application/json")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let body = self.service.get(url, headers).await?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|_other| AskFailure::Unreadable("prices"))?;
        if answer.status.error_code.get().trim_matches('"') != "0" {
            return Err(AskFailure::Unreadable("status 0"));
        }
        let told = |coin: &Coin| {
            let quote = coin.quote.get(currency)?;
            Some(Told { price: price(&quote.price)?, at: quote.last_updated.parse::<Date>().ok()? })
        };
        Ok(answer.data.iter().filter_map(|(id, coin)| Some((id.clone(), told(coin)?))).collect())
    }
}

impl PriceSource for CoinMarketCap {
    fn name(&self) -> &'static str {
        "coinmarketcap"
    }

    fn prices<'a>(
        &'a self,
        ids: &'a [String],
        currency: &'a str,
    ) -> BoxFuture<'a, Result<BTreeMap<String, Told>, AskFailure>> {
        Box::pin(in_steps(ids, IDS_MAX, move |ids| self.ask(ids, currency)))
    }
}
