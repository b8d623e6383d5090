//! What is set for all applications together: `parsimony.settings.kit`.

use std::sync::Arc;

use parsimony_cloud::HttpClient;
use parsimony_connectors::TwilioOptions;
use serde::Deserialize;

use crate::notifications::delivery::Ways;

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// The account at Twilio that sends text messages; without one none are sent.
    twilio: Option<TwilioOptions>,
    /// How many letters, text messages and pushes, each for itself, somebody gets in an hour; more wait.
    notifications_per_hour: u64,
    /// What stands behind the `@` in the `Message-ID` of letters.
    message_domain: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { twilio: None, notifications_per_hour: 20, message_domain: "notifications.parsimony".to_owned() }
    }
}

impl Settings {
    /// What sends notifications.
    pub(crate) fn ways(self, http: Arc<dyn HttpClient>) -> Ways {
        let Self { twilio, notifications_per_hour, message_domain } = self;
        Ways { twilio, http, per_hour_max: notifications_per_hour, message_domain }
    }
}
