//! Rules as data: Parse's validator objects, as scripts and processes elsewhere spell them.

use std::time::Duration;

use parsimony_model::Value;
use parsimony_model::value::Map;
use regex::Regex;

use crate::rate_limit::{RateLimit, Zone};
use crate::rules::{FieldRule, Kind, Rules};

impl Rules {
    /// Reads a validator: `{"requireUser": true, "fields": {"name": {"type": "String", "required": true}}}` and the like.
    /// The error is a sentence.
    ///
    /// ```
    /// use parsimony_cloud::Rules;
    /// use parsimony_model::map;
    ///
    /// assert!(Rules::spelled(&map! { "requireUser" => true }).is_ok());
    /// assert!(Rules::spelled(&map! { "requireUsers" => true }).is_err());
    /// ```
    pub fn spelled(validator: &Map) -> Result<Self, String> {
        validator.iter().try_fold(Self::none(), |rules, (name, value)| rules.with(name, value))
    }

    fn with(self, name: &str, value: &Value) -> Result<Self, String> {
        let on = |rule: fn(Self) -> Self| match value {
            Value::Bool(on) => Ok((*on, rule)),
            _ => Err(format!("{name} is true or false.")),
        };
        let (on, rule) = match name {
            "requireUser" => on(Self::require_user)?,
            "requireMaster" => on(Self::require_master)?,
            "validateMasterKey" => on(Self::validate_master_key)?,
            "skipWithMasterKey" => on(Self::skip_with_master_key)?,
            "rateLimit" => match value {
                Value::Object(limit) => return Ok(self.rate_limit(RateLimit::spelled(limit)?)),
                _ => return Err("rateLimit is an object.".to_owned()),
            },
            "requireAnyUserRoles" => return Ok(self.require_any_user_roles(texts(name, value)?)),
            "requireAllUserRoles" => return Ok(self.require_all_user_roles(texts(name, value)?)),
            "fields" => {
                return fields(name, value)?.into_iter().try_fold(self, |all, (f, rule)| Ok(all.field(f, rule)));
            }
            "requireUserKeys" => {
                return fields(name, value)?.into_iter().try_fold(self, |all, (f, rule)| Ok(all.user_key(f, rule)));
            }
            unknown => {
                return Err(format!(
                    "There is no rule {unknown}; there are: requireUser, requireMaster, validateMasterKey, \
                     skipWithMasterKey, requireAnyUserRoles, requireAllUserRoles, requireUserKeys, fields, \
                     rateLimit."
                ));
            }
        };
        Ok(if on { rule(self) } else { self })
    }
}

fn texts(name: &str, value: &Value) -> Result<Vec<String>, String> {
    let bad = || format!("{name} is a list of texts.");
    let Value::Array(items) = value else { return Err(bad()) };
    items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(bad)).collect()
}

/// A list of names that must be there, or what each must be.
fn fields(name: &str, value: &Value) -> Result<Vec<(String, FieldRule)>, String> {
    match value {
        Value::Array(_) => Ok(texts(name, value)?.into_iter().map(|field| (field, FieldRule::required())).collect()),
        Value::Object(said) => {
            said.iter().map(|(field, said)| Ok((field.to_string(), field_rule(field, said)?))).collect()
        }
        _ => Err(format!("{name} is a list of names, or an object.")),
    }
}

fn field_rule(field: &str, said: &Value) -> Result<FieldRule, String> {
    let Value::Object(said) = said else { return Err(format!("What is said of the field {field} is an object.")) };
    let is_on = |name: &str| said.get(name) == Some(&Value::Bool(true));
    let mut rule = if is_on("required") { FieldRule::required() } else { FieldRule::optional() };
    if is_on("constant") {
        rule = rule.constant();
    }
    for (name, value) in said {
        let text = || value.as_str().ok_or_else(|| format!("{name} of {field} is a text."));
        rule = match name.as_str() {
            "required" | "constant" => rule,
            "type" => rule.kind(kind(text()?)?),
            "error" => rule.error(text()?),
            "default" => rule.default_value(value.clone()),
            "options" => match value {
                Value::Array(items) => rule.options(items.iter().cloned()),
                one => rule.options([one.clone()]),
            },
            unknown => {
                return Err(format!(
                    "A field has no rule {unknown}; it has: required, constant, type, error, default, options."
                ));
            }
        };
    }
    Ok(rule)
}

fn kind(name: &str) -> Result<Kind, String> {
    let kinds = [
        ("String", Kind::String),
        ("Number", Kind::Number),
        ("Boolean", Kind::Boolean),
        ("Array", Kind::Array),
        ("Object", Kind::Object),
        ("Date", Kind::Date),
    ];
    let known = kinds.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    known.ok_or_else(|| format!("There is no type {name}; there are: {}.", kinds.map(|(name, _)| name).join(", ")))
}

/// The methods among which a pattern chooses.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];

impl RateLimit {
    /// Reads Parse's `rateLimit`, of a validator or of the configuration: `{"requestCount": 10, "requestTimeWindow": 60000}` and
    /// the like. The error is Parse's text.
    pub fn spelled(limit: &Map) -> Result<Self, String> {
        let window = number(limit, "requestTimeWindow")?;
        let include_internal_requests = flag(limit, "includeInternalRequests")?;
        let count = number(limit, "requestCount")?;
        let mut read =
            RateLimit::new(count, Duration::from_millis(window)).zone(match limit.get("errorResponseMessage") {
                None | Some(Value::Null | Value::String(_)) => zone(limit)?,
                Some(_) => return Err("rateLimit.errorResponseMessage must be a string".to_owned()),
            });
        if let Some(text) = limit.get("errorResponseMessage").and_then(Value::as_str).filter(|text| !text.is_empty()) {
            read = read.message(text);
        }
        read.methods = methods(limit)?;
        read.include_master_key = flag(limit, "includeMasterKey")?;
        read.include_internal_requests = include_internal_requests;
        Ok(read)
    }
}

/// A whole number greater than or equal to 0, that has to be there.
fn number(limit: &Map, name: &str) -> Result<u64, String> {
    match limit.get(name) {
        None | Some(Value::Null) => Err(format!("rateLimit.{name} must be defined")),
        Some(Value::Number(number)) if *number >= 0.0 => Ok(u64::try_from(*number as i64).unwrap_or(u64::MAX)),
        Some(Value::Number(_)) => Err(format!("rateLimit.{name} must not be negative.")),
        Some(_) => Err(format!("rateLimit.{name} must be a number")),
    }
}

fn flag(limit: &Map, name: &str) -> Result<bool, String> {
    match limit.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(format!("rateLimit.{name} must be a boolean")),
    }
}

fn zone(limit: &Map) -> Result<Zone, String> {
    match limit.get("zone") {
        None | Some(Value::Null) => Ok(Zone::Ip),
        Some(Value::String(name)) if name.is_empty() => Ok(Zone::Ip),
        Some(Value::String(name)) if name == "global" => Ok(Zone::Global),
        Some(Value::String(name)) if name == "session" => Ok(Zone::Session),
        Some(Value::String(name)) if name == "user" => Ok(Zone::User),
        Some(Value::String(name)) if name == "ip" => Ok(Zone::Ip),
        Some(_) => Err("rateLimit.zone must be one of global, session, user, or ip".to_owned()),
    }
}

/// Parse: a list of methods, or a pattern of them.
fn methods(limit: &Map) -> Result<Option<Vec<String>>, String> {
    let bad = || "rateLimit.requestMethods must be a pattern, or a list of methods.".to_owned();
    match limit.get("requestMethods") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(pattern)) if pattern.is_empty() => Ok(None),
        Some(Value::String(pattern)) => {
            let pattern = Regex::new(pattern).map_err(|error| format!("{} {error}", bad()))?;
            Ok(Some(
                METHODS.iter().filter(|method| pattern.is_match(method)).map(|method| (*method).to_owned()).collect(),
            ))
        }
        Some(Value::Array(list)) => {
            let methods = list.iter().map(|method| method.as_str().map(str::to_owned).ok_or_else(bad));
            methods.collect::<Result<_, _>>().map(Some)
        }
        Some(_) => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use parsimony_model::{ErrorCode, map};

    use super::*;
    use crate::origin::Who;

    #[test]
    fn what_is_spelled_is_checked() {
        let rules = Rules::spelled(&map! {
            "requireUser" => false,
            "fields" => map! {
                "name" => map! { "type" => "String", "required" => true, "error" => "A name, please." },
                "size" => map! { "default" => 1, "options" => Value::Array(vec![1.into(), 2.into()]) },
            },
        });
        let rules = rules.unwrap();
        let mut params = map! { "name" => "a" };
        rules.check(&Who::default(), &mut params).unwrap();
        assert_eq!(params.get("size"), Some(&1.into()));
        let error = rules.check(&Who::default(), &mut map! { "name" => 1 }).unwrap_err();
        assert_eq!(
            (error.code, &*error.message),
            (ErrorCode::ValidationError, "Validation failed. Invalid type for name. Expected: string")
        );
    }

    #[test]
    fn what_cannot_be_a_validator_is_told() {
        for (validator, text) in [
            (map! { "requireUsers" => true }, "There is no rule requireUsers"),
            (map! { "requireUser" => 1 }, "requireUser is true or false"),
            (map! { "fields" => 1 }, "fields is a list of names"),
            (map! { "fields" => map! { "a" => map! { "type" => "Text" } } }, "There is no type Text"),
            (map! { "fields" => map! { "a" => map! { "must" => true } } }, "A field has no rule must"),
        ] {
            let error = Rules::spelled(&validator).unwrap_err();
            assert!(error.contains(text), "{error}");
        }
    }
}
