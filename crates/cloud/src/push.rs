//! Pushing: what goes to which devices, what sends it, and what became of it for each.

use futures::future::BoxFuture;
use parsimony_model::value::Map;
use parsimony_model::{Date, ObjectId};

/// What is pushed to devices that are treated alike.
#[derive(Debug, Clone, PartialEq)]
pub struct PushMessage {
    /// The id of its `_PushStatus`, the same for all devices and after every new start.
    pub id: ObjectId,
    /// When the push was to begin, the same for all devices and after every new start.
    pub at: Date,
    /// The body of the request, in the words of Parse: `data` with one language and one badge, and beside it
    /// `expiration_time` in milliseconds since 1970, `collapse_id`, `priority`, `push_type`, `notification` and so on.
    pub body: Map,
}

impl PushMessage {
    /// `data`: what the device is told.
    pub fn data(&self) -> Map {
        self.body.get("data").and_then(parsimony_model::Value::as_object).cloned().unwrap_or_default()
    }

    /// When the message is worth nothing any more.
    pub fn expires_at(&self) -> Option<Date> {
        let millis = self.body.get("expiration_time").and_then(parsimony_model::Value::as_f64)?;
        Some(Date::from_millis(millis as i64))
    }
}

/// A device that is addressed, as its `_Installation` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PushDevice {
    /// The id of its `_Installation`.
    pub installation: String,
    /// `deviceToken`
    pub token: String,
    /// `deviceType`
    pub device_type: String,
    /// `pushType`
    pub push_type: Option<String>,
    /// `appIdentifier`
    pub app_identifier: Option<String>,
}

/// What became of a message for one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushOutcome {
    /// The service took it.
    Sent,
    /// It was not taken, or that is not known.
    Failed {
        /// Why, in the words of the service.
        reason: String,
        /// Whether the service says that there is no such device any more.
        gone: bool,
    },
    /// There is no service for devices of this type; they do not count.
    NotAddressed,
}

impl PushOutcome {
    /// A failure of a device that may be reached another time.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into(), gone: false }
    }
}

/// What sends messages to devices. It bounds its own time: the next devices wait for its answer.
pub trait PushSender: Send + Sync {
    /// Sends a message to a bounded number of devices; gives the outcome for each, in their order.
    fn send<'a>(&'a self, message: &'a PushMessage, devices: &'a [PushDevice]) -> BoxFuture<'a, Vec<PushOutcome>>;
}
