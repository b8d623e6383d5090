//! How is the database reached?

use std::sync::Arc;
use std::time::Duration;

use bson::{Document, RawDocumentBuf, doc};
use mongodb::options::{ClientOptions, WriteConcern};
use mongodb::{Client, ClientSession, Collection, Database};
use parsimony_model::ClassName;
use parsimony_store::{Join, StoreError, Watching};

use crate::adopt;
use crate::clients::{self, Clients};
use crate::error;
use crate::names;
use crate::watch;

/// How long to look for a server that can take the request.
const SERVER_SELECTION_MILLIS: u64 = 5_000;
/// How long to wait for a connection to open.
const CONNECT_MILLIS: u64 = 5_000;
/// Connections at most of all clients together, unless the URI says otherwise.
const CONNECTIONS_MAX: u32 = 32;
/// The database of a URI that names none, as in the official drivers.
const DATABASE: &str = "test";

/// What can be set besides the URI.
#[derive(Debug, Clone)]
pub struct MongoOptions {
    /// What stands before the name of every collection; Parse Server's option of the same name.
    pub collection_prefix: String,
    /// How long one read may take on the server; 0 is for ever.
    pub query_millis_max: u64,
    /// How long a transaction may stay open.
    pub transaction_millis_max: u64,
}

impl Default for MongoOptions {
    fn default() -> Self {
        Self { collection_prefix: String::new(), query_millis_max: 30_000, transaction_millis_max: 10_000 }
    }
}

/// A MongoDB database in Parse's own layout.
#[derive(Clone)]
pub struct MongoStore {
    pub(crate) clients: Clients,
}

/// The session of a transaction, or none.
pub(crate) type Session<'s> = Option<&'s mut ClientSession>;

/// One client's way to the database: what the store and its transactions share.
pub(crate) struct Shared {
    pub(crate) client: Client,
    pub(crate) database: Database,
    pub(crate) options: Arc<MongoOptions>,
    /// Whether the deployment can do transactions: a replica set or a sharded cluster.
    pub(crate) transactions: bool,
    /// How much it tells of what is written.
    pub(crate) watching: Watching,
    /// Where it is, without credentials.
    pub(crate) place: Arc<str>,
}

impl MongoStore {
    /// Opens the database that the URI names, `test` if it names none. Fails if no server answers.
    ///
    /// Writes are acknowledged by a majority and in the journal, unless the URI has a write concern.
    pub async fn open(uri: &str, options: MongoOptions) -> Result<Self, StoreError> {
        let client_options = client_options(uri).await?;
        let hosts: Vec<String> = client_options.hosts.iter().map(ToString::to_string).collect();
        let database = client_options.default_database.clone().unwrap_or_else(|| DATABASE.to_owned());
        let place = format!("{}/{database}", hosts.join(",")).into();
        let client = Client::with_options(client_options.clone()).map_err(error::of_read)?;
        let database = client.database(&database);
        let hello = database.run_command(doc! { "hello": 1 }).await.map_err(error::of_read)?;
        let transactions = can_do_transactions(&hello);
        let watching = watch::able(&hello, transactions);
        let home = Shared { client, database, options: Arc::new(options), transactions, watching, place };
        adopt::all(&home).await?;
        Ok(Self { clients: Clients::new(home, client_options) })
    }
}

async fn client_options(uri: &str) -> Result<ClientOptions, StoreError> {
    let mut options = ClientOptions::parse(uri).await.map_err(error::of_read)?;
    options.app_name.get_or_insert_with(|| "parsimony".to_owned());
    options.max_pool_size = Some(clients::share_of(options.max_pool_size.unwrap_or(CONNECTIONS_MAX)));
    options.server_selection_timeout.get_or_insert(Duration::from_millis(SERVER_SELECTION_MILLIS));
    options.connect_timeout.get_or_insert(Duration::from_millis(CONNECT_MILLIS));
    if options.write_concern.is_none() {
        let mut concern = WriteConcern::majority();
        concern.journal = Some(true);
        options.write_concern = Some(concern);
    }
    Ok(options)
}

/// A member of a replica set names its set; the router of a sharded cluster gives itself away by this text.
fn can_do_transactions(hello: &Document) -> bool {
    hello.contains_key("setName") || hello.get_str("msg").is_ok_and(|message| message == "isdbgrid")
}

impl Shared {
    /// The same database through another client.
    pub(crate) fn with_client(&self, client: Client) -> Self {
        let database = client.database(self.database.name());
        let (options, place) = (Arc::clone(&self.options), Arc::clone(&self.place));
        Self { client, database, options, transactions: self.transactions, watching: self.watching, place }
    }

    /// The objects of a class.
    pub(crate) fn objects(&self, class: &ClassName) -> Collection<RawDocumentBuf> {
        self.collection(class.as_str())
    }

    /// The rows of a relation.
    pub(crate) fn join(&self, join: &Join) -> Collection<RawDocumentBuf> {
        self.collection(&join.table())
    }

    /// The documents of the classes.
    pub(crate) fn schemas(&self) -> Collection<RawDocumentBuf> {
        self.collection(names::SCHEMA)
    }

    fn collection(&self, name: &str) -> Collection<RawDocumentBuf> {
        match self.options.collection_prefix.as_str() {
            "" => self.database.collection(name),
            prefix => self.database.collection(&format!("{prefix}{name}")),
        }
    }

    /// How long a read may take on the server.
    pub(crate) fn query_time(&self) -> Option<Duration> {
        (self.options.query_millis_max > 0).then(|| Duration::from_millis(self.options.query_millis_max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_uri_has_the_last_word() {
        let options = client_options("mongodb://u:p@a:1,b:2/parse?w=1&maxPoolSize=7&appName=x").await.unwrap();
        assert_eq!(options.max_pool_size, Some(clients::share_of(7)));
        assert_eq!(options.app_name.as_deref(), Some("x"));
        assert_eq!(options.write_concern.unwrap().journal, None);
        let options = client_options("mongodb://a/parse").await.unwrap();
        assert_eq!(options.max_pool_size, Some(clients::share_of(CONNECTIONS_MAX)));
        assert_eq!(options.write_concern.unwrap().journal, Some(true));
    }

    #[test]
    fn only_replica_sets_and_routers_do_transactions() {
        assert!(can_do_transactions(&doc! { "setName": "rs0" }));
        assert!(can_do_transactions(&doc! { "msg": "isdbgrid" }));
        assert!(!can_do_transactions(&doc! { "isWritablePrimary": true }));
    }
}
