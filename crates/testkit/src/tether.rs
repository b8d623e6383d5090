//! How does a child process end when its parent ends in any way, even killed?
//!
//! A second process, three words of shell, waits on a pipe that only the parent holds. The pipe closes when the parent
//! is gone, however it went, and then the child is killed. `PR_SET_PDEATHSIG` would end the child with the *thread* that
//! started it (a test's thread, say), and needs `unsafe`.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A running process that ends when this value is dropped or this process ends.
#[derive(Debug)]
pub struct Tethered {
    child: Child,
    watchdog: Child,
}

impl Tethered {
    /// Starts the command, in a process group of its own: Ctrl-C reaches us first, and we end it.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).process_group(0).spawn()?;
        match watch(child.id()) {
            Ok(watchdog) => Ok(Self { child, watchdog }),
            Err(error) => {
                end(&mut child);
                Err(error)
            }
        }
    }

    /// The process id, for `/proc`.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }
}

impl Drop for Tethered {
    fn drop(&mut self) {
        // The watchdog goes first: afterwards the id of the child may belong to another process.
        end(&mut self.watchdog);
        end(&mut self.child);
    }
}

fn watch(id: u32) -> io::Result<Child> {
    Command::new("sh")
        .args(["-c", r#"read -r _; kill -9 "$1""#, "watchdog", &id.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

fn end(child: &mut Child) {
    // Both fail only when it has already ended, which is what is wanted.
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::path::Path;

    use super::*;

    fn sleeper() -> Tethered {
        Tethered::spawn(Command::new("sleep").arg("600")).unwrap()
    }

    #[test]
    fn it_ends_when_the_parent_is_gone() {
        let mut process = sleeper();
        assert!(process.ended().unwrap().is_none());
        drop(process.watchdog.stdin.take()); // the system does the same when a process dies
        let status = process.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9));
    }

    #[test]
    fn it_ends_when_dropped() {
        let process = sleeper();
        let entries = [process.child.id(), process.watchdog.id()].map(|id| format!("/proc/{id}"));
        assert!(entries.iter().all(|entry| Path::new(entry).exists()));
        drop(process);
        assert!(!entries.iter().any(|entry| Path::new(entry).exists()));
    }
}
