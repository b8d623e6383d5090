//! The process: how it starts, what it says, how it ends.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child as Process, ChildStdin, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What it says when it can be asked; its port follows.
const READY: &str = "PARSE_CLOUD_READY:";

/// How much of a line that it writes is logged.
const LINE_CHARS_MAX: usize = 8_192;

/// A process that can be asked.
pub(super) struct Child {
    process: Process,
    group: Option<Pid>,
    /// Held open: when it is closed, because this server is no more, the process may know and end.
    _input: Option<ChildStdin>,
    said: Vec<JoinHandle<()>>,
    /// The port at which it answers.
    pub(super) port: u16,
}

impl Child {
    /// Starts a command and waits until it can be asked. The error is a sentence.
    pub(super) async fn start(command: &str, variables: &[(&str, String)], time_max: Duration) -> Result<Self, String> {
        let mut shell = Command::new("sh");
        // A group of its own, so that whatever the command starts ends with it.
        shell.arg("-c").arg(command).process_group(0).kill_on_drop(true);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        shell.envs(variables.iter().map(|(name, value)| (name, value)));
        let mut process = shell.spawn().map_err(|error| format!("cloudCodeCommand cannot be started: {error}."))?;
        let group = process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let (tell, told) = oneshot::channel();
        let said = vec![listen(process.stdout.take(), Some(tell)), listen(process.stderr.take(), None)];
        let mut child = Self { _input: process.stdin.take(), process, group, said, port: 0 };
        let ready = tokio::select! {
            port = tokio::time::timeout(time_max, told) => match port {
                Ok(Ok(port)) => Ok(port),
                Ok(Err(_closed)) => Err("cloudCodeCommand closed its output before it said that it is ready.".to_owned()),
                Err(_late) => Err(format!("cloudCodeCommand did not say within {time_max:?} that it is ready.")),
            },
            ended = child.process.wait() => Err(format!("cloudCodeCommand ended before it was ready: {}.", how(ended))),
        };
        match ready {
            Ok(port) => {
                child.port = port;
                Ok(child)
            }
            Err(sentence) => {
                child.stop(Duration::ZERO).await;
                Err(sentence)
            }
        }
    }

    /// Waits until it ends by itself; says how.
    pub(super) async fn ended(&mut self) -> String {
        how(self.process.wait().await)
    }

    /// Ends it, and all that it started: first politely.
    pub(super) async fn stop(mut self, time_max: Duration) {
        self.signal(Signal::TERM);
        if tokio::time::timeout(time_max, self.process.wait()).await.is_err() {
            self.signal(Signal::KILL);
            // It cannot refuse.
            self.process.wait().await.ok();
        }
        for said in &self.said {
            said.abort();
        }
    }

    fn signal(&self, signal: Signal) {
        // Nobody is left in the group when all have ended.
        self.group.map(|group| kill_process_group(group, signal).ok());
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

fn how(ended: std::io::Result<std::process::ExitStatus>) -> String {
    ended.map_or_else(|error| error.to_string(), |status| status.to_string())
}

/// Logs what it says, and tells the port when it says that.
fn listen(
    output: Option<impl AsyncRead + Unpin + Send + 'static>,
    mut ready: Option<oneshot::Sender<u16>>,
) -> JoinHandle<()> {
    #[expect(clippy::disallowed_methods, reason = "it ends with the process, and what it logs is kept nowhere else")]
    tokio::spawn(async move {
        let Some(output) = output else { return };
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(port) = line.trim().strip_prefix(READY).and_then(|port| port.trim().parse().ok()) {
                ready.take().map(|ready| ready.send(port));
                continue;
            }
            let line: String = line.chars().take(LINE_CHARS_MAX).collect();
            tracing::info!(target: "cloud_code", "{line}");
        }
    })
}
