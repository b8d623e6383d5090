//! Do we understand those who know prices, to the last digit?

use std::sync::Arc;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use parsimony_cloud::{HttpClient, HttpFailure, HttpRequest, HttpResponse};
use serde_json::json;

use super::*;

/// A service that answers these one after the other, and keeps what it was asked.
struct Script {
    answers: Mutex<Vec<(u16, &'static str)>>,
    asked: Mutex<Vec<HttpRequest>>,
}

impl HttpClient for Script {
    fn send(&self, request: HttpRequest) -> BoxFuture<'static, Result<HttpResponse, HttpFailure>> {
        self.asked.lock().push(request);
        let (status, body) = self.answers.lock().pop().unwrap_or((500, ""));
        let answer = HttpResponse { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
        Box::pin(std::future::ready(Ok(answer)))
    }
}

fn script(status: u16, body: &'static str) -> Arc<Script> {
    Arc::new(Script { answers: Mutex::new(vec![(status, body)]), asked: Mutex::default() })
}

fn coingecko(http: &Arc<Script>, plan: &str) -> CoinGecko {
    let options = serde_json::from_value(json!({ "apiKey": "key", "plan": plan })).unwrap();
    CoinGecko::new(options, Arc::clone(http) as Arc<dyn HttpClient>)
}

fn coinmarketcap(http: &Arc<Script>) -> CoinMarketCap {
    let options = serde_json::from_value(json!({ "apiKey": "key", "baseUrl": "http://cmc/" })).unwrap();
    CoinMarketCap::new(options, Arc::clone(http) as Arc<dyn HttpClient>)
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn shown(told: &BTreeMap<String, Told>) -> Vec<String> {
    told.iter().map(|(id, told)| format!("{id} {} {}", told.price, told.at)).collect()
}

#[tokio::test]
async fn coingecko_is_understood_to_the_last_digit() {
    let body = r#"{"bitcoin":{"usd":67187.335893656640001,"last_updated_at":1711356300},"pepe":{"usd":1.2e-05,"last_updated_at":1711356301},
        "dead":{"usd":null,"last_updated_at":1711356300},"undated":{"usd":1},"empty":{}}"#;
    let http = script(200, body);
    let told = coingecko(&http, "demo").prices(&ids(&["bitcoin", "a&b"]), "USD").await.unwrap();
    let expected = ["bitcoin 67187.335893656640001 2024-03-25T08:45:00.000Z", "pepe 0.000012 2024-03-25T08:45:01.000Z"];
    assert_eq!(shown(&told), expected);
    let asked = http.asked.lock()[0].clone();
    let path = "/simple/price?ids=bitcoin%2Ca%26b&vs_currencies=usd&include_last_updated_at=true&precision=full";
    assert_eq!(asked.url, format!("https://api.coingecko.com/api/v3{path}"));
    assert!(asked.headers.contains(&("x-cg-demo-api-key".to_owned(), "key".to_owned())));
    let http = script(200, "{}");
    assert!(coingecko(&http, "pro").prices(&ids(&["bitcoin"]), "USD").await.unwrap().is_empty());
    let asked = http.asked.lock()[0].clone();
    assert!(asked.url.starts_with("https://pro-api.coingecko.com/api/v3/"), "{}", asked.url);
    assert!(asked.headers.contains(&("x-cg-pro-api-key".to_owned(), "key".to_owned())));
}

#[tokio::test]
async fn coinmarketcap_is_understood_to_the_last_digit() {
    let body = r#"{"status":{"timestamp":"2024-03-25T08:45:00.000Z","error_code":0,"error_message":null,"credit_count":1},
        "data":{"1":{"id":1,"symbol":"BTC","quote":{"USD":{"price":67187.123456789012345,"last_updated":"2024-03-25T08:44:00.000Z"}}},
        "2":{"id":2,"quote":{"USD":{"price":null,"last_updated":"2024-03-25T08:44:00.000Z"}}},
        "3":{"id":3,"quote":{"EUR":{"price":1,"last_updated":"2024-03-25T08:44:00.000Z"}}}}}"#;
    let http = script(200, body);
    let told = coinmarketcap(&http).prices(&ids(&["1", "2", "3"]), "USD").await.unwrap();
    assert_eq!(shown(&told), ["1 67187.123456789012345 2024-03-25T08:44:00.000Z"]);
    let asked = http.asked.lock()[0].clone();
    let path = "/v2/cryptocurrency/quotes/latest?id=1%2C2%2C3&convert=USD&skip_invalid=true";
    assert_eq!(asked.url, format!("http://cmc{path}"));
    assert!(asked.headers.contains(&("x-cmc_pro_api_key".to_owned(), "key".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_answer_is_none() {
    let limited = r#"{"status":{"error_code":"1008","error_message":"rate limit"}}"#;
    for (status, body, expected) in [
        (200, limited, AskFailure::Unreadable("status 0")),
        (200, "<html>", AskFailure::Unreadable("prices")),
        (401, limited, AskFailure::Refused(401)),
        (404, "", AskFailure::Refused(404)),
    ] {
        assert_eq!(coinmarketcap(&script(status, body)).prices(&ids(&["1"]), "USD").await, Err(expected));
    }
    // It is asked again when it is too busy, and left alone when that goes on.
    let http = script(429, "");
    let source = coingecko(&http, "demo");
    let failure = source.prices(&ids(&["bitcoin"]), "USD").await.unwrap_err();
    assert_eq!((failure, http.asked.lock().len()), (AskFailure::Unreached("status 500".to_owned()), 3));
    source.prices(&ids(&["bitcoin"]), "USD").await.unwrap_err();
    assert_eq!(source.prices(&ids(&["bitcoin"]), "USD").await, Err(AskFailure::Resting));
    assert_eq!(http.asked.lock().len(), 5);
}

#[test]
fn a_number_is_its_digits() {
    for (text, expected) in [
        ("1.10", Some("1.10")),
        ("0.1", Some("0.1")),
        ("1e3", Some("1000")),
        ("2.5E-7", Some("0.00000025")),
        ("\"12.5\"", Some("12.5")),
        ("123456789.1234567890123456789", Some("123456789.1234567890123456789")),
        ("null", None),
        ("true", None),
        ("\"NaN\"", None),
        ("\"\"", None),
        ("{}", None),
        ("1e99", None),
    ] {
        let raw: Box<RawValue> = serde_json::from_str(text).unwrap();
        assert_eq!(decimal(&raw).map(|decimal| decimal.to_string()).as_deref(), expected, "{text}");
    }
}
