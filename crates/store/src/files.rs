//! What must a place for files do: take them in and give them out piece by piece.

use bytes::{Bytes, BytesMut};
use futures::stream::{BoxStream, StreamExt as _};
use parsimony_model::{Date, Map};

use crate::error::StoreError;
use crate::objects::Answer;

/// How many bytes a piece of a stored file has: what MongoDB's drivers use, so that Parse Server reads what is written here.
pub const CHUNK_BYTES: usize = 255 * 1024;

/// How many names one answer of [`FileStore::names`] has at most.
pub const NAMES_MAX: usize = 1_000;

/// What a file consists of, as it comes. An error ends it: then nothing of it is kept.
pub type Content = BoxStream<'static, Result<Bytes, StoreError>>;

/// A file that is to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewFile {
    /// Its name, perhaps with folders before it; the rules for names have been applied.
    pub name: String,
    /// What it is, for places that keep that.
    pub content_type: Option<String>,
    /// What is to be known of it, plain JSON.
    pub metadata: Map,
    /// Tags, for places that have them.
    pub tags: Map,
    /// When it is stored.
    pub stored_at: Date,
}

/// A file that is there.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredFile {
    /// How the store finds just this one, even if another of the same name comes after it.
    pub key: String,
    /// Its name.
    pub name: String,
    /// How many bytes it has.
    pub length: u64,
    /// What is to be known of it; `None` if the store keeps no such thing of it.
    pub metadata: Option<Map>,
}

/// A place for files.
///
/// Names may be there more than once: the newest is found, all are deleted. A file is seen when it is whole.
pub trait FileStore: Send + Sync {
    /// What it is called in logs; never with credentials.
    fn describe_files(&self) -> String;

    /// Stores a file, taking its content as it comes. If that fails, nothing stays.
    fn put<'a>(&'a self, file: &'a NewFile, content: Content) -> Answer<'a, ()>;

    /// The newest file of this name; `None` if there is none.
    fn find_file<'a>(&'a self, name: &'a str) -> Answer<'a, Option<StoredFile>>;

    /// The bytes from here on, as many as are at hand at once, at least one. Nothing at the end of the file.
    fn read<'a>(&'a self, file: &'a StoredFile, from: u64) -> Answer<'a, Bytes>;

    /// Deletes every file of this name. `false` if there is none.
    fn delete_file<'a>(&'a self, name: &'a str) -> Answer<'a, bool>;

    /// The names after this one in the order of their bytes, each once, [`NAMES_MAX`] at most.
    fn names<'a>(&'a self, after: Option<&'a str>) -> Answer<'a, Vec<String>>;

    /// Deletes what is left of uploads that broke off with their server, if nothing has come of them since then; gives how many
    /// there were. Others may store files meanwhile. A place that is never left with such parts has nothing to do.
    fn sweep(&self, _since: Date) -> Answer<'_, u64> {
        Box::pin(std::future::ready(Ok(0)))
    }
}

/// Cuts content into pieces of one size.
pub struct Cutter {
    content: Content,
    rest: BytesMut,
    piece_bytes: usize,
    ended: bool,
}

impl Cutter {
    /// Pieces of so many bytes; the last one may have fewer.
    pub fn new(content: Content, piece_bytes: usize) -> Self {
        Self { content, rest: BytesMut::new(), piece_bytes: piece_bytes.max(1), ended: false }
    }

    /// The next piece; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        while !self.ended && self.rest.len() < self.piece_bytes {
            match self.content.next().await {
                Some(part) => self.rest.extend_from_slice(&part?),
                None => self.ended = true,
            }
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let bytes = self.rest.len().min(self.piece_bytes);
        Ok(Some(self.rest.split_to(bytes).freeze()))
    }
}
