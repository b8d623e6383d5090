//! How often may something be asked, `rateLimit`: of the configuration and of cloud code, and whom a count concerns.

use std::sync::Arc;
use std::time::Duration;

use parsimony_cloud::{Application, BeforeDelete, BeforeFind, BeforeSave, RateLimit, Request, Rules, Zone};
use parsimony_model::clock::HandClock;
use parsimony_testkit::{App, Client, PatternLimit, Seen, StoreKind};
use regex::Regex;
use serde_json::json;

crate::on_both_stores!(
    crate::rate_limits::open;
    a_function_may_be_called_so_often,
    the_master_key_is_counted_where_it_is_meant_to_be,
    methods_are_counted_apart,
    triggers_limit_the_paths_of_their_class,
    zones_share_counts,
    a_part_of_a_batch_counts,
    what_cloud_code_asks_is_not_counted,
    a_bad_session_is_counted_before_it_is_refused,
);

struct Site {
    app: App,
    clock: Arc<HandClock>,
}

/// So many requests in ten seconds, also from this machine.
fn limit(count: u64) -> RateLimit {
    RateLimit::new(count, Duration::from_secs(10)).message("Too many requests").include_internal_requests()
}

fn before(pattern: &str, limit: RateLimit) -> PatternLimit {
    PatternLimit { pattern: Regex::new(&format!("(?i)^(?:{pattern})/?$")).unwrap(), limit }
}

async fn open(store: StoreKind) -> Site {
    let clock = Arc::new(HandClock::default());
    let limits = vec![
        before("/functions/limited.*", limit(2)),
        before("/functions/withMaster", limit(1).include_master_key()),
        before("/functions/internal", RateLimit::new(1, Duration::from_secs(10))),
        before("/functions/bySession", limit(1).zone(Zone::Session)),
        before("/functions/byUser", limit(1).zone(Zone::User)),
        before("/functions/byAll", limit(1).zone(Zone::Global)),
        before("/classes/Posted.*", limit(1).methods(["POST"])),
    ];
    let application = ["limited", "limitedToo", "withMaster", "internal", "bySession", "byUser", "byAll"];
    let application = application.iter().fold(Application::new("limits"), |application, name| {
        application.define(name, Rules::none(), |_: Request| async { Ok("here") })
    });
    let rules = || Rules::none().rate_limit(limit(1));
    let application = application
        .define(
            "own",
            Rules::none().rate_limit(RateLimit::new(1, Duration::from_secs(10)).include_internal_requests()),
            |_: Request| async { Ok(1) },
        )
        .define("calls", Rules::none(), |request: Request| async move {
            request.host.call("own", parsimony_model::map! {}).await?;
            request.host.call("own", parsimony_model::map! {}).await
        })
        .on("Saved", rules(), |request: BeforeSave| async move { Ok(request.object) })
        .on("Found", rules(), |request: BeforeFind| async move { Ok(request.query) })
        .on("Gone", rules(), |_: BeforeDelete| async { Ok(()) });
    let app = App::start_by(Arc::clone(&clock) as _, store, [application], move |options| {
        options.rate_limits = limits;
        options.allow_client_class_creation = true;
    });
    Site { app: app.await, clock }
}

async fn call(client: &Client, function: &str) -> Seen {
    client.post(&format!("/functions/{function}"), json!({})).await
}

fn refused(seen: &Seen) {
    assert_eq!((seen.status, &seen.body), (429, &json!({"code": 100, "error": "Too many requests"})));
}

/// Parse: in a batch the status is another one.
fn batch_refused(seen: &Seen) {
    assert_eq!((seen.status, &seen.body), (400, &json!({"code": 100, "error": "Too many requests"})));
}

async fn a_function_may_be_called_so_often(site: Site) {
    // The path is counted, however it is spelled, and whatever becomes of the request.
    assert_eq!(call(&site.app, "limited").await.status, 200);
    assert_eq!(site.app.post("/FUNCTIONS/limit%65dNothing/", json!({})).await.code(), 141);
    refused(&call(&site.app, "limited").await);
    refused(&call(&site.app, "limitedToo").await);
    assert_eq!(call(&site.app.as_master(), "limited").await.status, 200);
    site.clock.advance_millis(9_999);
    refused(&call(&site.app, "limited").await);
    site.clock.advance_millis(1);
    assert_eq!(call(&site.app, "limited").await.status, 200);
    // Of cloud code, with the text it has by itself.
    assert_eq!(call(&site.app, "own").await.status, 200);
    assert_eq!(call(&site.app, "own").await.body, json!({"code": 100, "error": "Too many requests."}));
    // This machine is not counted unless it is meant to be.
    for _ in 0..3 {
        assert_eq!(call(&site.app, "internal").await.status, 200);
    }
}

async fn the_master_key_is_counted_where_it_is_meant_to_be(site: Site) {
    assert_eq!(call(&site.app.as_master(), "withMaster").await.status, 200);
    refused(&call(&site.app.as_master(), "withMaster").await);
    refused(&call(&site.app, "withMaster").await);
}

async fn methods_are_counted_apart(site: Site) {
    let id = site.app.post("/classes/Posted", json!({})).await.id();
    assert_eq!(site.app.get("/classes/Posted").await.status, 200);
    assert_eq!(site.app.put(&format!("/classes/Posted/{id}"), json!({"n": 1})).await.status, 200);
    refused(&site.app.post("/classes/Posted", json!({})).await);
    // What a body says it is counts.
    assert_eq!(site.app.post("/classes/Posted", json!({"_method": "GET"})).await.status, 200);
}

async fn triggers_limit_the_paths_of_their_class(site: Site) {
    let id = site.app.post("/classes/Saved", json!({})).await.id();
    refused(&site.app.put(&format!("/classes/Saved/{id}"), json!({"n": 1})).await);
    assert_eq!(site.app.get("/classes/Saved").await.status, 200);
    site.app.post("/classes/Found", json!({})).await;
    assert_eq!(site.app.get("/classes/Found").await.status, 200);
    refused(&site.app.get("/classes/Found?limit=1").await);
    let ids =
        [site.app.post("/classes/Gone", json!({})).await.id(), site.app.post("/classes/Gone", json!({})).await.id()];
    assert_eq!(site.app.delete(&format!("/classes/Gone/{}", ids[0])).await.status, 200);
    refused(&site.app.delete(&format!("/classes/Gone/{}", ids[1])).await);
}

async fn zones_share_counts(site: Site) {
    let signed_up = site.app.post("/users", json!({"username": "ann", "password": "secret"})).await;
    let token = |seen: &Seen| seen.body["sessionToken"].as_str().unwrap().to_owned();
    let first = site.app.as_user(&token(&signed_up));
    let second =
        site.app.as_user(&token(&site.app.post("/login", json!({"username": "ann", "password": "secret"})).await));
    assert_eq!(call(&first, "bySession").await.status, 200);
    refused(&call(&first, "bySession").await);
    assert_eq!(call(&second, "bySession").await.status, 200);
    assert_eq!(call(&first, "byUser").await.status, 200);
    refused(&call(&second, "byUser").await);
    // Without a user the address counts.
    assert_eq!(call(&site.app, "byUser").await.status, 200);
    refused(&call(&site.app, "byUser").await);
    assert_eq!(call(&first, "byAll").await.status, 200);
    refused(&call(&site.app, "byAll").await);
}

async fn a_part_of_a_batch_counts(site: Site) {
    let part = || json!({"method": "POST", "path": "/parse/functions/limited", "body": {}});
    let seen = site.app.post("/batch", json!({"requests": [part(), part()]})).await;
    assert_eq!(seen.status, 200);
    let seen = site.app.post("/batch", json!({"requests": [part()]})).await;
    batch_refused(&seen);
    refused(&call(&site.app, "limited").await);
    // A part that reads is part of a request that writes.
    let reads = || json!({"method": "GET", "path": "/parse/classes/PostedToo"});
    assert_eq!(site.app.post("/batch", json!({"requests": [reads()]})).await.status, 200);
    batch_refused(&site.app.post("/batch", json!({"requests": [reads()]})).await);
}

async fn what_cloud_code_asks_is_not_counted(site: Site) {
    assert_eq!(call(&site.app, "calls").await.status, 200);
    assert_eq!(call(&site.app, "own").await.status, 200);
}

async fn a_bad_session_is_counted_before_it_is_refused(site: Site) {
    for token in ["r:made", "r:up"] {
        let seen = call(&site.app.as_user(token), "limited").await;
        assert_eq!((seen.status, seen.code()), (400, 209));
    }
    refused(&call(&site.app.as_user("r:again"), "limited").await);
    // Another token is no other count.
    assert_eq!(call(&site.app.as_user("r:made"), "bySession").await.code(), 209);
    refused(&call(&site.app.as_user("r:up"), "bySession").await);
}
