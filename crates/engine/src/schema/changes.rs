//! What was pushed to the classes, by whom: kept in the store, numbered without gaps, one at a time.
//!
//! The number is the id of the record, so of two servers that begin at one time the database lets one pass.

use std::sync::Arc;

use parsimony_model::builtin::Builtin;
use parsimony_model::value::{Map, json};
use parsimony_model::{
    ClassName, Date, ErrorCode, Filter, Object, ObjectId, Op, Order, ParseError, Update, Value, map,
};
use parsimony_store::{Change, Scope, Selection, StoreError};

use crate::engine::Engine;

/// For how long a push that says nothing counts as going on.
pub(crate) const SILENCE_MILLIS_MAX: i64 = 30_000;

/// How many records one answer holds at most.
pub(crate) const RECORDS_MAX: u64 = 1_000;

/// Where a push is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It goes on.
    Running,
    /// All of it is done.
    Done,
    /// It ended on the way; what was done stays done.
    Failed,
    /// Its server ended on the way.
    Interrupted,
}

impl State {
    const ALL: [Self; 4] = [Self::Running, Self::Done, Self::Failed, Self::Interrupted];

    /// Its name in records.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A record.
#[derive(Debug, Clone)]
pub(crate) struct Record(Object);

impl Record {
    fn text(&self, field: &str) -> &str {
        self.0.fields.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Its number.
    pub(crate) fn number(&self) -> u64 {
        self.0.id.as_str().parse().unwrap_or_default()
    }

    /// Where it is in its life, as seen at this moment.
    pub(crate) fn state(&self, now: Date) -> State {
        let state = State::of(self.text("state")).unwrap_or(State::Interrupted);
        let alive_until = self.0.fields.get("aliveUntil").and_then(Value::as_date).unwrap_or(Date::EPOCH);
        if state == State::Running && alive_until < now { State::Interrupted } else { state }
    }

    /// The push before which it went back, if it is a rollback.
    pub(crate) fn undoes(&self) -> Option<u64> {
        let number = self.0.fields.get("undoes").and_then(Value::as_f64)?;
        format!("{number:.0}").parse().ok()
    }

    /// Who pushed.
    pub(crate) fn author(&self) -> &str {
        self.text("author")
    }

    /// The definitions of the classes it touched: each as it was before (or after), `null` if there was no such class.
    pub(crate) fn classes(&self, when: When) -> Result<Map, ParseError> {
        let text = self.text(when.field());
        match json::read(if text.is_empty() { b"{}" } else { text.as_bytes() })? {
            Value::Object(map) => Ok(map),
            _ => Err(ParseError::internal("a record of a push cannot be read")),
        }
    }

    /// Its steps, as they were told.
    pub(crate) fn steps(&self) -> Result<Vec<Value>, ParseError> {
        let text = self.text("steps");
        match json::read(if text.is_empty() { b"[]" } else { text.as_bytes() })? {
            Value::Array(steps) => Ok(steps),
            _ => Err(ParseError::internal("a record of a push cannot be read")),
        }
    }

    /// What is told of it: the whole of it, or what a list shows.
    pub(crate) fn to_value(&self, now: Date, whole: bool) -> Result<Value, ParseError> {
        let mut told = map! {
            "number" => self.number() as f64,
            "kind" => self.text("kind"),
            "author" => self.author(),
            "state" => self.state(now).name(),
            "digest" => self.text("digest"),
        };
        let date = |date: Option<Date>| date.map(|date| Value::from(date.to_iso()));
        let ended = self.0.fields.get("endedAt").and_then(Value::as_date);
        let fields = [("begunAt", date(self.0.created_at)), ("endedAt", date(ended))];
        told.extend(fields.into_iter().filter_map(|(key, value)| Some((key.into(), value?))));
        for key in ["undoes", "message"] {
            if let Some(value) = self.0.fields.get(key).filter(|value| !value.is_null()) {
                told.insert(key.into(), value.clone());
            }
        }
        told.insert("steps".into(), Value::Array(self.steps()?));
        if whole {
            told.insert("before".into(), Value::Object(self.classes(When::Before)?));
            told.insert("after".into(), Value::Object(self.classes(When::After)?));
        }
        Ok(Value::Object(told))
    }
}

/// Before a push, or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    After,
}

impl When {
    const fn field(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// What a record begins with.
pub(crate) struct Beginning {
    /// `push` or `rollback`.
    pub(crate) kind: &'static str,
    pub(crate) author: String,
    /// The push before which a rollback goes back.
    pub(crate) undoes: Option<u64>,
}

/// The records.
pub(crate) struct Changes<'a> {
    engine: &'a Engine,
    class: Arc<parsimony_model::ClassSchema>,
}

fn class_name() -> ClassName {
    Builtin::SchemaChange.name()
}

impl<'a> Changes<'a> {
    /// The records of an engine.
    pub(crate) async fn of(engine: &'a Engine) -> Result<Self, ParseError> {
        Ok(Self { engine, class: engine.schemas.require(&class_name()).await? })
    }

    fn select(&self, filter: Filter) -> Selection {
        Selection::new(Arc::clone(&self.class), filter, Scope::Everything)
    }

    /// The last ones, newest first.
    pub(crate) async fn last(&self, limit: u64) -> Result<Vec<Record>, ParseError> {
        let newest = Order { path: "number".into(), descending: true };
        let selection = self.select(Filter::everything()).ordered(vec![newest]);
        let found = self.engine.objects.find(&selection.range(0, Some(limit.min(RECORDS_MAX)))).await?;
        Ok(found.into_iter().map(Record).collect())
    }

    /// The one with this number.
    pub(crate) async fn find(&self, number: u64) -> Result<Record, ParseError> {
        let found = self.engine.objects.find(&self.select(Filter::equals("objectId", number.to_string()))).await?;
        let missing =
            || ParseError::new(ErrorCode::ObjectNotFound, format!("There is no push with the number {number}."));
        found.into_iter().next().map(Record).ok_or_else(missing)
    }

    /// Begins a push: from now on no other one can begin, on any server.
    pub(crate) async fn begin(&self, beginning: &Beginning) -> Result<Record, ParseError> {
        let now = self.engine.clock.now();
        let last = self.last(1).await?.pop();
        if let Some(last) = &last {
            match last.state(now) {
                State::Running => return Err(going_on(Some(last))),
                State::Interrupted if last.text("state") == State::Running.name() => {
                    self.set(last, map! { "state" => State::Interrupted.name(), "endedAt" => now }).await?;
                }
                _ => {}
            }
        }
        let number = last.map_or(0, |last| last.number()) + 1;
        let mut fields = map! {
            "number" => number as f64,
            "kind" => beginning.kind,
            "author" => beginning.author.as_str(),
            "state" => State::Running.name(),
            "aliveUntil" => now.plus_millis(SILENCE_MILLIS_MAX),
        };
        if let Some(undoes) = beginning.undoes {
            fields.insert("undoes".into(), (undoes as f64).into());
        }
        let record = Object {
            class: class_name(),
            id: ObjectId::parse(&number.to_string())?,
            created_at: Some(now),
            updated_at: Some(now),
            acl: None,
            fields,
        };
        match self.engine.objects.insert(&self.class, &record).await {
            Ok(()) => Ok(Record(record)),
            Err(StoreError::Duplicate { .. }) => Err(going_on(None)),
            Err(error) => Err(error.into()),
        }
    }

    /// Says more of a push.
    pub(crate) async fn set(&self, record: &Record, fields: Map) -> Result<Record, ParseError> {
        let update: Update = fields.into_iter().map(|(key, value)| (key, Op::Set(value))).collect();
        let change = Change { update, acl: None, updated_at: self.engine.clock.now() };
        let selection = self.select(Filter::id(&record.0.id));
        let changed = self.engine.objects.update(&selection, &change).await?;
        changed.map(Record).ok_or_else(|| ParseError::internal("the record of a push is gone"))
    }

    /// Says that a push goes on.
    pub(crate) async fn say(&self, record: &Record, message: String) -> Result<(), ParseError> {
        let alive_until = self.engine.clock.now().plus_millis(SILENCE_MILLIS_MAX);
        self.set(record, map! { "aliveUntil" => alive_until, "message" => message }).await.map(drop)
    }

    /// Takes a push back that changed nothing.
    pub(crate) async fn forget(&self, record: &Record) {
        if let Err(error) = self.engine.objects.delete(&self.select(Filter::id(&record.0.id))).await {
            tracing::warn!(%error, number = record.number(), "the record of a push that did nothing stays");
        }
    }
}

/// Another push is under way.
fn going_on(other: Option<&Record>) -> ParseError {
    let text = match other {
        Some(other) => format!(
            "Push {} by {} is under way: nothing was changed. Try again when it has ended.",
            other.number(),
            other.author()
        ),
        None => "Another push began at the same moment: nothing was changed. Try again when it has ended.".to_owned(),
    };
    ParseError::new(ErrorCode::InvalidSchemaOperation, text)
}
