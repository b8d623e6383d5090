//! `uploadDocument`: the picture of a document, which was uploaded as a Parse File, takes its place.

use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, params, permission, roles, state};
use parsimony_model::value::File;
use parsimony_model::{ErrorCode, Object, ObjectId, ParseError, Value, map};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::APPLICATION;
use crate::model::{DOCUMENT, DocumentStatus};

/// How many bytes the picture of a document may have.
const BYTES_MAX: u64 = 10 << 20;

/// How many bytes a picture has at least on which anything can be read.
const BYTES_MIN: usize = 100;

/// What pictures of documents may be, by their first bytes.
const KINDS: [&str; 5] = ["image/jpeg", "image/png", "image/webp", "image/heif", "application/pdf"];

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UploadDocument {
    /// The id of the `VerificationDocument`.
    pub document_id: String,
    /// The file, as the SDK sends it once it was saved.
    pub file: UploadedFile,
    /// SHA-256 of its content, if the client has it.
    pub sha256: Option<String>,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

/// A Parse File.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadedFile {
    /// Always `File`.
    #[serde(rename = "__type")]
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its URL; not looked at.
    pub url: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentUploaded {
    /// The id of the `VerificationDocument`.
    pub document_id: String,
    /// What it is, by its first bytes.
    pub content_type: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: String,
    /// Where the document stands.
    pub status: DocumentStatus,
}

/// What is known of the content.
struct Content {
    kind: &'static str,
    bytes: u64,
    sha256: String,
}

/// Puts a file to a document that nobody has judged yet. Type, size and hash are those of the content, whatever is said.
pub async fn upload_document(request: Request<UploadDocument>) -> Result<DocumentUploaded, ParseError> {
    let acting = Acting::new(APPLICATION, DOCUMENT, &request);
    acting.user()?;
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    let id = params.check()?;
    let done = async {
        let document = request.host.get(DOCUMENT, &id).await?;
        let staff = [roles::COMPLIANCE_OFFICER];
        permission::require_owner_or_role(&request.who, &document, "user", &staff, "upload it")?;
        let content = params.content(&request.host.as_master(), &document).await?;
        let work = |host| work(host, &acting, params, &id, &content);
        acting.once(params.request_key.as_deref(), params, work).await
    };
    acting.settle(Some(&id), done.await).await
}

impl UploadDocument {
    fn check(&self) -> Result<ObjectId, ParseError> {
        let id = params::object_id("documentId", &self.document_id)?;
        if self.file.kind != "File" {
            return Err(params::invalid("file", "it must be a Parse File"));
        }
        params::text("file.name", &self.file.name, 1, 200)?;
        if let Some(sha256) = &self.sha256 {
            params::sha256("sha256", sha256)?;
        }
        Ok(id)
    }

    /// Reads the file and holds it against what is allowed and what was said.
    async fn content(&self, host: &Host, document: &Object) -> Result<Content, ParseError> {
        let refused = |reason: String| params::invalid("file", reason);
        let too_large = |error: ParseError| {
            let large = error.code == ErrorCode::ObjectTooLarge;
            if large { refused(format!("it may have {BYTES_MAX} bytes")) } else { error }
        };
        let read = host.read_file(&self.file.name, BYTES_MAX).await.map_err(too_large)?;
        let content = read.ok_or_else(|| refused("there is no such file; save it first".to_owned()))?;
        let kind = content_type(&content).ok_or_else(|| refused(format!("it must be one of {}", KINDS.join(", "))))?;
        let sha256 = hex::encode(Sha256::digest(&content));
        for (field, said) in [("sha256", self.sha256.as_deref()), ("documentId", document.text("sha256"))] {
            if said.is_some_and(|said| said != sha256) {
                return Err(params::invalid(field, "the file has another SHA-256 than was announced"));
            }
        }
        Ok(Content { kind, bytes: content.len() as u64, sha256 })
    }
}

/// What the content is, if it is anything a document may be.
fn content_type(content: &[u8]) -> Option<&'static str> {
    let kind = infer::get(content).filter(|_| content.len() >= BYTES_MIN)?.mime_type();
    KINDS.contains(&kind).then_some(kind)
}

async fn work(
    host: Host,
    acting: &Acting<'_>,
    params: &UploadDocument,
    id: &ObjectId,
    content: &Content,
) -> Result<DocumentUploaded, ParseError> {
    let before = host.get(DOCUMENT, id).await?;
    let status: DocumentStatus = state::of(&before)?;
    if status != DocumentStatus::Pending {
        let text = format!("The document is {status}, and takes no file any more.");
        return Err(ParseError::new(ErrorCode::ValidationError, text));
    }
    let after = host
        .update(
            DOCUMENT,
            id,
            map! {
                "file" => Value::File(File { name: params.file.name.clone(), url: None }),
                "sha256" => content.sha256.as_str(),
                "contentType" => content.kind,
                "bytes" => content.bytes as f64,
                "uploadedAt" => host.now(),
            },
        )
        .await?;
    let entry = (acting.entry().changed(Some(&before), Some(&after)))
        .detail("sha256", content.sha256.as_str())
        .detail("contentType", content.kind)
        .detail("bytes", content.bytes as f64);
    acting.record(&host, entry).await?;
    Ok(DocumentUploaded {
        document_id: id.to_string(),
        content_type: content.kind.to_owned(),
        bytes: content.bytes,
        sha256: content.sha256.clone(),
        status,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_first_bytes_say() {
        let of = |begin: &[u8]| content_type(&[begin, &[0; 200]].concat());
        for (begin, expected) in [
            (&b"\x89PNG\r\n\x1a\n"[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"%PDF-1.7\n", Some("application/pdf")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"GIF89a", None),
            (b"MZ\x90\0", None),
            (b"<html><script>", None),
            (b"<svg xmlns", None),
            (b"PK\x03\x04", None),
            (b"", None),
        ] {
            assert_eq!(of(begin), expected, "{begin:?}");
        }
        assert_eq!(content_type(b"\x89PNG\r\n\x1a\n"), None, "too short to show anything");
    }
}
