//! What is set for each application: `parsimony.settings`, with secrets fetched from where they are kept.

use std::collections::BTreeMap;

use parsimony_cloud::{Application, Settings};
use serde_json::{Map, Value};

use super::raw::Raw;

/// The settings of each application, by its name.
pub(crate) type AllSettings = BTreeMap<String, Map<String, Value>>;

/// `parsimony.settings`: an object for each application. Anywhere in it `{"file": PATH}` stands for the text of a file and
/// `{"env": NAME}` for that of a variable.
pub(super) fn read(raw: &Raw, variable: &dyn Fn(&str) -> Option<String>) -> Result<AllSettings, String> {
    let bad = || "parsimony.settings must be an object that has an object for each application.".to_owned();
    let Some(written) = raw.get("parsimony.settings") else { return Ok(AllSettings::new()) };
    let mut settings = AllSettings::new();
    for (application, values) in written.as_object().ok_or_else(bad)? {
        let path = format!("parsimony.settings.{application}");
        match fetched(values, &path, variable)? {
            Value::Object(values) => settings.insert(application.clone(), values),
            _ => return Err(bad()),
        };
    }
    Ok(settings)
}

/// A variable of the environment.
#[expect(clippy::disallowed_methods, reason = "this is the configuration that reads the environment")]
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A value with every secret in its place.
pub(super) fn fetched(value: &Value, path: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Value, String> {
    Ok(match value {
        Value::Object(object) => match kept(object) {
            Some(Kept::File(file)) => {
                let text = std::fs::read_to_string(file);
                let text = text.map_err(|error| format!("{path}: the file {file} cannot be read: {error}."))?;
                Value::String(text.trim().to_owned())
            }
            Some(Kept::Variable(name)) => Value::String(
                variable(name).ok_or_else(|| format!("{path}: the environment variable {name} is not set."))?,
            ),
            None => {
                let inner = |(key, value): (&String, &Value)| {
                    Ok((key.clone(), fetched(value, &format!("{path}.{key}"), variable)?))
                };
                Value::Object(object.iter().map(inner).collect::<Result<_, String>>()?)
            }
        },
        Value::Array(items) => {
            let inner = |(index, value)| fetched(value, &format!("{path}[{index}]"), variable);
            Value::Array(items.iter().enumerate().map(inner).collect::<Result<_, String>>()?)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    })
}

/// Where a secret is kept.
enum Kept<'a> {
    File(&'a str),
    Variable(&'a str),
}

fn kept(object: &Map<String, Value>) -> Option<Kept<'_>> {
    let (name, value) = object.iter().next().filter(|_| object.len() == 1)?;
    match name.as_str() {
        "file" => value.as_str().map(Kept::File),
        "env" => value.as_str().map(Kept::Variable),
        _ => None,
    }
}

/// Gives each application what is set for it. Settings of an application that is not there are refused.
pub(crate) fn configured(
    applications: Vec<Application>,
    mut settings: AllSettings,
    known: &[String],
) -> Result<Vec<Application>, String> {
    if let Some(unknown) = settings.keys().find(|name| !known.contains(name)) {
        return Err(format!("parsimony.settings: there is no application {unknown}; there are: {}.", known.join(", ")));
    }
    let configure = |application: Application| {
        let values = settings.remove(application.name()).unwrap_or_default();
        let settings = Settings::new(application.name(), values);
        application.configure(&settings)
    };
    applications.into_iter().map(configure).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::raw::Sources;
    use super::*;

    fn settings(written: &Value) -> Result<AllSettings, String> {
        let file = Some(("test".to_owned(), json!({ "parsimony": {"settings": written} }).to_string()));
        let variable = |name: &str| (name == "SECRET").then(|| "of the variable".to_owned());
        read(&Raw::gather(Sources { file, ..Sources::default() })?, &variable)
    }

    #[test]
    fn secrets_come_from_where_they_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "of the file\n").unwrap();
        let read = settings(&json!({ "shop": {
            "plain": "here", "a": {"file": path}, "list": [{"env": "SECRET"}, 1], "two": {"file": "x", "env": "y"},
        }}));
        let shop = Value::Object(read.unwrap().remove("shop").unwrap());
        let expected = json!({
            "plain": "here", "a": "of the file", "list": ["of the variable", 1], "two": {"file": "x", "env": "y"},
        });
        assert_eq!(shop, expected);
    }

    #[test]
    fn what_cannot_be_fetched_names_its_place() {
        for (written, expected) in [
            (
                json!({"shop": {"a": [{"env": "NO"}]}}),
                "parsimony.settings.shop.a[0]: the environment variable NO is not",
            ),
            (
                json!({"shop": {"a": {"file": "/no/such"}}}),
                "parsimony.settings.shop.a: the file /no/such cannot be read",
            ),
            (json!({"shop": 1}), "parsimony.settings must be an object"),
            (json!([]), "parsimony.settings must be an object"),
        ] {
            let error = settings(&written).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn settings_of_nobody_are_refused() {
        let of = |name: &str| AllSettings::from([(name.to_owned(), Map::new())]);
        let applications = || vec![Application::new("shop")];
        let known = ["shop".to_owned(), "books".to_owned()];
        assert!(configured(applications(), of("shop"), &known).is_ok());
        // It is in the binary, and not loaded.
        assert!(configured(applications(), of("books"), &known).is_ok());
        let error = configured(applications(), of("shpo"), &known).err().unwrap();
        assert_eq!(error, "parsimony.settings: there is no application shpo; there are: shop, books.");
    }
}
