//! How is each server that the bench compares started, and made ready?

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use parsimony_testkit::mongod::Mongod;
use parsimony_testkit::tether::Tethered;
use parsimony_testkit::tools;
use serde_json::{Value, json};

use super::http::{self, Connection};
use super::live;
use super::seed::call;
use super::workload::{APP_ID, Dialect, MASTER_KEY};
use crate::install;

const START_SECONDS_MAX: u64 = 60;
const POLL_MILLIS: u64 = 2;
const ADMIN: (&str, &str) = ("bench@example.com", "bench-password");

/// A server to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    /// actix-web and the driver alone, on MongoDB.
    Bare,
    /// This server on MongoDB.
    ParsimonyMongo,
    /// Parse Server from npm, on the same MongoDB.
    ParseServer,
    /// This server on its embedded store.
    ParsimonySqlite,
    /// `PocketBase`, on its embedded store.
    #[value(name = "pocketbase")]
    PocketBase,
}

impl Subject {
    /// The name in the tables and on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::ParsimonyMongo => "parsimony-mongo",
            Self::ParseServer => "parse-server",
            Self::ParsimonySqlite => "parsimony-sqlite",
            Self::PocketBase => "pocketbase",
        }
    }

    /// The language it speaks.
    pub(crate) const fn dialect(self) -> Dialect {
        match self {
            Self::PocketBase => Dialect::PocketBase,
            _ => Dialect::Parse,
        }
    }

    /// Whether it speaks LiveQuery.
    pub(crate) const fn has_live_queries(self) -> bool {
        matches!(self, Self::ParsimonyMongo | Self::ParsimonySqlite | Self::ParseServer)
    }

    /// Whether it is built here.
    pub(crate) const fn is_ours(self) -> bool {
        matches!(self, Self::ParsimonyMongo | Self::ParsimonySqlite)
    }
}

/// What the servers share.
#[derive(Debug)]
pub(crate) struct Ground {
    mongod: Mongod,
    folder: tempfile::TempDir,
}

impl Ground {
    /// Starts the database.
    pub(crate) async fn prepare() -> Result<Self> {
        install::mongod()?;
        Ok(Self { mongod: Mongod::single().await?, folder: tempfile::tempdir()? })
    }

    /// A folder that only this server writes to.
    fn folder(&self, subject: Subject) -> Result<PathBuf> {
        let folder = self.folder.path().join(subject.name());
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    fn mongo_uri(&self, subject: Subject) -> String {
        self.mongod.uri_for(&format!("bench_{}", subject.name().replace('-', "_")))
    }
}

/// A server that answers.
#[derive(Debug)]
pub(crate) struct Running {
    process: Tethered,
    /// Where it listens.
    pub(crate) port: u16,
    /// From its start to its first answer.
    pub(crate) start: Duration,
}

impl Running {
    /// Starts a server and waits for its first answer.
    pub(crate) async fn start(subject: Subject, ground: &Ground) -> Result<Self> {
        let port = tools::free_port()?;
        let folder = ground.folder(subject)?;
        let command = command(subject, ground, &folder, port)?;
        Self::of(command, (subject.name(), &folder), (port, subject.dialect())).await
    }

    /// Starts this command, whose output goes into the folder, and waits for its first answer.
    pub(crate) async fn of(
        mut command: Command,
        (name, folder): (&str, &Path),
        (port, dialect): (u16, Dialect),
    ) -> Result<Self> {
        let log = folder.join("output.log");
        let out = File::create(&log)?;
        command.stdout(out.try_clone()?).stderr(out);
        let begin = Instant::now();
        let mut process = Tethered::spawn(&mut command).with_context(|| format!("{name} could not be started"))?;
        let mut request = Vec::new();
        http::request(&mut request, "GET", dialect.health(), &app_header(), "");
        while begin.elapsed() < Duration::from_secs(START_SECONDS_MAX) {
            if answers(port, &request).await {
                return Ok(Self { process, port, start: begin.elapsed() });
            }
            if let Some(status) = process.ended()? {
                bail!("{name} ended with {status}:\n{}", fs::read_to_string(&log)?);
            }
            tokio::time::sleep(Duration::from_millis(POLL_MILLIS)).await;
        }
        bail!("{name} did not answer within {START_SECONDS_MAX} s:\n{}", fs::read_to_string(&log)?)
    }

    /// Its resident memory, in kilobytes.
    pub(crate) fn resident_kb(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse().ok()
    }
}

async fn answers(port: u16, request: &[u8]) -> bool {
    let Ok(mut connection) = Connection::open(port).await else { return false };
    connection.exchange(request).await.is_ok_and(|answer| answer.status == 200)
}

fn app_header() -> String {
    format!("X-Parse-Application-Id: {APP_ID}\r\n")
}

fn command(subject: Subject, ground: &Ground, folder: &Path, port: u16) -> Result<Command> {
    let command = match subject {
        Subject::Bare => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["bench-bare", "--port", &port.to_string(), "--database-uri", &ground.mongo_uri(subject)]);
            command
        }
        Subject::ParsimonyMongo => ours(folder, port, &ground.mongo_uri(subject))?,
        Subject::ParsimonySqlite => ours(folder, port, &format!("sqlite:{}", folder.join("data.db").display()))?,
        Subject::ParseServer => {
            let mut command = Command::new("node");
            command.arg(tools::workspace().join("crates/xtask/src/bench/parse-server.cjs"));
            command.arg(parse_options(port, &ground.mongo_uri(subject)).to_string());
            command
                .env("NODE_PATH", install::node_packages(install::SDK_TESTS)?.join("node_modules"))
                .env("NODE_ENV", "production");
            command
        }
        Subject::PocketBase => {
            let mut command = Command::new(install::pocketbase()?);
            command.args(["serve", "--http", &format!("127.0.0.1:{port}"), "--dir"]).arg(folder.join("data"));
            command
        }
    };
    Ok(command)
}

/// The options that both Parse servers know.
pub(super) fn parse_options(port: u16, database_uri: &str) -> Value {
    json!({
        "appId": APP_ID,
        "masterKey": MASTER_KEY,
        "serverURL": format!("http://127.0.0.1:{port}/parse"),
        "port": port,
        "databaseURI": database_uri,
        "liveQuery": { "classNames": [live::CLASS] },
        "startLiveQueryServer": true,
    })
}

/// The example server has the function that the bench calls.
fn ours(folder: &Path, port: u16, database_uri: &str) -> Result<Command> {
    let mut options = parse_options(port, database_uri);
    if let Some(options) = options.as_object_mut() {
        options.insert("allowClientClassCreation".to_owned(), true.into());
        options.insert("logLevel".to_owned(), "error".into());
    }
    let config = folder.join("config.json");
    fs::write(&config, options.to_string())?;
    let mut command = Command::new(tools::target().join("release/first-light"));
    command.current_dir(folder).args(["serve", "--config"]).arg(config);
    Ok(command)
}

/// Makes the collections that `PocketBase`, unlike Parse, wants before the first object.
pub(crate) async fn prepare_pocketbase(ground: &Ground, port: u16) -> Result<()> {
    let (email, password) = ADMIN;
    let mut admin = Command::new(install::pocketbase()?);
    admin.args(["superuser", "upsert", email, password, "--dir"]);
    admin.arg(ground.folder(Subject::PocketBase)?.join("data"));
    crate::shell::output(admin)?;

    let mut connection = Connection::open(port).await?;
    let json_header = "Content-Type: application/json\r\n";
    let login = json!({ "identity": email, "password": password }).to_string();
    let path = "/api/collections/_superusers/auth-with-password";
    let session = call(&mut connection, ("POST", path), json_header, &login).await?;
    let token = session.get("token").and_then(Value::as_str).context("PocketBase gave no token")?;
    let headers = format!("{json_header}Authorization: {token}\r\n");

    let field = |name: &str, kind: &str| json!({ "name": name, "type": kind });
    let authors = vec![field("name", "text"), field("born", "number")];
    let author = collection(&mut connection, &headers, "BenchAuthor", authors).await?;
    let mut fields = vec![
        field("title", "text"),
        field("note", "text"),
        field("score", "number"),
        field("done", "bool"),
        field("tags", "json"),
        field("place", "json"),
        // Parse keeps both for every object, PocketBase only when told.
        json!({ "name": "created", "type": "autodate", "onCreate": true }),
        json!({ "name": "updated", "type": "autodate", "onCreate": true, "onUpdate": true }),
    ];
    collection(&mut connection, &headers, "BenchObject", fields.clone()).await?;
    fields.push(json!({ "name": "author", "type": "relation", "collectionId": author, "maxSelect": 1 }));
    collection(&mut connection, &headers, "BenchPost", fields).await?;
    Ok(())
}

/// Makes a collection that everybody may read and write, and gives back its id.
async fn collection(connection: &mut Connection, headers: &str, name: &str, fields: Vec<Value>) -> Result<String> {
    let open = "";
    let body = json!({
        "name": name, "type": "base", "fields": fields,
        "listRule": open, "viewRule": open, "createRule": open, "updateRule": open,
    });
    let reply = call(connection, ("POST", "/api/collections"), headers, &body.to_string()).await?;
    Ok(reply.get("id").and_then(Value::as_str).context("PocketBase made a collection without an id")?.to_owned())
}
