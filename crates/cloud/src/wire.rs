//! How is a request to cloud code spelled for code that runs elsewhere, and its answer read: Parse's hooks, as JSON.

use std::sync::Arc;

use futures::future::BoxFuture;
use parsimony_model::query::parse::Reading;
use parsimony_model::query::{parse, write};
use parsimony_model::value::{Map, json};
use parsimony_model::{ClassName, ErrorCode, Object, ParseError, Query, Update, Value};

use crate::function::{Call, Json};
use crate::handler::Handler;
use crate::job::{Job, Report};
use crate::live::{AfterEvent, Audience, BeforeConnect, BeforeSubscribe, LiveEvent, Telling};
use crate::origin::{Origin, Who};
use crate::registry::Universal;
use crate::triggers::{
    AfterDelete, AfterFind, AfterLogin, AfterLogout, AfterSave, AfterSaved, BeforeDelete, BeforeFind, BeforeLogin,
    BeforePasswordResetRequest, BeforeSave, Finding, Trigger,
};

/// Code that runs elsewhere.
pub trait Remote: Send + Sync {
    /// Asks it. The body is the request.
    fn ask(&self, body: Map) -> BoxFuture<'static, Result<Reply, ParseError>>;

    /// Whether it answers what it changes of an object that is saved, and not all that is to be saved, as webhooks do.
    fn answers_changes(&self) -> bool {
        false
    }
}

/// What code that runs elsewhere answers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reply {
    /// What stands in `success`, if anything does.
    pub success: Option<Value>,
    /// What it leaves to the hooks that come after, in the place of what it was given; `None` changes nothing.
    pub context: Option<Map>,
}

/// A handler of everything that asks code that runs elsewhere.
pub struct Elsewhere<R>(pub Arc<R>);

/// A trigger that can be spelled.
pub trait Spelled: Trigger + Sized {
    /// What it has besides what every request has.
    fn spell(&self) -> Map;

    /// Reads the answer.
    fn read(self, answer: Option<Value>) -> Result<Self::Answer, ParseError>;

    /// Reads an answer of [`Remote::answers_changes`].
    fn read_changes(self, answer: Option<Value>) -> Result<Self::Answer, ParseError> {
        self.read(answer)
    }
}

impl<T: Spelled, R: Remote + 'static> Handler<T> for Elsewhere<R> {
    fn call(&self, request: T) -> BoxFuture<'static, Result<T::Answer, ParseError>> {
        let remote = Arc::clone(&self.0);
        Box::pin(async move {
            let mut body = request.spell();
            if ![Call::NAME, Job::NAME].contains(&T::NAME) {
                body.insert("triggerName".into(), T::NAME.into());
            }
            spell_origin(request.origin(), &mut body);
            let reply = remote.ask(body).await?;
            if let Some(context) = reply.context {
                request.origin().context.replace(context);
            }
            let answer = reply.success.filter(|answer| !answer.is_null());
            if remote.answers_changes() { request.read_changes(answer) } else { request.read(answer) }
        })
    }
}

impl<R: Remote + 'static> Universal for Elsewhere<R> {}

/// What every request has.
fn spell_origin(origin: &Origin, body: &mut Map) {
    let who: &Who = &origin.who;
    body.insert("master".into(), who.master.into());
    body.insert("isReadOnly".into(), who.read_only.into());
    if let Some(user) = &who.user {
        let mut user = user.to_map();
        if let Some(token) = &who.session_token {
            user.insert("sessionToken".into(), (&**token).into());
        }
        body.insert("user".into(), user.into());
    }
    if let Some(installation) = &who.installation_id {
        body.insert("installationId".into(), installation.as_str().into());
    }
    let headers: Map = who.headers.iter().map(|(name, value)| (name.into(), value.into())).collect();
    body.insert("headers".into(), headers.into());
    if let Some(ip) = &who.ip {
        body.insert("ip".into(), ip.as_str().into());
    }
    body.insert("context".into(), origin.context.to_map().into());
}

fn bad_answer(what: &'static str) -> ParseError {
    ParseError::new(ErrorCode::ScriptFailed, what)
}

impl Spelled for Call {
    fn spell(&self) -> Map {
        parsimony_model::map! { "functionName" => &*self.function, "params" => self.params.clone() }
    }

    fn read(self, answer: Option<Value>) -> Result<Json, ParseError> {
        Ok(answer.map_or_else(Json::nothing, |answer| Json(json::write(&answer))))
    }
}

impl Spelled for BeforeSave {
    fn spell(&self) -> Map {
        let draft = &self.object;
        let mut object = draft.original().map(Object::to_map).unwrap_or_default();
        object.insert("className".into(), draft.class().as_str().into());
        if let Some(id) = draft.id() {
            object.insert("objectId".into(), id.as_str().into());
        }
        for field in draft.dirty_keys() {
            match draft.get(field) {
                Some(value) => drop(object.insert(field.into(), value)),
                None => drop(object.shift_remove(field)),
            }
        }
        let mut body = parsimony_model::map! { "object" => object };
        if let Some(original) = draft.original() {
            body.insert("original".into(), original.to_map().into());
        }
        body
    }

    /// Parse: the data that is answered takes the place of what was to be saved.
    fn read(mut self, answer: Option<Value>) -> Result<Self::Answer, ParseError> {
        if let Some(data) = data(answer)? {
            self.object.replace(Update::parse(data)?);
        }
        Ok(self.object)
    }

    fn read_changes(mut self, answer: Option<Value>) -> Result<Self::Answer, ParseError> {
        if let Some(data) = data(answer)? {
            self.object.change(Update::parse(data)?);
        }
        Ok(self.object)
    }
}

/// The fields that a beforeSave hook answers.
fn data(answer: Option<Value>) -> Result<Option<Map>, ParseError> {
    let mut data = match answer {
        None => return Ok(None),
        Some(Value::Object(data)) => data,
        Some(Value::Included(object)) => object.to_map(),
        Some(_) => return Err(bad_answer("A beforeSave hook must answer an object, or nothing.")),
    };
    for column in ["className", "__type", "objectId", "createdAt", "updatedAt"] {
        data.shift_remove(column);
    }
    Ok(Some(data))
}

impl Spelled for AfterSave {
    fn spell(&self) -> Map {
        let mut body = parsimony_model::map! { "object" => self.object.to_map() };
        if let Some(original) = &self.original {
            body.insert("original".into(), original.to_map().into());
        }
        body
    }

    fn read(self, answer: Option<Value>) -> Result<AfterSaved, ParseError> {
        Ok(match answer {
            Some(Value::Object(answer)) => AfterSaved::Answer(answer),
            _ => AfterSaved::Same,
        })
    }
}

impl Spelled for BeforeFind {
    fn spell(&self) -> Map {
        let query = &self.query;
        parsimony_model::map! { "query" => write::find(query), "count" => query.count, "isGet" => self.is_get }
    }

    fn read(self, answer: Option<Value>) -> Result<Finding, ParseError> {
        match answer {
            None => Ok(self.query.into()),
            Some(Value::Object(map)) if map.contains_key("className") => {
                Ok(Finding::Objects(vec![Object::from_map(&self.class, map)?]))
            }
            Some(Value::Object(params)) => {
                let reading = Reading { now: self.origin.host.now(), internal_fields: self.origin.who.master };
                Ok(changed(&self.query, &params, reading)?.into())
            }
            Some(answer) => Ok(Finding::Objects(objects(&self.class, answer)?)),
        }
    }
}

/// What a hook may change of a query.
const CHANGEABLE: [&str; 10] =
    ["where", "limit", "skip", "include", "excludeKeys", "explain", "keys", "order", "hint", "comment"];

/// The query as a hook changed it. Parse: what is zero, empty or false changes nothing.
fn changed(query: &Query, params: &Map, reading: Reading) -> Result<Query, ParseError> {
    let mut all = write::find(query);
    for name in CHANGEABLE {
        if let Some(value) = params.get(name).filter(|value| value.is_truthy()) {
            all.insert(name.into(), value.clone());
        }
    }
    parse::find(&all, reading)
}

impl Spelled for AfterFind {
    fn spell(&self) -> Map {
        let objects = self.objects.iter().map(|object| Value::Object(object.to_map())).collect();
        parsimony_model::map! {
            "objects" => Value::Array(objects),
            "query" => write::find(&self.query),
            "isGet" => self.is_get,
        }
    }

    fn read(self, answer: Option<Value>) -> Result<Vec<Object>, ParseError> {
        match answer {
            None => Ok(self.objects),
            Some(answer) => objects(&self.class, answer),
        }
    }
}

impl Spelled for Job {
    fn spell(&self) -> Map {
        parsimony_model::map! {
            "jobName" => &*self.name,
            "jobId" => self.id.as_str(),
            "params" => self.params.clone(),
            "attempt" => i32::try_from(self.attempt).unwrap_or(i32::MAX),
        }
    }

    fn read(self, answer: Option<Value>) -> Result<Report, ParseError> {
        Ok(Report(answer.map(|answer| match answer {
            Value::String(text) => text,
            other => String::from_utf8_lossy(&json::write(&other)).into_owned(),
        })))
    }
}

/// Who listens, as Parse calls it.
fn spell_audience(audience: Audience, body: &mut Map) {
    let count = |count: usize| Value::from(i32::try_from(count).unwrap_or(i32::MAX));
    body.insert("clients".into(), count(audience.clients));
    body.insert("subscriptions".into(), count(audience.subscriptions));
}

/// What requests of LiveQuery have besides what every request has.
fn spell_listener(origin: &Origin, body: &mut Map) {
    body.insert("useMasterKey".into(), origin.who.master.into());
    if let Some(token) = &origin.who.session_token {
        body.insert("sessionToken".into(), (&**token).into());
    }
}

impl Spelled for BeforeConnect {
    fn spell(&self) -> Map {
        let mut body = parsimony_model::map! { "event" => "connect", "client" => self.client.as_str() };
        spell_audience(self.audience, &mut body);
        spell_listener(&self.origin, &mut body);
        body
    }

    fn read(self, _: Option<Value>) -> Result<(), ParseError> {
        Ok(())
    }
}

impl Spelled for BeforeSubscribe {
    fn spell(&self) -> Map {
        let mut query = write::find(&self.query);
        if !self.watch.is_empty() {
            query.insert("watch".into(), Value::Array(self.watch.iter().map(|field| field.as_str().into()).collect()));
        }
        let op = if self.is_update { "update" } else { "subscribe" };
        let mut body =
            parsimony_model::map! { "op" => op, "requestId" => Value::Number(self.request_id), "query" => query };
        spell_listener(&self.origin, &mut body);
        body
    }

    /// The query that is answered takes the place of what was asked.
    fn read(self, answer: Option<Value>) -> Result<Query, ParseError> {
        match answer {
            Some(Value::Object(params)) => {
                let reading = Reading { now: self.origin.host.now(), internal_fields: self.origin.who.master };
                changed(&self.query, &params, reading)
            }
            _ => Ok(self.query),
        }
    }
}

impl Spelled for AfterEvent {
    fn spell(&self) -> Map {
        let Telling { event, object, original } = &self.telling;
        let mut body =
            parsimony_model::map! { "event" => event.op(), "object" => object.to_map(), "sendEvent" => true };
        if let Some(original) = original {
            body.insert("original".into(), original.to_map().into());
        }
        spell_audience(self.audience, &mut body);
        spell_listener(&self.origin, &mut body);
        body
    }

    /// `sendEvent: false` holds it back; `event`, `object` and `original` take the place of what was to be told.
    fn read(self, answer: Option<Value>) -> Result<Option<Telling>, ParseError> {
        let mut telling = self.telling;
        let Some(Value::Object(mut answer)) = answer else { return Ok(Some(telling)) };
        if answer.get("sendEvent") == Some(&Value::Bool(false)) {
            return Ok(None);
        }
        let op = answer.get("event").and_then(Value::as_str);
        if let Some(event) = op.and_then(|op| LiveEvent::ALL.into_iter().find(|event| event.op() == op)) {
            telling.event = event;
        }
        let mut object = |name: &str| match answer.shift_remove(name) {
            Some(Value::Object(map)) => Object::from_map(&telling.object.class, map).map(Some),
            Some(Value::Included(object)) => Ok(Some(*object)),
            _ => Ok(None),
        };
        let (changed, original) = (object("object")?, object("original")?);
        telling.object = changed.unwrap_or(telling.object);
        telling.original = original.or(telling.original);
        Ok(Some(telling))
    }
}

fn objects(class: &ClassName, answer: Value) -> Result<Vec<Object>, ParseError> {
    let Value::Array(items) = answer else { return Err(bad_answer("A find hook must answer a list of objects.")) };
    let object = |item| match item {
        Value::Object(map) => Object::made_up(class, map),
        Value::Included(object) => Ok(*object),
        _ => Err(bad_answer("A find hook must answer a list of objects.")),
    };
    items.into_iter().map(object).collect()
}

macro_rules! spelled_with_object {
    ($($type:ident: $field:ident;)*) => {
        $(
            impl Spelled for $type {
                fn spell(&self) -> Map {
                    parsimony_model::map! { "object" => self.$field.to_map() }
                }

                fn read(self, _: Option<Value>) -> Result<(), ParseError> {
                    Ok(())
                }
            }
        )*
    };
}

spelled_with_object! {
    BeforeDelete: object;
    AfterDelete: object;
    BeforeLogin: user;
    AfterLogin: user;
    AfterLogout: session;
    BeforePasswordResetRequest: user;
}
