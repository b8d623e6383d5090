//! `parsimony move`: how does a whole database get from one store into another?

mod copy;
mod digest;
mod files;
mod open;
mod target;
#[cfg(test)]
mod tests;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use parsimony_model::SystemClock;
use parsimony_store::Store;

pub use copy::{Ear, Moved, MovedClass, MovedRelation, Told, move_database};
pub(crate) use target::refuse_half_moved;

use crate::say;

/// How often it is said how far a class has come.
const SAYING_MILLIS: u64 = 500;

/// `parsimony move …`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Move {
    /// The database to copy: `sqlite:PATH` or `mongodb://…`. Nobody may write to it meanwhile.
    #[arg(long, value_name = "URI")]
    from: String,
    /// The empty database to copy it into.
    #[arg(long, value_name = "URI")]
    to: String,
    /// What stands before the names of the collections of the one, as `collectionPrefix`.
    #[arg(long, value_name = "PREFIX", default_value = "")]
    from_prefix: String,
    /// What shall stand before those of the other.
    #[arg(long, value_name = "PREFIX", default_value = "")]
    to_prefix: String,
}

/// Does what was typed.
pub(crate) fn obey(typed: &Move) -> Result<ExitCode, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| format!("The runtime cannot start: {error}."))?;
    runtime.block_on(async {
        let from = open::source(&typed.from, &typed.from_prefix).await?;
        let to = open::target(&typed.to, &typed.to_prefix, &typed.from, &typed.from_prefix).await?;
        let mut screen = Screen::new();
        let moved = move_database(&*from, &*to, &SystemClock, &mut |told| screen.show(&told)).await;
        close(&*from).await;
        close(&*to).await;
        let moved = moved?;
        say(&mut std::io::stdout(), &summary(&moved));
        Ok(if moved.warnings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
    })
}

/// The exit code when all objects are there, but not all that goes with them.
const INCOMPLETE: u8 = 3;

async fn close(store: &dyn Store) {
    if let Err(error) = store.close().await {
        tracing::warn!(%error, "a database did not close cleanly");
    }
}

fn summary(moved: &Moved) -> String {
    let mut lines = Vec::new();
    for class in &moved.classes {
        lines.push(format!("{}  {}  {}", class.digest, class.name, amount(class.objects, "object")));
        lines.extend(class.relations.iter().map(|relation| {
            let (digest, members) = (&relation.digest, amount(relation.members, "member"));
            format!("{digest}  {}.{}  {members}", class.name, relation.field)
        }));
    }
    if moved.files > 0 {
        lines.push(format!("Moved {}.", amount(moved.files, "file")));
    }
    lines.extend(moved.warnings.iter().map(|warning| format!("warning: {warning}")));
    let objects = moved.classes.iter().map(|class| class.objects).sum();
    let (classes, objects) = (counted(moved.classes.len(), "class", "classes"), amount(objects, "object"));
    lines.push(format!("Moved {classes} with {objects}; counts and digests are the same on both sides.\n"));
    lines.join("\n")
}

fn amount(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// Shows on standard error what goes on: on a terminal in one line that changes.
struct Screen {
    changes: bool,
    said: Option<Instant>,
}

impl Screen {
    fn new() -> Self {
        Self { changes: std::io::stderr().is_terminal(), said: None }
    }

    fn show(&mut self, told: &Told<'_>) {
        let line = match told {
            Told::Sentence(sentence) => (*sentence).to_owned(),
            Told::Progress { what, done, total } => {
                let quiet = Duration::from_millis(SAYING_MILLIS);
                if self.said.is_some_and(|said| said.elapsed() < quiet) {
                    return;
                }
                self.said = Some(Instant::now());
                let percent = done.saturating_mul(100).checked_div(*total).unwrap_or(100).min(100);
                format!("{what}: {done} of {total}, {percent} %")
            }
        };
        let out: &mut dyn Write = &mut std::io::stderr();
        match (self.changes, told) {
            (true, Told::Progress { .. }) => say(out, &format!("\r\x1b[2K{line}")),
            (true, Told::Sentence(_)) => say(out, &format!("\r\x1b[2K{line}\n")),
            (false, _) => say(out, &format!("{line}\n")),
        }
    }
}
