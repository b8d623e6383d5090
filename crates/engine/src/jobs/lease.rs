//! Which server starts the jobs, and what of each schedule is done.
//!
//! One row is the lease: its owner, a token that grows whenever the owner changes, and until when the owner counts as there.
//! Each expression has a row that says up to when its runs are done; each job one whose token grows with each try.

use parsimony_model::builtin::Builtin;
use parsimony_model::value::Map;
use parsimony_model::{Date, Filter, Object, ObjectId, Op, ParseError, Update, Value, map};

use crate::engine::Engine;
use crate::rows::{Rows, before, id_of};

/// The lease that one server holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    /// Grows whenever another server takes it.
    pub(super) token: u64,
    /// Until when it is held, unless it is renewed.
    pub(super) until: Date,
}

/// The rows.
pub(super) struct Leases<'a> {
    rows: Rows<'a>,
    engine: &'a Engine,
}

/// What the row of the lease is called.
const RUNNER: &str = "runner";

fn runner() -> Result<ObjectId, ParseError> {
    ObjectId::parse(RUNNER)
}

fn token_of(row: &Object) -> u64 {
    let token = row.get("token").and_then(Value::as_f64).unwrap_or_default();
    u64::try_from(token as i64).unwrap_or_default()
}

/// The same with a token that is one greater.
fn counting(fields: Map) -> Update {
    let set = fields.into_iter().map(|(key, value)| (key, Op::Set(value)));
    set.chain([("token".into(), Op::Increment(1.0))]).collect()
}

impl<'a> Leases<'a> {
    pub(super) async fn of(engine: &'a Engine) -> Result<Self, ParseError> {
        Ok(Self { rows: Rows::of(engine, Builtin::JobLease).await?, engine })
    }

    fn until(&self) -> Date {
        let millis = i64::try_from(self.engine.options.limits.job_lease.as_millis()).unwrap_or(i64::MAX);
        self.engine.clock.now().plus_millis(millis)
    }

    /// Takes the lease, or holds it for longer; `None` if another server has it.
    pub(super) async fn hold(&self, me: &str) -> Result<Option<Lease>, ParseError> {
        let (id, now, until) = (runner()?, self.engine.clock.now(), self.until());
        let lease = |row: &Object| Lease { token: token_of(row), until };
        match self.rows.get(&id).await? {
            None => {
                let row = map! { "name" => RUNNER, "owner" => me, "token" => 1, "aliveUntil" => until };
                Ok(self.rows.insert(&id, row).await?.then_some(Lease { token: 1, until }))
            }
            Some(row) if row.text("owner") == Some(me) => {
                let own = Filter::id(&id).and(Filter::equals("owner", me));
                Ok(self.rows.set(own, map! { "aliveUntil" => until }).await?.as_ref().map(lease))
            }
            Some(row) if row.get("aliveUntil").and_then(Value::as_date).is_none_or(|alive| alive < now) => {
                // Of two that take it at one time, the second finds that it is not over any more.
                let over = Filter::id(&id).and(before("aliveUntil", now));
                let taken = self.rows.update(over, counting(map! { "owner" => me, "aliveUntil" => until })).await?;
                Ok(taken.as_ref().map(lease))
            }
            Some(_) => Ok(None),
        }
    }

    /// Gives the lease back, so that another server need not wait.
    pub(super) async fn release(&self, me: &str) -> Result<(), ParseError> {
        let own = Filter::id(&runner()?).and(Filter::equals("owner", me));
        self.rows.set(own, map! { "aliveUntil" => Date::EPOCH }).await.map(drop)
    }

    /// The owner of the lease, if it is there at this moment.
    pub(super) async fn owner(&self) -> Result<Option<(String, u64)>, ParseError> {
        let now = self.engine.clock.now();
        let row = self.rows.get(&runner()?).await?;
        let alive = row.filter(|row| row.get("aliveUntil").and_then(Value::as_date).is_some_and(|until| until >= now));
        Ok(alive.map(|row| (row.text("owner").unwrap_or_default().to_owned(), token_of(&row))))
    }

    /// Up to when the runs of an expression are done. One that was never seen is done up to now.
    pub(super) async fn done_up_to(&self, schedule: &str) -> Result<Date, ParseError> {
        let (id, now) = (id_of(&[schedule])?, self.engine.clock.now());
        let due = |row: Option<Object>| row.and_then(|row| row.get("due").and_then(Value::as_date));
        if let Some(due) = due(self.rows.get(&id).await?) {
            return Ok(due);
        }
        self.rows.insert(&id, map! { "name" => schedule, "due" => now }).await?;
        Ok(due(self.rows.get(&id).await?).unwrap_or(now))
    }

    /// Notes that the runs of an expression are done up to this moment. It never goes back.
    pub(super) async fn done(&self, schedule: &str, due: Date) -> Result<(), ParseError> {
        let earlier = Filter::id(&id_of(&[schedule])?).and(before("due", due));
        self.rows.set(earlier, map! { "due" => due }).await.map(drop)
    }

    /// A number greater than any that a try of this job was given before.
    pub(super) async fn fence(&self, job: &str) -> Result<u64, ParseError> {
        let name = format!("fence {job}");
        let id = id_of(&[&name])?;
        loop {
            if let Some(row) = self.rows.update(Filter::id(&id), counting(Map::default())).await? {
                return Ok(token_of(&row));
            }
            if self.rows.insert(&id, map! { "name" => name.as_str(), "token" => 1 }).await? {
                return Ok(1);
            }
        }
    }
}
