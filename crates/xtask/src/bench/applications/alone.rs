//! What do the writes of a function cost at the store alone: the same rows, in one transaction, and nothing around it?

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::future::join_all;
use hdrhistogram::Histogram;
use parsimony_model::{ClassName, ClassSchema, Filter, Object, ObjectId, Update, Value};
use parsimony_store::{Change, Scope, Selection, Store, StoreError};
use parsimony_store_mongo::{MongoOptions, MongoStore};
use parsimony_store_sqlite::SqliteStore;

use super::super::workload::Dice;
use super::site::{Ground, Place};

const LATENCY_MICROS_MAX: u64 = 60_000_000;
/// What of each new row no other may have.
static NUMBERS: AtomicU64 = AtomicU64::new(1_000_000_000);

/// What one function writes: new rows like the ones that it left, and changes of rows that are there.
pub(super) struct Writes {
    store: Arc<dyn Store>,
    new: Vec<(Arc<ClassSchema>, Object)>,
    changed: Option<(Arc<ClassSchema>, Vec<Object>)>,
}

/// Opens the database past any server.
pub(super) async fn open(ground: &Ground, place: Place) -> Result<Arc<dyn Store>> {
    Ok(match place {
        Place::Sqlite => Arc::new(SqliteStore::open(ground.file())?),
        Place::Mongo => Arc::new(MongoStore::open(&ground.database_uri(place), MongoOptions::default()).await?),
    })
}

impl Writes {
    /// A new row of each of these classes, and the change of two rows of another.
    pub(super) async fn like(store: &Arc<dyn Store>, new: &[&str], changed: Option<&str>) -> Result<Self> {
        let mut rows = Vec::new();
        for class in new {
            let (class, mut found) = found(&**store, class, 1).await?;
            rows.push((class, found.pop().context("the function left no such row")?));
        }
        let changed = if let Some(class) = changed { Some(found(&**store, class, 64).await?) } else { None };
        Ok(Self { store: Arc::clone(store), new: rows, changed })
    }

    /// As many transactions as so many clients get done within a time: how long each took, in microseconds.
    pub(super) async fn drive(self, connections: usize, time: Duration) -> Result<Histogram<u64>> {
        let end = Instant::now() + time;
        let latency = Rc::new(RefCell::new(Histogram::new_with_bounds(1, LATENCY_MICROS_MAX, 3)?));
        let writes = Rc::new(self);
        let clients = (1..=connections as u64).map(|seed| {
            let (writes, latency) = (Rc::clone(&writes), Rc::clone(&latency));
            tokio::task::spawn_local(async move {
                let mut dice = Dice::new(seed);
                while Instant::now() < end {
                    let begun = Instant::now();
                    writes.once(&mut dice).await?;
                    let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(LATENCY_MICROS_MAX);
                    latency.borrow_mut().saturating_record(micros);
                }
                anyhow::Ok(())
            })
        });
        for client in join_all(clients).await {
            client??;
        }
        Ok(latency.borrow().clone())
    }

    /// One transaction; again, where another was first.
    async fn once(&self, dice: &mut Dice) -> Result<()> {
        loop {
            match self.attempt(dice).await {
                Err(StoreError::Conflict(_)) => {}
                done => return Ok(done?),
            }
        }
    }

    async fn attempt(&self, dice: &mut Dice) -> Result<(), StoreError> {
        let transaction = self.store.begin().await?;
        if let Some((class, rows)) = &self.changed {
            for _ in 0..2 {
                let Some(row) = rows.get(usize::try_from(dice.next()).unwrap_or_default() % rows.len().max(1)) else {
                    continue;
                };
                let selection = Selection::new(Arc::clone(class), Filter::id(&row.id), Scope::Everything);
                let mut update = Update::default();
                update.set("balance", dice.next().to_string());
                let updated_at = row.updated_at.unwrap_or(parsimony_model::Date::EPOCH);
                transaction.update(&selection, &Change { update, acl: None, updated_at }).await?;
            }
        }
        for (class, row) in &self.new {
            transaction.insert(class, &Self::another(row)).await?;
        }
        transaction.commit().await
    }

    /// A row like this one, with all that no two rows may share made anew.
    fn another(row: &Object) -> Object {
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let mut row = row.clone();
        let id = format!("b{number}");
        row.id = ObjectId::parse(&id).unwrap_or(row.id);
        if row.fields.contains_key("sequence") {
            row.fields.insert("sequence".into(), Value::Number(number as f64));
        }
        for field in ["user", "identity"] {
            if let Some(Value::Pointer(pointer)) = row.fields.get_mut(field) {
                pointer.id = row.id.clone();
            }
        }
        row
    }
}

/// A class, and the newest rows of it.
async fn found(store: &dyn Store, name: &str, limit: u64) -> Result<(Arc<ClassSchema>, Vec<Object>)> {
    let class = store.class(&ClassName::parse(name)?).await?.context("there is no such class")?;
    let class = Arc::new(class);
    let selection =
        Selection::new(Arc::clone(&class), Filter::And(Vec::new()), Scope::Everything).range(0, Some(limit));
    let rows = store.find(&selection).await?;
    Ok((class, rows))
}
