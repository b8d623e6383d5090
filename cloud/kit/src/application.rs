//! What do applications share that has to be there once? An application of its own, which each of them brings.

use parsimony_cloud::{Application, JobPlan, Rules};

use crate::functions::verify_audit_trail;
use crate::{audit, notifications, pii, request_key, roles};

/// Its name: the audit trail of what it does by itself bears it.
pub const APPLICATION: &str = "kit";

/// The audit trail, request keys and roles, with what keeps them in order.
pub fn application() -> Application {
    let nightly = |minute: u8| JobPlan::manual().cron(&format!("{minute} 3 * * *"), "UTC");
    roles::with_roles(Application::new(APPLICATION))
        .schema(include_str!("../../../schemas/kit/AuditLog.json"))
        .schema(include_str!("../../../schemas/kit/RequestKey.json"))
        .schema(include_str!("../../../schemas/kit/Notification.json"))
        .schema(include_str!("../../../schemas/kit/ChainSender.json"))
        .before_save(audit::CLASS, audit::take_place)
        .before_save(notifications::CLASS, notifications::keep)
        .define("verifyAuditTrail", Rules::none().require_user(), verify_audit_trail)
        .job("rotatePiiKeys", JobPlan::manual(), pii::rotate_keys)
        .job("cleanRequestKeys", nightly(17), request_key::clean)
}
