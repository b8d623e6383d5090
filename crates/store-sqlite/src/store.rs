//! The store as a whole: opening and closing it, its classes, and its transactions.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use parsimony_model::schema::Index;
use parsimony_model::{ClassName, ClassSchema};
use parsimony_store::{Answer, ClassChange, Duplicates, FileStore, Join, Progress, Store, StoreError, Transaction};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::classes;
use crate::duplicates;
use crate::error::store_error;
use crate::objects::{Asked, Shared};
use crate::open::{self, Limits};
use crate::sql::quote;
use crate::streams::Streams;
use crate::sweep;
use crate::tables::Tables;
use crate::transaction::{Doors, Lane, Whole};
use crate::worker::{self, Message, Ran, Writer};

/// The embedded store: one SQLite file.
///
/// Writes go through one thread, which makes durable together what waits together; reads run beside them. Dropping it without
/// [`Store::close`] loses nothing that was answered.
pub type SqliteStore = Asked<Whole>;

impl Asked<Whole> {
    /// Opens the file, and makes it and its folder if they are missing.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_within(path, Limits::default())
    }

    /// Opens the file with bounds of one's own.
    pub fn open_within(path: impl AsRef<Path>, limits: Limits) -> Result<Self, StoreError> {
        Self::open_prefixed(path, limits, "")
    }

    /// Opens the file for clients whose pipelines call a class as MongoDB would with the option `collectionPrefix`.
    pub fn open_prefixed(path: impl AsRef<Path>, limits: Limits, prefix: &str) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let shared = Arc::new(Shared { limits: limits.clone(), prefix: prefix.to_owned(), ..Shared::default() });
        let connection = open::writer(path, &limits, &shared.patterns)?;
        let tables = classes::complete(&connection, &Tables::load(&connection)?)?;
        shared.tables.store(Arc::new(tables));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let readers = limits.readers_max.min(cores).max(1);
        // Nothing is ever sent through it: it closes when the last thread has dropped its end.
        let (alive, gone) = flume::bounded::<()>(1);
        let (reader, questions) = flume::bounded(limits.queue_jobs_max);
        let mut threads = Vec::with_capacity(readers + 1);
        let mut connections = Vec::with_capacity(readers);
        for number in 0..readers {
            let connection = Arc::new(Mutex::new(open::reader(path, &limits, &shared.patterns)?));
            connections.push(Arc::clone(&connection));
            let (questions, alive) = (questions.clone(), alive.clone());
            threads.push(worker::start(format!("sqlite-read-{number}"), move || {
                worker::read(&connection, &questions);
                drop(connection);
                drop(alive);
            })?);
        }
        let (writer, messages) = flume::bounded(limits.queue_jobs_max);
        let (sweeping, stopped) = flume::bounded(1);
        let every = Duration::from_millis(limits.sweep_millis);
        let (swept, jobs, also_alive) = (Arc::clone(&shared), writer.clone(), alive.clone());
        threads.push(worker::start("sqlite-sweep".to_owned(), move || {
            sweep::run(&swept, &jobs, &stopped, every);
            drop(also_alive);
        })?);
        let streams = Streams::new(path.to_owned(), Arc::clone(&shared), alive.clone());
        threads.push(worker::start("sqlite-write".to_owned(), move || {
            Writer::new(connection, messages, limits).run();
            drop(alive);
        })?);
        let doors = Doors { writer, readers: reader, connections, streams, _sweeping: sweeping };
        let doors = ArcSwapOption::from_pointee(doors);
        let lane = Whole { doors, threads: Mutex::new(threads), gone, path: path.to_owned() };
        Ok(Self { shared, lane })
    }

    /// Runs a change of the classes. If it gives other tables, they are the tables as soon as it is durable.
    async fn change_tables<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Tables) -> Result<(T, Option<Tables>), StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let job = Box::new(move |connection: &Connection| {
            let outcome = work(connection, &shared.tables.load());
            let kept = outcome.is_ok();
            let answer = move |durable: Result<(), StoreError>| {
                let outcome = outcome.and_then(|changed| durable.map(|()| changed)).map(|(value, tables)| {
                    shared.publish(tables);
                    value
                });
                drop(reply.send(outcome));
            };
            Ran { kept, answer: Box::new(answer) }
        });
        self.lane.tell(Message::Alone(job)).await?;
        answer.await.map_err(|_gone| StoreError::unavailable("the database could not write"))?
    }

    async fn stop(&self) -> Result<(), StoreError> {
        let threads = std::mem::take(&mut *self.lane.threads.lock());
        // What was asked before is still answered: the threads empty their queues.
        self.lane.doors.store(None);
        let _ = self.lane.gone.recv_async().await;
        let panicked = threads.into_iter().map(std::thread::JoinHandle::join).filter(Result::is_err).count();
        if panicked > 0 {
            return Err(StoreError::unavailable("a thread of the database had failed"));
        }
        Ok(())
    }
}

impl Store for Asked<Whole> {
    fn describe(&self) -> String {
        format!("SQLite {}", self.lane.path.display())
    }

    fn classes(&self) -> Answer<'_, Vec<ClassSchema>> {
        let classes = self.shared.tables.load().0.values().map(|table| table.schema.clone()).collect();
        Box::pin(async move { Ok(classes) })
    }

    fn class<'a>(&'a self, name: &'a ClassName) -> Answer<'a, Option<ClassSchema>> {
        let class = self.shared.tables.load().get(name.as_str()).map(|table| table.schema.clone());
        Box::pin(std::future::ready(Ok(class)))
    }

    fn create_class<'a>(&'a self, class: &'a ClassSchema) -> Answer<'a, bool> {
        let class = class.clone();
        Box::pin(self.change_tables(move |connection, tables| {
            let changed = classes::create(connection, tables, &class)?;
            Ok((changed.is_some(), changed))
        }))
    }

    fn change_class<'a>(&'a self, name: &'a ClassName, change: &'a ClassChange) -> Answer<'a, Option<ClassSchema>> {
        let (name, change) = (name.clone(), change.clone());
        Box::pin(self.change_tables(move |connection, tables| {
            let changed = classes::change(connection, tables, &name, &change)?;
            Ok(changed.map_or((None, None), |(class, tables)| (Some(class), Some(tables))))
        }))
    }

    fn duplicates<'a>(&'a self, class: &'a Arc<ClassSchema>, index: &'a Index) -> Answer<'a, Duplicates> {
        Box::pin(async move {
            let Some(table) = self.shared.tables.load().get(class.name.as_str()).cloned() else {
                return Ok(Duplicates::default());
            };
            let index = index.clone();
            self.lane.read(move |connection| duplicates::find(connection, &table, &index)).await
        })
    }

    /// SQLite tells nothing while it makes one.
    fn index_progress<'a>(&'a self, _class: &'a ClassName) -> Answer<'a, Option<Progress>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn members<'a>(&'a self, join: &'a Join) -> Answer<'a, u64> {
        Box::pin(async move {
            let table = self.shared.tables.load().join(join.class.as_str(), join.field.as_str()).map(quote);
            let Some(table) = table else { return Ok(0) };
            let count = move |connection: &Connection| {
                let text = format!("SELECT count(*) FROM {table}");
                let count: i64 = connection.query_row(&text, [], |row| row.get(0)).map_err(store_error)?;
                Ok(count.unsigned_abs())
            };
            self.lane.read(count).await
        })
    }

    fn drop_class<'a>(&'a self, class: &'a ClassSchema) -> Answer<'a, ()> {
        let name = class.name.clone();
        Box::pin(
            self.change_tables(move |connection, tables| Ok(((), classes::drop_class(connection, tables, &name)?))),
        )
    }

    fn files(&self) -> &dyn FileStore {
        self
    }

    fn begin(&self) -> Answer<'_, Arc<dyn Transaction>> {
        Box::pin(async {
            let inside = Asked { shared: Arc::clone(&self.shared), lane: self.lane.begin().await? };
            Ok(Arc::new(inside) as Arc<dyn Transaction>)
        })
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(self.lane.read(|connection| connection.query_row("SELECT 1", [], |_| Ok(())).map_err(store_error)))
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(self.stop())
    }
}
