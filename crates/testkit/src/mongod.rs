//! How does a test get a real MongoDB? It starts one on free ports, in folders that go away with it.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::options::ClientOptions;
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use crate::tether::Tethered;
use crate::tools;

/// The environment variable with the URI of a standalone mongod that `cargo xtask test` started.
pub const STANDALONE_VARIABLE: &str = "PARSIMONY_TEST_MONGO";
/// The environment variable with the URI of a replica set that `cargo xtask test` started.
pub const REPLICA_SET_VARIABLE: &str = "PARSIMONY_TEST_MONGO_RS";

const REPLICA_SET: &str = "parsimony";
const START_SECONDS_MAX: u64 = 60;
const POLL_MILLIS: u64 = 25;
const LOG_LINES_MAX: usize = 5;
/// A free port can be taken by another process before mongod binds it.
const ATTEMPTS_MAX: usize = 3;

/// Why there is no mongod.
#[derive(Debug, thiserror::Error)]
pub enum MongodError {
    /// The program is not installed.
    #[error(transparent)]
    Missing(#[from] tools::Missing),
    /// A process, a folder or a port.
    #[error("mongod could not be started")]
    Io(#[from] io::Error),
    /// It ran, and ended before it answered.
    #[error("mongod ended before it answered; its log ends with:\n{0}")]
    Ended(String),
    /// It runs, and does not answer.
    #[error("mongod did not answer within {START_SECONDS_MAX} s; its log ends with:\n{0}")]
    Silent(String),
    /// It answered, and refused.
    #[error("mongod refused to be set up")]
    Refused(#[from] mongodb::error::Error),
}

/// A running MongoDB: one process, or the members of a replica set. Dropping it ends it and removes its data.
#[derive(Debug)]
pub struct Mongod {
    members: Vec<Member>,
    replica_set: Option<&'static str>,
}

impl Mongod {
    /// Starts one standalone process on a free port.
    pub async fn single() -> Result<Self, MongodError> {
        Self::start(&[0], None).await
    }

    /// Starts a replica set on free ports and waits for its primary.
    pub async fn replica_set(members: usize) -> Result<Self, MongodError> {
        Self::start(&vec![0; members], Some(REPLICA_SET)).await
    }

    /// Starts one standalone process on this port.
    pub async fn single_at(port: u16) -> Result<Self, MongodError> {
        Self::start(&[port], None).await
    }

    /// Starts a replica set on these ports and waits for its primary.
    pub async fn replica_set_at(ports: &[u16]) -> Result<Self, MongodError> {
        Self::start(ports, Some(REPLICA_SET)).await
    }

    /// The connection string, without a database.
    pub fn uri(&self) -> String {
        let hosts: Vec<String> = self.members.iter().map(Member::host).collect();
        let hosts = hosts.join(",");
        match self.replica_set {
            Some(name) => format!("mongodb://{hosts}/?replicaSet={name}"),
            None => format!("mongodb://{hosts}/"),
        }
    }

    /// The connection string of one database.
    pub fn uri_for(&self, database: &str) -> String {
        uri_for(&self.uri(), database)
    }

    async fn start(ports: &[u16], replica_set: Option<&'static str>) -> Result<Self, MongodError> {
        let mut members = Vec::with_capacity(ports.len());
        for port in ports {
            members.push(Member::start(*port, replica_set).await?);
        }
        let mongod = Self { members, replica_set };
        if let Some(name) = replica_set {
            mongod.initiate(name).await?;
        }
        Ok(mongod)
    }

    /// Makes the members one set, and waits until one of them accepts writes.
    async fn initiate(&self, name: &str) -> Result<(), MongodError> {
        let Some(first) = self.members.first() else { return Ok(()) };
        let members: Vec<Document> =
            self.members.iter().zip(0_i32..).map(|(member, id)| doc! { "_id": id, "host": member.host() }).collect();
        // The usual ten seconds until an election are too long for a test that stops a primary.
        let settings = doc! { "electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500 };
        let set = doc! { "_id": name, "members": members, "settings": settings };
        let client = first.client().await?;
        client.database("admin").run_command(doc! { "replSetInitiate": set }).await?;
        let deadline = deadline();
        while Instant::now() < deadline {
            for member in &self.members {
                let reply = member.hello().await.unwrap_or_default();
                if matches!(reply.get_bool("isWritablePrimary"), Ok(true)) {
                    return Ok(());
                }
            }
            sleep(Duration::from_millis(POLL_MILLIS)).await;
        }
        Err(MongodError::Silent(first.log_end()))
    }
}

/// The same connection string with the name of a database in it.
pub fn uri_for(uri: &str, database: &str) -> String {
    let (base, options) = uri.split_once('?').map_or((uri, None), |(base, options)| (base, Some(options)));
    let base = base.trim_end_matches('/');
    match options {
        Some(options) => format!("{base}/{database}?{options}"),
        None => format!("{base}/{database}"),
    }
}

/// The standalone mongod that `cargo xtask test` started, if it did.
pub fn given_standalone() -> Option<String> {
    env::var_os(STANDALONE_VARIABLE)?.into_string().ok()
}

/// The replica set that `cargo xtask test` started, if it did.
pub fn given_replica_set() -> Option<String> {
    env::var_os(REPLICA_SET_VARIABLE)?.into_string().ok()
}

/// One process. The order of the fields is the order they are dropped in: the process before its folder.
#[derive(Debug)]
struct Member {
    process: Tethered,
    port: u16,
    folder: TempDir,
}

impl Member {
    /// Starts a process and waits until it answers. Port 0 means any free one.
    async fn start(port: u16, replica_set: Option<&str>) -> Result<Self, MongodError> {
        let mut attempt = 1;
        loop {
            let chosen = if port == 0 { tools::free_port()? } else { port };
            let mut member = Self::spawn(chosen, replica_set)?;
            match member.answers().await {
                Err(MongodError::Ended(_)) if port == 0 && attempt < ATTEMPTS_MAX => attempt += 1,
                Err(error) => return Err(error),
                Ok(()) => return Ok(member),
            }
        }
    }

    fn spawn(port: u16, replica_set: Option<&str>) -> Result<Self, MongodError> {
        let folder = tempfile::Builder::new().prefix("parsimony-mongod-").tempdir()?;
        let mut command = Command::new(tools::mongod()?);
        command.arg("--dbpath").arg(folder.path()).arg("--logpath").arg(log(folder.path()));
        command.args(["--port", &port.to_string(), "--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet"]);
        // Each test has a database of its own, and each collection and index is a file: left open for the usual ten minutes, they
        // would be more than a process may have.
        let files = "file_manager=(close_idle_time=10,close_scan_interval=5,close_handle_minimum=500)";
        command.args(["--wiredTigerEngineConfigString", files]);
        command.args(["--wiredTigerCacheSizeGB", "0.25", "--setParameter", "diagnosticDataCollectionEnabled=false"]);
        // Objects whose time is over go within a second, not a minute.
        command.args(["--setParameter", "ttlMonitorSleepSecs=1"]);
        if let Some(name) = replica_set {
            command.args(["--replSet", name, "--oplogSize", "64"]);
        }
        let process = Tethered::spawn(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
        Ok(Self { process, port, folder })
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    async fn answers(&mut self) -> Result<(), MongodError> {
        let deadline = deadline();
        while Instant::now() < deadline {
            if self.process.ended()?.is_some() {
                return Err(MongodError::Ended(self.log_end()));
            }
            // The driver would wait long before it tries again, so it is only asked when something listens.
            if tokio::net::TcpStream::connect(self.host()).await.is_ok() && self.hello().await.is_some() {
                return Ok(());
            }
            sleep(Duration::from_millis(POLL_MILLIS)).await;
        }
        Err(MongodError::Silent(self.log_end()))
    }

    /// A client of this process alone, whatever set it is in.
    async fn client(&self) -> Result<Client, MongodError> {
        let uri = format!("mongodb://{}/?directConnection=true&serverSelectionTimeoutMS=2000", self.host());
        Ok(Client::with_options(ClientOptions::parse(uri).await?)?)
    }

    async fn hello(&self) -> Option<Document> {
        let client = self.client().await.ok()?;
        let database = client.database("admin");
        let asked = timeout(Duration::from_secs(2), async { database.run_command(doc! { "hello": 1 }).await });
        asked.await.ok()?.ok()
    }

    /// What the log says last; the errors alone, if there are any.
    fn log_end(&self) -> String {
        let text = std::fs::read_to_string(log(self.folder.path())).unwrap_or_default();
        let errors: Vec<&str> = text.lines().filter(|line| line.contains(r#""s":"E""#)).collect();
        let lines = if errors.is_empty() { text.lines().collect() } else { errors };
        lines.iter().skip(lines.len().saturating_sub(LOG_LINES_MAX)).copied().collect::<Vec<_>>().join("\n")
    }
}

fn log(folder: &Path) -> PathBuf {
    folder.join("mongod.log")
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(START_SECONDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_goes_between_the_hosts_and_the_options() {
        assert_eq!(uri_for("mongodb://h:1/", "d"), "mongodb://h:1/d");
        assert_eq!(uri_for("mongodb://h:1", "d"), "mongodb://h:1/d");
        assert_eq!(uri_for("mongodb://h:1,h:2/?replicaSet=r", "d"), "mongodb://h:1,h:2/d?replicaSet=r");
    }

    #[tokio::test]
    async fn a_single_one_keeps_what_it_is_told_and_leaves_no_folder() {
        let mongod = Mongod::single().await.unwrap();
        let folder = mongod.members[0].folder.path().to_path_buf();
        let client = Client::with_uri_str(mongod.uri_for("shelf")).await.unwrap();
        let books = client.default_database().unwrap().collection::<Document>("books");
        books.insert_one(doc! { "title": "Emma" }).await.unwrap();
        assert_eq!(books.count_documents(doc! {}).await.unwrap(), 1);
        drop(mongod);
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn a_replica_set_has_transactions() {
        let mongod = Mongod::replica_set(3).await.unwrap();
        let client = Client::with_uri_str(mongod.uri_for("shelf")).await.unwrap();
        let books = client.default_database().unwrap().collection::<Document>("books");
        let mut session = client.start_session().await.unwrap();
        session.start_transaction().await.unwrap();
        books.insert_one(doc! { "title": "Emma" }).session(&mut session).await.unwrap();
        session.abort_transaction().await.unwrap();
        assert_eq!(books.count_documents(doc! {}).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_taken_port_is_told_with_the_log() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let error = Mongod::single_at(taken.local_addr().unwrap().port()).await.unwrap_err();
        assert!(matches!(&error, MongodError::Ended(log) if log.contains("ddress already in use")), "{error}");
    }
}
