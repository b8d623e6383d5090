//! How are all tests run, in order, with one result?

mod counts;
mod failures;
mod programs;
mod ring;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use parsimony_testkit::{Mongod, mongod, tools};
use tokio::runtime::Runtime;

use self::counts::Counts;
use self::failures::Failures;
use self::programs::Programs;
use self::ring::Ring;
use crate::interrupt::Interrupt;
use crate::{install, shell};

/// Which tests to run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only the tests with this text in their name.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Only this ring.
    #[arg(long, value_name = "NAME")]
    ring: Option<Ring>,
}

/// Runs the rings in order and closes with a table. Fails when anything failed.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let runtime = Runtime::new()?;
    let interrupt = Interrupt::listen(&runtime);
    let rings: Vec<Ring> = options.ring.map_or_else(|| Ring::ALL.to_vec(), |ring| vec![ring]);

    install::mongod()?;
    // What is missing is told now, not after all the other rings.
    if rings.iter().any(|ring| ring.node_folder().is_some()) {
        install::node_packages(install::SDK_TESTS)?;
    }
    if rings.iter().any(|ring| ring.needs_chain()) {
        install::node_packages(install::CONTRACTS)?;
    }
    if rings.contains(&Ring::Sdk) {
        install::moto()?;
    }
    if rings.contains(&Ring::Dashboard) {
        install::node_packages("tests/dashboard")?;
        install::chromium()?;
    }
    let programs = programs::build()?;
    interrupt.check()?;
    let databases = Databases::start(&runtime, &rings)?;
    let (mut rows, mut failures) = (Vec::new(), Failures::default());
    for ring in rings {
        println!("\n=== {} — {}\n", ring.name(), ring.answers());
        let start = Instant::now();
        let mut counts = Counts::default();
        let (interrupt, databases) = (&interrupt, &databases);
        Session { options, interrupt, databases, counts: &mut counts, failures: &mut failures }.run(ring, &programs)?;
        if counts.ran() == 0 && options.filter.is_none() {
            failures.add(format!("No test of the ring {} ran: a ring that checks nothing fails.", ring.name()));
            counts.failed += 1;
        }
        rows.push((ring.name(), counts, start.elapsed()));
    }
    println!("\n{}\n{}", failures.told(), counts::table(&rows));
    if rows.iter().all(|(_, counts, _)| counts.ran() == 0) {
        bail!("no test has that in its name");
    }
    if rows.iter().any(|(_, counts, _)| counts.failed > 0) { Ok(ExitCode::FAILURE) } else { Ok(ExitCode::SUCCESS) }
}

/// The databases the tests talk to; they end with this value.
struct Databases {
    standalone: Option<Mongod>,
    replica_set: Option<Mongod>,
}

impl Databases {
    fn start(runtime: &Runtime, rings: &[Ring]) -> Result<Self> {
        if !rings.iter().any(|ring| ring.needs_mongo()) {
            return Ok(Self { standalone: None, replica_set: None });
        }
        let standalone = runtime.block_on(Mongod::single())?;
        let replica_set = runtime.block_on(Mongod::replica_set(1))?;
        Ok(Self { standalone: Some(standalone), replica_set: Some(replica_set) })
    }

    fn tell(&self, command: &mut Command) {
        if let Some(mongod) = &self.standalone {
            command.env(mongod::STANDALONE_VARIABLE, mongod.uri());
        }
        if let Some(mongod) = &self.replica_set {
            command.env(mongod::REPLICA_SET_VARIABLE, mongod.uri());
        }
    }
}

/// One ring while it runs.
struct Session<'a> {
    options: &'a Options,
    interrupt: &'a Interrupt,
    databases: &'a Databases,
    counts: &'a mut Counts,
    failures: &'a mut Failures,
}

impl Session<'_> {
    fn run(&mut self, ring: Ring, programs: &Programs) -> Result<()> {
        if let Some(folder) = ring.node_folder() {
            return self.node(folder, &programs.server);
        }
        for program in programs.tests.iter().filter(|program| Ring::of(&program.package, &program.target) == ring) {
            println!("--- {} {}", program.package, program.target);
            let mut command = program.command();
            command.args(&self.options.filter);
            self.watch(command, &program.package)?;
        }
        if ring == Ring::Unit { self.doctests() } else { Ok(()) }
    }

    fn doctests(&mut self) -> Result<()> {
        println!("--- doctests");
        let mut cargo = shell::cargo();
        cargo.args(["test", "--workspace", "--doc", "--quiet", "--no-fail-fast"]);
        if let Some(filter) = &self.options.filter {
            cargo.args(["--", filter]);
        }
        self.watch(cargo, "doctests")
    }

    /// Tests for Node against the server's binary, once per store.
    fn node(&mut self, folder: &str, server: &Path) -> Result<()> {
        let folder = tools::workspace().join(folder);
        for store in ["sqlite", "mongodb"] {
            println!("--- {store}");
            let mut node = Command::new("node");
            node.args(["--test", "--test-reporter=spec"]).current_dir(&folder);
            if let Some(filter) = &self.options.filter {
                node.arg(format!("--test-name-pattern={filter}"));
            }
            node.env("PARSIMONY_BIN", server).env("PARSIMONY_SDK_STORES", store).env("NO_COLOR", "1");
            self.watch(node, store)?;
        }
        Ok(())
    }

    /// Runs one program of tests, shows what it says and counts it.
    fn watch(&mut self, mut command: Command, what: &str) -> Result<()> {
        self.databases.tell(&mut command);
        let failed_before = self.counts.failed;
        self.failures.begin();
        let status = shell::stream(command, |line| {
            self.counts.read(line);
            self.failures.read(line);
        })?;
        self.interrupt.check()?;
        if !status.success() && self.counts.failed == failed_before {
            self.failures.add(format!("{what} ended with {status} and named no failed test: counted as one failure."));
            self.counts.failed += 1;
        }
        Ok(())
    }
}
