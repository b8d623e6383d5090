//! How do messages get to devices? By the service that each device belongs to.
//!
//! | question | file |
//! | --- | --- |
//! | what does the administrator write under `push` | `config.rs` |
//! | which requests are sent again | `patience.rs` |
//! | how does a server prove who it is | `signing.rs` |
//! | what of a push is in Apple's words | `apple.rs` |
//! | Apple's service | `apns.rs` |
//! | Google's service | `fcm.rs`; what its messages hold, `fcm_message.rs` |
//! | the services of browsers | `web_push.rs`; what only the browser can read, `web_push_encryption.rs` |
//! | Expo's service | `expo.rs` |
//! | a service of the administrator's own | `own.rs` |

mod apns;
mod apple;
mod config;
mod expo;
mod fcm;
mod fcm_message;
mod own;
mod patience;
mod signing;
mod web_push;
mod web_push_encryption;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::{BoxFuture, join_all};
use parsimony_cloud::{HttpClient, PushDevice, PushMessage, PushOutcome, PushSender};
use parsimony_model::Clock;

pub use config::{PushConfig, QueueConfig};

/// The types of devices that there are services for.
const TYPES: [&str; 8] = ["ios", "osx", "tvos", "watchos", "android", "fcm", "web", "expo"];

/// What each of the senders stands on.
#[derive(Clone)]
pub(crate) struct Ground {
    /// What asks the world outside.
    pub(crate) http: Arc<dyn HttpClient>,
    /// Time and chance.
    pub(crate) clock: Arc<dyn Clock>,
}

/// All senders of a configuration, each for the devices of its types.
pub struct Senders {
    by_type: BTreeMap<&'static str, Arc<dyn PushSender>>,
    own: Option<own::Own>,
}

impl Senders {
    /// Makes the senders that a configuration asks for. The error is a sentence that names what to mend.
    pub fn new(
        config: PushConfig,
        http: Arc<dyn HttpClient>,
        clock: Arc<dyn Clock>,
        webhook_key: Option<String>,
    ) -> Result<Self, String> {
        let ground = Ground { http, clock };
        let own = config.adapter.map(|adapter| own::Own::new(adapter.webhook, &ground, webhook_key));
        let mut by_type: BTreeMap<&'static str, Arc<dyn PushSender>> = BTreeMap::new();
        let apple = [("ios", config.ios), ("osx", config.osx), ("tvos", config.tvos), ("watchos", config.watchos)];
        for (kind, written) in apple {
            if let Some(written) = written {
                by_type.insert(kind, apns::sender(kind, written, &ground)?);
            }
        }
        for (kind, written) in [("android", config.android), ("fcm", config.fcm)] {
            if let Some(written) = written {
                let sender = fcm::Fcm::new(written, fcm::For::Android, &ground);
                by_type.insert(kind, Arc::new(sender.map_err(|why| format!("push.{kind}: {why}"))?));
            }
        }
        if let Some(written) = config.web {
            by_type.insert("web", Arc::new(web_push::WebPush::new(written, &ground)?));
        }
        if let Some(written) = config.expo {
            by_type.insert("expo", Arc::new(expo::Expo::new(written, &ground)));
        }
        Ok(Self { by_type, own })
    }
}

/// The type by whose service a device is reached. Parse: `pushType` if it is one, else `deviceType`; of others nothing is known.
fn type_of(device: &PushDevice) -> Option<&'static str> {
    let known = |name: &str| TYPES.iter().copied().find(|known| *known == name);
    device.push_type.as_deref().and_then(known).or_else(|| known(&device.device_type))
}

impl PushSender for Senders {
    fn send<'a>(&'a self, message: &'a PushMessage, devices: &'a [PushDevice]) -> BoxFuture<'a, Vec<PushOutcome>> {
        if let Some(own) = &self.own {
            return own.send(message, devices);
        }
        Box::pin(async move {
            let mut outcomes = vec![PushOutcome::NotAddressed; devices.len()];
            let mut by_type: BTreeMap<&'static str, (Vec<usize>, Vec<PushDevice>)> = BTreeMap::new();
            for (place, device) in devices.iter().enumerate() {
                if let Some(kind) = type_of(device) {
                    let (places, those) = by_type.entry(kind).or_default();
                    places.push(place);
                    those.push(device.clone());
                }
            }
            let sending = by_type.iter().map(|(kind, (places, those))| async move {
                let outcomes = match self.by_type.get(kind) {
                    Some(sender) => sender.send(message, those).await,
                    None => vec![PushOutcome::failed(format!("Can not find sender for push type {kind}")); those.len()],
                };
                (places, outcomes)
            });
            for (places, sent) in join_all(sending).await {
                for (place, outcome) in places.iter().zip(sent) {
                    outcomes.get_mut(*place).into_iter().for_each(|slot| slot.clone_from(&outcome));
                }
            }
            outcomes
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_reached_by_its_push_type_or_else_its_type() {
        for (push_type, device_type, expected) in [
            (Some("fcm"), "ios", Some("fcm")),
            (None, "ios", Some("ios")),
            (Some("nothing"), "android", Some("android")),
            (Some("nothing"), "fridge", None),
            (None, "", None),
        ] {
            let push_type = push_type.map(str::to_owned);
            let device = PushDevice { push_type, device_type: device_type.to_owned(), ..PushDevice::default() };
            assert_eq!(type_of(&device), expected, "{device:?}");
        }
    }
}
