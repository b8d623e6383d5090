//! How is a scenario replayed against this server, and what is told when it answers something else?

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use parsimony_server::{Config, Parts, Sources};
use parsimony_testkit::wire::{Areas, Player, Reply, Scenario, Step, differences, put_given};
use parsimony_testkit::{StoreKind, mongod};
use serde_json::{Map, Value, json};

/// With this set, what this server answers where it differs is written into the scenarios.
const KEEP_VARIABLE: &str = "PARSIMONY_WIRE_KEEP_OURS";

/// The cheapest bcrypt: scenarios sign up many people.
const PASSWORD_COST: u32 = 4;

/// The store's name in the names of tests and in `pending`.
pub(crate) const fn name_of(store: StoreKind) -> &'static str {
    match store {
        StoreKind::Sqlite => "sqlite",
        StoreKind::Mongo => "mongo",
    }
}

/// What was replayed.
#[derive(Default)]
struct Tally {
    exchanges: usize,
    differing: usize,
    /// By reason.
    pending: BTreeMap<String, usize>,
    /// What was answered where we differ: area, scenario, step.
    ours: BTreeMap<(String, String, usize), Reply>,
}

/// All scenarios, and how their replay goes.
pub(crate) struct Replays {
    /// The files.
    pub(crate) areas: Areas,
    /// The options of each server.
    pub(crate) servers: Map<String, Value>,
    keeps: bool,
    tally: Mutex<Tally>,
}

impl Replays {
    /// Nothing is replayed yet.
    pub(crate) fn new(areas: Areas, servers: Map<String, Value>) -> Self {
        let keeps = std::env::var_os(KEEP_VARIABLE).is_some();
        Self { areas, servers, keeps, tally: Mutex::default() }
    }

    /// Every scenario with the path of its file.
    pub(crate) fn scenarios(&self) -> impl Iterator<Item = (&str, &Scenario)> {
        self.areas
            .0
            .iter()
            .flat_map(|(name, area)| area.scenarios.iter().map(move |scenario| (name.as_str(), scenario)))
    }

    /// Replays one scenario on a server of its own. The error shows each step that is answered otherwise.
    pub(crate) fn replay(&self, store: StoreKind, area: &str, scenario: &Scenario) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        runtime.block_on(async {
            let options = self.servers.get(&scenario.server).ok_or("servers.json does not name its server")?;
            let data = tempfile::tempdir().map_err(|error| error.to_string())?;
            let database = match store {
                StoreKind::Sqlite => format!("sqlite:{}", data.path().join("wire.db").display()),
                StoreKind::Mongo => fresh_database()?,
            };
            put_given(&database, scenario).await?;
            let mut config = config(options, &database)?;
            config.options.password_cost = PASSWORD_COST;
            config.hooks_dir = data.path().join("hooks");
            let application = crate::application::application();
            let mut running = parsimony_server::start(config, [application], Parts::default()).await?;
            let mut player = Player::new(&running.url, options)?;
            let mut problems = String::new();
            for (index, step) in scenario.steps.iter().enumerate() {
                let got = player.play(scenario, step).await;
                if let Err(problem) = self.judge(store, (area, scenario, index), step, got) {
                    // Writing to a string cannot fail.
                    let _ = writeln!(problems, "\nstep {}: {}\n{problem}", index + 1, told(step));
                }
            }
            running.stop().await;
            if problems.is_empty() { Ok(()) } else { Err(problems) }
        })
    }

    /// Whether an answer is the one that is wanted on this store.
    fn judge(
        &self,
        store: StoreKind,
        (area, scenario_of, index): (&str, &Scenario, usize),
        step: &Step,
        got: Result<Reply, String>,
    ) -> Result<(), String> {
        let recorded = step.reply.as_ref().ok_or("  it has no reply: run `cargo xtask record`")?;
        self.tally.lock().exchanges += 1;
        if let Some(reason) = step.pending.as_ref().and_then(|pending| pending.on(name_of(store))) {
            if got.is_ok_and(|got| differences(recorded, &got).is_empty()) {
                return Err(format!("  is no longer pending ({reason}): remove the mark"));
            }
            *self.tally.lock().pending.entry(format!("{}: {reason}", name_of(store))).or_default() += 1;
            return Ok(());
        }
        let got = got.map_err(|error| format!("  {error}"))?;
        let mut wanted = recorded;
        if step.differs.is_some() {
            let mut tally = self.tally.lock();
            tally.differing += 1;
            if self.keeps && store == Self::shown_by(scenario_of, step) {
                tally.ours.insert((area.to_owned(), scenario_of.name.clone(), index), got);
                return Ok(());
            }
            drop(tally);
            if differences(recorded, &got).is_empty() {
                return Err("  is answered as by Parse Server: remove `differs`".to_owned());
            }
            wanted = step.ours.as_ref().ok_or_else(|| format!("  has no `ours`: run with {KEEP_VARIABLE}=1"))?;
        }
        let found = differences(wanted, &got);
        if found.is_empty() { Ok(()) } else { Err(format!("  {}", found.join("\n  "))) }
    }

    /// The store whose answer is written down: the embedded one, unless it does not answer this step.
    fn shown_by(scenario: &Scenario, step: &Step) -> StoreKind {
        let pending = step.pending.as_ref().is_some_and(|pending| pending.on(name_of(StoreKind::Sqlite)).is_some());
        if pending || !scenario.given.is_empty() { StoreKind::Mongo } else { StoreKind::Sqlite }
    }

    /// How much was replayed, and what is pending.
    pub(crate) fn summary(&self) -> String {
        let tally = self.tally.lock();
        let pending: usize = tally.pending.values().sum();
        let mut text = format!(
            "{} exchanges replayed; {} of them differ on purpose, {pending} are pending\n",
            tally.exchanges, tally.differing
        );
        for (reason, times) in &tally.pending {
            let _ = writeln!(text, "  pending ×{times} {reason}");
        }
        text
    }

    /// Writes down what this server answers where it differs, if that is wanted.
    pub(crate) fn keep(&self) -> Result<(), String> {
        let tally = self.tally.lock();
        for (name, area) in &self.areas.0 {
            let mut area = area.clone();
            let mut changed = false;
            for scenario in &mut area.scenarios {
                for (index, step) in scenario.steps.iter_mut().enumerate() {
                    let kept = tally.ours.get(&(name.clone(), scenario.name.clone(), index));
                    changed |= kept.is_some();
                    step.ours = kept.cloned().or(step.ours.take());
                }
            }
            if changed {
                Areas::write(name, &area)?;
            }
        }
        Ok(())
    }
}

/// A database of the replica set that nobody has used.
fn fresh_database() -> Result<String, String> {
    static DATABASES: AtomicU64 = AtomicU64::new(0);
    let uri = mongod::given_replica_set().ok_or("run this with `cargo xtask test --ring wire`: it starts MongoDB")?;
    let name = format!("wire{}_{}", std::process::id(), DATABASES.fetch_add(1, Ordering::Relaxed));
    Ok(mongod::uri_for(&uri, &name))
}

/// The options as this server reads them, on a free port.
fn config(options: &Value, database: &str) -> Result<Config, String> {
    let mut options = options.clone();
    if let Some(options) = options.as_object_mut() {
        options.insert("host".to_owned(), json!("127.0.0.1"));
        options.insert("port".to_owned(), json!(0));
        options.insert("databaseURI".to_owned(), json!(database));
    }
    let file = Some(("servers.json".to_owned(), options.to_string()));
    Config::read(Sources { file, ..Sources::default() })
}

/// A step as one line.
fn told(step: &Step) -> String {
    let mut text = step.ask.clone();
    for (name, value) in &step.query {
        let _ = write!(text, " {name}={}", value.text());
    }
    if let Some(body) = &step.send {
        let _ = write!(text, " {}", body.text());
    }
    if let Some(body) = &step.raw {
        let _ = write!(text, " {body}");
    }
    if let Some(who) = &step.who {
        let _ = write!(text, " (as {who})");
    }
    text
}
