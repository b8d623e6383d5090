//! The classes as this server knows them now: an immutable snapshot that a request takes once, without a lock.

pub(crate) mod api;
pub(crate) mod definitions;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parsimony_model::{ClassName, ClassSchema, ParseError};
use parsimony_store::{ClassChange, Store};

/// Every class.
#[derive(Debug, Default, Clone)]
struct Snapshot {
    classes: HashMap<ClassName, Arc<ClassSchema>>,
    /// Classes whose objects nobody may change or delete, as their definitions say.
    append_only: HashSet<ClassName>,
}

/// The classes, read without a lock and changed one change at a time.
pub(crate) struct Schemas {
    store: Arc<dyn Store>,
    current: ArcSwap<Snapshot>,
    /// Held while classes change, so that two requests do not overwrite each other's snapshot.
    changing: tokio::sync::Mutex<()>,
}

impl Schemas {
    pub(crate) async fn load(store: Arc<dyn Store>) -> Result<Self, ParseError> {
        let schemas = Self { store, current: ArcSwap::default(), changing: tokio::sync::Mutex::new(()) };
        schemas.reload().await?;
        Ok(schemas)
    }

    /// Reads every class again: another server may have changed them.
    pub(crate) async fn reload(&self) -> Result<(), ParseError> {
        let turn = self.changing.lock().await;
        let classes = self.store.classes().await?;
        let classes = classes.into_iter().map(|class| (class.name.clone(), Arc::new(class))).collect();
        self.current.rcu(|now| Snapshot { classes: HashMap::clone(&classes), append_only: now.append_only.clone() });
        drop(turn);
        Ok(())
    }

    /// A class, if this server knows it.
    pub(crate) fn get(&self, name: &ClassName) -> Option<Arc<ClassSchema>> {
        self.current.load().classes.get(name).cloned()
    }

    /// A class; one that this server does not know may have been made by another, so the store is asked.
    pub(crate) async fn find(&self, name: &ClassName) -> Result<Option<Arc<ClassSchema>>, ParseError> {
        if let Some(class) = self.get(name) {
            return Ok(Some(class));
        }
        self.reload().await?;
        Ok(self.get(name))
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
        let name = class.name.clone();
        let class = definitions::with_builtin_indexes(class);
        let created = self.store.create_class(&class).await?;
        if created {
            let turn = self.changing.lock().await;
            self.put(class);
            drop(turn);
        } else {
            self.reload().await?;
        }
        let class = self.get(&name).ok_or_else(|| ParseError::internal("a class that exists was not listed"))?;
        Ok((class, created))
    }

    /// Changes a class, and gives it as it is afterwards.
    pub(crate) async fn change(&self, name: &ClassName, change: &ClassChange) -> Result<Arc<ClassSchema>, ParseError> {
        let turn = self.changing.lock().await;
        let changed = self.store.change_class(name, change).await?;
        let class = changed.ok_or_else(|| ParseError::internal("a class vanished while it was changed"))?;
        self.put(class);
        drop(turn);
        self.get(name).ok_or_else(|| ParseError::internal("a class vanished while it was changed"))
    }

    /// Drops a class.
    pub(crate) async fn drop_class(&self, class: &ClassSchema) -> Result<(), ParseError> {
        let turn = self.changing.lock().await;
        self.store.drop_class(class).await?;
        self.current.rcu(|now| {
            let mut next = Snapshot::clone(now);
            next.classes.remove(&class.name);
            next
        });
        drop(turn);
        Ok(())
    }

    /// Every class, by name.
    pub(crate) fn all(&self) -> Vec<Arc<ClassSchema>> {
        let mut all: Vec<_> = self.current.load().classes.values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Whether the objects of a class may only be added.
    pub(crate) fn is_append_only(&self, name: &ClassName) -> bool {
        let snapshot = self.current.load();
        !snapshot.append_only.is_empty() && snapshot.append_only.contains(name)
    }

    fn mark_append_only(&self, name: &ClassName) {
        self.current.rcu(|now| {
            let mut next = Snapshot::clone(now);
            next.append_only.insert(name.clone());
            next
        });
    }

    fn put(&self, class: ClassSchema) {
        let class = Arc::new(class);
        self.current.rcu(|now| {
            let mut next = Snapshot::clone(now);
            next.classes.insert(class.name.clone(), Arc::clone(&class));
            next
        });
    }
}
