//! Running cloud code where it steps in: its rules, its time, and what becomes of its errors.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use parsimony_cloud::{Handler, Hook, Layer, Origin, Registry, Trigger, Who};
use parsimony_model::{ErrorCode, ParseError};

use crate::engine::Engine;
use crate::work::Work;
use crate::{host, measures};

/// The registry as it is now: the applications' own, and the layers that were put beside it while the server runs. Each
/// request takes it once.
pub(crate) struct Registered {
    own: Registry,
    layers: Mutex<Layers>,
    now: ArcSwap<Registry>,
}

/// What is registered while the server runs.
#[derive(Default, Clone)]
struct Layers {
    /// Hook scripts; they share no name with what the applications brought.
    scripts: Layer,
    /// A process of the administrator's; it shares none with either.
    external: Layer,
    /// Webhooks. Parse: they take the place of whatever has the same name.
    webhooks: Layer,
}

impl Layers {
    fn with_scripts(&self, own: &Registry, scripts: &Layer) -> Result<Registry, String> {
        let registry = own.clone().with_beside(scripts)?.with_beside(&self.external)?;
        Ok(registry.with_above(&self.webhooks))
    }
}

impl Registered {
    pub(crate) fn new(registry: Registry) -> Self {
        Self { now: ArcSwap::from_pointee(registry.clone()), layers: Mutex::default(), own: registry }
    }

    /// What the applications brought.
    pub(crate) fn own(&self) -> &Registry {
        &self.own
    }

    /// The registry as it is now.
    pub(crate) fn now(&self) -> Arc<Registry> {
        self.now.load_full()
    }

    /// A look at the registry as it is now, for a question that is done at once: it is not counted who looks.
    pub(crate) fn look(&self) -> impl std::ops::Deref<Target = Arc<Registry>> + use<> {
        self.now.load()
    }

    /// Exchanges the hook scripts. Requests that run go on with what they took. The error says which two places want the
    /// same name; then nothing has changed.
    pub(crate) fn put_scripts(&self, scripts: Layer) -> Result<(), String> {
        self.exchange(|layers| layers.scripts = scripts)
    }

    /// What the registry would be with these hook scripts. The error is as that of [`Self::put_scripts`].
    pub(crate) fn with_scripts(&self, scripts: &Layer) -> Result<Registry, String> {
        self.layers.lock().with_scripts(&self.own, scripts)
    }

    /// Exchanges what a process elsewhere has. The error is as that of [`Self::put_scripts`].
    pub(crate) fn put_external(&self, external: Layer) -> Result<(), String> {
        self.exchange(|layers| layers.external = external)
    }

    /// Exchanges the webhooks.
    pub(crate) fn put_webhooks(&self, webhooks: Layer) -> Result<(), String> {
        self.exchange(|layers| layers.webhooks = webhooks)
    }

    fn exchange(&self, change: impl FnOnce(&mut Layers)) -> Result<(), String> {
        // Held to the end: two changes must not forget each other.
        let mut layers = self.layers.lock();
        let mut changed = layers.clone();
        change(&mut changed);
        let registry = changed.with_scripts(&self.own, &changed.scripts)?;
        *layers = changed;
        self.now.store(Arc::new(registry));
        Ok(())
    }
}

/// Where a request of this work comes from, for cloud code.
pub(crate) fn origin(work: &Work) -> Result<Origin, ParseError> {
    let caller = &work.caller;
    Ok(Origin { who: Arc::clone(caller.who()), context: caller.context.clone(), host: host::of(work)? })
}

/// Runs the handler of a trigger of a class; `None` if there is none for this request.
///
/// A refusal of its rules, an error, a panic and a handler that takes too long all come back as the error of the request.
pub(crate) async fn run<T: Trigger>(
    work: &Work,
    class: &str,
    request: impl FnOnce(Origin) -> T + Send,
) -> Result<Option<T::Answer>, ParseError> {
    match work.registry.hook::<T>(class) {
        Some(hook) if !hook.rules.skips(work.caller.who()) => {
            let origin = origin(work)?;
            call(&work.engine, (hook, class), request(origin)).await.map(Some)
        }
        _ => Ok(None),
    }
}

/// As [`run`], for somebody whom the request has only just made known.
pub(crate) async fn run_as<T: Trigger>(
    work: &Work,
    class: &str,
    who: Who,
    request: impl FnOnce(Origin) -> T + Send,
) -> Result<Option<T::Answer>, ParseError> {
    run(work, class, |origin| request(Origin { who: Arc::new(who), ..origin })).await
}

/// Checks the rules of a handler and runs it. The name is that of the function, the class, the job or the source.
pub(crate) async fn call<T: Trigger>(
    engine: &Engine,
    (hook, name): (&Hook<T>, &str),
    request: T,
) -> Result<T::Answer, ParseError> {
    let began = Instant::now();
    let answer = answer(hook, request).await;
    measures::called(&engine.metrics, (&hook.place, T::NAME, name), &answer, began.elapsed());
    answer
}

/// As [`call`], without anybody measuring.
pub(crate) async fn answer<T: Trigger>(hook: &Hook<T>, mut request: T) -> Result<T::Answer, ParseError> {
    request.check(&hook.rules)?;
    let answer = host::guarded(Handler::call(&*hook.handler, request));
    match hook.rules.time_max() {
        None => answer.await,
        Some(time_max) => tokio::time::timeout(time_max, answer).await.unwrap_or_else(|_| {
            Err(ParseError::new(ErrorCode::Timeout, format!("Script timed out after {} ms.", time_max.as_millis())))
        }),
    }
}
