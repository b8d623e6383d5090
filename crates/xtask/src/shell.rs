//! How are other programs called, so that a failure says which one and what to do?

use std::env;
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result, bail};
use parsimony_testkit::tools;

/// A cargo as if called by hand in the root of the workspace.
///
/// The cargo that runs us has described this package in our environment. Some build scripts (ring's, under rustls) take
/// note of that, and everything above them would be built anew each time it changes.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(tools::workspace());
    let about_us = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| about_us.iter().any(|about| name.starts_with(about))) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a program to its end, and refuses when it fails.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let status = command.status().with_context(|| missing(&command))?;
    if status.success() { Ok(()) } else { bail!("{} failed: {status}", name(&command)) }
}

/// Runs a program to its end and gives back what it wrote.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let output = command.output().with_context(|| missing(&command))?;
    if !output.status.success() {
        bail!("{} failed: {}\n{}", name(&command), output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program and shows each line it writes, at once, after `seen` had a look at it.
pub(crate) fn stream(mut command: Command, mut seen: impl FnMut(&str)) -> Result<ExitStatus> {
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| missing(&command))?;
    if let Some(out) = child.stdout.take() {
        for line in BufReader::new(out).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            seen(&line);
            println!("{line}");
        }
    }
    Ok(child.wait()?)
}

/// Refuses, in a sentence, when a program is not on this machine.
pub(crate) fn need(program: &str, argument: &str, what_for: &str) -> Result<String> {
    match Command::new(program).arg(argument).output() {
        Ok(output) => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("`{program}` is not on the PATH; it is needed {what_for}")
        }
        Err(error) => Err(error).with_context(|| format!("`{program}` could not be run")),
    }
}

fn missing(command: &Command) -> String {
    format!("`{}` could not be run", name(command))
}

/// The first words of a command, without scripts.
fn name(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(|word| word.display().to_string());
    words.filter(|word| !word.contains('\n')).take(4).collect::<Vec<_>>().join(" ")
}
