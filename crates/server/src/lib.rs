//! A server as a library: reads the configuration, builds the parts, runs and stops.
//!
//! Anyone's own server is five lines:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     parsimony_server::run([parsimony_cloud::Application::new("blog")])
//! }
//! ```
//!
//! | question | file |
//! | --- | --- |
//! | what does the administrator type | `cli.rs` |
//! | which options are there, and what do they mean | `config/` |
//! | which keys has a server that nobody chose keys for | `keys.rs` |
//! | how are the parts put together | `wire.rs` |
//! | where do logs go | `telemetry.rs` |
//! | where are files kept, if not in the database | `files.rs` |
//! | how does cloud code run in a process of its own | `external/` |
//! | how are classes made what files say | `schema/` |
//! | where do hook scripts come from, and how is a server asked about them | `hooks/` |
//! | how does a whole database get into another one | `moving/` |
//! | what is seen at the start | `banner.rs` |
//! | when does it end | `shutdown.rs` |

/// Requests are many small allocations that threads hand to each other; the system's allocator is slow at that.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod banner;
mod cli;
mod config;
mod external;
mod files;
mod hooks;
mod keys;
mod moving;
mod schema;
mod shutdown;
mod telemetry;
mod wire;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use parsimony_cloud::Application;
use serde_json::json;

use cli::{Cli, CliOptions, Command};
pub use config::{AuthOptions, Compatibility, Config, Database, Logging, Sources};
pub use external::ExternalOptions;
pub use moving::{Ear, Moved, MovedClass, MovedRelation, Told, move_database};
pub use wire::{Parts, Running, start};

/// Runs a server with these applications, as the command line says, until it is told to end.
pub fn run(applications: impl IntoIterator<Item = Application>) -> ExitCode {
    let Cli { command, options } = Cli::parse();
    let serves = matches!(command, None | Some(Command::Serve | Command::CheckConfig));
    let done = match command {
        None | Some(Command::Serve) => serve(options, applications.into_iter().collect()),
        Some(Command::CheckConfig) => check(options),
        Some(Command::Schema(schema)) => schema::obey(schema, options).map_err(Failure::from),
        Some(Command::Hooks(hooks)) => {
            hooks::obey(hooks, options, applications.into_iter().collect()).map_err(Failure::from)
        }
        Some(Command::Move(typed)) => moving::obey(&typed).map_err(Failure::from),
    };
    done.unwrap_or_else(|Failure { kind, sentence }| {
        if serves {
            // Tools that start servers look for the line, people for the sentence.
            let line = json!({ "kind": kind, "message": sentence });
            say(&mut std::io::stdout(), &format!("STARTUP-ERROR {line}\n"));
        }
        say(&mut std::io::stderr(), &format!("{sentence}\n"));
        ExitCode::FAILURE
    })
}

/// Why a command failed.
struct Failure {
    /// What Parse Server would have thrown: a bare `string`, or an `error`.
    kind: &'static str,
    sentence: String,
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Self { kind: "error", sentence }
    }
}

impl Failure {
    /// The refusal of an option. Parse: a bare string, but for those of keys that are the same, and of `requestComplexity`.
    fn of_option(sentence: String) -> Self {
        let is_error = ["masterKey and ", "requestComplexity"].iter().any(|start| sentence.starts_with(start));
        Self { kind: if is_error { "error" } else { "string" }, sentence }
    }
}

fn configured(options: CliOptions) -> Result<Config, Failure> {
    Config::read(options.sources(cli::environment())?).map_err(Failure::of_option)
}

fn check(options: CliOptions) -> Result<ExitCode, Failure> {
    let config = configured(options)?;
    for warning in &config.warnings {
        say(&mut std::io::stdout(), &format!("warning: {warning}\n"));
    }
    say(&mut std::io::stdout(), "The configuration is sound.\n");
    Ok(ExitCode::SUCCESS)
}

fn serve(options: CliOptions, applications: Vec<Application>) -> Result<ExitCode, Failure> {
    let config = configured(options)?;
    let logs = telemetry::begin(config.logging);
    // Requests have workers of their own; this runtime is for what goes on beside them.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| format!("The runtime cannot start: {error}."))?;
    runtime
        .block_on(async {
            let running = start(config, applications, Parts { logs, ..Parts::default() }).await?;
            for warning in &running.warnings {
                tracing::warn!("{warning}");
            }
            say(&mut std::io::stdout(), &banner::text(&running));
            shutdown::serve_until_told(running).await
        })
        .map_err(|sentence: String| Failure::from(sentence))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes text; if nobody reads it any more, that is no reason to fail.
fn say(out: &mut dyn Write, text: &str) {
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).unwrap_or_default();
}
