//! Where are the programs that tests and benchmarks run, which are not ours and not built here?

use std::env;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

/// A tool is not on this machine yet.
#[derive(Debug, thiserror::Error)]
#[error("{} is missing: run `cargo xtask test` once, it installs what the tests need", path.display())]
pub struct Missing {
    path: PathBuf,
}

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// Where cargo writes: `target`, unless `CARGO_TARGET_DIR` says otherwise.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        // A relative one is meant from where cargo was called, and that is the root in all but odd cases.
        Some(folder) => workspace().join(folder),
        None => workspace().join("target"),
    }
}

/// The folder of the tools: `target/tools`.
pub fn folder() -> PathBuf {
    target().join("tools")
}

/// The MongoDB server.
pub fn mongod() -> Result<PathBuf, Missing> {
    let path = folder().join("mongod");
    if path.is_file() { Ok(path) } else { Err(Missing { path }) }
}

/// The folder of the contracts; the compiler and the chain that tests run them on are among its packages.
pub fn contracts() -> PathBuf {
    workspace().join("cloud/digital-assets/contracts")
}

/// The chain for tests.
pub fn anvil() -> Result<PathBuf, Missing> {
    let path = contracts().join("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil");
    if path.is_file() { Ok(path) } else { Err(Missing { path }) }
}

/// A port of 127.0.0.1 that was free a moment ago.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_the_folder_with_the_lock_file() {
        assert!(workspace().join("Cargo.lock").is_file());
        assert!(folder().ends_with("tools"));
    }

    #[test]
    fn a_missing_tool_says_which_command_brings_it() {
        let error = Missing { path: folder().join("mongod") };
        assert!(error.to_string().contains("cargo xtask test"), "{error}");
    }
}
