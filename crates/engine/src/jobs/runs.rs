//! `_JobRun`: the runs that wait or are under way, on which server. A row goes when its run has ended.
//!
//! A run that is due waits in a row without an owner, from where the server that holds the lease takes it. Its id follows from
//! what is due, so a run that two servers find due is there once.

use parsimony_model::builtin::Builtin;
use parsimony_model::value::Map;
use parsimony_model::{Constraint, Date, Filter, Object, ObjectId, ParseError, Value, map};

use crate::engine::Engine;
use crate::rows::{Rows, before, id_of};

/// A run, as its row says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    /// Its id, and that of its `_JobStatus`.
    pub(super) id: ObjectId,
    pub(super) job: String,
    /// Who started it: `api`, or `schedule`.
    pub(super) source: String,
    pub(super) params: Map,
    /// Which try it is, from 1.
    pub(super) attempt: u32,
    /// When it was due; of one that was started by hand, when that was.
    pub(super) due: Date,
    /// The server on which it is under way; none if it waits.
    pub(super) owner: String,
    /// Whether it is to be ended.
    pub(super) cancelled: bool,
}

/// How many rows are looked at in one turn.
const ROWS_MAX: u64 = 1_000;

/// The rows.
pub(super) struct Runs<'a> {
    rows: Rows<'a>,
    engine: &'a Engine,
}

impl Run {
    fn read(row: &Object) -> Self {
        let text = |field: &str| row.text(field).unwrap_or_default().to_owned();
        let attempt = row.get("attempt").and_then(Value::as_f64).unwrap_or_default();
        Self {
            id: row.id.clone(),
            job: text("jobName"),
            source: text("source"),
            params: row.get("params").and_then(Value::as_object).cloned().unwrap_or_default(),
            attempt: u32::try_from(attempt as i64).unwrap_or(u32::MAX).max(1),
            due: row.get("due").and_then(Value::as_date).unwrap_or(Date::EPOCH),
            owner: text("owner"),
            cancelled: row.get("cancelled").and_then(Value::as_bool).unwrap_or(false),
        }
    }

    /// The same, tried again under another id.
    pub(super) fn again(&self) -> Result<Self, ParseError> {
        let attempt = self.attempt.saturating_add(1);
        let id = id_of(&[self.id.as_str(), &attempt.to_string()])?;
        Ok(Self { id, attempt, owner: String::new(), ..self.clone() })
    }
}

impl<'a> Runs<'a> {
    pub(super) async fn of(engine: &'a Engine) -> Result<Self, ParseError> {
        Ok(Self { rows: Rows::of(engine, Builtin::JobRun).await?, engine })
    }

    fn alive_until(&self) -> Date {
        let millis = i64::try_from(self.engine.options.limits.job_lease.as_millis()).unwrap_or(i64::MAX);
        self.engine.clock.now().plus_millis(millis)
    }

    async fn found(&self, filter: Filter) -> Result<Vec<Run>, ParseError> {
        let mut runs: Vec<Run> = self.rows.find(filter, ROWS_MAX).await?.iter().map(Run::read).collect();
        runs.sort_by(|one, other| (one.due, &one.id).cmp(&(other.due, &other.id)));
        Ok(runs)
    }

    /// Adds a run. `false` if it is there.
    pub(super) async fn add(&self, run: &Run) -> Result<bool, ParseError> {
        let fields = map! {
            "jobName" => run.job.as_str(),
            "source" => run.source.as_str(),
            "params" => run.params.clone(),
            "attempt" => f64::from(run.attempt),
            "due" => run.due,
            "owner" => run.owner.as_str(),
            "aliveUntil" => self.alive_until(),
            "cancelled" => false,
        };
        self.rows.insert(&run.id, fields).await
    }

    /// All that are there, the earliest first.
    pub(super) async fn all(&self) -> Result<Vec<Run>, ParseError> {
        self.found(Filter::everything()).await
    }

    /// Those of a job, waiting or under way.
    pub(super) async fn of_job(&self, job: &str) -> Result<Vec<Run>, ParseError> {
        self.found(Filter::equals("jobName", job)).await
    }

    /// Those that wait, the earliest first.
    pub(super) async fn waiting(&self) -> Result<Vec<Run>, ParseError> {
        self.found(Filter::equals("owner", "")).await
    }

    /// Those of a server that are to be ended.
    pub(super) async fn cancelled(&self, owner: &str) -> Result<Vec<Run>, ParseError> {
        self.found(Filter::equals("owner", owner).and(Filter::equals("cancelled", true))).await
    }

    /// Those whose server says nothing any more.
    pub(super) async fn orphaned(&self) -> Result<Vec<Run>, ParseError> {
        let owned = Filter::Field("owner".into(), Constraint::NotEquals("".into()));
        self.found(owned.and(before("aliveUntil", self.engine.clock.now()))).await
    }

    /// Takes one that waits. `false` if another server has it.
    pub(super) async fn take(&self, run: &Run, me: &str) -> Result<bool, ParseError> {
        let free = Filter::id(&run.id).and(Filter::equals("owner", ""));
        let taken = self.rows.set(free, map! { "owner" => me, "aliveUntil" => self.alive_until() }).await?;
        Ok(taken.is_some())
    }

    /// Says that one goes on. `false` if it is not this server's any more.
    pub(super) async fn beat(&self, id: &ObjectId, me: &str) -> Result<bool, ParseError> {
        let own = Filter::id(id).and(Filter::equals("owner", me));
        Ok(self.rows.set(own, map! { "aliveUntil" => self.alive_until() }).await?.is_some())
    }

    /// Notes which try it is. `false` if it is not this server's any more.
    pub(super) async fn tried(&self, id: &ObjectId, me: &str, attempt: u32) -> Result<bool, ParseError> {
        let own = Filter::id(id).and(Filter::equals("owner", me));
        Ok(self.rows.set(own, map! { "attempt" => f64::from(attempt) }).await?.is_some())
    }

    /// Notes that one is to be ended, and gives it; `None` if it is not there.
    pub(super) async fn cancel(&self, id: &ObjectId) -> Result<Option<Run>, ParseError> {
        let row = self.rows.set(Filter::id(id), map! { "cancelled" => true }).await?;
        Ok(row.as_ref().map(Run::read))
    }

    /// Takes one away that has ended on this server, or waits (`owner` is empty).
    pub(super) async fn remove(&self, id: &ObjectId, owner: &str) -> Result<(), ParseError> {
        self.rows.delete(Filter::id(id).and(Filter::equals("owner", owner))).await
    }
}
