//! The classes as this server knows them now: an immutable snapshot that a request takes once, without a lock.

pub(crate) mod api;
mod apply;
mod changes;
mod check;
pub(crate) mod definitions;
mod file;
mod plan;
pub(crate) mod push;
mod rules;
mod told;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use parsimony_model::builtin::Builtin;
use parsimony_model::{ClassName, ClassSchema, ParseError};
use parsimony_store::{ClassChange, Store};

/// Every class.
#[derive(Debug, Default, Clone)]
struct Snapshot {
    classes: HashMap<ClassName, Arc<ClassSchema>>,
    /// Grows with every change, so that what was read before a change does not replace it.
    generation: u64,
}

/// The classes, read without a lock and changed one change at a time.
pub(crate) struct Schemas {
    store: Arc<dyn Store>,
    current: ArcSwap<Snapshot>,
    /// For each class that was changed, what is held while it changes, so that of two changes the later one stays. An index
    /// may take minutes: other classes do not wait for it.
    changing: Mutex<HashMap<ClassName, Turn>>,
    /// Held while definitions are pushed.
    pushing: tokio::sync::Mutex<()>,
}

/// What is held while a class changes.
type Turn = Arc<tokio::sync::Mutex<()>>;

/// How often all classes are read again because one changed meanwhile.
const READS_MAX: u8 = 5;

impl Schemas {
    pub(crate) async fn load(store: Arc<dyn Store>) -> Result<Self, ParseError> {
        let schemas = Self {
            store,
            current: ArcSwap::default(),
            changing: Mutex::default(),
            pushing: tokio::sync::Mutex::default(),
        };
        schemas.reload().await?;
        Ok(schemas)
    }

    /// Reads every class again: another server may have changed them.
    pub(crate) async fn reload(&self) -> Result<(), ParseError> {
        for _ in 0..READS_MAX {
            let asked_at = self.current.load().generation;
            let classes = self.store.classes().await?;
            let classes: HashMap<_, _> =
                classes.into_iter().map(|class| (class.name.clone(), Arc::new(class))).collect();
            let before = self.current.rcu(|now| {
                if now.generation != asked_at {
                    return Arc::clone(now);
                }
                Arc::new(Snapshot { classes: HashMap::clone(&classes), generation: now.generation + 1 })
            });
            if before.generation == asked_at {
                break;
            }
            // What this server changed meanwhile is in the snapshot already.
        }
        Ok(())
    }

    fn turn(&self, name: &ClassName) -> Turn {
        Arc::clone(self.changing.lock().entry(name.clone()).or_default())
    }

    /// A class, if this server knows it.
    pub(crate) fn get(&self, name: &ClassName) -> Option<Arc<ClassSchema>> {
        self.current.load().classes.get(name).cloned()
    }

    /// The names of the classes this server knows, in no particular order.
    pub(crate) fn names(&self) -> Vec<ClassName> {
        self.current.load().classes.keys().cloned().collect()
    }

    /// A class; one that this server does not know may have been made by another, so the store is asked for it, and for
    /// no other class: whoever asks for classes that do not exist costs no more than one who asks for an object.
    pub(crate) async fn find(&self, name: &ClassName) -> Result<Option<Arc<ClassSchema>>, ParseError> {
        if let Some(class) = self.get(name) {
            return Ok(Some(class));
        }
        let asked_at = self.current.load().generation;
        let Some(class) = self.store.class(name).await? else { return Ok(None) };
        let class = Arc::new(class);
        self.current.rcu(|now| {
            let mut next = Snapshot::clone(now);
            if now.generation == asked_at {
                next.classes.insert(name.clone(), Arc::clone(&class));
            }
            next
        });
        Ok(Some(class))
    }

    /// A class, created if it is not there.
    pub(crate) async fn require(&self, name: &ClassName) -> Result<Arc<ClassSchema>, ParseError> {
        match self.get(name) {
            Some(class) => Ok(class),
            None => self.create(ClassSchema::new(name.clone())).await.map(|(class, _)| class),
        }
    }

    /// Creates a class; tells whether it was new. One that is there stays as it is.
    pub(crate) async fn create(&self, class: ClassSchema) -> Result<(Arc<ClassSchema>, bool), ParseError> {
        let class = definitions::with_builtin_indexes(class);
        // Held until it is known here: whoever finds it in the store may add fields to it at once, and a class put down after
        // that would take them away again.
        let turn = self.turn(&class.name);
        let held = turn.lock().await;
        let created = self.store.create_class(&class).await?;
        let class = if created { Some(class) } else { self.store.class(&class.name).await? };
        let class = class.ok_or_else(|| ParseError::internal("a class that exists was not found"))?;
        let class = self.put(class);
        drop(held);
        Ok((class, created))
    }

    /// Changes a class, and gives it as it is afterwards.
    pub(crate) async fn change(&self, name: &ClassName, change: &ClassChange) -> Result<Arc<ClassSchema>, ParseError> {
        let turn = self.turn(name);
        let held = turn.lock().await;
        let changed = self.store.change_class(name, change).await?;
        let class = changed.ok_or_else(|| ParseError::internal("a class vanished while it was changed"))?;
        let class = self.put(class);
        drop(held);
        Ok(class)
    }

    /// Drops a class.
    pub(crate) async fn drop_class(&self, class: &ClassSchema) -> Result<(), ParseError> {
        let turn = self.turn(&class.name);
        let held = turn.lock().await;
        self.store.drop_class(class).await?;
        self.next(|classes| drop(classes.remove(&class.name)));
        drop(held);
        Ok(())
    }

    /// Every class that is in the list of classes, by name.
    pub(crate) fn all(&self) -> Vec<Arc<ClassSchema>> {
        let listed = |class: &&Arc<ClassSchema>| !Builtin::of(&class.name).is_some_and(Builtin::is_volatile);
        let mut all: Vec<_> = self.current.load().classes.values().filter(listed).cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn put(&self, class: ClassSchema) -> Arc<ClassSchema> {
        let class = Arc::new(class);
        self.next(|classes| drop(classes.insert(class.name.clone(), Arc::clone(&class))));
        class
    }

    /// Makes the snapshot the next one.
    fn next(&self, change: impl Fn(&mut HashMap<ClassName, Arc<ClassSchema>>)) {
        self.current.rcu(|now| {
            let mut next = Snapshot { classes: now.classes.clone(), generation: now.generation + 1 };
            change(&mut next.classes);
            next
        });
    }
}
