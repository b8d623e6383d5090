//! The way to one client: a queue with an end, so that a client that reads too slowly costs no more than that.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

/// What is on its way to one client.
pub(super) struct Wire {
    frames: mpsc::Sender<String>,
    overflowed: AtomicBool,
    full: Notify,
    /// How the client is called in its frames: `"clientId":"…","installationId":"…"`.
    name: Mutex<String>,
}

impl Wire {
    /// A way for so many frames at once.
    pub(super) fn new(frames_max: usize) -> (std::sync::Arc<Self>, mpsc::Receiver<String>) {
        let (frames, receiver) = mpsc::channel(frames_max);
        let wire = Self { frames, overflowed: AtomicBool::new(false), full: Notify::new(), name: Mutex::default() };
        (std::sync::Arc::new(wire), receiver)
    }

    /// Sends a frame. If there is no room for it, nothing is sent any more: what was lost cannot be made up for.
    pub(super) fn send(&self, frame: String) {
        if self.overflowed.load(Ordering::Relaxed) {
            return;
        }
        if let Err(mpsc::error::TrySendError::Full(_)) = self.frames.try_send(frame) {
            self.overflowed.store(true, Ordering::Relaxed);
            self.full.notify_one();
        }
    }

    /// Waits until there was no room for a frame.
    pub(super) async fn overflow(&self) {
        self.full.notified().await;
    }

    /// Gives the client its name.
    pub(super) fn call(&self, name: String) {
        *self.name.lock() = name;
    }

    /// Sends a frame about one subscription: `op`, the client's name, the request's id, and the rest of the entries.
    pub(super) fn tell(&self, op: &str, request_id: f64, rest: &str) {
        let id = serde_json::to_string(&parsimony_model::Value::Number(request_id)).unwrap_or_default();
        let frame = format!(r#"{{"op":"{op}",{},"requestId":{id}{rest}}}"#, self.name.lock());
        self.send(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_that_does_not_read_is_told_nothing_more() {
        let (wire, mut frames) = Wire::new(2);
        wire.call(r#""clientId":"c""#.to_owned());
        for request_id in [1.0, 2.0, 3.0] {
            wire.tell("create", request_id, r#","object":{}"#);
        }
        wire.overflow().await;
        assert_eq!(frames.recv().await.unwrap(), r#"{"op":"create","clientId":"c","requestId":1,"object":{}}"#);
        assert!(frames.recv().await.is_some());
        wire.tell("create", 4.0, "");
        assert!(frames.try_recv().is_err());
    }
}
