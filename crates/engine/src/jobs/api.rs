//! What a door may ask about jobs: starting one by hand, ending one, and the schedules of the dashboard. All of it is for the
//! master key.

use parsimony_cloud::{CatchUp, JobPlan, Overlap};
use parsimony_model::builtin::Builtin;
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Object, ObjectId, ParseError, Query, Value, map};

use super::lease::Leases;
use super::pause;
use super::run::{self, Ending};
use super::runs::{Run, Runs};
use super::status::{End, Statuses};
use crate::save::file_urls;
use crate::work::{Saved, Work};
use crate::{find, save};

/// Starts a run; gives the id of its `_JobStatus`. It goes on after this.
pub(crate) async fn start(work: &Work, name: Option<&str>, params: Map) -> Result<ObjectId, ParseError> {
    work.require_master()?;
    work.caller.may_write("run a job")?;
    let job = name.and_then(|name| Some((name, work.registry.job(name)?)));
    let Some((name, (hook, plan))) = job else {
        return Err(no_such_job());
    };
    let engine = &work.engine;
    if let Some(domains) = &engine.options.file_url_domains {
        params.values().try_for_each(|param| file_urls::in_value(domains, param))?;
    }
    if engine.tasks.is_stopping() || engine.jobs.ids().len() >= engine.options.limits.job_runs_max {
        return Err(ParseError::new(ErrorCode::ScriptFailed, "Too many jobs are under way on this server."));
    }
    let run = Run {
        id: engine.clock.object_id(engine.options.object_id_size),
        job: name.to_owned(),
        source: "api".to_owned(),
        params,
        attempt: 1,
        due: engine.clock.now(),
        owner: engine.jobs.me.clone(),
        cancelled: false,
    };
    let runs = Runs::of(engine).await?;
    if !runs.add(&run).await? {
        return Err(ParseError::internal("an id that was drawn is taken"));
    }
    let id = run.id.clone();
    run::begin(engine, run, hook.clone(), plan).await?;
    Ok(id)
}

/// Ends a run that waits or is under way, on whichever server.
pub(crate) async fn cancel(work: &Work, id: &ObjectId) -> Result<(), ParseError> {
    work.require_master()?;
    work.caller.may_write("cancel a job")?;
    let engine = &work.engine;
    let runs = Runs::of(engine).await?;
    let run = runs.cancel(id).await?.ok_or_else(ParseError::not_found)?;
    if run.owner.is_empty() {
        // It has not begun, so nobody else notes its end.
        let statuses = Statuses::of(engine).await?;
        statuses.begin(id, &run.job, &run.source, &run.params).await?;
        statuses.end(id, &End::Failed("The job was cancelled.".to_owned())).await?;
        return runs.remove(id, "").await;
    }
    engine.jobs.end(id, Ending::Cancelled);
    Ok(())
}

/// Pauses a job, or lets it run by itself again, on every server; gives the job.
pub(crate) async fn pause(work: &Work, name: &str, is_paused: bool) -> Result<Map, ParseError> {
    work.require_master()?;
    work.caller.may_write(if is_paused { "pause a job" } else { "resume a job" })?;
    let (_, plan) = work.registry.job(name).ok_or_else(no_such_job)?;
    pause::set(&work.engine, name, is_paused).await?;
    Ok(shown(work, name, &plan, is_paused))
}

fn no_such_job() -> ParseError {
    ParseError::new(ErrorCode::ScriptFailed, "Invalid job.")
}

/// Every schedule of the dashboard, as Parse finds them: the first hundred.
pub(crate) async fn schedules(work: &Work) -> Result<Vec<Object>, ParseError> {
    work.require_master()?;
    Ok(find::find(work, &Builtin::JobSchedule.name(), Query::default()).await?.results)
}

/// Which jobs there are, and which of them have a schedule.
pub(crate) async fn data(work: &Work) -> Result<Map, ParseError> {
    let in_use = schedules(work).await?;
    let in_use: Vec<Value> = in_use.iter().map(|row| row.get("jobName").cloned().unwrap_or_default()).collect();
    Ok(map! { "in_use" => in_use, "jobs" => work.registry.jobs() })
}

/// Reads `job_schedule` of a body. Parse: a job it names has to be there.
fn schedule_in(work: &Work, body: &Map) -> Result<Map, ParseError> {
    let schedule = match body.get("job_schedule") {
        Some(Value::Object(schedule)) => schedule.clone(),
        _ => return Err(ParseError::new(ErrorCode::InvalidJson, "job_schedule must be an object.")),
    };
    let named = schedule.get("jobName").filter(|name| name.is_truthy());
    let known = |name: &Value| name.as_str().is_some_and(|name| work.registry.job(name).is_some());
    if named.is_some_and(|name| !known(name)) {
        // Parse's code is that of its own faults; its status is not, so that no SDK asks again.
        let refused = ParseError::new(ErrorCode::ScriptFailed, "Cannot Schedule a job that is not deployed");
        return Err(ParseError { own_number: ErrorCode::InternalServerError.number(), ..refused });
    }
    Ok(schedule)
}

/// Adds a schedule.
pub(crate) async fn create_schedule(work: &Work, body: &Map) -> Result<Saved, ParseError> {
    work.require_master()?;
    let mut schedule = schedule_in(work, body)?;
    schedule.entry("startAfter".into()).or_insert_with(|| work.engine.clock.now().to_iso().into());
    save::create(work, &Builtin::JobSchedule.name(), schedule).await
}

/// Changes a schedule; what is not sent stays.
pub(crate) async fn update_schedule(work: &Work, id: &ObjectId, body: &Map) -> Result<Map, ParseError> {
    work.require_master()?;
    let schedule = schedule_in(work, body)?;
    let (saved, _) = save::save(work, &Builtin::JobSchedule.name(), Some(id), schedule).await?;
    Ok(map! { "response" => saved.answer })
}

/// Takes a schedule away.
pub(crate) async fn delete_schedule(work: &Work, id: &ObjectId) -> Result<(), ParseError> {
    work.require_master()?;
    work.delete(&Builtin::JobSchedule.name(), id).await
}

fn overlap_name(overlap: Overlap) -> &'static str {
    match overlap {
        Overlap::Skip => "skip",
        Overlap::Queue => "queue",
        Overlap::Allow => "allow",
    }
}

fn catch_up_name(catch_up: CatchUp) -> &'static str {
    match catch_up {
        CatchUp::None => "none",
        CatchUp::Once => "once",
        CatchUp::All => "all",
    }
}

/// A job, and when it is due next by its plan.
fn shown(work: &Work, name: &str, plan: &JobPlan, is_paused: bool) -> Map {
    let now = work.engine.clock.now();
    let crons = plan.crons().map(|cron| {
        let next = cron.next_after(now).map(|next| Value::from(next.to_iso()));
        map! { "expression" => cron.expression(), "timeZone" => cron.zone(), "next" => next }
    });
    let crons: Vec<Map> = crons.collect();
    map! {
        "name" => name,
        "paused" => is_paused,
        "crons" => crons,
        "retries" => f64::from(plan.retries_max()),
        "overlap" => overlap_name(plan.overlap_policy()),
        "catchUp" => catch_up_name(plan.catch_up_policy()),
    }
}

/// Every job with its plan, the runs that wait or are under way, and which server starts them.
pub(crate) async fn overview(work: &Work) -> Result<Map, ParseError> {
    work.require_master()?;
    let registry = &work.registry;
    let paused = pause::paused(&work.engine).await?;
    let job = |name| Some(shown(work, name, &registry.job(name)?.1, paused.contains(name)));
    let jobs: Vec<Map> = registry.jobs().into_iter().filter_map(job).collect();
    let runs = Runs::of(&work.engine).await?.all().await?;
    let runs = runs.into_iter().map(|run| {
        let server = Some(run.owner).filter(|owner| !owner.is_empty());
        map! {
            "jobId" => run.id.as_str(), "jobName" => run.job, "source" => run.source, "due" => run.due.to_iso(),
            "attempt" => f64::from(run.attempt), "server" => server,
        }
    });
    let runs: Vec<Map> = runs.collect();
    let runner = Leases::of(&work.engine).await?.owner().await?;
    let runner = runner.map(|(server, token)| map! { "server" => server, "token" => token as f64 });
    Ok(map! { "server" => work.engine.jobs.me.as_str(), "runner" => runner, "jobs" => jobs, "runs" => runs })
}
