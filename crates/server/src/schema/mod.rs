//! `parsimony schema`: how does a deploy script make the classes of a running server what files say?

mod diff;
mod files;
pub(crate) mod remote;
#[cfg(test)]
mod tests;

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use parsimony_model::{Map, Value as Body, map};
use serde_json::{Value, json};

use crate::cli::CliOptions;
use crate::say;
use remote::{Refused, Remote};

/// `parsimony schema …`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Schema {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    whose: Whose,
}

/// Which server, and how it is told.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct Whose {
    /// The URL of the server, mount path included [default: serverURL of the configuration, or this machine].
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
    /// The application id [default: as the server's: configuration, environment, or what it keeps in its data folder].
    #[arg(long, global = true, value_name = "ID")]
    app_id: Option<String>,
    /// The master key [default: as the application id; `PARSE_SERVER_MASTER_KEY` hides it from other users of the machine].
    #[arg(long, global = true, value_name = "KEY")]
    master_key: Option<String>,
    /// Answer in JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
enum What {
    /// Say what a push would change, and what the data says to it.
    Plan {
        #[command(flatten)]
        wanted: Wanted,
        #[command(flatten)]
        allowed: Allowed,
        /// End with 3 if there is something to change.
        #[arg(long)]
        exit_code: bool,
    },
    /// Make the classes what the files say.
    Push {
        #[command(flatten)]
        wanted: Wanted,
        #[command(flatten)]
        allowed: Allowed,
        #[command(flatten)]
        said: Said,
    },
    /// Write the classes of the server as files.
    Pull {
        /// Only these classes.
        #[arg(value_name = "CLASS")]
        classes: Vec<String>,
        /// The folder with the files.
        #[arg(long, value_name = "DIR", default_value = "schemas")]
        dir: PathBuf,
    },
    /// List what was pushed, newest first; one push, whole.
    History {
        /// The number of a push.
        number: Option<u64>,
        /// How many at most.
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: u64,
    },
    /// Take the classes back to what they were before a push, the last one unless a number is given.
    Rollback {
        /// The number of a push; those after it are taken back too.
        number: Option<u64>,
        #[command(flatten)]
        allowed: Allowed,
        #[command(flatten)]
        said: Said,
    },
}

/// The files, and how they are meant.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
struct Wanted {
    /// The folder with the files: DIR/**/*.json, one class each.
    #[arg(long, value_name = "DIR", default_value = "schemas")]
    dir: PathBuf,
    /// Drop fields that the file of their class does not mention, with their values.
    #[arg(long)]
    delete_extra_fields: bool,
    /// Drop indexes that the file of their class does not mention.
    #[arg(long)]
    delete_unknown_indexes: bool,
}

/// What may happen to the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
struct Allowed {
    /// Let values go with their field, and objects with their class.
    #[arg(long)]
    allow_destructive: bool,
    /// Require values although there are objects without them.
    #[arg(long)]
    allow_missing: bool,
}

/// What a push is told besides.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
struct Said {
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// Who pushes, for the history [default: the user of this machine].
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
}

/// How it went, as the exit code tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// 0: done, or nothing was to do.
    Done,
    /// 3: there is something to change.
    Waiting,
    /// 4: the data stands in the way, or somebody said no.
    Refused,
    /// 5: another push was first.
    Overtaken,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Done => 0,
            Outcome::Waiting => 3,
            Outcome::Refused => 4,
            Outcome::Overtaken => 5,
        })
    }
}

/// Does it. The error is a sentence.
pub(crate) fn obey(schema: Schema, options: CliOptions) -> Result<ExitCode, String> {
    let environment = crate::cli::environment();
    let user = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| {
        environment
            .iter()
            .find(|(variable, value)| variable == name && !value.is_empty())
            .map(|(_, value)| value.clone())
    });
    let remote = Remote::find(&schema.whose, options, environment)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("The runtime cannot start: {error}."))?;
    let terminal = Terminal { json: schema.whose.json, user };
    runtime.block_on(terminal.obey(&remote, schema.what)).map(ExitCode::from)
}

/// Whoever typed it.
struct Terminal {
    json: bool,
    user: Option<String>,
}

impl Allowed {
    fn put_into(self, body: &mut Map) {
        body.insert("allowDestructive".into(), self.allow_destructive.into());
        body.insert("allowMissing".into(), self.allow_missing.into());
    }
}

impl Wanted {
    fn body(&self, allowed: Allowed) -> Result<Map, String> {
        let definitions: Vec<Body> = files::read(&self.dir)?.into_iter().map(|file| file.definition).collect();
        if definitions.is_empty() {
            return Err(format!("There are no .json files in {}.", self.dir.display()));
        }
        let mut body = map! {
            "definitions" => definitions,
            "deleteExtraFields" => self.delete_extra_fields,
            "deleteUnknownIndexes" => self.delete_unknown_indexes,
        };
        allowed.put_into(&mut body);
        Ok(body)
    }
}

fn has(told: &Value, key: &str) -> bool {
    told.get(key).and_then(Value::as_array).is_some_and(|list| !list.is_empty())
}

impl Terminal {
    async fn obey(&self, remote: &Remote, what: What) -> Result<Outcome, String> {
        match what {
            What::Plan { wanted, allowed, exit_code } => {
                let told = remote.post("plan", wanted.body(allowed)?).await?;
                self.show(&told, &diff::plan(&told, self.colors()));
                Ok(match (has(&told, "refusals"), has(&told, "steps") && exit_code) {
                    (true, _) => Outcome::Refused,
                    (false, true) => Outcome::Waiting,
                    (false, false) => Outcome::Done,
                })
            }
            What::Push { wanted, allowed, said } => {
                let body = wanted.body(allowed)?;
                let told = remote.post("plan", body.clone()).await?;
                self.carry_out(remote, "push", (body, told), said).await
            }
            What::Rollback { number, allowed, said } => {
                let mut body = Map::default();
                allowed.put_into(&mut body);
                if let Some(number) = number {
                    body.insert("number".into(), (number as f64).into());
                }
                let mut asking = body.clone();
                asking.insert("dryRun".into(), true.into());
                let told = remote.post("rollback", asking).await?;
                // What was shown is what is taken back, whatever is pushed meanwhile.
                body.insert("number".into(), told.get("number").and_then(Value::as_f64).into());
                self.carry_out(remote, "rollback", (body, told), said).await
            }
            What::Pull { classes, dir } => {
                let pulled = remote.definitions().await?;
                let kept = files::read_if_there(&dir)?;
                let differing = self.differing(remote, &kept).await?;
                let written = files::write(&dir, &kept, &pulled, |class, file| {
                    if classes.is_empty() {
                        differing(class, file)
                    } else {
                        classes.iter().any(|wanted| wanted == class)
                    }
                })?;
                let lines: Vec<String> = written.iter().map(|path| format!("{}\n", path.display())).collect();
                let paths: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
                self.show(
                    &json!({ "written": paths }),
                    &if lines.is_empty() { "Nothing differs.\n".to_owned() } else { lines.concat() },
                );
                Ok(Outcome::Done)
            }
            What::History { number: Some(number), .. } => {
                let told = remote.get(&format!("history?number={number}")).await?;
                self.show(&told, &diff::push(&told, self.colors()));
                Ok(Outcome::Done)
            }
            What::History { number: None, limit } => {
                let told = remote.get(&format!("history?limit={limit}")).await?;
                self.show(&told, &diff::history(&told));
                Ok(Outcome::Done)
            }
        }
    }

    /// Which classes a pull without names writes: those that differ from their files, and those without one that are not
    /// just as Parse makes them.
    async fn differing(&self, remote: &Remote, kept: &[files::File]) -> Result<impl Fn(&str, bool) -> bool, String> {
        let definitions: Vec<Body> = kept.iter().map(|file| file.definition.clone()).collect();
        let told = remote.post("plan", map! { "definitions" => definitions }).await?;
        let listed = |key: &str| {
            let list = told.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
            let class = |one: &Value| one.get("class").and_then(Value::as_str).map(str::to_owned);
            list.iter().filter_map(class).collect::<Vec<String>>()
        };
        let (steps, kept) = (listed("steps"), listed("kept"));
        Ok(move |class: &str, has_file: bool| {
            if has_file {
                return steps.iter().chain(&kept).any(|differing| differing == class);
            }
            !class.starts_with('_')
        })
    }

    async fn carry_out(
        &self,
        remote: &Remote,
        what: &str,
        (mut body, told): (Map, Value),
        said: Said,
    ) -> Result<Outcome, String> {
        if !self.json {
            self.show(&told, &diff::plan(&told, self.colors()));
        }
        let empty = !has(&told, "steps");
        if empty || has(&told, "refusals") {
            if self.json {
                self.show(&told, "");
            }
            return Ok(if empty { Outcome::Done } else { Outcome::Refused });
        }
        if !said.yes && !agreed(what)? {
            return Ok(Outcome::Refused);
        }
        body.insert("expect".into(), told.get("digest").and_then(Value::as_str).into());
        if let Some(author) = said.author.or_else(|| self.user.clone()) {
            body.insert("author".into(), author.into());
        }
        match remote.push(what, body).await {
            Ok(done) => {
                self.show(&done, &diff::done(&done));
                Ok(Outcome::Done)
            }
            Err(refused) => {
                let outcome = match refused {
                    Refused { code: Some(remote::OVERTAKEN), .. } => Outcome::Overtaken,
                    Refused { code: Some(remote::OBJECTION), .. } => Outcome::Refused,
                    Refused { text, .. } => return Err(text),
                };
                if self.json {
                    self.show(&json!({ "code": refused.code, "error": refused.text }), "");
                }
                say(&mut std::io::stderr(), &format!("{}\n", refused.text));
                Ok(outcome)
            }
        }
    }

    fn colors(&self) -> bool {
        !self.json && std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
    }

    fn show(&self, told: &Value, text: &str) {
        let json = || format!("{told:#}\n");
        say(&mut std::io::stdout(), &if self.json { json() } else { text.to_owned() });
    }
}

/// Asks whoever sits at the terminal.
fn agreed(what: &str) -> Result<bool, String> {
    if !std::io::stdin().is_terminal() {
        return Err(format!("Nobody can be asked here: say --yes to {what} without being asked."));
    }
    let mut out = std::io::stderr();
    say(&mut out, "\nCarry this out? [y/N] ");
    out.flush().unwrap_or_default();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| format!("The answer cannot be read: {error}."))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
