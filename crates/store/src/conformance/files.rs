//! A file is there whole or not at all, is read from anywhere, and goes with its name.

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use parsimony_model::{Date, Map, map};

use super::{Behaviours, Fresh, behaviours};
use crate::{CHUNK_BYTES, Content, FileStore, NewFile, StoreError};

/// The behaviours of this area.
pub(super) const BEHAVIOURS: Behaviours = behaviours![a_database_keeps_files];

async fn a_database_keeps_files(fresh: &dyn Fresh) {
    check(fresh.store().await.files(), Keeps::Everything).await;
}

/// What a place for files keeps beside the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// Metadata, and every file of a name until it is deleted.
    Everything,
    /// One file of each name, without metadata.
    Content,
}

/// Every behaviour of a place for files. It is empty before.
pub async fn check(files: &dyn FileStore, keeps: Keeps) {
    what_is_stored_is_found_and_read(files).await;
    it_is_read_from_anywhere(files).await;
    what_breaks_off_leaves_nothing(files).await;
    the_newest_of_a_name_is_found_and_all_are_deleted(files).await;
    if keeps == Keeps::Everything {
        metadata_is_kept(files).await;
        what_is_read_stays_what_it_was(files).await;
    }
    names_come_in_order(files).await;
    many_at_once_do_not_mix(files).await;
}

fn new(name: &str) -> NewFile {
    NewFile {
        name: name.to_owned(),
        content_type: Some("text/plain".to_owned()),
        metadata: Map::default(),
        tags: Map::default(),
        stored_at: Date::from_millis(1_700_000_000_000),
    }
}

/// Bytes that tell their place.
fn pattern(bytes: usize, seed: u8) -> Vec<u8> {
    (0..bytes).map(|place| ((place / 7) as u8).wrapping_mul(31).wrapping_add((place % 251) as u8) ^ seed).collect()
}

/// Content in parts that fit no chunk.
fn content(bytes: &[u8]) -> Content {
    let parts: Vec<_> = bytes.chunks(100_003).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
    stream::iter(parts).boxed()
}

async fn put(files: &dyn FileStore, name: &str, bytes: &[u8]) {
    files.put(&new(name), content(bytes)).await.unwrap();
}

async fn read_from(files: &dyn FileStore, name: &str, from: u64) -> Vec<u8> {
    let file = files.find_file(name).await.unwrap().expect("the file is there");
    let mut whole = Vec::new();
    loop {
        let piece = files.read(&file, from + whole.len() as u64).await.unwrap();
        if piece.is_empty() {
            return whole;
        }
        whole.extend_from_slice(&piece);
    }
}

async fn what_is_stored_is_found_and_read(files: &dyn FileStore) {
    let long = CHUNK_BYTES * 3 + 17;
    for (name, bytes) in
        [("empty.txt", 0), ("one.txt", 1), ("chunk", CHUNK_BYTES), ("a folder/with/long ~@-_.bin", long)]
    {
        let sent = pattern(bytes, 1);
        put(files, name, &sent).await;
        let found = files.find_file(name).await.unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.length), (name, bytes as u64));
        assert!(read_from(files, name, 0).await == sent, "{name} comes back as it went");
    }
    assert_eq!(files.find_file("nobody").await.unwrap(), None);
    assert!(!files.delete_file("nobody").await.unwrap());
}

async fn it_is_read_from_anywhere(files: &dyn FileStore) {
    let sent = pattern(CHUNK_BYTES * 2 + 5, 2);
    put(files, "ranges", &sent).await;
    for from in [1, 100, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, CHUNK_BYTES * 2 + 4] {
        assert!(read_from(files, "ranges", from as u64).await == sent[from..], "from {from}");
    }
    for beyond in [sent.len() as u64, sent.len() as u64 + 1, u64::MAX] {
        let file = files.find_file("ranges").await.unwrap().unwrap();
        assert!(files.read(&file, beyond).await.unwrap().is_empty(), "nothing at {beyond}");
    }
}

async fn what_breaks_off_leaves_nothing(files: &dyn FileStore) {
    let part = Bytes::from(pattern(CHUNK_BYTES * 2, 3));
    let broken = stream::iter([Ok(part), Err(StoreError::unavailable("the client went away"))]).boxed();
    files.put(&new("broken"), broken).await.expect_err("it broke off");
    assert_eq!(files.find_file("broken").await.unwrap(), None);
    put(files, "whole", b"before").await;
    let broken = stream::iter([Ok(Bytes::from_static(b"after")), Err(StoreError::Timeout)]).boxed();
    files.put(&new("whole"), broken).await.expect_err("it broke off");
    assert_eq!(read_from(files, "whole", 0).await, b"before", "what was there stays");
}

async fn the_newest_of_a_name_is_found_and_all_are_deleted(files: &dyn FileStore) {
    put(files, "same", b"first").await;
    let second = NewFile { stored_at: Date::from_millis(1_700_000_000_001), ..new("same") };
    files.put(&second, content(b"second")).await.unwrap();
    assert_eq!(read_from(files, "same", 0).await, b"second");
    assert!(files.delete_file("same").await.unwrap());
    assert_eq!(files.find_file("same").await.unwrap(), None);
    assert!(!files.delete_file("same").await.unwrap(), "it is gone");
}

async fn metadata_is_kept(files: &dyn FileStore) {
    let metadata = map! { "who" => "me", "n" => 3, "deep" => map! { "list" => vec!["a", "b"] } };
    files.put(&NewFile { metadata: metadata.clone(), ..new("known") }, content(b"x")).await.unwrap();
    assert_eq!(files.find_file("known").await.unwrap().unwrap().metadata, Some(metadata));
}

async fn what_is_read_stays_what_it_was(files: &dyn FileStore) {
    let sent = pattern(CHUNK_BYTES + 9, 4);
    put(files, "read", &sent).await;
    let file = files.find_file("read").await.unwrap().unwrap();
    let first = files.read(&file, 0).await.unwrap();
    let second = NewFile { stored_at: Date::from_millis(1_700_000_000_001), ..new("read") };
    files.put(&second, content(b"short")).await.unwrap();
    let next = files.read(&file, first.len() as u64).await.unwrap();
    assert!([first, next].concat().starts_with(&sent[..=CHUNK_BYTES]), "a reader keeps to the file it found");
    assert!(files.delete_file("read").await.unwrap());
    files.read(&file, 0).await.expect_err("a file that is gone is no empty file");
}

async fn names_come_in_order(files: &dyn FileStore) {
    for name in ["list/b", "list/a", "list/c", "list/c"] {
        put(files, name, b"x").await;
    }
    let mut all = Vec::new();
    loop {
        let names = files.names(all.last().map(String::as_str)).await.unwrap();
        if names.is_empty() {
            break;
        }
        all.extend(names);
    }
    assert!(all.is_sorted() && all.windows(2).all(|two| two[0] != two[1]), "{all:?}");
    assert_eq!(all.iter().filter(|name| name.starts_with("list/")).count(), 3);
}

async fn many_at_once_do_not_mix(files: &dyn FileStore) {
    let sent: Vec<(String, Vec<u8>)> =
        (0..6_u8).map(|n| (format!("at once {n}"), pattern(CHUNK_BYTES + usize::from(n), n))).collect();
    futures::future::join_all(sent.iter().map(|(name, bytes)| put(files, name, bytes))).await;
    for (name, bytes) in &sent {
        assert!(read_from(files, name, 0).await == *bytes, "{name}");
    }
    let deleted = futures::future::join_all(sent.iter().map(|(name, _)| files.delete_file(name))).await;
    assert!(deleted.into_iter().all(Result::unwrap));
}
