//! Where do logs go: lines on the error output, JSON unless told otherwise.

use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::Logging;

/// Crates that say more than an administrator wants to know.
const TALKATIVE: [&str; 6] = ["actix_http", "actix_server", "actix_web", "h2", "hickory_resolver", "mongodb"];

/// Begins to log. In a process that logs already, nothing changes.
pub(crate) fn begin(logging: Logging) {
    let Some(level) = logging.level else { return };
    let quiet = level.min(Level::WARN);
    let targets = Targets::new()
        .with_default(LevelFilter::from_level(level))
        .with_targets(TALKATIVE.map(|target| (target, quiet)));
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if logging.json {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
    } else {
        lines.with_ansi(false).boxed()
    };
    // A test that has its own subscriber keeps it.
    tracing_subscriber::registry().with(lines.with_filter(targets)).try_init().ok();
}
