//! How are the two databases of a move opened?

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parsimony_store::Store;
use parsimony_store_mongo::{MongoOptions, MongoStore};
use parsimony_store_sqlite::{Limits, SqliteStore};

use crate::config::Database;
use crate::keys;

/// As good as never, and no clock runs over.
const YEAR_MILLIS: u64 = 365 * 24 * 60 * 60 * 1_000;

/// Opens the database to copy. It must be there.
pub(super) async fn source(uri: &str, prefix: &str) -> Result<Arc<dyn Store>, String> {
    match Database::parse("--from", uri, prefix)? {
        // Its whole path is what the target is told, so that the same move is known again wherever it is typed.
        Database::Sqlite(path) if path.exists() => open(&Database::Sqlite(real(&path))).await,
        Database::Sqlite(path) => Err(format!("There is no file {}.", path.display())),
        mongo @ Database::Mongo { .. } => open(&mongo).await,
    }
}

/// Opens the database to fill, which must be another one.
pub(super) async fn target(
    uri: &str,
    prefix: &str,
    source_uri: &str,
    source_prefix: &str,
) -> Result<Arc<dyn Store>, String> {
    let database = Database::parse("--to", uri, prefix)?;
    if same(&database, &Database::parse("--from", source_uri, source_prefix)?) {
        return Err("--from and --to are the same database.".to_owned());
    }
    open(&database).await
}

fn same(one: &Database, other: &Database) -> bool {
    match (one, other) {
        (Database::Sqlite(one), Database::Sqlite(other)) => real(one) == real(other),
        _ => one == other,
    }
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_not_there| path.to_owned())
}

/// Opens a database without the bounds that a server needs: a read takes as long as it takes, and nothing goes because its
/// time is over.
async fn open(database: &Database) -> Result<Arc<dyn Store>, String> {
    match database {
        Database::Sqlite(path) => {
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                keys::make_folder(folder)?;
            }
            keys::make_private(path)?;
            let limits = Limits {
                sweep_millis: YEAR_MILLIS,
                stream_millis_max: YEAR_MILLIS,
                stream_idle_millis_max: YEAR_MILLIS,
                ..Limits::default()
            };
            let store = SqliteStore::open_within(path, limits);
            let store = store.map_err(|error| format!("{} cannot be opened: {error}.", path.display()))?;
            Ok(Arc::new(store))
        }
        Database::Mongo { uri, collection_prefix, .. } => {
            let collection_prefix = collection_prefix.clone();
            let options = MongoOptions { collection_prefix, query_millis_max: 0, ..MongoOptions::default() };
            let store = MongoStore::open(uri, options).await;
            Ok(Arc::new(store.map_err(|error| format!("MongoDB cannot be reached: {error}."))?))
        }
    }
}
