//! What does a script's constant `RULES` say: who may call which of its functions, as Parse's validators do?

use std::collections::BTreeMap;

use parsimony_cloud::Rules;
use parsimony_model::Value;
use rhai::Map;

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
        let Ok(Value::Object(spelled)) = from_dynamic(rules) else {
            return Err(format!("the rules of {function} are no map."));
        };
        let one = Rules::spelled(&spelled).map_err(|text| format!("{function}: {text}"))?;
        read.insert(function.to_string(), one);
    }
    Ok(ByFunction(read))
}
