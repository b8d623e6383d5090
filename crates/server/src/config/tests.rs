//! Options as administrators write them, and what they mean.

use parsimony_engine::MasterKey;
use parsimony_model::Date;
use parsimony_model::query::parse::Bounds;
use serde_json::json;

use super::*;

fn read(options: &Value) -> Result<Config, String> {
    Config::read(Sources { file: Some(("test".to_owned(), options.to_string())), ..Sources::default() })
}

fn error(options: &Value) -> String {
    read(options).err().unwrap_or_else(|| panic!("{options} is accepted"))
}

#[test]
fn nothing_configured_serves_this_machine_from_a_file() {
    let config = Config::read(Sources::default()).unwrap();
    assert_eq!((config.host.as_str(), config.port, config.mount_path.as_str()), ("127.0.0.1", 1337, "/parse"));
    assert_eq!(config.database, Database::Sqlite("./data/parsimony.db".into()));
    assert_eq!((config.body_bytes_max, config.logging.level), (20 << 20, Some(tracing::Level::INFO)));
    assert!(config.options.keys.master_key.is_missing() && config.warnings.is_empty());
    assert_eq!(config.reached_at(1337), "http://127.0.0.1:1337/parse");
}

#[test]
fn a_parse_server_configuration_means_what_it_meant() {
    let config = read(&json!({
        "appId": "app", "masterKey": "m", "readOnlyMasterKey": "r", "maintenanceKey": "n", "clientKey": "c",
        "javascriptKey": "j", "dotNetKey": "d", "restAPIKey": "k", "databaseURI": "mongodb://h/db",
        "collectionPrefix": "x_", "serverURL": "http://inside/parse/", "publicServerURL": "https://out.example/api",
        "port": "4000", "mountPath": "/api/v1/", "maxUploadSize": "1.5kb", "masterKeyIps": ["10.0.0.0/8"],
        "allowHeaders": ["X-A"], "allowOrigin": "http://a,http://b", "trustProxy": 1, "objectIdSize": 12,
        "allowCustomObjectId": true, "allowClientClassCreation": true, "defaultLimit": 5, "maxLimit": 9,
        "sessionLength": 60, "expireInactiveSessions": false, "revokeSessionOnPasswordReset": false,
        "enforcePrivateUsers": false, "enableSanitizedErrorResponse": false, "cacheTTL": 0, "cacheMaxSize": 7,
        "requestComplexity": { "batchRequestLimit": 3, "includeDepth": 4, "includeCount": 5, "subqueryLimit": 6,
            "queryDepth": 7, "subqueryDepth": -1, "allowRegex": false },
        "fileUpload": { "allowedFileUrlDomains": ["Files.Example"] },
        "routeAllowList": ["classes/A|login"], "requestKeywordDenylist": [{ "key": "bad" }],
        "logLevel": "warn", "jsonLogs": false,
        "databaseOptions": { "maxPoolSize": 3 }, "cluster": false,
    }))
    .unwrap();
    assert_eq!((config.host.as_str(), config.port, config.mount_path.as_str()), ("0.0.0.0", 4000, "/api/v1"));
    assert_eq!(config.reached_at(4000), "https://out.example/api");
    assert_eq!(config.local_url(4000), "http://localhost:4000/api/v1");
    assert_eq!(
        (config.body_bytes_max, &config.allow_origin[..]),
        (1536, &["http://a".to_owned(), "http://b".into()][..])
    );
    let mongo = Database::Mongo {
        uri: "mongodb://h/db?maxPoolSize=3".into(),
        collection_prefix: "x_".into(),
        query_millis_max: None,
    };
    assert_eq!((&config.database, &config.trust_proxy), (&mongo, &TrustProxy::Hops(1)));
    assert_eq!(config.logging, Logging { level: Some(tracing::Level::WARN), silent: false, json: false });
    let options = &config.options;
    assert_eq!((options.object_id_size, options.default_limit, options.max_limit), (12, 5, Some(9)));
    assert_eq!((options.session_seconds, options.cache_millis, options.cache_entries_max), (60, 0, 7));
    let complexity = &options.complexity;
    assert_eq!((options.limits.batch_parts_max, complexity.include_depth_max), (Some(3), Some(4)));
    assert_eq!((complexity.include_paths_max, complexity.subquery_rows_max), (Some(5), Some(6)));
    let conditions = Bounds { query_depth_max: Some(7), subquery_depth_max: None, refuses_regex: true };
    assert_eq!(complexity.conditions, conditions);
    assert_eq!(options.file_url_domains, Some(vec!["files.example".to_owned()]));
    assert!(options.allow_custom_object_id && options.allow_client_class_creation);
    assert!(!options.expire_inactive_sessions && !options.revoke_session_on_password_reset);
    assert!(!options.enforce_private_users && !options.sanitized_errors);
    assert!((options.keys.master_key_ips)("10.1.1.1".parse().unwrap()));
    assert!(!(options.keys.master_key_ips)("127.0.0.1".parse().unwrap()));
    let allowed = options.route_allow_list.as_ref().unwrap();
    let routes = ["classes/A", "login", "classes/AB", "xlogin"].map(|path| allowed.iter().any(|p| p.is_match(path)));
    assert_eq!(routes, [true, true, false, false]);
    assert!(options.denied_keywords[0].key.as_ref().unwrap().is_match("bad"));
    assert!(config.verifies_server_url && config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn what_cannot_be_meant_is_refused_by_name() {
    for (options, named) in [
        (json!({ "databaseURI": "mongodb://h/db", "masterKey": "m" }), "appId"),
        (json!({ "databaseURI": "mongodb://h/db", "appId": "a" }), "masterKey"),
        (json!({ "databaseURI": "postgres://h/db" }), "databaseURI"),
        (json!({ "databaseURI": "sqlite:" }), "databaseURI"),
        (json!({ "databaseURI": "mongodb://h/db", "collectionPrefix": "a$" }), "collectionPrefix"),
        (json!({ "masterKey": "m", "readOnlyMasterKey": "m" }), "readOnlyMasterKey"),
        (json!({ "masterKey": "m", "maintenanceKey": "m" }), "maintenanceKey"),
        (json!({ "masterKey": 1 }), "masterKey"),
        (json!({ "masterKey": "" }), "masterKey"),
        (json!({ "masterKey": { "file": "/nowhere/at/all" } }), "masterKey"),
        (json!({ "masterKeyTtl": -1 }), "masterKeyTtl"),
        (json!({ "masterKeyIps": ["localhost"] }), "masterKeyIps"),
        (json!({ "port": 65536 }), "port"),
        (json!({ "publicServerURL": "out.example" }), "publicServerURL"),
        (json!({ "mountPath": "/a b" }), "mountPath"),
        (json!({ "maxUploadSize": "20 bananas" }), "maxUploadSize"),
        (json!({ "maxUploadSize": 0 }), "maxUploadSize"),
        (json!({ "defaultLimit": 0 }), "defaultLimit"),
        (json!({ "maxLimit": -1 }), "maxLimit"),
        (json!({ "sessionLength": 0 }), "sessionLength"),
        (json!({ "objectIdSize": 0 }), "objectIdSize"),
        (json!({ "cacheTTL": -1 }), "cacheTTL"),
        (json!({ "enforcePrivateUsers": "perhaps" }), "enforcePrivateUsers"),
        (json!({ "requestComplexity": { "includeDepth": 0 } }), "requestComplexity.includeDepth"),
        (json!({ "routeAllowList": ["("] }), "routeAllowList"),
        (json!({ "requestKeywordDenylist": [{}] }), "requestKeywordDenylist"),
        (json!({ "requestKeywordDenylist": ["("] }), "requestKeywordDenylist"),
        (json!({ "allowClientClassCreation": "true" }), "allowClientClassCreation must be a boolean"),
        (json!({ "allowClientClassCreation": 1 }), "allowClientClassCreation must be a boolean"),
        (json!({ "protectedFields": { "_User": ["email"] } }), "protectedFields"),
        (json!({ "protectedFields": { "no class": {} } }), "protectedFields"),
        (json!({ "logLevel": "loud" }), "logLevel"),
        (json!({ "trustProxy": {} }), "trustProxy"),
    ] {
        let sentence = error(&options);
        assert!(sentence.contains(named), "{options}: {sentence}");
    }
}

#[test]
fn what_cannot_be_obeyed_is_refused_with_the_reason() {
    let cluster = json!({ "cluster": true });
    let reason = "one process uses every core; several of them share MongoDB";
    assert_eq!(error(&cluster), format!("The option cluster cannot be obeyed: {reason}."));
    assert!(error(&json!({ "liveQuery": { "redisURL": "redis://h" } })).contains("liveQuery.redisURL"));
    for off in [json!(null), json!(false), json!("null")] {
        assert!(read(&json!({ "cluster": off })).unwrap().warnings.is_empty());
    }
    let tolerant = read(&json!({ "cluster": true, "parsimony": { "ignoreUnknownOptions": true } })).unwrap();
    assert_eq!(tolerant.warnings, [format!("the option cluster is ignored: {reason}")]);
}

#[test]
fn every_option_is_obeyed_or_refused_with_a_reason() {
    let text = json!({ "appId": "a", "masterKey": "m", "databaseURI": "mongodb://h/db" }).to_string();
    let raw = Raw::gather(Sources { file: Some(("test".to_owned(), text)), ..Sources::default() }).unwrap();
    Config::of(&raw).unwrap();
    let neither = names::ALL.iter().map(|option| option.name).filter(|name| {
        let judged = raw.was_read(name) || names::refused(name).is_some() || names::has_parts(name);
        // What stands inside a list is read with the list.
        !judged && !name.contains("[]")
    });
    assert_eq!(neither.collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn the_defaults_of_the_next_version_shut_what_is_open() {
    let nine = read(&json!({})).unwrap();
    let ten = read(&json!({ "parsimony": { "compatibility": "parse-10" } })).unwrap();
    assert_eq!((nine.compatibility.name(), ten.compatibility.name()), ("parse-9", "parse-10"));
    let far = "10.0.0.1".parse().unwrap();
    let of = |config: &Config| {
        let options = &config.options;
        (
            (options.keys.read_only_master_key_ips)(far),
            options.file_url_domains.clone(),
            (options.complexity.include_depth_max, options.complexity.include_paths_max),
            options.limits.batch_parts_max,
            (options.complexity.conditions.query_depth_max, options.complexity.conditions.subquery_depth_max),
            (options.protected_fields_owner_exempt, options.protected_fields_save_response_exempt),
            (options.protected_fields_trigger_exempt, options.allow_aggregation_for_read_only_master_key),
        )
    };
    assert_eq!(of(&nine), (true, None, (None, None), None, (None, None), (true, true), (false, true)));
    let shut = (Some(10), Some(100));
    let deep = (Some(10), Some(10));
    assert_eq!(of(&ten), (false, Some(vec![]), shut, Some(100), deep, (false, false), (true, false)));
    // What is written wins over the set, and is no reason to warn.
    let opened = json!({ "parsimony": { "compatibility": "parse-10" }, "protectedFieldsOwnerExempt": true });
    assert!(read(&opened).unwrap().options.protected_fields_owner_exempt);
    assert!(ten.warnings.is_empty(), "{:?}", ten.warnings);
    assert!(error(&json!({ "parsimony": { "compatibility": "parse-8" } })).contains("parse-9 or parse-10"));
}

#[test]
fn indexes_of_users_and_roles_may_be_left_out() {
    let options = json!({ "databaseOptions": { "createIndexUserEmail": false, "createIndexRoleName": true } });
    assert_eq!(read(&options).unwrap().options.indexes_left_out, ["email_1"]);
}

#[test]
fn sizes_have_units() {
    for (written, bytes) in [
        (json!("20mb"), 20 << 20),
        (json!("1GB"), 1 << 30),
        (json!("10 kb"), 10 << 10),
        (json!("7b"), 7),
        (json!("7"), 7),
        (json!(1000), 1000),
        (json!(null), 20 << 20),
    ] {
        assert_eq!(read(&json!({ "maxUploadSize": written })).unwrap().body_bytes_max, bytes);
    }
}

#[test]
fn protected_fields_add_to_the_defaults_unless_owners_are_not_exempt() {
    let fields = |options: &Value| {
        let config = read(options).unwrap();
        let user = config.options.protected_fields.iter().find(|(class, _)| **class == "_User");
        user.and_then(|(_, groups)| groups.get("*").cloned()).unwrap_or_default()
    };
    assert_eq!(fields(&json!({})), ["email"]);
    assert_eq!(fields(&json!({ "protectedFields": { "_User": { "*": ["phone"] } } })), ["email", "phone"]);
    assert_eq!(fields(&json!({ "userSensitiveFields": ["phone"] })), ["email", "phone"]);
    let strict = json!({ "protectedFieldsOwnerExempt": false, "protectedFields": { "_User": { "*": ["phone"] } } });
    assert_eq!(fields(&strict), ["phone"]);
}

#[test]
fn a_master_key_may_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, "secret\n").unwrap();
    let key =
        |ttl| read(&json!({ "masterKey": { "file": path }, "masterKeyTtl": ttl })).unwrap().options.keys.master_key;
    assert!(matches!(key(0), MasterKey::Fixed(key) if key == "secret"));
    assert!(matches!(key(60), MasterKey::Changing(key) if &*key(Date::EPOCH) == "secret"));
}

#[test]
fn databases_by_their_uri() {
    for (uri, expected) in [
        ("sqlite:a/b.db", Database::Sqlite("a/b.db".into())),
        ("sqlite:///a/b.db", Database::Sqlite("/a/b.db".into())),
        ("sqlite:/a/b.db", Database::Sqlite("/a/b.db".into())),
    ] {
        assert_eq!(read(&json!({ "databaseURI": uri })).unwrap().database, expected, "{uri}");
    }
    let moved = read(&json!({ "parsimony": { "dataDir": "/var/x" } })).unwrap();
    assert_eq!(moved.database, Database::Sqlite("/var/x/parsimony.db".into()));
}

#[test]
fn log_levels_are_parse_s() {
    use tracing::Level;
    for (options, level) in [
        (json!({ "logLevel": "error" }), Some(Level::ERROR)),
        (json!({ "logLevel": "verbose" }), Some(Level::DEBUG)),
        (json!({ "logLevel": "silly" }), Some(Level::TRACE)),
        (json!({ "logLevel": "silent" }), None),
        (json!({ "verbose": true }), Some(Level::DEBUG)),
        (json!({ "silent": true, "logLevel": "info" }), Some(Level::INFO)),
    ] {
        let logging = read(&options).unwrap().logging;
        assert_eq!((logging.level, logging.silent), (level, options.get("silent").is_some()), "{options}");
    }
}

#[test]
fn schemas_may_be_defined_by_the_configuration() {
    assert!(read(&json!({})).unwrap().options.schema.is_none());
    let written = json!({ "schema": { "definitions": [{ "className": "A" }], "strict": true, "lockSchemas": true } });
    let schema = read(&written).unwrap().options.schema.unwrap();
    assert_eq!((schema.definitions.len(), schema.strict, schema.lock_schemas), (1, true, true));
    assert!(!schema.delete_extra_fields && !schema.recreate_modified_fields && !schema.keep_unknown_indexes);
    for (schema, sentence) in [
        (json!([]), "schema must be an object with definitions."),
        (json!({ "definitions": {} }), "\"schema.definitions\" must be an array of schemas"),
        (json!({ "definitions": [1] }), "\"schema.definitions\" must be an array of schemas"),
        (
            json!({ "beforeMigration": "./x.js" }),
            "schema.beforeMigration is code: give it to the application, with Application::before_migration.",
        ),
        (json!({ "strict": "maybe" }), "schema.strict must be true or false."),
    ] {
        assert_eq!(read(&json!({ "schema": schema })).err().unwrap(), sentence);
    }
}
