//! What does a service say that reads documents? What stands on them, sealed like the rest of a person's data, and whether they are fit.

use std::collections::BTreeMap;

use parsimony_cloud::{Application, Host, Inbound, Verifier};
use parsimony_kit::notifications::{Notice, notify};
use parsimony_kit::{AuditEntry, audit, params, state, words};
use parsimony_model::value::Map;
use parsimony_model::{Date, ErrorCode, Object, ParseError, Value, map};
use serde::Deserialize;

use crate::APPLICATION;
use crate::model::{DOCUMENT, DocumentStatus, DocumentType, pointer};
use crate::settings::Settings;

/// The kind of event that is about a document that was read.
const PROCESSED: &str = "document.processed";

/// How many fields of a document are kept.
const FIELDS_MAX: usize = 50;

/// How many characters each of them may have.
const FIELD_CHARS_MAX: usize = 500;

words! {
    /// How a document was found.
    pub enum Finding {
        /// It can be read.
        Readable = "READABLE",
        /// It cannot.
        Unreadable = "UNREADABLE",
        /// It looks as if somebody had made it.
        SuspectedForgery = "SUSPECTED_FORGERY",
    }
}

/// An event, of which only those are looked at that are about a document.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    data: serde_json::Value,
}

/// What was found.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Processed {
    document_id: String,
    /// Which content was looked at.
    sha256: String,
    result: Finding,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    confidence: Option<f64>,
    #[serde(rename = "processedAt")]
    at: Date,
}

/// The application with the webhook of the service that reads documents, if there is one.
pub(crate) fn with_reader(application: Application, settings: &Settings) -> Application {
    let Some(reader) = &settings.documents else { return application };
    application.webhook("documents", Verifier::standard_webhooks(&reader.webhook_secret), told)
}

/// `documents`: what was found in a document. What is about another content, or older than what is known, changes nothing.
async fn told(event: Inbound) -> Result<(), ParseError> {
    let Event { kind, data } = event.json()?;
    if kind != PROCESSED {
        return Ok(());
    }
    let processed = &Processed::read(data)?;
    let (id, event) = (&params::object_id("documentId", &processed.document_id)?, &event);
    let work = |host: Host| async move {
        let before = host.get(DOCUMENT, id).await?;
        if !processed.is_news(&before) {
            return Ok(());
        }
        let after = host.update(DOCUMENT, id, processed.changes(&before)).await?;
        let told = (AuditEntry::of_event(event, DOCUMENT).changed(Some(&before), Some(&after)))
            .detail("result", processed.result)
            .detail("agrees", after.get("ocrMatches").cloned());
        audit::append(&host, APPLICATION, told).await?;
        let open = state::of::<DocumentStatus>(&before)? == DocumentStatus::Pending;
        if open && processed.result == Finding::Unreadable { tell(&host, &before).await } else { Ok(()) }
    };
    event.host.as_master().transaction(work).await
}

impl Processed {
    fn read(data: serde_json::Value) -> Result<Self, ParseError> {
        let refused =
            |why: String| ParseError::new(ErrorCode::InvalidJson, format!("The event cannot be read: {why}."));
        let read: Self = serde_path_to_error::deserialize(data)
            .map_err(|error| refused(format!("data.{}: {}", error.path(), error.inner())))?;
        let long = |text: &String| text.chars().count() > FIELD_CHARS_MAX;
        if read.fields.len() > FIELDS_MAX || read.fields.iter().any(|(name, value)| long(name) || long(value)) {
            return Err(refused("data.fields is too large".to_owned()));
        }
        Ok(read)
    }

    fn is_news(&self, document: &Object) -> bool {
        let seen = document.get("processedAt").and_then(Value::as_date);
        // A document without its file has none any more: its person was erased.
        document.get("file").is_some()
            && document.text("sha256") == Some(&self.sha256)
            && seen.is_none_or(|seen| seen < self.at)
    }

    fn changes(&self, document: &Object) -> Map {
        let fields: Map = self.fields.iter().map(|(name, value)| (plain(name).into(), value.as_str().into())).collect();
        let mut changes = map! {
            "ocrResult" => map! { "fields" => fields, "confidence" => self.confidence },
            "processingResult" => self.result,
            "processedAt" => self.at,
        };
        // Whether both say the same is no personal data; what they say is.
        if let (Some(read), Some(said)) = (self.fields.get("number"), document.text("number")) {
            changes.insert("ocrMatches".into(), (letters(read) == letters(said)).into());
        }
        let expires = document.text("type").and_then(DocumentType::parse).is_some_and(DocumentType::expires);
        if expires && document.get("expiresAt").is_none() {
            let until = self.fields.get("expiresAt").and_then(|until| until.parse::<Date>().ok());
            changes.extend(until.map(|until| ("expiresAt".into(), until.into())));
        }
        changes
    }
}

/// A name that may be a key of an object.
fn plain(name: &str) -> String {
    name.trim_start_matches('_').chars().map(|c| if "$.\0".contains(c) { '-' } else { c }).collect()
}

/// A number without what people put between its parts.
fn letters(number: &str) -> String {
    number.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

async fn tell(host: &Host, document: &Object) -> Result<(), ParseError> {
    let notice = Notice {
        user: pointer(document, "user")?,
        kind: "DOCUMENT_UNREADABLE".into(),
        title: "A document of yours cannot be read. Please upload another picture of it.".to_owned(),
        body: None,
        data: map! { "documentId" => document.id.as_str() },
        about: Some(format!("{DOCUMENT}:{}", document.id)),
        once: format!("document-unreadable:{}:{}", document.id, document.text("sha256").unwrap_or_default()),
    };
    notify(host, APPLICATION, notice).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(change: &serde_json::Value) -> Result<Processed, ParseError> {
        let mut data =
            json!({"documentId": "d", "sha256": "00", "result": "READABLE", "processedAt": "2026-01-01T00:00:00Z"});
        data.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        Processed::read(data)
    }

    #[test]
    fn what_cannot_be_read_is_named_and_not_repeated() {
        assert!(event(&json!({"confidence": 0.5, "fields": {"number": "X1"}, "more": 1})).is_ok());
        let many: BTreeMap<String, String> = (0..=FIELDS_MAX).map(|n| (n.to_string(), String::new())).collect();
        for (change, fault) in [
            (json!({"result": "FINE"}), "data.result"),
            (json!({"processedAt": "yesterday"}), "data.processedAt"),
            (json!({"documentId": 7}), "data.documentId"),
            (json!({"fields": {"number": 7}}), "data.fields.number"),
            (json!({"fields": {"number": "7".repeat(501)}}), "data.fields"),
            (json!({"fields": many}), "data.fields"),
        ] {
            let error = event(&change).err().unwrap();
            assert!(error.message.contains(fault) && !error.message.contains("777"), "{}", error.message);
        }
    }

    #[test]
    fn numbers_are_compared_as_people_read_them() {
        assert_eq!(letters("x-12 34/5"), letters("X12345"));
        assert_ne!(letters("X12345"), letters("X12346"));
        assert_eq!(plain("__a.b$c"), "a-b-c");
    }
}
