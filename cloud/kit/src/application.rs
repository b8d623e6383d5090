//! What do applications share that has to be there once? An application of its own, which each of them brings.

use parsimony_cloud::{Application, HttpClient, JobPlan, Rules};
use parsimony_connectors::Http;

use std::sync::Arc;
use std::time::Duration;

use crate::functions::verify_audit_trail;
use crate::notifications::{delivery, preference};
use crate::settings::Settings;
use crate::{audit, notifications, outbound, pii, request_key, roles};

/// Its name: the audit trail of what it does by itself bears it.
pub const APPLICATION: &str = "kit";

/// How long one run of what sends may take.
const SENDING_TIME_MAX: Duration = Duration::from_secs(300);

/// The audit trail, request keys, roles and notifications, with what keeps them in order.
pub fn application() -> Application {
    let nightly = |minute: u8| JobPlan::manual().cron(&format!("{minute} 3 * * *"), "UTC");
    roles::with_roles(Application::new(APPLICATION))
        .schema(include_str!("../../../schemas/kit/AuditLog.json"))
        .schema(include_str!("../../../schemas/kit/RequestKey.json"))
        .schema(include_str!("../../../schemas/kit/Notification.json"))
        .schema(include_str!("../../../schemas/kit/NotificationDelivery.json"))
        .schema(include_str!("../../../schemas/kit/NotificationPreference.json"))
        .schema(include_str!("../../../schemas/kit/NotificationTemplate.json"))
        .schema(include_str!("../../../schemas/kit/WebhookSubscription.json"))
        .schema(include_str!("../../../schemas/kit/OutboundEvent.json"))
        .schema(include_str!("../../../schemas/kit/ChainSender.json"))
        .before_save(audit::CLASS, audit::take_place)
        .before_save(notifications::CLASS, notifications::keep)
        .before_save(delivery::CLASS, delivery::keep)
        .before_save(outbound::SUBSCRIPTION, outbound::keep_subscription)
        .before_save(outbound::EVENT, outbound::keep_event)
        .define("createWebhookSubscription", Rules::none().require_user(), outbound::create_webhook_subscription)
        .define("rotateWebhookSecret", Rules::none().require_user(), outbound::rotate_webhook_secret)
        .define("endWebhookSubscription", Rules::none().require_user(), outbound::end_webhook_subscription)
        .define("replayOutboundEvent", Rules::none().require_user(), outbound::replay_outbound_event)
        .define("setNotificationPreferences", Rules::none().require_user(), preference::set_notification_preferences)
        .define("verifyAuditTrail", Rules::none().require_user(), verify_audit_trail)
        .job("rotatePiiKeys", JobPlan::manual(), pii::rotate_keys)
        .job("cleanRequestKeys", nightly(17), request_key::clean)
        .configured(|application, settings| {
            let http: Arc<dyn HttpClient> = Arc::new(Http::new());
            let ways = Arc::new(settings.read::<Settings>()?.ways(Arc::clone(&http)));
            let often = JobPlan::manual().cron("*/5 * * * * *", "UTC").timeout(SENDING_TIME_MAX);
            let deliver = move |request| delivery::deliver(request, Arc::clone(&ways));
            let send = move |request| outbound::send(request, Arc::clone(&http));
            Ok(application.job("deliverNotifications", often.clone(), deliver).job("sendWebhooks", often, send))
        })
}
