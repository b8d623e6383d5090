//! What the administrator wants: the options as meant, read from the options as written.

mod accounts;
mod addresses;
mod auth;
mod compatibility;
mod database;
mod engine;
mod files;
mod mail;
mod master_key;
mod names;
mod pages;
mod path_pattern;
pub(crate) mod pii;
mod push;
mod rate_limits;
mod raw;
mod scripts;
pub(crate) mod settings;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use parsimony_engine::{CountedBy, Options};
use parsimony_http::{PagesOptions, TrustProxy};
use serde_json::Value;

use crate::external::ExternalOptions;
pub use auth::AuthOptions;
pub use compatibility::Compatibility;
pub use database::Database;
pub(crate) use files::FilePlace;
pub(crate) use mail::MailConfig;
pub(crate) use push::Pushing;
use raw::Raw;
pub use raw::Sources;

/// The port that Parse Server has.
const PORT: u16 = 1337;

/// Largest body unless told otherwise: 20 MiB.
const BODY_BYTES_MAX: usize = 20 * 1024 * 1024;

/// Where the data is unless told otherwise.
const DATA: &str = "./data";

/// The folder of hook scripts in the data folder.
const HOOKS: &str = "hooks";

/// The options, as meant.
pub struct Config {
    /// The address that is listened on.
    pub host: String,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// The path below which Parse's routes are, without a slash at its end.
    pub mount_path: String,
    /// `serverURL`, if it is given.
    pub server_url: Option<String>,
    /// `verifyServerUrl`: ask at the start whether `serverURL` leads here.
    pub verifies_server_url: bool,
    /// `publicServerURL`, if it is given.
    pub public_server_url: Option<String>,
    /// Where the database and what is generated are kept.
    pub data_dir: PathBuf,
    /// The database.
    pub database: Database,
    /// `collectionPrefix`, also where the database has no collections: pipelines name them.
    pub collection_prefix: String,
    /// `maxUploadSize`
    pub body_bytes_max: usize,
    /// `allowHeaders`
    pub allow_headers: Vec<String>,
    /// `allowOrigin`
    pub allow_origin: Vec<String>,
    /// `trustProxy`
    pub trust_proxy: TrustProxy,
    /// `pages`
    pub pages: PagesOptions,
    /// What sends e-mails, if anything does.
    pub mail: Option<MailConfig>,
    /// `parsimony.applications`: which of the applications in the binary are loaded; `None` loads all.
    pub applications: Option<Vec<String>>,
    /// `parsimony.settings`: what is set for each of them.
    pub(crate) settings: settings::AllSettings,
    /// `parsimony.pii`: what personal data is sealed with, if that is said.
    pub(crate) pii: Option<parsimony_vault::KeyRing>,
    /// `cloudCodeCommand`: cloud code in a process of its own.
    pub external: Option<ExternalOptions>,
    /// `parsimony.hooksDir`: the administrator's folder of hook scripts.
    pub hooks_dir: PathBuf,
    /// `parsimony.startWithoutScripts`: start with the applications' hook scripts alone if the others are unsound.
    pub starts_without_scripts: bool,
    /// `parsimony.scriptHosts`: the hosts that hook scripts may ask over HTTP.
    pub script_hosts: Vec<String>,
    /// `parsimony.scripts`: how much hook scripts may use up.
    pub script_limits: parsimony_script::Limits,
    /// `auth`: the identity providers.
    pub auth: AuthOptions,
    /// `push`: how devices are reached.
    pub(crate) push: Option<Pushing>,
    /// `filesAdapter`: where files are kept, if not in the database.
    pub(crate) files: Option<FilePlace>,
    /// What is logged, and how.
    pub logging: Logging,
    /// `parsimony.compatibility`: where the defaults come from.
    pub compatibility: Compatibility,
    /// What the engine obeys. An application id or a master key that is empty will be generated.
    pub options: Options,
    /// What the administrator should know.
    pub warnings: Vec<String>,
}

/// What is logged, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logging {
    /// The least severe level that is logged; `None` is silence.
    pub level: Option<tracing::Level>,
    /// `silent`: nothing is written; the last lines are kept for `/scriptlog` all the same.
    pub silent: bool,
    /// Lines of JSON, or of text.
    pub json: bool,
}

/// What is so whatever is said: cloud code asks the engine directly, regular expressions take no more time than their text is
/// long, an ended session is known at once, and changes of classes are told by the database.
const SO_ANYWAY: [&str; 4] = [
    "directAccess",
    "liveQuery.regexTimeout",
    "liveQueryServerOptions.cacheTimeout",
    "databaseOptions.enableSchemaHooks",
];

impl Config {
    /// Reads the options. The error is a sentence that names the option to mend.
    pub fn read(sources: Sources) -> Result<Self, String> {
        Self::of(&Raw::gather(sources)?)
    }

    /// Reads how much hook scripts may use up, and nothing else.
    pub(crate) fn script_limits(sources: Sources) -> Result<parsimony_script::Limits, String> {
        scripts::limits(&Raw::gather(sources)?)
    }

    fn of(raw: &Raw) -> Result<Self, String> {
        for option in SO_ANYWAY {
            raw.get(option);
        }
        let data_dir = PathBuf::from(raw.text("parsimony.dataDir")?.unwrap_or_else(|| DATA.to_owned()));
        let hooks_dir = raw.text("parsimony.hooksDir")?.map_or_else(|| data_dir.join(HOOKS), PathBuf::from);
        let database = database::read(raw, &data_dir)?;
        let public_server_url = url(raw, "publicServerURL")?;
        let server_url = url(raw, "serverURL")?;
        let mut options = engine::options(raw)?;
        let body_bytes_max = body_bytes_max(raw)?;
        options.files.bytes_max = body_bytes_max as u64;
        options.security = files::security(raw)?;
        options.rate_counted_by = rate_limits::counted_by(raw, matches!(database, Database::Mongo { .. }))?;
        let keys = &options.keys;
        let complete = !keys.application_id.is_empty() && !keys.master_key.is_missing();
        if !complete && matches!(database, Database::Mongo { .. }) {
            let missing = if keys.application_id.is_empty() { "appId" } else { "masterKey" };
            return Err(format!(
                "The option {missing} is missing: with MongoDB the keys are the administrator's to choose."
            ));
        }
        // Generated keys are for trying things out on this machine; chosen ones are for serving.
        let host = if complete { "0.0.0.0" } else { "127.0.0.1" };
        let mut config = Self {
            host: raw.text("host")?.unwrap_or_else(|| host.to_owned()),
            port: port(raw)?,
            mount_path: mount_path(raw)?,
            server_url,
            public_server_url,
            database,
            collection_prefix: raw.text("collectionPrefix")?.unwrap_or_default(),
            data_dir,
            body_bytes_max,
            allow_headers: raw.list("allowHeaders")?.unwrap_or_default(),
            allow_origin: raw.list("allowOrigin")?.unwrap_or_default(),
            verifies_server_url: raw.flag("verifyServerUrl")?.unwrap_or(true),
            trust_proxy: addresses::trust_proxy(raw.get("trustProxy"))?,
            pages: pages::options(raw)?,
            mail: mail::read(raw)?,
            applications: raw.list("parsimony.applications")?,
            pii: pii::ring(raw)?,
            settings: settings::read(raw, &settings::variable)?,
            external: external(raw)?,
            hooks_dir,
            starts_without_scripts: raw.flag("parsimony.startWithoutScripts")?.unwrap_or(false),
            script_hosts: raw.list("parsimony.scriptHosts")?.unwrap_or_default(),
            script_limits: scripts::limits(raw)?,
            auth: auth::read(raw)?,
            push: push::pushing(raw)?,
            files: files::place(raw)?,
            logging: logging(raw)?,
            compatibility: raw.compatibility,
            options,
            warnings: raw.warnings.clone(),
        };
        if rate_limits::wants_redis(raw) && config.options.rate_counted_by == CountedBy::Server {
            let text = "rateLimit.redisUrl has no effect: each server keeps its own counts";
            config.warnings.push(text.to_owned());
        }
        config.warnings.extend(raw.told_of_idle()?);
        Ok(config)
    }

    /// The URL under which clients reach the server when it listens on this port, mount path included.
    pub fn reached_at(&self, port: u16) -> String {
        let given = self.public_server_url.as_ref().or(self.server_url.as_ref());
        given.cloned().unwrap_or_else(|| self.local_url(port))
    }

    /// The URL under which this machine reaches the server.
    pub fn local_url(&self, port: u16) -> String {
        let host = match self.host.as_str() {
            "0.0.0.0" | "::" => "localhost".to_owned(),
            six if six.contains(':') => format!("[{six}]"),
            host => host.to_owned(),
        };
        format!("http://{host}:{port}{}", self.mount_path)
    }
}

fn port(raw: &Raw) -> Result<u16, String> {
    let bad = |_out_of_range| "port must be between 0 and 65535.".to_owned();
    raw.number("port")?.map_or(Ok(PORT), |port| u16::try_from(port).map_err(bad))
}

fn url(raw: &Raw, name: &str) -> Result<Option<String>, String> {
    let Some(url) = raw.text(name)? else { return Ok(None) };
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(format!("{name} must begin with http:// or https://."));
    }
    Ok(Some(url.trim_end_matches('/').to_owned()))
}

fn mount_path(raw: &Raw) -> Result<String, String> {
    let path = raw.text("mountPath")?.unwrap_or_else(|| "/parse".to_owned());
    let inner = path.trim_matches('/');
    if inner.contains(['?', '#', '%', ' ', '*']) || inner.contains("//") {
        return Err("mountPath must be a plain path such as /parse.".to_owned());
    }
    Ok(if inner.is_empty() { String::new() } else { format!("/{inner}") })
}

/// `20mb` and the like: a number with b, kb, mb or gb, by 1024.
fn body_bytes_max(raw: &Raw) -> Result<usize, String> {
    let bad = || "maxUploadSize must be a size such as 20mb; b, kb, mb and gb are known.".to_owned();
    let text = match raw.get("maxUploadSize") {
        None => return Ok(BODY_BYTES_MAX),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.trim().to_ascii_lowercase(),
        Some(_) => return Err(bad()),
    };
    let units = [("kb", 1024_u32), ("mb", 1024 * 1024), ("gb", 1024 * 1024 * 1024), ("b", 1), ("", 1)];
    let (number, factor) =
        units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor))).ok_or_else(bad)?;
    let bytes = number.trim().parse::<f64>().map_err(|_no_number| bad())? * f64::from(factor);
    if !(1.0..=9e15).contains(&bytes) {
        return Err(bad());
    }
    usize::try_from(bytes as i64).map_err(|_too_large| bad())
}

fn external(raw: &Raw) -> Result<Option<ExternalOptions>, String> {
    let millis = |name: &str, usual: u64| {
        let given = raw.positive(&format!("cloudCodeOptions.{name}"))?;
        Ok::<_, String>(Duration::from_millis(given.unwrap_or(usual)))
    };
    let (startup, health) = (millis("startupTimeout", 30_000)?, millis("healthCheckInterval", 30_000)?);
    let (shutdown, pause) = (millis("shutdownTimeout", 5_000)?, millis("maxRestartDelay", 30_000)?);
    Ok(raw.text("cloudCodeCommand")?.map(|command| ExternalOptions {
        command,
        startup_time_max: startup,
        health_interval: health,
        shutdown_time_max: shutdown,
        pause_max: pause,
    }))
}

fn logging(raw: &Raw) -> Result<Logging, String> {
    let verbose = raw.flag("verbose")?.unwrap_or(false);
    let silent = raw.flag("silent")?.unwrap_or(false);
    let level = match raw.text("logLevel")?.as_deref() {
        None if verbose => Some(tracing::Level::DEBUG),
        None | Some("info") => Some(tracing::Level::INFO),
        Some("error") => Some(tracing::Level::ERROR),
        Some("warn") => Some(tracing::Level::WARN),
        Some("verbose" | "debug") => Some(tracing::Level::DEBUG),
        Some("silly") => Some(tracing::Level::TRACE),
        Some("silent") => None,
        Some(_) => return Err("logLevel must be error, warn, info, verbose, debug, silly or silent.".to_owned()),
    };
    Ok(Logging { level, silent, json: raw.flag("jsonLogs")?.unwrap_or(true) })
}
