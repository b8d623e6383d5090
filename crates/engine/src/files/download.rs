//! A file is asked for: who may, which part, and what cloud code says to it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt as _};
use parsimony_cloud::{AfterFindFile, BeforeFindFile, CloudFile, FILE, FoundFile};
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, ParseError, map};
use parsimony_store::{FileStore, StoredFile};

use super::ranges::{self, Part};
use super::{FileContent, kinds, named, names};
use crate::triggers;
use crate::work::Work;

/// What is answered to somebody who asks for a file.
pub struct Download {
    /// What it is.
    pub content_type: String,
    /// How many bytes are answered.
    pub length: u64,
    /// `Content-Range`, if it is a part.
    pub range: Option<String>,
    /// `Content-Disposition`, if browsers shall store it.
    pub disposition: Option<String>,
    /// The other headers.
    pub headers: Vec<(String, String)>,
    /// The bytes.
    pub content: FileContent,
}

impl Download {
    /// All of it at once, if it has no more bytes than this.
    pub(crate) async fn whole(mut self, bytes_max: u64) -> Result<Bytes, ParseError> {
        if self.length > bytes_max {
            let text = format!("The file has {} bytes, and may have {bytes_max}.", self.length);
            return Err(ParseError::new(ErrorCode::ObjectTooLarge, text));
        }
        let mut whole = BytesMut::new();
        while let Some(piece) = self.content.next().await {
            whole.extend_from_slice(&piece.map_err(ParseError::internal)?);
        }
        Ok(whole.freeze())
    }
}

/// How many bytes of a file cloud code is given at most when it is read.
const HOOK_BYTES_MAX: u64 = 20 << 20;

/// What every file is answered with: browsers shall not guess what it is.
fn default_headers() -> Vec<(String, String)> {
    vec![("X-Content-Type-Options".to_owned(), "nosniff".to_owned())]
}

/// Parse: whatever cloud code refuses of files that are read is 403.
fn forbidden(error: ParseError) -> ParseError {
    ParseError { own_number: error.number(), code: ErrorCode::Forbidden, ..error }
}

/// Reads a file, or the part of it that a `Range` header asks for. `None` if there is none.
pub(crate) async fn download(work: &Work, name: &str, range: Option<&str>) -> Result<Option<Download>, ParseError> {
    let options = &work.engine.options.files;
    options.download.admit(&work.caller, ErrorCode::OperationForbidden, "download")?;
    let asked = before_find(work, name).await?;
    let name = asked.name.as_str();
    let Some(file) = find(work, name).await? else { return Ok(None) };
    let part = range.and_then(|range| ranges::part(range, file.length));
    let found = after_find(work, &asked, part.is_none().then_some(&file)).await?;
    let kind = |name: &str| kinds::told(kinds::type_of(name).unwrap_or("application/octet-stream"));
    let mut answer = Download {
        content_type: kind(name),
        length: file.length,
        range: part.map(|part| ranges::told(part, file.length)),
        disposition: None,
        headers: default_headers(),
        content: stream::empty().boxed(),
    };
    let mut other = None;
    if let Some(FoundFile { file: changed, force_download, headers }) = found {
        answer.disposition = force_download.then(|| disposition(&changed.name));
        answer.headers = headers;
        if part.is_none() {
            answer.content_type = kind(&changed.name);
            other = changed.data;
        }
    }
    if let Some(data) = other {
        answer.length = data.len() as u64;
        answer.content = stream::iter([Ok(data)]).boxed();
    } else {
        let part = part.unwrap_or(Part { start: 0, end: file.length });
        answer.length = part.end - part.start;
        answer.content = read(Arc::clone(&work.engine.files), file, part);
    }
    Ok(Some(answer))
}

fn disposition(name: &str) -> String {
    // What cannot stand in a header is no part of a name that a client could have sent.
    let plain: String = name.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
    format!("attachment;filename={plain}")
}

/// What is to be known of a file; empty if there is none.
pub(crate) async fn metadata(work: &Work, name: &str) -> Result<Map, ParseError> {
    let options = &work.engine.options.files;
    options.download.admit(&work.caller, ErrorCode::OperationForbidden, "download").map_err(forbidden)?;
    let asked = before_find(work, name).await?;
    let Some(file) = find(work, &asked.name).await? else { return Ok(Map::default()) };
    after_find(work, &asked, None).await?;
    Ok(file.metadata.map_or_else(Map::default, |metadata| map! { "metadata" => metadata }))
}

async fn find(work: &Work, name: &str) -> Result<Option<StoredFile>, ParseError> {
    if !names::is_possible(name) {
        return Ok(None);
    }
    Ok(work.engine.files.find_file(name).await?)
}

/// Lets cloud code refuse the question, or have another file found.
async fn before_find(work: &Work, name: &str) -> Result<CloudFile, ParseError> {
    let file = named(name);
    if !work.registry.has::<BeforeFindFile>(FILE) {
        return Ok(file);
    }
    let shown = file.clone();
    let answer = triggers::run(work, FILE, |origin| BeforeFindFile { file: shown, origin }).await;
    Ok(answer.map_err(forbidden)?.filter(|answer| !answer.name.is_empty()).unwrap_or(file))
}

/// Lets cloud code refuse what was found, or change what is answered. It is given the content of a file that is answered
/// whole and is not too long.
async fn after_find(
    work: &Work,
    asked: &CloudFile,
    whole: Option<&StoredFile>,
) -> Result<Option<FoundFile>, ParseError> {
    if !work.registry.has::<AfterFindFile>(FILE) {
        return Ok(None);
    }
    let mut shown = asked.clone();
    if let Some(file) = whole.filter(|file| file.length <= HOOK_BYTES_MAX) {
        let all = Part { start: 0, end: file.length };
        let mut pieces = read(Arc::clone(&work.engine.files), file.clone(), all);
        let mut data = BytesMut::new();
        while let Some(piece) = pieces.next().await {
            data.extend_from_slice(&piece?);
        }
        shown.data = Some(data.freeze());
    }
    let sent = shown.data.clone();
    let headers = default_headers();
    let answer = triggers::run(work, FILE, |origin| AfterFindFile { file: shown, headers, origin }).await;
    let mut answer = answer.map_err(forbidden)?;
    if let Some(found) = &mut answer
        && found.file.data == sent
    {
        found.file.data = None;
    }
    Ok(answer)
}

/// The bytes of a part, read as they are wanted; the next piece comes while one is sent.
fn read(files: Arc<dyn FileStore>, file: StoredFile, part: Part) -> FileContent {
    let first = (files, file, part);
    stream::unfold(first, |(files, file, part)| async move {
        if part.start >= part.end {
            return None;
        }
        let piece = piece(&*files, &file, part).await;
        // After a failure nothing comes.
        let start = piece.as_ref().map_or(part.end, |piece| part.start.saturating_add(piece.len() as u64));
        Some((piece, (files, file, Part { start, ..part })))
    })
    .boxed()
}

async fn piece(files: &dyn FileStore, file: &StoredFile, part: Part) -> Result<Bytes, ParseError> {
    let mut piece = files.read(file, part.start).await?;
    if piece.is_empty() {
        return Err(ParseError::internal(format!("the file {} ends too soon", file.name)));
    }
    let wanted = usize::try_from(part.end - part.start).unwrap_or(usize::MAX);
    piece.truncate(wanted);
    Ok(piece)
}
