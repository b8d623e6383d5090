//! How does a script see an object: its fields, read and changed, and what it changed remembered.

use std::sync::Arc;

use parking_lot::Mutex;
use parsimony_cloud::Draft;
use parsimony_model::value::Map;
use parsimony_model::{ClassName, Object, ObjectId, Op, ParseError, Pointer, Update, Value, map};
use rhai::{Array, Dynamic, Engine, ImmutableString};

use super::value::{from_dynamic, from_map, map_to_dynamic, pointer, to_dynamic};
use crate::error::{Thrown, fault, thrown};

/// An object in a script. What is changed in one place is changed wherever the script has it.
#[derive(Debug, Clone)]
pub(crate) struct Document(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    draft: Draft,
    part: Part,
}

/// What an object is to the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// It is being saved already; the script only has its say.
    Draft,
    /// It may be read.
    Reading,
    /// The script found it or made it, and may save and delete it.
    Own,
}

const READ_ONLY: &str = "this object may only be read; find it with Query to change it";

impl Document {
    fn new(draft: Draft, part: Part) -> Self {
        Self(Arc::new(Mutex::new(State { draft, part })))
    }

    /// An object that is being saved.
    pub(crate) fn draft(draft: Draft) -> Self {
        Self::new(draft, Part::Draft)
    }

    /// An object that may be read.
    pub(crate) fn reading(object: Arc<Object>) -> Self {
        Self::new(stored(object), Part::Reading)
    }

    /// An object as it was found.
    pub(crate) fn found(object: Object) -> Self {
        Self::new(stored(Arc::new(object)), Part::Own)
    }

    /// A new object.
    pub(crate) fn made(class: &str, fields: &rhai::Map) -> Result<Self, Thrown> {
        let class = ClassName::parse(class).map_err(thrown)?;
        let update = Update::parse(from_map(fields)?).map_err(thrown)?;
        Ok(Self::new(Draft::new(class, None, None, update), Part::Own))
    }

    /// What became of the object that is being saved. The script is at its end: nobody asks it again.
    pub(crate) fn take_draft(&self) -> Draft {
        self.0.lock().draft.take()
    }

    /// The object with all changes; none if it has no id yet.
    pub(crate) fn to_object(&self) -> Result<Option<Object>, ParseError> {
        let draft = &self.0.lock().draft;
        let Some(original) = draft.original() else { return Ok(None) };
        if draft.update().0.is_empty() {
            return Ok(Some(original.clone()));
        }
        Ok(Some(Object { fields: draft.fields()?, ..original.clone() }))
    }

    /// Whether the script changed anything.
    pub(crate) fn is_changed(&self) -> bool {
        !self.0.lock().draft.update().0.is_empty()
    }

    /// A pointer to it.
    pub(crate) fn pointer(&self) -> Result<Pointer, Thrown> {
        let (class, id) = self.identity();
        let id = id.ok_or_else(|| {
            fault(format!("an object of the class {class} has to be saved before it can be pointed at"))
        })?;
        Ok(Pointer::new(class, id))
    }

    /// Its class, and its id if it has one.
    pub(crate) fn identity(&self) -> (ClassName, Option<ObjectId>) {
        let draft = &self.0.lock().draft;
        (draft.class().clone(), draft.id().cloned())
    }

    /// What the script may save: the changes, as a body has them. An error if it is not the script's to save.
    pub(crate) fn to_save(&self) -> Result<Map, Thrown> {
        let state = self.0.lock();
        match state.part {
            Part::Own => Ok(state.draft.update().0.iter().map(|(field, op)| (field.clone(), body(op))).collect()),
            Part::Draft => Err(fault("request.object is being saved already: change its fields, that is enough")),
            Part::Reading => Err(fault(READ_ONLY)),
        }
    }

    /// The object is now this.
    pub(crate) fn renew(&self, object: Object) {
        self.0.lock().draft = stored(Arc::new(object));
    }

    fn get(&mut self, field: &str) -> Result<Dynamic, Thrown> {
        let value = {
            let draft = &self.0.lock().draft;
            match field {
                "className" => Some(draft.class().as_str().into()),
                "objectId" => draft.id().map(|id| id.as_str().into()),
                field => draft.get(field),
            }
        };
        value.map_or(Ok(Dynamic::UNIT), to_dynamic)
    }

    /// Sets a field. Rhai also sets what it only read and called a method of, so what is as it was is no change.
    fn set(&mut self, field: &str, value: &Dynamic) -> Result<(), Thrown> {
        let value = from_dynamic(value)?;
        self.change(|draft| {
            match draft.get(field) {
                Some(before) if before == value => return false,
                Some(Value::Included(before)) if Value::Pointer(before.pointer()) == value => return false,
                None if value.is_null() => return false,
                _ => draft.set(field, value),
            }
            true
        })
    }

    fn apply(&mut self, field: &str, op: Op) -> Result<(), Thrown> {
        let mut done = Ok(());
        self.change(|draft| {
            done = draft.apply(field, op);
            true
        })?;
        done.map_err(thrown)
    }

    /// Lets something change it, and asks whether that did.
    fn change(&self, change: impl FnOnce(&mut Draft) -> bool) -> Result<(), Thrown> {
        let mut state = self.0.lock();
        if change(&mut state.draft) && state.part == Part::Reading {
            return Err(fault(READ_ONLY));
        }
        Ok(())
    }

    fn to_map(&self) -> Result<rhai::Map, Thrown> {
        let mut fields = self.0.lock().draft.fields().map_err(thrown)?;
        let (class, id) = self.identity();
        fields.insert("className".into(), class.as_str().into());
        if let Some(id) = id {
            fields.insert("objectId".into(), id.as_str().into());
        }
        map_to_dynamic(fields)
    }
}

fn stored(object: Arc<Object>) -> Draft {
    Draft::new(object.class.clone(), Some(object.id.clone()), Some(object), Update::default())
}

/// A change as a body has it.
fn body(op: &Op) -> Value {
    let pointers = |pointers: &[Pointer]| Value::Array(pointers.iter().cloned().map(Value::Pointer).collect());
    Value::Object(match op {
        Op::Set(value) => return value.clone(),
        Op::Delete => map! { "__op" => "Delete" },
        Op::Increment(amount) => map! { "__op" => "Increment", "amount" => *amount },
        Op::Add(items) => map! { "__op" => "Add", "objects" => items.clone() },
        Op::AddUnique(items) => map! { "__op" => "AddUnique", "objects" => items.clone() },
        Op::Remove(items) => map! { "__op" => "Remove", "objects" => items.clone() },
        Op::Relate { add, remove } => map! { "__op" => "Batch", "ops" => Value::Array(vec![
            map! { "__op" => "AddRelation", "objects" => pointers(add) }.into(),
            map! { "__op" => "RemoveRelation", "objects" => pointers(remove) }.into(),
        ]) },
    })
}

/// What `add` and its like take: one value, or a list of them.
fn elements(value: &Dynamic) -> Result<Vec<Value>, Thrown> {
    Ok(match from_dynamic(value)? {
        Value::Array(items) => items,
        one => vec![one],
    })
}

fn members(value: &Dynamic) -> Result<Vec<Pointer>, Thrown> {
    let pointer = |value: Value| value.as_pointer().ok_or_else(|| fault("the members of a relation are objects"));
    elements(value)?.into_iter().map(pointer).collect()
}

/// Teaches an engine what an object is.
pub(crate) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<Document>("Object")
        .register_indexer_get(|object: &mut Document, field: ImmutableString| object.get(&field))
        .register_indexer_set(|object: &mut Document, field: ImmutableString, value: Dynamic| {
            object.set(&field, &value)
        })
        .register_fn("Object", |class: &str| Document::made(class, &rhai::Map::new()))
        .register_fn("Object", |class: &str, fields: rhai::Map| Document::made(class, &fields))
        .register_fn("get", |object: &mut Document, field: &str| object.get(field))
        .register_fn("set", |object: &mut Document, field: &str, value: Dynamic| object.set(field, &value))
        .register_fn("to_map", |object: &mut Document| object.to_map())
        .register_fn("pointer", |object: &mut Document| object.pointer())
        .register_fn("to_string", |object: &mut Document| {
            let (class, id) = object.identity();
            id.map_or_else(|| format!("a new {class}"), |id| format!("{class}/{id}"))
        })
        .register_fn("==", |one: Document, other: Document| {
            one.identity() == other.identity() && (one.identity().1.is_some() || Arc::ptr_eq(&one.0, &other.0))
        })
        .register_fn("==", |one: Document, other: Pointer| one.pointer().is_ok_and(|pointer| pointer == other))
        .register_fn("==", |one: Pointer, other: Document| other.pointer().is_ok_and(|pointer| pointer == one));
    changes(engine);
}

fn changes(engine: &mut Engine) {
    engine
        .register_fn("is_new", |object: &mut Document| object.0.lock().draft.is_new())
        .register_fn("dirty", |object: &mut Document, field: &str| object.0.lock().draft.is_dirty(field))
        .register_fn("dirty", |object: &mut Document| object.is_changed())
        .register_fn("dirty_keys", |object: &mut Document| -> Array {
            object.0.lock().draft.dirty_keys().map(|key| key.to_owned().into()).collect()
        })
        .register_fn("revert", |object: &mut Document, field: &str| object.0.lock().draft.revert(field))
        .register_fn("unset", |object: &mut Document, field: &str| object.0.lock().draft.unset(field))
        .register_fn("increment", |object: &mut Document, field: &str| object.apply(field, Op::Increment(1.0)))
        .register_fn("increment", |object: &mut Document, field: &str, amount: i64| {
            object.apply(field, Op::Increment(amount as f64))
        })
        .register_fn("increment", |object: &mut Document, field: &str, amount: f64| {
            object.apply(field, Op::Increment(amount))
        })
        .register_fn("add", |object: &mut Document, field: &str, value: Dynamic| {
            object.apply(field, Op::Add(elements(&value)?))
        })
        .register_fn("add_unique", |object: &mut Document, field: &str, value: Dynamic| {
            object.apply(field, Op::AddUnique(elements(&value)?))
        })
        .register_fn("remove", |object: &mut Document, field: &str, value: Dynamic| {
            object.apply(field, Op::Remove(elements(&value)?))
        })
        .register_fn("add_relation", |object: &mut Document, field: &str, value: Dynamic| {
            object.apply(field, Op::Relate { add: members(&value)?, remove: Vec::new() })
        })
        .register_fn("remove_relation", |object: &mut Document, field: &str, value: Dynamic| {
            object.apply(field, Op::Relate { add: Vec::new(), remove: members(&value)? })
        });
    engine.register_fn("pointer", |class: &str, id: &str| pointer(class, id));
}
