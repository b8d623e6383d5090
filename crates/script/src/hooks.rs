//! Which hooks can a script have, what does each see of its request, and what does its answer become?

mod files;

use std::sync::Arc;

use parking_lot::Mutex;
use parsimony_cloud::{
    AfterDelete, AfterDeleteFile, AfterEvent, AfterFind, AfterFindFile, AfterLogin, AfterLogout, AfterSave,
    AfterSaveConfig, AfterSaveFile, AfterSaved, BeforeConnect, BeforeDelete, BeforeDeleteFile, BeforeFind,
    BeforeFindFile, BeforeLogin, BeforePasswordResetRequest, BeforeSave, BeforeSaveConfig, BeforeSaveFile,
    BeforeSubscribe, CONFIG, CONNECT, Call, Draft, FILE, Finding, Handler, Hook, Job, JobPlan, Json, Layer, LiveEvent,
    Place, Report, Rules, Telling, Trigger,
};
use parsimony_model::value::json;
use parsimony_model::{ClassName, Object};
use rhai::Dynamic;

use crate::bridge::document::Document;
use crate::bridge::query::Asking;
use crate::bridge::request::{Has, Request};
use crate::bridge::value::{from_dynamic, from_map, map_to_dynamic};
use crate::call::Function;
use crate::error::{Thrown, fault};

/// A trigger that a script can handle.
pub(crate) trait Scripted: Trigger {
    /// The request, as the script sees it.
    fn show(self) -> Result<Request, Thrown>;

    /// What the script's result means.
    fn read(request: &Request, result: Dynamic) -> Result<Self::Answer, Thrown>;
}

/// A kind of hook.
pub(crate) struct Known {
    /// How its function is called in a script.
    pub(crate) function: &'static str,
    /// How Parse calls it.
    pub(crate) trigger: &'static str,
    /// The only class that has it; none if every class does.
    pub(crate) only: Option<&'static str>,
    /// Registers a function as this hook of a class.
    pub(crate) register: fn(&mut Layer, &str, Registration) -> Result<(), String>,
}

/// A function of a script on its way to become a handler.
pub(crate) struct Registration {
    pub(crate) function: Function,
    pub(crate) rules: Rules,
    pub(crate) place: Place,
}

/// Registers a function as a handler of a trigger of a class, or as the cloud function of this name.
pub(crate) fn register<T: Scripted>(layer: &mut Layer, name: &str, registration: Registration) -> Result<(), String> {
    let Registration { function, rules, place } = registration;
    let handler: Arc<dyn Handler<T>> = Arc::new(function);
    layer.add::<T>(name, Hook { rules, handler, place })
}

/// Registers a function as the job of this name.
pub(crate) fn register_job(
    layer: &mut Layer,
    name: &str,
    plan: JobPlan,
    registration: Registration,
) -> Result<(), String> {
    let Registration { function, rules, place } = registration;
    layer.add_job(name, plan, Hook { rules, handler: Arc::new(function), place })
}

macro_rules! only {
    () => {
        None
    };
    ($class:expr) => {
        Some($class)
    };
}

/// Declares the hooks of classes. A new kind adds a line.
macro_rules! known {
    ($($function:literal: $trigger:ident $(of $only:expr)?,)*) => {
        /// Every hook that a class can have.
        pub(crate) const KNOWN: &[Known] = &[$(
            Known {
                function: $function,
                trigger: $trigger::NAME,
                only: only!($($only)?),
                register: register::<$trigger>,
            },
        )*];
    };
}

known! {
    "before_save": BeforeSave,
    "after_save": AfterSave,
    "before_delete": BeforeDelete,
    "after_delete": AfterDelete,
    "before_find": BeforeFind,
    "after_find": AfterFind,
    "before_login": BeforeLogin of "_User",
    "after_login": AfterLogin of "_User",
    "after_logout": AfterLogout of "_Session",
    "before_password_reset_request": BeforePasswordResetRequest of "_User",
    "before_connect": BeforeConnect of CONNECT,
    "before_subscribe": BeforeSubscribe,
    "after_event": AfterEvent,
    "before_save": BeforeSaveFile of FILE,
    "after_save": AfterSaveFile of FILE,
    "before_delete": BeforeDeleteFile of FILE,
    "after_delete": AfterDeleteFile of FILE,
    "before_find": BeforeFindFile of FILE,
    "after_find": AfterFindFile of FILE,
    "before_save": BeforeSaveConfig of CONFIG,
    "after_save": AfterSaveConfig of CONFIG,
}

/// The class whose only hook is `after_logout`, as in Parse.
pub(crate) const SESSION: &str = "_Session";

impl Scripted for Call {
    fn show(self) -> Result<Request, Thrown> {
        let has = Has {
            params: Mutex::new(Some(map_to_dynamic(self.params)?)),
            function: Some(self.function),
            response: Some(self.response),
            ..Has::default()
        };
        Ok(Request::new(Self::NAME, self.origin, has))
    }

    fn read(_: &Request, result: Dynamic) -> Result<Json, Thrown> {
        if result.is_unit() {
            return Ok(Json::nothing());
        }
        if let Some(object) = result.clone().try_cast::<Document>() {
            return written(&object);
        }
        match result.as_array_ref() {
            // Objects are answered whole, not as pointers.
            Ok(items) if items.iter().all(Dynamic::is::<Document>) => {
                let objects = items.iter().cloned().filter_map(Dynamic::try_cast::<Document>);
                let objects = objects.map(|object| Ok(written(&object)?.0)).collect::<Result<Vec<_>, Thrown>>()?;
                return Ok(Json([b"[".to_vec(), objects.join(&b','), b"]".to_vec()].concat()));
            }
            _ => {}
        }
        Ok(Json(json::write(&from_dynamic(&result)?)))
    }
}

/// An object as a function answers it.
fn written(object: &Document) -> Result<Json, Thrown> {
    let object = object.to_object().map_err(crate::error::thrown)?;
    let object = object.ok_or_else(|| fault("an object has to be saved before it can be answered"))?;
    Ok(Json(json::write(&parsimony_model::Value::Included(Box::new(object)))))
}

impl Scripted for Job {
    fn show(self) -> Result<Request, Thrown> {
        let origin = self.origin.clone();
        let params = Mutex::new(Some(map_to_dynamic(self.params.clone())?));
        Ok(Request::new(Self::NAME, origin, Has { params, job: Some(self), ..Has::default() }))
    }

    fn read(_: &Request, result: Dynamic) -> Result<Report, Thrown> {
        if result.is_unit() {
            return Ok(Report(None));
        }
        Ok(Report(Some(result.into_string().map_err(|_kind| fault("a job answers a text, or nothing"))?)))
    }
}

impl Scripted for BeforeConnect {
    fn show(self) -> Result<Request, Thrown> {
        Ok(Request::new(Self::NAME, self.origin, Has { audience: Some(self.audience), ..Has::default() }))
    }

    fn read(_: &Request, _: Dynamic) -> Result<(), Thrown> {
        Ok(())
    }
}

impl Scripted for BeforeSubscribe {
    fn show(self) -> Result<Request, Thrown> {
        let query = Mutex::new(Some(Asking::new(self.class, self.query)));
        Ok(Request::new(Self::NAME, self.origin, Has { query, ..Has::default() }))
    }

    fn read(request: &Request, result: Dynamic) -> Result<parsimony_model::Query, Thrown> {
        match BeforeFind::read(request, result)? {
            Finding::Query(query) => Ok(*query),
            Finding::Objects(_) => Err(fault("a subscription is a query, and nothing else")),
        }
    }
}

impl Scripted for AfterEvent {
    fn show(self) -> Result<Request, Thrown> {
        let Telling { event, object, original } = self.telling;
        let has = Has {
            object: Some(Document::found(object)),
            original: original.map(Document::found),
            event: Mutex::new(Some(event.op().to_owned())),
            sends: Mutex::new(true),
            audience: Some(self.audience),
            ..Has::default()
        };
        Ok(Request::new(Self::NAME, self.origin, has))
    }

    /// `sendEvent = false` holds it back; what was changed of `event`, `object` and `original` is told.
    fn read(request: &Request, _: Dynamic) -> Result<Option<Telling>, Thrown> {
        let has = &request.0.has;
        if !*has.sends.lock() {
            return Ok(None);
        }
        let op = has.event.lock().clone().unwrap_or_default();
        let event = LiveEvent::ALL.into_iter().find(|event| event.op() == op);
        let event = event.ok_or_else(|| fault(format!("there is no event {op}")))?;
        let object = |document: &Option<Document>| match document {
            Some(document) => document.to_object().map_err(crate::error::thrown),
            None => Ok(None),
        };
        let told = object(&has.object)?.ok_or_else(|| fault("the request lost its object"))?;
        Ok(Some(Telling { event, object: told, original: object(&has.original)? }))
    }
}

impl Scripted for BeforeSave {
    fn show(self) -> Result<Request, Thrown> {
        let original = self.object.shared_original();
        let object = Some(Document::draft(self.object));
        let has = Has { object, original: original.map(Document::reading), ..Has::default() };
        Ok(Request::new(Self::NAME, self.origin, has))
    }

    fn read(request: &Request, _: Dynamic) -> Result<Draft, Thrown> {
        let object = request.0.has.object.as_ref();
        object.map(Document::take_draft).ok_or_else(|| fault("the request lost its object"))
    }
}

impl Scripted for AfterSave {
    fn show(self) -> Result<Request, Thrown> {
        let object = Some(Document::found(Object::clone(&self.object)));
        let has = Has { object, original: self.original.map(Document::reading), ..Has::default() };
        Ok(Request::new(Self::NAME, self.origin, has))
    }

    /// Parse: a map is answered in the place of what would be; of what the hook changed in the object the client is told.
    fn read(request: &Request, result: Dynamic) -> Result<AfterSaved, Thrown> {
        if let Ok(answer) = result.as_map_ref() {
            return Ok(AfterSaved::Answer(from_map(&answer)?));
        }
        match request.0.has.object.as_ref().filter(|object| object.is_changed()) {
            None => Ok(AfterSaved::Same),
            Some(object) => {
                let changed = object.to_object().map_err(crate::error::thrown)?;
                Ok(changed.map_or(AfterSaved::Same, |changed| AfterSaved::Changed(Box::new(changed))))
            }
        }
    }
}

impl Scripted for BeforeFind {
    fn show(self) -> Result<Request, Thrown> {
        let (count, is_get) = (self.query.count, self.is_get);
        let query = Mutex::new(Some(Asking::new(self.class, self.query)));
        Ok(Request::new(Self::NAME, self.origin, Has { query, is_get, count, ..Has::default() }))
    }

    fn read(request: &Request, result: Dynamic) -> Result<Finding, Thrown> {
        let query = request.0.has.query.lock().clone();
        let (class, asked) = query.ok_or_else(|| fault("the request lost its query"))?.to_parts();
        if let Some(query) = result.clone().try_cast::<Asking>() {
            let (other, query) = query.to_parts();
            if other != class {
                return Err(fault(format!("a query of {other} cannot take the place of one of {class}")));
            }
            return Ok(query.into());
        }
        if result.is::<Document>() {
            return objects(&class, vec![result]).map(Finding::Objects);
        }
        match result.into_array() {
            Ok(found) => objects(&class, found).map(Finding::Objects),
            Err(_kind) => Ok(asked.into()),
        }
    }
}

impl Scripted for AfterFind {
    fn show(self) -> Result<Request, Thrown> {
        let is_get = self.is_get;
        let objects = self.objects.into_iter().map(|object| Dynamic::from(Document::found(object))).collect();
        let query = Mutex::new(Some(Asking::new(self.class, self.query)));
        let has = Has { query, is_get, objects: Mutex::new(Some(objects)), ..Has::default() };
        Ok(Request::new(Self::NAME, self.origin, has))
    }

    fn read(request: &Request, result: Dynamic) -> Result<Vec<Object>, Thrown> {
        let query = request.0.has.query.lock().clone();
        let (class, _) = query.ok_or_else(|| fault("the request lost its query"))?.to_parts();
        let kept = request.0.has.objects.lock().take().unwrap_or_default();
        objects(&class, result.into_array().unwrap_or(kept))
    }
}

/// The objects that a hook answers.
fn objects(class: &ClassName, found: Vec<Dynamic>) -> Result<Vec<Object>, Thrown> {
    let object = |found: Dynamic| {
        let document = found.try_cast::<Document>();
        let document = document.ok_or_else(|| fault(format!("a find of {class} answers objects, and nothing else")))?;
        let object = document.to_object().map_err(crate::error::thrown)?;
        object.ok_or_else(|| fault("an object without an id cannot be found"))
    };
    found.into_iter().map(object).collect()
}

macro_rules! scripted_with_object {
    ($($trigger:ident: $field:ident,)*) => {
        $(
            impl Scripted for $trigger {
                fn show(self) -> Result<Request, Thrown> {
                    let object = Some(Document::found(Object::clone(&self.$field)));
                    Ok(Request::new(Self::NAME, self.origin, Has { object, ..Has::default() }))
                }

                fn read(_: &Request, _: Dynamic) -> Result<(), Thrown> {
                    Ok(())
                }
            }
        )*
    };
}

scripted_with_object! {
    BeforeDelete: object,
    AfterDelete: object,
    BeforeLogin: user,
    AfterLogin: user,
    AfterLogout: session,
    BeforePasswordResetRequest: user,
}
