//! How quick and how small is this server, next to the others, on this machine, in one run?

mod applications;
pub(crate) mod bare;
mod growth;
mod http;
mod live;
mod load;
mod report;
mod seed;
mod subject;
mod workload;

use std::cell::Cell;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum as _};
use parsimony_testkit::tools;
use tokio::task::LocalSet;
use tokio::time::sleep;

use self::load::{Measure, Plan, drive};
use self::report::{CONNECTIONS_JUDGED, Report, Speed};
use self::subject::{Ground, Running, Subject};
use self::workload::{Requests, Workload};
use crate::shell;

const WARM_UP_SECONDS: u64 = 1;
const STARTS: usize = 3;
/// Long enough for a server to finish what it does after its start.
const REST_SECONDS: u64 = 2;
const SAMPLE_MILLIS: u64 = 100;
/// Above this something else takes a share worth mentioning.
const BUSY_LOAD: f64 = 0.5;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long each workload is measured, after a second of warm-up.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Only this server or workload: bare, parsimony-mongo, parse-server, parsimony-sqlite, pocketbase;
    /// hello, create, scripted, get, update, query, count, saveall, relation, roles. Can be given several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// How many clients send at the same time.
    #[arg(long, value_delimiter = ',', default_values_t = [CONNECTIONS_JUDGED, 1])]
    connections: Vec<usize>,
    /// Instead: the cost of the same questions while a class grows from a thousand rows to so many.
    #[arg(long, value_name = "ROWS")]
    growth: Option<usize>,
    /// Instead: how soon a thousand LiveQuery subscribers in a hundred rooms hear of writes.
    #[arg(long)]
    live: bool,
    /// Instead: what functions of the shipped applications cost, next to the same writes at the store alone.
    #[arg(long)]
    applications: bool,
    /// Instead: a thousand signed webhooks each second, many of them twice and out of order, of a server that is killed.
    #[arg(long)]
    webhooks: bool,
    /// Writes the numbers to this file as well.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Measures and prints. The bench itself has to be quick, so it hands over to its own release build.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let choice = Choice::read(options)?;
    if cfg!(debug_assertions) {
        return hand_over(options, &choice);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    if let Some(rows_max) = options.growth {
        let grown = local.block_on(&runtime, growth::run(&choice.subjects, rows_max))?;
        return keep(options, &grown);
    }
    if options.live {
        return keep(options, &local.block_on(&runtime, live::run(&choice.subjects))?);
    }
    if options.applications {
        return keep(options, &local.block_on(&runtime, applications::run(options.seconds))?);
    }
    if options.webhooks {
        return keep(options, &local.block_on(&runtime, applications::deliveries::run())?);
    }
    let report = local.block_on(&runtime, async {
        tokio::select! {
            report = measure(options, &choice) => report,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    })?;
    println!("\n{}", report.tables());
    keep(options, &report)?;
    Ok(if report.has_failures() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Writes the numbers to the file that was asked for.
fn keep(options: &Options, numbers: &impl serde::Serialize) -> Result<ExitCode> {
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(numbers)?;
        std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What `--only` leaves.
struct Choice {
    subjects: Vec<Subject>,
    workloads: Vec<Workload>,
}

impl Choice {
    fn read(options: &Options) -> Result<Self> {
        let (mut subjects, mut workloads) = (Vec::new(), Vec::new());
        for name in &options.only {
            match (Subject::from_str(name, true), Workload::from_str(name, true)) {
                (Ok(subject), _) => subjects.push(subject),
                (_, Ok(workload)) => workloads.push(workload),
                _ => bail!("{name} is neither a server nor a workload; see --help"),
            }
        }
        if subjects.is_empty() {
            subjects = Subject::value_variants().to_vec();
        }
        if workloads.is_empty() {
            workloads = Workload::value_variants().to_vec();
        }
        Ok(Self { subjects, workloads })
    }
}

fn hand_over(options: &Options, choice: &Choice) -> Result<ExitCode> {
    let mut cargo = shell::cargo();
    cargo.args(["build", "--release", "--package", "xtask"]);
    if options.applications || options.webhooks {
        cargo.args(["--package", "parsimony"]);
    } else if choice.subjects.iter().any(|subject| subject.is_ours()) {
        cargo.args(["--package", "first-light"]);
    }
    shell::run(cargo)?;
    let mut bench = Command::new(tools::target().join("release/xtask"));
    let status = bench.args(std::env::args_os().skip(1)).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(options: &Options, choice: &Choice) -> Result<Report> {
    let cores = std::thread::available_parallelism()?.get();
    let mut report = Report { seconds: options.seconds, cores, load_before: load_average(), ..Report::default() };
    if report.load_before > BUSY_LOAD {
        println!("The machine is busy (load {}): the numbers will be off.", report.load_before);
    }
    let ground = Ground::prepare().await?;
    println!("{cores} cores for the server, its database and the bench\n{}", Speed::HEAD);
    for subject in &choice.subjects {
        Round { options, workloads: &choice.workloads, ground: &ground, subject: *subject }.run(&mut report).await?;
    }
    report.compare(&choice.workloads, &options.connections);
    Ok(report)
}

/// How many processes wanted a core within the last minute, on average.
fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default()
}

/// One server's turn; no other runs meanwhile.
struct Round<'a> {
    options: &'a Options,
    workloads: &'a [Workload],
    ground: &'a Ground,
    subject: Subject,
}

impl Round<'_> {
    async fn run(&self, report: &mut Report) -> Result<()> {
        let subject = self.subject;
        let mut starts = Vec::new();
        let mut server = Running::start(subject, self.ground).await?;
        starts.push(server.start.as_secs_f64() * 1000.0);
        for _ in 1..STARTS {
            drop(server);
            server = Running::start(subject, self.ground).await?;
            starts.push(server.start.as_secs_f64() * 1000.0);
        }
        sleep(Duration::from_secs(REST_SECONDS)).await;
        let idle_kb = server.resident_kb().context("the server has no resident memory")?;

        if subject == Subject::PocketBase {
            subject::prepare_pocketbase(self.ground, server.port).await?;
        }
        let given = seed::seed(server.port, subject, self.workloads).await.with_context(|| subject.name())?;
        let mut load_kb = idle_kb;
        for workload in self.workloads.iter().filter(|workload| workload.is_spoken_by(subject)) {
            for connections in &self.options.connections {
                let script = Requests::new(subject.dialect(), *workload, &given);
                let (measure, peak_kb) = self.watch(&server, script, *connections).await?;
                load_kb = load_kb.max(peak_kb);
                println!("{}", report.add(subject, *workload, *connections, &measure));
            }
        }
        report.add_footprint(subject, starts, idle_kb, load_kb);
        Ok(())
    }

    /// Drives the server and keeps an eye on its memory.
    async fn watch(&self, server: &Running, script: Requests, connections: usize) -> Result<(Measure, u64)> {
        let plan = Plan {
            connections,
            warm_up: Duration::from_secs(WARM_UP_SECONDS),
            measured: Duration::from_secs(self.options.seconds),
        };
        let peak_kb = Cell::new(0);
        let watched = async {
            loop {
                peak_kb.set(peak_kb.get().max(server.resident_kb().unwrap_or_default()));
                sleep(Duration::from_millis(SAMPLE_MILLIS)).await;
            }
        };
        tokio::select! {
            measure = drive(server.port, plan, Rc::new(script)) => Ok((measure?, peak_kb.get())),
            never = watched => never,
        }
    }
}
