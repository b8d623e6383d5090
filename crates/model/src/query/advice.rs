//! What does a client tell the database about how to answer? None of it changes an answer.

use crate::error::{ErrorCode, ParseError};
use crate::value::{Map, Value};

/// Advice for one read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Advice {
    /// The index to use.
    pub hint: Option<Hint>,
    /// A remark for the database's own logs.
    pub comment: Option<String>,
    /// Which member of a replica set to ask.
    pub read_preference: Option<ReadPreference>,
}

/// An index to use.
#[derive(Debug, Clone, PartialEq)]
pub enum Hint {
    /// The one of this name.
    Name(String),
    /// The one with these keys, by their names on disk.
    Keys(Map),
}

/// Which member of a replica set to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadPreference {
    /// The one that writes.
    Primary,
    /// The one that writes, unless it is away.
    PrimaryPreferred,
    /// Any but the one that writes.
    Secondary,
    /// Any but the one that writes, unless there is no other.
    SecondaryPreferred,
    /// The quickest to reach.
    Nearest,
}

/// How much of a plan is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    /// The plan.
    QueryPlanner,
    /// The plan, and what it cost to run it.
    ExecutionStats,
    /// The plan, what it cost, and what others would have cost.
    AllPlansExecution,
}

impl ReadPreference {
    /// Reads a preference; its case does not matter.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Ok(match text.to_ascii_uppercase().as_str() {
            "PRIMARY" => Self::Primary,
            "PRIMARY_PREFERRED" => Self::PrimaryPreferred,
            "SECONDARY" => Self::Secondary,
            "SECONDARY_PREFERRED" => Self::SecondaryPreferred,
            "NEAREST" => Self::Nearest,
            _ => return Err(ParseError::new(ErrorCode::InvalidQuery, "Not supported read preference.")),
        })
    }

    /// Its name, as clients send it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Primary => "PRIMARY",
            Self::PrimaryPreferred => "PRIMARY_PREFERRED",
            Self::Secondary => "SECONDARY",
            Self::SecondaryPreferred => "SECONDARY_PREFERRED",
            Self::Nearest => "NEAREST",
        }
    }

    /// The preference in a parameter. Parse: one that is no text is not there.
    pub fn in_params(params: &Map, name: &str) -> Result<Option<Self>, ParseError> {
        params.get(name).and_then(Value::as_str).map(Self::parse).transpose()
    }
}

impl Verbosity {
    /// Reads the value of `explain`; nothing if no plan is asked for.
    pub fn parse(value: Option<&Value>) -> Result<Option<Self>, ParseError> {
        match value {
            None => Ok(None),
            Some(value) if !value.is_truthy() => Ok(None),
            // Parse: what the driver takes `true` for.
            Some(Value::Bool(_)) => Ok(Some(Self::AllPlansExecution)),
            Some(Value::String(text)) => match text.as_str() {
                // MongoDB knows the second of these only for other commands.
                "queryPlanner" | "queryPlannerExtended" => Ok(Some(Self::QueryPlanner)),
                "executionStats" => Ok(Some(Self::ExecutionStats)),
                "allPlansExecution" => Ok(Some(Self::AllPlansExecution)),
                _ => Err(bad_explain()),
            },
            Some(_) => Err(bad_explain()),
        }
    }

    /// MongoDB's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueryPlanner => "queryPlanner",
            Self::ExecutionStats => "executionStats",
            Self::AllPlansExecution => "allPlansExecution",
        }
    }
}

fn bad_explain() -> ParseError {
    ParseError::new(ErrorCode::InvalidQuery, "Invalid value for explain")
}

impl Hint {
    /// The hint in a value, if it is one.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(name) if !name.is_empty() => Some(Self::Name(name.clone())),
            Value::Object(keys) if !keys.is_empty() => Some(Self::Keys(keys.clone())),
            _ => None,
        }
    }
}

impl Advice {
    /// Reads the advice for a find. Parse: a hint or a remark of another type is not there.
    pub fn of_find(params: &Map) -> Result<Self, ParseError> {
        Ok(Self {
            hint: params.get("hint").and_then(Hint::of),
            comment: params.get("comment").and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned),
            read_preference: ReadPreference::in_params(params, "readPreference")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map;

    #[test]
    fn explain_takes_the_driver_s_words() {
        for (value, expected) in [
            (Value::Bool(true), Some("allPlansExecution")),
            (Value::Bool(false), None),
            (Value::Null, None),
            ("".into(), None),
            (0.into(), None),
            ("queryPlanner".into(), Some("queryPlanner")),
            ("executionStats".into(), Some("executionStats")),
        ] {
            assert_eq!(Verbosity::parse(Some(&value)).unwrap().map(Verbosity::name), expected, "{value:?}");
        }
        for value in ["foo".into(), Value::from(1), Value::Array(vec![]), Value::Object(map! {})] {
            assert_eq!(Verbosity::parse(Some(&value)).unwrap_err().message, "Invalid value for explain");
        }
    }

    #[test]
    fn advice_of_another_type_is_not_there_and_a_wrong_preference_is_refused() {
        let advice = Advice::of_find(&map! { "hint" => 5, "comment" => map! {}, "readPreference" => 5 }).unwrap();
        assert_eq!(advice, Advice::default());
        let advice =
            Advice::of_find(&map! { "hint" => map! { "_id" => 1 }, "readPreference" => "Secondary_Preferred" });
        let advice = advice.unwrap();
        assert_eq!(advice.hint, Some(Hint::Keys(map! { "_id" => 1 })));
        assert_eq!(advice.read_preference, Some(ReadPreference::SecondaryPreferred));
        let error = Advice::of_find(&map! { "readPreference" => "nope" }).unwrap_err();
        assert_eq!((error.number(), &*error.message), (Some(102), "Not supported read preference."));
    }
}
