//! What happens in one run of a job: its tries, their time limits, and how it ends.

use std::sync::Arc;
use std::time::Instant;

use parsimony_cloud::metrics::{JOB_RETRIES, JOB_RUN_DURATION};
use parsimony_cloud::{Hook, Job, JobPlan, Pending, Report, RunApi};
use parsimony_model::{ErrorCode, ObjectId, ParseError};
use tokio::sync::watch;

use super::lease::Leases;
use super::runs::{Run, Runs};
use super::status::{End, Statuses};
use crate::engine::Engine;
use crate::tasks::until;
use crate::triggers;

/// Why a run has to end before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Somebody wants it.
    Cancelled,
    /// The server ends.
    Stopped,
    /// It is not this server's any more, or nobody can say whether it is.
    Lost,
}

impl Ending {
    const fn message(self) -> &'static str {
        match self {
            Self::Cancelled => "The job was cancelled.",
            Self::Stopped => "The server was stopped while the job ran.",
            Self::Lost => LOST,
        }
    }
}

/// What the status of a run says whose server is gone.
pub(super) const LOST: &str = "The server that ran the job was lost.";

/// What the run has to end for; a channel that is closed says nothing.
type Endings = watch::Receiver<Option<Ending>>;

/// How a try went.
enum Outcome {
    Done(Report),
    Failed(ParseError),
    Ended(Ending),
}

/// How often it is tried to note how a run ended.
const NOTES_MAX: u32 = 6;

/// How long to wait before it is tried again, each time twice as long.
const NOTE_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Begins a run that this server has taken. It is under way from now on.
pub(super) async fn begin(
    engine: &Arc<Engine>,
    run: Run,
    hook: Hook<Job>,
    plan: Arc<JobPlan>,
) -> Result<(), ParseError> {
    let (tell, endings) = watch::channel(None);
    engine.jobs.under_way.lock().insert(run.id.clone(), tell);
    let begun = Statuses::of(engine).await;
    let begun = match begun {
        Ok(statuses) => statuses.begin(&run.id, &run.job, &run.source, &run.params).await,
        Err(error) => Err(error),
    };
    if let Err(error) = begun {
        engine.jobs.forget(&run.id);
        return Err(error);
    }
    let its_engine = Arc::clone(engine);
    engine.tasks.spawn(async move {
        let id = run.id.clone();
        Box::pin(to_its_end(&its_engine, run, (hook, plan), endings)).await;
        its_engine.jobs.forget(&id);
    });
    Ok(())
}

async fn to_its_end(engine: &Arc<Engine>, mut run: Run, (hook, plan): (Hook<Job>, Arc<JobPlan>), mut endings: Endings) {
    let began = Instant::now();
    let end = loop {
        match attempt(engine, &run, (&hook, &plan), &mut endings).await {
            Outcome::Done(report) => break Ok(End::Succeeded(report.0)),
            Outcome::Ended(why) => break Err(why),
            Outcome::Failed(error) => {
                tracing::warn!(job = run.job, id = %run.id, attempt = run.attempt, %error, "a run of a job failed");
                if run.attempt > plan.retries_max() || !may_be_tried_again(&error) {
                    break Ok(End::Failed(error.message.into_owned()));
                }
                if let Err(why) = pause(engine, &mut run, (&plan, &error), &mut endings).await {
                    break Err(why);
                }
            }
        }
    };
    engine.metrics.time(&JOB_RUN_DURATION, &[&run.job, outcome(&end)], began.elapsed());
    let (end, goes_on) = match end {
        Ok(end) => (end, false),
        Err(Ending::Lost) => {
            tracing::warn!(job = run.job, id = %run.id, "a run of a job was ended: another server may have it");
            return;
        }
        Err(why) => {
            (End::Failed(why.message().to_owned()), why == Ending::Stopped && run.attempt <= plan.retries_max())
        }
    };
    tracing::info!(job = run.job, id = %run.id, ?end, "a run of a job ended");
    for tries in 0..NOTES_MAX {
        match note(engine, &run, &end, goes_on).await {
            Ok(()) => return,
            Err(error) => tracing::error!(job = run.job, id = %run.id, %error, "how a run ended could not be noted"),
        }
        tokio::time::sleep(NOTE_PAUSE * 2_u32.pow(tries)).await;
    }
}

/// How an end is measured.
fn outcome(end: &Result<End, Ending>) -> &'static str {
    match end {
        Ok(End::Succeeded(_)) => "succeeded",
        Ok(End::Failed(_)) => "failed",
        Err(Ending::Cancelled) => "cancelled",
        Err(Ending::Stopped) => "stopped",
        Err(Ending::Lost) => "lost",
    }
}

/// What cannot go better the next time is not tried again.
fn may_be_tried_again(error: &ParseError) -> bool {
    error.code != ErrorCode::ValidationError
}

/// Waits before the next try.
async fn pause(
    engine: &Arc<Engine>,
    run: &mut Run,
    (plan, error): (&JobPlan, &ParseError),
    endings: &mut Endings,
) -> Result<(), Ending> {
    let (limits, clock) = (&engine.options.limits, &*engine.clock);
    let pause = plan.pause_after(run.attempt);
    let millis = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
    let next = clock.now().plus_millis(millis);
    let text = format!(
        "Try {} of {} failed: {} The next one is in {} s.",
        run.attempt,
        plan.retries_max().saturating_add(1),
        error.message,
        pause.as_secs_f64()
    );
    say(engine, &run.id, &text).await.unwrap_or_else(|error| tracing::warn!(%error, "a message of a run is lost"));
    tokio::select! {
        why = ended(endings) => return Err(why),
        () = until(clock, next, limits.job_tick) => {}
    }
    run.attempt = run.attempt.saturating_add(1);
    engine.metrics.count(&JOB_RETRIES, &[&run.job]);
    let kept = async { Runs::of(engine).await?.tried(&run.id, &engine.jobs.me, run.attempt).await };
    if matches!(kept.await, Ok(true)) { Ok(()) } else { Err(Ending::Lost) }
}

/// One try.
async fn attempt(
    engine: &Arc<Engine>,
    run: &Run,
    (hook, plan): (&Hook<Job>, &JobPlan),
    endings: &mut Endings,
) -> Outcome {
    let limits = &engine.options.limits;
    let time_max = plan.time_max().unwrap_or(limits.job_time_max);
    let millis = i64::try_from(time_max.as_millis()).unwrap_or(i64::MAX);
    let deadline = engine.clock.now().plus_millis(millis);
    let called = async {
        let fence = Leases::of(engine).await?.fence(&run.job).await?;
        let job = Job {
            name: run.job.as_str().into(),
            id: run.id.clone(),
            params: run.params.clone(),
            attempt: run.attempt,
            fence,
            api: Arc::new(Api { engine: Arc::clone(engine), id: run.id.clone() }),
            origin: triggers::origin(&engine.as_master())?,
        };
        triggers::call(engine, (hook, &run.job), job).await
    };
    let tick = limits.job_tick;
    tokio::select! {
        biased;
        why = ended(endings) => Outcome::Ended(why),
        done = called => done.map_or_else(Outcome::Failed, Outcome::Done),
        () = until(&*engine.clock, deadline, tick) => {
            let text = format!("The job timed out after {} s.", time_max.as_secs_f64());
            Outcome::Failed(ParseError::new(ErrorCode::Timeout, text))
        }
    }
}

/// Waits until the run has to end; for ever, if nobody will say so.
async fn ended(endings: &mut Endings) -> Ending {
    let why = endings.wait_for(Option::is_some).await.ok().and_then(|why| *why);
    match why {
        Some(why) => why,
        None => std::future::pending().await,
    }
}

/// Notes how a run ended. It may be done twice.
async fn note(engine: &Engine, run: &Run, end: &End, goes_on: bool) -> Result<(), ParseError> {
    Statuses::of(engine).await?.end(&run.id, end).await?;
    let runs = Runs::of(engine).await?;
    if goes_on {
        runs.add(&run.again()?).await?;
    }
    runs.remove(&run.id, &engine.jobs.me).await
}

async fn say(engine: &Engine, id: &ObjectId, text: &str) -> Result<(), ParseError> {
    Statuses::of(engine).await?.say(id, text).await
}

/// What a run may ask.
struct Api {
    engine: Arc<Engine>,
    id: ObjectId,
}

impl RunApi for Api {
    fn message(&self, text: String) -> Pending<'_, ()> {
        Box::pin(async move { say(&self.engine, &self.id, &text).await })
    }

    fn is_ending(&self) -> bool {
        self.engine.tasks.is_stopping()
    }
}
