//! A file comes in, and goes: the stages of an upload in their order, and of a deletion.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use futures::stream;
use parking_lot::Mutex;
use parsimony_cloud::{AfterDeleteFile, AfterSaveFile, BeforeDeleteFile, BeforeSaveFile, CloudFile, FILE, Trigger};
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, ParseError, Value};
use parsimony_store::{Content, NewFile, StoreError};

use super::{FileContent, names, url_of};
use crate::save::keywords::refuse_denied;
use crate::triggers;
use crate::work::Work;

/// A file that a client sends.
pub struct Upload {
    /// Its name, as the path has it.
    pub name: String,
    /// Its `Content-Type`.
    pub content_type: Option<String>,
    /// How many bytes are announced.
    pub length: Option<u64>,
    /// `X-Parse-File-Max-Upload-Size`: another bound than the server's, for the master key.
    pub bytes_max: Option<String>,
    /// `fileData.directory`, as it was sent.
    pub directory: Option<Value>,
    /// `fileData.metadata`, as it was sent.
    pub metadata: Option<Value>,
    /// `fileData.tags`, as it was sent.
    pub tags: Option<Value>,
    /// Whether it wants to be stored as it comes, whatever handlers there are.
    pub streamed: bool,
    /// Its content.
    pub content: FileContent,
}

impl Upload {
    /// A file that cloud code has whole.
    pub(crate) fn of_cloud_code(name: String, content_type: Option<String>, content: Bytes) -> Self {
        let length = Some(content.len() as u64);
        let content = stream::iter([Ok(content)]).boxed();
        let (bytes_max, directory, metadata, tags) = (None, None, None, None);
        Self { name, content_type, length, bytes_max, directory, metadata, tags, streamed: false, content }
    }
}

/// Where a file is that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    /// What it is called.
    pub name: String,
    /// Where it can be read.
    pub url: String,
}

/// An upload that may be: what has been found out about it.
struct Admitted {
    file: CloudFile,
    content: FileContent,
    streamed: bool,
    length: Option<u64>,
    bytes_max: u64,
}

/// A file on its way into the store.
struct Hooked {
    file: CloudFile,
    content: FileContent,
    size: Option<u64>,
}

/// Stores a file.
pub(crate) async fn upload(work: &Work, upload: Upload) -> Result<Uploaded, ParseError> {
    let admitted = admit(work, upload)?;
    let hooked = before_save(work, admitted).await?;
    let (uploaded, file, size) = write(work, hooked).await?;
    after_save(work, file, size).await?;
    Ok(uploaded)
}

/// Whether this caller may store this file. Nothing of its content has been looked at.
fn admit(work: &Work, upload: Upload) -> Result<Admitted, ParseError> {
    let options = &work.engine.options.files;
    let bytes_max = bytes_max(work, upload.bytes_max.as_deref())?;
    forbid_read_only(work, "create")?;
    options.upload.admit(&work.caller, ErrorCode::FileSaveError, "upload")?;
    names::check_name(&upload.name)?;
    if !work.is_master() {
        names::check_kind(options, &upload.name, upload.content_type.as_deref())?;
    }
    let directory = match upload.directory {
        None => None,
        Some(_) if !work.is_master() => {
            let text = "Directory can only be set using the Master Key.";
            return Err(ParseError::new(ErrorCode::OperationForbidden, text));
        }
        Some(Value::String(directory)) => {
            names::check_directory(&directory)?;
            Some(directory)
        }
        Some(_) => return Err(ParseError::new(ErrorCode::InvalidFileName, "Directory must be a string.")),
    };
    let map = |value: Option<Value>| match value {
        Some(Value::Object(map)) => map,
        _ => Map::default(),
    };
    let (metadata, tags) = (map(upload.metadata), map(upload.tags));
    for said in [&metadata, &tags] {
        refuse_denied(&work.engine.options.denied_keywords, said)?;
    }
    if upload.length.is_some_and(|length| length > bytes_max) {
        return Err(too_large(upload.streamed, bytes_max));
    }
    let content_type = upload.content_type.or_else(|| super::kinds::type_of(&upload.name).map(str::to_owned));
    let file = CloudFile { content_type, metadata, tags, directory, ..CloudFile::named(upload.name) };
    let content = bounded(upload.content, bytes_max, upload.streamed);
    Ok(Admitted { file, content, streamed: upload.streamed, length: upload.length, bytes_max })
}

/// The bound on the size of this upload.
fn bytes_max(work: &Work, other: Option<&str>) -> Result<u64, ParseError> {
    let Some(other) = other else { return Ok(work.engine.options.files.bytes_max) };
    if !work.is_master() || work.caller.is_read_only() {
        let detail = "unauthorized: master key is required";
        return Err(ParseError::denied(ErrorCode::MasterKeyRequired, detail));
    }
    bytes_in(other).ok_or_else(|| {
        let text = format!("Invalid maxUploadSize override value: {}", parsimony_model::names::shorten(other));
        ParseError::new(ErrorCode::FileSaveError, text)
    })
}

/// `50mb` and the like.
fn bytes_in(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let units = [("kb", 1024.0), ("mb", 1024.0 * 1024.0), ("gb", 1024.0 * 1024.0 * 1024.0), ("b", 1.0), ("", 1.0)];
    let (number, factor) = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))?;
    let number = number.trim_end();
    let is_plain = number.starts_with(|c: char| c.is_ascii_digit()) && number.ends_with(|c: char| c.is_ascii_digit());
    let bytes = number.parse::<f64>().ok().filter(|_| is_plain && !number.contains('e'))? * factor;
    // Whole numbers of this size are exact, and none is below 0.
    (bytes < 9e15).then(|| bytes.trunc() as i64).and_then(|bytes| u64::try_from(bytes).ok())
}

/// Parse: who streams is told so by a code of files.
fn too_large(streamed: bool, bytes_max: u64) -> ParseError {
    if streamed {
        ParseError::new(ErrorCode::FileSaveError, format!("File size exceeds maximum allowed: {bytes_max} bytes."))
    } else {
        ParseError::new(ErrorCode::ObjectTooLarge, format!("The request body is larger than {bytes_max} bytes."))
    }
}

/// The same content, which breaks off when it is too long.
fn bounded(content: FileContent, bytes_max: u64, streamed: bool) -> FileContent {
    let mut left = bytes_max;
    content
        .map(move |piece| {
            let piece = piece?;
            left = left.checked_sub(piece.len() as u64).ok_or_else(|| too_large(streamed, bytes_max))?;
            Ok(piece)
        })
        .boxed()
}

fn forbid_read_only(work: &Work, what: &str) -> Result<(), ParseError> {
    if work.caller.is_read_only() {
        let detail = format!("read-only masterKey isn't allowed to {what} a file.");
        return Err(ParseError::denied(ErrorCode::Forbidden, detail));
    }
    Ok(())
}

/// Lets cloud code change or refuse the file. It sees the content of a file that is not streamed.
async fn before_save(work: &Work, admitted: Admitted) -> Result<Hooked, ParseError> {
    let Admitted { mut file, content, streamed, length, bytes_max } = admitted;
    let mut content = content;
    if !streamed {
        // An empty one is refused before anybody is asked.
        let first = content.next().await.transpose()?.filter(|piece| !piece.is_empty());
        let empty = || ParseError::new(ErrorCode::FileSaveError, "Invalid file upload.");
        content = stream::iter([Ok(first.ok_or_else(empty)?)]).chain(content).boxed();
    }
    if !work.registry.has::<BeforeSaveFile>(FILE) {
        return Ok(Hooked { file, content, size: length });
    }
    let mut size = length;
    if !streamed {
        let whole = collect(content).await?;
        size = Some(whole.len() as u64);
        content = stream::iter([Ok(whole.clone())]).boxed();
        file.data = Some(whole);
    }
    let shown = file.clone();
    let asked = |origin| BeforeSaveFile { file: shown, file_size: size, streamed, origin };
    let answer = triggers::run(work, FILE, asked).await;
    let answer = answer.map_err(|error| unexplained(error, || format!("Could not store file: {}.", file.name)))?;
    let Some(mut answer) = answer else { return Ok(Hooked { file: CloudFile { data: None, ..file }, content, size }) };
    if let Some(data) = answer.data.take() {
        if data.len() as u64 > bytes_max {
            return Err(too_large(true, bytes_max));
        }
        size = Some(data.len() as u64);
        content = stream::iter([Ok(data)]).boxed();
    }
    Ok(Hooked { file: answer, content, size })
}

/// What is told of a failure that explains nothing.
fn unexplained(error: ParseError, text: impl FnOnce() -> String) -> ParseError {
    if error.code == ErrorCode::InternalServerError {
        return ParseError { message: text().into(), code: ErrorCode::FileSaveError, ..error };
    }
    error
}

async fn collect(mut content: FileContent) -> Result<Bytes, ParseError> {
    let mut whole = BytesMut::new();
    while let Some(piece) = content.next().await {
        whole.extend_from_slice(&piece?);
    }
    Ok(whole.freeze())
}

/// Stores the file, unless cloud code has done that.
async fn write(work: &Work, hooked: Hooked) -> Result<(Uploaded, CloudFile, Option<u64>), ParseError> {
    let Hooked { mut file, content, size } = hooked;
    if let Some(url) = file.url.clone().filter(|url| !url.is_empty()) {
        return Ok((Uploaded { name: file.name.clone(), url }, file, None));
    }
    let engine = &work.engine;
    let parts = (file.name.as_str(), file.directory.as_deref());
    let kind = file.content_type.as_deref();
    let (name, kind) = names::stored_name(&engine.options.files, &*engine.clock, parts, kind);
    if !names::is_possible(&name) {
        return Err(ParseError::new(ErrorCode::InvalidFileName, "Filename contains invalid characters."));
    }
    let new = NewFile {
        name: name.clone(),
        content_type: kind.clone(),
        metadata: file.metadata.clone(),
        tags: file.tags.clone(),
        stored_at: engine.clock.now(),
    };
    let told = Told::default();
    let (content, counted) = told.listen(content);
    if let Err(error) = engine.files.put(&new, content).await {
        // Of what broke off the client's part is told, of the store's the log knows.
        return Err(told.take().unwrap_or_else(|| {
            let text = format!("Could not store file: {}.", file.name);
            tracing::error!(%error, file = %new.name, "a file was not stored");
            ParseError::new(ErrorCode::FileSaveError, text)
        }));
    }
    let url = url_of(&engine.options, &name);
    file.name.clone_from(&name);
    file.url = Some(url.clone());
    file.content_type = kind;
    let size = size.or(Some(*counted.lock()));
    Ok((Uploaded { name, url }, file, size))
}

/// Why content broke off, if it was the client's fault.
#[derive(Default)]
struct Told(Arc<Mutex<Option<ParseError>>>);

impl Told {
    /// The content as a store takes it, and how many bytes have come.
    fn listen(&self, content: FileContent) -> (Content, Arc<Mutex<u64>>) {
        let told = Arc::clone(&self.0);
        let count = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&count);
        let content = content.map(move |piece| match piece {
            Ok(piece) => {
                *counted.lock() += piece.len() as u64;
                Ok(piece)
            }
            Err(error) => {
                let broken = StoreError::unavailable(&error.message);
                *told.lock() = Some(error);
                Err(broken)
            }
        });
        (content.boxed(), count)
    }

    fn take(&self) -> Option<ParseError> {
        self.0.lock().take()
    }
}

async fn after_save(work: &Work, file: CloudFile, file_size: Option<u64>) -> Result<(), ParseError> {
    let name = file.name.clone();
    let asked = |origin| AfterSaveFile { file, file_size, origin };
    let done = triggers::run(work, FILE, asked).await;
    done.map(drop).map_err(|error| unexplained(error, || format!("Could not store file: {name}.")))
}

/// Deletes the files of a name, for the master key.
pub(crate) async fn delete(work: &Work, name: &str) -> Result<(), ParseError> {
    work.require_master()?;
    forbid_read_only(work, "delete")?;
    let url = url_of(&work.engine.options, name);
    let file = CloudFile { url: Some(url), ..super::named(name) };
    hook(work, file.clone(), |file, origin| BeforeDeleteFile { file, origin }).await?;
    let gone = names::is_possible(name)
        && work.engine.files.delete_file(name).await.map_err(|error| {
            tracing::error!(%error, file = name, "a file was not deleted");
            ParseError::new(ErrorCode::FileDeleteError, "Could not delete file.")
        })?;
    if !gone {
        return Err(ParseError::new(ErrorCode::FileDeleteError, "FileNotFound"));
    }
    hook(work, file, |file, origin| AfterDeleteFile { file, origin }).await
}

async fn hook<T: Trigger>(
    work: &Work,
    file: CloudFile,
    asked: impl FnOnce(CloudFile, parsimony_cloud::Origin) -> T + Send,
) -> Result<(), ParseError> {
    triggers::run(work, FILE, |origin| asked(file, origin)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_those_of_the_configuration() {
        for (text, bytes) in [
            ("50mb", Some(50 << 20)),
            (" 1.5 KB ", Some(1536)),
            ("2gb", Some(2 << 30)),
            ("100", Some(100)),
            ("7b", Some(7)),
            ("", None),
            ("mb", None),
            ("-1mb", None),
            ("1e3", None),
            ("inf", None),
            ("5tb", None),
        ] {
            assert_eq!(bytes_in(text), bytes, "{text}");
        }
    }

    #[tokio::test]
    async fn what_is_too_long_breaks_off() {
        let pieces = || stream::iter([Ok(Bytes::from_static(b"12345")), Ok(Bytes::from_static(b"678"))]).boxed();
        assert_eq!(collect(bounded(pieces(), 8, true)).await.unwrap(), "12345678");
        let error = collect(bounded(pieces(), 7, true)).await.unwrap_err();
        assert_eq!(&*error.message, "File size exceeds maximum allowed: 7 bytes.");
        assert_eq!(collect(bounded(pieces(), 7, false)).await.unwrap_err().code, ErrorCode::ObjectTooLarge);
    }
}
