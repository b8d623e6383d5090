//! How are the parts put together: store, registry, engine, door, HTTP server.

#[cfg(test)]
mod tests;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parsimony_cloud::metrics::{BUILD, Metrics, STARTED};
use parsimony_cloud::{Application, HttpClient, HttpRequest, Mailer, Registry};
use parsimony_connectors::auth::Tools;
use parsimony_connectors::{Http, Measured, Senders};
use parsimony_engine::{Engine, Logs, MasterKey, PushOptions, Surroundings};
use parsimony_http::{Door, HttpOptions, Listening};
use parsimony_model::{Clock, SystemClock};
use parsimony_script::{Outside, Rhai};
use parsimony_store::Store;
use parsimony_store_mongo::{MongoOptions, MongoStore};
use parsimony_store_sqlite::{Limits, SqliteStore};
use parsimony_vault::{KeyRing, Vault};

use crate::config::settings::configured;
use crate::config::{Compatibility, Config, Database, MailConfig, Pushing};
use crate::external::External;
use crate::files;
use crate::hooks::{folder, watch::watch};
use crate::keys;
use crate::moving;

/// Parts that a test brings along instead of the configured ones.
#[derive(Default)]
pub struct Parts {
    /// The database.
    pub store: Option<Arc<dyn Store>>,
    /// Time and chance.
    pub clock: Option<Arc<dyn Clock>>,
    /// The last lines of the log, if something keeps them.
    pub logs: Arc<Logs>,
}

/// A server that runs.
pub struct Running {
    /// The URL of the mount path, as this machine reaches it.
    pub url: String,
    /// The engine behind it.
    pub engine: Arc<Engine>,
    /// What the store is called.
    pub store: String,
    /// The applications that are loaded.
    pub applications: Vec<String>,
    /// Where the defaults come from.
    pub compatibility: Compatibility,
    /// Where the keys are that were generated.
    pub keys_path: Option<PathBuf>,
    /// What the administrator should know.
    pub warnings: Vec<String>,
    listening: Listening,
    external: Option<External>,
}

impl Running {
    /// Stops listening, waits for what runs, closes the store.
    pub async fn stop(&mut self) {
        self.listening.stop().await;
        if let Some(external) = self.external.take() {
            external.stop().await;
        }
        self.engine.close().await;
    }

    /// Waits until the HTTP server has ended, by itself or because it was stopped.
    pub(crate) async fn ended(&mut self) -> Result<(), String> {
        self.listening.ended().await
    }
}

/// Starts a server in this process. The error is a sentence that says what to mend.
pub async fn start(
    mut config: Config,
    applications: impl IntoIterator<Item = Application>,
    parts: Parts,
) -> Result<Running, String> {
    let clock = parts.clock.unwrap_or_else(|| Arc::new(SystemClock));
    let (registry, names) = registered(&mut config, applications.into_iter().collect())?;
    let keys_path = complete_keys(&mut config, &*clock)?;
    let (listener, port) = listen(&config)?;
    let server_url = config.reached_at(port);
    config.options.files_url = format!("{server_url}/files/{}/", config.options.keys.application_id);
    let store = Box::pin(sealed_store(&mut config, parts.store, &registry, &clock)).await?;
    let described = store.describe();
    let url = config.local_url(port);
    let metrics = begin_measuring(&*clock);
    let world: Arc<dyn HttpClient> = Arc::new(Http::new());
    let service =
        |name: &str| -> Arc<dyn HttpClient> { Arc::new(Measured::new(Arc::clone(&world), metrics.service(name))) };
    let http = service("webhooks");
    if let Some(pushing) = config.push.take() {
        config.options.push = Some(push(pushing, (&service("push"), &clock), config.options.keys.webhook_key.clone())?);
    }
    let outside = Outside { http: service("scripts"), hosts: config.script_hosts };
    let interpreter = Arc::new(Rhai::new(config.script_limits, &outside));
    folder::make(&config.hooks_dir)?;
    let scripts = folder::read(&config.hooks_dir)?;
    let mail = mailer(config.mail, &world, &metrics)?;
    let auth = config.auth.providers(
        &registry,
        &Tools {
            http: service("auth"),
            clock: Arc::clone(&clock),
            sms: registry.sms().cloned(),
            webhook_key: config.options.keys.webhook_key.clone(),
            insecure: config.auth.insecure,
        },
    )?;
    let surroundings = Surroundings {
        clock,
        http,
        files: files::place(config.files)?,
        logs: parts.logs,
        metrics,
        mail,
        auth,
        interpreter,
        script_files: scripts.clone(),
        starts_without_scripts: config.starts_without_scripts,
    };
    // Boxed: whoever waits for the start should not carry the room for all of it.
    let engine = Box::pin(Engine::open(config.options, store, registry, surroundings)).await?;
    engine.background(watch(Arc::downgrade(&engine), config.hooks_dir, scripts));
    let door = Door::new(HttpOptions {
        engine: Arc::clone(&engine),
        mount_path: config.mount_path,
        public_path: path_of(&server_url).map(str::to_owned),
        server_url,
        body_bytes_max: config.body_bytes_max,
        allow_headers: config.allow_headers,
        allow_origin: config.allow_origin,
        trust_proxy: config.trust_proxy,
        pages: config.pages,
    })?;
    // Before the first request: none may pass by a hook. Whoever comes meanwhile waits at the port.
    let external = match config.external {
        None => None,
        Some(options) => Some(External::start(&engine, options, url.clone()).await?),
    };
    let listening = Listening::start(listener, door).await?;
    if let Some(server_url) = config.server_url.filter(|_| config.verifies_server_url) {
        engine.background(verify(Arc::clone(engine.http()), server_url));
    }
    let (compatibility, warnings) = (config.compatibility, config.warnings);
    let (store, applications) = (described, names);
    Ok(Running { url, engine, store, applications, compatibility, keys_path, warnings, listening, external })
}

/// The port, before anything else is begun: whoever has it already is told at once.
fn listen(config: &Config) -> Result<(TcpListener, u16), String> {
    let listener = TcpListener::bind((config.host.as_str(), config.port))
        .map_err(|error| format!("Nothing can listen on {} port {}: {error}.", config.host, config.port))?;
    let port = listener.local_addr().map_err(|error| format!("The port is unknown: {error}."))?.port();
    Ok((listener, port))
}

/// What sends e-mails, measured.
fn mailer(
    mail: Option<MailConfig>,
    http: &Arc<dyn HttpClient>,
    metrics: &Metrics,
) -> Result<Option<Arc<dyn Mailer>>, String> {
    let mail = mail.map(|mail| mail.mailer(http)).transpose()?;
    Ok(mail.map(|mail| Arc::new(Measured::new(mail, metrics.service("mail"))) as Arc<dyn Mailer>))
}

/// The applications that the configuration asks for, with what is set for them, and their names.
fn registered(config: &mut Config, all: Vec<Application>) -> Result<(Registry, Vec<String>), String> {
    let known: Vec<String> = all.iter().flat_map(Application::names).map(str::to_owned).collect();
    let applications = Application::with_shared(chosen(all, config.applications.as_deref())?);
    let applications = configured(applications, std::mem::take(&mut config.settings), &known)?;
    let names = applications.iter().map(|application| application.name().to_owned()).collect();
    Ok((Registry::new(applications)?, names))
}

/// The store, in a vault that lets it see no personal data.
async fn sealed_store(
    config: &mut Config,
    given: Option<Arc<dyn Store>>,
    registry: &Registry,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, String> {
    let store = match given {
        Some(store) => store,
        None => open_store(config).await?,
    };
    moving::refuse_half_moved(&*store).await?;
    let ring = ring(config, registry, &**clock)?;
    let vault = Vault::open(store, ring, Arc::clone(clock)).await;
    Ok(Arc::new(vault.map_err(|error| format!("Nothing can be sealed: {error}."))?))
}

/// What is measured, with what is known of the server before anything happens.
fn begin_measuring(clock: &dyn Clock) -> Metrics {
    let metrics = Metrics::default();
    metrics.set(&BUILD, &[env!("CARGO_PKG_VERSION")], 1.0);
    metrics.set(&STARTED, &[], clock.now().millis() as f64 / 1_000.0);
    metrics
}

/// How devices are reached, by the services of the configuration.
fn push(
    pushing: Pushing,
    (http, clock): (&Arc<dyn HttpClient>, &Arc<dyn Clock>),
    webhook_key: Option<String>,
) -> Result<PushOptions, String> {
    let queue = &pushing.services.queue_options;
    let (batch, sends) = (queue.batch_size, !queue.disable_push_worker);
    let senders = Senders::new(pushing.services, Arc::clone(http), Arc::clone(clock), webhook_key)?;
    let usual = PushOptions::new(Arc::new(senders));
    Ok(PushOptions {
        scheduled: pushing.scheduled,
        batch_devices: batch.unwrap_or(usual.batch_devices).max(1),
        sends,
        cleans_up: pushing.cleans_up,
        ..usual
    })
}

/// Asks whether `serverURL` leads to a server that is well; if not, the log says so.
async fn verify(http: Arc<dyn HttpClient>, server_url: String) {
    let url = format!("{server_url}/health");
    let (time_max, answer_bytes_max) = (Duration::from_secs(10), 1 << 10);
    let request = HttpRequest {
        method: "GET".to_owned(),
        url,
        headers: Vec::new(),
        body: Vec::new(),
        time_max,
        answer_bytes_max,
    };
    let found = match http.send(request).await {
        Ok(answer) if answer.status == 200 => return,
        Ok(answer) => format!("status {}", answer.status),
        Err(failure) => failure.to_string(),
    };
    tracing::warn!(%server_url, %found, "serverURL does not lead to a server that is well; cloud code and links may fail");
}

/// The applications that the configuration asks for.
fn chosen(all: Vec<Application>, wanted: Option<&[String]>) -> Result<Vec<Application>, String> {
    let Some(wanted) = wanted else { return Ok(all) };
    if let Some(unknown) = wanted.iter().find(|name| !all.iter().any(|application| application.name() == *name)) {
        let known: Vec<&str> = all.iter().map(Application::name).collect();
        return Err(format!("parsimony.applications: there is no {unknown}; there are: {}.", known.join(", ")));
    }
    Ok(all.into_iter().filter(|application| wanted.iter().any(|name| application.name() == name)).collect())
}

/// Puts generated keys where none were chosen, and tells where they are.
fn complete_keys(config: &mut Config, clock: &dyn Clock) -> Result<Option<PathBuf>, String> {
    if matches!(config.database, Database::Sqlite(_)) {
        keys::make_folder(&config.data_dir)?;
    }
    if config.external.is_some() {
        config.options.keys.webhook_key.get_or_insert_with(|| clock.hexadecimal(32));
    }
    let chosen = &mut config.options.keys;
    if !chosen.application_id.is_empty() && !chosen.master_key.is_missing() {
        return Ok(None);
    }
    let kept = keys::load_or_make(&config.data_dir, clock)?;
    if chosen.application_id.is_empty() {
        chosen.application_id = kept.keys.application_id;
    }
    if chosen.master_key.is_missing() {
        chosen.master_key = MasterKey::Fixed(kept.keys.master_key);
    }
    config.warnings.extend(kept.warning);
    Ok(Some(kept.path))
}

/// What personal data is sealed with. On the embedded store it is made where nobody has chosen it.
fn ring(config: &mut Config, registry: &Registry, clock: &dyn Clock) -> Result<KeyRing, String> {
    let embedded = matches!(config.database, Database::Sqlite(_));
    match config.pii.take() {
        Some(ring) => Ok(ring),
        None if embedded => keys::load_or_make_ring(&config.data_dir, clock),
        None => match registry.schemas().iter().find(|definition| definition.json.contains(r#""encrypted""#)) {
            None => Ok(KeyRing::default()),
            Some(definition) => Err(format!(
                "The option parsimony.pii is missing: the class at {} has encrypted fields, and with MongoDB the keys are \
                 the administrator's to choose. Each is 32 random bytes in base64, as of `openssl rand -base64 32`: \
                 {{\"keys\": [{{\"id\": \"first\", \"key\": …}}]}}.",
                definition.place
            )),
        },
    }
}

async fn open_store(config: &Config) -> Result<Arc<dyn Store>, String> {
    match &config.database {
        Database::Sqlite(path) => {
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                keys::make_folder(folder)?;
            }
            keys::make_private(path)?;
            let store = SqliteStore::open_prefixed(path, Limits::default(), &config.collection_prefix);
            let told = |error| format!("The database {} cannot be opened: {error}.", path.display());
            store.map(|store| Arc::new(store) as Arc<dyn Store>).map_err(told)
        }
        Database::Mongo { uri, collection_prefix, query_millis_max } => {
            let defaults = MongoOptions::default();
            let query_millis_max = query_millis_max.unwrap_or(defaults.query_millis_max);
            let options = MongoOptions { collection_prefix: collection_prefix.clone(), query_millis_max, ..defaults };
            let store = MongoStore::open(uri, options).await;
            let told = |error| format!("MongoDB cannot be reached; look at databaseURI. {error}.");
            store.map(|store| Arc::new(store) as Arc<dyn Store>).map_err(told)
        }
    }
}

/// The path of a URL: `/parse` of `http://host:1337/parse`.
fn path_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let slash = rest.find('/')?;
    rest.get(slash..)
}
