//! What the server measures: who is told, and what of what happened is counted.
#![expect(clippy::float_cmp, reason = "counts are whole numbers")]

use std::time::Duration;

use parsimony_cloud::metrics::{Measure, Outcome};
use parsimony_cloud::{
    Application, BeforeSave, Draft, ErrorCode, Inbound, JobPlan, JobRequest, ParseError, Request, Rules, Verifier,
};
use parsimony_testkit::{App, StoreKind};
use serde_json::{Value, json};

use crate::jobs::eventually;

crate::on_both_stores!(
    crate::metrics::open;
    the_master_key_and_the_token_are_told_and_nobody_else,
    requests_and_the_database_are_counted,
    cloud_code_is_counted_by_how_it_ended,
    jobs_are_counted,
    webhooks_that_come_in_are_counted,
    an_application_counts_its_own,
);

const TOKEN: &str = "for the scraper";

static GREETED: Measure = Measure::counter("greeted_total", "Who was greeted.", &["how"]);

async fn greet(request: Request) -> Result<&'static str, ParseError> {
    match request.params.get("how").and_then(parsimony_model::Value::as_str) {
        Some("rudely") => Err(ParseError::new(ErrorCode::ScriptFailed, "No.")),
        Some("never") => std::future::pending().await,
        Some("wrongly") => panic!("it panics"),
        _ => {
            let metrics = request.host.metrics();
            metrics.count(&GREETED, &["kindly"]);
            metrics.service("registry").called(Outcome::Failed, Duration::from_millis(3));
            Ok("Hello")
        }
    }
}

async fn checked(request: BeforeSave) -> Result<Draft, ParseError> {
    match request.object.text("name") {
        None => Err(ParseError::new(ErrorCode::ValidationError, "It has no name.")),
        Some(_) => Ok(request.object),
    }
}

async fn handled(event: Inbound) -> Result<(), ParseError> {
    if event.body.contains("bad") { Err(ParseError::new(ErrorCode::ScriptFailed, "Not that.")) } else { Ok(()) }
}

async fn worked(request: JobRequest) -> Result<(), ParseError> {
    if request.params.contains_key("fail") {
        return Err(ParseError::new(ErrorCode::ScriptFailed, "Not today."));
    }
    Ok(())
}

async fn open(store: StoreKind) -> App {
    let application = Application::new("counted")
        .define("greet", Rules::none().timeout(Duration::from_millis(50)), greet)
        .before_save("Thing", checked)
        .job("work", JobPlan::manual(), worked)
        .webhook("vendor", Verifier::secret_in_url("secret"), handled);
    App::start_with(store, [application], |options| {
        options.keys.metrics_token = Some(TOKEN.to_owned());
        options.keys.read_only_master_key = Some("may only read".to_owned());
        options.allow_client_class_creation = true;
        options.limits.job_tick = Duration::from_millis(10);
    })
    .await
}

async fn told(app: &App) -> String {
    let seen = app.as_master().ask_raw("GET", "/parsimony/metrics", &[], Vec::new()).await.unwrap();
    assert_eq!(seen.status, 200, "{}", seen.body);
    let Value::String(text) = seen.body else { panic!("{}", seen.body) };
    text
}

/// The value of a line; 0 if it is not there.
fn value(text: &str, line: &str) -> f64 {
    let line = format!("{line} ");
    text.lines().find_map(|told| told.strip_prefix(&line)?.parse().ok()).unwrap_or_default()
}

/// How often cloud code ended so.
fn ended(text: &str, trigger: &str, name: &str, outcome: &str) -> f64 {
    let labels = format!(r#"application="counted",name="{name}",outcome="{outcome}",trigger="{trigger}""#);
    value(text, &format!("parsimony_handler_duration_seconds_count{{{labels}}}"))
}

async fn the_master_key_and_the_token_are_told_and_nobody_else(app: App) {
    let ask = async |client: &parsimony_testkit::Client, headers: &[(&str, &str)]| {
        client.ask_raw("GET", "/parsimony/metrics", headers, Vec::new()).await.unwrap()
    };
    let nobody = app.as_nobody();
    let bearer = format!("Bearer {TOKEN}");
    for seen in [
        ask(&app.as_master(), &[]).await,
        ask(&app.with_master_key("may only read"), &[]).await,
        ask(&nobody, &[("Authorization", &bearer)]).await,
        ask(&nobody, &[("Authorization", &bearer.replace("Bearer", "bearer"))]).await,
    ] {
        assert_eq!(seen.status, 200, "{}", seen.body);
        assert_eq!(seen.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        let text = seen.body.as_str().unwrap();
        assert!(text.contains("# TYPE parsimony_requests_under_way gauge"), "{text}");
    }
    for (client, headers) in [
        (&*app, &[][..]),
        (&nobody, &[]),
        (&nobody, &[("Authorization", "Bearer for the scrape")]),
        (&nobody, &[("Authorization", "Bearer ")]),
        (&nobody, &[("Authorization", TOKEN)]),
    ] {
        let seen = ask(client, headers).await;
        assert_eq!(seen.status, 403, "{headers:?} {}", seen.body);
    }
    // The token opens nothing else.
    let headers = [("Authorization", bearer.as_str())];
    let seen = nobody.ask_raw("GET", "/schemas", &headers, Vec::new()).await.unwrap();
    assert_eq!(seen.status, 403);
    assert_eq!(app.as_master().post("/parsimony/metrics", json!({})).await.status, 404);
    // Where there is no token, an empty one does not open it.
    let without = app.beside([], |_| {}).await.unwrap();
    let seen = ask(&without.as_nobody(), &[("Authorization", "Bearer ")]).await;
    assert_eq!(seen.status, 403);
}

async fn requests_and_the_database_are_counted(app: App) {
    let id = app.post("/classes/Thing", json!({"name": "a"})).await.id();
    app.get(&format!("/classes/Thing/{id}")).await;
    app.get("/classes/Thing/none").await;
    app.get("/no/such/route").await;
    let text = told(&app).await;
    let requests = |area: &str, method: &str, status: u16| {
        let labels = format!(r#"area="{area}",method="{method}",status="{status}""#);
        value(&text, &format!("parsimony_request_duration_seconds_count{{{labels}}}"))
    };
    assert_eq!([requests("classes", "POST", 201), requests("classes", "GET", 200)], [1.0, 1.0], "{text}");
    assert_eq!([requests("classes", "GET", 404), requests("other", "GET", 404)], [1.0, 1.0], "{text}");
    // The request that asks is one of those under way.
    assert_eq!(value(&text, "parsimony_requests_under_way"), 1.0);
    let asked = |operation: &str| {
        let labels = format!(r#"operation="{operation}",outcome="done""#);
        value(&text, &format!("parsimony_store_operation_duration_seconds_count{{{labels}}}"))
    };
    assert!(asked("insert") >= 1.0 && asked("find") >= 2.0, "{text}");
    assert!(value(&text, "process_resident_memory_bytes") > 1e6 || cfg!(not(target_os = "linux")));
}

async fn cloud_code_is_counted_by_how_it_ended(app: App) {
    for how in ["kindly", "kindly", "rudely", "never", "wrongly"] {
        app.post("/functions/greet", json!({"how": how})).await;
    }
    app.post("/functions/nothing", json!({})).await;
    app.post("/classes/Thing", json!({"name": "a"})).await;
    app.post("/classes/Thing", json!({})).await;
    let text = told(&app).await;
    let functions = ["done", "refused", "timeout", "failed"].map(|outcome| ended(&text, "function", "greet", outcome));
    assert_eq!(functions, [2.0, 1.0, 1.0, 1.0], "{text}");
    let saves = ["done", "refused"].map(|outcome| ended(&text, "beforeSave", "Thing", outcome));
    assert_eq!(saves, [1.0, 1.0], "{text}");
    // What a client makes up has no line.
    assert!(!text.contains("nothing"), "{text}");
}

async fn jobs_are_counted(app: App) {
    app.as_master().post("/jobs/work", json!({})).await;
    app.as_master().post("/jobs/work", json!({"fail": true})).await;
    let both = eventually("both runs have ended", async || {
        let text = told(&app).await;
        let runs = |outcome: &str| {
            let labels = format!(r#"job="work",outcome="{outcome}""#);
            value(&text, &format!("parsimony_job_run_duration_seconds_count{{{labels}}}"))
        };
        (runs("succeeded") + runs("failed") == 2.0).then_some((runs("succeeded"), text.clone()))
    })
    .await;
    assert_eq!(both.0, 1.0);
    let text = eventually("the lease is held", async || {
        let text = told(&app).await;
        (value(&text, "parsimony_job_lease_held") == 1.0).then_some(text)
    })
    .await;
    assert_eq!((ended(&text, "job", "work", "done"), ended(&text, "job", "work", "refused")), (1.0, 1.0));
}

async fn webhooks_that_come_in_are_counted(app: App) {
    let path = "/webhooks/counted/vendor?secret=secret";
    for (path, body, status) in [
        (path, "good", 200),
        (path, "good", 200),
        (path, "bad", 200),
        ("/webhooks/counted/vendor?secret=wrong", "good", 401),
        ("/webhooks/counted/nobody?secret=secret", "good", 404),
    ] {
        let seen = app.as_nobody().ask_raw("POST", path, &[], body.into()).await.unwrap();
        assert_eq!(seen.status, status, "{path} {body}");
    }
    let of = |text: &str, measure: &str, outcome: &str| {
        value(text, &format!(r#"{measure}{{application="counted",outcome="{outcome}",source="vendor"}}"#))
    };
    let text = eventually("both events were tried", async || {
        let text = told(&app).await;
        let tried = ["handled", "retried"].map(|outcome| of(&text, "parsimony_webhook_events_total", outcome));
        (tried == [1.0, 1.0]).then_some(text)
    })
    .await;
    let came = ["accepted", "duplicate", "unsigned"];
    let came = came.map(|outcome| of(&text, "parsimony_webhook_deliveries_total", outcome));
    assert_eq!(came, [2.0, 1.0, 1.0], "{text}");
    assert!(!text.contains("nobody"), "{text}");
}

async fn an_application_counts_its_own(app: App) {
    app.post("/functions/greet", json!({})).await;
    let text = told(&app).await;
    assert_eq!(value(&text, r#"greeted_total{how="kindly"}"#), 1.0);
    let labels = r#"outcome="failed",service="registry""#;
    assert_eq!(value(&text, &format!("parsimony_service_call_duration_seconds_count{{{labels}}}")), 1.0);
    let samples = app.engine().metrics().samples();
    assert!(samples.iter().any(|sample| sample.name == "greeted_total" && sample.value == 1.0), "{samples:?}");
}
