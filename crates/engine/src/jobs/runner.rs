//! What happens in every tick: this server says that its runs go on; if it holds the lease, it fails the runs of servers that
//! are gone, finds what is due, and takes what waits.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use parsimony_cloud::metrics::JOB_LEASE_HELD;
use parsimony_cloud::{CatchUp, JobPlan, Overlap, Registry};
use parsimony_model::builtin::Builtin;
use parsimony_model::{Constraint, Date, Filter, ObjectId, ParseError, map};

use super::due::{Due, due};
use super::lease::{Lease, Leases};
use super::pause;
use super::run::{self, Ending, LOST};
use super::runs::{Run, Runs};
use super::schedule::Schedule;
use super::status::{End, Statuses};
use crate::engine::Engine;
use crate::rows::{Rows, id_of};

/// What this server remembers from tick to tick.
#[derive(Default)]
struct Memory {
    lease: Option<Lease>,
    /// Until when the runs of this server count as going on.
    alive_until: Option<Date>,
    /// Up to when the runs of each expression are done; known for as long as this server holds the lease.
    done: HashMap<String, Date>,
    /// What was told once.
    told: HashSet<String>,
}

/// What shall run.
struct Found {
    job: String,
    params: parsimony_model::Map,
    /// The name of the schedule.
    schedule: String,
    due: Due,
    /// Whether it will not be due again.
    is_due_once: bool,
}

/// Looks what is due until the engine is gone or ends.
pub(super) async fn run(engine: Weak<Engine>) {
    let mut memory = Memory::default();
    loop {
        let Some(engine) = engine.upgrade() else { return };
        if engine.tasks.is_stopping() {
            return;
        }
        if let Err(error) = turn(&engine, &mut memory).await {
            tracing::warn!(cause = error.detail.as_deref(), "jobs: {}", error.message);
        }
        let (tick, tasks, jobs) = (engine.options.limits.job_tick, engine.tasks.clone(), Arc::clone(&engine.jobs));
        // Whoever lets go of the engine need not wait for the tick.
        drop(engine);
        tokio::select! {
            () = tokio::time::sleep(tick) => {}
            () = jobs.ended.notified() => {}
            () = tasks.stopped() => return,
        }
    }
}

async fn turn(engine: &Arc<Engine>, memory: &mut Memory) -> Result<(), ParseError> {
    go_on(engine, memory).await?;
    let registry = engine.registry.now();
    if registry.jobs().is_empty() {
        return Ok(());
    }
    if !hold_lease(engine, memory).await? {
        return Ok(());
    }
    fail_orphans(engine, &registry).await?;
    let leases = Leases::of(engine).await?;
    let paused = pause::paused(engine).await?;
    for mut found in find_crons(engine, &registry, (&leases, memory)).await? {
        if paused.contains(&found.job) {
            found.due.runs.clear();
        }
        let plan = plan_of(&registry, &found.job);
        queue(engine, &found, &plan).await?;
        // Only now may anybody take what waits: whoever finds it due again after this server is gone finds it there.
        leases.done(&found.schedule, found.due.up_to).await?;
        memory.done.insert(found.schedule, found.due.up_to);
    }
    for (id, mut found) in find_schedules(engine, &registry, memory).await? {
        if paused.contains(&found.job) {
            if found.is_due_once {
                continue;
            }
            found.due.runs.clear();
        }
        let plan = plan_of(&registry, &found.job);
        queue(engine, &found, &plan).await?;
        note_last_run(engine, &id, found.due.up_to).await?;
    }
    start_waiting(engine, &registry, paused).await
}

fn plan_of(registry: &Registry, job: &str) -> Arc<JobPlan> {
    registry.job(job).map_or_else(|| Arc::new(JobPlan::manual()), |(_, plan)| plan)
}

/// Says that the runs of this server go on, and ends those that must not.
async fn go_on(engine: &Arc<Engine>, memory: &mut Memory) -> Result<(), ParseError> {
    let ids = engine.jobs.ids();
    let now = engine.clock.now();
    let lease_millis = i64::try_from(engine.options.limits.job_lease.as_millis()).unwrap_or(i64::MAX);
    if ids.is_empty() {
        memory.alive_until = None;
        return Ok(());
    }
    let said = async {
        let runs = Runs::of(engine).await?;
        for run in runs.cancelled(&engine.jobs.me).await? {
            engine.jobs.end(&run.id, Ending::Cancelled);
        }
        // A third of the lease has to pass before it is said again.
        if memory.alive_until.is_some_and(|until| until.millis() - now.millis() > lease_millis / 3 * 2) {
            return Ok(false);
        }
        for id in &ids {
            let is_here = || engine.jobs.ids().contains(id);
            if !runs.beat(id, &engine.jobs.me).await? && is_here() {
                engine.jobs.end(id, Ending::Lost);
            }
        }
        Ok(true)
    };
    match said.await {
        Ok(true) => memory.alive_until = Some(now.plus_millis(lease_millis)),
        Ok(false) => {}
        Err(error) => {
            // Nobody hears of this server: when others may take its runs, it must have let go of them.
            if memory.alive_until.is_some_and(|until| until < engine.clock.now()) {
                for id in &ids {
                    engine.jobs.end(id, Ending::Lost);
                }
            }
            return Err(error);
        }
    }
    Ok(())
}

/// Whether this server holds the lease, which is renewed when a third of it has passed.
async fn hold_lease(engine: &Engine, memory: &mut Memory) -> Result<bool, ParseError> {
    let limits = &engine.options.limits;
    let lease_millis = i64::try_from(limits.job_lease.as_millis()).unwrap_or(i64::MAX);
    let now = engine.clock.now();
    if memory.lease.is_some_and(|lease| lease.until.millis() - now.millis() > lease_millis / 3 * 2) {
        return Ok(true);
    }
    let before = memory.lease.take();
    memory.lease = Leases::of(engine).await?.hold(&engine.jobs.me).await?;
    match (before, memory.lease) {
        (None, Some(lease)) => tracing::info!(token = lease.token, "this server starts the jobs"),
        (Some(_), None) => tracing::info!("another server starts the jobs"),
        _ => {}
    }
    if before.map(|lease| lease.token) != memory.lease.map(|lease| lease.token) {
        memory.done.clear();
    }
    engine.metrics.set(&JOB_LEASE_HELD, &[], if memory.lease.is_some() { 1.0 } else { 0.0 });
    Ok(memory.lease.is_some())
}

/// Fails the runs of servers that are gone; those that may be tried again wait.
async fn fail_orphans(engine: &Engine, registry: &Registry) -> Result<(), ParseError> {
    let Some(_) = Rows::if_any(engine, Builtin::JobRun).await? else { return Ok(()) };
    let runs = Runs::of(engine).await?;
    for run in runs.orphaned().await? {
        if engine.jobs.ids().contains(&run.id) {
            continue;
        }
        tracing::warn!(job = run.job, id = %run.id, owner = run.owner, "the server of a run is gone");
        let statuses = Statuses::of(engine).await?;
        // It may be gone before it noted that the run had begun.
        statuses.begin(&run.id, &run.job, &run.source, &run.params).await?;
        statuses.end(&run.id, &End::Failed(LOST.to_owned())).await?;
        if !run.cancelled && run.attempt <= plan_of(registry, &run.job).retries_max() {
            runs.add(&run.again()?).await?;
        }
        runs.remove(&run.id, &run.owner).await?;
    }
    Ok(())
}

/// What is due by the plans of the jobs.
async fn find_crons(
    engine: &Engine,
    registry: &Registry,
    (leases, memory): (&Leases<'_>, &mut Memory),
) -> Result<Vec<Found>, ParseError> {
    let (now, runs_max) = (engine.clock.now(), engine.options.limits.job_catch_up_max);
    let mut all = Vec::new();
    for name in registry.jobs() {
        let plan = plan_of(registry, name);
        for cron in plan.crons() {
            let schedule = format!("cron {name} {} {}", cron.expression(), cron.zone());
            let done = match memory.done.get(&schedule) {
                Some(done) => *done,
                None => leases.done_up_to(&schedule).await?,
            };
            memory.done.insert(schedule.clone(), done);
            let due = due(|after| cron.next_after(after), done, now, (plan.catch_up_policy(), runs_max));
            all.extend(due.map(|due| Found {
                job: name.to_owned(),
                params: map! {},
                schedule,
                due,
                is_due_once: false,
            }));
        }
    }
    Ok(all)
}

/// What is due by the schedules of the dashboard.
async fn find_schedules(
    engine: &Engine,
    registry: &Registry,
    memory: &mut Memory,
) -> Result<Vec<(ObjectId, Found)>, ParseError> {
    let Some(rows) = Rows::if_any(engine, Builtin::JobSchedule).await? else { return Ok(Vec::new()) };
    let limits = &engine.options.limits;
    let (now, runs_max) = (engine.clock.now(), limits.job_catch_up_max);
    let mut all = Vec::new();
    for row in rows.find(Filter::everything(), limits.job_schedules_max).await? {
        let read = Schedule::read(&row).and_then(|schedule| match registry.job(&schedule.job) {
            Some((_, plan)) => Ok((schedule, plan)),
            None => Err(format!("there is no job {}", schedule.job)),
        });
        let (schedule, plan) = match read {
            Ok(read) => read,
            Err(why) => {
                if memory.told.insert(format!("{} {why}", row.id)) {
                    tracing::warn!(schedule = %row.id, "a schedule is left out: {why}");
                }
                continue;
            }
        };
        let catch_up = plan.catch_up_policy();
        // What shall run once runs, however late it is.
        let is_due_once = schedule.is_due_once();
        let catch_up = if is_due_once && catch_up == CatchUp::None { CatchUp::Once } else { catch_up };
        let due = due(|after| schedule.next_after(after), schedule.done, now, (catch_up, runs_max));
        let name = format!("schedule {}", row.id);
        let (job, params) = (schedule.job, schedule.params);
        all.extend(due.map(|due| (row.id, Found { job, params, schedule: name, due, is_due_once })));
    }
    Ok(all)
}

/// Puts what is due among what waits.
async fn queue(engine: &Engine, found: &Found, plan: &JobPlan) -> Result<(), ParseError> {
    let runs = Runs::of(engine).await?;
    for due in &found.due.runs {
        let others = runs.of_job(&found.job).await?;
        let id = id_of(&[&found.schedule, &due.to_iso()])?;
        let others_max = match plan.overlap_policy() {
            // A run that is caught up with waits for the one before it; it does not overlap with it.
            Overlap::Skip if found.due.runs.len() > 1 => engine.options.limits.job_catch_up_max,
            Overlap::Skip => 1,
            Overlap::Queue | Overlap::Allow => engine.options.limits.job_catch_up_max,
        };
        if others.len() >= others_max && !others.iter().any(|other| other.id == id) {
            tracing::warn!(job = found.job, due = %due, "a run does not take place: another one is under way");
            continue;
        }
        let run = Run {
            id,
            job: found.job.clone(),
            source: "schedule".to_owned(),
            params: found.params.clone(),
            attempt: 1,
            due: *due,
            owner: String::new(),
            cancelled: false,
        };
        runs.add(&run).await?;
    }
    Ok(())
}

/// Notes in a schedule of the dashboard up to when its runs are done, in milliseconds since 1970.
async fn note_last_run(engine: &Engine, id: &ObjectId, due: Date) -> Result<(), ParseError> {
    let millis = due.millis() as f64;
    let earlier = Filter::Or(vec![
        Filter::Field("lastRun".into(), Constraint::Less(millis.into())),
        Filter::equals("lastRun", parsimony_model::Value::Null),
    ]);
    let rows = Rows::of(engine, Builtin::JobSchedule).await?;
    rows.set(Filter::id(id).and(earlier), map! { "lastRun" => millis }).await.map(drop)
}

/// Takes what waits, as far as the plans and the bounds let it.
async fn start_waiting(engine: &Arc<Engine>, registry: &Registry, paused: HashSet<String>) -> Result<(), ParseError> {
    let Some(_) = Rows::if_any(engine, Builtin::JobRun).await? else { return Ok(()) };
    let runs = Runs::of(engine).await?;
    // A later run does not overtake an earlier one of the same job that has to wait.
    let mut busy = paused;
    for run in runs.waiting().await? {
        if busy.contains(&run.job) {
            continue;
        }
        if engine.tasks.is_stopping() || engine.jobs.ids().len() >= engine.options.limits.job_runs_max {
            return Ok(());
        }
        let Some((hook, plan)) = registry.job(&run.job).filter(|_| !run.cancelled) else {
            tracing::warn!(job = run.job, id = %run.id, "a run that waits goes: it was cancelled, or its job is gone");
            runs.remove(&run.id, "").await?;
            continue;
        };
        let under_way = |other: &Run| !other.owner.is_empty();
        let free = plan.overlap_policy() == Overlap::Allow || !runs.of_job(&run.job).await?.iter().any(under_way);
        if !free {
            busy.insert(run.job);
            continue;
        }
        if runs.take(&run, &engine.jobs.me).await? {
            let run = Run { owner: engine.jobs.me.clone(), ..run };
            run::begin(engine, run, hook.clone(), plan).await?;
        }
    }
    Ok(())
}
