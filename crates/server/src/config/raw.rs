//! What was written where: the file, the environment and the command line, put together as they are.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::compatibility::Compatibility;
use super::names::{self, Kind};

/// The environment variables that are looked for in vain when they are not options, so a typing error is told.
const VARIABLE_PREFIXES: [&str; 2] = ["PARSE_SERVER_", "PARSIMONY_"];

/// Variables of Parse Server that are no options.
const OTHER_VARIABLES: [&str; 1] = ["PARSE_SERVER_ENABLE_EXPERIMENTAL_DIRECT_ACCESS"];

/// Where options come from. Later ones win: file, environment, command line.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The text of the configuration file, and its name for errors.
    pub file: Option<(String, String)>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// The command line, by option name.
    pub arguments: Vec<(&'static str, Value)>,
}

/// The options as written, and which of them were looked at.
#[derive(Debug)]
pub(crate) struct Raw {
    values: Map<String, Value>,
    read: RefCell<BTreeSet<String>>,
    /// Where the defaults come from.
    pub(crate) compatibility: Compatibility,
    /// Options that cannot be obeyed are told, and not refused.
    tolerant: bool,
    /// What the administrator should know.
    pub(crate) warnings: Vec<String>,
}

impl Raw {
    /// Puts the sources together. Unknown options are refused, unless `parsimony.ignoreUnknownOptions` is set.
    pub(crate) fn gather(sources: Sources) -> Result<Self, String> {
        let mut values = match &sources.file {
            Some((name, text)) => read_file(text).map_err(|error| format!("{name}: {error}"))?,
            None => Map::new(),
        };
        let mut warnings = Vec::new();
        for (variable, text) in &sources.environment {
            if text.is_empty() {
                continue;
            }
            if let Some(option) = names::ALL.iter().find(|option| option.variable == Some(variable)) {
                set(&mut values, option.name, from_text(option.kind, variable, text)?);
            } else if VARIABLE_PREFIXES.iter().any(|prefix| variable.starts_with(prefix))
                && !OTHER_VARIABLES.contains(&variable.as_str())
            {
                warnings.push(format!("the environment variable {variable} is no option"));
            }
        }
        for (name, value) in sources.arguments {
            set(&mut values, name, value);
        }
        let mut raw =
            Self { values, read: RefCell::default(), compatibility: Compatibility::Parse9, tolerant: false, warnings };
        raw.compatibility = Compatibility::parse(raw.text("parsimony.compatibility")?.as_deref())?;
        for (name, value) in raw.compatibility.defaults() {
            if raw.get(name).is_some() {
                raw.read.borrow_mut().remove(name);
            } else {
                set(&mut raw.values, name, value);
            }
        }
        let unknown = unknown_in(&raw.values);
        if raw.flag("parsimony.ignoreUnknownOptions")?.unwrap_or(false) {
            raw.warnings.extend(unknown.into_iter().map(|name| format!("the option {name} is unknown and ignored")));
            raw.tolerant = true;
        } else if let Some(name) = unknown.first() {
            let hint = names::nearest(name).map(|meant| format!(" Did you mean {meant}?")).unwrap_or_default();
            return Err(format!("The option {name} is unknown.{hint}"));
        }
        Ok(raw)
    }

    /// An option as written; `null` is as good as nothing.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.read.borrow_mut().insert(name.to_owned());
        let mut parts = name.split('.');
        let mut value = self.values.get(parts.next()?)?;
        for part in parts {
            value = value.get(part)?;
        }
        (!value.is_null()).then_some(value)
    }

    /// Whether anybody looked at an option, or at an object it stands in.
    #[cfg(test)]
    pub(crate) fn was_read(&self, name: &str) -> bool {
        let read = self.read.borrow();
        let inside = |whole: &String| name.strip_prefix(whole.as_str()).is_some_and(|rest| rest.starts_with('.'));
        read.contains(name) || read.iter().any(inside)
    }

    /// Text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(format!("{name} must be text.")),
        }
    }

    /// Yes or no.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(text)) if matches!(text.as_str(), "true" | "1") => Ok(Some(true)),
            Some(Value::String(text)) if matches!(text.as_str(), "false" | "0") => Ok(Some(false)),
            Some(_) => Err(format!("{name} must be true or false.")),
        }
    }

    /// A whole number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, String> {
        let number = match self.get(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_i64().or_else(|| whole(number.as_f64()?)),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        number.map(Some).ok_or_else(|| format!("{name} must be a whole number."))
    }

    /// A whole number greater than zero.
    pub(crate) fn positive(&self, name: &str) -> Result<Option<u64>, String> {
        match self.number(name)? {
            None => Ok(None),
            Some(number) => match u64::try_from(number) {
                Ok(number) if number > 0 => Ok(Some(number)),
                _ => Err(format!("{name} must be greater than 0.")),
            },
        }
    }

    /// A list of texts, or text with commas.
    pub(crate) fn list(&self, name: &str) -> Result<Option<Vec<String>>, String> {
        let bad = || format!("{name} must be a list of texts.");
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(by_commas(text))),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned).ok_or_else(bad))
                .collect::<Result<_, _>>()
                .map(Some),
            Some(_) => Err(bad()),
        }
    }

    /// What is to be told of the options that were written and never looked at. One that cannot be obeyed is an error.
    pub(crate) fn told_of_idle(&self) -> Result<Vec<String>, String> {
        let mut told = Vec::new();
        let mut idle = Vec::new();
        for name in self.without_effect() {
            match names::refused(&name) {
                Some(reason) if self.tolerant => told.push(format!("the option {name} is ignored: {reason}")),
                Some(reason) => return Err(format!("The option {name} cannot be obeyed: {reason}.")),
                None => idle.push(name),
            }
        }
        if !idle.is_empty() {
            told.push(format!("options without effect here: {}", idle.join(", ")));
        }
        Ok(told)
    }

    /// The options that were written and never looked at; those that are off are as good as not written.
    fn without_effect(&self) -> Vec<String> {
        let read = self.read.borrow();
        let mut unread = Vec::new();
        for (name, value) in self.values.iter().filter(|(name, _)| names::is_known(name)) {
            if read.contains(name) || is_off(value) {
                continue;
            }
            let inside = format!("{name}.");
            match value {
                Value::Object(parts) if read.iter().any(|read| read.starts_with(&inside)) => {
                    let parts = parts.iter().filter(|(_, value)| !is_off(value));
                    let parts = parts.map(|(part, _)| format!("{inside}{part}"));
                    unread.extend(parts.filter(|part| !read.contains(part) && names::is_known(part)));
                }
                _ => unread.push(name.clone()),
            }
        }
        unread
    }
}

fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        // Parse: a variable of the environment says `null` for nothing.
        Value::String(text) => text.is_empty() || text == "null",
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_off),
    }
}

fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

fn by_commas(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// Parse Server's file: an object, or `{"apps":[object]}`.
fn read_file(text: &str) -> Result<Map<String, Value>, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("this is no JSON: {error}"))?;
    let Value::Object(mut map) = value else { return Err("a configuration is a JSON object.".to_owned()) };
    let Some(apps) = map.remove("apps") else { return Ok(map) };
    match apps {
        Value::Array(mut apps) if apps.len() == 1 => match apps.pop() {
            Some(Value::Object(app)) => Ok(app),
            _ => Err("the element of apps must be an object.".to_owned()),
        },
        Value::Array(apps) => Err(format!("apps must have one element; it has {}.", apps.len())),
        _ => Err("apps must be a list of one object.".to_owned()),
    }
}

fn from_text(kind: Kind, variable: &str, text: &str) -> Result<Value, String> {
    let json = || serde_json::from_str::<Value>(text);
    Ok(match kind {
        Kind::Text => Value::String(text.to_owned()),
        Kind::Flag => Value::Bool(matches!(text, "true" | "1")),
        Kind::Number => match text.trim().parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) => return Err(format!("The environment variable {variable} must be a whole number.")),
        },
        Kind::List => match json() {
            Ok(list @ Value::Array(_)) => list,
            _ => by_commas(text).into(),
        },
        Kind::Json => json().map_err(|error| format!("The environment variable {variable} must be JSON: {error}"))?,
        Kind::Any => json().unwrap_or_else(|_| Value::String(text.to_owned())),
    })
}

/// Puts an option in its place; a part of an object leaves the other parts as they are.
fn set(values: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            values.insert(name.to_owned(), value);
        }
        Some((outer, inner)) => {
            let slot = values.entry(outer).or_insert_with(|| Value::Object(Map::new()));
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            if let Value::Object(parts) = slot {
                set(parts, inner, value);
            }
        }
    }
}

/// The names that are no options, each dotted as the table has them.
fn unknown_in(values: &Map<String, Value>) -> Vec<String> {
    fn walk(prefix: &str, values: &Map<String, Value>, unknown: &mut Vec<String>) {
        for (key, value) in values {
            let name = format!("{prefix}{key}");
            if !names::is_known(&name) {
                unknown.push(name);
            } else if names::has_parts(&name) {
                match value {
                    // Parse: one object may stand for a list of one.
                    Value::Object(parts) if names::is_list(&name) => walk(&format!("{name}[]."), parts, unknown),
                    Value::Object(parts) => walk(&format!("{name}."), parts, unknown),
                    Value::Array(items) => {
                        items
                            .iter()
                            .filter_map(Value::as_object)
                            .for_each(|item| walk(&format!("{name}[]."), item, unknown));
                    }
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
                }
            }
        }
    }
    let mut unknown = Vec::new();
    walk("", values, &mut unknown);
    unknown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn from_file(text: &str) -> Sources {
        Sources { file: Some(("file.json".to_owned(), text.to_owned())), ..Sources::default() }
    }

    fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
        let text = r#"{"port":1,"host":"a","appId":"file","requestComplexity":{"includeDepth":1,"includeCount":2}}"#;
        let sources = Sources {
            environment: environment(&[
                ("PORT", "2"),
                ("PARSE_SERVER_HOST", "b"),
                ("PARSE_SERVER_REQUEST_COMPLEXITY_INCLUDE_DEPTH", "9"),
                ("PARSE_SERVER_APPLICATION_ID", ""),
            ]),
            arguments: vec![("port", json!(3))],
            ..from_file(text)
        };
        let raw = Raw::gather(sources).unwrap();
        assert_eq!(raw.number("port").unwrap(), Some(3));
        assert_eq!(raw.text("host").unwrap().as_deref(), Some("b"));
        assert_eq!(raw.text("appId").unwrap().as_deref(), Some("file"));
        assert_eq!(raw.number("requestComplexity.includeDepth").unwrap(), Some(9));
        assert_eq!(raw.number("requestComplexity.includeCount").unwrap(), Some(2));
    }

    #[test]
    fn the_environment_is_read_by_kind() {
        for (variable, text, name, expected) in [
            ("PARSE_SERVER_MASTER_KEY_IPS", "127.0.0.1, ::1", "masterKeyIps", json!(["127.0.0.1", "::1"])),
            ("PARSE_SERVER_MASTER_KEY_IPS", r#"["::0"]"#, "masterKeyIps", json!(["::0"])),
            ("PARSE_SERVER_ALLOW_CUSTOM_OBJECT_ID", "1", "allowCustomObjectId", json!(true)),
            ("PARSE_SERVER_ALLOW_CUSTOM_OBJECT_ID", "yes", "allowCustomObjectId", json!(false)),
            ("PARSE_SERVER_TRUST_PROXY", "2", "trustProxy", json!(2)),
            ("PARSE_SERVER_TRUST_PROXY", "loopback", "trustProxy", json!("loopback")),
            ("PARSE_SERVER_APPLICATION_ID", "123", "appId", json!("123")),
            ("PARSE_SERVER_PROTECTED_FIELDS", r#"{"A":{}}"#, "protectedFields", json!({"A":{}})),
            ("PARSE_SERVER_MAX_LIMIT", "50", "maxLimit", json!(50)),
        ] {
            let sources = Sources { environment: environment(&[(variable, text)]), ..Sources::default() };
            assert_eq!(Raw::gather(sources).unwrap().get(name), Some(&expected), "{variable}={text}");
        }
        for (variable, text) in [("PORT", "many"), ("PARSE_SERVER_PROTECTED_FIELDS", "{")] {
            let sources = Sources { environment: environment(&[(variable, text)]), ..Sources::default() };
            assert!(Raw::gather(sources).unwrap_err().contains(variable));
        }
    }

    #[test]
    fn unknown_options_are_refused_with_the_nearest_known_one() {
        for (text, sentence) in [
            (r#"{"masterkey":"x"}"#, "The option masterkey is unknown. Did you mean masterKey?"),
            (
                r#"{"requestComplexity":{"includeDeph":1}}"#,
                "The option requestComplexity.includeDeph is unknown. Did you mean requestComplexity.includeDepth?",
            ),
            (r#"{"rateLimit":{"zone":"ip","zon":"ip"}}"#, "The option rateLimit[].zon is unknown. Did you mean"),
            (r#"{"rateLimit":[{"zone":"ip"},{"zon":"ip"}]}"#, "The option rateLimit[].zon is unknown. Did you mean"),
            (r#"{"qqqqq":1}"#, "The option qqqqq is unknown."),
        ] {
            let error = Raw::gather(from_file(text)).unwrap_err();
            assert!(error.starts_with(sentence), "{error}");
        }
        let ignoring = r#"{"qqqqq":1,"parsimony":{"ignoreUnknownOptions":true}}"#;
        let raw = Raw::gather(from_file(ignoring)).unwrap();
        assert_eq!(raw.warnings, ["the option qqqqq is unknown and ignored"]);
        let sources = Sources {
            environment: environment(&[("PARSIMONY_IGNORE_UNKNOWN_OPTIONS", "1"), ("PARSE_SERVER_NOPE", "1")]),
            ..from_file(r#"{"qqqqq":1,"auth":{"anything":{}}}"#)
        };
        assert_eq!(Raw::gather(sources).unwrap().warnings.len(), 2);
    }

    #[test]
    fn a_file_is_an_object_or_one_app() {
        for (text, fits) in [
            (r#"{"appId":"a"}"#, true),
            (r#"{"apps":[{"appId":"a"}]}"#, true),
            (r#"{"apps":[{"appId":"a"},{"appId":"b"}]}"#, false),
            (r#"{"apps":[]}"#, false),
            (r#"{"apps":{}}"#, false),
            ("[]", false),
            ("{", false),
        ] {
            let raw = Raw::gather(from_file(text));
            assert_eq!(raw.is_ok(), fits, "{text}");
            if let Ok(raw) = raw {
                assert_eq!(raw.text("appId").unwrap().as_deref(), Some("a"));
            }
        }
    }

    #[test]
    fn what_was_not_looked_at_is_known() {
        let text =
            r#"{"appId":"a","push":{"ios":{"a":1}},"requestComplexity":{"includeDepth":1,"queryDepth":2},"port":null}"#;
        let raw = Raw::gather(from_file(text)).unwrap();
        raw.text("appId").unwrap();
        raw.number("requestComplexity.includeDepth").unwrap();
        assert_eq!(raw.without_effect(), ["push", "requestComplexity.queryDepth"]);
    }

    #[test]
    fn values_of_the_wrong_kind_are_refused_by_name() {
        let text = r#"{"appId":1,"silent":"maybe","port":1.5,"maxLimit":-1,"masterKeyIps":[1]}"#;
        let raw = Raw::gather(from_file(text)).unwrap();
        assert_eq!(raw.text("appId").unwrap_err(), "appId must be text.");
        assert_eq!(raw.flag("silent").unwrap_err(), "silent must be true or false.");
        assert_eq!(raw.number("port").unwrap_err(), "port must be a whole number.");
        assert_eq!(raw.positive("maxLimit").unwrap_err(), "maxLimit must be greater than 0.");
        assert_eq!(raw.list("masterKeyIps").unwrap_err(), "masterKeyIps must be a list of texts.");
    }
}
