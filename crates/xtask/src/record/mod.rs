//! How do the replies get into the scenarios of `tests/wire`? Parse Server is asked, and its answers are written down.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use futures::{StreamExt as _, stream};
use parsimony_testkit::mongod::Mongod;
use parsimony_testkit::tether::Tethered;
use parsimony_testkit::tools;
use parsimony_testkit::wire::{Areas, Player, Reply, Scenario, put_given, servers, wait_until_it_answers};
use serde_json::{Map, Value, json};

use crate::install;

const START_SECONDS_MAX: u64 = 60;

/// What to record.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only the scenarios with this text in their path and name: `queries/geo`, `near`.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Only the scenarios with a step that has no reply yet.
    #[arg(long)]
    missing: bool,
    /// How many Parse Servers run at the same time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

impl Options {
    fn choose(&self, area: &str, scenario: &Scenario) -> bool {
        let wanted = self.filter.as_ref().is_none_or(|text| format!("{area}: {}", scenario.name).contains(text));
        wanted && (!self.missing || scenario.steps.iter().any(|step| step.reply.is_none()))
    }
}

/// Records, and writes the files anew: a change in them is a change of Parse Server's answers, or a new step.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    install::mongod()?;
    install::node_packages(install::SDK_TESTS)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            result = record(options) => result,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })
}

async fn record(options: &Options) -> Result<ExitCode> {
    let Areas(mut areas) = Areas::read().map_err(|error| anyhow!(error))?;
    let oracles = Oracles::prepare().await?;
    let chosen: Vec<(usize, usize)> = areas
        .iter()
        .enumerate()
        .flat_map(|(at, (name, area))| {
            let chosen = area.scenarios.iter().enumerate().filter(|(_, scenario)| options.choose(name, scenario));
            chosen.map(move |(index, _)| (at, index))
        })
        .collect();
    let answers: Vec<(usize, usize, Result<Vec<Reply>>)> = {
        let (areas, oracles) = (&areas, &oracles);
        let asked = chosen.into_iter().filter_map(|(at, index)| {
            let (name, area) = areas.get(at)?;
            let scenario = area.scenarios.get(index)?;
            Some(async move {
                println!("{name}: {}", scenario.name);
                (at, index, oracles.ask(scenario).await)
            })
        });
        stream::iter(asked).buffer_unordered(options.jobs.max(1)).collect().await
    };
    let (mut exchanges, mut failures) = (0, 0);
    for (at, index, answer) in answers {
        let Some((name, area)) = areas.get_mut(at) else { continue };
        let Some(scenario) = area.scenarios.get_mut(index) else { continue };
        match answer {
            Ok(replies) => {
                exchanges += replies.len();
                scenario.steps.iter_mut().zip(replies).for_each(|(step, reply)| step.reply = Some(reply));
            }
            Err(error) => {
                failures += 1;
                eprintln!("{name}: {}: {error:#}", scenario.name);
            }
        }
    }
    for (name, area) in &areas {
        Areas::write(name, area).map_err(|error| anyhow!(error))?;
    }
    println!("{exchanges} exchanges recorded; {failures} scenarios could not be");
    Ok(if failures > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What the Parse Servers share.
struct Oracles {
    mongod: Mongod,
    folder: tempfile::TempDir,
    servers: Map<String, Value>,
    modules: PathBuf,
    started: AtomicUsize,
}

impl Oracles {
    async fn prepare() -> Result<Self> {
        Ok(Self {
            mongod: Mongod::replica_set(1).await?,
            folder: tempfile::tempdir()?,
            servers: servers().map_err(|error| anyhow!(error))?,
            modules: install::node_packages(install::SDK_TESTS)?.join("node_modules"),
            started: AtomicUsize::new(0),
        })
    }

    /// Asks every step of a scenario, on a server and a database of its own.
    async fn ask(&self, scenario: &Scenario) -> Result<Vec<Reply>> {
        let mut options = self.servers.get(&scenario.server).context("servers.json does not name its server")?.clone();
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let port = tools::free_port()?;
        let url = format!("http://127.0.0.1:{port}/parse");
        let database = self.mongod.uri_for(&format!("record{number}"));
        put_given(&database, scenario).await.map_err(|error| anyhow!(error))?;
        let own = json!({ "port": port, "serverURL": url, "databaseURI": database });
        if let (Some(options), Value::Object(own)) = (options.as_object_mut(), own) {
            options.extend(own);
        }
        let log = self.folder.path().join(format!("{number}.log"));
        let _oracle = self.start(&options, &log)?;
        if let Err(error) = wait_until_it_answers(&url, Duration::from_secs(START_SECONDS_MAX)).await {
            bail!("{error}; Parse Server said:\n{}", fs::read_to_string(&log)?);
        }
        let mut player = Player::new(&url, &options).map_err(|error| anyhow!(error))?;
        let mut replies = Vec::with_capacity(scenario.steps.len());
        for step in &scenario.steps {
            let reply = player.play(scenario, step).await;
            replies.push(reply.map_err(|error| anyhow!("{}: {error}", step.ask))?);
        }
        Ok(replies)
    }

    fn start(&self, options: &Value, log: &PathBuf) -> Result<Tethered> {
        let root = tools::workspace();
        let mut command = Command::new("node");
        command.arg(root.join("crates/xtask/src/record/parse-server.cjs")).arg(options.to_string());
        command.arg(root.join("tests/wire/cloud.cjs"));
        command.env("NODE_PATH", &self.modules).env("NODE_ENV", "production").current_dir(self.folder.path());
        let out = File::create(log)?;
        command.stdout(out.try_clone()?).stderr(out);
        Tethered::spawn(&mut command).context("Parse Server could not be started")
    }
}
