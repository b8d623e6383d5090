//! What do `{{name}}` and `{{now-3d}}` in a scenario stand for, and what are the values of this run called in a reply?

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::json::Json;
use super::normal::iso;

/// Texts shorter than this are not looked for inside other texts.
const LABELLED_CHARS_MIN: usize = 8;

/// What was saved, and what is known by which name.
#[derive(Debug, Default)]
pub(super) struct Variables {
    saved: BTreeMap<String, Value>,
    labels: HashMap<String, String>,
    step: usize,
    unnamed: usize,
}

impl Variables {
    /// Keeps a reply, and gives names to the ids and tokens in it.
    pub(super) fn save(&mut self, name: &str, reply: &Value) {
        self.saved.insert(name.to_owned(), reply.clone());
        self.label(name, reply);
    }

    fn label(&mut self, path: &str, value: &Value) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    match (key.as_str(), value) {
                        // The id of what was saved is the name itself.
                        ("objectId", Value::String(id)) => self.know(id, path),
                        ("sessionToken", Value::String(token)) => self.know(token, &format!("{path}.sessionToken")),
                        _ => self.label(&format!("{path}.{key}"), value),
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.label(&format!("{path}.{index}"), item);
                }
            }
            _ => {}
        }
    }

    fn know(&mut self, text: &str, path: &str) {
        if text.len() >= LABELLED_CHARS_MIN {
            self.labels.entry(text.to_owned()).or_insert_with(|| format!("{{{{{path}}}}}"));
        }
    }

    /// What a text of this run is called; an id that nobody saved gets a number.
    pub(super) fn label_of(&self, text: &str) -> Option<&String> {
        self.labels.get(text)
    }

    /// Begins the next step.
    pub(super) fn next_step(&mut self) {
        self.step += 1;
        self.unnamed = 0;
    }

    /// Names an id that nobody saved after the step whose reply has it first, so that it is known again.
    pub(super) fn number(&mut self, id: &str) {
        if !self.labels.contains_key(id) {
            self.unnamed += 1;
            let label = match self.unnamed {
                1 => format!("<id of step {}>", self.step),
                more => format!("<id {more} of step {}>", self.step),
            };
            self.labels.insert(id.to_owned(), label);
        }
    }

    /// The text with every known id and token in it replaced by its name.
    pub(super) fn relabel(&self, text: &str) -> String {
        if let Some(label) = self.labels.get(text) {
            return label.clone();
        }
        let known = self.labels.iter().filter(|(known, _)| text.contains(known.as_str()));
        known.fold(text.to_owned(), |text, (known, label)| text.replace(known.as_str(), label))
    }

    /// The session token of a saved reply.
    pub(super) fn token(&self, name: &str) -> Option<&str> {
        self.look_up(&format!("{name}.sessionToken"))?.as_str()
    }

    /// A text with what stands in `{{…}}` filled in. The error names what is not known.
    pub(super) fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            // Nested JSON may end in `}}` and begin with `{{` by itself; only names and times are ours.
            let Some((name, after_name)) = after.split_once("}}").filter(|(name, _)| is_name(name)) else {
                filled.push_str(before);
                filled.push_str("{{");
                rest = after;
                continue;
            };
            filled.push_str(before);
            filled.push_str(&self.value_of(name)?);
            rest = after_name;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// The same for every text and key in a value.
    pub(super) fn fill_json(&self, value: &Json) -> Result<Json, String> {
        Ok(match value {
            Json::Text(text) => Json::Text(self.fill(text)?),
            Json::List(items) => Json::List(items.iter().map(|item| self.fill_json(item)).collect::<Result<_, _>>()?),
            Json::Object(map) => {
                let filled = map.iter().map(|(key, value)| Ok((self.fill(key)?, self.fill_json(value)?)));
                Json::Object(filled.collect::<Result<_, String>>()?)
            }
            other => other.clone(),
        })
    }

    fn value_of(&self, name: &str) -> Result<String, String> {
        if let Some(offset) = name.strip_prefix("now") {
            let time = offset_of(offset).and_then(|offset| Timestamp::now().checked_add(offset).ok());
            return time.map(iso).ok_or_else(|| format!("{{{{{name}}}}} is no time"));
        }
        match self.look_up(name) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Object(map)) => match map.get("objectId") {
                Some(Value::String(id)) => Ok(id.clone()),
                _ => Err(format!("{{{{{name}}}}} has no objectId")),
            },
            Some(other) => Ok(other.to_string()),
            None => Err(format!("{{{{{name}}}}} was not saved")),
        }
    }

    fn look_up(&self, path: &str) -> Option<&Value> {
        let mut parts = path.split('.');
        let mut value = self.saved.get(parts.next()?)?;
        for part in parts {
            value = match part.parse::<usize>() {
                Ok(index) if value.is_array() => value.get(index)?,
                _ => value.get(part)?,
            };
        }
        Some(value)
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c))
}

/// `+3d`, `-2h`, `+5m` or nothing.
fn offset_of(text: &str) -> Option<SignedDuration> {
    if text.is_empty() {
        return Some(SignedDuration::ZERO);
    }
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: i64 = number.parse().ok()?;
    match unit {
        "d" => Some(SignedDuration::from_hours(number * 24)),
        "h" => Some(SignedDuration::from_hours(number)),
        "m" => Some(SignedDuration::from_mins(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_filled_in_and_braces_of_json_are_not() {
        let mut variables = Variables::default();
        variables.save("ann", &json!({"objectId": "abcdefghij", "sessionToken": "r:1234567890", "list": [{"n": 7}]}));
        assert_eq!(variables.fill("/users/{{ann}}?x={{ann.list.0.n}}").unwrap(), "/users/abcdefghij?x=7");
        assert_eq!(variables.fill(r#"{"a":{"b":{{"c":1}}}}"#).unwrap(), r#"{"a":{"b":{{"c":1}}}}"#);
        assert!(variables.fill("{{bob}}").is_err());
        assert_eq!(variables.token("ann"), Some("r:1234567890"));
        assert_eq!(variables.relabel("/users/abcdefghij"), "/users/{{ann}}");
        let acl: Json = serde_json::from_str(r#"{"{{ann}}": {"read": true}}"#).unwrap();
        assert_eq!(variables.fill_json(&acl).unwrap().text(), r#"{"abcdefghij":{"read":true}}"#);
    }

    #[test]
    fn times_are_given_from_now() {
        let variables = Variables::default();
        let day = |text: &str| variables.fill(text).unwrap().parse::<Timestamp>().unwrap();
        assert_eq!(day("{{now+1d}}").duration_since(day("{{now-1d}}")).as_hours(), 48);
        assert!(variables.fill("{{now+x}}").is_err());
    }
}
