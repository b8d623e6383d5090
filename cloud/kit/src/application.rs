//! What do applications share that has to be there once? An application of its own, which each of them brings.

use parsimony_cloud::{Application, JobPlan, Rules};

use std::sync::Arc;
use std::time::Duration;

use crate::functions::verify_audit_trail;
use crate::notifications::{delivery, preference};
use crate::settings::Settings;
use crate::{audit, notifications, pii, request_key, roles};

/// Its name: the audit trail of what it does by itself bears it.
pub const APPLICATION: &str = "kit";

/// How long one run of `deliverNotifications` may take.
const DELIVERY_TIME_MAX: Duration = Duration::from_secs(300);

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
        .schema(include_str!("../../../schemas/kit/ChainSender.json"))
        .before_save(audit::CLASS, audit::take_place)
        .before_save(notifications::CLASS, notifications::keep)
        .before_save(delivery::CLASS, delivery::keep)
        .define("setNotificationPreferences", Rules::none().require_user(), preference::set_notification_preferences)
        .define("verifyAuditTrail", Rules::none().require_user(), verify_audit_trail)
        .job("rotatePiiKeys", JobPlan::manual(), pii::rotate_keys)
        .job("cleanRequestKeys", nightly(17), request_key::clean)
        .configured(|application, settings| {
            let ways = Arc::new(settings.read::<Settings>()?.ways());
            let plan = JobPlan::manual().cron("*/5 * * * * *", "UTC").timeout(DELIVERY_TIME_MAX);
            Ok(application
                .job("deliverNotifications", plan, move |request| delivery::deliver(request, Arc::clone(&ways))))
        })
}
