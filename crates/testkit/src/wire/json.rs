//! What is a JSON text that keeps the order of its keys?
//!
//! The order counts in requests: stages of an aggregation, keys of a sort. `serde_json` would keep it too, but only if
//! every crate built beside this one got the same, and then the tests would run another server than the one that ships.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Number;

/// A JSON value whose objects keep the order of their keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object.
    Object(IndexMap<String, Json>),
}

impl Json {
    /// The text of the value, without a blank.
    pub fn text(&self) -> String {
        // Nothing in it can fail to be written: keys are texts, numbers are finite.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_order_and_numbers_their_form() {
        let text = r#"{"b":[1,1.5,-2,1e+30,null,true,{}],"a":"\u0000"}"#;
        let json: Json = serde_json::from_str(text).unwrap();
        assert_eq!(json.text(), text);
    }
}
