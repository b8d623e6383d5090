//! The way back in: what cloud code may ask the engine, with the caller's rights or the master's.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use parsimony_model::value::{File, Map};
use parsimony_model::{ClassName, Date, ErrorCode, Object, ObjectId, ParseError, Query, Value};

use crate::mail::Email;
use crate::metrics::Metrics;
use crate::retries::{Retries, Turn};

/// A pending answer of the engine.
pub type Pending<'a, T> = BoxFuture<'a, Result<T, ParseError>>;

/// What the engine offers to cloud code. Application code uses [`Host`].
pub trait HostApi: Send + Sync {
    /// Finds objects.
    fn find(&self, class: ClassName, query: Query) -> Pending<'_, Vec<Object>>;
    /// Counts objects.
    fn count(&self, class: ClassName, query: Query) -> Pending<'_, u64>;
    /// Creates an object, or changes the one with this id, through every hook and check; gives it as it is afterwards.
    fn save(&self, class: ClassName, id: Option<ObjectId>, fields: Map) -> Pending<'_, Object>;
    /// Deletes an object.
    fn delete(&self, class: ClassName, id: ObjectId) -> Pending<'_, ()>;
    /// Calls a cloud function.
    fn call(&self, function: String, params: Map) -> Pending<'_, Value>;
    /// Sends a push, for the master key; gives the id of its `_PushStatus`. A host without push refuses.
    fn push(&self, _body: Map) -> Pending<'_, ObjectId> {
        let missing = ParseError::new(ErrorCode::PushMisconfigured, "Missing push configuration");
        Box::pin(std::future::ready(Err(missing)))
    }
    /// Starts a job, for the master key; gives the id of its `_JobStatus`. A host without jobs refuses.
    fn start_job(&self, _name: String, _params: Map) -> Pending<'_, ObjectId> {
        Box::pin(std::future::ready(Err(no_job())))
    }
    /// Pauses a job, or lets it run by itself again, for the master key. A host without jobs refuses.
    fn pause_job(&self, _name: String, _is_paused: bool) -> Pending<'_, ()> {
        Box::pin(std::future::ready(Err(no_job())))
    }
    /// Opens a transaction: a host whose work becomes visible at its `commit`. Inside one it is refused.
    fn begin(&self) -> Pending<'_, Arc<dyn HostApi>>;
    /// Ends the transaction this host works in.
    fn commit(&self) -> Pending<'_, ()>;
    /// Undoes the transaction this host works in.
    fn roll_back(&self) -> Pending<'_, ()>;
    /// Whether this host works in a transaction.
    fn in_transaction(&self) -> bool;
    /// The same, handing this on to the hooks of what is asked.
    fn with_context(&self, context: Map) -> Arc<dyn HostApi>;
    /// The same with the master's rights.
    fn as_master(&self) -> Arc<dyn HostApi>;
    /// The time.
    fn now(&self) -> Date;
    /// Random letters and digits.
    fn random(&self, length: usize) -> String;
    /// Sends an e-mail. A host that knows no way refuses it.
    fn send_email(&self, _email: Email) -> Pending<'_, ()> {
        Box::pin(std::future::ready(Err(no_mail())))
    }
    /// Stores a file; gives it as it is called then. A host without files refuses it.
    fn save_file(&self, _name: String, _content_type: Option<String>, _content: Bytes) -> Pending<'_, File> {
        Box::pin(std::future::ready(Err(no_files())))
    }
    /// The content of a file that has so many bytes at most; `None` if there is none of that name.
    fn read_file(&self, _name: String, _bytes_max: u64) -> Pending<'_, Option<Bytes>> {
        Box::pin(std::future::ready(Err(no_files())))
    }
    /// Deletes a file.
    fn delete_file(&self, _name: String) -> Pending<'_, ()> {
        Box::pin(std::future::ready(Err(no_files())))
    }
    /// Seals some objects anew, for the master. A host without sealed data has nothing to do.
    fn reseal(&self, _from: Option<ResealFrom>) -> Pending<'_, ResealStep> {
        Box::pin(std::future::ready(Ok(ResealStep::default())))
    }

    /// What the server measures. A host of no server measures for nobody.
    fn metrics(&self) -> Metrics {
        Metrics::default()
    }
    /// Waits for its turn among those who got in each other's way. A host without others goes on at once.
    fn turn(&self) -> Pending<'_, Turn> {
        Box::pin(std::future::ready(Ok(Turn::default())))
    }
    /// Waits. A host that cannot wait goes on at once.
    fn pause(&self, _millis: u64) -> Pending<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Where a step of sealing personal data anew begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResealFrom {
    /// The class.
    pub class: ClassName,
    /// The object before; `None` at the beginning of the class.
    pub after: Option<ObjectId>,
}

/// One step of sealing personal data anew.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResealStep {
    /// How many objects were looked at.
    pub seen: u64,
    /// How many of them were sealed with an older key, or in clear.
    pub resealed: u64,
    /// Where the next step begins; `None` when all classes are done.
    pub next: Option<ResealFrom>,
}

/// The engine, as a handler sees it. Cheap to clone.
#[derive(Clone)]
pub struct Host(Arc<dyn HostApi>);

/// How many letters make a throw of the dice.
const DICE: usize = 8;

/// The refusal of a file where none can be.
fn no_files() -> ParseError {
    ParseError::new(ErrorCode::ScriptFailed, "There is no place for files here.")
}

/// The refusal of an e-mail where none can be sent.
pub fn no_mail() -> ParseError {
    ParseError::new(
        ErrorCode::ScriptFailed,
        "Failed to send email because no mail adapter is configured for Parse Server.",
    )
}

fn no_job() -> ParseError {
    ParseError::new(ErrorCode::ScriptFailed, "Invalid job.")
}

impl Host {
    /// Wraps what the engine offers.
    pub fn new(api: Arc<dyn HostApi>) -> Self {
        Self(api)
    }

    /// The same with the master's rights: no ACL, no class permissions, no protected fields.
    #[must_use]
    pub fn as_master(&self) -> Self {
        Self(self.0.as_master())
    }

    /// The same, handing this on as the `context` of what is asked: the hooks of a save, a find, a function see it.
    #[must_use]
    pub fn with_context(&self, context: Map) -> Self {
        Self(self.0.with_context(context))
    }

    /// Finds objects. A query without a limit gets the server's default one.
    pub async fn find(&self, class: &str, query: Query) -> Result<Vec<Object>, ParseError> {
        self.0.find(ClassName::parse(class)?, query).await
    }

    /// The first object that a query finds.
    pub async fn first(&self, class: &str, query: Query) -> Result<Option<Object>, ParseError> {
        Ok(self.find(class, query.limit(1)).await?.pop())
    }

    /// The object with this id, or error 101.
    pub async fn get(&self, class: &str, id: &ObjectId) -> Result<Object, ParseError> {
        let query = Query::new(parsimony_model::Filter::id(id));
        self.first(class, query).await?.ok_or_else(ParseError::not_found)
    }

    /// Counts objects.
    pub async fn count(&self, class: &str, query: Query) -> Result<u64, ParseError> {
        self.0.count(ClassName::parse(class)?, query).await
    }

    /// Creates an object. `ACL` among the fields is its access control list.
    pub async fn create(&self, class: &str, fields: Map) -> Result<Object, ParseError> {
        self.0.save(ClassName::parse(class)?, None, fields).await
    }

    /// Changes an object. Fields may be values or `__op`s.
    pub async fn update(&self, class: &str, id: &ObjectId, fields: Map) -> Result<Object, ParseError> {
        self.0.save(ClassName::parse(class)?, Some(id.clone()), fields).await
    }

    /// Deletes an object.
    pub async fn delete(&self, class: &str, id: &ObjectId) -> Result<(), ParseError> {
        self.0.delete(ClassName::parse(class)?, id.clone()).await
    }

    /// Calls a cloud function, with all its rules.
    pub async fn call(&self, function: &str, params: Map) -> Result<Value, ParseError> {
        self.0.call(function.to_owned(), params).await
    }

    /// Sends a push, as `POST /push` does: `where` or `channels`, `data`, and when. For the master's rights only. Gives the id
    /// of its `_PushStatus`; the push is sent after this, by whichever server has the time.
    pub async fn push(&self, body: Map) -> Result<ObjectId, ParseError> {
        self.0.push(body).await
    }

    /// Does the work in one transaction: all of it becomes visible, or none.
    ///
    /// When another transaction gets in the way, the work is done again from the start, so it may only have effects
    /// through its host. Inside a transaction it joins the one that is open.
    pub async fn transaction<T, F, A>(&self, work: F) -> Result<T, ParseError>
    where
        F: Fn(Host) -> A + Send + Sync,
        A: Future<Output = Result<T, ParseError>> + Send,
        T: Send,
    {
        if self.0.in_transaction() {
            return work(self.clone()).await;
        }
        let mut retries = Retries::default();
        let mut turn = None;
        loop {
            let transaction = self.0.begin().await?;
            let done = match work(Self(Arc::clone(&transaction))).await {
                Ok(value) => transaction.commit().await.map(|()| value),
                Err(error) => {
                    transaction.roll_back().await.ok();
                    Err(error)
                }
            };
            let pause = done.as_ref().err().and_then(|error| retries.pause_after(error, &self.0.random(DICE)));
            match pause {
                Some(pause) => {
                    if turn.is_none() {
                        turn = Some(self.0.turn().await?);
                    }
                    self.0.pause(pause).await?;
                }
                None => return done,
            }
        }
    }

    /// Starts a job, as `Parse.Cloud.startJob` does, with the master's rights; gives the id of its `_JobStatus`. It goes on
    /// after this.
    pub async fn start_job(&self, name: &str, params: Map) -> Result<ObjectId, ParseError> {
        self.0.start_job(name.to_owned(), params).await
    }

    /// Keeps a job from running by itself, on every server and until [`Host::resume_job`], with the master's rights. What
    /// is under way goes on, and by hand it may be started.
    pub async fn pause_job(&self, name: &str) -> Result<(), ParseError> {
        self.0.pause_job(name.to_owned(), true).await
    }

    /// Lets a job run by itself again, with the master's rights.
    pub async fn resume_job(&self, name: &str) -> Result<(), ParseError> {
        self.0.pause_job(name.to_owned(), false).await
    }

    /// Sends an e-mail; done when the mail server has taken it. Inside a transaction it is refused: what is undone could not
    /// be taken back from its reader.
    pub async fn send_email(&self, email: Email) -> Result<(), ParseError> {
        self.0.send_email(email).await
    }

    /// Stores a file, as an upload does, with all its rules and hooks. Inside a transaction it is refused: the file would stay
    /// when the rest is undone.
    pub async fn save_file(&self, name: &str, content_type: Option<&str>, content: Bytes) -> Result<File, ParseError> {
        self.0.save_file(name.to_owned(), content_type.map(str::to_owned), content).await
    }

    /// The content of a file, with all the hooks of a download. One that has more bytes than this is an error (116).
    pub async fn read_file(&self, name: &str, bytes_max: u64) -> Result<Option<Bytes>, ParseError> {
        self.0.read_file(name.to_owned(), bytes_max).await
    }

    /// Deletes a file, for the master's rights only.
    pub async fn delete_file(&self, name: &str) -> Result<(), ParseError> {
        self.0.delete_file(name.to_owned()).await
    }

    /// Seals with the newest key what was sealed with an older one, or is in clear: one step of it. For the master's rights
    /// only; no hook runs, and the objects stay as old as they are.
    pub async fn reseal(&self, from: Option<ResealFrom>) -> Result<ResealStep, ParseError> {
        self.0.reseal(from).await
    }

    /// What the server measures, to count one's own there, to tell of the outside services that one calls, and to look at.
    pub fn metrics(&self) -> Metrics {
        self.0.metrics()
    }

    /// Whether this host works in a transaction.
    pub fn in_transaction(&self) -> bool {
        self.0.in_transaction()
    }

    /// The time.
    pub fn now(&self) -> Date {
        self.0.now()
    }

    /// Random letters and digits, fit for secrets.
    pub fn random(&self, length: usize) -> String {
        self.0.random(length)
    }
}
