//! What did the administrator decide about files, receipts and the report of weak options?

use std::path::PathBuf;

use fancy_regex::Regex;
use parsimony_engine::{Allowed, Extensions, FileOptions, PurchaseOptions, SecurityOptions};
use serde_json::Value;

use super::raw::Raw;

/// Where files are kept, if not in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FilePlace {
    /// In a folder.
    Folder(PathBuf),
    /// In a bucket that is spoken to as S3 is.
    Bucket(Box<Bucket>),
}

/// A bucket, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Bucket {
    /// Its name.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) region: String,
    /// What stands before every name.
    pub(crate) prefix: String,
    /// Where the service is, if it is not Amazon's.
    pub(crate) endpoint: Option<String>,
    /// Who asks; if nobody is named, the environment says.
    pub(crate) access_key: Option<String>,
    /// The secret of whoever asks.
    pub(crate) secret_key: Option<String>,
}

/// `fileUpload`, `fileDownload`, `preserveFileName`, `fileKey`
pub(super) fn options(raw: &Raw) -> Result<FileOptions, String> {
    let defaults = FileOptions::default();
    for name in ["fileUpload", "fileDownload"] {
        if raw.get(name).is_some_and(|given| !given.is_object()) {
            return Err(format!("{name} must be an object value."));
        }
    }
    Ok(FileOptions {
        preserve_name: raw.flag("preserveFileName")?.unwrap_or(false),
        upload: allowed(raw, "fileUpload", defaults.upload)?,
        download: allowed(raw, "fileDownload", defaults.download)?,
        extensions: extensions(raw)?,
        key: raw.text("fileKey")?,
        ..defaults
    })
}

fn allowed(raw: &Raw, name: &str, usual: Allowed) -> Result<Allowed, String> {
    let flag = |part: &str, usual| Ok::<_, String>(raw.flag(&format!("{name}.{part}"))?.unwrap_or(usual));
    Ok(Allowed {
        public: flag("enableForPublic", usual.public)?,
        anonymous: flag("enableForAnonymousUser", usual.anonymous)?,
        authenticated: flag("enableForAuthenticatedUser", usual.authenticated)?,
    })
}

/// `fileUpload.fileExtensions`: `*` among them takes every file.
fn extensions(raw: &Raw) -> Result<Option<Extensions>, String> {
    let name = "fileUpload.fileExtensions";
    let Some(patterns) = raw.list(name)? else { return Ok(Some(Extensions::Harmless)) };
    if patterns.iter().any(|pattern| pattern == "*") {
        return Ok(None);
    }
    let read = |pattern: &String| Regex::new(pattern).map_err(|error| format!("{name}: {error}"));
    patterns.iter().map(read).collect::<Result<_, _>>().map(|patterns| Some(Extensions::Matching(patterns)))
}

/// `enableProductPurchaseLegacyApi`, and where receipts are verified.
pub(super) fn purchases(raw: &Raw) -> Result<PurchaseOptions, String> {
    let defaults = PurchaseOptions::default();
    Ok(PurchaseOptions {
        enabled: raw.flag("enableProductPurchaseLegacyApi")?.unwrap_or(defaults.enabled),
        production_url: super::url(raw, "parsimony.receiptUrl")?.unwrap_or(defaults.production_url),
        sandbox_url: super::url(raw, "parsimony.sandboxReceiptUrl")?.unwrap_or(defaults.sandbox_url),
    })
}

/// `security`, and what of the other options only the report wants to know.
pub(super) fn security(raw: &Raw) -> Result<SecurityOptions, String> {
    let is = |name: &str, flag: bool| Ok::<_, String>(raw.flag(name)? == Some(flag));
    let database = raw.text("databaseURI")?.filter(|uri| uri.starts_with("mongodb"));
    Ok(SecurityOptions {
        enabled: is("security.enableCheck", true)?,
        logged: is("security.enableCheckLog", true)?,
        insecure_auth_adapters: is("enableInsecureAuthAdapters", true)?,
        reset_tells_of_users: is("passwordPolicy.resetPasswordSuccessOnInvalidEmail", false)?,
        verification_tells_of_users: is("emailVerifySuccessOnInvalidEmail", false)?,
        database_password: database.map(|uri| password_in(&uri).unwrap_or_default().to_owned()),
    })
}

fn password_in(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let (credentials, _) = rest.rsplit_once('@')?;
    credentials.split_once(':').map(|(_, password)| password)
}

/// `filesAdapter`: the two that Parse Server's own organisation keeps, by the names of their packages.
pub(super) fn place(raw: &Raw) -> Result<Option<FilePlace>, String> {
    let (module, options) = match raw.get("filesAdapter") {
        None => return Ok(None),
        Some(Value::String(module)) => (module.as_str(), &Value::Null),
        Some(adapter) => {
            let module = adapter.get("module").and_then(Value::as_str).unwrap_or_default();
            (module, adapter.get("options").unwrap_or(&Value::Null))
        }
    };
    let text = |name: &str| options.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    match module.rsplit('/').next().unwrap_or_default() {
        "fs-files-adapter" | "parse-server-fs-adapter" => {
            if text("encryptionKey").is_some() {
                return Err(
                    "filesAdapter.options.encryptionKey: use fileKey, which encrypts files in every place.".into()
                );
            }
            let folder = PathBuf::from("files");
            Ok(Some(FilePlace::Folder(text("filesSubDirectory").map_or(folder.clone(), |sub| folder.join(sub)))))
        }
        "s3-files-adapter" | "parse-server-s3-adapter" => {
            let name = text("bucket").ok_or_else(|| "filesAdapter.options.bucket is missing.".to_owned())?;
            let overrides = options.get("s3overrides");
            let other = |name: &str| {
                let inside = |map: &Value| map.get(name).and_then(Value::as_str).map(str::to_owned);
                overrides.and_then(|map| inside(map).or_else(|| map.get("credentials").and_then(inside)))
            };
            Ok(Some(FilePlace::Bucket(Box::new(Bucket {
                name: name.to_owned(),
                region: text("region").unwrap_or("us-east-1").to_owned(),
                prefix: text("bucketPrefix").unwrap_or_default().to_owned(),
                endpoint: other("endpoint"),
                access_key: other("accessKeyId").or_else(|| text("accessKey").map(str::to_owned)),
                secret_key: other("secretAccessKey").or_else(|| text("secretKey").map(str::to_owned)),
            }))))
        }
        _ => Err(
            "filesAdapter: @parse/fs-files-adapter and @parse/s3-files-adapter are known; without one files are kept \
                  in the database."
                .to_owned(),
        ),
    }
}
