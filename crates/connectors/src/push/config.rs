//! What does the administrator write under `push`? What Parse's own push adapter takes, and where else a service may be.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// `push`
#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PushConfig {
    pub(super) ios: Option<Apple>,
    pub(super) osx: Option<Apple>,
    pub(super) tvos: Option<Apple>,
    pub(super) watchos: Option<Apple>,
    pub(super) android: Option<FcmConfig>,
    pub(super) fcm: Option<FcmConfig>,
    pub(super) web: Option<WebConfig>,
    pub(super) expo: Option<ExpoConfig>,
    pub(super) adapter: Option<Adapter>,
    /// `queueOptions`
    #[serde(default)]
    pub queue_options: QueueConfig,
}

/// `push.queueOptions`
#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueueConfig {
    /// How many devices are sent to between two notes of how far a push has come.
    pub batch_size: Option<u64>,
    /// Whether this server leaves sending to others.
    #[serde(default)]
    pub disable_push_worker: bool,
    /// Parse's name of its message queue; there is none here.
    #[serde(rename = "channel")]
    _channel: Option<IgnoredAny>,
}

/// How Apple's devices are reached: by one account, by the first of several that fits, or through Google's service.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Apple {
    Fcm(FcmConfig),
    One(Box<ApnsConfig>),
    Several(Vec<ApnsConfig>),
}

/// An account of Apple's service.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ApnsConfig {
    pub(super) token: Option<ApnsToken>,
    pub(super) cert: Option<String>,
    pub(super) key: Option<String>,
    pub(super) pfx: Option<IgnoredAny>,
    pub(super) topic: Option<String>,
    pub(super) bundle_id: Option<String>,
    #[serde(default)]
    pub(super) production: bool,
    /// Where the service is, if not at Apple's; ours.
    pub(super) endpoint: Option<String>,
    #[serde(rename = "passphrase")]
    _passphrase: Option<IgnoredAny>,
    #[serde(rename = "connectionRetryLimit")]
    _connection_retry_limit: Option<IgnoredAny>,
    #[serde(rename = "useNativeAPNs")]
    _use_native_apns: Option<IgnoredAny>,
}

/// The key with which an account of Apple's is signed in.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ApnsToken {
    /// The key in PEM, or the name of its file.
    pub(super) key: String,
    pub(super) key_id: String,
    pub(super) team_id: String,
}

/// An account of Google's service.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FcmConfig {
    pub(super) firebase_service_account: ServiceAccount,
    /// Where the service is, if not at Google's; ours.
    pub(super) endpoint: Option<String>,
    #[serde(rename = "fcmEnableLegacyHttpTransport")]
    _legacy: Option<IgnoredAny>,
    #[serde(rename = "resolveUnhandledClientError")]
    _resolve: Option<IgnoredAny>,
}

/// A service account: its file, or what is in it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ServiceAccount {
    File(String),
    Text(ServiceAccountText),
}

/// What is in the file of a service account, as far as it matters.
#[derive(Debug, Deserialize, Clone)]
pub(super) struct ServiceAccountText {
    #[serde(alias = "projectId")]
    pub(super) project_id: String,
    #[serde(alias = "clientEmail")]
    pub(super) client_email: String,
    #[serde(alias = "privateKey")]
    pub(super) private_key: String,
    pub(super) token_uri: Option<String>,
}

/// How browsers are reached.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WebConfig {
    pub(super) vapid_details: VapidDetails,
    /// How long a service keeps a message, in seconds.
    #[serde(rename = "TTL")]
    pub(super) ttl: Option<u64>,
    pub(super) urgency: Option<String>,
    /// The hosts that subscriptions may name beside the known services; ours.
    #[serde(default)]
    pub(super) hosts: Vec<String>,
}

/// Who asks the services of browsers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct VapidDetails {
    pub(super) subject: String,
    pub(super) public_key: String,
    pub(super) private_key: String,
}

/// How Expo is reached.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ExpoConfig {
    pub(super) access_token: Option<String>,
    /// Where the service is, if not at Expo's; ours.
    pub(super) endpoint: Option<String>,
    #[serde(rename = "useFcmV1")]
    _use_fcm_v1: Option<IgnoredAny>,
    #[serde(rename = "maxConcurrentRequests")]
    _max_concurrent_requests: Option<IgnoredAny>,
}

/// `push.adapter`: a service of the administrator's own.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Adapter {
    pub(super) webhook: Webhook,
}

/// Where the administrator's own service is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Webhook {
    pub(super) url: String,
    #[serde(rename = "methods")]
    _methods: Option<IgnoredAny>,
    #[serde(rename = "validPushTypes")]
    _valid_push_types: Option<IgnoredAny>,
    #[serde(rename = "props")]
    _props: Option<IgnoredAny>,
}

/// A text that is PEM, or the name of a file that holds it.
pub(super) fn pem_or_file(written: &str) -> Result<String, String> {
    if written.contains("-----BEGIN") {
        return Ok(written.to_owned());
    }
    std::fs::read_to_string(written).map_err(|error| format!("the file {written} cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_s_configuration_is_read() {
        let config: PushConfig = serde_json::from_value(serde_json::json!({
            "ios": [{"token": {"key": "k.p8", "keyId": "K", "teamId": "T"}, "topic": "app", "production": true, "connectionRetryLimit": 3}],
            "tvos": {"cert": "c", "key": "k", "bundleId": "app", "passphrase": ""},
            "osx": {"firebaseServiceAccount": "file.json"},
            "android": {"firebaseServiceAccount": {"project_id": "p", "client_email": "c", "private_key": "k", "type": "service_account"}},
            "web": {"vapidDetails": {"subject": "mailto:a@b", "publicKey": "p", "privateKey": "k"}, "TTL": 60},
            "expo": {},
            "queueOptions": {"batchSize": 7, "disablePushWorker": true, "channel": "x"},
        })).unwrap();
        assert!(matches!(config.ios, Some(Apple::Several(accounts)) if accounts.len() == 1 && accounts[0].production));
        assert!(matches!(config.tvos, Some(Apple::One(account)) if account.bundle_id.as_deref() == Some("app")));
        assert!(matches!(config.osx, Some(Apple::Fcm(_))));
        assert_eq!((config.queue_options.batch_size, config.queue_options.disable_push_worker), (Some(7), true));
    }

    #[test]
    fn what_is_no_option_is_refused() {
        let read = |value| serde_json::from_value::<PushConfig>(value).map(drop).unwrap_err().to_string();
        assert!(read(serde_json::json!({"blackberry": {}})).contains("blackberry"));
        assert!(read(serde_json::json!({"web": {"vapidDetails": {"subject": "s"}}})).contains("publicKey"));
    }
}
