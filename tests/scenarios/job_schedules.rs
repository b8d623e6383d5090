//! Jobs that run by themselves: schedules of the dashboard, cron expressions, overlap and what was missed.

use std::sync::Arc;
use std::time::Duration;

use parsimony_cloud::{Application, CatchUp, JobPlan, JobRequest, Overlap, ParseError};
use parsimony_model::Value;
use parsimony_model::clock::HandClock;
use parsimony_testkit::{App, Client, StoreKind};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::jobs::{eventually, quick};
use crate::shop::Journal;

crate::on_both_stores!(
    crate::job_schedules::open;
    schedules_are_made_changed_and_taken_away,
    a_schedule_of_the_dashboard_runs,
    a_schedule_that_cannot_be_read_is_left_out,
    a_cron_expression_runs_once_on_two_servers,
    a_run_is_skipped_while_another_is_under_way,
    a_run_waits_for_another,
    runs_overlap_where_they_may,
    what_was_missed_follows_the_policy,
    a_paused_job_runs_by_hand_alone_until_it_goes_on,
    a_schedule_that_is_due_once_waits_for_a_paused_job,
);

struct Site {
    app: App,
    journal: Journal,
    clock: Arc<HandClock>,
    gate: Arc<Semaphore>,
}

impl Site {
    fn master(&self) -> Client {
        self.app.as_master()
    }

    fn advance(&self, seconds: i64) {
        self.clock.advance_millis(seconds * 1_000);
    }

    async fn beside(&self) -> App {
        self.app.beside([application(&self.journal, &self.gate)], quick).await.unwrap()
    }

    /// What became of the runs of a job so far.
    async fn statuses(&self, job: &str) -> Vec<String> {
        let path = format!("/classes/_JobStatus?order=createdAt&where={{\"jobName\":\"{job}\"}}");
        let seen = self.master().get(&path).await;
        seen.results().iter().map(|run| run["status"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Waits until this became of the runs of a job, and for a while whether that stays so.
    async fn settles(&self, job: &str, expected: &[&str]) {
        eventually(job, async || (self.statuses(job).await == expected).then_some(())).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(self.statuses(job).await, expected, "{job}");
    }

    /// Waits until the server has seen that nothing is due yet.
    async fn watches(&self) {
        let watched = async || {
            let leases = self.master().get("/classes/_JobLease").await;
            let crons = leases.results().iter().filter(|row| row["due"].is_object()).count();
            (crons == CRONS).then_some(())
        };
        eventually("every expression is watched", watched).await;
    }
}

/// How many expressions the jobs below have.
const CRONS: usize = 7;

async fn open(store: StoreKind) -> Site {
    let journal = Journal::default();
    let gate = Arc::new(Semaphore::new(0));
    let clock = Arc::new(HandClock::default());
    let app = App::start_by(Arc::clone(&clock) as _, store, [application(&journal, &gate)], quick).await;
    let site = Site { app, journal, clock, gate };
    site.watches().await;
    site
}

fn application(journal: &Journal, gate: &Arc<Semaphore>) -> Application {
    let noting = |journal: &Journal| {
        let journal = journal.clone();
        move |request: JobRequest| {
            let what = request.params.get("what").and_then(Value::as_str).unwrap_or("nothing");
            journal.note(&format!("{} {what}", request.name));
            async { Ok::<_, ParseError>("done") }
        }
    };
    let waiting = |gate: &Arc<Semaphore>| {
        let gate = Arc::clone(gate);
        move |_: JobRequest| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                Ok::<_, ParseError>(())
            }
        }
    };
    let hourly = || JobPlan::manual().cron("0 * * * *", "Europe/Vienna");
    Application::new("jobs")
        .job("note", JobPlan::manual(), noting(journal))
        .job("hourly", hourly(), noting(journal))
        .job("skipping", hourly().overlap(Overlap::Skip), waiting(gate))
        .job("queueing", hourly().overlap(Overlap::Queue).catch_up(CatchUp::All), waiting(gate))
        .job("overlapping", hourly().overlap(Overlap::Allow), waiting(gate))
        .job("missedNone", hourly().catch_up(CatchUp::None), noting(journal))
        .job("missedOnce", hourly().catch_up(CatchUp::Once), noting(journal))
        .job("missedAll", hourly().catch_up(CatchUp::All), noting(journal))
}

async fn schedules_are_made_changed_and_taken_away(site: Site) {
    assert_eq!(site.master().get("/cloud_code/jobs").await.body, json!([]));
    let start = "2099-01-01T00:00:00.000Z";
    let schedule = json!({"job_schedule": {
        "jobName": "note", "description": "every day", "params": "{\"what\":\"daily\"}", "startAfter": start,
        "daysOfWeek": [1, 1, 1, 1, 1, 1, 1], "timeOfDay": "12:00:00.000Z", "repeatMinutes": 1440,
    }});
    let seen = site.master().post("/cloud_code/jobs", schedule).await;
    assert_eq!(seen.status, 201);
    let id = seen.id();
    assert!(seen.headers["location"].to_str().unwrap().ends_with(&format!("/classes/_JobSchedule/{id}")));
    let listed = site.master().get("/cloud_code/jobs").await.body;
    assert_eq!((&listed[0]["objectId"], &listed[0]["startAfter"]), (&json!(id), &json!(start)));
    let data = site.master().get("/cloud_code/jobs/data").await.body;
    assert_eq!(data["in_use"], json!(["note"]));
    assert!(data["jobs"].as_array().unwrap().contains(&json!("hourly")));
    let path = format!("/cloud_code/jobs/{id}");
    let seen = site.master().put(&path, json!({"job_schedule": {"description": "still every day"}})).await;
    assert_eq!((seen.status, seen.body["response"]["updatedAt"].is_string()), (200, true));
    // What was not sent is as it was.
    assert_eq!(site.master().get("/cloud_code/jobs").await.body[0]["startAfter"], start);

    let unknown = json!({"job_schedule": {"jobName": "nothing"}});
    for seen in [site.master().post("/cloud_code/jobs", unknown.clone()).await, site.master().put(&path, unknown).await]
    {
        assert_eq!(seen.body, json!({"code": 1, "error": "Cannot Schedule a job that is not deployed"}));
    }
    assert_eq!(site.master().post("/cloud_code/jobs", json!({})).await.code(), 107);
    assert_eq!(site.master().put("/cloud_code/jobs/none", json!({"job_schedule": {}})).await.code(), 101);
    assert_eq!(site.master().delete(&path).await.body, json!({}));
    assert_eq!(site.master().delete(&path).await.code(), 101);
    for seen in [
        site.app.get("/cloud_code/jobs").await,
        site.app.get("/cloud_code/jobs/data").await,
        site.app.post("/cloud_code/jobs", json!({"job_schedule": {"jobName": "note"}})).await,
        site.app.put(&path, json!({})).await,
        site.app.delete(&path).await,
    ] {
        assert_eq!(seen.status, 403);
    }
}

async fn a_schedule_of_the_dashboard_runs(site: Site) {
    // As the dashboard sends it: at once, and then every day at noon. The clock says midnight.
    let schedule = json!({"job_schedule": {
        "jobName": "note", "description": "d", "params": "{\"what\":\"daily\"}", "daysOfWeek": [1, 1, 1, 1, 1, 1, 1],
        "timeOfDay": "12:00:00.000Z", "repeatMinutes": 1440,
    }});
    let id = site.master().post("/cloud_code/jobs", schedule).await.id();
    site.settles("note", &["succeeded"]).await;
    site.advance(12 * 3_600 - 60);
    site.settles("note", &["succeeded"]).await;
    site.advance(60);
    site.settles("note", &["succeeded", "succeeded"]).await;
    assert_eq!(site.journal.take().iter().find(|line| line.starts_with("note")).unwrap(), "note daily ×2");
    let run = site.master().get("/classes/_JobStatus?where={\"jobName\":\"note\"}").await.results()[0].clone();
    assert_eq!((&run["source"], &run["params"]), (&json!("schedule"), &json!({"what": "daily"})));
    let row = site.master().get(&format!("/classes/_JobSchedule/{id}")).await.body;
    assert_eq!(row["lastRun"], json!(1_767_268_800_000_i64));
    // After a restart nothing runs twice; once it is gone, nothing runs at all.
    let _other = site.beside().await;
    site.settles("note", &["succeeded", "succeeded"]).await;
    site.master().delete(&format!("/cloud_code/jobs/{id}")).await;
    site.advance(24 * 3_600);
    site.settles("note", &["succeeded", "succeeded"]).await;
}

async fn a_schedule_that_cannot_be_read_is_left_out(site: Site) {
    for row in [
        json!({"jobName": "note", "params": "{", "startAfter": "2026-01-01T00:00:00.000Z"}),
        json!({"jobName": "note", "startAfter": "tomorrow"}),
        json!({"jobName": "nothing", "startAfter": "2026-01-01T00:00:00.000Z"}),
    ] {
        assert_eq!(site.master().post("/classes/_JobSchedule", row).await.status, 201);
    }
    let good = json!({"jobName": "note", "startAfter": "2026-01-01T00:00:00.000Z"});
    site.master().post("/classes/_JobSchedule", good).await;
    site.settles("note", &["succeeded"]).await;
}

async fn a_cron_expression_runs_once_on_two_servers(site: Site) {
    let other = site.beside().await;
    for hour in 1..=3_usize {
        site.advance(3_600);
        site.settles("hourly", &vec!["succeeded"; hour]).await;
    }
    // The first server goes; the other one has the next hour.
    let mut site = site;
    site.app.stop().await;
    site.advance(3_600);
    let runs = async || {
        let seen = other.as_master().get("/classes/_JobStatus?where={\"jobName\":\"hourly\"}").await;
        (seen.results().iter().filter(|run| run["status"] == "succeeded").count() == 4).then_some(())
    };
    eventually("the other server goes on", runs).await;
    assert!(site.journal.take().contains(&"hourly nothing ×4".to_owned()));
}

async fn a_run_is_skipped_while_another_is_under_way(site: Site) {
    site.advance(3_600);
    site.settles("skipping", &["running"]).await;
    site.advance(3_600);
    site.settles("skipping", &["running"]).await;
    // Three jobs wait at the gate, and the second hour of two of them.
    site.gate.add_permits(100);
    site.settles("skipping", &["succeeded"]).await;
    site.advance(3_600);
    site.settles("skipping", &["succeeded", "succeeded"]).await;
}

async fn a_run_waits_for_another(site: Site) {
    site.advance(3_600);
    site.settles("queueing", &["running"]).await;
    site.advance(2 * 3_600);
    site.settles("queueing", &["running"]).await;
    site.gate.add_permits(100);
    site.settles("queueing", &["succeeded", "succeeded", "succeeded"]).await;
}

async fn runs_overlap_where_they_may(site: Site) {
    site.advance(3_600);
    site.settles("overlapping", &["running"]).await;
    site.advance(3_600);
    site.settles("overlapping", &["running", "running"]).await;
}

async fn what_was_missed_follows_the_policy(mut site: Site) {
    site.app.stop().await;
    site.advance(5 * 3_600 + 1_800);
    let app = site.beside().await;
    let count = async |job: &str| {
        let seen = app.as_master().get(&format!("/classes/_JobStatus?where={{\"jobName\":\"{job}\"}}")).await;
        seen.results().len()
    };
    eventually("all are caught up with", async || (count("missedAll").await == 5).then_some(())).await;
    eventually("one is caught up with", async || (count("missedOnce").await == 1).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((count("missedNone").await, count("missedOnce").await, count("missedAll").await), (0, 1, 5));
    // What comes after that comes in its time.
    site.advance(1_800);
    eventually("the next hour", async || (count("missedNone").await == 1).then_some(())).await;
}

async fn a_paused_job_runs_by_hand_alone_until_it_goes_on(site: Site) {
    let other = site.beside().await;
    let path = "/parsimony/jobs/hourly";
    let paused = async |app: &Client| {
        let jobs = app.get("/parsimony/jobs").await.body["jobs"].clone();
        jobs.as_array().unwrap().iter().find(|job| job["name"] == "hourly").unwrap()["paused"].clone()
    };
    assert_eq!(paused(&site.master()).await, json!(false));
    let seen = other.as_master().put(path, json!({"paused": true})).await;
    assert_eq!((seen.status, &seen.body["name"], &seen.body["paused"]), (200, &json!("hourly"), &json!(true)));
    // It is no error that it is so already, and every server knows.
    assert_eq!(site.master().put(path, json!({"paused": true})).await.status, 200);
    assert_eq!(paused(&site.master()).await, json!(true));
    site.advance(2 * 3_600);
    // Those that are not paused run.
    eventually("others run", async || (site.statuses("missedOnce").await.len() == 1).then_some(())).await;
    site.settles("hourly", &[]).await;
    let seen = site.master().post("/jobs/hourly", json!({})).await;
    assert_eq!(seen.status, 200);
    site.settles("hourly", &["succeeded"]).await;

    assert_eq!(other.as_master().put(path, json!({"paused": false})).await.body["paused"], json!(false));
    // What was due is past; the next hour is not.
    site.settles("hourly", &["succeeded"]).await;
    site.advance(3_600);
    site.settles("hourly", &["succeeded", "succeeded"]).await;

    let reader = site.app.with_master_key("may only read");
    for (seen, status, code) in [
        (site.app.put(path, json!({"paused": true})).await, 403, 0),
        (reader.put(path, json!({"paused": true})).await, 400, 119),
        (site.master().put("/parsimony/jobs/nothing", json!({"paused": true})).await, 400, 141),
        (site.master().put(path, json!({"paused": "yes"})).await, 400, 107),
        (site.master().put(path, json!({})).await, 400, 107),
    ] {
        assert_eq!((seen.status, seen.code()), (status, code), "{}", seen.body);
    }
    assert_eq!(paused(&site.master()).await, json!(false));
}

async fn a_schedule_that_is_due_once_waits_for_a_paused_job(site: Site) {
    site.master().put("/parsimony/jobs/note", json!({"paused": true})).await;
    let once = json!({"job_schedule": {"jobName": "note", "startAfter": "2026-01-01T00:30:00.000Z"}});
    site.master().post("/cloud_code/jobs", once).await;
    site.advance(3_600);
    site.settles("hourly", &["succeeded"]).await;
    site.settles("note", &[]).await;
    site.master().put("/parsimony/jobs/note", json!({"paused": false})).await;
    site.settles("note", &["succeeded"]).await;
    site.advance(3_600);
    site.settles("note", &["succeeded"]).await;
}
