//! Files: who may store, read and delete them, what cloud code says to it, and where they are.

mod download;
mod kinds;
mod names;
mod place;
mod ranges;
mod sealed;
mod sweep;
mod upload;
mod urls;

use bytes::Bytes;
use fancy_regex::Regex;
use futures::stream::BoxStream;
use parsimony_cloud::CloudFile;
use parsimony_model::{ErrorCode, ParseError, Value};

pub use self::download::Download;
pub(crate) use self::download::{download, metadata};
pub(crate) use self::place::place;
pub use self::sealed::Sealed;
pub(crate) use self::sweep::begin;
pub use self::upload::{Upload, Uploaded};
pub(crate) use self::upload::{delete, upload};
pub(crate) use self::urls::url_of;
use crate::caller::Caller;

/// The content of a file, as it comes or goes.
pub type FileContent = BoxStream<'static, Result<Bytes, ParseError>>;

/// What the administrator decided about files.
#[derive(Debug, Clone)]
pub struct FileOptions {
    /// `preserveFileName`: a file keeps the name that it is sent with.
    pub preserve_name: bool,
    /// `fileUpload`: who may store files.
    pub upload: Allowed,
    /// `fileDownload`: who may read files.
    pub download: Allowed,
    /// `fileUpload.fileExtensions`; `None` takes every kind of file.
    pub extensions: Option<Extensions>,
    /// `maxUploadSize`: how many bytes a file may have.
    pub bytes_max: u64,
    /// `fileKey`: what files are encrypted with in the store.
    pub key: Option<String>,
}

/// Who may do something with files, besides the master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// Somebody without a session.
    pub public: bool,
    /// Users that are linked to `anonymous`.
    pub anonymous: bool,
    /// All other users.
    pub authenticated: bool,
}

/// Which extensions files may have.
#[derive(Debug, Clone)]
pub enum Extensions {
    /// All that browsers do not take for pages that run.
    Harmless,
    /// Those that one of these patterns meets.
    Matching(Vec<Regex>),
}

impl Default for FileOptions {
    fn default() -> Self {
        Self {
            preserve_name: false,
            upload: Allowed { public: false, anonymous: false, authenticated: true },
            download: Allowed { public: true, anonymous: true, authenticated: true },
            extensions: Some(Extensions::Harmless),
            bytes_max: 20 << 20,
            key: None,
        }
    }
}

impl Allowed {
    /// Refuses a caller who is not among them. `what` is `upload` or `download`.
    fn admit(self, caller: &Caller, code: ErrorCode, what: &str) -> Result<(), ParseError> {
        if caller.is_privileged() {
            return Ok(());
        }
        let who = match caller.account() {
            None if !self.public => "public",
            Some(account) => match (is_anonymous(account.user.get("authData")), self) {
                (true, Self { anonymous: false, .. }) => "anonymous user",
                (false, Self { authenticated: false, .. }) => "authenticated user",
                _ => return Ok(()),
            },
            None => return Ok(()),
        };
        Err(ParseError::new(code, format!("File {what} by {who} is disabled.")))
    }
}

fn is_anonymous(auth_data: Option<&Value>) -> bool {
    auth_data.and_then(Value::as_object).and_then(|data| data.get("anonymous")).is_some_and(Value::is_truthy)
}

/// A file of this name, as cloud code is shown it.
fn named(name: &str) -> CloudFile {
    CloudFile { content_type: kinds::type_of(name).map(str::to_owned), ..CloudFile::named(name) }
}
