//! Hook scripts: which are there, and how does another set of them take the place of the one that serves?
//!
//! A script has a name, and three may have the same one: what an application brings, in its place a file of the
//! administrator's folder, in its place a stored one. A set serves as a whole or not at all.

pub(crate) mod api;
mod rehearsal;
mod stored;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use parsimony_cloud::metrics::SCRIPTS_EXCHANGED;
use parsimony_cloud::{Compiled, Effects, Fault, Interpreter, Script};
use parsimony_model::Date;

use crate::engine::Engine;

/// The hook scripts of an engine.
pub(crate) struct Scripts {
    interpreter: Arc<dyn Interpreter>,
    /// The scripts of the administrator's folder.
    files: Mutex<Vec<Script>>,
    /// Held while a set is exchanged, so that two changes do not forget each other.
    exchanging: tokio::sync::Mutex<()>,
    state: ArcSwap<State>,
}

/// What serves, and what went wrong since.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    /// The scripts that serve.
    loaded: Vec<Loaded>,
    /// Since when they do.
    since: Option<Date>,
    /// Why another set does not, if one was tried after that.
    failure: Option<Failure>,
}

/// A script that serves.
#[derive(Debug, Clone)]
struct Loaded {
    script: Script,
    /// Its hooks, as `beforeSave Identity` or `function greet`.
    hooks: Vec<String>,
}

/// A set that does not serve.
#[derive(Debug, Clone)]
struct Failure {
    faults: Vec<String>,
    at: Date,
}

/// What is wrong with a set, a sentence each.
type Faults = Vec<String>;

/// How many faults of a set are told.
const FAULTS_TOLD_MAX: usize = 50;

impl Scripts {
    pub(crate) fn new(interpreter: Arc<dyn Interpreter>, files: Vec<Script>) -> Self {
        Self {
            interpreter,
            files: Mutex::new(files),
            exchanging: tokio::sync::Mutex::default(),
            state: ArcSwap::default(),
        }
    }

    fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// Makes handlers of a set, on a thread where that may take its time.
    async fn compile(&self, scripts: Vec<Script>, effects: Effects) -> Result<Compiled, Faults> {
        let interpreter = Arc::clone(&self.interpreter);
        let compiling = tokio::task::spawn_blocking(move || interpreter.compile(&scripts, effects));
        match compiling.await {
            Ok(compiled) => compiled.map_err(|faults| told(&faults)),
            Err(panic) => Err(vec![format!("The scripts cannot be read: {panic}.")]),
        }
    }

    fn fail(&self, faults: &[String], at: Date) {
        let failure = Some(Failure { faults: faults.to_vec(), at });
        self.state.store(Arc::new(State { failure, ..(*self.state()).clone() }));
        for fault in faults {
            tracing::error!(%fault, "the hook scripts are not exchanged; those that serve go on");
        }
    }
}

/// How many scripts serve, and whether a later set should but is unsound.
pub(crate) fn standing(engine: &Engine) -> (usize, bool) {
    let state = engine.scripts.state.load();
    (state.loaded.len(), state.failure.is_some())
}

/// The first faults; whoever sees those will not miss the rest.
fn told(faults: &[Fault]) -> Faults {
    let more = faults.len().checked_sub(FAULTS_TOLD_MAX).filter(|more| *more > 0);
    let first = faults.iter().take(FAULTS_TOLD_MAX).map(Fault::to_string);
    first.chain(more.map(|more| format!("And {more} more."))).collect()
}

/// A set that is sound.
struct Prepared {
    scripts: Vec<Script>,
    compiled: Compiled,
}

/// All scripts, each name once.
fn combined(engine: &Engine, stored: Vec<Script>) -> Vec<Script> {
    let own = engine.registry.own().scripts().iter().cloned();
    let files = engine.scripts.files.lock().clone();
    let all = own.chain(files).chain(stored).map(|script| (script.name.clone(), script));
    all.collect::<BTreeMap<String, Script>>().into_values().collect()
}

/// What is stored, as scripts.
async fn stored(engine: &Engine) -> Result<Vec<Script>, Faults> {
    let newest = stored::newest(engine).await.map_err(|error| vec![error.to_string()])?;
    Ok(newest.iter().filter_map(stored::Version::to_script).collect())
}

/// Sees whether a set is sound, in itself and beside the applications' own hooks.
async fn prepare(engine: &Engine, scripts: Vec<Script>) -> Result<Prepared, Faults> {
    let compiled = engine.scripts.compile(scripts.clone(), Effects::Real).await?;
    engine.registry.with_scripts(&compiled.layer).map_err(|conflict| vec![format!("{conflict}.")])?;
    Ok(Prepared { scripts, compiled })
}

/// Makes a set serve.
fn serve(engine: &Engine, prepared: Prepared) -> Result<(), Faults> {
    let Prepared { scripts, compiled } = prepared;
    engine.registry.put_scripts(compiled.layer).map_err(|conflict| vec![conflict])?;
    let hooks = compiled.hooks.into_iter().map(|(_, hooks)| hooks);
    let loaded: Vec<Loaded> = scripts.into_iter().zip(hooks).map(|(script, hooks)| Loaded { script, hooks }).collect();
    let count = loaded.len();
    engine.scripts.state.store(Arc::new(State { loaded, since: Some(engine.clock.now()), failure: None }));
    if count > 0 {
        tracing::info!(scripts = count, "hook scripts serve");
    }
    Ok(())
}

/// Takes the files of the folder, if they are given, reads what is stored, and makes the set serve if it is sound. If not,
/// the one that serves goes on, and everything that is wrong is told.
pub(crate) async fn exchange(engine: &Engine, files: Option<Result<Vec<Script>, String>>) -> Result<(), Faults> {
    let _one_by_one = engine.scripts.exchanging.lock().await;
    let done = match files {
        Some(Err(unreadable)) => Err(vec![unreadable]),
        files => {
            if let Some(Ok(files)) = files {
                // Kept even if they are unsound: what is stored next has to be sound together with the files as they are.
                *engine.scripts.files.lock() = files;
            }
            exchange_with_stored(engine).await
        }
    };
    engine.metrics.count(&SCRIPTS_EXCHANGED, &[if done.is_ok() { "good" } else { "bad" }]);
    done.inspect_err(|faults| engine.scripts.fail(faults, engine.clock.now()))
}

/// Makes the first set serve. Without its scripts a server would let through what they refuse: an unsound set is an error,
/// unless it was said that those of the applications will do until the others are mended.
pub(crate) async fn begin(engine: &Engine, without: bool) -> Result<(), Faults> {
    let Err(faults) = exchange(engine, None).await else { return Ok(()) };
    if !without {
        return Err(faults);
    }
    let own = prepare(engine, engine.registry.own().scripts().to_vec()).await?;
    serve(engine, own)?;
    engine.scripts.fail(&faults, engine.clock.now());
    Ok(())
}

async fn exchange_with_stored(engine: &Engine) -> Result<(), Faults> {
    let prepared = prepare(engine, combined(engine, stored(engine).await?)).await?;
    serve(engine, prepared)
}
