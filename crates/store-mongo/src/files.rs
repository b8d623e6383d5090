//! Where are files kept in MongoDB? In `GridFS`, as its drivers lay it out and as Parse Server reads it: the collections
//! `fs.files` and `fs.chunks`, whatever `collectionPrefix` says.

use bson::oid::ObjectId;
use bson::raw::RawDocumentBuf;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Document, doc};
use bytes::Bytes;
use futures::TryStreamExt as _;
use mongodb::options::{Hint, IndexOptions};
use mongodb::{Collection, IndexModel};
use parsimony_model::{Date, Value};
use parsimony_store::{Answer, CHUNK_BYTES, Content, Cutter, FileStore, NAMES_MAX, NewFile, StoreError, StoredFile};

use crate::documents;
use crate::error;
use crate::open::{MongoStore, Shared};

/// How many pieces are written at once: each write waits until it is durable.
const PIECES_WRITTEN: usize = 8;

fn files(shared: &Shared) -> Collection<RawDocumentBuf> {
    shared.database.collection("fs.files")
}

fn chunks(shared: &Shared) -> Collection<Document> {
    shared.database.collection("fs.chunks")
}

/// The indexes that drivers make before the first file.
async fn prepare(shared: &Shared) -> Result<(), StoreError> {
    let files = files(shared);
    if files.find_one(doc! {}).projection(doc! { "_id": 1 }).await.map_err(error::of_read)?.is_some() {
        return Ok(());
    }
    let names = IndexModel::builder().keys(doc! { "filename": 1, "uploadDate": 1 }).build();
    files.create_index(names).await.map_err(error::of_write)?;
    let once = IndexOptions::builder().unique(true).build();
    let pieces = IndexModel::builder().keys(doc! { "files_id": 1, "n": 1 }).options(once).build();
    chunks(shared).create_index(pieces).await.map_err(error::of_write)?;
    Ok(())
}

/// Stores the pieces; gives how many bytes they are.
async fn fill(shared: &Shared, id: ObjectId, content: Content) -> Result<i64, StoreError> {
    let mut pieces = Cutter::new(content, CHUNK_BYTES);
    let (mut length, mut n, mut waiting) = (0_i64, 0_i32, Vec::new());
    loop {
        let piece = pieces.next().await?;
        let ended = piece.is_none();
        if let Some(piece) = piece {
            length += i64::try_from(piece.len()).map_err(StoreError::unavailable)?;
            let data = Binary { subtype: BinarySubtype::Generic, bytes: piece.to_vec() };
            waiting.push(doc! { "_id": ObjectId::new(), "files_id": id, "n": n, "data": data });
            n = n.checked_add(1).ok_or_else(|| StoreError::unavailable("the file is too long"))?;
        }
        if !waiting.is_empty() && (ended || waiting.len() >= PIECES_WRITTEN) {
            chunks(shared).insert_many(std::mem::take(&mut waiting)).await.map_err(error::of_write)?;
        }
        if ended {
            return Ok(length);
        }
    }
}

async fn put(shared: &Shared, file: &NewFile, content: Content) -> Result<(), StoreError> {
    prepare(shared).await?;
    let id = ObjectId::new();
    let written = async {
        let length = fill(shared, id, content).await?;
        let chunk = i32::try_from(CHUNK_BYTES).unwrap_or(i32::MAX);
        let entry = doc! {
            "_id": id,
            "length": length,
            "chunkSize": chunk,
            "uploadDate": DateTime::from_millis(file.stored_at.millis()),
            "filename": &file.name,
            "metadata": documents::spelled_out(&Value::Object(file.metadata.clone())),
        };
        let entry = RawDocumentBuf::try_from(&entry).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        files(shared).insert_one(entry).await.map_err(error::of_write)?;
        Ok(())
    };
    let written = written.await;
    if written.is_err()
        && let Err(also) = remove(shared, id).await
    {
        tracing::error!(error = %also, "what came of a broken upload stays in fs.chunks");
    }
    written
}

/// Deletes a file, first what finds it.
async fn remove(shared: &Shared, id: ObjectId) -> Result<u64, StoreError> {
    let entries = files(shared).delete_one(doc! { "_id": id }).await.map_err(error::of_write)?;
    chunks(shared).delete_many(doc! { "files_id": id }).await.map_err(error::of_write)?;
    Ok(entries.deleted_count)
}

async fn find(shared: &Shared, name: &str) -> Result<Option<StoredFile>, StoreError> {
    let all = files(shared);
    let newest = all.find_one(doc! { "filename": name }).sort(doc! { "uploadDate": -1, "_id": -1 });
    let Some(entry) = newest.await.map_err(error::of_read)? else { return Ok(None) };
    let corrupt = || StoreError::Corrupt(format!("the file {name} in fs.files"));
    let number = |key: &str| match entry.get(key).ok().flatten().map(Bson::try_from) {
        Some(Ok(Bson::Int32(number))) => u64::try_from(number).ok(),
        Some(Ok(Bson::Int64(number))) => u64::try_from(number).ok(),
        // Parse Server's driver writes what JavaScript has.
        Some(Ok(Bson::Double(number))) => u64::try_from(number as i64).ok(),
        _ => None,
    };
    let id = entry.get_object_id("_id").map_err(|_other| corrupt())?;
    let chunk = number("chunkSize").filter(|chunk| *chunk > 0).ok_or_else(corrupt)?;
    let metadata = match entry.get_document("metadata") {
        Ok(metadata) => Some(documents::map(metadata)?),
        Err(_none) => None,
    };
    let length = number("length").ok_or_else(corrupt)?;
    Ok(Some(StoredFile { key: format!("{}/{chunk}", id.to_hex()), name: name.to_owned(), length, metadata }))
}

async fn read(shared: &Shared, file: &StoredFile, from: u64) -> Result<Bytes, StoreError> {
    if from >= file.length {
        return Ok(Bytes::new());
    }
    let parts = file.key.split_once('/');
    let parts = parts.and_then(|(id, chunk)| Some((ObjectId::parse_str(id).ok()?, chunk.parse::<u64>().ok()?)));
    let (id, chunk) = parts.ok_or_else(|| StoreError::Corrupt(format!("the key of a file is {}", file.key)))?;
    let n = from.checked_div(chunk).and_then(|n| i64::try_from(n).ok()).unwrap_or_default();
    let skipped = from.checked_rem(chunk).and_then(|rest| usize::try_from(rest).ok()).unwrap_or_default();
    let piece = chunks(shared).find_one(doc! { "files_id": id, "n": n }).await.map_err(error::of_read)?;
    let gone = || StoreError::unavailable("a file was deleted while it was read");
    let data = match piece.ok_or_else(gone)?.remove("data") {
        Some(Bson::Binary(binary)) if binary.bytes.len() > skipped => Bytes::from(binary.bytes),
        _ => return Err(StoreError::Corrupt(format!("piece {n} of the file {}", file.name))),
    };
    Ok(data.slice(skipped..))
}

async fn delete(shared: &Shared, name: &str) -> Result<bool, StoreError> {
    let all = files(shared);
    let found = all.find(doc! { "filename": name }).projection(doc! { "_id": 1 });
    let entries: Vec<RawDocumentBuf> =
        found.await.map_err(error::of_read)?.try_collect().await.map_err(error::of_read)?;
    let mut deleted = 0;
    for id in entries.iter().filter_map(|entry| entry.get_object_id("_id").ok()) {
        deleted += remove(shared, id).await?;
    }
    Ok(deleted > 0)
}

async fn names(shared: &Shared, after: Option<&str>) -> Result<Vec<String>, StoreError> {
    let filter = after.map_or_else(|| doc! {}, |after| doc! { "filename": { "$gt": after } });
    let most = i64::try_from(NAMES_MAX).unwrap_or(i64::MAX);
    let pipeline = [
        doc! { "$match": filter },
        doc! { "$sort": { "filename": 1 } },
        doc! { "$group": { "_id": "$filename" } },
        doc! { "$sort": { "_id": 1 } },
        doc! { "$limit": most },
    ];
    let found = files(shared).aggregate(pipeline).allow_disk_use(true).await.map_err(error::of_read)?;
    let found: Vec<Document> = found.try_collect().await.map_err(error::of_read)?;
    Ok(found.iter().filter_map(|entry| entry.get_str("_id").ok()).map(str::to_owned).collect())
}

/// The least id that drivers make at this moment.
fn first_id_of(moment: Date) -> ObjectId {
    let seconds = u32::try_from(moment.millis() / 1_000).unwrap_or_default();
    let mut bytes = [0; 12];
    for (byte, of_time) in bytes.iter_mut().zip(seconds.to_be_bytes()) {
        *byte = of_time;
    }
    ObjectId::from_bytes(bytes)
}

/// Deletes the pieces of files that never became whole, if the newest of them is older than this.
async fn sweep(shared: &Shared, since: Date) -> Result<u64, StoreError> {
    let pieces = chunks(shared);
    let oldest = first_id_of(since);
    // The index of the pieces tells all of it; without one nobody has stored a file.
    let pipeline = [
        doc! { "$match": { "files_id": { "$lt": oldest }, "n": 0 } },
        doc! { "$project": { "_id": 0, "files_id": 1 } },
        doc! { "$lookup": { "from": "fs.files", "localField": "files_id", "foreignField": "_id", "as": "whole" } },
        doc! { "$match": { "whole": [] } },
        doc! { "$project": { "files_id": 1 } },
    ];
    let by_file = Hint::Keys(doc! { "files_id": 1, "n": 1 });
    let mut found = match pieces.aggregate(pipeline).hint(by_file).await {
        Ok(found) => found,
        Err(_no_index) if files(shared).find_one(doc! {}).await.is_ok_and(|file| file.is_none()) => return Ok(0),
        Err(error) => return Err(error::of_read(error)),
    };
    let mut swept = 0;
    while let Some(broken) = found.try_next().await.map_err(error::of_read)? {
        let Ok(id) = broken.get_object_id("files_id") else { continue };
        let newest = pieces.find_one(doc! { "files_id": id }).sort(doc! { "n": -1 }).projection(doc! { "_id": 1 });
        let newest = newest.await.map_err(error::of_read)?;
        let is_idle = newest.and_then(|piece| piece.get_object_id("_id").ok()).is_some_and(|newest| newest < oldest);
        if is_idle {
            pieces.delete_many(doc! { "files_id": id }).await.map_err(error::of_write)?;
            swept += 1;
        }
    }
    Ok(swept)
}

impl FileStore for MongoStore {
    fn describe_files(&self) -> String {
        format!("GridFS in MongoDB {}", self.clients.home().place)
    }

    fn put<'a>(&'a self, file: &'a NewFile, content: Content) -> Answer<'a, ()> {
        Box::pin(async move { put(&self.clients.here(), file, content).await })
    }

    fn find_file<'a>(&'a self, name: &'a str) -> Answer<'a, Option<StoredFile>> {
        Box::pin(async move { find(&self.clients.here(), name).await })
    }

    fn read<'a>(&'a self, file: &'a StoredFile, from: u64) -> Answer<'a, Bytes> {
        Box::pin(async move { read(&self.clients.here(), file, from).await })
    }

    fn delete_file<'a>(&'a self, name: &'a str) -> Answer<'a, bool> {
        Box::pin(async move { delete(&self.clients.here(), name).await })
    }

    fn names<'a>(&'a self, after: Option<&'a str>) -> Answer<'a, Vec<String>> {
        Box::pin(async move { names(&self.clients.here(), after).await })
    }

    fn sweep(&self, since: Date) -> Answer<'_, u64> {
        Box::pin(async move { sweep(&self.clients.here(), since).await })
    }
}
