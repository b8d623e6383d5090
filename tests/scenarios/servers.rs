//! What do two servers on one database count and remember together?

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::future::join_all;
use parsimony_cloud::{Application, RateLimit, Request, Rules, Zone};
use parsimony_model::clock::HandClock;
use parsimony_model::{ErrorCode, ParseError};
use parsimony_testkit::{App, Client, CountedBy, Idempotency, Options, PatternLimit, Seen, StoreKind};
use regex::Regex;
use serde_json::{Value, json};
use tokio::sync::Notify;

crate::on_both_stores!(
    crate::servers::open;
    a_limit_is_one_limit_for_both,
    who_is_refused_by_one_is_refused_by_the_other_until_the_time_is_over,
    a_repetition_is_answered_as_the_first_was,
    a_refusal_is_remembered_and_a_fault_is_not,
    an_answer_is_for_nobody_else,
    of_many_at_the_same_moment_one_is_done_and_all_are_answered,
    a_repetition_waits_for_the_first,
);

struct Site {
    one: App,
    other: App,
    clock: Arc<HandClock>,
    /// How often functions ran.
    runs: Arc<AtomicU32>,
    /// What lets `slow` end.
    go_on: Arc<Notify>,
}

const WINDOW: Duration = Duration::from_secs(10);

fn limit(name: &str, limit: RateLimit) -> PatternLimit {
    let limit = limit.message("Too many requests").include_internal_requests();
    PatternLimit { pattern: Regex::new(&format!("^/functions/{name}$")).unwrap(), limit }
}

async fn open(store: StoreKind) -> Site {
    let clock = Arc::new(HandClock::default());
    // The database forgets by its own clock what is over: here nothing is, by that one.
    clock.advance_millis(100 * 365 * 24 * 3_600_000);
    let (runs, go_on) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
    let options = |options: &mut Options| {
        options.rate_counted_by = CountedBy::Database;
        options.rate_limits = vec![
            limit("limited", RateLimit::new(8, WINDOW)),
            limit("byUser", RateLimit::new(1, WINDOW).zone(Zone::User)),
        ];
        let paths = vec![Regex::new("^(?:functions/|classes/)").unwrap()];
        options.idempotency = Some(Idempotency { paths, seconds: 300, saves_replies: true });
        options.allow_client_class_creation = true;
    };
    let one = App::start_by(Arc::clone(&clock) as _, store, [application(&runs, &go_on)], options).await;
    let other = one.beside([application(&runs, &go_on)], options).await.unwrap();
    Site { one, other, clock, runs, go_on }
}

fn application(runs: &Arc<AtomicU32>, go_on: &Arc<Notify>) -> Application {
    let counting = |runs: &Arc<AtomicU32>| {
        let runs = Arc::clone(runs);
        move || runs.fetch_add(1, Ordering::SeqCst) + 1
    };
    let (count, slowly, refused, failed) = (counting(runs), counting(runs), counting(runs), counting(runs));
    let go_on = Arc::clone(go_on);
    let counts = move |_: Request| {
        let count = count();
        async move { Ok(i64::from(count)) }
    };
    let slow = move |_: Request| {
        let (count, go_on) = (slowly(), Arc::clone(&go_on));
        async move {
            go_on.notified().await;
            Ok(i64::from(count))
        }
    };
    let always_no = move |_: Request| {
        let text = format!("refused for the {}. time", refused());
        async move { Err::<i64, _>(ParseError::new(ErrorCode::ScriptFailed, text)) }
    };
    let fails = move |_: Request| {
        failed();
        async move { Err::<i64, _>(ParseError::internal("disk on fire")) }
    };
    Application::new("servers")
        .define("limited", Rules::none(), |_: Request| async { Ok("here") })
        .define("byUser", Rules::none(), |_: Request| async { Ok("here") })
        .define("counts", Rules::none(), counts)
        .define("slow", Rules::none(), slow)
        .define("refuses", Rules::none(), always_no)
        .define("fails", Rules::none(), fails)
}

async fn call(client: &Client, function: &str) -> Seen {
    client.post(&format!("/functions/{function}"), json!({})).await
}

/// A request with an id.
async fn sent(client: &Client, id: &'static str, path: &str, body: Value) -> Seen {
    client.with_request_id(id).post(path, body).await
}

fn refused(seen: &Seen) {
    assert_eq!((seen.status, &seen.body), (429, &json!({"code": 100, "error": "Too many requests"})));
}

async fn a_limit_is_one_limit_for_both(site: Site) {
    let sides = [&site.one, &site.other];
    let seen = join_all((0..32).map(|number| call(sides[number % 2], "limited"))).await;
    assert_eq!(seen.iter().filter(|seen| seen.status == 200).count(), 8);
    seen.iter().filter(|seen| seen.status != 200).for_each(refused);
    // Of a zone, whoever is in it.
    let signed_up = site.one.post("/users", json!({"username": "ann", "password": "secret"})).await;
    let token = signed_up.body["sessionToken"].as_str().unwrap();
    assert_eq!(call(&site.one.as_user(token), "byUser").await.status, 200);
    refused(&call(&site.other.as_user(token), "byUser").await);
    assert_eq!(call(&site.other, "byUser").await.status, 200);
    refused(&call(&site.one, "byUser").await);
}

async fn who_is_refused_by_one_is_refused_by_the_other_until_the_time_is_over(site: Site) {
    for _ in 0..8 {
        assert_eq!(call(&site.one, "limited").await.status, 200);
    }
    for side in [&site.one, &site.other, &site.one, &site.other] {
        refused(&call(side, "limited").await);
    }
    site.clock.advance_millis(9_999);
    refused(&call(&site.other, "limited").await);
    site.clock.advance_millis(1);
    for number in 0..8 {
        assert_eq!(call(if number % 2 == 0 { &site.other } else { &site.one }, "limited").await.status, 200);
    }
    refused(&call(&site.other, "limited").await);
    refused(&call(&site.one, "limited").await);
}

async fn a_repetition_is_answered_as_the_first_was(site: Site) {
    let body = || json!({"name": "x"});
    let first = sent(&site.one, "a", "/classes/Thing", body()).await;
    assert_eq!(first.status, 201);
    for side in [&site.one, &site.other] {
        let again = sent(side, "a", "/classes/Thing", body()).await;
        assert_eq!((again.status, &again.body), (201, &first.body));
        assert_eq!(again.headers.get("location"), first.headers.get("location"));
    }
    assert_eq!(site.one.get("/classes/Thing").await.results().len(), 1);
    assert_eq!(sent(&site.one, "b", "/functions/counts", json!({})).await.body, json!({"result": 1}));
    assert_eq!(sent(&site.other, "b", "/functions/counts", json!({})).await.body, json!({"result": 1}));
    assert_eq!(sent(&site.other, "c", "/functions/counts", json!({})).await.body, json!({"result": 2}));
}

async fn a_refusal_is_remembered_and_a_fault_is_not(site: Site) {
    for side in [&site.one, &site.other] {
        let seen = sent(side, "a", "/functions/refuses", json!({})).await;
        assert_eq!((seen.status, seen.body), (400, json!({"code": 141, "error": "refused for the 1. time"})));
    }
    let failed = site.one.ask_raw("POST", "/functions/fails", &[("X-Parse-Request-Id", "b")], b"{}".to_vec()).await;
    assert_eq!(failed.unwrap().status, 500);
    let runs = site.runs.load(Ordering::SeqCst);
    let seen = sent(&site.other, "b", "/functions/fails", json!({})).await;
    assert_eq!(seen.body, json!({"code": 159, "error": "Duplicate request"}));
    assert_eq!(site.runs.load(Ordering::SeqCst), runs);
}

async fn an_answer_is_for_nobody_else(site: Site) {
    let duplicate = json!({"code": 159, "error": "Duplicate request"});
    let signed_up = site.one.post("/users", json!({"username": "ann", "password": "secret"})).await;
    let ann = site.one.as_user(signed_up.body["sessionToken"].as_str().unwrap());
    let first = sent(&ann, "a", "/functions/counts", json!({"n": 1})).await;
    assert_eq!(sent(&ann, "a", "/functions/counts", json!({"n": 1})).await.body, first.body);
    for (client, path, body) in [
        (&*site.one, "/functions/counts", json!({"n": 1})),
        (&site.one.as_master(), "/functions/counts", json!({"n": 1})),
        (&ann, "/functions/counts", json!({"n": 2})),
        (&ann, "/functions/counts?n=1", json!({"n": 1})),
        (&ann, "/functions/limited", json!({"n": 1})),
    ] {
        assert_eq!(sent(client, "a", path, body).await.body, duplicate, "{path}");
    }
    // Clients do not see what is kept.
    for class in ["_SavedReply", "_RateCount", "_Idempotency"] {
        assert_eq!(ann.get(&format!("/classes/{class}")).await.code(), 119, "{class}");
    }
}

async fn of_many_at_the_same_moment_one_is_done_and_all_are_answered(site: Site) {
    let sides = [&site.one, &site.other];
    let seen = join_all((0..32).map(|number| sent(sides[number % 2], "a", "/functions/counts", json!({})))).await;
    for seen in seen {
        assert_eq!((seen.status, seen.body), (200, json!({"result": 1})));
    }
    assert_eq!(site.runs.load(Ordering::SeqCst), 1);
}

async fn a_repetition_waits_for_the_first(site: Site) {
    let slow = |side| sent(side, "a", "/functions/slow", json!({}));
    let both = async { tokio::join!(slow(&site.one), slow(&site.other)) };
    let end = async {
        while site.runs.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        site.go_on.notify_one();
    };
    let ((one, other), ()) = tokio::join!(both, end);
    assert_eq!((one.body, other.body), (json!({"result": 1}), json!({"result": 1})));
}
