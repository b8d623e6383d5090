//! What does a script's constant `RULES` say: who may call which of its functions, as Parse's validators do?

use std::collections::BTreeMap;

use parsimony_cloud::{FieldRule, Kind, Rules};
use rhai::{Dynamic, Map};

use crate::bridge::value::from_dynamic;

/// The rules of each function.
#[derive(Default)]
pub(crate) struct ByFunction(BTreeMap<String, Rules>);

impl ByFunction {
    /// The rules of a function; none if nothing is said about it.
    pub(crate) fn of(&self, function: &str) -> Rules {
        self.0.get(function).cloned().unwrap_or_else(Rules::none)
    }

    /// The functions that have rules.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Reads the constant. The error is a sentence.
pub(crate) fn read(all: &Map) -> Result<ByFunction, String> {
    let mut read = BTreeMap::new();
    for (function, rules) in all {
        let rules = rules.as_map_ref().map_err(|_kind| format!("the rules of {function} are no map."))?;
        let mut one = Rules::none();
        for (name, value) in rules.iter() {
            one = rule(one, name, value).map_err(|text| format!("{function}: {text}"))?;
        }
        read.insert(function.to_string(), one);
    }
    Ok(ByFunction(read))
}

fn rule(rules: Rules, name: &str, value: &Dynamic) -> Result<Rules, String> {
    let flag = || value.as_bool().map_err(|_kind| format!("{name} is true or false."));
    Ok(match name {
        "requireUser" => {
            if flag()? {
                rules.require_user()
            } else {
                rules
            }
        }
        "requireMaster" => {
            if flag()? {
                rules.require_master()
            } else {
                rules
            }
        }
        "validateMasterKey" => {
            if flag()? {
                rules.validate_master_key()
            } else {
                rules
            }
        }
        "skipWithMasterKey" => {
            if flag()? {
                rules.skip_with_master_key()
            } else {
                rules
            }
        }
        "requireAnyUserRoles" => rules.require_any_user_roles(texts(name, value)?),
        "requireAllUserRoles" => rules.require_all_user_roles(texts(name, value)?),
        "fields" => {
            let fields = value.as_map_ref().map_err(|_kind| "fields is a map.".to_owned())?;
            let mut rules = rules;
            for (field, said) in fields.iter() {
                rules = rules.field(field.as_str(), field_rule(field, said)?);
            }
            rules
        }
        unknown => {
            return Err(format!(
                "there is no rule {unknown}; there are: requireUser, requireMaster, validateMasterKey, skipWithMasterKey, \
                 requireAnyUserRoles, requireAllUserRoles, fields."
            ));
        }
    })
}

fn texts(name: &str, value: &Dynamic) -> Result<Vec<String>, String> {
    let bad = || format!("{name} is a list of texts.");
    let items = value.as_array_ref().map_err(|_kind| bad())?;
    items.iter().map(|item| item.clone().into_string().map_err(|_kind| bad())).collect()
}

fn field_rule(field: &str, said: &Dynamic) -> Result<FieldRule, String> {
    let said = said.as_map_ref().map_err(|_kind| format!("the rule of the field {field} is a map."))?;
    let flag = |name: &str| said.get(name).is_some_and(|value| value.as_bool().unwrap_or_default());
    let mut rule = if flag("required") { FieldRule::required() } else { FieldRule::optional() };
    for (name, value) in said.iter() {
        let text = || value.clone().into_string().map_err(|_kind| format!("{name} of {field} is a text."));
        let plain = |value: &Dynamic| from_dynamic(value).map_err(|error| format!("{field}: {error}."));
        rule = match name.as_str() {
            "required" => rule,
            "constant" => {
                if flag("constant") {
                    rule.constant()
                } else {
                    rule
                }
            }
            "type" => rule.kind(kind(&text()?)?),
            "error" => rule.error(text()?),
            "default" => rule.default_value(plain(value)?),
            "options" => {
                let items = value.as_array_ref().map_err(|_kind| format!("options of {field} is a list."))?;
                rule.options(items.iter().map(plain).collect::<Result<Vec<_>, _>>()?)
            }
            unknown => {
                return Err(format!(
                    "a field has no rule {unknown}; it has: required, constant, type, error, default, options."
                ));
            }
        };
    }
    Ok(rule)
}

fn kind(name: &str) -> Result<Kind, String> {
    match name {
        "String" => Ok(Kind::String),
        "Number" => Ok(Kind::Number),
        "Boolean" => Ok(Kind::Boolean),
        "Array" => Ok(Kind::Array),
        "Object" => Ok(Kind::Object),
        "Date" => Ok(Kind::Date),
        unknown => Err(format!("there is no type {unknown}; there are: String, Number, Boolean, Array, Object, Date.")),
    }
}
