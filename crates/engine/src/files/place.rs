//! Where are files kept: in the database, unless the surroundings bring another place; encrypted, if there is a key.

use std::sync::Arc;

use bytes::Bytes;
use parsimony_model::{Clock, Date};
use parsimony_store::{Answer, Content, FileStore, NewFile, Store, StoredFile};

use super::Sealed;
use crate::options::Options;

/// The files of a database.
pub(crate) struct InStore(pub(crate) Arc<dyn Store>);

impl FileStore for InStore {
    fn describe_files(&self) -> String {
        self.0.files().describe_files()
    }

    fn put<'a>(&'a self, file: &'a NewFile, content: Content) -> Answer<'a, ()> {
        self.0.files().put(file, content)
    }

    fn find_file<'a>(&'a self, name: &'a str) -> Answer<'a, Option<StoredFile>> {
        self.0.files().find_file(name)
    }

    fn read<'a>(&'a self, file: &'a StoredFile, from: u64) -> Answer<'a, Bytes> {
        self.0.files().read(file, from)
    }

    fn delete_file<'a>(&'a self, name: &'a str) -> Answer<'a, bool> {
        self.0.files().delete_file(name)
    }

    fn names<'a>(&'a self, after: Option<&'a str>) -> Answer<'a, Vec<String>> {
        self.0.files().names(after)
    }

    fn sweep(&self, since: Date) -> Answer<'_, u64> {
        self.0.files().sweep(since)
    }
}

/// The place for files.
pub(crate) fn place(
    options: &Options,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    other: Option<Arc<dyn FileStore>>,
) -> Arc<dyn FileStore> {
    let place = other.unwrap_or_else(|| Arc::new(InStore(Arc::clone(store))));
    match &options.files.key {
        Some(key) => Arc::new(Sealed::new(place, Arc::clone(clock), key)),
        None => place,
    }
}
