//! Files outside of the database: in a folder of this machine, or in a bucket that is spoken to as S3 is.

use std::collections::BTreeSet;
use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error, GetOptions, GetRange, MultipartUpload, ObjectStore, PutMultipartOptions, PutOptions,
    TagSet,
};
use parsimony_model::{Map, Value};
use parsimony_store::{Answer, Content, Cutter, FileStore, NAMES_MAX, NewFile, StoreError, StoredFile};

/// How many bytes go up at once: S3 takes no fewer, but for the last.
const PART_BYTES: usize = 8 << 20;

/// How many bytes come down at once.
const READ_BYTES: u64 = 1 << 20;

/// A bucket, and how it is reached.
#[derive(Debug, Clone, Default)]
pub struct S3 {
    /// Its name.
    pub bucket: String,
    /// Where it is.
    pub region: String,
    /// What stands before every name, with its slash.
    pub prefix: String,
    /// Where the service is, if it is not Amazon's.
    pub endpoint: Option<String>,
    /// Who asks; if nobody is named, the environment says.
    pub access_key: Option<String>,
    /// The secret of whoever asks.
    pub secret_key: Option<String>,
}

/// A place for files outside of the database.
pub struct FilesOutside {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    described: String,
    /// Whether it keeps types, metadata and tags beside the content.
    keeps_more: bool,
}

impl FilesOutside {
    /// A folder, which is made if it is not there.
    pub fn in_folder(path: impl AsRef<FilePath>) -> Result<Self, String> {
        let path = path.as_ref();
        let told = |error: &dyn std::fmt::Display| format!("Files cannot be kept in {}: {error}.", path.display());
        std::fs::create_dir_all(path).map_err(|error| told(&error))?;
        let store = LocalFileSystem::new_with_prefix(path).map_err(|error| told(&error))?;
        let described = format!("the folder {}", path.display());
        Ok(Self { store: Arc::new(store), prefix: String::new(), described, keeps_more: false })
    }

    /// A bucket.
    pub fn in_bucket(options: S3) -> Result<Self, String> {
        let S3 { bucket, region, prefix, endpoint, access_key, secret_key } = options;
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(&bucket).with_region(region);
        if let Some(endpoint) = endpoint {
            builder = builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
        }
        if let (Some(id), Some(secret)) = (access_key, secret_key) {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
        }
        let store = builder.build().map_err(|error| format!("The bucket {bucket} cannot be used: {error}."))?;
        let described = format!("the bucket {bucket}");
        Ok(Self { store: Arc::new(store), prefix, described, keeps_more: true })
    }

    /// Where a file of this name is; `None` if there can be none.
    fn path(&self, name: &str) -> Option<Path> {
        Path::parse(format!("{}{name}", self.prefix)).ok()
    }

    fn attributes(&self, file: &NewFile) -> (Attributes, TagSet) {
        let (mut attributes, mut tags) = (Attributes::new(), TagSet::default());
        if self.keeps_more {
            if let Some(kind) = &file.content_type {
                attributes.insert(Attribute::ContentType, kind.clone().into());
            }
            for (name, value) in texts(&file.metadata) {
                attributes.insert(Attribute::Metadata(name.into()), value.into());
            }
            for (name, value) in texts(&file.tags) {
                tags.push(&name, &value);
            }
        }
        (attributes, tags)
    }

    async fn store(&self, file: &NewFile, content: Content) -> Result<(), StoreError> {
        let path =
            self.path(&file.name).ok_or_else(|| StoreError::Unfit("A file cannot be called that.".to_owned()))?;
        let (attributes, tags) = self.attributes(file);
        let mut parts = Cutter::new(content, PART_BYTES);
        let first = parts.next().await?.unwrap_or_default();
        if first.len() < PART_BYTES {
            let options = PutOptions { attributes, tags, ..PutOptions::default() };
            self.store.put_opts(&path, first.into(), options).await.map_err(failure)?;
            return Ok(());
        }
        let options = PutMultipartOptions { attributes, tags, ..PutMultipartOptions::default() };
        let mut upload = self.store.put_multipart_opts(&path, options).await.map_err(failure)?;
        let done = send(&mut *upload, first, parts).await;
        if done.is_err()
            && let Err(error) = upload.abort().await
        {
            tracing::error!(%error, "the parts of a broken upload stay where they are");
        }
        done
    }

    async fn look(&self, name: &str) -> Result<Option<StoredFile>, StoreError> {
        let Some(path) = self.path(name) else { return Ok(None) };
        let options = GetOptions { head: true, ..GetOptions::default() };
        let found = match self.store.get_opts(&path, options).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failure(error)),
        };
        let metadata: Map = found
            .attributes
            .iter()
            .filter_map(|(attribute, value)| match attribute {
                Attribute::Metadata(name) => Some((name.as_ref().into(), value.as_ref().into())),
                _ => None,
            })
            .collect();
        Ok(Some(StoredFile {
            key: found.meta.e_tag.unwrap_or_default(),
            name: name.to_owned(),
            length: found.meta.size,
            metadata: self.keeps_more.then_some(metadata),
        }))
    }

    async fn part(&self, file: &StoredFile, from: u64) -> Result<Bytes, StoreError> {
        let Some(path) = self.path(&file.name).filter(|_| from < file.length) else { return Ok(Bytes::new()) };
        let end = file.length.min(from.saturating_add(READ_BYTES));
        let options = GetOptions {
            range: Some(GetRange::Bounded(from..end)),
            // Another file of the same name is none of whoever reads this one.
            if_match: Some(file.key.clone()).filter(|tag| !tag.is_empty()),
            ..GetOptions::default()
        };
        self.store.get_opts(&path, options).await.map_err(failure)?.bytes().await.map_err(failure)
    }
}

/// Sends the parts and puts them together.
async fn send(upload: &mut dyn MultipartUpload, first: Bytes, mut parts: Cutter) -> Result<(), StoreError> {
    let mut next = Some(first);
    while let Some(part) = next {
        upload.put_part(part.into()).await.map_err(failure)?;
        next = parts.next().await?;
    }
    upload.complete().await.map_err(failure)?;
    Ok(())
}

fn failure(error: Error) -> StoreError {
    StoreError::unavailable(error)
}

/// What of a map can be told in headers.
fn texts(map: &Map) -> impl Iterator<Item = (String, String)> + '_ {
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    map.iter().filter_map(move |(name, value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(flag) => flag.to_string(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (plain(name) && !name.contains(' ') && plain(&text)).then(|| (name.to_string(), text))
    })
}

impl FileStore for FilesOutside {
    fn describe_files(&self) -> String {
        self.described.clone()
    }

    fn put<'a>(&'a self, file: &'a NewFile, content: Content) -> Answer<'a, ()> {
        Box::pin(self.store(file, content))
    }

    fn find_file<'a>(&'a self, name: &'a str) -> Answer<'a, Option<StoredFile>> {
        Box::pin(self.look(name))
    }

    fn read<'a>(&'a self, file: &'a StoredFile, from: u64) -> Answer<'a, Bytes> {
        Box::pin(self.part(file, from))
    }

    fn delete_file<'a>(&'a self, name: &'a str) -> Answer<'a, bool> {
        Box::pin(async move {
            // A bucket does not say whether there was one.
            let Some(path) = self.path(name) else { return Ok(false) };
            if self.look(name).await?.is_none() {
                return Ok(false);
            }
            match self.store.delete(&path).await {
                Ok(()) => Ok(true),
                Err(Error::NotFound { .. }) => Ok(false),
                Err(error) => Err(failure(error)),
            }
        })
    }

    fn names<'a>(&'a self, after: Option<&'a str>) -> Answer<'a, Vec<String>> {
        Box::pin(async move {
            let mut names = BTreeSet::new();
            let mut found = self.store.list(None);
            while let Some(meta) = found.try_next().await.map_err(failure)? {
                let name = meta.location.as_ref().strip_prefix(&self.prefix).map(str::to_owned);
                names.extend(name.filter(|name| after.is_none_or(|after| name.as_str() > after)));
                while names.len() > NAMES_MAX {
                    names.pop_last();
                }
            }
            Ok(names.into_iter().collect())
        })
    }
}
