//! Who outside hears of what happens here? Webhooks that go out: what stands in the audit trail, to those who subscribed to it.
//!
//! An event is a row that is written in the transaction of the change (`sending.rs` takes it from there), so none is told that did
//! not happen, and none that happened is lost. Its type is `ENTITY.ACTION`, such as `Identity.reviewVerification`, and it says
//! what the entry of the audit trail says: ids and states, no personal data.

mod sending;
mod subscription;

use parsimony_cloud::Host;
use parsimony_model::value::json;
use parsimony_model::{Object, ParseError, Pointer, Value, map};

use crate::audit::Outcome;

pub use self::sending::EventStatus;
pub(crate) use self::sending::{keep_event, send};
pub use self::subscription::{
    CreateWebhookSubscription, EndWebhookSubscription, ReplayOutboundEvent, RotateWebhookSecret, SecretRotated,
    SubscriptionCreated, SubscriptionStatus, create_webhook_subscription, end_webhook_subscription,
    replay_outbound_event, rotate_webhook_secret,
};
pub(crate) use self::subscription::{keep_subscription, of_application, wants};

/// The class of the subscriptions.
pub const SUBSCRIPTION: &str = "WebhookSubscription";

/// The class of the events: the outbox, and afterwards the log.
pub const EVENT: &str = "OutboundEvent";

/// Plans what is told of an entry of the audit trail, in its transaction. What was refused has not happened.
pub(crate) async fn plan(host: &Host, application: &str, entry: &Object) -> Result<(), ParseError> {
    if entry.text("outcome") != Some(Outcome::Success.as_str()) {
        return Ok(());
    }
    let text = |field| entry.text(field).unwrap_or_default();
    let kind = format!("{}.{}", text("entityType"), text("action"));
    let wanted = of_application(host, application).await?;
    for subscription in wanted.iter().filter(|subscription| wants(subscription, &kind)) {
        let body = map! {
            "type" => kind.as_str(),
            "timestamp" => host.now().to_string(),
            "data" => map! {
                "application" => application,
                "entityType" => text("entityType"),
                "entityId" => text("entityId"),
                "action" => text("action"),
                "auditLogId" => entry.id.as_str(),
                "details" => entry.get("details").cloned().unwrap_or_default(),
            },
        };
        let fields = map! {
            "subscription" => Pointer::new(subscription.class.clone(), subscription.id.clone()),
            "application" => application,
            "type" => kind.as_str(),
            // As text: what is signed is what is sent, byte by byte, each time.
            "body" => String::from_utf8_lossy(&json::write(&Value::Object(body))).into_owned(),
            "status" => EventStatus::Pending,
            "attempts" => 0,
            "nextAttemptAt" => host.now(),
        };
        host.create(EVENT, fields).await?;
    }
    Ok(())
}
