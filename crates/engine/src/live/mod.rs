//! LiveQuery: clients say what they want to be told of, and every change of an object is put to their conditions.
//!
//! | question | where |
//! | --- | --- |
//! | what do clients say, and what are they told | `messages.rs` |
//! | what is one client's state | `connection.rs` |
//! | what others write to the database | `stream.rs` |
//! | the way to one client | `wire.rs` |
//! | who wants to be told of a class | `room.rs` |
//! | what does a change mean to somebody | `event.rs` |
//! | who may see it, and how it is told | `tell.rs` |

mod connection;
mod event;
mod messages;
mod room;
mod stream;
mod tell;
mod wire;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use parsimony_cloud::{AfterEvent, Audience};
use parsimony_model::value::Map;
use parsimony_model::{ClassName, Object};
use parsimony_store::Watching;
use regex::Regex;
use tokio::sync::mpsc;

pub use self::connection::{LiveConnection, Outgoing};
use self::room::Room;
use self::stream::Stream;
use crate::engine::Engine;
use crate::work::Work;

/// Parse's `liveQuery` and `liveQueryServerOptions`.
#[derive(Debug, Clone)]
pub struct LiveOptions {
    /// `classNames`: the classes whose changes are told.
    pub classes: Vec<Regex>,
    /// `keyPairs`: keys of which a client must send one; a `masterKey` among them gives the master's rights.
    pub key_pairs: Map,
    /// `websocketTimeout`: how often a client is asked whether it is there.
    pub ping_millis: u64,
}

impl LiveOptions {
    /// The classes, as the store takes them.
    fn patterns(&self) -> Vec<String> {
        let whole = |pattern: &Regex| pattern.as_str().trim_start_matches('^').trim_end_matches('$').to_owned();
        self.classes.iter().map(whole).collect()
    }

    fn tells(&self, class: &ClassName) -> bool {
        self.classes.iter().any(|pattern| pattern.is_match(class.as_str()))
    }
}

/// A change of an object that was written.
pub(crate) struct Change {
    class: ClassName,
    /// As it was; none for a new one.
    before: Option<Arc<Object>>,
    /// As it is; none for one that is gone.
    after: Option<Arc<Object>>,
}

/// Who listens, and what they have yet to be told.
pub(crate) struct Live {
    rooms: Mutex<HashMap<ClassName, Arc<Mutex<Room>>>>,
    /// How many rooms there are: most writes need not look further.
    count: AtomicUsize,
    /// The clients that are connected.
    clients: AtomicUsize,
    /// What they subscribed to, all together.
    subscriptions: AtomicUsize,
    changes: mpsc::Sender<Change>,
    /// Whether the store tells what is written, by this server as by others. If not, this server hands on what it writes.
    from_store: bool,
    /// The store's part, once somebody listens.
    stream: Stream,
    /// What the hub reads, until it starts.
    waiting: Mutex<Option<mpsc::Receiver<Change>>>,
}

/// How many changes may wait to be told; a write waits when there are more.
const CHANGES_MAX: usize = 16_384;

impl Live {
    pub(crate) fn new(watching: Watching) -> Self {
        let (changes, waiting) = mpsc::channel(CHANGES_MAX);
        Self {
            rooms: Mutex::default(),
            count: AtomicUsize::default(),
            clients: AtomicUsize::default(),
            subscriptions: AtomicUsize::default(),
            changes,
            from_store: watching == Watching::Images,
            stream: Stream::default(),
            waiting: Mutex::new(Some(waiting)),
        }
    }

    /// Whether anybody wants to be told of a class.
    pub(crate) fn wants(&self, class: &ClassName) -> bool {
        self.count.load(Ordering::Relaxed) > 0 && self.rooms.lock().contains_key(class)
    }

    /// How many listen.
    pub(crate) fn audience(&self) -> Audience {
        let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        Audience { clients: count(&self.clients), subscriptions: count(&self.subscriptions) }
    }

    fn room(&self, class: &ClassName) -> Option<Arc<Mutex<Room>>> {
        self.rooms.lock().get(class).cloned()
    }

    /// Does something to the room of a class, which is made for it and goes when it is empty.
    fn with_room(&self, class: &ClassName, change: impl FnOnce(&mut Room)) {
        let mut rooms = self.rooms.lock();
        let room = Arc::clone(rooms.entry(class.clone()).or_default());
        let mut inside = room.lock();
        change(&mut inside);
        if inside.is_empty() {
            rooms.remove(class);
        }
        self.count.store(rooms.len(), Ordering::Relaxed);
    }
}

/// Begins to tell changes, in the order in which they were written, until the engine is gone.
pub(crate) fn start(engine: &Arc<Engine>) {
    let Some(options) = &engine.options.live else { return };
    let Some(changes) = engine.live.waiting.lock().take() else { return };
    let weak = Arc::downgrade(engine);
    if engine.live.from_store {
        engine.background(stream::watch(Weak::clone(&weak), options.patterns()));
    }
    engine.background(hub(weak, changes));
}

async fn hub(engine: Weak<Engine>, mut changes: mpsc::Receiver<Change>) {
    let mut lanes = HashMap::new();
    while let Some(change) = changes.recv().await {
        let Some(strong) = engine.upgrade() else { return };
        let hooked = strong.registry.now().has::<AfterEvent>(change.class.as_str());
        if hooked && !lanes.contains_key(&change.class) {
            lanes.insert(change.class.clone(), lane(&strong));
        }
        match lanes.get(&change.class) {
            None => tell::tell(&strong, &change).await,
            // A lane ends with the engine only.
            Some(lane) => lane.send(change).await.unwrap_or_default(),
        }
    }
}

/// A queue of its own for a class where cloud code is asked, so that others need not wait for it.
fn lane(engine: &Arc<Engine>) -> mpsc::Sender<Change> {
    let (lane, mut changes) = mpsc::channel::<Change>(CHANGES_MAX);
    let weak = Arc::downgrade(engine);
    engine.background(async move {
        while let Some(change) = changes.recv().await {
            let Some(engine) = weak.upgrade() else { return };
            tell::tell(&engine, &change).await;
        }
    });
    lane
}

/// Whether the images of an object of this class are wanted when it changes.
pub(crate) fn is_wanted(work: &Work, class: &ClassName) -> bool {
    !work.engine.live.from_store && work.engine.live.wants(class)
}

/// Hands a change on to those who want to be told. Of a transaction, when it is committed.
pub(crate) async fn publish(work: &Work, class: &ClassName, before: Option<Arc<Object>>, after: Option<Arc<Object>>) {
    let change = Change { class: class.clone(), before, after };
    match &work.transaction {
        Some(open) => open.tell_later(change),
        None => publish_all(&work.engine, vec![change]).await,
    }
}

/// Hands changes on.
pub(crate) async fn publish_all(engine: &Engine, changes: Vec<Change>) {
    for change in changes {
        // The hub ends with the engine only.
        let _ = engine.live.changes.send(change).await;
    }
}
