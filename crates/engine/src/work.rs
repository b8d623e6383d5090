//! What a door may ask: one request's work, and the methods every door calls.

use std::sync::Arc;
use std::time::Duration;

use parsimony_cloud::{Head, Json, Registry, Retries};
use parsimony_model::value::{Map, Value};
use parsimony_model::{ClassName, ErrorCode, Object, ObjectId, ParseError, Query};
use parsimony_store::Objects;

use crate::caller::Caller;
use crate::classes::rules_for;
use crate::engine::Engine;
use crate::find::pieces::Rest;
use crate::idempotency::{Claim, Kept, Once, Repeatable};
use crate::jobs::api as jobs;
use crate::push::api as pushes;
use crate::schema::{api, push};
use crate::transaction::Open;
use crate::users::auth_data::challenge;
use crate::users::{login, mail};
use crate::{
    aggregate, config, delete, files, find, functions, idempotency, live, logs, measures, purchases, rate_limits, save,
    scripts, security, webhooks,
};

/// One request's work: the engine, who asks, and the store or the transaction it works in. Cheap to clone.
#[derive(Clone)]
pub struct Work {
    pub(crate) engine: Arc<Engine>,
    pub(crate) caller: Arc<Caller>,
    /// The cloud code as it was when the request came.
    pub(crate) registry: Arc<Registry>,
    /// The store, or the open transaction.
    pub(crate) objects: Arc<dyn Objects>,
    pub(crate) transaction: Option<Open>,
    /// How deep in cloud code that calls cloud code.
    pub(crate) depth: u8,
}

/// What a save answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// The id of the object.
    pub id: ObjectId,
    /// Whether it was created: 201 with a `Location`. Otherwise 200.
    pub created: bool,
    /// Whether it was not saved but found: somebody logged in who was known, 200 with a `Location`.
    pub found: bool,
    /// The body of the answer: `objectId` and `createdAt`, or `updatedAt`, and what the client cannot know.
    pub answer: Map,
}

/// What a find answers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    /// The objects.
    pub results: Vec<Object>,
    /// How many there are, if that was asked.
    pub count: Option<u64>,
    /// The class they are of, if the query was redirected.
    pub class_name: Option<ClassName>,
    /// How the database would find them, if that was asked in their place.
    pub plan: Option<Value>,
}

/// A login.
#[derive(Debug, Clone, Default)]
pub struct LogIn {
    /// `username`, `email`, `password` as sent; anything but text is a wrong login.
    pub fields: Map,
}

type Answer<T> = Result<T, ParseError>;

/// How many letters make a throw of the dice.
const DICE: usize = 8;

impl Work {
    pub(crate) fn new(engine: Arc<Engine>, caller: Caller) -> Self {
        let objects = Arc::clone(&engine.objects);
        let registry = engine.registry.now();
        Self { engine, caller: Arc::new(caller), registry, objects, transaction: None, depth: 0 }
    }

    /// The same work for somebody else.
    pub(crate) fn with_caller(&self, caller: Caller) -> Self {
        Self { caller: Arc::new(caller), ..self.clone() }
    }

    /// The engine that is asked.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Whether the master key (also the read-only one) was presented.
    pub fn is_master(&self) -> bool {
        self.caller.is_master()
    }

    /// Refuses everyone but the master key; for doors that answer by themselves, such as `/serverInfo`.
    pub fn require_master(&self) -> Answer<()> {
        if self.caller.is_master() {
            return Ok(());
        }
        Err(ParseError::denied(ErrorCode::MasterKeyRequired, "unauthorized: master key is required"))
    }

    /// Refuses a key that only reads; for doors that answer by themselves. `what` is the end of the sentence.
    pub fn require_leave_to_write(&self, what: &str) -> Answer<()> {
        self.caller.may_write(what)
    }

    /// Creates an object of any class. `_User` is a signup; `_Session`, `_Role` and `_Installation` have rules of their
    /// own.
    pub async fn create(&self, class: &ClassName, body: Map) -> Answer<Saved> {
        save::create(self, class, body).await
    }

    /// Changes an object.
    pub async fn update(&self, class: &ClassName, id: &ObjectId, body: Map) -> Answer<Saved> {
        save::save(self, class, Some(id), body).await.map(|(saved, _)| saved)
    }

    /// Deletes an object.
    pub async fn delete(&self, class: &ClassName, id: &ObjectId) -> Answer<()> {
        delete::delete(self, class, id).await
    }

    /// Reads one object; `model::query::parse::get` reads the options.
    pub async fn get(&self, class: &ClassName, id: &ObjectId, query: Query) -> Answer<Object> {
        let mut object = find::get(self, class, id, query).await?;
        rules_for(class).read_by_id(&self.caller, &mut object);
        Ok(object)
    }

    /// Reads the options of a find from the request's parameters and finds.
    pub async fn find(&self, class: &ClassName, params: &Map) -> Answer<Found> {
        find::find_params(self, class, params).await
    }

    /// As [`Self::find`]; but where there may be many objects, only the first are in the answer, and the others come after
    /// it. Whatever can be refused is refused before.
    pub async fn begin_find(&self, class: &ClassName, params: &Map) -> Answer<(Found, Option<Rest>)> {
        find::begin_params(self, class, params).await
    }

    /// Reads a request of `/aggregate` from its parameters and answers it, master only.
    pub async fn aggregate(&self, class: &ClassName, params: Map) -> Answer<Vec<Value>> {
        aggregate::aggregate(self, class, params).await
    }

    /// Calls a cloud function.
    pub async fn call(&self, function: &str, params: Map) -> Answer<(Json, Head)> {
        functions::call(self, function, params).await
    }

    /// Logs in and opens a session; the user has `sessionToken` among its fields.
    pub async fn log_in(&self, login: LogIn) -> Answer<Object> {
        login::log_in(self, login).await
    }

    /// Asks identity providers for what is needed before somebody can log in: `/challenge`.
    pub async fn challenge(&self, body: &Map) -> Answer<Map> {
        challenge::challenge(self, body).await
    }

    /// Checks a password without opening a session.
    pub async fn verify_password(&self, login: LogIn) -> Answer<Object> {
        login::verify_password(self, login).await
    }

    /// Ends the session of the token that was presented.
    pub async fn log_out(&self) -> Answer<()> {
        login::log_out(self).await
    }

    /// The user of the session, with `sessionToken`; 209 without one.
    pub async fn me(&self) -> Answer<Object> {
        login::me(self).await
    }

    /// The session that was presented; 209 without one.
    pub async fn my_session(&self) -> Answer<Object> {
        login::my_session(self).await
    }

    /// Every class, master only: `GET /schemas`.
    pub async fn schemas(&self) -> Answer<Vec<Value>> {
        api::all(self).await
    }

    /// One class, master only.
    pub async fn schema(&self, class: &str) -> Answer<Value> {
        api::one(self, class).await
    }

    /// Creates a class, master only. `class` is the name in the path, if there is one.
    pub async fn create_schema(&self, class: Option<&str>, body: &Map) -> Answer<Value> {
        api::create(self, class, body).await
    }

    /// Changes a class, master only.
    pub async fn update_schema(&self, class: &str, body: &Map) -> Answer<Value> {
        api::update(self, class, body).await
    }

    /// Deletes an empty class, master only.
    pub async fn delete_schema(&self, class: &str) -> Answer<()> {
        api::delete(self, class).await
    }

    /// What a push of definitions would do, master only.
    pub async fn plan_schemas(&self, body: &Map) -> Answer<Value> {
        push::planned(self, body).await
    }

    /// Makes the classes what definitions say, master only.
    pub async fn push_schemas(&self, body: &Map) -> Answer<Value> {
        push::push(self, body).await
    }

    /// Takes the classes back to before a push, master only.
    pub async fn roll_back_schemas(&self, body: &Map) -> Answer<Value> {
        push::roll_back(self, body).await
    }

    /// The definitions of all classes, master only.
    pub async fn schema_definitions(&self) -> Answer<Value> {
        push::definitions(self).await
    }

    /// What was pushed, master only.
    pub async fn schema_history(&self, params: &Map) -> Answer<Value> {
        push::history(self, params).await
    }

    /// Whether a request came before; if so, it is refused (159), or told what it was answered, where its path is watched.
    pub async fn once(&self, request: Repeatable<'_>) -> Answer<Once> {
        idempotency::once(self, request).await
    }

    /// Keeps what a request was answered, for when it comes again.
    pub async fn keep(&self, claim: Claim, kept: Option<Kept>) {
        idempotency::keep(self, claim, kept).await;
    }

    /// Starts a job, master only; gives the id of the run's `_JobStatus`.
    pub async fn start_job(&self, name: Option<&str>, params: Map) -> Answer<ObjectId> {
        jobs::start(self, name, params).await
    }

    /// Ends a run of a job, master only.
    pub async fn cancel_job(&self, id: &ObjectId) -> Answer<()> {
        jobs::cancel(self, id).await
    }

    /// Pauses a job, or lets it run by itself again, master only; gives the job.
    pub async fn pause_job(&self, name: &str, is_paused: bool) -> Answer<Map> {
        jobs::pause(self, name, is_paused).await
    }

    /// Every job, and what is under way, master only.
    pub async fn jobs(&self) -> Answer<Map> {
        jobs::overview(self).await
    }

    /// Every schedule of the dashboard, master only.
    pub async fn job_schedules(&self) -> Answer<Vec<Object>> {
        jobs::schedules(self).await
    }

    /// Which jobs there are, and which have a schedule, master only.
    pub async fn jobs_data(&self) -> Answer<Map> {
        jobs::data(self).await
    }

    /// Adds a schedule of the dashboard, master only.
    pub async fn create_job_schedule(&self, body: &Map) -> Answer<Saved> {
        jobs::create_schedule(self, body).await
    }

    /// Changes a schedule of the dashboard, master only.
    pub async fn update_job_schedule(&self, id: &ObjectId, body: &Map) -> Answer<Map> {
        jobs::update_schedule(self, id, body).await
    }

    /// Takes a schedule of the dashboard away, master only.
    pub async fn delete_job_schedule(&self, id: &ObjectId) -> Answer<()> {
        jobs::delete_schedule(self, id).await
    }

    /// Takes a push, master only; gives the id of its `_PushStatus`. It is sent after this.
    pub async fn push(&self, body: Map) -> Answer<ObjectId> {
        pushes::push(self, body).await
    }

    /// Whether pushes can be sent, and whether they can be sent later.
    pub fn offers_push(&self) -> (bool, bool) {
        pushes::offered(self)
    }

    /// Finds audiences of pushes, master only.
    pub async fn push_audiences(&self, params: &Map) -> Answer<Found> {
        pushes::audiences(self, params).await
    }

    /// Reads an audience of pushes, master only.
    pub async fn push_audience(&self, id: &ObjectId, query: Query) -> Answer<Object> {
        pushes::audience(self, id, query).await
    }

    /// Every webhook of a kind, master only.
    pub async fn webhooks(&self, kind: webhooks::Kind) -> Answer<Vec<Value>> {
        webhooks::list(self, kind).await
    }

    /// One webhook, master only.
    pub async fn webhook(&self, target: &webhooks::Target) -> Answer<Map> {
        webhooks::one(self, target).await
    }

    /// Registers a webhook, master only.
    pub async fn create_webhook(&self, body: &Map) -> Answer<Map> {
        webhooks::create(self, body).await
    }

    /// Changes where a webhook is, master only.
    pub async fn update_webhook(&self, target: &webhooks::Target, url: &str) -> Answer<Map> {
        webhooks::update(self, target, url).await
    }

    /// Takes a webhook away, master only.
    pub async fn delete_webhook(&self, target: &webhooks::Target) -> Answer<()> {
        webhooks::delete(self, target).await
    }

    /// Which hook scripts serve, master only.
    pub fn scripts(&self) -> Answer<Map> {
        scripts::api::list(self)
    }

    /// One hook script, or one version of it, master only.
    pub async fn script(&self, name: &str, params: &Map) -> Answer<Map> {
        scripts::api::one(self, name, params).await
    }

    /// Stores a hook script, which serves from then on, master only.
    pub async fn put_script(&self, name: &str, body: &Map) -> Answer<Map> {
        scripts::api::put(self, name, body).await
    }

    /// Takes a stored hook script away, master only.
    pub async fn delete_script(&self, name: &str, body: &Map) -> Answer<Map> {
        scripts::api::delete(self, name, body).await
    }

    /// The versions of a hook script and their differences, master only.
    pub async fn script_history(&self, name: &str) -> Answer<Map> {
        scripts::api::history(self, name).await
    }

    /// Makes an older version of a hook script the newest one, master only.
    pub async fn roll_back_script(&self, name: &str, body: &Map) -> Answer<Map> {
        scripts::api::roll_back(self, name, body).await
    }

    /// Runs a hook of a script without any effect, master only.
    pub async fn rehearse_script(&self, name: &str, body: &Map) -> Answer<Map> {
        scripts::api::rehearse(self, name, body).await
    }

    /// Deletes every object of a class, master only: `DELETE /purge/CLASS`.
    pub async fn purge(&self, class: &str) -> Answer<()> {
        delete::purge(self, class).await
    }

    /// Stores a file.
    pub async fn upload(&self, upload: files::Upload) -> Answer<files::Uploaded> {
        files::upload(self, upload).await
    }

    /// Reads a file, or the part of it that a `Range` header asks for; `None` if there is none.
    pub async fn download(&self, name: &str, range: Option<&str>) -> Answer<Option<files::Download>> {
        files::download(self, name, range).await
    }

    /// What is to be known of a file; empty if there is none.
    pub async fn file_metadata(&self, name: &str) -> Answer<Map> {
        files::metadata(self, name).await
    }

    /// Deletes the files of a name, master only.
    pub async fn delete_file(&self, name: &str) -> Answer<()> {
        files::delete(self, name).await
    }

    /// The parameters of Parse Config that the caller may see.
    pub async fn config(&self) -> Answer<Map> {
        config::read(self).await
    }

    /// Changes parameters of Parse Config, master only.
    pub async fn update_config(&self, body: Map) -> Answer<()> {
        config::update(self, body).await
    }

    /// The last lines of the log, master only.
    pub fn log_lines(&self, params: &Map) -> Answer<Vec<Value>> {
        logs::find(self, params)
    }

    /// All measures, in the text format of Prometheus, master only.
    pub fn measures(&self) -> Answer<String> {
        measures::told(self)
    }

    /// Which options are weak, master only.
    pub fn security_report(&self) -> Answer<Value> {
        security::report(self)
    }

    /// Verifies a receipt of the App Store and answers the file of the product.
    pub async fn validate_purchase(&self, body: &Map) -> Answer<Value> {
        purchases::validate(self, body).await
    }

    /// Counts a part of a batch, as [`Engine::count`] counts the batch.
    pub async fn count_part(&self, method: &str, path: &str) -> Answer<()> {
        rate_limits::admit_part(self, method, path).await
    }

    /// Does something of so many steps in one transaction: all of it becomes visible, or nothing. When another transaction gets
    /// in the way, or a step finds that a class or a field is missing, it is done again from the start.
    pub async fn in_transaction<T, F, A>(&self, steps: usize, run: F) -> Answer<T>
    where
        F: Fn(Self) -> A + Send + Sync,
        A: Future<Output = Answer<T>> + Send,
        T: Send,
    {
        let mut retries = Retries::of_steps(steps);
        let mut turn = None;
        loop {
            let transaction = self.begin().await?;
            let done = match run(transaction.clone()).await {
                Ok(done) => transaction.commit().await.map(|()| done),
                Err(error) => {
                    if let Err(failure) = transaction.roll_back().await {
                        tracing::warn!(cause = %failure, "a transaction could not be rolled back");
                    }
                    Err(error)
                }
            };
            let dice = self.engine.clock.alphanumeric(DICE);
            match done.as_ref().err().and_then(|error| retries.pause_after(error, &dice)) {
                Some(millis) => {
                    if turn.is_none() {
                        turn = Some(self.engine.turns.next().await);
                    }
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                }
                None => return done,
            }
        }
    }

    /// Opens a transaction: work whose writes become visible at [`Work::commit`].
    pub(crate) async fn begin(&self) -> Answer<Self> {
        if self.transaction.is_some() {
            return Err(ParseError::new(ErrorCode::InvalidQuery, "A transaction is already open."));
        }
        let transaction = self.engine.store.begin().await?;
        let objects: Arc<dyn Objects> = Arc::clone(&transaction) as Arc<dyn Objects>;
        Ok(Self { objects, transaction: Some(Open::new(transaction)), ..self.clone() })
    }

    /// Ends the transaction. Error 251 says that it was undone and may be done again.
    pub(crate) async fn commit(&self) -> Answer<()> {
        match &self.transaction {
            Some(open) => {
                open.commit(&self.engine.schemas).await?;
                live::publish_all(&self.engine, open.take_changes()).await;
                open.take_letters().into_iter().for_each(|letter| mail::post(&self.engine, letter));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Undoes the transaction. If it lacked a class or a field, those are there when it is done again.
    pub(crate) async fn roll_back(&self) -> Answer<()> {
        match &self.transaction {
            Some(open) => open.roll_back(&self.engine.schemas).await,
            None => Ok(()),
        }
    }
}
