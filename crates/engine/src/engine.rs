//! The engine of one application: its parts, how it opens and how it closes.

use std::sync::Arc;

use parsimony_cloud::auth::Providers;
use parsimony_cloud::metrics::Metrics;
use parsimony_cloud::{Delivery, HttpClient, Interpreter, Mailer, Registry, Script};
use parsimony_model::value::Map;
use parsimony_model::{Clock, ParseError};
use parsimony_store::{FileStore, Objects, Store};
use tokio::sync::Semaphore;

use crate::caller::{Caller, Credentials};
use crate::files::{self, place};
use crate::inbound;
use crate::jobs::{self, Jobs};
use crate::live::{self, Live};
use crate::logs::Logs;
use crate::measures;
use crate::nodes;
use crate::options::Options;
use crate::public::{self, PublicAsked, PublicShown};
use crate::push::{self, Pushes};
use crate::rate_limits::{self, Counts};
use crate::schema::{Schemas, definitions};
use crate::scripts::{self, Scripts};
use crate::tasks::Tasks;
use crate::timed::Timed;
use crate::triggers::Registered;
use crate::turns::Turns;
use crate::users::{Accounts, Passwords, auth_data};
use crate::webhooks;
use crate::work::Work;

/// What an engine is given besides its options, its store and its applications.
pub struct Surroundings {
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// What asks the world outside.
    pub http: Arc<dyn HttpClient>,
    /// What sends e-mails, if anything does.
    pub mail: Option<Arc<dyn Mailer>>,
    /// The identity providers that the administrator asked for.
    pub auth: Providers,
    /// Where files are kept, if not in the store.
    pub files: Option<Arc<dyn FileStore>>,
    /// The last lines of the log.
    pub logs: Arc<Logs>,
    /// What is measured.
    pub metrics: Metrics,
    /// What makes handlers of hook scripts.
    pub interpreter: Arc<dyn Interpreter>,
    /// The hook scripts of the administrator's folder.
    pub script_files: Vec<Script>,
    /// Whether the server starts although the scripts are unsound, with those of the applications alone.
    pub starts_without_scripts: bool,
}

/// The engine of one application. No globals: a process may hold several.
pub struct Engine {
    pub(crate) options: Options,
    pub(crate) store: Arc<dyn Store>,
    /// The same store, as a pipeline sees it.
    pub(crate) objects: Arc<dyn Objects>,
    /// The last lines of the log.
    pub(crate) logs: Arc<Logs>,
    /// What is measured.
    pub(crate) metrics: Metrics,
    /// Where files are kept.
    pub(crate) files: Arc<dyn FileStore>,
    pub(crate) registry: Registered,
    pub(crate) clock: Arc<dyn Clock>,
    /// What asks the world outside.
    pub(crate) http: Arc<dyn HttpClient>,
    /// What sends e-mails, if anything does.
    pub(crate) mail: Option<Arc<dyn Mailer>>,
    /// The identity providers.
    pub(crate) auth: Providers,
    pub(crate) schemas: Schemas,
    pub(crate) accounts: Accounts,
    pub(crate) live: Live,
    pub(crate) scripts: Scripts,
    pub(crate) passwords: Passwords,
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) pushes: Arc<Pushes>,
    pub(crate) tasks: Tasks,
    pub(crate) rate_counts: Counts,
    /// Whose transaction is tried again next.
    pub(crate) turns: Turns,
    /// The places for events of webhooks that are handled at one time.
    pub(crate) inbound_places: Semaphore,
    /// The places for letters that were not taken and are sent again.
    pub(crate) letters_waiting: Semaphore,
}

impl Engine {
    /// Reads the classes, applies the applications' class definitions, and creates their roles. The error is a sentence
    /// that says what to mend.
    pub async fn open(
        options: Options,
        store: Arc<dyn Store>,
        registry: Registry,
        surroundings: Surroundings,
    ) -> Result<Arc<Self>, String> {
        let Surroundings { clock, http, files: place_of_files, logs, metrics, mail, auth, .. } = surroundings;
        let Surroundings { interpreter, script_files, starts_without_scripts, .. } = surroundings;
        let store: Arc<dyn Store> = Arc::new(Timed::new(store, metrics.clone()));
        let told = |error: ParseError| error.to_string();
        let schemas = Schemas::load(Arc::clone(&store)).await.map_err(told)?;
        let objects: Arc<dyn Objects> = Arc::clone(&store) as Arc<dyn Objects>;
        let accounts = Accounts::new(&options);
        let passwords = Passwords::new(&options);
        let auth = auth_data::providers(auth, &registry, &options)?;
        let registry = Registered::new(registry);
        let jobs = Arc::new(Jobs::new(&*clock));
        let letters_waiting = Semaphore::new(options.limits.mail_waiting_max);
        let inbound_places = Semaphore::new(options.limits.inbound_together_max);
        let engine = Arc::new(Self {
            live: Live::new(store.watching()),
            logs,
            metrics,
            files: place(&options, &store, &clock, place_of_files),
            options,
            store,
            objects,
            registry,
            clock,
            http,
            mail,
            auth,
            schemas,
            accounts,
            scripts: Scripts::new(interpreter, script_files),
            passwords,
            jobs,
            pushes: Arc::default(),
            tasks: Tasks::new(),
            rate_counts: Counts::default(),
            turns: Turns::default(),
            inbound_places,
            letters_waiting,
        });
        definitions::apply(&engine).await?;
        definitions::create_roles(&engine).await.map_err(told)?;
        webhooks::load(&engine).await.map_err(told)?;
        nodes::start(&engine).await?;
        scripts::begin(&engine, starts_without_scripts).await.map_err(|faults| faults.join("\n"))?;
        measures::begin(&engine);
        live::start(&engine);
        jobs::begin(&engine);
        inbound::begin(&engine);
        push::begin(&engine);
        files::begin(&engine);
        Ok(engine)
    }

    /// Runs something beside requests until the engine closes.
    pub fn background(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_unwaited(task);
    }

    /// Puts the hook scripts of the administrator's folder in the place of those that were in it, while requests run. If
    /// the set is unsound, the one that serves goes on, and everything that is wrong is told.
    /// Files that cannot be read are an error as well, given as a sentence.
    pub async fn put_script_files(&self, files: Result<Vec<Script>, String>) -> Result<(), Vec<String>> {
        scripts::exchange(self, Some(files)).await
    }

    /// Reads the stored hook scripts again, and makes them serve; to be called when another node has changed them.
    pub async fn reload_scripts(&self) -> Result<(), Vec<String>> {
        scripts::exchange(self, None).await
    }

    /// Puts what a process elsewhere has beside the applications' own hooks, or in the place of what it had before: the
    /// manifest of ParseCloud/1.0, and the URL at which it answers. Gives the number of its hooks. The error is a sentence;
    /// then nothing has changed.
    pub fn put_external(self: &Arc<Self>, source: &str, url: &str, manifest: &Map) -> Result<usize, String> {
        webhooks::external::put(self, source, url, manifest)
    }

    /// What is measured.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// All measures, in the text format of Prometheus, for whoever has `parsimony.metricsToken`; `None` for anybody else.
    pub fn measures_by_token(&self, token: &str) -> Option<String> {
        measures::told_by_token(self, token)
    }

    /// What asks the world outside.
    pub fn http(&self) -> &Arc<dyn HttpClient> {
        &self.http
    }

    /// The options it obeys.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Whether there is any path that may be asked only so often.
    pub fn counts(&self) -> bool {
        rate_limits::has_limits(self, &self.registry.look())
    }

    /// Counts a request, where its path may be asked only so often; error 100 if that was too often. `path` is below the
    /// mount path, with a slash at its start.
    pub async fn count(&self, credentials: &Credentials, method: &str, path: &str) -> Result<(), ParseError> {
        rate_limits::admit_request(self, credentials, (method, path)).await
    }

    /// Takes what an outside service sends to a source of an application. When it is answered without an error, it is stored;
    /// what is not believed is [`parsimony_model::ErrorCode::NotSigned`].
    pub async fn receive(
        self: &Arc<Self>,
        (application, source): (&str, &str),
        delivery: Delivery,
    ) -> Result<(), ParseError> {
        inbound::receive(self, (application, source), delivery).await
    }

    /// Shows a public document of an application to whoever asks.
    pub async fn show_public(self: &Arc<Self>, asked: PublicAsked) -> Result<PublicShown, ParseError> {
        public::show(self, asked).await
    }

    /// Turns credentials into work that may be asked for. A wrong application id or key is
    /// [`parsimony_model::ErrorCode::Unauthorized`], a bad session token error 209.
    pub async fn authenticate(self: &Arc<Self>, credentials: Credentials) -> Result<Work, ParseError> {
        let caller = Caller::authenticate(self, credentials).await?;
        Ok(Work::new(Arc::clone(self), caller))
    }

    /// As [`Self::authenticate`], but a client's session token is not looked at: for `/login`, where an old one must not
    /// stand in the way.
    pub async fn authenticate_without_session(self: &Arc<Self>, credentials: Credentials) -> Result<Work, ParseError> {
        self.authenticate(Credentials { session_token: None, ..credentials }).await
    }

    /// As [`Self::authenticate`], but a token of the kind that there was before there were sessions is taken too: for
    /// `/upgradeToRevocableSession` alone.
    pub async fn authenticate_legacy(self: &Arc<Self>, credentials: Credentials) -> Result<Work, ParseError> {
        let caller = Caller::with_legacy_session(self, credentials).await?;
        Ok(Work::new(Arc::clone(self), caller))
    }

    /// As [`Self::authenticate`], for somebody who reads a file: browsers that show one have no key to present.
    pub async fn authenticate_reader(self: &Arc<Self>, credentials: Credentials) -> Result<Work, ParseError> {
        let caller = Caller::authenticate_reader(self, credentials).await?;
        Ok(Work::new(Arc::clone(self), caller))
    }

    /// Work with the master's rights, for the server's own doings.
    pub fn as_master(self: &Arc<Self>) -> Work {
        Work::new(Arc::clone(self), Caller::server())
    }

    /// Whether the store answers, for `/health`.
    pub async fn check(&self) -> Result<(), ParseError> {
        Ok(self.store.check().await?)
    }

    /// Ends what goes on beside the requests: the runs of jobs, each with a status, and the handling of webhooks.
    pub async fn stop_jobs(&self) {
        jobs::stop(self).await;
    }

    /// Ends the jobs and closes the store; what was acknowledged is on disk before.
    pub async fn close(&self) {
        self.stop_jobs().await;
        self.tasks.abort();
        if let Err(error) = self.store.close().await {
            tracing::error!(%error, "the store did not close cleanly");
        }
    }
}
