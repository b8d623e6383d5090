//! What holdings are worth: prices of services that do not agree, of one that tells by itself, and what portfolios come to by them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use parsimony_cloud::standard_signature;
use parsimony_model::clock::HandClock;
use parsimony_model::{Clock as _, Date};
use parsimony_testkit::{Seen, StoreKind};
use serde_json::{Value, json};

use crate::digital_assets::{Person, Stage, done, pointer, refused};
use crate::jobs::eventually;
use crate::webhooks::Elsewhere;

crate::on_both_stores!(
    crate::digital_assets_prices::open;
    what_sources_agree_on_is_the_price_and_holdings_are_worth_that,
    who_cannot_be_asked_or_is_far_off_does_not_count,
    a_service_tells_by_itself_and_nobody_else_does,
    a_day_is_written_once_however_often_it_is_valued,
    a_portfolio_tells_what_all_of_it_comes_to_and_what_is_left_out,
    all_of_a_great_portfolio_is_in_its_total,
);

struct Market {
    stage: Stage,
    /// The services that are asked.
    _elsewhere: Elsewhere,
    ada: Person,
    secret: String,
}

/// What the clocks of these servers show: they stand still.
fn now() -> Date {
    HandClock::default().now()
}

/// CoinGecko, CoinMarketCap: gold and oil at both, and silver at the first alone.
fn service(path: &str) -> Value {
    let moment = now();
    if path.starts_with("/gecko/simple/price?ids=") {
        let at = moment.millis() / 1_000;
        let coin = |price: f64| json!({"usd": price, "last_updated_at": at});
        return json!({"gold": coin(100.5), "oil": coin(70.0), "silver": coin(20.0)});
    }
    assert!(path.starts_with("/cmc/v2/cryptocurrency/quotes/latest?id="), "{path}");
    let coin = |price: f64| json!({"quote": {"USD": {"price": price, "last_updated": moment.to_string()}}});
    json!({"status": {"error_code": 0}, "data": {"1": coin(101.5), "2": coin(170.0)}})
}

async fn open(store: StoreKind) -> Market {
    let elsewhere = Elsewhere::start(|path, _| Some(service(path))).await;
    let secret = format!("whsec_{}", BASE64.encode("a secret of prices"));
    let settings = json!({
        "chains": [{"id": 31_337, "endpoints": ["http://127.0.0.1:9/"]}],
        "prices": {
            "webhookSecret": secret,
            "coinGecko": {"apiKey": "g", "baseUrl": format!("{}/gecko", elsewhere.url)},
            "coinMarketCap": {"apiKey": "c", "baseUrl": format!("{}/cmc", elsewhere.url)},
            "feeds": {
                "gold": {"coinGecko": "gold", "coinMarketCap": 1},
                "oil": {"coinGecko": "oil", "coinMarketCap": 2},
                "silver": {"coinGecko": "silver"},
                "desk": {},
            },
        },
    });
    let stage = Stage::open(store, settings).await;
    let ada = stage.holder("ada", 1).await;
    Market { stage, _elsewhere: elsewhere, ada, secret }
}

impl Market {
    /// Ada holds so many base units of an asset with this feed, of which a hundred make one.
    async fn holds(&self, feed: Option<&str>, amount: &str) -> String {
        let issuer = self.stage.person(&format!("issuer-{}", feed.unwrap_or("none")), &["asset-manager"]).await;
        let mut asset = json!({"standard": "ERC20", "decimals": 2});
        if let Some(feed) = feed {
            asset["priceFeed"] = json!(feed);
        }
        let asset = self.stage.active(&issuer, asset).await;
        self.stage.give(&asset, &self.ada, amount).await;
        asset
    }

    async fn quote(&self, feed: &str) -> Value {
        self.quote_or_none(feed).await.unwrap()
    }

    async fn quote_or_none(&self, feed: &str) -> Option<Value> {
        let path = format!(r#"/classes/PriceQuote?where={{"feed":"{feed}"}}"#);
        self.ada.client.get(&path).await.results().first().cloned()
    }

    /// What the holding of an asset shows of its worth.
    async fn value(&self, asset: &str) -> Value {
        let portfolio = done(&self.ada, "getAssetPortfolio", json!({})).await;
        let holdings = portfolio["holdings"].as_array().unwrap();
        holdings.iter().find(|holding| holding["asset"]["assetId"] == asset).unwrap()["value"].clone()
    }

    /// What a portfolio comes to; what is left out is in an order of its reasons.
    async fn total(&self, params: Value) -> Value {
        let mut total = done(&self.ada, "getAssetPortfolio", params).await["total"].clone();
        if let Some(left) = total.get_mut("leftOut").and_then(Value::as_array_mut) {
            left.sort_by_key(|one| one["why"].to_string());
        }
        total
    }

    /// A service tells of prices.
    async fn told(&self, id: &str, secret: &str, body: &Value) -> Seen {
        let (seconds, body) = ((now().millis() / 1_000).to_string(), body.to_string());
        let signature = standard_signature(secret, id, &seconds, body.as_bytes());
        let headers = [("webhook-id", id), ("webhook-timestamp", &seconds), ("webhook-signature", &signature)];
        let nobody = self.stage.master().as_nobody();
        nobody.ask_raw("POST", "/webhooks/digital-assets/prices", &headers, body.into_bytes()).await.unwrap()
    }
}

fn verdicts(quote: &Value) -> Vec<(&str, &str)> {
    let readings = quote["readings"].as_array().unwrap();
    readings.iter().map(|one| (one["source"].as_str().unwrap(), one["verdict"].as_str().unwrap())).collect()
}

async fn what_sources_agree_on_is_the_price_and_holdings_are_worth_that(market: Market) {
    let (gold, dust) = (market.holds(Some("gold"), "1050").await, market.holds(None, "7").await);
    assert_eq!(market.value(&gold).await, Value::Null);
    market.stage.run("syncMarketData").await;
    let quote = market.quote("gold").await;
    assert_eq!((&quote["price"], &quote["currency"]), (&json!("101"), &json!("USD")));
    assert_eq!(verdicts(&quote), [("coingecko", "USED"), ("coinmarketcap", "USED")]);
    // 10.50 of them, each 101.
    assert_eq!(market.value(&gold).await, json!({"amount": "1060.50", "currency": "USD"}));
    assert_eq!(market.value(&dust).await, Value::Null);
    let issuer = market.stage.person("issuer", &["issuer"]).await;
    let own = json!({"standard": "ERC20", "name": "Own", "symbol": "OWN", "priceFeed": "gold"});
    assert_eq!(refused(&issuer, "createDigitalAsset", own).await.0, 119);
    // Nobody writes a price.
    let path = format!("/classes/PriceQuote/{}", quote["objectId"].as_str().unwrap());
    assert_eq!(market.ada.client.put(&path, json!({"price": "1"})).await.code(), 119);
}

async fn who_cannot_be_asked_or_is_far_off_does_not_count(market: Market) {
    let told = market.stage.run("syncMarketData").await;
    // Of two that are far from each other none is believed; one alone is.
    let oil = market.quote("oil").await;
    assert_eq!(oil["price"], Value::Null);
    assert_eq!(verdicts(&oil), [("coingecko", "OUTLIER"), ("coinmarketcap", "OUTLIER")]);
    assert_eq!(market.quote("silver").await["price"], json!("20"));
    assert_eq!(told, "2 prices, 0 troubles; no price of desk, oil");
}

async fn a_service_tells_by_itself_and_nobody_else_does(market: Market) {
    let moment = now();
    let price = |price: &str, at: String| json!({"feed": "desk", "price": price, "at": at});
    let told = |prices: Value| json!({"prices": prices});
    let first = told(json!([price("12.345", moment.to_string())]));
    assert_eq!(market.told("m1", "whsec_b3RoZXI=", &first).await.status, 401);
    assert_eq!(market.told("m1", &market.secret, &first).await.status, 200);
    let quote = eventually("a price", async || market.quote_or_none("desk").await).await;
    assert_eq!((&quote["price"], verdicts(&quote)[0]), (&json!("12.345"), ("webhook", "USED")));
    // Again, and later one of before: nothing goes back.
    assert_eq!(market.told("m1", &market.secret, &first).await.status, 200);
    let to_come = told(json!([price("98", moment.plus_millis(86_400_000).to_string())]));
    assert_eq!(market.told("m3", &market.secret, &to_come).await.status, 200);
    let late = told(json!([price("99", moment.plus_millis(-60_000).to_string())]));
    assert_eq!(market.told("m2", &market.secret, &late).await.status, 200);
    let handled = r#"/classes/WebhookEvent?where={"source":"prices","status":"PROCESSED"}&count=1&limit=0"#;
    eventually("three events", async || (market.stage.master().get(handled).await.body["count"] == 3).then_some(()))
        .await;
    assert_eq!(market.quote("desk").await["price"], json!("12.345"));
}

async fn a_day_is_written_once_however_often_it_is_valued(market: Market) {
    market.holds(Some("gold"), "1050").await;
    market.holds(Some("silver"), "100").await;
    market.holds(None, "7").await;
    market.stage.run("syncMarketData").await;
    for _ in 0..2 {
        market.stage.run("valuePortfolios").await;
    }
    let portfolio = done(&market.ada, "getAssetPortfolio", json!({})).await;
    let [day] = &portfolio["history"].as_array().unwrap()[..] else { panic!("one day: {portfolio}") };
    assert_eq!(day["value"], json!({"amount": "1080.50", "currency": "USD"}));
    assert_eq!((&day["priced"], &day["unpriced"]), (&json!(2), &json!(1)));
    assert_eq!(day["day"], json!(now().to_string().get(..10).unwrap()));
    let other = market.stage.person("bob", &[]).await;
    assert_eq!(other.client.get("/classes/PortfolioSnapshot").await.results().len(), 0);
}

async fn a_portfolio_tells_what_all_of_it_comes_to_and_what_is_left_out(market: Market) {
    let gold = market.holds(Some("gold"), "1050").await;
    let dust = market.holds(None, "7").await;
    let left = |asset: &str, why: &str| json!({"assetId": asset, "tokenId": "0", "why": why});
    let nothing = json!({
        "value": {"amount": "0.00", "currency": "USD"}, "priced": 0, "unpriced": 2,
        "leftOut": [left(&dust, "NO_FEED"), left(&gold, "NO_QUOTE")],
    });
    assert_eq!(market.total(json!({})).await, nothing);
    market.stage.run("syncMarketData").await;
    let all = json!({
        "value": {"amount": "1060.50", "currency": "USD"}, "priced": 1, "unpriced": 1, "leftOut": [left(&dust, "NO_FEED")],
        "at": {"__type": "Date", "iso": now().to_string()},
    });
    assert_eq!(market.total(json!({})).await, all);
    // Whatever the page shows, it is of all; and it is told once, or as it is asked for.
    assert_eq!(market.total(json!({"limit": 1})).await, all);
    assert_eq!(market.total(json!({"limit": 1, "skip": 1})).await, Value::Null);
    assert_eq!(market.total(json!({"limit": 1, "skip": 1, "total": true})).await, all);
    assert_eq!(market.total(json!({"total": false})).await, Value::Null);
    // What is too old values nothing.
    market.stage.clock.advance_millis(901_000);
    assert_eq!(market.total(json!({})).await, nothing);
}

async fn all_of_a_great_portfolio_is_in_its_total(market: Market) {
    let issuer = market.stage.person("issuer", &["asset-manager"]).await;
    let art = market.stage.active(&issuer, json!({"standard": "ERC1155", "priceFeed": "silver"})).await;
    let held = |token: usize| {
        let fields = json!({
            "asset": pointer("DigitalAsset", &art), "holder": pointer("_User", &market.ada.id), "tokenId": token.to_string(),
            "balance": "2", "frozen": "0", "reserved": "0", "pending": "0", "ACL": {},
        });
        json!({"method": "POST", "path": "/parse/classes/AssetHolding", "body": fields})
    };
    // More than are read at once.
    for step in 0..21_usize {
        let requests: Vec<Value> = (step * 50..step * 50 + 50).map(held).collect();
        let seen = market.stage.master().post("/batch", json!({"requests": requests})).await;
        assert!(seen.body.as_array().unwrap().iter().all(|one| one["success"].is_object()), "{}", seen.body);
    }
    market.stage.run("syncMarketData").await;
    let total = market.total(json!({"limit": 10})).await;
    // Each of 1,050 holdings is two, and one is worth 20.
    assert_eq!(total["value"], json!({"amount": "42000.00", "currency": "USD"}));
    assert_eq!((&total["priced"], &total["leftOut"]), (&json!(1_050), &json!([])));
}
