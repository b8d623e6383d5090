//! What a door may ask: the contract (bodies follow).
use std::sync::Arc;
use parsimony_cloud::{Json, Registry};
use parsimony_model::value::{Map, Value};
use parsimony_model::{ClassName, Clock, Object, ObjectId, ParseError, Query};
use parsimony_store::Store;
use crate::{Credentials, Options};

/// The engine of one application. No globals: a process may hold several.
pub struct Engine { pub(crate) options: Options }

impl Engine {
    /// Reads the classes, applies the applications' class definitions, creates their roles. The error says what to mend.
    pub async fn open(_options: Options, _store: Arc<dyn Store>, _registry: Registry, _clock: Arc<dyn Clock>) -> Result<Arc<Self>, String> { Err("contract".to_owned()) }
    /// The options it obeys.
    pub fn options(&self) -> &Options { &self.options }
    /// The clock.
    pub fn clock(&self) -> &dyn Clock { &parsimony_model::SystemClock }
    /// Turns credentials into work that may be asked for. Wrong application id or keys: `ErrorCode::Unauthorized`; bad session: 209.
    pub async fn authenticate(self: &Arc<Self>, _credentials: Credentials) -> Result<Work, ParseError> { Err(ParseError::internal("contract")) }
    /// As `authenticate`, ignoring the session token of a client: for `/login`.
    pub async fn authenticate_without_session(self: &Arc<Self>, _credentials: Credentials) -> Result<Work, ParseError> { Err(ParseError::internal("contract")) }
    /// Whether the store answers, for `/health`.
    pub async fn check(&self) -> Result<(), ParseError> { Err(ParseError::internal("contract")) }
    /// Waits for what runs in the background, then closes the store.
    pub async fn close(&self) {}
}

/// One request's work: the engine, who asks, and the store or the transaction it works in. Cheap to clone.
#[derive(Clone)]
pub struct Work { pub(crate) engine: Arc<Engine> }

/// What a save answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// The id of the object.
    pub id: ObjectId,
    /// Whether it was created: 201 with a `Location`. Otherwise 200.
    pub created: bool,
    /// The body of the answer: `objectId` and `createdAt`, or `updatedAt`, and what the client cannot know.
    pub answer: Map,
}

/// What a find answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The objects.
    pub results: Vec<Object>,
    /// How many there are, if that was asked.
    pub count: Option<u64>,
    /// The class they are of, if the query was redirected.
    pub class_name: Option<ClassName>,
}

/// A login.
#[derive(Debug, Clone, Default)]
pub struct LogIn {
    /// `username`, `email`, `password` as sent; anything but text is a wrong login.
    pub fields: Map,
}

type Answer<T> = Result<T, ParseError>;

#[expect(clippy::unused_async, reason = "contract")]
impl Work {
    /// The engine that is asked.
    pub fn engine(&self) -> &Arc<Engine> { &self.engine }
    /// Whether the master key (also the read-only one) was presented.
    pub fn is_master(&self) -> bool { false }
    /// Creates an object of any class; `_User` is a signup, `_Session`, `_Role`, `_Installation` have their own rules.
    pub async fn create(&self, _class: &ClassName, _body: Map) -> Answer<Saved> { Err(ParseError::internal("contract")) }
    /// Changes an object.
    pub async fn update(&self, _class: &ClassName, _id: &ObjectId, _body: Map) -> Answer<Saved> { Err(ParseError::internal("contract")) }
    /// Deletes an object.
    pub async fn delete(&self, _class: &ClassName, _id: &ObjectId) -> Answer<()> { Err(ParseError::internal("contract")) }
    /// Reads one object (`model::query::parse::get` reads the options).
    pub async fn get(&self, _class: &ClassName, _id: &ObjectId, _query: Query) -> Answer<Object> { Err(ParseError::internal("contract")) }
    /// Reads the options of a find from the request's parameters and finds.
    pub async fn find(&self, _class: &ClassName, _params: &Map) -> Answer<Found> { Err(ParseError::internal("contract")) }
    /// Calls a cloud function.
    pub async fn call(&self, _function: &str, _params: Map) -> Answer<Json> { Err(ParseError::internal("contract")) }
    /// Logs in and opens a session; the user has `sessionToken` among its fields.
    pub async fn log_in(&self, _login: LogIn) -> Answer<Object> { Err(ParseError::internal("contract")) }
    /// Checks a password without opening a session.
    pub async fn verify_password(&self, _login: LogIn) -> Answer<Object> { Err(ParseError::internal("contract")) }
    /// Ends the session of the token that was presented.
    pub async fn log_out(&self) -> Answer<()> { Err(ParseError::internal("contract")) }
    /// The user of the session, with `sessionToken`; 209 without one.
    pub async fn me(&self) -> Answer<Object> { Err(ParseError::internal("contract")) }
    /// The session that was presented; 209 without one.
    pub async fn my_session(&self) -> Answer<Object> { Err(ParseError::internal("contract")) }
    /// Every class, master only: `GET /schemas`.
    pub async fn schemas(&self) -> Answer<Vec<Value>> { Err(ParseError::internal("contract")) }
    /// One class, master only.
    pub async fn schema(&self, _class: &str) -> Answer<Value> { Err(ParseError::internal("contract")) }
    /// Creates a class, master only. `class` is the name in the path, if there is one.
    pub async fn create_schema(&self, _class: Option<&str>, _body: &Map) -> Answer<Value> { Err(ParseError::internal("contract")) }
    /// Changes a class, master only.
    pub async fn update_schema(&self, _class: &str, _body: &Map) -> Answer<Value> { Err(ParseError::internal("contract")) }
    /// Deletes an empty class, master only.
    pub async fn delete_schema(&self, _class: &str) -> Answer<()> { Err(ParseError::internal("contract")) }
    /// Refuses everyone but the master key with `ErrorCode::MasterKeyRequired`; for doors that answer by themselves, such as `/serverInfo`.
    pub fn require_master(&self) -> Answer<()> { Err(ParseError::internal("contract")) }
    /// Opens a transaction: work whose writes become visible at `commit`. For `/batch` with `transaction: true`.
    pub async fn begin(&self) -> Answer<Work> { Err(ParseError::internal("contract")) }
    /// Ends the transaction.
    pub async fn commit(&self) -> Answer<()> { Err(ParseError::internal("contract")) }
    /// Undoes the transaction.
    pub async fn roll_back(&self) -> Answer<()> { Err(ParseError::internal("contract")) }
}
