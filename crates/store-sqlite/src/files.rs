//! Where are files kept in the embedded store? In two tables: one row for each file, and its content in pieces.
//!
//! Each piece is a write of its own, so that nobody waits for a whole upload. A file without a length is not whole: it is not
//! found, and when the store is opened again it goes.

use bytes::Bytes;
use parsimony_model::value::json;
use parsimony_model::{Map, Value};
use parsimony_store::{Answer, CHUNK_BYTES, Content, Cutter, FileStore, NAMES_MAX, NewFile, StoreError, StoredFile};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::error::store_error;
use crate::objects::Asked;
use crate::transaction::{Lane, Whole};

/// How many pieces are deleted by one write: few enough that others do not wait long.
const PIECES_DELETED_MAX: i64 = 64;

/// No class can have a dot in its name.
const TABLES: &str = r#"
    CREATE TABLE IF NOT EXISTS "_fs.files" (
        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, length INTEGER, chunk INTEGER NOT NULL,
        stored INTEGER NOT NULL, metadata TEXT NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS "_fs.names" ON "_fs.files" (name, id);
    CREATE TABLE IF NOT EXISTS "_fs.chunks" (
        file INTEGER NOT NULL, n INTEGER NOT NULL, data BLOB NOT NULL, UNIQUE (file, n)
    ) STRICT;
"#;

/// Makes the tables, and takes away what was not whole when the store was closed.
pub(crate) fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch(TABLES).map_err(store_error)?;
    let broken: Vec<i64> = {
        let mut statement =
            connection.prepare(r#"SELECT id FROM "_fs.files" WHERE length IS NULL"#).map_err(store_error)?;
        let ids = statement.query_map([], |row| row.get(0)).map_err(store_error)?;
        ids.collect::<Result<_, _>>().map_err(store_error)?
    };
    for file in broken {
        while remove_some(connection, file)? {}
    }
    Ok(())
}

/// Deletes some pieces of a file, and the file with the last of them. `true` if there is more to do.
fn remove_some(connection: &Connection, file: i64) -> Result<bool, StoreError> {
    let text = r#"DELETE FROM "_fs.chunks" WHERE rowid IN (SELECT rowid FROM "_fs.chunks" WHERE file=? LIMIT ?)"#;
    let removed = execute(connection, text, params![file, PIECES_DELETED_MAX])?;
    if removed > 0 {
        return Ok(true);
    }
    execute(connection, r#"DELETE FROM "_fs.files" WHERE id=?"#, params![file])?;
    Ok(false)
}

fn execute(connection: &Connection, text: &str, params: impl rusqlite::Params) -> Result<usize, StoreError> {
    let mut statement = connection.prepare_cached(text).map_err(store_error)?;
    statement.execute(params).map_err(store_error)
}

fn begin(connection: &Connection, file: &NewFile) -> Result<i64, StoreError> {
    let metadata = json::write(&Value::Object(file.metadata.clone()));
    let text = r#"INSERT INTO "_fs.files" (name, chunk, stored, metadata) VALUES (?, ?, ?, ?)"#;
    let chunk = i64::try_from(CHUNK_BYTES).unwrap_or(i64::MAX);
    let metadata = String::from_utf8_lossy(&metadata);
    execute(connection, text, params![file.name, chunk, file.stored_at.millis(), metadata])?;
    Ok(connection.last_insert_rowid())
}

fn found(row: &Row<'_>) -> rusqlite::Result<(i64, i64, i64, String)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

fn find(connection: &Connection, name: &str) -> Result<Option<StoredFile>, StoreError> {
    let text = r#"SELECT id, length, chunk, metadata FROM "_fs.files" WHERE name=? AND length IS NOT NULL
                  ORDER BY id DESC LIMIT 1"#;
    let mut statement = connection.prepare_cached(text).map_err(store_error)?;
    let row = statement.query_row(params![name], found).optional().map_err(store_error)?;
    let Some((id, length, chunk, metadata)) = row else { return Ok(None) };
    let metadata = match json::read(metadata.as_bytes()) {
        Ok(Value::Object(metadata)) => metadata,
        _ => Map::default(),
    };
    let key = format!("{id}/{chunk}");
    Ok(Some(StoredFile { key, name: name.to_owned(), length: length.unsigned_abs(), metadata: Some(metadata) }))
}

/// Deletes what is found of a file, some pieces at a time.
async fn remove(lane: &Whole, file: i64) -> Result<(), StoreError> {
    while lane.write(move |connection| remove_some(connection, file)).await? {}
    Ok(())
}

/// Stores the pieces; gives how many bytes they are.
async fn fill(lane: &Whole, file: i64, content: Content) -> Result<u64, StoreError> {
    let mut pieces = Cutter::new(content, CHUNK_BYTES);
    let (mut length, mut n) = (0, 0_i64);
    while let Some(piece) = pieces.next().await? {
        length += piece.len() as u64;
        let text = r#"INSERT INTO "_fs.chunks" (file, n, data) VALUES (?, ?, ?)"#;
        lane.write(move |connection| execute(connection, text, params![file, n, &piece[..]]).map(drop)).await?;
        n += 1;
    }
    let bytes = i64::try_from(length).map_err(StoreError::unavailable)?;
    let text = r#"UPDATE "_fs.files" SET length=? WHERE id=?"#;
    lane.write(move |connection| execute(connection, text, params![bytes, file]).map(drop)).await?;
    Ok(length)
}

/// The file and how long its pieces are.
fn parts_of(key: &str) -> Result<(i64, u64), StoreError> {
    let parts = key.split_once('/').and_then(|(id, chunk)| Some((id.parse().ok()?, chunk.parse().ok()?)));
    parts.filter(|(_, chunk)| *chunk > 0).ok_or_else(|| StoreError::Corrupt(format!("the key of a file is {key}")))
}

impl FileStore for Asked<Whole> {
    fn describe_files(&self) -> String {
        format!("SQLite {}", self.lane.path.display())
    }

    fn put<'a>(&'a self, file: &'a NewFile, content: Content) -> Answer<'a, ()> {
        let new = file.clone();
        Box::pin(async move {
            let id = self.lane.write(move |connection| begin(connection, &new)).await?;
            match fill(&self.lane, id, content).await {
                Ok(_) => Ok(()),
                Err(error) => {
                    if let Err(also) = remove(&self.lane, id).await {
                        tracing::error!(error = %also, "what came of a broken upload stays until the next start");
                    }
                    Err(error)
                }
            }
        })
    }

    fn find_file<'a>(&'a self, name: &'a str) -> Answer<'a, Option<StoredFile>> {
        let name = name.to_owned();
        Box::pin(self.lane.glance(move |connection| find(connection, &name)))
    }

    fn read<'a>(&'a self, file: &'a StoredFile, from: u64) -> Answer<'a, Bytes> {
        Box::pin(async move {
            if from >= file.length {
                return Ok(Bytes::new());
            }
            let (id, chunk) = parts_of(&file.key)?;
            let n = i64::try_from(from / chunk).map_err(StoreError::unavailable)?;
            let skipped = usize::try_from(from % chunk).map_err(StoreError::unavailable)?;
            let piece = self.lane.read(move |connection| {
                let text = r#"SELECT data FROM "_fs.chunks" WHERE file=? AND n=?"#;
                let mut statement = connection.prepare_cached(text).map_err(store_error)?;
                statement.query_row(params![id, n], |row| row.get::<_, Vec<u8>>(0)).optional().map_err(store_error)
            });
            let piece = piece.await?.filter(|piece| piece.len() > skipped);
            let piece = piece.ok_or_else(|| StoreError::unavailable("a file was deleted while it was read"))?;
            Ok(Bytes::from(piece).slice(skipped..))
        })
    }

    fn delete_file<'a>(&'a self, name: &'a str) -> Answer<'a, bool> {
        let name = name.to_owned();
        Box::pin(async move {
            // From here on nobody finds it.
            let gone = move |connection: &Connection| {
                let text = r#"UPDATE "_fs.files" SET length=NULL WHERE name=? AND length IS NOT NULL RETURNING id"#;
                let mut statement = connection.prepare_cached(text).map_err(store_error)?;
                let ids = statement.query_map(params![name], |row| row.get(0)).map_err(store_error)?;
                ids.collect::<Result<Vec<i64>, _>>().map_err(store_error)
            };
            let ids = self.lane.write(gone).await?;
            for id in &ids {
                remove(&self.lane, *id).await?;
            }
            Ok(!ids.is_empty())
        })
    }

    fn names<'a>(&'a self, after: Option<&'a str>) -> Answer<'a, Vec<String>> {
        let after = after.map(str::to_owned);
        Box::pin(self.lane.read(move |connection| {
            let text = r#"SELECT DISTINCT name FROM "_fs.files"
                          WHERE length IS NOT NULL AND (?1 IS NULL OR name > ?1) ORDER BY name LIMIT ?2"#;
            let mut statement = connection.prepare_cached(text).map_err(store_error)?;
            let most = i64::try_from(NAMES_MAX).unwrap_or(i64::MAX);
            let names = statement.query_map(params![after, most], |row| row.get(0)).map_err(store_error)?;
            names.collect::<Result<Vec<String>, _>>().map_err(store_error)
        }))
    }
}
