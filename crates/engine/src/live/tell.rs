//! A change is told: who may see it, what of it, and in which words. Everything is decided once for all who are alike.

use std::collections::HashMap;
use std::sync::Arc;

use compact_str::CompactString;
use parsimony_model::permissions::Operation;
use parsimony_model::query::Filter;
use parsimony_model::query::matches::Matcher;
use parsimony_model::value::json::{self, Whole};
use parsimony_model::{ClassSchema, Object};

use super::Change;
use super::event::{Event, Stand, event_for};
use super::room::{Group, Listener, Subscriber, ready};
use crate::access::class::{self, Leave};
use crate::access::fields::{self, Hidden};
use crate::caller::Caller;
use crate::classes::rules_for;
use crate::engine::Engine;
use crate::find::redact;

/// Tells a change to everybody to whom it means something.
pub(super) async fn tell(engine: &Arc<Engine>, change: &Change) {
    let (Some(room), Some(class)) = (engine.live.room(&change.class), engine.schemas.get(&change.class)) else {
        return;
    };
    let met = room.lock().met(&class, change.before.as_deref(), change.after.as_deref());
    if met.is_empty() {
        return;
    }
    let mut listeners: HashMap<Listener, Option<Seer>> = HashMap::new();
    {
        let room = room.lock();
        let groups = met.iter().filter_map(|(key, ..)| room.group(key));
        for subscriber in groups.flat_map(|group| &group.subscribers) {
            if !listeners.contains_key(&subscriber.listener) {
                listeners.insert(subscriber.listener.clone(), None);
            }
        }
    }
    // Whose rights these are is asked anew for each change: a session may have ended, a role may have gone.
    for (listener, seer) in &mut listeners {
        *seer = Some(Seer::new(engine, &class, listener).await);
    }
    let mut words = Words { engine, class: &class, change, told: HashMap::new() };
    let room = room.lock();
    for (key, then, now) in &met {
        let Some(group) = room.group(key) else { continue };
        for subscriber in &group.subscribers {
            if let Some(Some(seer)) = listeners.get(&subscriber.listener) {
                words.tell(group, subscriber, seer, (*then, *now));
            }
        }
    }
}

/// With whose eyes a change is looked at.
struct Seer {
    caller: Caller,
    leave_to_find: Option<Leave>,
    leave_to_get: Option<Leave>,
    hidden: Hidden,
    /// What the class lets this caller see at all; `None` if it lets it see everything.
    own: Option<Matcher>,
    /// Whether it lets it see nothing.
    shut_out: bool,
}

impl Seer {
    async fn new(engine: &Engine, class: &ClassSchema, listener: &Listener) -> Self {
        let caller = Caller::listener(engine, listener.session_token.as_deref(), listener.master).await;
        let leave = |operation| class::decide(&caller, class, operation).ok();
        let own = rules_for(&class.name).visible(&caller);
        let own = own.and_then(|own| own.map(|filter| ready(&filter, class).map(|(matcher, _)| matcher)).transpose());
        Self {
            leave_to_find: leave(Operation::Find),
            leave_to_get: leave(Operation::Get),
            hidden: Hidden::from(&caller, class, &engine.options),
            shut_out: own.is_err(),
            own: own.ok().flatten(),
            caller,
        }
    }

    /// Whether an object may be read by somebody who asks for this.
    fn may_read(&self, filter: &Filter, object: &Object) -> bool {
        let leave = if filter.as_id().is_some() { &self.leave_to_get } else { &self.leave_to_find };
        let named = match leave {
            None => false,
            Some(Leave::Plain) => true,
            Some(Leave::NamedIn(fields)) => fields.iter().any(|field| fields::names(object, field, &self.caller)),
        };
        let granted = self.caller.is_privileged()
            || object
                .acl
                .as_ref()
                .is_none_or(|acl| acl.readers().any(|reader| self.caller.grants().iter().any(|grant| grant == reader)));
        named && granted && !self.shut_out && self.own.as_ref().is_none_or(|own| own.matches(object))
    }
}

/// What of a changed object is shown.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Images {
    Old,
    New,
    Both,
}

/// Who is told alike: by rights, wanted fields, what happened, and what of it is shown.
type Alike = (Listener, Arc<[CompactString]>, Event, Images);

struct Words<'a> {
    engine: &'a Engine,
    class: &'a ClassSchema,
    change: &'a Change,
    /// What was put into words already.
    told: HashMap<Alike, String>,
}

impl Words<'_> {
    fn tell(&mut self, group: &Group, subscriber: &Subscriber, seer: &Seer, (then, now): (bool, bool)) {
        let stand = |object: Option<&Arc<Object>>, matches| {
            object.map_or(Stand::default(), |object| Stand {
                exists: true,
                matches,
                readable: seer.may_read(&group.filter, object),
            })
        };
        let before = stand(self.change.before.as_ref(), then);
        let after = stand(self.change.after.as_ref(), now);
        let Some(event) = event_for(before, after) else { return };
        if matches!(event, Event::Create | Event::Update) && !self.watched_field_changed(&subscriber.watch) {
            return;
        }
        // Who may see the object no longer is told what it saw last; who could not see it before is not told what it was.
        let images = match (after.exists && after.readable, event != Event::Create && before.readable) {
            (false, _) => Images::Old,
            (true, false) => Images::New,
            (true, true) => Images::Both,
        };
        let key = (subscriber.listener.clone(), Arc::clone(&subscriber.keys), event, images);
        if !self.told.contains_key(&key) {
            let words = self.put(seer, &subscriber.keys, images);
            self.told.insert(key.clone(), words);
        }
        if let Some(words) = self.told.get(&key) {
            subscriber.wire.tell(event.op(), subscriber.request_id, words);
        }
    }

    fn watched_field_changed(&self, watch: &[CompactString]) -> bool {
        let value = |object: &Option<Arc<Object>>, field: &str| object.as_ref().and_then(|object| object.lookup(field));
        watch.is_empty()
            || watch.iter().any(|field| value(&self.change.before, field) != value(&self.change.after, field))
    }

    /// The object, and what it was, as this caller may see them.
    fn put(&self, seer: &Seer, keys: &[CompactString], images: Images) -> String {
        let Change { before, after, .. } = self.change;
        let (object, original) = match images {
            Images::Old => (before, None),
            Images::New => (after, None),
            Images::Both => (after, before.as_ref()),
        };
        let mut words = String::new();
        for (name, object) in [("object", object.as_ref()), ("original", original)] {
            if let Some(object) = object {
                let text = json::write(&Whole(&self.seen(seer, keys, object)));
                words.extend([",\"", name, "\":", &String::from_utf8_lossy(&text)]);
            }
        }
        words
    }

    fn seen(&self, seer: &Seer, keys: &[CompactString], object: &Object) -> Object {
        let mut object = object.clone();
        redact::finish(&self.engine.options, self.class, &mut object);
        seer.hidden.remove_from(&seer.caller, &mut object);
        rules_for(&self.class.name).redact(&seer.caller, &mut object);
        if !keys.is_empty() {
            object.fields.retain(|field, _| keys.iter().any(|key| key == field));
        }
        object
    }
}
