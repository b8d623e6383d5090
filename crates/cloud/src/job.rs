//! Jobs: what one is given, when it runs by itself, and how an async function with typed parameters becomes one.

use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use parsimony_model::value::Map;
use parsimony_model::{ObjectId, ParseError};
use serde::de::DeserializeOwned;

use crate::cron::Cron;
use crate::function::typed;
use crate::handler::Handler;
use crate::host::Pending;
use crate::origin::Origin;
use crate::registry::{Hooks, Tables};
use crate::rules::Rules;
use crate::triggers::Trigger;

/// What becomes of a run that is due while another one of the same job is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// It does not take place.
    #[default]
    Skip,
    /// It waits for the other one to end.
    Queue,
    /// Both run.
    Allow,
}

/// What becomes of runs that were due while no server was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CatchUp {
    /// They do not take place.
    None,
    /// The last of them takes place.
    #[default]
    Once,
    /// All of them take place, one after the other, up to a bound of the server.
    All,
}

/// When a job runs by itself, and what is done when that does not go well. A run that somebody starts by hand takes place at
/// once, whatever else runs.
#[derive(Debug, Clone)]
pub struct JobPlan {
    crons: Vec<Result<Cron, String>>,
    time_max: Option<Duration>,
    retries_max: u32,
    back_off: Duration,
    overlap: Overlap,
    catch_up: CatchUp,
}

/// How long to wait before the first retry, unless told otherwise.
const BACK_OFF: Duration = Duration::from_secs(10);

/// How long to wait before any retry at most.
const BACK_OFF_MAX: Duration = Duration::from_secs(3_600);

impl JobPlan {
    /// It runs when somebody, or a schedule of the dashboard, starts it.
    pub fn manual() -> Self {
        Self {
            crons: Vec::new(),
            time_max: None,
            retries_max: 0,
            back_off: BACK_OFF,
            overlap: Overlap::default(),
            catch_up: CatchUp::default(),
        }
    }

    /// It runs also when this is due: five fields, or six with seconds before them, and the name of a time zone, such as
    /// `UTC` or `Europe/Vienna`. What cannot be read is an error at the start of the server.
    #[must_use]
    pub fn cron(mut self, expression: &str, zone: &str) -> Self {
        self.crons.push(Cron::parse(expression, zone));
        self
    }

    /// How long one try may take.
    #[must_use]
    pub fn timeout(self, time_max: Duration) -> Self {
        Self { time_max: Some(time_max), ..self }
    }

    /// How often it is tried again after a failure, and how long to wait before the first time; each wait is twice as long
    /// as the one before.
    #[must_use]
    pub fn retries(self, retries_max: u32, back_off: Duration) -> Self {
        Self { retries_max, back_off, ..self }
    }

    /// What becomes of a run that is due while another one is under way.
    #[must_use]
    pub fn overlap(self, overlap: Overlap) -> Self {
        Self { overlap, ..self }
    }

    /// What becomes of runs that were due while no server was there.
    #[must_use]
    pub fn catch_up(self, catch_up: CatchUp) -> Self {
        Self { catch_up, ..self }
    }

    /// Its cron expressions.
    pub fn crons(&self) -> impl Iterator<Item = &Cron> {
        self.crons.iter().filter_map(|cron| cron.as_ref().ok())
    }

    /// Why it cannot be, if it cannot.
    pub fn fault(&self) -> Option<&str> {
        self.crons.iter().find_map(|cron| cron.as_ref().err()).map(String::as_str)
    }

    /// How long one try may take.
    pub fn time_max(&self) -> Option<Duration> {
        self.time_max
    }

    /// How often it is tried again.
    pub fn retries_max(&self) -> u32 {
        self.retries_max
    }

    /// How long to wait after so many failures.
    pub fn pause_after(&self, failures: u32) -> Duration {
        let doubled = 2_u32.checked_pow(failures.saturating_sub(1)).and_then(|times| self.back_off.checked_mul(times));
        doubled.unwrap_or(BACK_OFF_MAX).min(BACK_OFF_MAX)
    }

    /// What becomes of a run that is due while another one is under way.
    pub fn overlap_policy(&self) -> Overlap {
        self.overlap
    }

    /// What becomes of runs that were due while no server was there.
    pub fn catch_up_policy(&self) -> CatchUp {
        self.catch_up
    }
}

/// What the engine offers to a run.
pub trait RunApi: Send + Sync {
    /// Says how far it has come: the `message` of its `_JobStatus`.
    fn message(&self, text: String) -> Pending<'_, ()>;
    /// Whether the server is about to end, so that the run should, too.
    fn is_ending(&self) -> bool;
}

/// One try of a run of a job, before its parameters are typed. Its host has the master's rights.
#[derive(Clone)]
pub struct Job {
    /// The name of the job.
    pub name: Arc<str>,
    /// The id of the run's `_JobStatus`.
    pub id: ObjectId,
    /// Its parameters as they came.
    pub params: Map,
    /// Which try it is, from 1.
    pub attempt: u32,
    /// Grows with each try of this job, on whichever server: what is written elsewhere can carry it, and be refused there if
    /// a greater one was seen.
    pub fence: u64,
    /// What the engine offers to it.
    pub api: Arc<dyn RunApi>,
    /// Where the run comes from.
    pub origin: Origin,
}

impl Job {
    /// Says how far it has come: the `message` of its `_JobStatus`.
    pub async fn message(&self, text: impl Into<String>) -> Result<(), ParseError> {
        self.api.message(text.into()).await
    }

    /// Whether the server is about to end. A run that does not end soon after is ended.
    pub fn is_ending(&self) -> bool {
        self.api.is_ending()
    }
}

impl Deref for Job {
    type Target = Origin;

    fn deref(&self) -> &Origin {
        &self.origin
    }
}

/// What a run says at its end: the last `message` of its `_JobStatus`, if it is any text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report(pub Option<String>);

impl From<()> for Report {
    fn from((): ()) -> Self {
        Self(None)
    }
}

impl From<String> for Report {
    fn from(text: String) -> Self {
        Self(Some(text))
    }
}

impl From<&str> for Report {
    fn from(text: &str) -> Self {
        Self(Some(text.to_owned()))
    }
}

impl From<Option<String>> for Report {
    fn from(text: Option<String>) -> Self {
        Self(text)
    }
}

impl Trigger for Job {
    type Answer = Report;

    const NAME: &'static str = "job";

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn check(&mut self, rules: &Rules) -> Result<(), ParseError> {
        rules.check(&self.origin.who, &mut self.params)
    }

    fn hooks(tables: &Tables) -> &Hooks<Self> {
        &tables.jobs
    }

    fn hooks_mut(tables: &mut Tables) -> &mut Hooks<Self> {
        &mut tables.jobs
    }
}

/// One try of a run with typed parameters.
#[derive(Clone)]
pub struct JobRequest<P = Map> {
    /// The parameters.
    pub params: P,
    /// The rest of it.
    pub job: Job,
}

impl<P> Deref for JobRequest<P> {
    type Target = Job;

    fn deref(&self) -> &Job {
        &self.job
    }
}

/// An async function from a typed request to what it reports.
pub(crate) struct TypedJob<F, P, R>(pub(crate) F, pub(crate) PhantomData<fn(P) -> R>);

impl<F, P, R, A> Handler<Job> for TypedJob<F, P, R>
where
    F: Fn(JobRequest<P>) -> A + Send + Sync,
    A: Future<Output = Result<R, ParseError>> + Send + 'static,
    P: DeserializeOwned + Send + 'static,
    R: Into<Report>,
{
    fn call(&self, mut job: Job) -> BoxFuture<'static, Result<Report, ParseError>> {
        let params = match typed::<P>(std::mem::take(&mut job.params)) {
            Ok(params) => params,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        let answer = (self.0)(JobRequest { params, job });
        Box::pin(async move { Ok(answer.await?.into()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let plan = JobPlan::manual().retries(9, Duration::from_secs(2));
        let pauses = [1, 2, 3, 11, 12, 99].map(|failures| plan.pause_after(failures).as_secs());
        assert_eq!(pauses, [2, 4, 8, 2_048, 3_600, 3_600]);
    }

    #[test]
    fn a_plan_that_cannot_be_says_why() {
        assert_eq!(JobPlan::manual().cron("0 3 * * *", "UTC").fault(), None);
        let plan = JobPlan::manual().cron("0 3 * * *", "UTC").cron("0 3 * * *", "Nowhere");
        assert!(plan.fault().unwrap().contains("Nowhere"));
    }
}
