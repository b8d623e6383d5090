//! Attacks that ask for more than they cost: depth, patterns, subqueries, lookups.

use std::time::{Duration, Instant};

use parsimony_testkit::App;
use serde_json::{Value, json};

use super::{Asker, encoded, is_well, pointer};
use crate::webhooks::Elsewhere;

crate::on_both_stores!(
    crate::security::open;
    ghsa_9xp9_j92r_p88v_depth_is_refused_and_breaks_nothing,
    ghsa_9xp9_j92r_p88v_depth_in_the_answer_of_a_webhook_is_refused,
    ghsa_cgxm_vr2f_6fj8_depth_costs_no_more_than_its_length,
    ghsa_g4cf_xj29_wqqr_an_unknown_provider_is_not_looked_up,
    options_allow_regex_and_subquery_limit_bind_clients,
);

/// So many times an opening, then what is inside, then the closings.
fn nested(levels: usize, opening: &str, inside: &str, closing: &str) -> String {
    format!("{}{inside}{}", opening.repeat(levels), closing.repeat(levels))
}

async fn ghsa_9xp9_j92r_p88v_depth_is_refused_and_breaks_nothing(app: App) {
    let bounded = app.beside([], |options| options.complexity.conditions.query_depth_max = Some(10)).await.unwrap();
    app.as_master().post("/classes/T", json!({"a": 1})).await;
    for (opening, closing) in [(r#"{"$or":["#, "]}"), (r#"{"$and":["#, "]}"), (r#"{"$nor":["#, "]}")] {
        let filter = |levels| serde_json::from_str::<Value>(&nested(levels, opening, r#"{"a":1}"#, closing)).unwrap();
        let anyone = Asker::anyone(&bounded);
        anyone.is_refused(102, "GET", "/classes/T", &json!({"where": filter(15)})).await;
        for answer in anyone.every_way("GET", "/classes/T", &json!({"where": filter(5)})).await {
            assert_eq!(answer.code, 0, "{}: {}", answer.way, answer.body);
        }
    }
    let path = format!("/classes/T/{}", app.as_master().post("/classes/T", json!({"a": 1})).await.id());
    // Without a bound of the administrator's. The longest does not fit into a body.
    for levels in [10_000, 50_000, 1_000_000] {
        for (opening, closing) in [(r#"{"$or":["#, "]}"), (r#"{"a":"#, "}"), ("[", "]"), (r#"{"$not":"#, "}")] {
            let deep = nested(levels, opening, r#"{"a":1}"#, closing);
            let part = format!(r#"{{"method":"POST","path":"/parse/classes/T","body":{{"a":{deep}}}}}"#);
            for (method, path, body) in [
                ("POST", "/classes/T", format!(r#"{{"_method":"GET","where":{deep}}}"#)),
                ("POST", "/classes/T", format!(r#"{{"v":{deep}}}"#)),
                ("PUT", &path, format!(r#"{{"v":{deep}}}"#)),
                ("POST", "/classes/T", format!(r#"{{"ACL":{deep}}}"#)),
                ("POST", "/classes/T", deep.clone()),
                ("POST", "/batch", format!(r#"{{"requests":[{part}]}}"#)),
                ("POST", "/batch", format!(r#"{{"requests":{deep}}}"#)),
                ("POST", "/aggregate/T", format!(r#"{{"_method":"GET","pipeline":{deep}}}"#)),
                ("POST", "/aggregate/T", format!(r#"{{"_method":"GET","pipeline":[{{"$match":{deep}}}]}}"#)),
                ("POST", "/schemas/Deep", format!(r#"{{"fields":{deep}}}"#)),
                ("POST", "/functions/none", format!(r#"{{"a":{deep}}}"#)),
            ] {
                // The server may close the connection on a body that is too long while it is sent.
                let Some(seen) = app.as_master().ask_raw(method, path, &[], body.into_bytes()).await else { continue };
                assert!((400..500).contains(&seen.status), "{method} {path} {levels} {opening}: {}", seen.status);
            }
        }
        is_well(&app).await;
    }
    let in_a_url = encoded(&nested(1_000, r#"{"$or":["#, "{}", "]}"));
    for parameter in ["where", "pipeline", "keys", "include"] {
        let path = format!("/classes/T?{parameter}={in_a_url}");
        let seen = app.ask_raw("GET", &path, &[], Vec::new()).await.unwrap();
        assert!(seen.status < 500, "{parameter}: {}", seen.status);
    }
    assert_eq!(app.as_master().get("/classes/T").await.results().len(), 2, "nothing was written");
}

async fn ghsa_9xp9_j92r_p88v_depth_in_the_answer_of_a_webhook_is_refused(app: App) {
    let there = Elsewhere::start(|path, _| {
        let levels = path.trim_start_matches('/').parse().ok()?;
        Some(Value::String(format!(r#"{{"success":{}}}"#, nested(levels, r#"{"a":["#, "1", "]}"))))
    })
    .await;
    let master = app.as_master();
    for levels in [2, 10_000, 1_000_000] {
        let url = format!("{}/{levels}", there.url);
        let hook = json!({"functionName": format!("deep{levels}"), "url": url});
        assert_eq!(master.post("/hooks/functions", hook).await.status, 200);
        let hook = json!({"className": format!("Deep{levels}"), "triggerName": "beforeSave", "url": url});
        assert_eq!(master.post("/hooks/triggers", hook).await.status, 200);
        let called = app.post(&format!("/functions/deep{levels}"), json!({})).await;
        let saved = master.post(&format!("/classes/Deep{levels}"), json!({"n": 1})).await;
        if levels == 2 {
            assert_eq!(called.body, json!({"result": {"a": [{"a": [1]}]}}));
            assert_eq!(saved.status, 201, "{}", saved.body);
        } else {
            assert_eq!((called.status, called.code()), (400, 141), "{}", called.body);
            assert_eq!((saved.status, saved.code()), (400, 141), "{}", saved.body);
        }
    }
    is_well(&app).await;
}

async fn ghsa_cgxm_vr2f_6fj8_depth_costs_no_more_than_its_length(app: App) {
    let anyone = Asker::anyone(&app);
    app.post("/classes/T", json!({"a": [1], "p": pointer("T", "x")})).await;
    let begun = Instant::now();
    for levels in [20, 30, 40, 60, 80] {
        let subquery = r#"{"p":{"$inQuery":{"className":"T","where":"#;
        for (opening, inside, closing) in [
            (r#"{"a":{"$elemMatch":{"$or":["#, "{}", "]}}}"),
            (r#"{"a":{"$not":{"$elemMatch":{"$or":["#, "{}", "]}}}}"),
            (r#"{"$or":[{"b":1},"#, r#"{"a":1}"#, "]}"),
            (r#"{"$and":[{"b":{"$ne":1}},"#, r#"{"a":1}"#, "]}"),
            (r#"{"a":{"b":"#, "1", "}}"),
            (subquery, "{}", "}}}"),
            (r#"{"p":{"$inQuery":{"className":"T","where":{"$or":["#, "{}", "]}}}}"),
        ] {
            let filter = nested(levels, opening, inside, closing);
            for answer in anyone.every_way("GET", "/classes/T", &json!({"where": filter})).await {
                assert!(answer.status < 500, "{levels} {opening} {}", answer.way);
            }
        }
        let lists = nested(levels, "[", "1", "]");
        for (before, after) in [("", ""), (r#"{"$in":"#, "}"), (r#"{"$all":"#, "}"), (r#"{"$elemMatch":{"$in":"#, "}}")]
        {
            let filter = format!(r#"{{"a":{before}{lists}{after}}}"#);
            for answer in anyone.every_way("GET", "/classes/T", &json!({"where": filter})).await {
                assert!(answer.status < 500, "{levels} {before} {}", answer.way);
            }
        }
    }
    // What is below other operators is as deep as it would be without them.
    let bounded = app.beside([], |options| options.complexity.conditions.query_depth_max = Some(10)).await.unwrap();
    for (opening, closing) in [
        (r#"{"a":{"$elemMatch":{"$or":["#, "]}}}"),
        (r#"{"a":{"$not":{"$and":["#, "]}}}"),
        (r#"{"p":{"$inQuery":{"className":"T","where":{"$nor":["#, "]}}}}"),
    ] {
        let filter = nested(12, opening, "{}", closing);
        Asker::anyone(&bounded).is_refused(102, "GET", "/classes/T", &json!({"where": filter})).await;
    }
    // Each level that doubled the work would make this longer than a life.
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

async fn ghsa_g4cf_xj29_wqqr_an_unknown_provider_is_not_looked_up(app: App) {
    let anyone = Asker::anyone(&app);
    let provider = |n: usize| json!({"authData": {format!("rand{n}"): {"id": "x"}}});
    anyone.is_refused(252, "POST", "/users", &provider(0)).await;
    // It is refused where nobody could be looked up.
    app.store().close().await.unwrap();
    for seen in futures::future::join_all((1..=200).map(|n| app.post("/users", provider(n)))).await {
        assert_eq!((seen.status, seen.code()), (400, 252), "{}", seen.body);
    }
}

async fn options_allow_regex_and_subquery_limit_bind_clients(app: App) {
    let bounded = app
        .beside([], |options| {
            options.complexity.conditions.refuses_regex = true;
            options.complexity.subquery_rows_max = Some(5);
        })
        .await
        .unwrap();
    for n in 0..20 {
        let target = app.post("/classes/Target", json!({"n": n})).await.id();
        app.post("/classes/T", json!({"p": pointer("Target", &target), "n": n})).await;
    }
    let (anyone, master) = (Asker::anyone(&bounded), Asker::master(&bounded));
    let regex = json!({"name": {"$regex": "^a"}});
    for filter in [
        regex.clone(),
        json!({"$or": [{"n": 1}, regex]}),
        json!({"list": {"$elemMatch": {"$regex": "a"}}}),
        json!({"name": {"$not": {"$regex": "a"}}}),
        json!({"p": {"$inQuery": {"className": "Target", "where": regex}}}),
        json!({"n": {"$select": {"query": {"className": "Target", "where": regex}, "key": "n"}}}),
    ] {
        anyone.is_refused(102, "GET", "/classes/T", &json!({"where": filter})).await;
    }
    master.finds(0, "/classes/T", &json!({"where": regex})).await;
    let subquery = json!({"className": "Target", "where": {}, "limit": 1_000});
    for filter in [json!({"p": {"$inQuery": subquery}}), json!({"n": {"$select": {"query": subquery, "key": "n"}}})] {
        anyone.finds(5, "/classes/T", &json!({"where": filter})).await;
        master.finds(20, "/classes/T", &json!({"where": filter})).await;
    }
}
