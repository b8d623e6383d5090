//! How is the file opened: its settings, its version, and how many connections it gets?

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parsimony_store::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::store_error;
use crate::files;
use crate::functions;
use crate::patterns::Patterns;
use crate::sql::quote;
use crate::tables::SCHEMA_TABLE;

/// Marks the file as one of ours: `Pars`.
const APPLICATION_ID: i32 = 0x5061_7273;

/// The layout that this code reads and writes.
const FILE_VERSION: i32 = 1;

/// Every bound of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections that read, each with a thread; there are never more than the machine has cores.
    pub readers_max: usize,
    /// Requests that may wait for a thread; more wait outside.
    pub queue_jobs_max: usize,
    /// Writes that are made durable together at most.
    pub group_jobs_max: usize,
    /// How long a transaction may hold the one writer.
    pub transaction_millis_max: u64,
    /// How long to wait for another process that holds the file.
    pub busy_millis_max: u64,
    /// How often objects are removed whose time is over.
    pub sweep_millis: u64,
    /// Statements that one connection keeps compiled.
    pub statements_max: usize,
    /// Page cache of the writer, in KiB.
    pub writer_cache_kib: u32,
    /// Page cache of each reader, in KiB.
    pub reader_cache_kib: u32,
    /// How long one pipeline may run.
    pub pipeline_millis_max: u64,
    /// How many bytes one pipeline may hold.
    pub pipeline_bytes_max: usize,
    /// Reads that hand their rows over in pieces, each with a thread and a connection.
    pub streams_max: usize,
    /// How long one more waits for one of them to end; then its rows are collected.
    pub stream_wait_millis_max: u64,
    /// Page cache of each of them, in KiB.
    pub stream_cache_kib: u32,
    /// How long such a read may go on: as long as it does, the log of writes cannot be shortened.
    pub stream_millis_max: u64,
    /// How long it waits for the next piece to be taken.
    pub stream_idle_millis_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            readers_max: 4,
            queue_jobs_max: 1_024,
            group_jobs_max: 512,
            transaction_millis_max: 10_000,
            busy_millis_max: 5_000,
            // As often as MongoDB does it.
            sweep_millis: 60_000,
            statements_max: 128,
            writer_cache_kib: 8_192,
            reader_cache_kib: 4_096,
            // As long as the other store lets one run.
            pipeline_millis_max: 30_000,
            pipeline_bytes_max: 128 << 20,
            streams_max: 8,
            stream_wait_millis_max: 5_000,
            stream_cache_kib: 1_024,
            stream_millis_max: 300_000,
            stream_idle_millis_max: 30_000,
        }
    }
}

/// The writer's connection. Creates the file and its folder if they are missing.
pub(crate) fn writer(path: &Path, limits: &Limits, patterns: &Arc<Patterns>) -> Result<Connection, StoreError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|error| StoreError::Unavailable(format!("{}: {error}", folder.display())))?;
    }
    create(path)?;
    let connection = connect(path, limits, patterns, limits.writer_cache_kib)?;
    let settings = [
        // An acknowledged write is on disk: WAL with FULL syncs at each commit.
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "PRAGMA wal_autocheckpoint=4000",
        "PRAGMA journal_size_limit=67108864",
        // What is deleted is overwritten: else the secret of a person who was erased would stay on a free page.
        "PRAGMA secure_delete=ON",
    ];
    for setting in settings {
        run_setting(&connection, setting)?;
    }
    check_version(&connection, path)?;
    files::prepare(&connection)?;
    Ok(connection)
}

/// Makes the file if it is missing: it holds password hashes and session tokens, so nobody else may read it. SQLite gives
/// the files beside it the same permissions.
fn create(path: &Path) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::Unavailable(format!("{}: {error}", path.display()))),
    }
}

/// A reader's connection.
pub(crate) fn reader(path: &Path, limits: &Limits, patterns: &Arc<Patterns>) -> Result<Connection, StoreError> {
    only_reading(connect(path, limits, patterns, limits.reader_cache_kib)?)
}

/// The connection of a read that hands its rows over in pieces.
pub(crate) fn stream(path: &Path, limits: &Limits, patterns: &Arc<Patterns>) -> Result<Connection, StoreError> {
    only_reading(connect(path, limits, patterns, limits.stream_cache_kib)?)
}

fn only_reading(connection: Connection) -> Result<Connection, StoreError> {
    run_setting(&connection, "PRAGMA query_only=1")?;
    Ok(connection)
}

fn connect(path: &Path, limits: &Limits, patterns: &Arc<Patterns>, cache_kib: u32) -> Result<Connection, StoreError> {
    // Each connection belongs to one thread, so SQLite needs no locks of its own.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(store_error)?;
    connection.busy_timeout(Duration::from_millis(limits.busy_millis_max)).map_err(store_error)?;
    connection.set_prepared_statement_cache_capacity(limits.statements_max);
    // Otherwise a quoted name that is no column would be taken for text.
    for option in [DbConfig::SQLITE_DBCONFIG_DQS_DML, DbConfig::SQLITE_DBCONFIG_DQS_DDL] {
        connection.set_db_config(option, false).map_err(store_error)?;
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(store_error)?;
    // A plan that looked at bound values is made anew for each of them; measured, that was half the time of a read by id.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(store_error)?;
    run_setting(&connection, &format!("PRAGMA cache_size=-{cache_kib}"))?;
    run_setting(&connection, "PRAGMA trusted_schema=0")?;
    rusqlite::vtab::array::load_module(&connection).map_err(store_error)?;
    functions::register(&connection, patterns).map_err(store_error)?;
    Ok(connection)
}

/// Some settings answer with a row, some do not.
fn run_setting(connection: &Connection, setting: &str) -> Result<(), StoreError> {
    let mut statement = connection.prepare(setting).map_err(store_error)?;
    let mut rows = statement.query([]).map_err(store_error)?;
    while rows.next().map_err(store_error)?.is_some() {}
    Ok(())
}

fn check_version(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let number = |setting: &str| -> Result<i32, StoreError> {
        connection.query_row(setting, [], |row| row.get(0)).map_err(store_error)
    };
    let is_empty = number("SELECT count(*) FROM sqlite_schema")? == 0;
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    let refused = |text: &str| Err(StoreError::Unavailable(format!("{}: {text}", path.display())));
    if is_empty && application == 0 {
        return connection
            .execute_batch(&format!(
                "BEGIN IMMEDIATE;
                 CREATE TABLE IF NOT EXISTS {} (name TEXT PRIMARY KEY NOT NULL, definition TEXT NOT NULL);
                 PRAGMA application_id={APPLICATION_ID};
                 PRAGMA user_version={FILE_VERSION};
                 COMMIT;",
                quote(SCHEMA_TABLE)
            ))
            .map_err(store_error);
    }
    if application != APPLICATION_ID {
        return refused("this SQLite file was not made by this server");
    }
    if version > FILE_VERSION {
        return refused("this file was written by a newer version of this server");
    }
    if version < FILE_VERSION {
        return refused("this file has a version that was never released");
    }
    Ok(())
}
