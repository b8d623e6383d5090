//! Jobs: how a run is started, seen, tried again, ended and lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use parsimony_cloud::{Application, ErrorCode, JobPlan, JobRequest, Overlap, ParseError};
use parsimony_model::clock::HandClock;
use parsimony_model::{Clock as _, Value};
use parsimony_testkit::{App, Client, StoreKind};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::sync::Semaphore;

use crate::shop::Journal;

crate::on_both_stores!(
    crate::jobs::open;
    a_run_is_seen_from_its_start_to_its_end,
    only_the_master_key_may_start_a_run,
    wrong_parameters_fail_a_run,
    a_run_that_fails_is_tried_again,
    a_run_that_takes_too_long_fails,
    a_panic_fails_a_run,
    a_run_is_cancelled,
    a_run_ends_when_its_server_does,
    a_run_whose_server_is_lost_is_failed,
    a_run_whose_server_is_lost_is_tried_again,
    a_run_that_another_server_has_is_let_go,
    a_lease_is_taken_once_and_given_back,
    what_is_there_is_shown,
);

/// A server with jobs, whose clock is moved by hand.
pub(crate) struct Site {
    pub(crate) app: App,
    pub(crate) journal: Journal,
    pub(crate) clock: Arc<HandClock>,
    gate: Arc<Semaphore>,
    fences: Arc<Mutex<Vec<u64>>>,
    /// How many runs that waited at the gate are no more.
    gone: Arc<AtomicUsize>,
}

impl Site {
    pub(crate) fn master(&self) -> Client {
        self.app.as_master()
    }

    /// Starts a run; gives its id.
    pub(crate) async fn start(&self, job: &str, params: Json) -> String {
        let seen = self.master().post(&format!("/jobs/{job}"), params).await;
        assert_eq!((seen.status, &seen.body), (200, &json!({})));
        seen.headers["x-parse-job-status-id"].to_str().unwrap().to_owned()
    }

    /// A run, as it is now.
    pub(crate) async fn status(&self, id: &str) -> Json {
        self.master().get(&format!("/classes/_JobStatus/{id}")).await.body
    }

    /// The runs of a job, the earliest first.
    pub(crate) async fn runs(&self, job: &str) -> Vec<Json> {
        let path = format!("/classes/_JobStatus?order=createdAt&where={{\"jobName\":\"{job}\"}}");
        self.master().get(&path).await.results().to_vec()
    }

    /// Waits until a run has ended; gives it.
    pub(crate) async fn ended(&self, id: &str) -> Json {
        let ended = async || Some(self.status(id).await).filter(|status| status["status"] != "running");
        eventually("the run ends", ended).await
    }

    /// Waits until so many runs of a job have ended; gives all of them.
    pub(crate) async fn all_ended(&self, job: &str, count: usize) -> Vec<Json> {
        eventually("the runs end", async || {
            let runs = self.runs(job).await;
            let ended = runs.iter().filter(|run| run["status"] != "running" && run["status"].is_string());
            (ended.count() >= count).then_some(runs)
        })
        .await
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.advance_millis(seconds * 1_000);
    }

    /// Lets runs of `wait` pass the gate.
    pub(crate) fn let_pass(&self, runs: usize) {
        self.gate.add_permits(runs);
    }

    /// Another server on the same store, by the same clock.
    async fn beside(&self) -> Self {
        let parts = Parts::default();
        let app = self.app.beside([parts.application()], quick).await.unwrap();
        parts.site(app, &self.clock)
    }
}

/// Waits until something is there.
pub(crate) async fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    for _ in 0..1_000 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("in vain: {what}");
}

pub(crate) fn quick(options: &mut parsimony_testkit::Options) {
    options.limits.job_tick = Duration::from_millis(10);
    options.limits.job_stop_time_max = Duration::from_millis(100);
    options.keys.read_only_master_key = Some("may only read".to_owned());
}

async fn open(store: StoreKind) -> Site {
    let clock = Arc::new(HandClock::default());
    let parts = Parts::default();
    let app = App::start_by(Arc::clone(&clock) as _, store, [parts.application()], quick).await;
    parts.site(app, &clock)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Clean {
    older_than: u32,
}

async fn clean(request: JobRequest<Clean>) -> Result<String, ParseError> {
    request.message("half of it is done").await?;
    // It has the master's rights.
    request.host.create("Cleaned", parsimony_model::map! { "ACL" => parsimony_model::map! {} }).await?;
    Ok(format!("all of {} is clean", request.params.older_than))
}

/// What the jobs share with the test.
struct Parts {
    journal: Journal,
    gate: Arc<Semaphore>,
    fences: Arc<Mutex<Vec<u64>>>,
    gone: Arc<AtomicUsize>,
}

impl Default for Parts {
    fn default() -> Self {
        let (journal, gate) = (Journal::default(), Arc::new(Semaphore::new(0)));
        Self { journal, gate, fences: Arc::default(), gone: Arc::default() }
    }
}

/// Counts when it goes, whatever the reason.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Parts {
    fn site(self, app: App, clock: &Arc<HandClock>) -> Site {
        let Self { journal, gate, fences, gone } = self;
        Site { app, journal, clock: Arc::clone(clock), gate, fences, gone }
    }

    /// A job that waits at the gate.
    fn waiting(&self, plan: JobPlan) -> impl FnOnce(Application, &str) -> Application {
        let (journal, gate, gone) = (self.journal.clone(), Arc::clone(&self.gate), Arc::clone(&self.gone));
        move |application, name| {
            application.job(name, plan, move |request: JobRequest| {
                let (journal, gate, counted) = (journal.clone(), Arc::clone(&gate), Counted(Arc::clone(&gone)));
                async move {
                    let _counted = counted;
                    journal.note(&format!("{} {}", request.name, request.attempt));
                    request.message("it waits").await?;
                    gate.acquire().await.unwrap().forget();
                    Ok(())
                }
            })
        }
    }

    fn application(&self) -> Application {
        let (flaky, fences) = (self.journal.clone(), Arc::clone(&self.fences));
        let retries = JobPlan::manual().retries(2, Duration::from_secs(60));
        let application = Application::new("jobs").job("clean", JobPlan::manual(), clean);
        let application = self.waiting(JobPlan::manual().overlap(Overlap::Allow))(application, "wait");
        self.waiting(retries.clone())(application, "stubborn")
            .job("flaky", retries, move |request: JobRequest| {
                flaky.note(&format!("flaky {}", request.attempt));
                fences.lock().push(request.fence);
                async move {
                    let good = request.params.get("goodAt").and_then(Value::as_f64).unwrap_or(f64::MAX);
                    if f64::from(request.attempt) >= good {
                        return Ok(());
                    }
                    Err(ParseError::new(ErrorCode::ScriptFailed, "Not today."))
                }
            })
            .job("endless", JobPlan::manual().timeout(Duration::from_secs(90)), |request: JobRequest| async move {
                request.message("it has begun").await?;
                std::future::pending::<()>().await;
                Ok(())
            })
            .job("panics", JobPlan::manual(), |request: JobRequest| async move {
                assert!(request.params.contains_key("calm"), "the job panics");
                Ok(())
            })
    }
}

async fn a_run_is_seen_from_its_start_to_its_end(site: Site) {
    let id = site.start("clean", json!({"olderThan": 3})).await;
    let status = site.ended(&id).await;
    assert_eq!((&status["status"], &status["message"]), (&json!("succeeded"), &json!("all of 3 is clean")));
    assert_eq!((&status["jobName"], &status["source"]), (&json!("clean"), &json!("api")));
    assert_eq!(status["params"], json!({"olderThan": 3}));
    assert_eq!((&status["finishedAt"]["__type"], &status["ACL"]), (&json!("Date"), &json!({})));
    assert_eq!(site.master().get("/classes/Cleaned").await.results().len(), 1);

    // The name may stand in the body.
    let seen = site.master().post("/jobs", json!({"jobName": "wait"})).await;
    let id = seen.headers["x-parse-job-status-id"].to_str().unwrap().to_owned();
    eventually("it says something", async || (site.status(&id).await["message"] == "it waits").then_some(())).await;
    assert_eq!(site.status(&id).await["status"], "running");
    site.let_pass(1);
    let status = site.ended(&id).await;
    assert_eq!((&status["status"], &status["message"]), (&json!("succeeded"), &json!("it waits")));
    // Nobody but the master key sees any of it.
    assert_eq!(site.app.get("/classes/_JobStatus").await.code(), 119);
}

async fn only_the_master_key_may_start_a_run(site: Site) {
    let seen = site.app.post("/jobs/clean", json!({})).await;
    assert_eq!((seen.status, &seen.body["error"]), (403, &json!("Permission denied")));
    let seen = site.app.with_master_key("may only read").post("/jobs/clean", json!({})).await;
    assert_eq!((seen.status, seen.code()), (400, 119));
    for path in ["/jobs/nothing", "/jobs"] {
        let seen = site.master().post(path, json!({})).await;
        assert_eq!((seen.status, seen.body), (400, json!({"code": 141, "error": "Invalid job."})), "{path}");
    }
    assert_eq!(site.runs("clean").await, Vec::<Json>::new());
}

async fn wrong_parameters_fail_a_run(site: Site) {
    let id = site.start("clean", json!({"olderThan": "yesterday"})).await;
    let status = site.ended(&id).await;
    assert_eq!(status["status"], "failed");
    assert!(status["message"].as_str().unwrap().contains("olderThan"), "{status}");
}

async fn a_run_that_fails_is_tried_again(site: Site) {
    let id = site.start("flaky", json!({"goodAt": 3})).await;
    let says = async |text: &str| {
        let said = async || site.status(&id).await["message"].as_str().is_some_and(|said| said == text).then_some(());
        eventually(text, said).await;
    };
    says("Try 1 of 3 failed: Not today. The next one is in 60 s.").await;
    assert_eq!(site.status(&id).await["status"], "running");
    site.advance(60);
    says("Try 2 of 3 failed: Not today. The next one is in 120 s.").await;
    site.advance(60);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(site.journal.take(), ["flaky 1 ×1", "flaky 2 ×1"]);
    site.advance(60);
    assert_eq!(site.ended(&id).await["status"], "succeeded");
    let fences = std::mem::take(&mut *site.fences.lock());
    assert!(fences.len() == 3 && fences.is_sorted_by(|one, next| one < next), "{fences:?}");

    let id = site.start("flaky", json!({})).await;
    says_in(&site, &id, "Try 1 of 3").await;
    site.advance(60);
    says_in(&site, &id, "Try 2 of 3").await;
    site.advance(120);
    let status = site.ended(&id).await;
    assert_eq!((&status["status"], &status["message"]), (&json!("failed"), &json!("Not today.")));
}

async fn says_in(site: &Site, id: &str, text: &str) {
    let said = async || site.status(id).await["message"].as_str().is_some_and(|said| said.contains(text)).then_some(());
    eventually(text, said).await;
}

async fn a_run_that_takes_too_long_fails(site: Site) {
    let id = site.start("endless", json!({})).await;
    says_in(&site, &id, "it has begun").await;
    site.advance(89);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(site.status(&id).await["status"], "running");
    site.advance(1);
    let status = site.ended(&id).await;
    assert_eq!((&status["status"], &status["message"]), (&json!("failed"), &json!("The job timed out after 90 s.")));
}

async fn a_panic_fails_a_run(site: Site) {
    let id = site.start("panics", json!({})).await;
    let status = site.ended(&id).await;
    assert_eq!((&status["status"], &status["message"]), (&json!("failed"), &json!("Script failed.")));
}

async fn a_run_is_cancelled(site: Site) {
    let other = site.beside().await;
    let id = site.start("wait", json!({})).await;
    says_in(&site, &id, "it waits").await;
    assert_eq!(site.app.delete(&format!("/parsimony/jobs/{id}")).await.status, 403);
    // Whichever server is asked.
    assert_eq!(other.master().delete(&format!("/parsimony/jobs/{id}")).await.body, json!({}));
    let status = site.ended(&id).await;
    assert_eq!((&status["status"], &status["message"]), (&json!("failed"), &json!("The job was cancelled.")));
    let gone = async || (site.master().delete(&format!("/parsimony/jobs/{id}")).await.code() == 101).then_some(());
    eventually("nothing is left to cancel", gone).await;
}

async fn a_run_ends_when_its_server_does(mut site: Site) {
    let other = site.beside().await;
    let plain = site.start("wait", json!({})).await;
    let again = site.start("stubborn", json!({})).await;
    says_in(&site, &plain, "it waits").await;
    says_in(&site, &again, "it waits").await;
    site.app.stop().await;
    for id in [&plain, &again] {
        let status = other.status(id).await;
        let message = json!("The server was stopped while the job ran.");
        assert_eq!((&status["status"], &status["message"]), (&json!("failed"), &message));
    }
    // The other server goes on with what may be tried again, at once.
    other.let_pass(1);
    let runs = other.all_ended("stubborn", 2).await;
    assert_eq!(runs.iter().map(|run| &run["status"]).collect::<Vec<_>>(), ["failed", "succeeded"]);
    assert_eq!(other.journal.take(), ["stubborn 2 ×1"]);
    assert_eq!(other.runs("wait").await.len(), 1);
}

/// A server that took a run, and says nothing more.
async fn lost(site: &Site, job: &str, alive_until: &str) -> String {
    let run = json!({
        "jobName": job, "source": "api", "attempt": 1, "owner": "gone", "cancelled": false, "params": {},
        "due": {"__type": "Date", "iso": "2026-01-01T00:00:00.000Z"},
        "aliveUntil": {"__type": "Date", "iso": alive_until},
    });
    let id = site.master().post("/classes/_JobRun", run).await.id();
    let end = site.clock.now().to_iso();
    assert!(alive_until > end.as_str(), "it is there at first");
    id
}

async fn a_run_whose_server_is_lost_is_failed(site: Site) {
    let id = lost(&site, "wait", "2026-01-01T00:00:15.000Z").await;
    site.advance(14);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(site.status(&id).await["code"], 101);
    site.advance(2);
    let status =
        eventually("it is failed", async || Some(site.status(&id).await).filter(|status| status["status"] == "failed"))
            .await;
    assert_eq!(status["message"], "The server that ran the job was lost.");
    let gone = async || site.master().get("/classes/_JobRun").await.results().is_empty().then_some(());
    eventually("nothing of it is under way", gone).await;
    assert_eq!(site.journal.take(), Vec::<String>::new());
}

async fn a_run_whose_server_is_lost_is_tried_again(site: Site) {
    let id = lost(&site, "stubborn", "2026-01-01T00:00:15.000Z").await;
    site.let_pass(1);
    site.advance(16);
    let runs = site.all_ended("stubborn", 2).await;
    let ended = |id: &Json| runs.iter().find(|run| run["objectId"] == *id).unwrap()["status"].clone();
    assert_eq!(ended(&json!(id)), "failed");
    assert!(runs.iter().any(|run| run["status"] == "succeeded"), "{runs:?}");
    assert_eq!(site.journal.take(), ["stubborn 2 ×1"]);
}

async fn a_run_that_another_server_has_is_let_go(site: Site) {
    let id = site.start("wait", json!({})).await;
    says_in(&site, &id, "it waits").await;
    site.master().put(&format!("/classes/_JobRun/{id}"), json!({"owner": "another"})).await;
    // Its next sign of life finds that out.
    site.advance(6);
    let gone = async || (site.gone.load(Ordering::SeqCst) == 1).then_some(());
    eventually("the run is let go", gone).await;
    // What it comes to is the other server's to say.
    assert_eq!(site.status(&id).await["status"], "running");
}

async fn a_lease_is_taken_once_and_given_back(mut site: Site) {
    let runner = async |site: &Site| site.master().get("/parsimony/jobs").await.body;
    let first = eventually("there is a runner", async || {
        Some(runner(&site).await).filter(|jobs| jobs["runner"] != json!(null))
    })
    .await;
    assert_eq!((&first["runner"]["server"], &first["runner"]["token"]), (&first["server"], &json!(1)));
    let other = site.beside().await;
    site.advance(60);
    tokio::time::sleep(Duration::from_millis(100)).await;
    // Whoever was first after the jump has it; nobody has it twice.
    let seen = runner(&other).await["runner"].clone();
    assert_eq!(runner(&site).await["runner"], seen);
    site.app.stop().await;
    let own = runner(&other).await["server"].clone();
    eventually("the other one has it", async || (runner(&other).await["runner"]["server"] == own).then_some(())).await;
    assert!(runner(&other).await["runner"]["token"].as_u64().unwrap() > 1);
}

async fn what_is_there_is_shown(site: Site) {
    let id = site.start("wait", json!({})).await;
    let seen = site.master().get("/parsimony/jobs").await;
    let names: Vec<&Json> = seen.body["jobs"].as_array().unwrap().iter().map(|job| &job["name"]).collect();
    assert_eq!(names, ["clean", "endless", "flaky", "panics", "stubborn", "wait"]);
    assert_eq!((&seen.body["runs"][0]["jobId"], &seen.body["runs"][0]["jobName"]), (&json!(id), &json!("wait")));
    assert_eq!(site.app.get("/parsimony/jobs").await.status, 403);
    site.let_pass(1);
    site.ended(&id).await;
}
