//! What does one type to test, check, measure and run the project? `cargo xtask test | record | ci | bench | contracts | mongod`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod bench;
mod contracts;
mod install;
mod interrupt;
mod mongod;
mod record;
mod shell;
mod test;
#[cfg(test)]
mod tidy;

use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};
use parsimony_testkit::tools;

/// The chores of the Parsimony workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Runs every ring of tests; installs what they need first.
    Test(test::Options),
    /// Asks Parse Server the scenarios of `tests/wire` and writes down its answers.
    Record(record::Options),
    /// Runs what CI runs: the format, the lints and every ring of tests.
    Ci,
    /// Compiles the contracts of the digital assets anew, or checks that they were.
    Contracts(contracts::Options),
    /// Runs a MongoDB for development until Ctrl-C.
    Mongod(mongod::Options),
    /// Measures this server, Parse Server, `PocketBase` and bare handlers side by side.
    Bench(bench::Options),
    /// The bare handlers that `bench` compares with, as a process of their own.
    #[command(hide = true)]
    BenchBare(bench::bare::Options),
}

fn main() -> ExitCode {
    match run(Arguments::parse().chore) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<ExitCode> {
    match chore {
        Chore::Test(options) => test::run(&options),
        Chore::Record(options) => record::run(&options),
        Chore::Ci => {
            shell::run(Command::new(tools::workspace().join(".ci/run")))?;
            Ok(ExitCode::SUCCESS)
        }
        Chore::Contracts(options) => contracts::run(&options),
        Chore::Mongod(options) => mongod::run(&options),
        Chore::Bench(options) => bench::run(&options),
        Chore::BenchBare(options) => bench::bare::run(&options),
    }
}
