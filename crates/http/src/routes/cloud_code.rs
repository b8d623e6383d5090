//! Which route is it, of those about cloud code: jobs, hook scripts, webhooks?

use parsimony_engine::{WebhookKind, WebhookTarget};
use parsimony_model::{ObjectId, ParseError};

use super::Route;

impl Route {
    /// Jobs as this server runs them, or as the dashboard plans them.
    pub(super) fn jobs(method: &str, area: &str, id: Option<&str>) -> Option<Result<Self, ParseError>> {
        let route: fn(ObjectId) -> Self = match (area, method, id) {
            ("parsimony", "GET", None) => return Some(Ok(Self::Jobs)),
            ("parsimony", "PUT", Some(name)) => return Some(Ok(Self::PauseJob(name.to_owned()))),
            ("parsimony", "DELETE", Some(_)) => Self::CancelJob,
            ("cloud_code", "GET", None) => return Some(Ok(Self::JobSchedules)),
            ("cloud_code", "GET", Some("data")) => return Some(Ok(Self::JobsData)),
            ("cloud_code", "POST", None) => return Some(Ok(Self::CreateJobSchedule)),
            ("cloud_code", "PUT", Some(_)) => Self::UpdateJobSchedule,
            ("cloud_code", "DELETE", Some(_)) => Self::DeleteJobSchedule,
            _ => return None,
        };
        Some(ObjectId::parse(id?).map(route))
    }

    /// Hook scripts. A name has one or two segments.
    pub(super) fn scripts(method: &str, after: &[&str]) -> Option<Self> {
        let (name, what) = match (method, after) {
            (_, []) => return (method == "GET").then_some(Self::Scripts),
            ("GET", [name @ .., "history"]) if !name.is_empty() => (name, Self::ScriptHistory as fn(String) -> Self),
            ("POST", [name @ .., "rollback"]) => (name, Self::RollBackScript as fn(String) -> Self),
            ("POST", [name @ .., "try"]) => (name, Self::RehearseScript as fn(String) -> Self),
            ("GET", name) => (name, Self::Script as fn(String) -> Self),
            ("PUT", name) => (name, Self::PutScript as fn(String) -> Self),
            ("DELETE", name) => (name, Self::DeleteScript as fn(String) -> Self),
            _ => return None,
        };
        ((1..=2).contains(&name.len()) && !name.contains(&"")).then(|| what(name.join("/")))
    }

    /// Webhooks, of functions and of triggers.
    pub(super) fn webhooks(
        method: &str,
        kind: Option<&str>,
        name: Option<&str>,
        trigger: Option<&str>,
    ) -> Option<Self> {
        let target = match (kind, name, trigger) {
            (Some("functions"), Some(name), None) => WebhookTarget::Function(name.to_owned()),
            (Some("triggers"), Some(class), Some(trigger)) => {
                WebhookTarget::Trigger { class: class.to_owned(), trigger: trigger.to_owned() }
            }
            (Some(kind @ ("functions" | "triggers")), None, None) => {
                let listed = if kind == "functions" { WebhookKind::Functions } else { WebhookKind::Triggers };
                return match method {
                    "GET" => Some(Self::Webhooks(listed)),
                    "POST" => Some(Self::CreateWebhook),
                    _ => None,
                };
            }
            _ => return None,
        };
        match method {
            "GET" => Some(Self::Webhook(target)),
            "PUT" => Some(Self::ChangeWebhook(target)),
            _ => None,
        }
    }
}
