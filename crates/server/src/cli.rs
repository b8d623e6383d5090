//! What does the administrator type?

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use serde_json::Value;

use crate::config::Sources;
use crate::hooks::Hooks;
use crate::moving::Move;
use crate::schema::Schema;

/// A Parse-compatible server.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) options: CliOptions,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Serve requests; what is done if nothing is said.
    Serve,
    /// Read the configuration, say what is wrong with it, and end.
    CheckConfig,
    /// Make the classes of a running server what files say.
    Schema(Schema),
    /// Check, push, list and roll back hook scripts.
    Hooks(Hooks),
    /// Copy a whole database into an empty one, from SQLite to MongoDB or back, and compare the two.
    Move(Move),
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct CliOptions {
    /// Parse Server's JSON configuration.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The port to listen on [default: 1337].
    #[arg(long, global = true, value_name = "N")]
    port: Option<u16>,
    /// The address to listen on [default: 127.0.0.1, or 0.0.0.0 if appId and masterKey are configured].
    #[arg(long, global = true, value_name = "ADDRESS")]
    host: Option<String>,
    /// The folder of the database and of what is generated [default: ./data].
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<String>,
}

impl CliOptions {
    /// Everything that configures the server: this command line, the file it names, the environment.
    pub(crate) fn sources(self, environment: Vec<(String, String)>) -> Result<Sources, String> {
        let file = match self.config {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(&path);
                let text = text.map_err(|error| format!("{} cannot be read: {error}.", path.display()))?;
                Some((path.display().to_string(), text))
            }
        };
        let arguments = [
            ("port", self.port.map(Value::from)),
            ("host", self.host.map(Value::from)),
            ("parsimony.dataDir", self.data.map(Value::from)),
        ];
        let arguments = arguments.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        Ok(Sources { file, environment, arguments })
    }
}

/// The environment; variables that are no text are no options either.
pub(crate) fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_becomes_options() {
        Cli::command().debug_assert();
        let cli = Cli::parse_from(["parsimony", "serve", "--port", "7", "--data", "d"]);
        assert_eq!(cli.command, Some(Command::Serve));
        let sources = cli.options.sources(Vec::new()).unwrap();
        assert_eq!(sources.arguments, [("port", 7.into()), ("parsimony.dataDir", "d".into())]);
        let cli = Cli::parse_from(["parsimony", "--config", "/nowhere/at/all"]);
        assert_eq!(cli.command, None);
        assert!(cli.options.sources(Vec::new()).unwrap_err().contains("/nowhere/at/all"));
    }
}
