//! Cloud code in a process of its own: what its manifest says it has, asked as webhooks are. The protocol is ParseCloud/1.0.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use parsimony_cloud::{Call, Elsewhere, Hook, JobPlan, Layer, Place, Remote, Reply, Rules, Trigger};
use parsimony_model::value::Map;
use parsimony_model::{ParseError, Value};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::call::Webhook;
use super::webhook;
use crate::engine::Engine;

/// How long a run of a job may take.
const JOB_TIME_MAX: Duration = Duration::from_secs(24 * 3_600);

/// The protocol that is spoken.
const PROTOCOL: &str = "ParseCloud/1.0";

/// What a process has, put beside the applications' own hooks. The error is a sentence: what the manifest lacks, or which
/// two places want the same hook; then nothing has changed.
///
/// Beside the protocol's `name`, `className` and `triggerName`, an entry may have a `validator`, which is checked before the
/// process is asked.
pub(crate) fn put(engine: &Arc<Engine>, source: &str, url: &str, manifest: &Map) -> Result<usize, String> {
    let Some(Value::String(protocol)) = manifest.get("protocol") else {
        return Err(format!("The manifest of {source} names no protocol."));
    };
    if protocol != PROTOCOL {
        return Err(format!("{source} speaks {protocol}; {PROTOCOL} is spoken here."));
    }
    let Some(Value::Object(hooks)) = manifest.get("hooks") else {
        return Err(format!("The manifest of {source} has no hooks."));
    };
    let mut claims = Claims { engine, source, url, layer: Layer::default(), count: 0 };
    for entry in entries(hooks, "functions") {
        let name = text(source, entry, "name")?;
        claims.claim(entry, Call::NAME, name, &["functions", name])?;
    }
    for entry in entries(hooks, "triggers") {
        let (class, trigger) = (text(source, entry, "className")?, text(source, entry, "triggerName")?);
        claims.claim(entry, trigger, class, &["triggers", class, trigger])?;
    }
    for entry in entries(hooks, "jobs") {
        claims.claim_job(text(source, entry, "name")?)?;
    }
    let Claims { layer, count, .. } = claims;
    engine.registry.put_external(layer)?;
    Ok(count)
}

/// A hook of a process. It answers as a webhook does, but of an object that is saved only what it changes, and what it leaves in
/// `context` is there for the hooks that come after.
struct Process(Webhook);

impl Remote for Process {
    fn ask(&self, body: Map) -> BoxFuture<'static, Result<Reply, ParseError>> {
        self.0.ask_whole(body)
    }

    fn answers_changes(&self) -> bool {
        true
    }
}

struct Claims<'a> {
    engine: &'a Arc<Engine>,
    source: &'a str,
    url: &'a str,
    layer: Layer,
    count: usize,
}

impl Claims<'_> {
    fn claim(&mut self, entry: &Value, trigger: &str, name: &str, path: &[&str]) -> Result<(), String> {
        let rules = match entry.as_object().and_then(|entry| entry.get("validator")) {
            Some(Value::Object(validator)) => Rules::spelled(validator)
                .map_err(|sentence| format!("The validator of {trigger} {name} in {}: {sentence}", self.source))?,
            _ => Rules::none(),
        };
        let process = Arc::new(self.process(path));
        if !self.layer.claim(trigger, name, process, (rules, self.place()))? {
            return Err(format!("{} has a trigger {trigger} of {name}, and there is no such trigger.", self.source));
        }
        self.count += 1;
        Ok(())
    }

    fn claim_job(&mut self, name: &str) -> Result<(), String> {
        let Elsewhere(process) = self.process(&["jobs", name]);
        // A job takes as long as its plan allows.
        let webhook = Webhook { time_max: JOB_TIME_MAX, ..process.0.clone() };
        let handler = Arc::new(Elsewhere(Arc::new(Process(webhook))));
        self.layer.add_job(name, JobPlan::manual(), Hook { rules: Rules::none(), handler, place: self.place() })?;
        self.count += 1;
        Ok(())
    }

    fn process(&self, path: &[&str]) -> Elsewhere<Process> {
        let path: Vec<String> =
            path.iter().map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string()).collect();
        Elsewhere(Arc::new(Process(webhook(self.engine, format!("{}/{}", self.url, path.join("/"))))))
    }

    fn place(&self) -> Place {
        Place { application: self.source.to_owned(), source: PROTOCOL.to_owned() }
    }
}

fn entries<'a>(hooks: &'a Map, name: &str) -> &'a [Value] {
    match hooks.get(name) {
        Some(Value::Array(entries)) => entries,
        _ => &[],
    }
}

fn text<'a>(source: &str, entry: &'a Value, name: &str) -> Result<&'a str, String> {
    let text = entry.as_object().and_then(|entry| entry.get(name)?.as_str()).filter(|text| !text.is_empty());
    text.ok_or_else(|| format!("A hook in the manifest of {source} has no {name}."))
}
