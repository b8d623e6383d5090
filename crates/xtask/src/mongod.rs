//! How does one get a MongoDB to develop against?

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use parsimony_testkit::{Mongod, tools};
use tokio::runtime::Runtime;

use crate::install;

const MEMBERS: u16 = 3;

/// What to start.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A replica set of three members instead of one standalone process.
    #[arg(long)]
    replica_set: bool,
    /// The port; a replica set takes the two after it as well. Free ones if not given.
    #[arg(long)]
    port: Option<u16>,
}

/// Runs it until Ctrl-C.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    install::mongod()?;
    Runtime::new()?.block_on(async {
        let mongod = if options.replica_set {
            Mongod::replica_set_at(&ports(options.port)?).await?
        } else {
            Mongod::single_at(options.port.unwrap_or(0)).await?
        };
        println!("{}", mongod.uri());
        eprintln!("Its data goes away with it. Ctrl-C ends it.");
        tokio::signal::ctrl_c().await?;
        Ok(ExitCode::SUCCESS)
    })
}

fn ports(first: Option<u16>) -> Result<Vec<u16>> {
    let Some(first) = first else { return (0..MEMBERS).map(|_| Ok(tools::free_port()?)).collect() };
    match first.checked_add(MEMBERS - 1) {
        Some(last) => Ok((first..=last).collect()),
        None => bail!("there are no {MEMBERS} ports from {first} on"),
    }
}
