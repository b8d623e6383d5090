//! What would a hook of a script do? It is run on a sample or on a stored object; it may read, and whatever else it wants to
//! do is noted and not done.

use std::sync::Arc;

use parking_lot::Mutex;
use parsimony_cloud::{
    AfterDelete, AfterFind, AfterSave, AfterSaved, BeforeDelete, BeforeFind, BeforeLogin, BeforePasswordResetRequest,
    BeforeSave, Call, Context, Draft, Finding, Host, HostApi, Origin, Pending, Registry, Response, Trigger, Who,
};
use parsimony_model::query::parse::{self, Reading};
use parsimony_model::query::write;
use parsimony_model::{
    ClassName, Date, ErrorCode, Filter, Map, Object, ObjectId, ParseError, Query, Update, Value, map,
};

use crate::work::Work;
use crate::{find, triggers};

/// The id of a sample that has none.
const SAMPLE: &str = "sample";

/// How many effects are noted.
const EFFECTS_MAX: usize = 1_000;

/// Somebody who reads what is there and writes nothing.
#[derive(Clone)]
struct Reader {
    /// Without any hook: not even a query may have an effect.
    work: Work,
    effects: Arc<Mutex<Vec<Value>>>,
}

impl Reader {
    fn note(&self, effect: Map) -> Result<(), ParseError> {
        let mut effects = self.effects.lock();
        if effects.len() >= EFFECTS_MAX {
            return Err(ParseError::new(ErrorCode::ScriptFailed, "A dry run notes no more effects."));
        }
        effects.push(effect.into());
        Ok(())
    }

    async fn read(&self, class: &ClassName, id: &ObjectId) -> Result<Object, ParseError> {
        let found = find::find(&self.work, class, Query::new(Filter::id(id)).limit(1)).await?;
        found.results.into_iter().next().ok_or_else(ParseError::not_found)
    }
}

impl HostApi for Reader {
    fn find(&self, class: ClassName, query: Query) -> Pending<'_, Vec<Object>> {
        Box::pin(async move { Ok(find::find(&self.work, &class, query).await?.results) })
    }

    fn count(&self, class: ClassName, query: Query) -> Pending<'_, u64> {
        Box::pin(async move { find::count(&self.work, &class, query).await })
    }

    fn save(&self, class: ClassName, id: Option<ObjectId>, fields: Map) -> Pending<'_, Object> {
        Box::pin(async move {
            let shown = id.as_ref().map(|id| Value::from(id.as_str()));
            self.note(map! { "save" => class.as_str(), "objectId" => shown, "fields" => fields.clone() })?;
            let mut object = match &id {
                Some(id) => self.read(&class, id).await?,
                None => sample(&class, Map::default())?,
            };
            Update::parse(fields)?.apply(&mut object.fields)?;
            Ok(object)
        })
    }

    fn delete(&self, class: ClassName, id: ObjectId) -> Pending<'_, ()> {
        Box::pin(async move { self.note(map! { "delete" => class.as_str(), "objectId" => id.as_str() }) })
    }

    fn push(&self, body: Map) -> Pending<'_, ObjectId> {
        Box::pin(async move {
            self.note(map! { "push" => body })?;
            Ok(ObjectId::none())
        })
    }

    fn start_job(&self, name: String, params: Map) -> Pending<'_, ObjectId> {
        Box::pin(async move {
            self.note(map! { "startJob" => name, "params" => params })?;
            Ok(ObjectId::none())
        })
    }

    fn pause_job(&self, name: String, is_paused: bool) -> Pending<'_, ()> {
        Box::pin(async move { self.note(map! { "job" => name, "paused" => is_paused }) })
    }

    fn call(&self, function: String, params: Map) -> Pending<'_, Value> {
        Box::pin(async move {
            self.note(map! { "run" => function, "params" => params })?;
            Ok(Value::Null)
        })
    }

    fn begin(&self) -> Pending<'_, Arc<dyn HostApi>> {
        let same: Arc<dyn HostApi> = Arc::new(self.clone());
        Box::pin(std::future::ready(Ok(same)))
    }

    fn commit(&self) -> Pending<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn roll_back(&self) -> Pending<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn in_transaction(&self) -> bool {
        true
    }

    fn with_context(&self, _: Map) -> Arc<dyn HostApi> {
        Arc::new(self.clone())
    }

    fn as_master(&self) -> Arc<dyn HostApi> {
        Arc::new(self.clone())
    }

    fn now(&self) -> Date {
        self.work.engine.clock.now()
    }

    fn random(&self, length: usize) -> String {
        self.work.engine.clock.alphanumeric(length)
    }
}

/// An object as a body describes it.
fn sample(class: &ClassName, mut fields: Map) -> Result<Object, ParseError> {
    fields.entry("objectId".into()).or_insert_with(|| SAMPLE.into());
    fields.shift_remove("className");
    Object::from_map(class, fields)
}

/// A hook that is tried: on which class, with what.
struct Trying<'a> {
    registry: &'a Registry,
    class: ClassName,
    reader: Reader,
    origin: Origin,
    /// The stored object, if one is named.
    stored: Option<Object>,
    /// The fields that are given.
    fields: Map,
    body: &'a Map,
}

/// Runs the hook that the body names, and tells what it would do.
pub(super) async fn run(work: &Work, registry: &Registry, name: &str, body: &Map) -> Result<Map, ParseError> {
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let hook = text("hook").ok_or_else(|| ParseError::new(ErrorCode::InvalidJson, "hook is missing"))?;
    let reader = Reader { work: Work { registry: Arc::default(), ..work.clone() }, effects: Arc::default() };
    let user = match text("user") {
        None => None,
        Some(id) => {
            let users = parsimony_model::builtin::Builtin::User.name();
            Some(Arc::new(reader.read(&users, &ObjectId::parse(id)?).await?))
        }
    };
    let map = |key: &str| body.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
    let who = Who { master: user.is_none(), user, ..(**work.caller.who()).clone() };
    let host = Host::new(Arc::new(reader.clone()));
    let origin = Origin { who: Arc::new(who), context: Context::new(map("context")), host };
    let last = name.rsplit('/').next().unwrap_or_default();
    let told = if last == "functions" {
        let call = Call { function: hook.into(), params: map("params"), response: Response::default(), origin };
        call_one(registry, hook, call, |answer| Ok(map! { "result" => answer.to_value()? })).await
    } else {
        let class = ClassName::parse(last)?;
        let stored = match text("objectId") {
            Some(id) => Some(reader.read(&class, &ObjectId::parse(id)?).await?),
            None => None,
        };
        let trying = Trying { registry, class, reader: reader.clone(), origin, stored, fields: map("object"), body };
        trying.run(hook).await
    };
    let mut told = match told {
        Ok(told) => told,
        Err(Told::Unknown) => {
            let text = format!("There is no hook {} of {last}.", parsimony_model::names::shorten(hook));
            return Err(ParseError::new(ErrorCode::InvalidHook, text));
        }
        Err(Told::Unfit(error)) => return Err(error),
        Err(Told::Refused(error)) => map! {
            "refused" => map! {
                "code" => error.number().map(f64::from).map(Value::Number),
                "error" => error.message.to_string(),
                "detail" => error.detail,
            },
        },
    };
    told.insert("effects".into(), Value::Array(reader.effects.lock().clone()));
    Ok(told)
}

/// Why there is nothing to tell.
enum Told {
    /// There is no such hook.
    Unknown,
    /// What was asked for cannot be.
    Unfit(ParseError),
    /// The hook refused.
    Refused(ParseError),
}

impl From<ParseError> for Told {
    fn from(error: ParseError) -> Self {
        Self::Unfit(error)
    }
}

async fn call_one<T: Trigger>(
    registry: &Registry,
    name: &str,
    request: T,
    told: impl FnOnce(T::Answer) -> Result<Map, ParseError> + Send,
) -> Result<Map, Told> {
    let hook = registry.hook::<T>(name).ok_or(Told::Unknown)?;
    let answer = triggers::answer(hook, request).await.map_err(Told::Refused)?;
    Ok(told(answer)?)
}

impl Trying<'_> {
    async fn run(self, hook: &str) -> Result<Map, Told> {
        let class = self.class.as_str().to_owned();
        let nothing = |()| Ok(Map::default());
        match hook {
            "before_save" => self.save().await,
            "before_find" => {
                let reading = Reading { now: self.reader.now(), internal_fields: false };
                let query = parse::find(&self.map("query"), reading)?;
                let (registry, class_name) = (self.registry, self.class);
                let request = BeforeFind { class: class_name, query, is_get: false, origin: self.origin };
                call_one(registry, &class, request, |answer| Ok(found(answer))).await
            }
            "after_find" => {
                let (registry, origin, class_name) = (self.registry, self.origin.clone(), self.class.clone());
                let objects = vec![self.object()?];
                let request = AfterFind { class: class_name, objects, query: Query::default(), is_get: true, origin };
                call_one(registry, &class, request, |answer| Ok(found(Finding::Objects(answer)))).await
            }
            "after_save" => {
                let (registry, origin) = (self.registry, self.origin.clone());
                let original = self.stored.clone().map(Arc::new);
                let object = Arc::new(self.object()?);
                call_one(registry, &class, AfterSave { object, original, origin }, |answer| Ok(answered(answer))).await
            }
            "before_delete" => {
                let (registry, origin, object) = (self.registry, self.origin.clone(), Arc::new(self.object()?));
                call_one(registry, &class, BeforeDelete { object, origin }, nothing).await
            }
            "after_delete" => {
                let (registry, origin, object) = (self.registry, self.origin.clone(), Arc::new(self.object()?));
                call_one(registry, &class, AfterDelete { object, origin }, nothing).await
            }
            "before_login" => {
                let (registry, origin, user) = (self.registry, self.origin.clone(), Arc::new(self.object()?));
                call_one(registry, &class, BeforeLogin { user, origin }, nothing).await
            }
            "before_password_reset_request" => {
                let (registry, origin, user) = (self.registry, self.origin.clone(), Arc::new(self.object()?));
                call_one(registry, &class, BeforePasswordResetRequest { user, origin }, nothing).await
            }
            _ => Err(Told::Unknown),
        }
    }

    fn map(&self, key: &str) -> Map {
        self.body.get(key).and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// The object as it would be: the stored one, with the fields that are given.
    fn object(self) -> Result<Object, ParseError> {
        match self.stored {
            None => sample(&self.class, self.fields),
            Some(mut object) => {
                Update::parse(self.fields)?.apply(&mut object.fields)?;
                Ok(object)
            }
        }
    }

    async fn save(self) -> Result<Map, Told> {
        let id = self.stored.as_ref().map(|stored| stored.id.clone());
        let update = Update::parse(self.fields)?;
        let object = Draft::new(self.class.clone(), id, self.stored.map(Arc::new), update);
        let request = BeforeSave { object, origin: self.origin };
        call_one(self.registry, self.class.as_str(), request, |draft| {
            let keys: Vec<Value> = draft.dirty_keys().map(Value::from).collect();
            Ok(map! { "object" => draft.fields()?, "changed" => keys })
        })
        .await
    }
}

fn found(answer: Finding) -> Map {
    match answer {
        Finding::Query(query) => map! { "query" => write::find(&query) },
        Finding::Objects(objects) => {
            let objects: Vec<Value> = objects.iter().map(|object| object.to_map().into()).collect();
            map! { "objects" => objects }
        }
    }
}

fn answered(answer: AfterSaved) -> Map {
    match answer {
        AfterSaved::Same => Map::default(),
        AfterSaved::Answer(answer) => map! { "answer" => answer },
        AfterSaved::Changed(object) => map! { "object" => object.to_map() },
    }
}
