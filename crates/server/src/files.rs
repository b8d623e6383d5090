//! Where are files kept, if not in the database?

use std::sync::Arc;

use parsimony_connectors::files::{FilesOutside, S3};
use parsimony_store::FileStore;

use crate::config::FilePlace;

/// The place that the configuration names. The error is a sentence that says what to mend.
pub(crate) fn place(place: Option<FilePlace>) -> Result<Option<Arc<dyn FileStore>>, String> {
    Ok(match place {
        None => None,
        Some(FilePlace::Folder(path)) => Some(Arc::new(FilesOutside::in_folder(path)?)),
        Some(FilePlace::Bucket(bucket)) => Some(Arc::new(FilesOutside::in_bucket(S3 {
            bucket: bucket.name,
            region: bucket.region,
            prefix: bucket.prefix,
            endpoint: bucket.endpoint,
            access_key: bucket.access_key,
            secret_key: bucket.secret_key,
        })?)),
    })
}
