//! A change is told: who may see it, what of it, and in which words. Everything is decided once for all who are alike.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use compact_str::CompactString;
use futures::{StreamExt, stream};
use parsimony_cloud::metrics::LIVE_EVENTS;
use parsimony_cloud::{AfterEvent, LiveEvent, Telling};
use parsimony_model::permissions::Operation;
use parsimony_model::query::Filter;
use parsimony_model::query::matches::Matcher;
use parsimony_model::value::json::{self, Whole};
use parsimony_model::{ClassSchema, Object};

use super::Change;
use super::event::{Stand, event_for};
use super::messages::Refusal;
use super::room::{Group, Listener, Subscriber, ready};
use crate::access::class::{self, Leave};
use crate::access::fields::{self, Hidden};
use crate::caller::Caller;
use crate::classes::rules_for;
use crate::engine::Engine;
use crate::find::redact;
use crate::triggers;
use crate::work::Work;

/// Tells a change to everybody to whom it means something.
pub(super) async fn tell(engine: &Arc<Engine>, change: &Change) {
    let (Some(room), Some(class)) = (engine.live.room(&change.class), engine.schemas.get(&change.class)) else {
        return;
    };
    let met = room.lock().met(&class, change.before.as_deref(), change.after.as_deref());
    if met.is_empty() {
        return;
    }
    let listeners = {
        let room = room.lock();
        let groups = met.iter().filter_map(|(key, ..)| room.group(key));
        groups
            .flat_map(|group| &group.subscribers)
            .map(|subscriber| subscriber.listener.clone())
            .collect::<HashSet<_>>()
    };
    // Whose rights these are is asked anew for each change: a session may have ended, a role may have gone.
    let mut seers: HashMap<Listener, Seer> = HashMap::new();
    for listener in listeners {
        let seer = Seer::new(engine, &class, &listener).await;
        seers.insert(listener, seer);
    }
    let hooked = engine.registry.now().has::<AfterEvent>(class.name.as_str());
    let mut words = Words { engine, class: &class, change, told: HashMap::new() };
    let mut asking = Vec::new();
    {
        let room = room.lock();
        for (key, then, now) in &met {
            let Some(group) = room.group(key) else { continue };
            for subscriber in &group.subscribers {
                let Some(seer) = seers.get(&subscriber.listener) else { continue };
                let Some(news) = words.news(group, subscriber, seer, (*then, *now)) else { continue };
                if hooked {
                    asking.push((subscriber.clone(), seer, news));
                } else {
                    words.tell(subscriber, seer, news);
                }
            }
        }
    }
    let words = &words;
    let asked = asking.into_iter().map(|(subscriber, seer, news)| words.ask_and_tell(subscriber, seer, news));
    stream::iter(asked).for_each_concurrent(ASKED_AT_ONCE_MAX, |told| told).await;
}

/// Of how many subscribers cloud code is asked at once.
const ASKED_AT_ONCE_MAX: usize = 32;

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

/// What a change is to a subscriber, and what of it is shown.
type News = (LiveEvent, Images);

/// Who is told alike: by rights, wanted fields, what happened, and what of it is shown.
type Alike = (Listener, Arc<[CompactString]>, News);

struct Words<'a> {
    engine: &'a Arc<Engine>,
    class: &'a ClassSchema,
    change: &'a Change,
    /// What was put into words already.
    told: HashMap<Alike, String>,
}

impl Words<'_> {
    /// What the change is to a subscriber; `None` if it is nothing to it.
    fn news(&self, group: &Group, subscriber: &Subscriber, seer: &Seer, (then, now): (bool, bool)) -> Option<News> {
        let stand = |object: Option<&Arc<Object>>, matches| {
            object.map_or(Stand::default(), |object| Stand {
                exists: true,
                matches,
                readable: seer.may_read(&group.filter, object),
            })
        };
        let before = stand(self.change.before.as_ref(), then);
        let after = stand(self.change.after.as_ref(), now);
        let event = event_for(before, after)?;
        if matches!(event, LiveEvent::Create | LiveEvent::Update) && !self.watched_field_changed(&subscriber.watch) {
            return None;
        }
        // Who may see the object no longer is told what it saw last; who could not see it before is not told what it was.
        let images = match (after.exists && after.readable, event != LiveEvent::Create && before.readable) {
            (false, _) => Images::Old,
            (true, false) => Images::New,
            (true, true) => Images::Both,
        };
        Some((event, images))
    }

    fn watched_field_changed(&self, watch: &[CompactString]) -> bool {
        let value = |object: &Option<Arc<Object>>, field: &str| object.as_ref().and_then(|object| object.lookup(field));
        watch.is_empty()
            || watch.iter().any(|field| value(&self.change.before, field) != value(&self.change.after, field))
    }

    fn tell(&mut self, subscriber: &Subscriber, seer: &Seer, news: News) {
        let key = (subscriber.listener.clone(), Arc::clone(&subscriber.keys), news);
        if !self.told.contains_key(&key) {
            let words = self.telling(news).map(|telling| self.put(seer, &subscriber.keys, telling));
            self.told.insert(key.clone(), words.unwrap_or_default());
        }
        if let Some(words) = self.told.get(&key) {
            subscriber.wire.tell(news.0.op(), subscriber.request_id, words);
            self.engine.metrics.count(&LIVE_EVENTS, &[news.0.op()]);
        }
    }

    /// Asks cloud code first.
    async fn ask_and_tell(&self, subscriber: Subscriber, seer: &Seer, news: News) {
        let Some(telling) = self.telling(news) else { return };
        let work = Work::new(Arc::clone(self.engine), seer.caller.clone());
        let audience = self.engine.live.audience();
        let unchanged = telling.clone();
        let request = |origin| AfterEvent { telling, audience, origin };
        match triggers::run(&work, self.class.name.as_str(), request).await {
            Ok(Some(None)) => {}
            Ok(answer) => {
                let telling = answer.flatten().unwrap_or(unchanged);
                let op = telling.event.op();
                subscriber.wire.tell(op, subscriber.request_id, &self.put(seer, &subscriber.keys, telling));
                self.engine.metrics.count(&LIVE_EVENTS, &[op]);
            }
            Err(error) => {
                tracing::error!(class = %self.class.name, %error, "an afterLiveQueryEvent hook failed");
                let sanitized = self.engine.options.sanitized_errors;
                subscriber.wire.send(Refusal::of(&error, Some(subscriber.request_id), sanitized).frame());
            }
        }
    }

    /// What is to be told, before fields are taken away that the subscriber may not see.
    fn telling(&self, (event, images): News) -> Option<Telling> {
        let whole = |object: &Arc<Object>| {
            let mut object = (**object).clone();
            redact::finish(&self.engine.options, self.class, &mut object);
            object
        };
        let Change { before, after, .. } = self.change;
        let (object, original) = match images {
            Images::Old => (before, None),
            Images::New => (after, None),
            Images::Both => (after, before.as_ref()),
        };
        Some(Telling { event, object: whole(object.as_ref()?), original: original.map(whole) })
    }

    /// The object, and what it was, as this caller may see them.
    fn put(&self, seer: &Seer, keys: &[CompactString], telling: Telling) -> String {
        let mut words = String::new();
        for (name, object) in [("object", Some(telling.object)), ("original", telling.original)] {
            if let Some(mut object) = object {
                self.redact(seer, keys, &mut object);
                words.extend([",\"", name, "\":", &String::from_utf8_lossy(&json::write(&Whole(&object)))]);
            }
        }
        words
    }

    fn redact(&self, seer: &Seer, keys: &[CompactString], object: &mut Object) {
        seer.hidden.remove_from(&seer.caller, object);
        let rules = rules_for(&self.class.name);
        rules.redact(&seer.caller, object);
        rules.redact_event(&seer.caller, object);
        if !keys.is_empty() {
            object.fields.retain(|field, _| keys.iter().any(|key| key == field));
        }
    }
}
