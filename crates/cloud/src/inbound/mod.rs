//! Webhooks that come in: what an outside service sends, how it is known to be from there, and what handles it.
//!
//! | question | file |
//! | --- | --- |
//! | who sent it, and is it the same as before | `verifier.rs`, with the schemes in `schemes.rs`, `vendors.rs` and `certificate.rs` |
//! | whose certificate is it that signs | `chain.rs` |
//! | what is it called, so that it counts once | `event_id.rs` |
//! | what administrators ask | `functions.rs` |

mod certificate;
mod chain;
mod event_id;
mod functions;
mod schemes;
#[cfg(test)]
mod tests;
mod vendors;
mod verifier;

use std::ops::Deref;
use std::sync::Arc;

use parsimony_model::value::{Map, json};
use parsimony_model::{Date, ErrorCode, ObjectId, ParseError, Value};
use serde::de::DeserializeOwned;

pub use self::event_id::EventId;
pub(crate) use self::functions::administration;
pub use self::schemes::{Encoding, Hash, Part, SecretForm};
pub use self::verifier::{Mismatch, Verified, Verifier};
use crate::origin::{Headers, Origin};
use crate::registry::{Hooks, Tables};
use crate::rules::Rules;
use crate::triggers::Trigger;

/// The class in which events are kept until they are handled, and after.
pub const EVENTS: &str = "WebhookEvent";

/// How the class of events is defined, for the master key alone.
const EVENTS_SCHEMA: &str = r#"{
    "className": "WebhookEvent",
    "fields": {
        "application": {"type": "String", "required": true}, "source": {"type": "String", "required": true},
        "eventId": {"type": "String", "required": true}, "status": {"type": "String", "required": true},
        "url": {"type": "String", "encrypted": true}, "headers": {"type": "Object", "encrypted": true},
        "body": {"type": "String", "encrypted": true},
        "attempts": {"type": "Number"}, "nextAttemptAt": {"type": "Date"}, "processedAt": {"type": "Date"},
        "message": {"type": "String"}
    },
    "indexes": {
        "application_1_source_1_eventId_1": {"keys": {"application": 1, "source": 1, "eventId": 1}, "unique": true},
        "status_1_nextAttemptAt_1": {"status": 1, "nextAttemptAt": 1}
    },
    "classLevelPermissions": {
        "find": {}, "get": {}, "count": {}, "create": {}, "update": {}, "delete": {}, "addField": {}
    }
}"#;

/// What came over the wire, before anybody has believed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The URL as the sender called it, by the address under which clients reach the server.
    pub url: String,
    /// The headers.
    pub headers: Headers,
    /// The body, byte by byte.
    pub body: Arc<[u8]>,
    /// The address it came from.
    pub ip: Option<String>,
}

/// An event that an outside service told, stored and handed to its handler: once more after each failure, so a handler does
/// what it has done before without harm.
#[derive(Clone)]
pub struct Inbound {
    /// The application.
    pub application: Arc<str>,
    /// The source, as the application calls it.
    pub source: Arc<str>,
    /// The id of the event's row.
    pub id: ObjectId,
    /// What the sender calls the event.
    pub event_id: String,
    /// The headers, but for cookies and authorization.
    pub headers: Map,
    /// The body.
    pub body: String,
    /// When it came.
    pub received_at: Date,
    /// Which try it is, from 1.
    pub attempt: u32,
    /// Where it comes from; its host has the master's rights.
    pub origin: Origin,
}

impl Inbound {
    /// The body, read as JSON of some type. The error names what is wrong.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ParseError> {
        let mut reader = serde_json::Deserializer::from_str(&self.body);
        serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            ParseError::new(
                ErrorCode::InvalidJson,
                format!("The event cannot be read at {}: {}.", error.path(), error.inner()),
            )
        })
    }

    /// The body, read as JSON.
    pub fn value(&self) -> Result<Value, ParseError> {
        json::read(self.body.as_bytes())
    }

    /// A header; `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(Value::as_str)
    }
}

impl Deref for Inbound {
    type Target = Origin;

    fn deref(&self) -> &Origin {
        &self.origin
    }
}

impl Trigger for Inbound {
    type Answer = ();

    const NAME: &'static str = "webhook";

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn check(&mut self, rules: &Rules) -> Result<(), ParseError> {
        rules.check(&self.origin.who, &mut Map::default())
    }

    fn hooks(tables: &Tables) -> &Hooks<Self> {
        &tables.inbound
    }

    fn hooks_mut(tables: &mut Tables) -> &mut Hooks<Self> {
        &mut tables.inbound
    }
}
