//! CoinGecko: `/simple/price`, which tells many coins at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use parsimony_cloud::HttpClient;
use parsimony_model::Date;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{AskFailure, PriceSource, Told, in_steps, price};
use crate::service::{Service, part};

/// How many coins are asked for at once.
const IDS_MAX: usize = 200;

/// Which of its services is used: they have other addresses and other headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CoinGeckoPlan {
    /// The one without cost.
    Demo,
    /// The one that is paid for.
    Pro,
}

/// How CoinGecko is reached.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CoinGeckoOptions {
    /// The key, a secret.
    pub api_key: String,
    /// Which service it opens.
    #[serde(default = "demo")]
    pub plan: CoinGeckoPlan,
    /// The API, if it is not where the plan has it.
    pub base_url: Option<String>,
}

const fn demo() -> CoinGeckoPlan {
    CoinGeckoPlan::Demo
}

/// CoinGecko.
pub struct CoinGecko {
    options: CoinGeckoOptions,
    service: Service,
}

impl CoinGecko {
    /// CoinGecko, as it is configured.
    pub fn new(options: CoinGeckoOptions, http: Arc<dyn HttpClient>) -> Self {
        Self { options, service: Service::new(http) }
    }

    async fn ask(&self, ids: &[String], currency: &str) -> Result<BTreeMap<String, Told>, AskFailure> {
        let (base, header) = match self.options.plan {
            CoinGeckoPlan::Demo => ("https://api.coingecko.com/api/v3", "x-cg-demo-api-key"),
            CoinGeckoPlan::Pro => ("https://pro-api.coingecko.com/api/v3", "x-cg-pro-api-key"),
        };
        let base = self.options.base_url.as_deref().unwrap_or(base).trim_end_matches('/');
        let currency = currency.to_ascii_lowercase();
        let url = format!(
            "{base}/simple/price?ids={}&vs_currencies={}&include_last_updated_at=true&precision=full",
            part(&ids.join(",")),
            part(&currency),
        );
        let headers = [(header, self.options.api_key.as_str()), ("accept", "application/json")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let body = self.service.get(url, headers).await?;
        let coins: BTreeMap<String, BTreeMap<String, Box<RawValue>>> =
            serde_json::from_slice(&body).map_err(|_other| AskFailure::Unreadable("prices"))?;
        Ok(coins.into_iter().filter_map(|(id, coin)| Some((id, told(&coin, &currency)?))).collect())
    }
}

fn told(coin: &BTreeMap<String, Box<RawValue>>, currency: &str) -> Option<Told> {
    let seconds: i64 = coin.get("last_updated_at")?.get().parse().ok()?;
    Some(Told { price: price(coin.get(currency)?)?, at: Date::from_millis(seconds.checked_mul(1_000)?) })
}

impl PriceSource for CoinGecko {
    fn name(&self) -> &'static str {
        "coingecko"
    }

    fn prices<'a>(
        &'a self,
        ids: &'a [String],
        currency: &'a str,
    ) -> BoxFuture<'a, Result<BTreeMap<String, Told>, AskFailure>> {
        Box::pin(in_steps(ids, IDS_MAX, move |ids| self.ask(ids, currency)))
    }
}
