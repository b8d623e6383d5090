//! Are the contracts' artefacts those of their sources? They are written, or compared.

use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::Args;

use crate::{install, shell};

/// Whether to write or to compare.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Writes nothing, and fails if something would be written.
    #[arg(long)]
    check: bool,
}

/// Compiles with the compiler that `package.json` names.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let folder = install::node_packages(install::CONTRACTS)?;
    let mut npm = Command::new("npm");
    npm.args(["run", "--silent", if options.check { "check" } else { "build" }]).current_dir(folder);
    shell::run(npm)?;
    Ok(ExitCode::SUCCESS)
}
