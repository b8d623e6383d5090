//! What is a script's engine: one for all of them, with everything it may do and every bound it has.

use std::sync::Arc;

use parsimony_cloud::{Compiled, Effects, Fault, HttpClient, Interpreter, Script};
use rhai::module_resolvers::DummyModuleResolver;
use rhai::{Dynamic, Engine, OptimizationLevel};

use crate::limits::Limits;
use crate::pool::Pool;
use crate::{api, bridge, current, load};

/// What reaches out of the server.
#[derive(Clone)]
pub struct Outside {
    /// What sends requests.
    pub http: Arc<dyn HttpClient>,
    /// The hosts that scripts may ask: `api.example.com`, or `api.example.com:8443`.
    pub hosts: Vec<String>,
}

/// What all calls share. None of it is locked while a script runs.
pub(crate) struct Core {
    pub(crate) engine: Arc<Engine>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) outside: Outside,
    pub(crate) effects: Effects,
}

/// What scripts of either kind share.
pub(crate) struct Cores {
    /// For what a request waits for.
    pub(crate) hooks: Arc<Core>,
    /// For jobs, which may take their time.
    pub(crate) jobs: Arc<Core>,
}

/// The interpreter of hook scripts.
pub struct Rhai {
    real: Cores,
    rehearsing: Cores,
}

/// How often a running script looks at the time: once in so many operations.
const OPERATIONS_PER_LOOK: u64 = 64;

impl Rhai {
    /// An interpreter with these bounds.
    pub fn new(limits: Limits, outside: &Outside) -> Self {
        let both = |limits: Limits| {
            let engine = Arc::new(engine(&limits));
            let pool = Arc::new(Pool::new(limits.threads_max, limits.time_max));
            let limits = Arc::new(limits);
            [Effects::Real, Effects::None].map(|effects| {
                let (engine, limits, pool) = (Arc::clone(&engine), Arc::clone(&limits), Arc::clone(&pool));
                Arc::new(Core { engine, limits, pool, outside: outside.clone(), effects })
            })
        };
        let [jobs, rehearsed_jobs] = both(limits.of_jobs());
        let [hooks, rehearsed_hooks] = both(limits);
        Self { real: Cores { hooks, jobs }, rehearsing: Cores { hooks: rehearsed_hooks, jobs: rehearsed_jobs } }
    }
}

impl Interpreter for Rhai {
    fn compile(&self, scripts: &[Script], effects: Effects) -> Result<Compiled, Vec<Fault>> {
        load::compile(if effects == Effects::Real { &self.real } else { &self.rehearsing }, scripts)
    }
}

fn engine(limits: &Limits) -> Engine {
    let mut engine = Engine::new();
    engine
        .set_max_operations(limits.operations_max)
        .set_max_call_levels(limits.calls_max)
        .set_max_expr_depths(limits.expression_depth_max, limits.expression_depth_max)
        .set_max_variables(limits.variables_max)
        .set_max_string_size(limits.text_bytes_max)
        .set_max_array_size(limits.elements_max)
        .set_max_map_size(limits.elements_max)
        .set_max_modules(0)
        .set_module_resolver(DummyModuleResolver::new())
        // A shared table of strings is a lock, and two threads with it are slower than one.
        .set_max_strings_interned(0)
        .set_optimization_level(OptimizationLevel::Simple)
        .set_strict_variables(true)
        .set_fail_on_invalid_map_property(false)
        .disable_symbol("eval")
        .disable_symbol("import")
        .disable_symbol("export");
    engine.on_progress(|operations| {
        (operations % OPERATIONS_PER_LOOK == 0 && current::is_late()).then_some(Dynamic::UNIT)
    });
    bridge::register(&mut engine);
    api::register(&mut engine);
    engine
}
