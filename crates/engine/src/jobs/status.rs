//! `_JobStatus`: what everybody with the master key sees of a run, now and later.

use parsimony_model::builtin::Builtin;
use parsimony_model::value::Map;
use parsimony_model::{Filter, ObjectId, ParseError, map};

use crate::engine::Engine;
use crate::rows::Rows;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// Well, perhaps with a last message.
    Succeeded(Option<String>),
    /// Not well, and why.
    Failed(String),
}

/// The rows.
pub(super) struct Statuses<'a> {
    rows: Rows<'a>,
    engine: &'a Engine,
}

impl<'a> Statuses<'a> {
    pub(super) async fn of(engine: &'a Engine) -> Result<Self, ParseError> {
        Ok(Self { rows: Rows::of(engine, Builtin::JobStatus).await?, engine })
    }

    /// A run begins. It is no error if that is known.
    pub(super) async fn begin(&self, id: &ObjectId, job: &str, source: &str, params: &Map) -> Result<(), ParseError> {
        let mut fields = map! { "jobName" => job, "status" => RUNNING, "source" => source };
        if !params.is_empty() {
            fields.insert("params".into(), params.clone().into());
        }
        self.rows.insert(id, fields).await.map(drop)
    }

    /// A run that goes on says how far it has come. Parse: no text says nothing.
    pub(super) async fn say(&self, id: &ObjectId, text: &str) -> Result<(), ParseError> {
        if text.is_empty() {
            return Ok(());
        }
        self.rows.set(going_on(id), map! { "message" => self.shortened(text) }).await.map(drop)
    }

    /// A run ends. One that has ended stays as it is.
    pub(super) async fn end(&self, id: &ObjectId, end: &End) -> Result<(), ParseError> {
        let (status, message) = match end {
            End::Succeeded(message) => ("succeeded", message.as_deref()),
            End::Failed(why) => ("failed", Some(why.as_str())),
        };
        let mut fields = map! { "status" => status, "finishedAt" => self.engine.clock.now() };
        if let Some(message) = message.filter(|message| !message.is_empty()) {
            fields.insert("message".into(), self.shortened(message).into());
        }
        self.rows.set(going_on(id), fields).await.map(drop)
    }

    fn shortened(&self, text: &str) -> String {
        text.chars().take(self.engine.options.limits.job_message_chars_max).collect()
    }
}

const RUNNING: &str = "running";

fn going_on(id: &ObjectId) -> Filter {
    Filter::id(id).and(Filter::equals("status", RUNNING))
}
