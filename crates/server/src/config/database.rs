//! Which database, and how is it reached: `databaseURI` and `databaseOptions`.

use std::path::{Path, PathBuf};

use parsimony_model::names::is_plain;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::raw::Raw;

/// The database file in the data folder.
const DATABASE_FILE: &str = "parsimony.db";

/// Which database it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// The embedded one, in this file.
    Sqlite(PathBuf),
    /// MongoDB.
    Mongo {
        /// `databaseURI`, with what `databaseOptions` says of the driver; it may contain a password.
        uri: String,
        /// `collectionPrefix`
        collection_prefix: String,
        /// `databaseOptions.maxTimeMS`: how long one read may take on the server.
        query_millis_max: Option<u64>,
    },
}

impl Database {
    /// Which database a URI means. `option` is how it is called where it was written.
    pub(crate) fn parse(option: &str, uri: &str, prefix: &str) -> Result<Self, String> {
        if uri.starts_with("mongodb://") || uri.starts_with("mongodb+srv://") {
            if !prefix.is_empty() && !is_plain(prefix.trim_start_matches('_')) {
                return Err("collectionPrefix may have letters, digits and _ only.".to_owned());
            }
            let (uri, collection_prefix) = (uri.to_owned(), prefix.to_owned());
            return Ok(Self::Mongo { uri, collection_prefix, query_millis_max: None });
        }
        match uri.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path)) {
            Some("") | None => Err(format!("{option} must begin with mongodb://, mongodb+srv:// or sqlite:PATH.")),
            Some(path) => Ok(Self::Sqlite(PathBuf::from(path))),
        }
    }
}

/// The options of MongoDB's driver. Each is an option of its URIs as well.
const OF_THE_DRIVER: [&str; 31] = [
    "appName",
    "authMechanism",
    "authMechanismProperties",
    "authSource",
    "compressors",
    "connectTimeoutMS",
    "directConnection",
    "heartbeatFrequencyMS",
    "localThresholdMS",
    "maxConnecting",
    "maxIdleTimeMS",
    "maxPoolSize",
    "maxStalenessSeconds",
    "minPoolSize",
    "readConcernLevel",
    "readPreference",
    "readPreferenceTags",
    "replicaSet",
    "retryReads",
    "retryWrites",
    "serverMonitoringMode",
    "serverSelectionTimeoutMS",
    "srvMaxHosts",
    "srvServiceName",
    "ssl",
    "tls",
    "tlsAllowInvalidCertificates",
    "tlsCAFile",
    "tlsCertificateKeyFile",
    "tlsCertificateKeyFilePassword",
    "tlsInsecure",
];

/// Two more that the driver reads from a URI.
const OF_THE_DRIVER_TOO: [&str; 2] = ["waitQueueTimeoutMS", "zlibCompressionLevel"];

/// Reads which database it is.
pub(super) fn read(raw: &Raw, data_dir: &Path) -> Result<Database, String> {
    let prefix = raw.text("collectionPrefix")?.unwrap_or_default();
    let Some(uri) = raw.text("databaseURI")? else { return Ok(Database::Sqlite(data_dir.join(DATABASE_FILE))) };
    let mut database = Database::parse("databaseURI", &uri, &prefix)?;
    if let Database::Mongo { uri, query_millis_max, .. } = &mut database {
        for name in OF_THE_DRIVER.into_iter().chain(OF_THE_DRIVER_TOO) {
            let option = format!("databaseOptions.{name}");
            if let Some(value) = raw.get(&option) {
                let texts =
                    texts(value).ok_or_else(|| format!("{option} must be a text, a number, or true or false."))?;
                *uri = with_option(uri, name, &texts);
            }
        }
        *query_millis_max = raw.positive("databaseOptions.maxTimeMS")?;
    }
    Ok(database)
}

/// An option's value as a URI has it; sets of tags come one by one.
fn texts(value: &Value) -> Option<Vec<String>> {
    let pairs = |map: &serde_json::Map<String, Value>| {
        let pairs: Option<Vec<_>> = map.iter().map(|(key, value)| Some(format!("{key}:{}", value.as_str()?))).collect();
        Some(pairs?.join(","))
    };
    Some(match value {
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Bool(flag) => vec![flag.to_string()],
        Value::Object(map) => vec![pairs(map)?],
        Value::Array(items) if items.iter().all(Value::is_object) => {
            items.iter().map(|item| pairs(item.as_object()?)).collect::<Option<_>>()?
        }
        Value::Array(items) => vec![items.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?.join(",")],
        Value::Null => return None,
    })
}

/// The URI with this option, in the place of what it says of it. Parse: `databaseOptions` wins over the URI.
fn with_option(uri: &str, name: &str, values: &[String]) -> String {
    let (place, query) = uri.split_once('?').unwrap_or((uri, ""));
    let host = place.split_once("://").map_or(place, |(_, host)| host);
    let slash = if host.contains('/') { "" } else { "/" };
    let other = |part: &&str| {
        let key = part.split_once('=').map_or(*part, |(key, _)| key);
        !part.is_empty() && !key.eq_ignore_ascii_case(name)
    };
    let kept = query.split('&').filter(other).map(str::to_owned);
    let given = values.iter().map(|value| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
    format!("{place}{slash}?{}", kept.chain(given).collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Sources;

    fn uri_of(options: &Value) -> String {
        let text = options.to_string();
        let raw = Raw::gather(Sources { file: Some(("test".to_owned(), text)), ..Sources::default() }).unwrap();
        match read(&raw, Path::new("data")).unwrap() {
            Database::Mongo { uri, .. } => uri,
            Database::Sqlite(_) => panic!("not MongoDB"),
        }
    }

    #[test]
    fn what_is_said_of_the_driver_becomes_part_of_the_uri() {
        for (uri, options, expected) in [
            ("mongodb://h", json!({}), "mongodb://h"),
            ("mongodb://h", json!({ "maxPoolSize": 7 }), "mongodb://h/?maxPoolSize=7"),
            (
                "mongodb://u:p@h/db?maxpoolsize=3&w=1",
                json!({ "maxPoolSize": "7" }),
                "mongodb://u:p@h/db?w=1&maxPoolSize=7",
            ),
            (
                "mongodb://h/db",
                json!({ "tls": true, "tlsCAFile": "/a b" }),
                "mongodb://h/db?tls=true&tlsCAFile=%2Fa%20b",
            ),
            (
                "mongodb://h/db",
                json!({ "readPreferenceTags": [{ "dc": "ny" }, { "rack": "r1" }] }),
                "mongodb://h/db?readPreferenceTags=dc%3Any&readPreferenceTags=rack%3Ar1",
            ),
            ("mongodb://h/db", json!({ "compressors": ["zstd", "zlib"] }), "mongodb://h/db?compressors=zstd%2Czlib"),
        ] {
            assert_eq!(uri_of(&json!({ "databaseURI": uri, "databaseOptions": options })), expected);
        }
    }
}
