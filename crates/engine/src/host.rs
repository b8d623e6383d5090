//! The engine as cloud code sees it: the same pipelines every door uses, with the caller's rights or the master's.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use parsimony_cloud::metrics::Metrics;
use parsimony_cloud::{Email, Host, HostApi, Pending, ResealFrom, ResealStep, Turn, no_mail, stack};
use parsimony_model::value::{File, Map};
use parsimony_model::{ClassName, Date, ErrorCode, Object, ObjectId, ParseError, Query, Value};
use parsimony_store::Resealed;
use tokio::task::JoinSet;

use crate::files::{Upload, Uploaded};
use crate::work::Work;
use crate::{find, functions, save};

/// The way back in for cloud code that this work runs. Cloud code that calls itself without end stops here.
pub(crate) fn of(work: &Work) -> Result<Host, ParseError> {
    if work.depth >= work.engine.options.limits.hook_depth_max {
        return Err(ParseError::new(ErrorCode::ScriptFailed, "Cloud code calls itself too deeply."));
    }
    let inside = Work { depth: work.depth + 1, ..work.with_caller(work.caller.inside()) };
    Ok(Host::new(Arc::new(EngineHost(inside))))
}

/// Runs cloud code. A panic in it is a failure of that request, not of the server.
pub(crate) async fn guarded<T>(code: impl Future<Output = Result<T, ParseError>>) -> Result<T, ParseError> {
    match AssertUnwindSafe(code).catch_unwind().await {
        Ok(done) => done,
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            Err(ParseError { detail: Some(text), ..ParseError::new(ErrorCode::ScriptFailed, "Script failed.") })
        }
    }
}

/// How many levels of cloud code that calls cloud code stand on one stack.
const LEVELS_ON_A_STACK: u8 = 4;

/// What cloud code asks for. Every few levels it is done by a task of its own, on a stack that begins anew: as deep as cloud
/// code may call itself, no stack is deep enough. The task ends with whoever waits for it. A thread with a stack for all of
/// them goes on by itself: scripts that wait have such threads, and one within another must not stand in line for a second.
fn on_some_stack<T: Send + 'static>(
    depth: u8,
    asked: impl Future<Output = Result<T, ParseError>> + Send + 'static,
) -> Pending<'static, T> {
    if stack::is_roomy() || !depth.is_multiple_of(LEVELS_ON_A_STACK) {
        return Box::pin(asked);
    }
    Box::pin(async move {
        let mut alone = JoinSet::new();
        alone.spawn(asked);
        match alone.join_next().await {
            Some(done) => done.map_err(ParseError::internal)?,
            None => Err(ParseError::internal("a task that was begun is not there")),
        }
    })
}

struct EngineHost(Work);

impl HostApi for EngineHost {
    fn find(&self, class: ClassName, query: Query) -> Pending<'_, Vec<Object>> {
        let work = self.0.clone();
        on_some_stack(self.0.depth, async move { Ok(find::find(&work, &class, query).await?.results) })
    }

    fn count(&self, class: ClassName, query: Query) -> Pending<'_, u64> {
        Box::pin(async move { find::count(&self.0, &class, query).await })
    }

    fn save(&self, class: ClassName, id: Option<ObjectId>, fields: Map) -> Pending<'_, Object> {
        let work = self.0.clone();
        on_some_stack(self.0.depth, async move { Ok(save::save(&work, &class, id.as_ref(), fields).await?.1) })
    }

    fn delete(&self, class: ClassName, id: ObjectId) -> Pending<'_, ()> {
        let work = self.0.clone();
        on_some_stack(self.0.depth, async move { work.delete(&class, &id).await })
    }

    fn call(&self, function: String, params: Map) -> Pending<'_, Value> {
        let work = self.0.clone();
        on_some_stack(self.0.depth, async move { functions::call(&work, &function, params).await?.0.to_value() })
    }

    fn push(&self, body: Map) -> Pending<'_, ObjectId> {
        Box::pin(async move {
            if self.0.transaction.is_some() {
                return Err(ParseError::new(ErrorCode::ScriptFailed, "A transaction cannot send a push."));
            }
            self.0.push(body).await
        })
    }

    fn start_job(&self, name: String, params: Map) -> Pending<'_, ObjectId> {
        Box::pin(async move {
            if self.0.transaction.is_some() {
                return Err(ParseError::new(ErrorCode::ScriptFailed, "A transaction cannot start a job."));
            }
            self.0.start_job(Some(&name), params).await
        })
    }

    fn pause_job(&self, name: String, is_paused: bool) -> Pending<'_, ()> {
        Box::pin(async move { self.0.pause_job(&name, is_paused).await.map(drop) })
    }

    fn begin(&self) -> Pending<'_, Arc<dyn HostApi>> {
        Box::pin(async move {
            let host: Arc<dyn HostApi> = Arc::new(Self(self.0.begin().await?));
            Ok(host)
        })
    }

    fn commit(&self) -> Pending<'_, ()> {
        Box::pin(self.0.commit())
    }

    fn roll_back(&self) -> Pending<'_, ()> {
        Box::pin(self.0.roll_back())
    }

    fn in_transaction(&self) -> bool {
        self.0.transaction.is_some()
    }

    fn with_context(&self, context: Map) -> Arc<dyn HostApi> {
        Arc::new(Self(self.0.with_caller(self.0.caller.with_context(context))))
    }

    fn as_master(&self) -> Arc<dyn HostApi> {
        Arc::new(Self(self.0.with_caller(self.0.caller.elevated())))
    }

    fn now(&self) -> Date {
        self.0.engine.clock.now()
    }

    fn random(&self, length: usize) -> String {
        self.0.engine.clock.alphanumeric(length)
    }

    fn send_email(&self, email: Email) -> Pending<'_, ()> {
        Box::pin(async move {
            if self.0.transaction.is_some() {
                let text = "An e-mail cannot be sent inside a transaction.";
                return Err(ParseError::new(ErrorCode::ScriptFailed, text));
            }
            let Some(mail) = &self.0.engine.mail else { return Err(no_mail()) };
            mail.send(email).await.map_err(|failure| ParseError {
                detail: Some(failure.to_string()),
                ..ParseError::new(ErrorCode::ScriptFailed, "The e-mail was not sent.")
            })
        })
    }

    fn save_file(&self, name: String, content_type: Option<String>, content: Bytes) -> Pending<'_, File> {
        Box::pin(async move {
            if self.0.transaction.is_some() {
                return Err(ParseError::new(ErrorCode::ScriptFailed, "A transaction cannot store a file."));
            }
            let Uploaded { name, url } = self.0.upload(Upload::of_cloud_code(name, content_type, content)).await?;
            Ok(File { name, url: Some(url) })
        })
    }

    fn read_file(&self, name: String, bytes_max: u64) -> Pending<'_, Option<Bytes>> {
        Box::pin(async move {
            let Some(download) = self.0.download(&name, None).await? else { return Ok(None) };
            download.whole(bytes_max).await.map(Some)
        })
    }

    fn delete_file(&self, name: String) -> Pending<'_, ()> {
        Box::pin(async move { self.0.delete_file(&name).await })
    }

    fn reseal(&self, from: Option<ResealFrom>) -> Pending<'_, ResealStep> {
        Box::pin(async move { reseal(&self.0, from).await })
    }

    fn metrics(&self) -> Metrics {
        self.0.engine.metrics.clone()
    }

    fn turn(&self) -> Pending<'_, Turn> {
        Box::pin(async move { Ok(self.0.engine.turns.next().await) })
    }

    fn pause(&self, millis: u64) -> Pending<'_, ()> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok(())
        })
    }
}

/// One step through all classes, in the order of their names.
async fn reseal(work: &Work, from: Option<ResealFrom>) -> Result<ResealStep, ParseError> {
    if !work.caller.is_privileged() {
        return Err(ParseError::denied(ErrorCode::MasterKeyRequired, "unauthorized: master key is required"));
    }
    let mut names: Vec<ClassName> = work.engine.schemas.names();
    names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    let Some(from) = from.or_else(|| names.first().map(|class| ResealFrom { class: class.clone(), after: None }))
    else {
        return Ok(ResealStep::default());
    };
    let step = match work.engine.schemas.find(&from.class).await? {
        Some(class) => work.engine.store.reseal(&class, from.after.as_ref()).await?,
        None => Resealed::default(),
    };
    let next_class = || names.into_iter().find(|class| class.as_str() > from.class.as_str());
    let next = match step.next {
        Some(id) => Some(ResealFrom { class: from.class.clone(), after: Some(id) }),
        None => next_class().map(|class| ResealFrom { class, after: None }),
    };
    Ok(ResealStep { seen: step.seen, resealed: step.resealed, next })
}
