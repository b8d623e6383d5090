//! What do many holdings come to together, by the prices that count now, and which of them have none?

use std::collections::BTreeMap;

use parsimony_cloud::Host;
use parsimony_kit::money::Money;
use parsimony_kit::words;
use parsimony_model::query::Constraint;
use parsimony_model::value::Map;
use parsimony_model::{Date, Filter, Object, ObjectId, ParseError, Query, Value, map};

use super::market::Market;
use super::quotes::Quote;
use super::worth::worth;
use crate::amount;
use crate::model::{HOLDING, whole};

/// How many holdings are read at once.
const STEP_HOLDINGS: u64 = 1_000;

/// How many of those that are left out are named.
const LEFT_OUT_MAX: usize = 100;

words! {
    /// Why nobody can say what a holding is worth.
    pub enum Unpriced {
        /// Its asset is valued by no feed.
        NoFeed = "NO_FEED",
        /// Its feed has no price that counts now.
        NoQuote = "NO_QUOTE",
        /// It is more than there is money.
        TooMuch = "TOO_MUCH",
    }
}

/// The prices that count now, and in what they are.
#[derive(Clone, Copy)]
pub(crate) struct Prices<'a> {
    pub(crate) market: &'a Market,
    pub(crate) quotes: &'a BTreeMap<String, Quote>,
}

impl Prices<'_> {
    /// What one holding is worth, in the currency's smallest units. The asset is included in the row.
    pub(crate) fn worth(self, row: &Object) -> Result<Result<(u128, Quote), Unpriced>, ParseError> {
        let Some(Value::Included(asset)) = row.get("asset") else { return Ok(Err(Unpriced::NoFeed)) };
        let Some(feed) = asset.text("priceFeed") else { return Ok(Err(Unpriced::NoFeed)) };
        let Some(quote) = self.quotes.get(feed) else { return Ok(Err(Unpriced::NoQuote)) };
        let decimals = whole(asset, "decimals").and_then(|decimals| u32::try_from(decimals).ok()).unwrap_or_default();
        let units = worth(amount::of(row, "balance")?, decimals, quote.price, self.market.digits());
        Ok(units.map(|units| (units, *quote)).ok_or(Unpriced::TooMuch))
    }
}

/// What holdings come to, in the smallest units of the currency, and how many of them have no price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) units: u128,
    pub(crate) priced: u64,
    pub(crate) unpriced: u64,
    /// Of when the oldest price is that it rests on.
    oldest: Option<Date>,
}

impl Sum {
    /// Takes one holding in; says why not.
    pub(crate) fn take(&mut self, row: &Object, prices: Prices<'_>) -> Result<Option<Unpriced>, ParseError> {
        match prices.worth(row)? {
            Ok((units, quote)) => {
                self.units = self.units.saturating_add(units);
                self.priced += 1;
                self.oldest = Some(self.oldest.map_or(quote.at, |oldest| oldest.min(quote.at)));
                Ok(None)
            }
            Err(why) => {
                self.unpriced += 1;
                Ok(Some(why))
            }
        }
    }

    /// As it is told and stored.
    pub(crate) fn told(&self, market: &Market) -> Option<Map> {
        let value = Money::of_units(self.units, market.currency())?;
        Some(map! { "value" => money(&value), "priced" => self.priced as f64, "unpriced" => self.unpriced as f64 })
    }
}

/// Money, as it is told and stored.
pub(crate) fn money(money: &Money) -> Map {
    map! { "amount" => money.amount.as_str(), "currency" => money.currency.as_str() }
}

/// Which holdings are not nothing.
pub(crate) fn held() -> Filter {
    Filter::Field("balance".into(), Constraint::NotEquals("0".into()))
}

/// Holdings, read some at a time however many there are, each with what says its price.
pub(crate) struct Walk<'a> {
    host: &'a Host,
    held: Filter,
    last: Option<ObjectId>,
    over: bool,
}

impl<'a> Walk<'a> {
    /// Over those of a filter.
    pub(crate) fn new(host: &'a Host, held: Filter) -> Self {
        Self { host, held, last: None, over: false }
    }

    /// The next of them; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Object>>, ParseError> {
        if self.over {
            return Ok(None);
        }
        let mut rest = self.held.clone();
        if let Some(last) = &self.last {
            rest = rest.and(Filter::Field("objectId".into(), Constraint::Greater(last.as_str().into())));
        }
        let mut query = Query::new(rest).ascending("objectId").limit(STEP_HOLDINGS).include("asset");
        query.keys = ["holder", "tokenId", "balance", "asset.priceFeed", "asset.decimals"].map(Into::into).to_vec();
        let rows = self.host.find(HOLDING, query).await?;
        self.over = (rows.len() as u64) < STEP_HOLDINGS;
        self.last = rows.last().map(|row| row.id.clone());
        Ok((!rows.is_empty()).then_some(rows))
    }
}

/// What all of somebody's holdings come to, and which of them are not in it.
#[derive(Default)]
pub(crate) struct Total {
    sum: Sum,
    left_out: Vec<Map>,
}

impl Total {
    /// Of all holdings of a filter. They are read some at a time, and none of them is kept.
    pub(crate) async fn of(host: &Host, prices: Prices<'_>, held: Filter) -> Result<Self, ParseError> {
        let (mut total, mut walk) = (Self::default(), Walk::new(host, held));
        while let Some(rows) = walk.next().await? {
            total.take(&rows, prices)?;
        }
        Ok(total)
    }

    /// Takes holdings in.
    pub(crate) fn take(&mut self, rows: &[Object], prices: Prices<'_>) -> Result<(), ParseError> {
        for row in rows {
            let Some(why) = self.sum.take(row, prices)? else { continue };
            if self.left_out.len() < LEFT_OUT_MAX {
                self.left_out.push(left_out(row, why));
            }
        }
        Ok(())
    }

    /// As it is told; nothing if it is more than there is money.
    pub(crate) fn told(self, market: &Market) -> Option<Map> {
        let mut told = self.sum.told(market)?;
        told.insert("leftOut".into(), self.left_out.into());
        if let Some(oldest) = self.sum.oldest {
            told.insert("at".into(), oldest.into());
        }
        Some(told)
    }
}

fn left_out(row: &Object, why: Unpriced) -> Map {
    let asset = match row.get("asset") {
        Some(Value::Included(asset)) => Some(asset.id.to_string()),
        other => other.and_then(Value::as_pointer).map(|asset| asset.id.to_string()),
    };
    let token = row.get("tokenId").cloned().unwrap_or_default();
    map! { "assetId" => asset.unwrap_or_default(), "tokenId" => token, "why" => why }
}
