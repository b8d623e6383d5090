//! Is what a killed server left of an upload swept away, and nothing else?

use bson::oid::ObjectId;
use bson::{Document, doc};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use parsimony_model::{Date, Map};
use parsimony_store::{CHUNK_BYTES, FileStore as _, NewFile};

use super::given::{Given, replica_set};
use parsimony_store_mongo::MongoOptions;

/// An id that a driver made at this second.
fn id_at(seconds: u32, more: u8) -> ObjectId {
    let mut bytes = [more; 12];
    bytes[..4].copy_from_slice(&seconds.to_be_bytes());
    ObjectId::from_bytes(bytes)
}

const DAY: u32 = 86_400;
const NOW: u32 = 1_800_000_000;

async fn plant(given: &Given, file: ObjectId, piece: ObjectId, n: i32) {
    given.plant("fs.chunks", doc! { "_id": piece, "files_id": file, "n": n, "data": "x" }).await;
}

async fn pieces(given: &Given, file: ObjectId) -> u64 {
    given.raw.collection::<Document>("fs.chunks").count_documents(doc! { "files_id": file }).await.unwrap()
}

#[tokio::test]
async fn what_a_killed_server_left_of_an_upload_is_swept_away_and_nothing_else() {
    let given = replica_set(MongoOptions::default()).await;
    let since = Date::from_millis(i64::from(NOW - DAY) * 1_000);
    assert_eq!(given.store.sweep(since).await.unwrap(), 0, "there are no files at all");
    let new = NewFile {
        name: "whole".to_owned(),
        content_type: None,
        metadata: Map::default(),
        tags: Map::default(),
        stored_at: Date::EPOCH,
    };
    let content = Bytes::from(vec![7; CHUNK_BYTES * 2 + 1]);
    given.store.put(&new, stream::iter([Ok(content)]).boxed()).await.unwrap();
    let [old, slow, young, whole] =
        [id_at(NOW - 3 * DAY, 1), id_at(NOW - 3 * DAY, 2), id_at(NOW - 60, 3), id_at(NOW - 3 * DAY, 4)];
    for n in 0..3_u8 {
        plant(&given, old, id_at(NOW - 2 * DAY, 10 + n), n.into()).await;
    }
    // Begun as long ago, and still under way on another server.
    plant(&given, slow, id_at(NOW - 3 * DAY, 20), 0).await;
    plant(&given, slow, id_at(NOW - 60, 21), 1).await;
    plant(&given, young, id_at(NOW - 60, 30), 0).await;
    // Whole, by Parse Server's driver.
    plant(&given, whole, id_at(NOW - 3 * DAY, 40), 0).await;
    given.plant("fs.files", doc! { "_id": whole, "filename": "theirs", "length": 1, "chunkSize": 261_120 }).await;
    assert_eq!(given.store.sweep(since).await.unwrap(), 1);
    let left = [pieces(&given, old).await, pieces(&given, slow).await, pieces(&given, young).await];
    assert_eq!((left, pieces(&given, whole).await), ([0, 2, 1], 1));
    assert_eq!(given.store.find_file("whole").await.unwrap().unwrap().length, CHUNK_BYTES as u64 * 2 + 1);
    assert_eq!(given.store.sweep(since).await.unwrap(), 0);
    // When the slow one has stopped, too, it goes.
    let later = Date::from_millis(i64::from(NOW + DAY) * 1_000);
    assert_eq!(given.store.sweep(later).await.unwrap(), 2);
}
