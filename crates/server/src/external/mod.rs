//! Cloud code in a process of its own, in whatever language: started, asked what it has, watched, and started again.
//!
//! While it is down its hooks stay registered, and what needs one is refused: data that a hook would have checked is never
//! written unchecked.

mod child;

use std::sync::Arc;
use std::time::Duration;

use parsimony_cloud::HttpRequest;
use parsimony_engine::Engine;
use parsimony_model::Value;
use parsimony_model::value::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::child::Child;

/// What the process is called where two want the same hook.
const SOURCE: &str = "cloudCodeCommand";

/// How long to wait before the first new start; twice as long each time.
const PAUSE: Duration = Duration::from_secs(1);

/// How long it may take to say what it has, or that it is well.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);

/// How many bytes a manifest may have.
const MANIFEST_BYTES_MAX: usize = 4 << 20;

/// How often it may fail to say that it is well before it is started anew.
const UNWELL_MAX: u32 = 3;

/// `cloudCodeCommand` and `cloudCodeOptions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalOptions {
    /// `cloudCodeCommand`: what the shell is told.
    pub command: String,
    /// `startupTimeout`
    pub startup_time_max: Duration,
    /// `healthCheckInterval`
    pub health_interval: Duration,
    /// `shutdownTimeout`
    pub shutdown_time_max: Duration,
    /// `maxRestartDelay`
    pub pause_max: Duration,
}

/// A process that is watched.
pub(crate) struct External {
    stop: watch::Sender<bool>,
    watching: JoinHandle<()>,
}

impl External {
    /// Starts it, and registers what it has. The error is a sentence.
    pub(crate) async fn start(
        engine: &Arc<Engine>,
        options: ExternalOptions,
        server_url: String,
    ) -> Result<Self, String> {
        let mut watcher = Watcher { engine: Arc::clone(engine), options, server_url };
        let child = watcher.start().await?;
        let (stop, stopped) = watch::channel(false);
        #[expect(clippy::disallowed_methods, reason = "whoever stops the server waits for it")]
        let watching = tokio::spawn(async move { watcher.watch(child, stopped).await });
        Ok(Self { stop, watching })
    }

    /// Ends it.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        self.watching.await.unwrap_or_default();
    }
}

struct Watcher {
    engine: Arc<Engine>,
    options: ExternalOptions,
    server_url: String,
}

impl Watcher {
    async fn start(&mut self) -> Result<Child, String> {
        let keys = &self.engine.options().keys;
        let variables = [
            ("PARSE_SERVER_URL", self.server_url.clone()),
            ("PARSE_APPLICATION_ID", keys.application_id.clone()),
            ("PARSE_MASTER_KEY", keys.master_key.at(self.engine.clock().now()).to_string()),
            ("PARSE_WEBHOOK_KEY", keys.webhook_key.clone().unwrap_or_default()),
            ("PARSE_CLOUD_PORT", "0".to_owned()),
        ];
        let child = Child::start(&self.options.command, &variables, self.options.startup_time_max).await?;
        match self.register(&child).await {
            Ok(hooks) => {
                tracing::info!(port = child.port, hooks, "{SOURCE} runs");
                Ok(child)
            }
            Err(sentence) => {
                child.stop(self.options.shutdown_time_max).await;
                Err(sentence)
            }
        }
    }

    async fn register(&self, child: &Child) -> Result<usize, String> {
        let manifest = self.get(child.port, "/", MANIFEST_BYTES_MAX).await;
        let manifest = manifest.map_err(|reason| format!("{SOURCE} does not say what it has: {reason}."))?;
        match json::read(&manifest) {
            Ok(Value::Object(manifest)) => {
                self.engine.put_external(SOURCE, &format!("http://127.0.0.1:{}", child.port), &manifest)
            }
            _ => Err(format!("The manifest of {SOURCE} is no JSON object.")),
        }
    }

    /// Until it is told to stop: looks whether the process is there and well, and starts it anew if not.
    async fn watch(mut self, mut child: Child, mut stopped: watch::Receiver<bool>) {
        loop {
            let port = child.port;
            let reason = tokio::select! {
                _ = stopped.changed() => {
                    child.stop(self.options.shutdown_time_max).await;
                    return;
                }
                how = child.ended() => how,
                () = self.falls_ill(port) => "it does not say that it is well".to_owned(),
            };
            tracing::error!(reason, "{SOURCE} is started anew; until then what needs it is refused");
            child.stop(self.options.shutdown_time_max).await;
            child = tokio::select! {
                _ = stopped.changed() => return,
                child = self.start_again() => child,
            };
        }
    }

    async fn start_again(&mut self) -> Child {
        let mut pause = PAUSE;
        loop {
            tokio::time::sleep(pause.min(self.options.pause_max)).await;
            match self.start().await {
                Ok(child) => return child,
                Err(sentence) => tracing::error!("{sentence}"),
            }
            pause = (pause * 2).min(self.options.pause_max);
        }
    }

    /// Comes back when it has not said for a while that it is well.
    async fn falls_ill(&self, port: u16) {
        let mut failures = 0;
        while failures < UNWELL_MAX {
            tokio::time::sleep(self.options.health_interval).await;
            match self.get(port, "/health", MANIFEST_BYTES_MAX).await {
                Ok(_) => failures = 0,
                Err(reason) => {
                    tracing::warn!(reason, "{SOURCE} does not say that it is well");
                    failures += 1;
                }
            }
        }
    }

    async fn get(&self, port: u16, path: &str, answer_bytes_max: usize) -> Result<Vec<u8>, String> {
        let key = self.engine.options().keys.webhook_key.clone().unwrap_or_default();
        let request = HttpRequest {
            method: "GET".to_owned(),
            url: format!("http://127.0.0.1:{port}{path}"),
            headers: vec![("x-parse-webhook-key".to_owned(), key)],
            body: Vec::new(),
            time_max: ANSWER_TIME_MAX,
            answer_bytes_max,
        };
        let response = self.engine.http().send(request).await.map_err(|failure| failure.to_string())?;
        if response.status == 200 { Ok(response.body) } else { Err(format!("it answers {}", response.status)) }
    }
}
