//! What the administrator decided: the options the engine obeys, as meant, after `server::config` has read them.

use std::net::IpAddr;
use std::sync::Arc;

use compact_str::CompactString;
use indexmap::IndexMap;
use parsimony_cloud::PushSender;
use parsimony_model::aggregate::Form;
use parsimony_model::{ClassName, Date, Map};

use parsimony_model::permissions::UserIds;

use crate::files::FileOptions;
use crate::idempotency::Idempotency;
use crate::limits::{Complexity, Limits};
use crate::live::LiveOptions;
use crate::purchases::PurchaseOptions;
use crate::rate_limits::{CountedBy, PatternLimit};
use crate::security::SecurityOptions;
use crate::users::auth_data::is_of_provider;
use crate::users::options::AccountOptions;

/// Decides whether a key is accepted from an address.
pub type AddressRule = Box<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// The master key.
pub enum MasterKey {
    /// The same for as long as the server runs. Empty: there is none, and nobody is master.
    Fixed(String),
    /// What it is at a time; asked by every request that presents one.
    Changing(Box<dyn Fn(Date) -> Arc<str> + Send + Sync>),
}

impl MasterKey {
    /// Whether there is none.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Fixed(key) if key.is_empty())
    }

    /// What it is at this time.
    pub fn at(&self, now: Date) -> Arc<str> {
        match self {
            Self::Fixed(key) => key.as_str().into(),
            Self::Changing(key) => key(now),
        }
    }
}

/// The secrets of an application, and from where they are accepted.
pub struct Keys {
    /// The application id; every client sends it.
    pub application_id: String,
    /// The key that may do everything.
    pub master_key: MasterKey,
    /// From where the master key is accepted.
    pub master_key_ips: AddressRule,
    /// The key that may read everything.
    pub read_only_master_key: Option<String>,
    /// From where the read-only key is accepted.
    pub read_only_master_key_ips: AddressRule,
    /// The key that may read and write internal fields.
    pub maintenance_key: Option<String>,
    /// From where the maintenance key is accepted.
    pub maintenance_key_ips: AddressRule,
    /// If any of these is set, a client must present one of them.
    pub client_key: Option<String>,
    /// See `client_key`.
    pub javascript_key: Option<String>,
    /// See `client_key`.
    pub dot_net_key: Option<String>,
    /// See `client_key`.
    pub rest_api_key: Option<String>,
    /// What webhooks know this server by, `webhookKey`.
    pub webhook_key: Option<String>,
    /// What opens the measures and nothing else, `parsimony.metricsToken`.
    pub metrics_token: Option<String>,
}

/// A pattern that data may not contain, `requestKeywordDenylist`.
#[derive(Debug, Clone)]
pub struct DeniedKeyword {
    /// What the key may not look like.
    pub key: Option<regex::Regex>,
    /// What the value may not look like; with a key, both have to match.
    pub value: Option<regex::Regex>,
    /// Whether it is written as a text, which is a key; that is how a refusal shows it.
    pub is_text: bool,
}

/// Parse's `schema` option: classes that the configuration defines, and how they are meant.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of Parse Server's, on or off")]
pub struct DefinedSchemas {
    /// `definitions`
    pub definitions: Vec<Map>,
    /// `strict`: what differs is told, and no class may be defined twice.
    pub strict: bool,
    /// `lockSchemas`: classes are created and changed by these definitions alone.
    pub lock_schemas: bool,
    /// `deleteExtraFields`: fields that are not defined go, with their values.
    pub delete_extra_fields: bool,
    /// `recreateModifiedFields`: fields of another type are made anew, without their values.
    pub recreate_modified_fields: bool,
    /// `keepUnknownIndexes`: indexes that are not defined stay.
    pub keep_unknown_indexes: bool,
}

/// What becomes of the rows of a device that are too many, `installation.duplicateDeviceTokenAction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DuplicateAction {
    /// They go.
    #[default]
    Delete,
    /// They lose what they have in common with the one that stays.
    Update,
}

/// Which of two rows of a device stays, `installation.duplicateDeviceTokenMergePriority`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MergePriority {
    /// The one that has the token.
    #[default]
    DeviceToken,
    /// The one that has the installation id.
    InstallationId,
}

/// Parse's `installation` option: how the rows of one device become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InstallationOptions {
    /// `duplicateDeviceTokenAction`
    pub duplicate_action: DuplicateAction,
    /// `duplicateDeviceTokenActionEnforceAuth`: whether the rights of the caller count for that.
    pub enforces_auth: bool,
    /// `duplicateDeviceTokenMergePriority`
    pub merge_priority: MergePriority,
}

/// `push`: how devices are reached.
#[derive(Clone)]
pub struct PushOptions {
    /// What sends.
    pub sender: Arc<dyn PushSender>,
    /// `scheduledPush`: whether a push that is for later waits for its time.
    pub scheduled: bool,
    /// `push.queueOptions.batchSize`: how many devices are sent to between two notes of how far a push has come.
    pub batch_devices: u64,
    /// `push.queueOptions.disablePushWorker`, the other way round: whether this server sends.
    pub sends: bool,
    /// Whether tokens go from installations when their services say that they are gone.
    pub cleans_up: bool,
}

impl PushOptions {
    /// Parse's defaults.
    pub fn new(sender: Arc<dyn PushSender>) -> Self {
        Self { sender, scheduled: false, batch_devices: 100, sends: true, cleans_up: false }
    }
}

/// The options of an engine. The names are Parse Server's.
#[expect(clippy::struct_excessive_bools, reason = "each is an option of Parse Server's, on or off")]
pub struct Options {
    /// The keys.
    pub keys: Keys,
    /// `allowClientClassCreation`
    pub allow_client_class_creation: bool,
    /// `allowCustomObjectId`
    pub allow_custom_object_id: bool,
    /// `objectIdSize`
    pub object_id_size: usize,
    /// `defaultLimit`
    pub default_limit: u64,
    /// `maxLimit`
    pub max_limit: Option<u64>,
    /// What the server bears, from anybody; `batchRequestLimit` stands here.
    pub limits: Limits,
    /// `requestComplexity`
    pub complexity: Complexity,
    /// `fileUpload.allowedFileUrlDomains`: the hosts that the URL of a File may name; `None` allows all.
    pub file_url_domains: Option<Vec<String>>,
    /// `protectedFields`: class, group, fields.
    pub protected_fields: IndexMap<ClassName, IndexMap<CompactString, Vec<CompactString>>>,
    /// `protectedFieldsOwnerExempt`
    pub protected_fields_owner_exempt: bool,
    /// `protectedFieldsSaveResponseExempt`: the answer to a save may hold protected fields.
    pub protected_fields_save_response_exempt: bool,
    /// `protectedFieldsTriggerExempt`: the hooks of an update see the whole object, whatever its caller may see.
    pub protected_fields_trigger_exempt: bool,
    /// `enforcePrivateUsers`
    pub enforce_private_users: bool,
    /// `enableAnonymousUsers`
    pub enable_anonymous_users: bool,
    /// `databaseOptions.createIndexAuthDataUniqueness`
    pub create_index_auth_data_uniqueness: bool,
    /// `sessionLength`, in seconds.
    pub session_seconds: i64,
    /// `expireInactiveSessions`
    pub expire_inactive_sessions: bool,
    /// `revokeSessionOnPasswordReset`
    pub revoke_session_on_password_reset: bool,
    /// `cacheTTL`, in milliseconds.
    pub cache_millis: u64,
    /// `cacheMaxSize`
    pub cache_entries_max: u64,
    /// `requestKeywordDenylist`
    pub denied_keywords: Vec<DeniedKeyword>,
    /// `enableSanitizedErrorResponse`
    pub sanitized_errors: bool,
    /// Mail, verification, passwords, lockout and sessions.
    pub accounts: AccountOptions,
    /// bcrypt's cost of a new password hash; Parse's is 10.
    pub password_cost: u32,
    /// Where files are read from: what stands before the file name in the `url` of File values.
    pub files_url: String,
    /// What was decided about files.
    pub files: FileOptions,
    /// What was decided about purchases.
    pub purchases: PurchaseOptions,
    /// What was decided about the report of weak options.
    pub security: SecurityOptions,
    /// `databaseOptions.allowPublicExplain`
    pub allow_public_explain: bool,
    /// `allowAggregationForReadOnlyMasterKey`
    pub allow_aggregation_for_read_only_master_key: bool,
    /// `query.aggregationRawValues` and `query.aggregationRawFieldNames`
    pub aggregation_form: Form,
    /// `idempotencyOptions`; `None` watches nothing.
    pub idempotency: Option<Idempotency>,
    /// `liveQuery` and `liveQueryServerOptions`; `None` if there is no LiveQuery.
    pub live: Option<LiveOptions>,
    /// `routeAllowList`: the only paths a client may ask, as whole-path patterns; `None` allows all.
    pub route_allow_list: Option<Vec<regex::Regex>>,
    /// `rateLimit`
    pub rate_limits: Vec<PatternLimit>,
    /// `parsimony.rateLimitCounts`
    pub rate_counted_by: CountedBy,
    /// `schema`
    pub schema: Option<DefinedSchemas>,
    /// The indexes of built-in classes that are not to be made at the start, `databaseOptions.createIndex…`.
    pub indexes_left_out: Vec<&'static str>,
    /// `installation`
    pub installations: InstallationOptions,
    /// `push`; `None` if devices cannot be reached.
    pub push: Option<PushOptions>,
}

impl Options {
    /// Whether an index that Parse makes at the start is not wanted.
    pub(crate) fn leaves_out_index(&self, name: &str) -> bool {
        self.indexes_left_out.contains(&name) || (!self.create_index_auth_data_uniqueness && is_of_provider(name))
    }

    /// What the ids of users look like.
    pub(crate) fn user_ids(&self) -> UserIds {
        if self.allow_custom_object_id { UserIds::Chosen } else { UserIds::Made }
    }

    /// Parse Server's defaults, with these keys, the master key accepted from this machine only.
    pub fn new(application_id: &str, master_key: &str) -> Self {
        let local: fn(IpAddr) -> bool = |ip| ip.to_canonical().is_loopback();
        Self {
            keys: Keys {
                application_id: application_id.to_owned(),
                master_key: MasterKey::Fixed(master_key.to_owned()),
                master_key_ips: Box::new(local),
                read_only_master_key: None,
                read_only_master_key_ips: Box::new(|_| true),
                maintenance_key: None,
                maintenance_key_ips: Box::new(local),
                client_key: None,
                javascript_key: None,
                dot_net_key: None,
                rest_api_key: None,
                webhook_key: None,
                metrics_token: None,
            },
            allow_client_class_creation: false,
            allow_custom_object_id: false,
            object_id_size: 10,
            default_limit: 100,
            max_limit: None,
            limits: Limits::default(),
            complexity: Complexity::default(),
            file_url_domains: None,
            protected_fields: IndexMap::from([(
                parsimony_model::builtin::Builtin::User.name(),
                IndexMap::from([("*".into(), vec!["email".into()])]),
            )]),
            protected_fields_owner_exempt: true,
            protected_fields_save_response_exempt: true,
            protected_fields_trigger_exempt: false,
            enforce_private_users: true,
            enable_anonymous_users: true,
            create_index_auth_data_uniqueness: true,
            session_seconds: 31_536_000,
            expire_inactive_sessions: true,
            revoke_session_on_password_reset: true,
            cache_millis: 5_000,
            cache_entries_max: 10_000,
            denied_keywords: default_denied_keywords(),
            sanitized_errors: true,
            accounts: AccountOptions::default(),
            password_cost: 10,
            files_url: String::new(),
            files: FileOptions::default(),
            purchases: PurchaseOptions::default(),
            security: SecurityOptions::default(),
            allow_public_explain: false,
            allow_aggregation_for_read_only_master_key: true,
            aggregation_form: Form::default(),
            idempotency: None,
            live: None,
            route_allow_list: None,
            rate_limits: Vec::new(),
            rate_counted_by: CountedBy::default(),
            schema: None,
            indexes_left_out: Vec::new(),
            installations: InstallationOptions::default(),
            push: None,
        }
    }
}

/// Parse's default list: `_bsontype: Code`, `constructor`, `__proto__`.
pub fn default_denied_keywords() -> Vec<DeniedKeyword> {
    let word = |text: &str| regex::Regex::new(text).ok();
    vec![
        DeniedKeyword { key: word("_bsontype"), value: word("Code"), is_text: false },
        DeniedKeyword { key: word("constructor"), value: None, is_text: false },
        DeniedKeyword { key: word("__proto__"), value: None, is_text: false },
    ]
}
