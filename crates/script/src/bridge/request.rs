//! How does a script see the request?

use std::sync::Arc;

use parking_lot::Mutex;
use parsimony_cloud::{Audience, Job, Origin, Response};
use rhai::{Array, Dynamic, Engine, ImmutableString, Map};

use super::context::Handed;
use super::document::Document;
use super::query::Asking;
use crate::current::{self, wait};
use crate::error::{Thrown, fault};

/// The request. Its properties are those of Parse's requests.
#[derive(Clone)]
pub(crate) struct Request(pub(crate) Arc<Inner>);

/// What a request has. Each kind of request has some of it.
pub(crate) struct Inner {
    pub(crate) trigger: &'static str,
    pub(crate) origin: Origin,
    pub(crate) has: Has,
}

/// What only some kinds of requests have.
#[derive(Default)]
pub(crate) struct Has {
    pub(crate) object: Option<Document>,
    pub(crate) original: Option<Document>,
    pub(crate) query: Mutex<Option<Asking>>,
    pub(crate) objects: Mutex<Option<Array>>,
    pub(crate) is_get: bool,
    pub(crate) count: bool,
    pub(crate) params: Mutex<Option<Map>>,
    pub(crate) function: Option<Arc<str>>,
    pub(crate) response: Option<Response>,
    pub(crate) job: Option<Job>,
    pub(crate) event: Mutex<Option<String>>,
    /// Whether a subscriber is told of the event.
    pub(crate) sends: Mutex<bool>,
    pub(crate) audience: Option<Audience>,
    /// What is known of a file.
    pub(crate) file: Mutex<Option<Map>>,
    pub(crate) file_size: Option<i64>,
    /// Whether the file is stored as it comes.
    pub(crate) streamed: bool,
    /// Whether browsers shall store the file that is answered.
    pub(crate) force_download: Mutex<bool>,
    /// The headers with which a file is answered.
    pub(crate) response_headers: Mutex<Option<Map>>,
    /// The parameters of Parse Config as they were.
    pub(crate) original_params: Option<Map>,
}

/// The properties, for the error that lists them.
const PROPERTIES: &str = "object, original, query, objects, isGet, count, params, functionName, triggerName, user, master, \
                          isReadOnly, installationId, ip, headers, context, event, sendEvent, clients, subscriptions, \
                          jobName, jobId, attempt, file, fileSize, stream, forceDownload, responseHeaders";

fn maybe<T: Clone + Send + Sync + 'static>(value: Option<T>) -> Dynamic {
    value.map_or(Dynamic::UNIT, Dynamic::from)
}

impl Request {
    pub(crate) fn new(trigger: &'static str, origin: Origin, has: Has) -> Self {
        Self(Arc::new(Inner { trigger, origin, has }))
    }

    fn get(&mut self, property: &str) -> Result<Dynamic, Thrown> {
        let Inner { trigger, origin, has } = &*self.0;
        let who = &origin.who;
        Ok(match property {
            "object" => maybe(has.object.clone()),
            "original" => match &has.original_params {
                Some(params) => params.clone().into(),
                None => maybe(has.original.clone()),
            },
            "file" => maybe(has.file.lock().clone()),
            "fileSize" => maybe(has.file_size),
            "stream" => has.streamed.into(),
            "forceDownload" => (*has.force_download.lock()).into(),
            "responseHeaders" => maybe(has.response_headers.lock().clone()),
            "query" => maybe(has.query.lock().clone()),
            "objects" => has.objects.lock().clone().map_or(Dynamic::UNIT, Dynamic::from),
            "params" => has.params.lock().clone().map_or(Dynamic::UNIT, Dynamic::from),
            "isGet" => has.is_get.into(),
            "count" => has.count.into(),
            "event" => maybe(has.event.lock().clone()),
            "sendEvent" => (*has.sends.lock()).into(),
            "clients" => maybe(has.audience.map(|audience| i64::try_from(audience.clients).unwrap_or(i64::MAX))),
            "subscriptions" => {
                maybe(has.audience.map(|audience| i64::try_from(audience.subscriptions).unwrap_or(i64::MAX)))
            }
            "jobName" => maybe(has.job.as_ref().map(|job| job.name.to_string())),
            "jobId" => maybe(has.job.as_ref().map(|job| job.id.as_str().to_owned())),
            "attempt" => maybe(has.job.as_ref().map(|job| i64::from(job.attempt))),
            "functionName" => has.function.as_deref().map_or(Dynamic::UNIT, |name| name.to_owned().into()),
            "triggerName" => (*trigger).into(),
            "user" => maybe(who.user.clone().map(Document::reading)),
            "master" => who.master.into(),
            "isReadOnly" => who.read_only.into(),
            "installationId" => maybe(who.installation_id.clone()),
            "ip" => maybe(who.ip.clone()),
            "headers" => {
                who.headers.iter().map(|(name, value)| (name.into(), value.to_owned().into())).collect::<Map>().into()
            }
            "context" => Dynamic::from(Handed(origin.context.clone())),
            unknown => return Err(fault(format!("a request has no {unknown}; it has: {PROPERTIES}"))),
        })
    }

    /// What may be set is kept; what a script only read and called a method of comes here as well, and stays what it is.
    fn set(&mut self, property: &str, value: Dynamic) -> Result<(), Thrown> {
        let has = &self.0.has;
        match property {
            "objects" => match value.into_array() {
                Ok(objects) => *has.objects.lock() = Some(objects),
                Err(kind) => return Err(fault(format!("request.objects is a list, no {kind}"))),
            },
            "params" => match value.try_cast::<Map>() {
                Some(params) => *has.params.lock() = Some(params),
                None => return Err(fault("request.params is a map")),
            },
            "query" => match value.try_cast::<Asking>() {
                Some(query) => *has.query.lock() = Some(query),
                None => return Err(fault("request.query is a Query")),
            },
            "event" => match value.into_string() {
                Ok(event) => *has.event.lock() = Some(event),
                Err(kind) => return Err(fault(format!("request.event is a text, no {kind}"))),
            },
            "sendEvent" => match value.as_bool() {
                Ok(sends) => *has.sends.lock() = sends,
                Err(kind) => return Err(fault(format!("request.sendEvent is true or false, no {kind}"))),
            },
            "file" if has.file.lock().is_some() => match value.try_cast::<Map>() {
                Some(file) => *has.file.lock() = Some(file),
                None => return Err(fault("request.file is a map")),
            },
            "responseHeaders" if has.response_headers.lock().is_some() => match value.try_cast::<Map>() {
                Some(headers) => *has.response_headers.lock() = Some(headers),
                None => return Err(fault("request.responseHeaders is a map")),
            },
            "forceDownload" => match value.as_bool() {
                Ok(forced) => *has.force_download.lock() = forced,
                Err(kind) => return Err(fault(format!("request.forceDownload is true or false, no {kind}"))),
            },
            // Shared with the script: a change is there already.
            "object" | "original" | "user" if value.is::<Document>() => {}
            "context" if value.is::<Handed>() => {}
            "headers" => {}
            _ => return Err(fault(format!("request.{property} cannot be set"))),
        }
        Ok(())
    }

    fn respond(&mut self, change: impl FnOnce(&Response)) -> Result<(), Thrown> {
        let response = self.0.has.response.as_ref();
        response.map(change).ok_or_else(|| fault("only a function can set the status and the headers of the answer"))
    }
}

/// Teaches an engine what a request is.
pub(crate) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<Request>("Request")
        .register_indexer_get(|request: &mut Request, property: ImmutableString| request.get(&property))
        .register_indexer_set(|request: &mut Request, property: ImmutableString, value: Dynamic| {
            request.set(&property, value)
        })
        .register_fn("status", |request: &mut Request, status: i64| {
            let status = u16::try_from(status).ok().filter(|status| (100..600).contains(status));
            let status = status.ok_or_else(|| fault("a status is a number between 100 and 599"))?;
            request.respond(|response| _ = response.status(status))
        })
        .register_fn("message", |request: &mut Request, text: &str| {
            let job = request.0.has.job.as_ref().ok_or_else(|| fault("only a job has a message"))?;
            wait(&*current::get()?, job.message(text))
        })
        .register_fn("header", |request: &mut Request, name: &str, value: &str| {
            request.respond(|response| _ = response.header(name, value))
        });
}
