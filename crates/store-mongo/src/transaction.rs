//! Transactions: a driver session, with a time limit.

use std::sync::Arc;
use std::time::Duration;

use mongodb::ClientSession;
use parsimony_model::aggregate::{Document, Pipeline};
use parsimony_model::query::Verbosity;
use parsimony_model::{ClassSchema, Object, ObjectId, Value};
use parsimony_store::{Answer, Change, Join, Objects, Selection, StoreError, Transaction};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::open::Shared;
use crate::{aggregate, error, explain, find, joins, write};

/// How often a commit is sent whose outcome is not known.
const COMMIT_TRIES_MAX: u8 = 5;

const NO_REPLICA_SET: &str =
    "Transactions need MongoDB to be a replica set or a sharded cluster; this one is a single server.";

/// Where a transaction is in its life.
enum State {
    /// It can be used. A session that is dropped in this state is aborted on the server by the driver.
    Open(Box<ClientSession>),
    /// It was committed or rolled back.
    Ended,
    /// Its time ran out.
    TimedOut,
}

/// An open transaction.
pub(crate) struct MongoTransaction {
    shared: Arc<Shared>,
    state: Arc<Mutex<State>>,
    deadline: Instant,
    watch: AbortHandle,
}

impl MongoTransaction {
    /// Opens a transaction.
    pub(crate) async fn begin(shared: Arc<Shared>) -> Result<Self, StoreError> {
        if !shared.transactions {
            return Err(StoreError::Unsupported(NO_REPLICA_SET.to_owned()));
        }
        let mut session = shared.client.start_session().await.map_err(error::of_write)?;
        session.start_transaction().await.map_err(error::of_write)?;
        let state = Arc::new(Mutex::new(State::Open(Box::new(session))));
        let deadline = Instant::now() + Duration::from_millis(shared.options.transaction_millis_max);
        let watch = tokio::runtime::Handle::current().spawn(end_at(deadline, Arc::downgrade(&state)));
        Ok(Self { shared, state, deadline, watch: watch.abort_handle() })
    }

    /// The session, for one request at a time.
    async fn session(&self) -> Result<MappedMutexGuard<'_, ClientSession>, StoreError> {
        let state = self.state.lock().await;
        let open = MutexGuard::try_map(state, |state| match state {
            State::Open(session) => Some(&mut **session),
            State::Ended | State::TimedOut => None,
        });
        open.map_err(|state| ended(&state))
    }

    /// The answer, if it comes before the transaction's time is up.
    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, StoreError>> + Send) -> Result<T, StoreError> {
        tokio::time::timeout_at(self.deadline, answer).await.unwrap_or(Err(StoreError::Timeout))
    }

    /// Takes the session out: nothing can be asked after that.
    async fn end(&self) -> Result<Box<ClientSession>, StoreError> {
        let mut state = self.state.lock().await;
        match std::mem::replace(&mut *state, State::Ended) {
            State::Open(session) => {
                self.watch.abort();
                Ok(session)
            }
            State::TimedOut => {
                *state = State::TimedOut;
                Err(StoreError::Timeout)
            }
            State::Ended => Err(ended(&State::Ended)),
        }
    }
}

fn ended(state: &State) -> StoreError {
    match state {
        State::TimedOut => StoreError::Timeout,
        State::Open(_) | State::Ended => StoreError::Unsupported("The transaction has ended.".to_owned()),
    }
}

/// Rolls a forgotten transaction back, so that what it locked is free again.
async fn end_at(deadline: Instant, state: std::sync::Weak<Mutex<State>>) {
    tokio::time::sleep_until(deadline).await;
    let Some(state) = state.upgrade() else { return };
    let mut state = state.lock().await;
    if let State::Open(mut session) = std::mem::replace(&mut *state, State::TimedOut) {
        tracing::warn!("a transaction ran out of time and is rolled back");
        if let Err(failure) = session.abort_transaction().await {
            tracing::warn!(error = %failure, "a transaction could not be rolled back");
        }
    } else {
        *state = State::Ended;
    }
}

impl Drop for MongoTransaction {
    fn drop(&mut self) {
        // With the last reference the session goes too, and the driver rolls back what is open.
        self.watch.abort();
    }
}

async fn commit(mut session: Box<ClientSession>, deadline: Instant) -> Result<(), StoreError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match session.commit_transaction().await {
            Ok(()) => return Ok(()),
            Err(failure)
                if error::is_unknown_commit(&failure) && tries < COMMIT_TRIES_MAX && Instant::now() < deadline => {}
            Err(failure) => return Err(error::of_write(failure)),
        }
    }
}

impl Transaction for MongoTransaction {
    fn commit(&self) -> Answer<'_, ()> {
        Box::pin(async { commit(self.end().await?, self.deadline).await })
    }

    fn roll_back(&self) -> Answer<'_, ()> {
        Box::pin(async {
            let mut session = self.end().await?;
            session.abort_transaction().await.map_err(error::of_write)
        })
    }
}

impl Objects for MongoTransaction {
    fn find<'a>(&'a self, selection: &'a Selection) -> Answer<'a, Vec<Object>> {
        Box::pin(async {
            let mut session = self.session().await?;
            self.in_time(find::find(&self.shared, Some(&mut session), selection)).await
        })
    }

    fn count<'a>(&'a self, selection: &'a Selection) -> Answer<'a, u64> {
        Box::pin(async {
            let mut session = self.session().await?;
            self.in_time(find::count(&self.shared, Some(&mut session), selection)).await
        })
    }

    fn distinct<'a>(&'a self, selection: &'a Selection, field: &'a str) -> Answer<'a, Vec<Value>> {
        Box::pin(async move {
            let mut session = self.session().await?;
            self.in_time(find::distinct(&self.shared, Some(&mut session), selection, field)).await
        })
    }

    fn aggregate<'a>(&'a self, selection: &'a Selection, pipeline: &'a Pipeline) -> Answer<'a, Vec<Document>> {
        Box::pin(async move {
            let mut session = self.session().await?;
            self.in_time(aggregate::aggregate(&self.shared, Some(&mut session), selection, pipeline)).await
        })
    }

    fn explain<'a>(
        &'a self,
        selection: &'a Selection,
        pipeline: Option<&'a Pipeline>,
        verbosity: Verbosity,
    ) -> Answer<'a, Document> {
        // MongoDB explains nothing inside a transaction; the plan is the same outside.
        Box::pin(self.in_time(explain::explain(&self.shared, selection, pipeline, verbosity)))
    }

    fn insert<'a>(&'a self, class: &'a Arc<ClassSchema>, object: &'a Object) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut session = self.session().await?;
            self.in_time(write::insert(&self.shared, Some(&mut session), class, object)).await
        })
    }

    fn update<'a>(&'a self, selection: &'a Selection, change: &'a Change) -> Answer<'a, Option<Object>> {
        Box::pin(async move {
            let mut session = self.session().await?;
            self.in_time(write::update(&self.shared, Some(&mut session), selection, change)).await
        })
    }

    fn update_all<'a>(&'a self, selection: &'a Selection, change: &'a Change) -> Answer<'a, u64> {
        Box::pin(async move {
            let mut session = self.session().await?;
            self.in_time(write::update_all(&self.shared, Some(&mut session), selection, change)).await
        })
    }

    fn delete<'a>(&'a self, selection: &'a Selection) -> Answer<'a, u64> {
        Box::pin(async {
            let mut session = self.session().await?;
            self.in_time(write::delete(&self.shared, Some(&mut session), selection)).await
        })
    }

    fn link<'a>(&'a self, join: &'a Join, owner: &'a ObjectId, members: &'a [ObjectId]) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut session = self.session().await?;
            self.in_time(joins::link(&self.shared, Some(&mut session), join, owner, members)).await
        })
    }

    fn unlink<'a>(&'a self, join: &'a Join, owner: &'a ObjectId, members: &'a [ObjectId]) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut session = self.session().await?;
            self.in_time(joins::unlink(&self.shared, Some(&mut session), join, owner, members)).await
        })
    }
}
