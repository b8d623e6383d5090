//! Which sources of prices are there, and what do they say now? As the settings name them.

use std::collections::BTreeMap;
use std::sync::Arc;

use parsimony_cloud::metrics::Outcome;
use parsimony_cloud::{Host, HttpClient};
use parsimony_connectors::chain::{Address, Feed, FeedPrice, PriceFault, read_feed};
use parsimony_connectors::prices::{
    AskFailure, CoinGecko, CoinGeckoOptions, CoinMarketCap, CoinMarketCapOptions, PriceSource,
};
use parsimony_kit::{money, params};
use parsimony_model::{Date, ParseError};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::judge::{Measure, Reading};
use crate::settings::Chains;

/// What a reading of a feed on a chain is called.
const CHAINLINK: &str = "chainlink";

/// `parsimony.settings.digital-assets.prices`.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PriceSettings {
    /// In which currency everything is valued: ISO 4217.
    pub currency: String,
    /// What can have a price, by names that assets refer to.
    pub feeds: BTreeMap<String, FeedSettings>,
    /// The secret of the webhook `prices`, `whsec_…`; without one it is not there.
    pub webhook_secret: Option<String>,
    /// CoinGecko, if it is asked.
    pub coin_gecko: Option<CoinGeckoOptions>,
    /// CoinMarketCap, if it is asked.
    pub coin_market_cap: Option<CoinMarketCapOptions>,
    /// How old what a source says may be.
    pub stale_after_seconds: u32,
    /// How far from the middle it may be, in percent.
    pub outlier_percent: u32,
    /// How many sources have to agree.
    pub sources_min: usize,
}

impl Default for PriceSettings {
    fn default() -> Self {
        Self {
            currency: "USD".to_owned(),
            feeds: BTreeMap::new(),
            webhook_secret: None,
            coin_gecko: None,
            coin_market_cap: None,
            stale_after_seconds: 900,
            outlier_percent: 5,
            sources_min: 1,
        }
    }
}

/// What a feed is called by each source.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct FeedSettings {
    /// CoinGecko's word, such as `bitcoin`.
    pub coin_gecko: Option<String>,
    /// CoinMarketCap's number, such as 1.
    pub coin_market_cap: Option<u64>,
    /// The feed on a chain, whose currency has to be the one of the settings.
    pub chainlink: Option<ChainlinkSettings>,
}

/// A feed on a chain.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChainlinkSettings {
    /// On which chain of the settings.
    pub chain_id: u64,
    /// The aggregator's proxy.
    pub address: Address,
    /// How old its answer may be: its heartbeat and some more.
    pub age_seconds_max: u64,
    /// On rollups, the feed that says whether the sequencer is up.
    pub sequencer: Option<Address>,
}

/// A service with the feeds that it knows, by its own names for them.
struct Asked {
    source: Arc<dyn PriceSource>,
    names: BTreeMap<String, Vec<String>>,
}

/// All sources of prices.
#[derive(Clone)]
pub(crate) struct Market(Arc<Inner>);

struct Inner {
    currency: String,
    digits: u32,
    feeds: BTreeMap<String, FeedSettings>,
    services: Vec<Asked>,
    chains: Chains,
    measure: Measure,
}

/// What sources say of each feed, and what was the matter with those that say nothing.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) readings: BTreeMap<String, Vec<Reading>>,
    pub(crate) troubles: Vec<String>,
}

impl Market {
    /// The sources of the settings; nothing is asked of them yet. The error names the setting to mend.
    pub(crate) fn new(settings: &PriceSettings, chains: &Chains, http: &Arc<dyn HttpClient>) -> Result<Self, String> {
        let at = |fault: String| format!("parsimony.settings.digital-assets.prices.{fault}");
        let currency = settings.currency.clone();
        let digits = money::digits(&currency).ok_or_else(|| at(format!("currency: {currency} is none of ISO 4217")))?;
        for (name, feed) in &settings.feeds {
            if let Some(chain) =
                feed.chainlink.as_ref().map(|feed| feed.chain_id).filter(|id| chains.get(*id).is_none())
            {
                return Err(at(format!("feeds.{name}.chainlink: this server knows no chain {chain}")));
            }
        }
        let mut services = Vec::new();
        if let Some(options) = settings.coin_gecko.clone() {
            let names = names(&settings.feeds, |feed| feed.coin_gecko.clone());
            services.push(Asked { source: Arc::new(CoinGecko::new(options, Arc::clone(http))), names });
        }
        if let Some(options) = settings.coin_market_cap.clone() {
            let names = names(&settings.feeds, |feed| feed.coin_market_cap.map(|id| id.to_string()));
            services.push(Asked { source: Arc::new(CoinMarketCap::new(options, Arc::clone(http))), names });
        }
        let measure = Measure {
            age_millis_max: i64::from(settings.stale_after_seconds) * 1_000,
            outlier_percent: Decimal::from(settings.outlier_percent),
            sources_min: settings.sources_min,
        };
        let (feeds, chains) = (settings.feeds.clone(), chains.clone());
        Ok(Self(Arc::new(Inner { currency, digits, feeds, services, chains, measure })))
    }

    /// In which currency everything is valued.
    pub(crate) fn currency(&self) -> &str {
        &self.0.currency
    }

    /// How many digits of it are behind the point.
    pub(crate) fn digits(&self) -> u32 {
        self.0.digits
    }

    /// Whether there is such a feed.
    pub(crate) fn knows(&self, feed: &str) -> bool {
        self.0.feeds.contains_key(feed)
    }

    /// Refuses a feed that is not there, and says which are (142).
    pub(crate) fn require(&self, field: &str, feed: &str) -> Result<(), ParseError> {
        if self.knows(feed) {
            return Ok(());
        }
        let known: Vec<&str> = self.feeds().collect();
        Err(params::invalid(field, format!("this server knows the feeds [{}]", known.join(", "))))
    }

    /// The names of all feeds.
    pub(crate) fn feeds(&self) -> impl Iterator<Item = &str> {
        self.0.feeds.keys().map(String::as_str)
    }

    /// When a source is believed.
    pub(crate) fn measure(&self) -> &Measure {
        &self.0.measure
    }

    /// Asks everybody. Who cannot be asked does not keep the others.
    pub(crate) async fn gather(&self, host: &Host) -> Gathered {
        let mut gathered = Gathered::default();
        for asked in &self.0.services {
            self.ask_service(host, asked, &mut gathered).await;
        }
        for (name, feed) in &self.0.feeds {
            let Some(chainlink) = &feed.chainlink else { continue };
            let answer = host.metrics().service(CHAINLINK).measured(self.ask_chain(chainlink), chain_outcome).await;
            match answer {
                Ok(reading) => gathered.readings.entry(name.clone()).or_default().push(reading),
                Err(fault) => gathered.troubles.push(format!("{CHAINLINK} {name}: {fault}")),
            }
        }
        gathered
    }

    async fn ask_service(&self, host: &Host, Asked { source, names }: &Asked, gathered: &mut Gathered) {
        let ids: Vec<String> = names.keys().cloned().collect();
        if ids.is_empty() {
            return;
        }
        let asked = source.prices(&ids, &self.0.currency);
        let told = match host.metrics().service(source.name()).measured(asked, outcome).await {
            Ok(told) => told,
            Err(failure) => {
                gathered.troubles.push(format!("{}: {failure}", source.name()));
                return;
            }
        };
        for (id, feeds) in names {
            let Some(told) = told.get(id) else {
                gathered.troubles.push(format!("{} tells no price of {id}", source.name()));
                continue;
            };
            for feed in feeds {
                let reading = Reading { source: source.name().to_owned(), price: told.price, at: told.at };
                gathered.readings.entry(feed.clone()).or_default().push(reading);
            }
        }
    }

    async fn ask_chain(&self, feed: &ChainlinkSettings) -> Result<Reading, PriceFault> {
        let place = self.0.chains.get(feed.chain_id);
        let place = place.ok_or_else(|| PriceFault::NoPrice("its chain is not there".to_owned()))?;
        let ChainlinkSettings { address, age_seconds_max, sequencer, .. } = *feed;
        let told = read_feed(place.chain.as_ref(), &Feed { address, age_seconds_max, sequencer }).await?;
        reading(told).ok_or_else(|| PriceFault::NoPrice(format!("{} has too many digits", told.value)))
    }
}

fn names(
    feeds: &BTreeMap<String, FeedSettings>,
    name: impl Fn(&FeedSettings) -> Option<String>,
) -> BTreeMap<String, Vec<String>> {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (feed, settings) in feeds {
        if let Some(name) = name(settings) {
            names.entry(name).or_default().push(feed.clone());
        }
    }
    names
}

fn reading(told: FeedPrice) -> Option<Reading> {
    let value = i128::try_from(told.value).ok()?;
    let price = Decimal::try_from_i128_with_scale(value, u32::from(told.decimals)).ok()?;
    let millis = i64::try_from(told.seconds).ok()?.checked_mul(1_000)?;
    Some(Reading { source: CHAINLINK.to_owned(), price, at: Date::from_millis(millis) })
}

fn outcome<T>(answer: &Result<T, AskFailure>) -> Outcome {
    answer.as_ref().map_or_else(AskFailure::outcome, |_told| Outcome::Done)
}

fn chain_outcome<T>(answer: &Result<T, PriceFault>) -> Outcome {
    match answer {
        Ok(_) => Outcome::Done,
        Err(PriceFault::Chain(_)) => Outcome::Failed,
        Err(PriceFault::NoPrice(_) | PriceFault::Stale { .. } | PriceFault::SequencerDown) => Outcome::Refused,
    }
}
