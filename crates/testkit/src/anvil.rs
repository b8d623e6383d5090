//! How does a test get a real chain? It starts anvil on a free port, with its blocks made when the test says so or at once.

use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::tether::Tethered;
use crate::tools;

const START_SECONDS_MAX: u64 = 30;
const POLL_MILLIS: u64 = 25;
/// A free port can be taken by another process before anvil binds it.
const ATTEMPTS_MAX: usize = 3;

/// The number of the chain.
pub const CHAIN_ID: u64 = 31_337;

/// The key of the first account, which is rich; it is the same on every development chain.
pub const RICH_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

/// Why there is no chain.
#[derive(Debug, thiserror::Error)]
pub enum AnvilError {
    /// The program is not installed.
    #[error(transparent)]
    Missing(#[from] tools::Missing),
    /// A process or a port.
    #[error("anvil could not be started")]
    Io(#[from] io::Error),
    /// It runs, or ended, and does not answer.
    #[error("anvil did not answer within {START_SECONDS_MAX} s")]
    Silent,
    /// It answered with a refusal, or with something else.
    #[error("anvil does not do {method}: {reason}")]
    Refused {
        /// What was asked.
        method: String,
        /// What it said.
        reason: String,
    },
}

/// A chain that ends with this value.
#[derive(Debug)]
pub struct Anvil {
    process: Option<Tethered>,
    port: u16,
    http: reqwest::Client,
}

impl Anvil {
    /// Starts a chain that makes a block for each transaction.
    pub async fn start() -> Result<Self, AnvilError> {
        let mut attempt = 1;
        loop {
            let port = tools::free_port()?;
            let mut command = Command::new(tools::anvil()?);
            command.args(["--port", &port.to_string(), "--chain-id", &CHAIN_ID.to_string(), "--silent"]);
            let process = Tethered::spawn(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
            let mut anvil = Self { process: Some(process), port, http: reqwest::Client::new() };
            match anvil.answers().await {
                Ok(()) => return Ok(anvil),
                Err(_) if attempt < ATTEMPTS_MAX => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it is asked.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Ends it before its value does, as a node that dies.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Asks it something.
    pub async fn ask(&self, method: &str, params: Value) -> Result<Value, AnvilError> {
        let refused = |reason: String| AnvilError::Refused { method: method.to_owned(), reason };
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = self.http.post(self.url()).json(&body).send().await.map_err(|error| refused(error.to_string()))?;
        let mut answer: Value = answer.json().await.map_err(|error| refused(error.to_string()))?;
        match answer.get("error") {
            Some(error) => Err(refused(error.to_string())),
            None => Ok(answer.get_mut("result").map(Value::take).unwrap_or_default()),
        }
    }

    /// Makes blocks.
    pub async fn mine(&self, blocks: u64) -> Result<(), AnvilError> {
        self.ask("anvil_mine", json!([format!("{blocks:#x}")])).await.map(drop)
    }

    /// Whether each transaction gets a block of its own at once, or waits for [`Anvil::mine`].
    pub async fn automine(&self, on: bool) -> Result<(), AnvilError> {
        self.ask("evm_setAutomine", json!([on])).await.map(drop)
    }

    /// Gives an account some of the chain's own currency.
    pub async fn enrich(&self, account: &str) -> Result<(), AnvilError> {
        self.ask("anvil_setBalance", json!([account, "0x56bc75e2d63100000"])).await.map(drop)
    }

    async fn answers(&mut self) -> Result<(), AnvilError> {
        let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
        while Instant::now() < deadline {
            let ended = self.process.as_mut().map(Tethered::ended).transpose()?;
            if ended.is_none_or(|status| status.is_some()) {
                return Err(AnvilError::Silent);
            }
            if self.ask("eth_chainId", json!([])).await.is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(POLL_MILLIS)).await;
        }
        Err(AnvilError::Silent)
    }
}
