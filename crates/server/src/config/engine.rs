//! Which of the options does the engine obey, and how are they meant?

use std::collections::BTreeSet;

use parsimony_engine::{Complexity, DefinedSchemas, DeniedKeyword, Idempotency, Keys, Limits, LiveOptions, Options};
use parsimony_model::ClassName;
use parsimony_model::aggregate::Form;
use parsimony_model::builtin::Builtin;
use parsimony_model::query::parse::Bounds;
use parsimony_model::value::json;
use regex::Regex;
use serde_json::Value;

use super::addresses::rule;
use super::raw::Raw;
use super::{accounts, files, master_key, push, rate_limits};

/// How often a client of LiveQuery is asked whether it is there, unless told otherwise.
const PING_MILLIS: u64 = 10_000;

/// How long a request is remembered unless told otherwise, `idempotencyOptions.ttl`.
const IDEMPOTENCY_SECONDS: u64 = 300;

/// Reads the options of the engine.
pub(super) fn options(raw: &Raw) -> Result<Options, String> {
    let defaults = Options::new("", "");
    let flag = |name, otherwise| raw.flag(name).map(|flag| flag.unwrap_or(otherwise));
    let owner_exempt = flag("protectedFieldsOwnerExempt", defaults.protected_fields_owner_exempt)?;
    let save_response_exempt =
        flag("protectedFieldsSaveResponseExempt", defaults.protected_fields_save_response_exempt)?;
    if raw.get("allowClientClassCreation").is_some_and(|given| !given.is_boolean()) {
        // Parse: not even the text of one.
        return Err("Parse Server option allowClientClassCreation must be a boolean.".to_owned());
    }
    let mut options = Options {
        keys: keys(raw, defaults.keys)?,
        allow_client_class_creation: flag("allowClientClassCreation", defaults.allow_client_class_creation)?,
        allow_custom_object_id: flag("allowCustomObjectId", defaults.allow_custom_object_id)?,
        object_id_size: object_id_size(raw)?.unwrap_or(defaults.object_id_size),
        default_limit: raw.positive("defaultLimit")?.unwrap_or(defaults.default_limit),
        max_limit: raw.positive("maxLimit")?.or(defaults.max_limit),
        limits: limits(raw)?,
        complexity: complexity(raw)?,
        protected_fields_owner_exempt: owner_exempt,
        protected_fields_save_response_exempt: save_response_exempt,
        protected_fields_trigger_exempt: flag(
            "protectedFieldsTriggerExempt",
            defaults.protected_fields_trigger_exempt,
        )?,
        indexes_left_out: indexes_left_out(raw)?,
        enforce_private_users: flag("enforcePrivateUsers", defaults.enforce_private_users)?,
        enable_anonymous_users: flag("enableAnonymousUsers", defaults.enable_anonymous_users)?,
        create_index_auth_data_uniqueness: flag(
            "databaseOptions.createIndexAuthDataUniqueness",
            defaults.create_index_auth_data_uniqueness,
        )?,
        session_seconds: session_seconds(raw, defaults.session_seconds)?,
        expire_inactive_sessions: flag("expireInactiveSessions", defaults.expire_inactive_sessions)?,
        revoke_session_on_password_reset: flag(
            "revokeSessionOnPasswordReset",
            defaults.revoke_session_on_password_reset,
        )?,
        accounts: accounts::options(raw)?,
        cache_millis: unsigned(raw, "cacheTTL")?.unwrap_or(defaults.cache_millis),
        cache_entries_max: unsigned(raw, "cacheMaxSize")?.unwrap_or(defaults.cache_entries_max),
        allow_public_explain: flag("databaseOptions.allowPublicExplain", defaults.allow_public_explain)?,
        allow_aggregation_for_read_only_master_key: flag(
            "allowAggregationForReadOnlyMasterKey",
            defaults.allow_aggregation_for_read_only_master_key,
        )?,
        aggregation_form: Form {
            raw_values: flag("query.aggregationRawValues", defaults.aggregation_form.raw_values)?,
            raw_field_names: flag("query.aggregationRawFieldNames", defaults.aggregation_form.raw_field_names)?,
        },
        live: live(raw)?,
        sanitized_errors: flag("enableSanitizedErrorResponse", defaults.sanitized_errors)?,
        ..defaults
    };
    if let Some(denied) = denied_keywords(raw)? {
        options.denied_keywords = denied;
    }
    protected_fields(raw, &mut options)?;
    options.idempotency = idempotency(raw)?;
    options.route_allow_list = route_allow_list(raw)?;
    options.rate_limits = rate_limits::read(raw)?;
    options.schema = schema(raw)?;
    options.installations = push::installations(raw)?;
    options.file_url_domains = file_url_domains(raw)?;
    options.files = files::options(raw)?;
    options.purchases = files::purchases(raw)?;
    Ok(options)
}

fn keys(raw: &Raw, defaults: Keys) -> Result<Keys, String> {
    let addresses = |name, otherwise| match raw.list(name)? {
        Some(list) => rule(name, &list),
        None => Ok(otherwise),
    };
    let keys = Keys {
        application_id: raw.text("appId")?.unwrap_or_default(),
        master_key: master_key::read(raw)?,
        master_key_ips: addresses("masterKeyIps", defaults.master_key_ips)?,
        read_only_master_key: raw.text("readOnlyMasterKey")?,
        read_only_master_key_ips: addresses("readOnlyMasterKeyIps", defaults.read_only_master_key_ips)?,
        webhook_key: raw.text("webhookKey")?,
        metrics_token: raw.text("parsimony.metricsToken")?,
        maintenance_key: raw.text("maintenanceKey")?,
        maintenance_key_ips: addresses("maintenanceKeyIps", defaults.maintenance_key_ips)?,
        client_key: raw.text("clientKey")?,
        javascript_key: raw.text("javascriptKey")?,
        dot_net_key: raw.text("dotNetKey")?,
        rest_api_key: raw.text("restAPIKey")?,
    };
    for (name, key) in [
        ("readOnlyMasterKey", &keys.read_only_master_key),
        ("maintenanceKey", &keys.maintenance_key),
        ("parsimony.metricsToken", &keys.metrics_token),
    ] {
        if key.as_deref() == Some("") {
            return Err(format!("{name} must not be empty."));
        }
        if key.as_deref().is_some_and(|key| master_key::is_now(&keys.master_key, key)) {
            return Err(format!("masterKey and {name} should be different"));
        }
    }
    Ok(keys)
}

/// `databaseOptions.createIndex…`: what it is called, and the index it is about.
const INDEXES: [(&str, &str); 7] = [
    ("createIndexUserUsername", "username_1"),
    ("createIndexUserUsernameCaseInsensitive", "case_insensitive_username"),
    ("createIndexUserEmail", "email_1"),
    ("createIndexUserEmailCaseInsensitive", "case_insensitive_email"),
    ("createIndexUserEmailVerifyToken", "_email_verify_token"),
    ("createIndexUserPasswordResetToken", "_perishable_token"),
    ("createIndexRoleName", "name_1"),
];

fn indexes_left_out(raw: &Raw) -> Result<Vec<&'static str>, String> {
    let mut left_out = Vec::new();
    for (option, index) in INDEXES {
        if raw.flag(&format!("databaseOptions.{option}"))? == Some(false) {
            left_out.push(index);
        }
    }
    Ok(left_out)
}

fn object_id_size(raw: &Raw) -> Result<Option<usize>, String> {
    match raw.number("objectIdSize")? {
        None => Ok(None),
        Some(size @ 1..=64) => Ok(usize::try_from(size).ok()),
        Some(_) => Err("objectIdSize must be between 1 and 64.".to_owned()),
    }
}

fn session_seconds(raw: &Raw, otherwise: i64) -> Result<i64, String> {
    let seconds = raw.positive("sessionLength")?.map_or(Ok(otherwise), i64::try_from);
    seconds.map_err(|_too_large| "sessionLength is too large.".to_owned())
}

fn unsigned(raw: &Raw, name: &str) -> Result<Option<u64>, String> {
    let number = raw.number(name)?.map(u64::try_from).transpose();
    number.map_err(|_negative| format!("{name} must not be negative."))
}

/// One of `requestComplexity`: a number greater than 0, or -1 for none.
fn bound(raw: &Raw, name: &str) -> Result<Option<u64>, String> {
    match raw.number(name)? {
        None | Some(-1) => Ok(None),
        Some(number) => match u64::try_from(number) {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => Err(format!("{name} must be greater than 0, or -1 for no bound.")),
        },
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn limits(raw: &Raw) -> Result<Limits, String> {
    let batch_parts_max = bound(raw, "requestComplexity.batchRequestLimit")?.map(size);
    Ok(Limits { batch_parts_max, ..Limits::default() })
}

fn complexity(raw: &Raw) -> Result<Complexity, String> {
    Ok(Complexity {
        include_depth_max: bound(raw, "requestComplexity.includeDepth")?.map(size),
        include_paths_max: bound(raw, "requestComplexity.includeCount")?.map(size),
        subquery_rows_max: bound(raw, "requestComplexity.subqueryLimit")?,
        conditions: Bounds {
            query_depth_max: bound(raw, "requestComplexity.queryDepth")?.map(size),
            subquery_depth_max: bound(raw, "requestComplexity.subqueryDepth")?.map(size),
            refuses_regex: raw.flag("requestComplexity.allowRegex")? == Some(false),
        },
    })
}

/// `fileUpload.allowedFileUrlDomains`: `*` among them allows all.
fn file_url_domains(raw: &Raw) -> Result<Option<Vec<String>>, String> {
    let name = "fileUpload.allowedFileUrlDomains";
    let Some(domains) = raw.list(name)? else { return Ok(None) };
    if domains.iter().any(String::is_empty) {
        return Err(format!("{name} must have no empty texts."));
    }
    let all = domains.iter().any(|domain| domain == "*");
    Ok((!all).then(|| domains.iter().map(|domain| domain.to_lowercase()).collect()))
}

fn denied_keywords(raw: &Raw) -> Result<Option<Vec<DeniedKeyword>>, String> {
    let name = "requestKeywordDenylist";
    let bad = || {
        format!(
            "{name} must be a list of keys, or of objects with a key, a value, or both, each the text of a pattern."
        )
    };
    let items = match raw.get(name) {
        None => return Ok(None),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(bad()),
    };
    let pattern = |item: &Value, part: &str| match item.get(part) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Regex::new(text).map(Some).map_err(|error| format!("{name}: {error}")),
        Some(_) => Err(bad()),
    };
    let denied = items.iter().map(|item| {
        if let Value::String(text) = item {
            let key = Regex::new(text).map_err(|error| format!("{name}: {error}"))?;
            return Ok(DeniedKeyword { key: Some(key), value: None, is_text: true });
        }
        let keyword = DeniedKeyword { key: pattern(item, "key")?, value: pattern(item, "value")?, is_text: false };
        if keyword.key.is_none() && keyword.value.is_none() { Err(bad()) } else { Ok(keyword) }
    });
    denied.collect::<Result<_, _>>().map(Some)
}

/// Parse: the defaults are added to what is given, unless owners are not exempt.
fn protected_fields(raw: &Raw, options: &mut Options) -> Result<(), String> {
    let bad = || "protectedFields must be an object of classes, of groups, of lists of fields.".to_owned();
    if let Some(written) = raw.get("protectedFields") {
        let defaults = std::mem::take(&mut options.protected_fields);
        if options.protected_fields_owner_exempt {
            options.protected_fields = defaults;
        }
        for (class, groups) in written.as_object().ok_or_else(bad)? {
            let class = ClassName::parse(class).map_err(|error| format!("protectedFields: {error}"))?;
            let known = options.protected_fields.entry(class).or_default();
            for (group, fields) in groups.as_object().ok_or_else(bad)? {
                let known = known.entry(group.as_str().into()).or_default();
                for field in fields.as_array().ok_or_else(bad)? {
                    known.push(field.as_str().ok_or_else(bad)?.into());
                }
                let mut seen = BTreeSet::new();
                known.retain(|field| seen.insert(field.clone()));
            }
        }
    }
    if let Some(fields) = raw.list("userSensitiveFields")? {
        let known = options.protected_fields.entry(Builtin::User.name()).or_default();
        known.entry("*".into()).or_default().extend(fields.iter().map(|field| field.as_str().into()));
    }
    Ok(())
}

/// `schema`: classes that the configuration defines.
fn schema(raw: &Raw) -> Result<Option<DefinedSchemas>, String> {
    match raw.get("schema") {
        None => return Ok(None),
        Some(Value::Object(_)) => {}
        Some(_) => return Err("schema must be an object with definitions.".to_owned()),
    }
    for hook in ["beforeMigration", "afterMigration"] {
        if raw.get(&format!("schema.{hook}")).is_some() {
            return Err(format!(
                "schema.{hook} is code: give it to the application, with Application::{}.",
                snake(hook)
            ));
        }
    }
    let bad = || "\"schema.definitions\" must be an array of schemas".to_owned();
    let definitions = match raw.get("schema.definitions") {
        None => Vec::new(),
        Some(Value::Array(written)) => {
            let read = |written: &Value| match json::from_serializable(written) {
                Ok(parsimony_model::Value::Object(map)) => Ok(map),
                _ => Err(bad()),
            };
            written.iter().map(read).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(bad()),
    };
    let flag = |name| raw.flag(name).map(Option::unwrap_or_default);
    Ok(Some(DefinedSchemas {
        definitions,
        strict: flag("schema.strict")?,
        lock_schemas: flag("schema.lockSchemas")?,
        delete_extra_fields: flag("schema.deleteExtraFields")?,
        recreate_modified_fields: flag("schema.recreateModifiedFields")?,
        keep_unknown_indexes: flag("schema.keepUnknownIndexes")?,
    }))
}

fn snake(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 1);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// `idempotencyOptions`: patterns of what a path begins with, and seconds.
fn idempotency(raw: &Raw) -> Result<Option<Idempotency>, String> {
    let seconds = raw.positive("idempotencyOptions.ttl")?.unwrap_or(IDEMPOTENCY_SECONDS);
    let seconds = i64::try_from(seconds).map_err(|_too_large| "idempotencyOptions.ttl is too large.".to_owned())?;
    let begins = |pattern: &String| {
        let pattern = pattern.trim_start_matches('^');
        Regex::new(&format!("^(?:{pattern})")).map_err(|error| format!("idempotencyOptions.paths: {error}"))
    };
    let paths = raw.list("idempotencyOptions.paths")?.unwrap_or_default();
    let paths = paths.iter().map(begins).collect::<Result<Vec<_>, _>>()?;
    let saves_replies = raw.flag("parsimony.idempotency.savedReplies")?.unwrap_or(false);
    Ok((!paths.is_empty()).then_some(Idempotency { paths, seconds, saves_replies }))
}

/// `liveQuery` and `liveQueryServerOptions`. A server without a configuration tells the changes of every class.
fn live(raw: &Raw) -> Result<Option<LiveOptions>, String> {
    let all = raw.get("appId").is_none().then(|| vec![".*".to_owned()]);
    let names = raw.list("liveQuery.classNames")?.or(all).unwrap_or_default();
    let starts = raw.flag("startLiveQueryServer")?.unwrap_or(!names.is_empty());
    let whole =
        |name: &String| Regex::new(&format!("^(?:{name})$")).map_err(|error| format!("liveQuery.classNames: {error}"));
    let classes = names.iter().map(whole).collect::<Result<_, _>>()?;
    let key_pairs = match raw.get("liveQueryServerOptions.keyPairs") {
        None => parsimony_model::Map::default(),
        Some(pairs) => match json::from_serializable(pairs) {
            Ok(parsimony_model::Value::Object(map)) => map,
            _ => return Err("liveQueryServerOptions.keyPairs must be an object.".to_owned()),
        },
    };
    let ping_millis = raw.positive("liveQueryServerOptions.websocketTimeout")?.unwrap_or(PING_MILLIS);
    Ok(starts.then_some(LiveOptions { classes, key_pairs, ping_millis }))
}

fn route_allow_list(raw: &Raw) -> Result<Option<Vec<Regex>>, String> {
    let Some(patterns) = raw.list("routeAllowList")? else { return Ok(None) };
    let whole =
        |pattern: &String| Regex::new(&format!("^(?:{pattern})$")).map_err(|error| format!("routeAllowList: {error}"));
    patterns.iter().map(whole).collect::<Result<_, _>>().map(Some)
}
