//! `_PushWork`: the pushes that wait or are under way, on which server, and how far each has come. A row goes when its push is
//! sent.

use parsimony_cloud::{PushDevice, PushOutcome};
use parsimony_model::builtin::Builtin;
use parsimony_model::value::{Map, json};
use parsimony_model::{Constraint, Date, Filter, Object, ObjectId, Op, ParseError, Update, Value, map};

use super::api::text_of;
use super::request::{Asked, after};
use super::zones::{Civil, PushTime};
use crate::engine::Engine;
use crate::rows::{Rows, before};

/// How many devices took a message or did not, in all and by kind.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Counts(pub(super) Map);

/// A push, as its row says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Push {
    /// Its id, and that of its `_PushStatus`.
    pub(super) id: ObjectId,
    /// The condition on devices, as it was sent.
    pub(super) query: Map,
    /// What is handed to those who send.
    pub(super) body: Map,
    /// When it was to begin.
    pub(super) at: Date,
    /// The time where the devices are, if that counts.
    pub(super) local: Option<Civil>,
    interval: Option<f64>,
    expires_at: Option<Date>,
    /// The devices for which it was time up to here are done.
    pub(super) done_up_to: Date,
    /// Those for which it is time up to here are under way.
    pub(super) pass_up_to: Option<Date>,
    /// The id of the last installation that is done in this pass.
    pub(super) cursor: String,
    /// The id of the last installation whose badge is changed in this pass.
    pub(super) badged_up_to: String,
    pub(super) counts: Counts,
    /// How often it was taken since it last came further.
    pub(super) tries: u32,
}

/// The rows.
pub(super) struct Queue<'a> {
    rows: Rows<'a>,
    engine: &'a Engine,
}

impl Counts {
    fn add(&mut self, table: &str, key: Option<&str>) {
        let Some(key) = key else {
            let number = self.0.get(table).and_then(Value::as_f64).unwrap_or_default();
            self.0.insert(table.into(), (number + 1.0).into());
            return;
        };
        // A key of a stored object may have neither.
        let key = key.replace(['.', '$', '\0'], "_");
        let mut counted = self.0.get(table).and_then(Value::as_object).cloned().unwrap_or_default();
        let number = counted.get(key.as_str()).and_then(Value::as_f64).unwrap_or_default();
        counted.insert(key.as_str().into(), (number + 1.0).into());
        self.0.insert(table.into(), counted.into());
    }

    /// Counts what became of a message for a device. Parse: a device without a type does not count.
    pub(super) fn count(&mut self, device: &PushDevice, outcome: &PushOutcome, offset: Option<&str>) {
        let (all, by_type, by_offset) = match outcome {
            PushOutcome::Sent => ("numSent", "sentPerType", "sentPerUTCOffset"),
            PushOutcome::Failed { .. } => ("numFailed", "failedPerType", "failedPerUTCOffset"),
            PushOutcome::NotAddressed => return,
        };
        if device.device_type.is_empty() {
            return;
        }
        self.add(all, None);
        self.add(by_type, Some(&device.device_type));
        if offset.is_some() {
            self.add(by_offset, offset);
        }
    }
}

impl Push {
    fn read(row: &Object) -> Self {
        let text = |field: &str| row.text(field).unwrap_or_default().to_owned();
        let json_of = |field: &str| match json::read(text(field).as_bytes()) {
            Ok(Value::Object(map)) => map,
            _ => Map::default(),
        };
        let date = |field: &str| row.get(field).and_then(Value::as_date);
        let number = |field: &str| row.get(field).and_then(Value::as_f64);
        Self {
            id: row.id.clone(),
            query: json_of("query"),
            body: json_of("body"),
            at: date("at").unwrap_or(Date::EPOCH),
            local: number("localTime").map(|millis| Civil::from_millis(millis as i64)),
            interval: number("interval"),
            expires_at: date("expiresAt"),
            done_up_to: date("doneUpTo").unwrap_or(BEGINNING),
            pass_up_to: date("passUpTo"),
            cursor: text("cursor"),
            badged_up_to: text("badgedUpTo"),
            counts: Counts(row.get("counts").and_then(Value::as_object).cloned().unwrap_or_default()),
            tries: number("tries").map_or(0, |tries| u32::try_from(tries as i64).unwrap_or(u32::MAX)),
        }
    }

    /// When it is worth nothing any more.
    pub(super) fn expires_at(&self) -> Option<Date> {
        self.expires_at.or_else(|| Some(after(self.pass_up_to.unwrap_or(self.at), self.interval?)))
    }
}

/// Before any push.
const BEGINNING: Date = Date::EPOCH;

impl<'a> Queue<'a> {
    pub(super) async fn of(engine: &'a Engine) -> Result<Self, ParseError> {
        Ok(Self { rows: Rows::of(engine, Builtin::PushWork).await?, engine })
    }

    /// The rows, if there ever was one.
    pub(super) async fn if_any(engine: &'a Engine) -> Result<Option<Self>, ParseError> {
        Ok(Rows::if_any(engine, Builtin::PushWork).await?.map(|rows| Self { rows, engine }))
    }

    fn alive_until(&self) -> Date {
        let millis = i64::try_from(self.engine.options.limits.push_lease.as_millis()).unwrap_or(i64::MAX);
        self.engine.clock.now().plus_millis(millis)
    }

    /// Adds a push that waits.
    pub(super) async fn add(&self, id: &ObjectId, asked: &Asked) -> Result<(), ParseError> {
        let due = asked.time.map_or_else(|| self.engine.clock.now(), PushTime::first);
        let mut row = map! {
            "query" => text_of(&asked.query.clone().into()),
            "body" => text_of(&asked.body.clone().into()),
            "at" => due,
            "due" => due,
            "owner" => "",
            "aliveUntil" => Date::EPOCH,
            "tries" => 0,
        };
        if let Some(PushTime::Local(civil)) = asked.time {
            row.insert("localTime".into(), (civil.millis() as f64).into());
        }
        if let Some(interval) = asked.interval.filter(|_| asked.expires_at.is_none()) {
            row.insert("interval".into(), interval.into());
        }
        if let Some(expires_at) = asked.expires_at {
            row.insert("expiresAt".into(), expires_at.into());
        }
        self.rows.insert(id, row).await.map(drop)
    }

    /// What is met by a push whose time has come, and that no server has that is there.
    fn free(&self) -> Filter {
        let now = self.engine.clock.now();
        Filter::Field("due".into(), Constraint::LessOrEqual(now.into())).and(before("aliveUntil", now))
    }

    /// The ids of those that may be taken, the earliest first.
    pub(super) async fn due(&self, limit: u64) -> Result<Vec<ObjectId>, ParseError> {
        Ok(self.rows.first(self.free(), "due", limit).await?.into_iter().map(|row| row.id).collect())
    }

    /// Takes a push; `None` if another server has it.
    pub(super) async fn take(&self, id: &ObjectId, me: &str) -> Result<Option<Push>, ParseError> {
        let mut update: Update = [("tries".into(), Op::Increment(1.0))].into_iter().collect();
        update.set("owner", me);
        update.set("aliveUntil", self.alive_until());
        let row = self.rows.update(Filter::id(id).and(self.free()), update).await?;
        Ok(row.as_ref().map(Push::read))
    }

    fn own(id: &ObjectId, me: &str) -> Filter {
        Filter::id(id).and(Filter::equals("owner", me))
    }

    /// Says that a push goes on. `false` if it is not this server's any more.
    pub(super) async fn beat(&self, id: &ObjectId, me: &str) -> Result<bool, ParseError> {
        Ok(self.rows.set(Self::own(id, me), map! { "aliveUntil" => self.alive_until() }).await?.is_some())
    }

    /// Notes how far a push has come. `false` if it is not this server's any more.
    pub(super) async fn note(&self, push: &Push, me: &str) -> Result<bool, ParseError> {
        let mut far = far(push);
        far.insert("aliveUntil".into(), self.alive_until().into());
        Ok(self.rows.set(Self::own(&push.id, me), far).await?.is_some())
    }

    /// Lets go of a push: any server may take it when this moment has come.
    pub(super) async fn let_go(&self, push: &Push, me: &str, due: Date) -> Result<(), ParseError> {
        let mut far = far(push);
        far.extend(map! { "due" => due, "owner" => "", "aliveUntil" => Date::EPOCH });
        self.rows.set(Self::own(&push.id, me), far).await.map(drop)
    }

    /// Takes a push away that has ended on this server.
    pub(super) async fn remove(&self, id: &ObjectId, me: &str) -> Result<(), ParseError> {
        self.rows.delete(Self::own(id, me)).await
    }
}

/// How far a push has come.
fn far(push: &Push) -> Map {
    map! {
        "doneUpTo" => push.done_up_to,
        "passUpTo" => push.pass_up_to,
        "cursor" => push.cursor.as_str(),
        "badgedUpTo" => push.badged_up_to.as_str(),
        "counts" => push.counts.0.clone(),
        "tries" => 0,
    }
}
