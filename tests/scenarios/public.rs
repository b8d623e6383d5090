//! Public documents: read by everybody without a key, told apart by their versions, counted like any request.

use std::sync::Arc;
use std::time::Duration;

use parsimony_cloud::{Application, ErrorCode, ParseError, PublicDocument, PublicRequest, RateLimit};
use parsimony_model::clock::HandClock;
use parsimony_model::{Filter, Query, Value};
use parsimony_testkit::{App, PatternLimit, Seen, StoreKind};
use regex::Regex;
use serde_json::json;

crate::on_both_stores!(
    crate::public::open;
    everybody_reads_it_and_nobody_needs_a_key,
    what_is_known_is_not_sent_again,
    what_is_not_there_is_a_parse_error,
    its_path_may_be_asked_so_often,
);

async fn open(store: StoreKind) -> App {
    let shop = Application::new("shop")
        .public("hours.json", |_: PublicRequest| async {
            Ok(PublicDocument::new("application/json", r#"{"open":9}"#).kept_for(3_600))
        })
        .public("stock/{thing}", stock)
        .public("broken", |_: PublicRequest| async { Err::<PublicDocument, _>(ParseError::internal("disk on fire")) });
    let limit = RateLimit::new(2, Duration::from_secs(10)).include_internal_requests();
    let pattern = Regex::new("(?i)^(?:/public/shop/stock/.*)/?$").unwrap();
    App::start_by(Arc::new(HandClock::default()), store, [shop], |options| {
        options.keys.rest_api_key = Some("rest".to_owned());
        options.rate_limits = vec![PatternLimit { pattern, limit }];
        options.allow_client_class_creation = true;
    })
    .await
}

/// How much there is of a thing, by its last row; its version is that of the row.
async fn stock(request: PublicRequest) -> Result<PublicDocument, ParseError> {
    let thing = request.tail.clone().unwrap_or_default();
    let filter = Filter::equals("thing", thing.as_str());
    let row = request.host.first("Stock", Query::new(filter).descending("count")).await?;
    let Some(row) = row else { return Err(ParseError::new(ErrorCode::ObjectNotFound, "No such thing.")) };
    let count = row.get("count").and_then(Value::as_f64).unwrap_or_default();
    let body = format!("{thing} {count} {} {}", request.path, request.query);
    Ok(PublicDocument::new("text/plain; charset=utf-8", body).version(&format!("v{count}")))
}

async fn ask(app: &App, method: &str, path: &str, headers: &[(&str, &str)]) -> Seen {
    app.as_nobody().ask_raw(method, path, headers, Vec::new()).await.unwrap()
}

fn header<'a>(seen: &'a Seen, name: &str) -> &'a str {
    seen.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

async fn everybody_reads_it_and_nobody_needs_a_key(app: App) {
    let seen = ask(&app, "GET", "/public/shop/hours.json", &[]).await;
    assert_eq!((seen.status, &seen.body), (200, &json!({"open": 9})));
    assert_eq!(header(&seen, "content-type"), "application/json");
    assert_eq!(header(&seen, "cache-control"), "public, max-age=3600");
    assert_eq!(header(&seen, "x-content-type-options"), "nosniff");
    assert_eq!(header(&seen, "access-control-allow-origin"), "*");
    let head = ask(&app, "HEAD", "/public/shop/hours.json", &[]).await;
    assert_eq!((head.status, &head.body), (200, &json!("")));
    assert_eq!((header(&head, "content-length"), header(&head, "etag")), ("10", header(&seen, "etag")));
}

async fn what_is_known_is_not_sent_again(app: App) {
    let put = async |count: f64| {
        let body = json!({"thing": "tea", "count": count});
        assert_eq!(app.as_master().post("/classes/Stock", body).await.status, 201);
    };
    put(3.0).await;
    let seen = ask(&app, "GET", "/public/shop/stock/tea?of=china", &[]).await;
    assert_eq!((seen.status, &seen.body), (200, &json!("tea 3 stock/tea of=china")));
    assert_eq!((header(&seen, "etag"), header(&seen, "cache-control")), ("W/\"v3\"", "no-cache"));
    put(4.0).await;
    let known = [("If-None-Match", "\"v3\"")];
    assert_eq!(ask(&app, "GET", "/public/shop/stock/tea", &known).await.status, 200);
    let tag = ask(&app, "GET", "/public/shop/hours.json", &[]).await;
    let tag = header(&tag, "etag").to_owned();
    let known = [("If-None-Match", tag.as_str())];
    let seen = ask(&app, "GET", "/public/shop/hours.json", &known).await;
    assert_eq!((seen.status, &seen.body, header(&seen, "etag")), (304, &json!(""), tag.as_str()));
}

async fn what_is_not_there_is_a_parse_error(app: App) {
    for path in [
        "/public/shop",
        "/public/shop/",
        "/public/shop/minutes.json",
        "/public/bakery/hours.json",
        "/public/shop/%7B%7D",
    ] {
        let seen = ask(&app, "GET", path, &[]).await;
        assert!(
            (400..500).contains(&seen.status) && seen.body["error"].is_string(),
            "{path} {} {}",
            seen.status,
            seen.body
        );
    }
    for path in ["/public/shop/stock%2Ftea", "/public/shop/hours.json/more", "/public/shop/..%2F..%2Fusers"] {
        assert_eq!(ask(&app, "GET", path, &[]).await.status, 404, "{path}");
    }
    let seen = ask(&app, "GET", "/public/shop/stock/gold", &[]).await;
    assert_eq!((seen.status, seen.code(), &seen.body["error"]), (404, 101, &json!("No such thing.")));
    let seen = ask(&app, "GET", "/public/shop/broken", &[]).await;
    assert_eq!((seen.status, &seen.body["error"]), (500, &json!("Internal server error.")));
    let seen = ask(&app, "POST", "/public/shop/hours.json", &[]).await;
    assert!(seen.status >= 400 && seen.status < 500, "{}", seen.status);
}

async fn its_path_may_be_asked_so_often(app: App) {
    for expected in [404, 404, 429] {
        let seen = ask(&app, "GET", "/public/shop/stock/tea", &[]).await;
        assert_eq!(seen.status, expected, "{}", seen.body);
    }
    assert_eq!(ask(&app, "GET", "/public/shop/hours.json", &[]).await.status, 200);
}
