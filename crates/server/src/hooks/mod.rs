//! Hook scripts: the administrator's folder of them, and `parsimony hooks`, which asks a running server.

pub(crate) mod folder;
pub(crate) mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use parsimony_cloud::{Application, Effects, Fault, Interpreter, Registry, Script};
use parsimony_connectors::Http;
use parsimony_model::{Map, map};
use parsimony_script::{Limits, Outside, Rhai};
use reqwest::Method;
use serde_json::Value;

use crate::cli::CliOptions;
use crate::config::Config;
use crate::say;
use crate::schema::Whose;
use crate::schema::remote::{OVERTAKEN, Refused, Remote};

/// `parsimony hooks …`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Hooks {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    whose: Whose,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
enum What {
    /// Say what is wrong with the scripts of a folder, beside those of the applications; no server is asked.
    Check {
        /// The folder with the scripts.
        #[arg(long, value_name = "DIR", default_value = "hooks")]
        dir: PathBuf,
    },
    /// Store the scripts of a folder in a server; they serve from then on.
    Push {
        /// Only these.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// The folder with the scripts.
        #[arg(long, value_name = "DIR", default_value = "hooks")]
        dir: PathBuf,
        #[command(flatten)]
        said: Author,
    },
    /// List the scripts that serve.
    List,
    /// The versions of a script, newest first, each with what it changed.
    History {
        /// The name of the script.
        name: String,
    },
    /// Make an older version of a script the newest one.
    Rollback {
        /// The name of the script.
        name: String,
        /// The version [default: the one before]; 0 takes what is stored away.
        version: Option<u32>,
        #[command(flatten)]
        said: Author,
    },
}

/// Who it was.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
struct Author {
    /// Who changes it, for the history [default: the user of this machine].
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
}

/// The server refused: the exit code.
const REFUSED: u8 = 4;

/// Somebody else was first: the exit code.
const WAS_OVERTAKEN: u8 = 5;

/// Does it. The error is a sentence.
pub(crate) fn obey(hooks: Hooks, options: CliOptions, applications: Vec<Application>) -> Result<ExitCode, String> {
    if let What::Check { dir } = &hooks.what {
        let scripts = folder::read(dir)?;
        let limits = Config::script_limits(options.sources(crate::cli::environment())?)?;
        let faults = check(applications, &scripts, limits)?;
        for fault in &faults {
            say(&mut std::io::stderr(), &format!("{fault}\n"));
        }
        if faults.is_empty() {
            say(&mut std::io::stdout(), &format!("{} script(s), nothing wrong.\n", scripts.len()));
        }
        return Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) });
    }
    let remote = Remote::find(&hooks.whose, options, crate::cli::environment())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("The runtime cannot start: {error}."))?;
    let terminal = Terminal { remote, json: hooks.whose.json };
    match runtime.block_on(terminal.obey(hooks.what)) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(Refused { code: None, text, .. }) => Err(text),
        Err(Refused { code, text, .. }) => {
            say(&mut std::io::stderr(), &format!("{text}\n"));
            Ok(ExitCode::from(if code == Some(OVERTAKEN) { WAS_OVERTAKEN } else { REFUSED }))
        }
    }
}

/// Everything that is wrong with these scripts beside those of the applications.
fn check(applications: Vec<Application>, files: &[Script], limits: Limits) -> Result<Vec<String>, String> {
    let registry = Registry::new(applications)?;
    let overridden = |own: &&Script| !files.iter().any(|file| file.name == own.name);
    let scripts: Vec<Script> = registry.scripts().iter().filter(overridden).chain(files).cloned().collect();
    let outside = Outside { http: Arc::new(Http::new()), hosts: Vec::new() };
    Ok(match Rhai::new(limits, &outside).compile(&scripts, Effects::None) {
        Err(faults) => faults.iter().map(Fault::to_string).collect(),
        Ok(compiled) => registry.with_beside(&compiled.layer).err().into_iter().collect(),
    })
}

/// Whoever typed it.
struct Terminal {
    remote: Remote,
    json: bool,
}

fn text<'a>(told: &'a Value, key: &str) -> &'a str {
    told.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn results(told: &Value) -> &[Value] {
    told.get("results").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn body(said: &Author) -> Map {
    let user = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| {
        crate::cli::environment().into_iter().find(|(variable, value)| variable == name && !value.is_empty())
    });
    map! { "author" => said.author.clone().or(user.map(|(_, user)| user)) }
}

fn path(name: &str, what: &str) -> String {
    format!("hooks/scripts/{name}{what}")
}

impl Terminal {
    async fn obey(&self, what: What) -> Result<(), Refused> {
        match what {
            What::Check { .. } => Ok(()),
            What::Push { names, dir, said } => self.push(&names, &dir, &said).await,
            What::List => {
                let told = self.remote.at(Method::GET, "hooks/scripts", None).await?;
                self.show(&told, &listed(&told));
                Ok(())
            }
            What::History { name } => {
                let told = self.remote.at(Method::GET, &path(&name, "/history"), None).await?;
                self.show(&told, &results(&told).iter().map(shown).collect::<String>());
                Ok(())
            }
            What::Rollback { name, version, said } => {
                let mut body = body(&said);
                if let Some(version) = version {
                    body.insert("to".into(), f64::from(version).into());
                }
                let told = self.remote.at(Method::POST, &path(&name, "/rollback"), Some(body)).await?;
                self.show(&told, &stored(&told));
                Ok(())
            }
        }
    }

    /// Stores what differs from what serves.
    async fn push(&self, names: &[String], dir: &std::path::Path, said: &Author) -> Result<(), Refused> {
        let local = |text: String| Refused { code: None, text, lost: false };
        let scripts = folder::read(dir).map_err(local)?;
        if let Some(missing) = names.iter().find(|name| !scripts.iter().any(|script| script.name == **name)) {
            return Err(local(format!("There is no {missing}.rhai in {}.", dir.display())));
        }
        let wanted = scripts.iter().filter(|script| names.is_empty() || names.contains(&script.name));
        let mut changed = Vec::new();
        for script in wanted {
            let mut body = body(said);
            match self.remote.at(Method::GET, &path(&script.name, ""), None).await {
                Ok(served) if text(&served, "text") == &*script.text => continue,
                Ok(served) => drop(body.insert("expect".into(), served.get("version").and_then(Value::as_f64).into())),
                // There is none of this name yet.
                Err(refused) if refused.code.is_some() => {}
                Err(refused) => return Err(refused),
            }
            body.insert("text".into(), (*script.text).into());
            let told = self.remote.at(Method::PUT, &path(&script.name, ""), Some(body)).await?;
            if !self.json {
                self.show(&told, &stored(&told));
            }
            changed.push(told);
        }
        let nothing = if changed.is_empty() { "Nothing differs.\n" } else { "" };
        self.show(&serde_json::json!({ "results": changed }), nothing);
        Ok(())
    }

    fn show(&self, told: &Value, text: &str) {
        say(&mut std::io::stdout(), &if self.json { format!("{told:#}\n") } else { text.to_owned() });
    }
}

fn listed(told: &Value) -> String {
    let line = |script: &Value| {
        let hooks = script.get("hooks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let hooks: Vec<&str> = hooks.iter().filter_map(Value::as_str).collect();
        format!("{}: {} ({})\n", text(script, "name"), hooks.join(", "), text(script, "source"))
    };
    let mut lines: String = results(told).iter().map(line).collect();
    if let Some(failure) = told.get("failure").filter(|failure| !failure.is_null()) {
        let faults = failure.get("faults").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let told = faults.iter().filter_map(Value::as_str).map(|fault| format!("  {fault}\n"));
        lines.extend(std::iter::once(format!("Not served since {}:\n", text(failure, "at"))).chain(told));
    }
    lines
}

fn shown(version: &Value) -> String {
    let gone = if version.get("deleted").and_then(Value::as_bool).unwrap_or_default() { ", taken away" } else { "" };
    let (number, at, author) =
        (version.get("version").cloned().unwrap_or_default(), text(version, "at"), text(version, "author"));
    format!("version {number} by {author} at {at}{gone}\n{}\n", text(version, "diff"))
}

fn stored(told: &Value) -> String {
    format!("{} is stored as version {}.\n", text(told, "name"), told.get("version").cloned().unwrap_or_default())
}
