//! Which programs hold the Rust tests?
//!
//! They are built once for the whole workspace, the server too, and run by us, package by package. A `cargo test -p` per
//! ring would build the dependencies several times: each selection of packages asks for other features of them.

use std::collections::HashMap;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::{Message, MetadataCommand, PackageId};
use parsimony_testkit::tools;

use crate::shell;

/// The tests of one target: a library, a binary or a file in `tests/`.
#[derive(Debug)]
pub(crate) struct Program {
    /// The package it belongs to.
    pub(crate) package: String,
    /// The target's name.
    pub(crate) target: String,
    folder: PathBuf,
    executable: PathBuf,
}

impl Program {
    /// The command that runs it the way cargo does.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder).env("CARGO_PKG_NAME", &self.package);
        command
    }
}

/// What one build of the workspace gives.
#[derive(Debug)]
pub(crate) struct Programs {
    /// Every program of tests, in the order they run.
    pub(crate) tests: Vec<Program>,
    /// The server's binary.
    pub(crate) server: PathBuf,
}

/// Builds every test of the workspace, and its binaries.
pub(crate) fn build() -> Result<Programs> {
    println!("Building the tests and the server");
    let mut cargo = shell::cargo();
    cargo.args(["build", "--workspace", "--bins", "--tests"]);
    let names = packages()?;
    let (mut tests, mut server) = (Vec::new(), None);
    for artifact in artifacts(cargo)? {
        let (Some(package), Some(executable)) = (names.get(&artifact.package_id), artifact.executable) else {
            continue;
        };
        if artifact.profile.test {
            let folder = artifact.manifest_path.parent().map(Into::into).unwrap_or_default();
            let (package, target) = (package.clone(), artifact.target.name);
            tests.push(Program { package, target, folder, executable: executable.into() });
        } else if artifact.target.name == "parsimony" {
            server = Some(executable.into());
        }
    }
    tests.sort_by(|left, right| (&left.package, &left.target).cmp(&(&right.package, &right.target)));
    Ok(Programs { tests, server: server.context("the workspace has no binary named parsimony")? })
}

fn packages() -> Result<HashMap<PackageId, String>> {
    let manifest = tools::workspace().join("Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec()?;
    Ok(metadata.packages.into_iter().map(|package| (package.id, package.name)).collect())
}

fn artifacts(mut cargo: Command) -> Result<Vec<cargo_metadata::Artifact>> {
    cargo.arg("--message-format=json-render-diagnostics").stdout(Stdio::piped());
    let mut child = cargo.spawn().context("cargo could not be run")?;
    let mut found = Vec::new();
    if let Some(out) = child.stdout.take() {
        for message in Message::parse_stream(BufReader::new(out)) {
            if let Message::CompilerArtifact(artifact) = message? {
                found.push(artifact);
            }
        }
    }
    if child.wait()?.success() { Ok(found) } else { bail!("it does not compile") }
}
