//! Where do logs go: lines on the error output, JSON unless told otherwise.

use std::fmt::Debug;
use std::sync::Arc;

use parsimony_engine::{LogLine, Logs};
use parsimony_model::{Clock as _, SystemClock};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::Logging;

/// Crates that say more than an administrator wants to know.
const TALKATIVE: [&str; 9] =
    ["actix_http", "actix_server", "actix_web", "h2", "hickory_resolver", "hyper_util", "mongodb", "reqwest", "rustls"];

/// Begins to log. In a process that logs already, nothing changes. Gives the last lines, as they come to be.
pub(crate) fn begin(logging: Logging) -> Arc<Logs> {
    let logs = Arc::new(Logs::default());
    let Some(level) = logging.level else { return logs };
    let quiet = level.min(Level::WARN);
    let targets = Targets::new()
        .with_default(LevelFilter::from_level(level))
        .with_targets(TALKATIVE.map(|target| (target, quiet)));
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if logging.silent {
        None
    } else if logging.json {
        Some(lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed())
    } else {
        Some(lines.with_ansi(false).boxed())
    };
    let kept = Kept(Arc::clone(&logs));
    // A test that has its own subscriber keeps it.
    tracing_subscriber::registry().with(Layer::and_then(lines, kept).with_filter(targets)).try_init().ok();
    logs
}

/// Keeps the last lines.
struct Kept(Arc<Logs>);

impl<S: Subscriber> Layer<S> for Kept {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let level = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "verbose",
            Level::TRACE => "silly",
        };
        self.0.push(LogLine { at: SystemClock.now(), level, message: said.message, fields: said.fields });
    }
}

/// What an event says.
#[derive(Default)]
struct Said {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            name => self.fields.push((name, value.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_is_kept() {
        let logs = Arc::new(Logs::default());
        let subscriber = tracing_subscriber::registry().with(Kept(Arc::clone(&logs)));
        tracing::subscriber::with_default(subscriber, || tracing::warn!(path = "/x", status = 400, "a request"));
        let lines = logs.lines();
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!((line.level, line.message.as_str()), ("warn", "a request"));
        assert_eq!(line.fields, [("path", "/x".to_owned()), ("status", "400".to_owned())]);
    }
}
