//! How much may a client ask in one query, `requestComplexity`?

use super::invalid_query;
use crate::error::ParseError;
use crate::value::{Map, Value};

/// The bounds of a query's conditions. Without one, [`super::DEPTH_MAX`] is all there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    /// How deep `$or`, `$and` and `$nor` may nest in one another.
    pub query_depth_max: Option<usize>,
    /// How deep queries may nest in one another.
    pub subquery_depth_max: Option<usize>,
    /// Whether `$regex` is refused.
    pub refuses_regex: bool,
}

impl Bounds {
    /// Refuses conditions that go beyond.
    pub(super) fn check(self, conditions: &Map) -> Result<(), ParseError> {
        if self == Self::default() {
            return Ok(());
        }
        let found = in_map(conditions);
        if let Some(max) = self.query_depth_max.filter(|max| found.logic > *max) {
            return refused(format!("Query condition nesting depth exceeds maximum allowed depth of {max}"));
        }
        if let Some(max) = self.subquery_depth_max.filter(|max| found.subqueries > *max) {
            return refused(format!("Subquery nesting depth exceeds maximum allowed depth of {max}"));
        }
        if self.refuses_regex && found.has_regex {
            return refused("$regex operator is not allowed".to_owned());
        }
        Ok(())
    }
}

fn refused(text: String) -> Result<(), ParseError> {
    Err(invalid_query(text))
}

/// What conditions come to.
#[derive(Default, Clone, Copy)]
struct Found {
    logic: usize,
    subqueries: usize,
    has_regex: bool,
}

impl Found {
    fn and(self, other: Self) -> Self {
        Self {
            logic: self.logic.max(other.logic),
            subqueries: self.subqueries.max(other.subqueries),
            has_regex: self.has_regex || other.has_regex,
        }
    }
}

/// Each value is looked at once, whatever it stands under: what is deep cannot hide below another operator.
fn in_map(map: &Map) -> Found {
    let entry = |(key, value): (&compact_str::CompactString, &Value)| {
        let below = in_value(value);
        match key.as_str() {
            "$or" | "$and" | "$nor" => Found { logic: below.logic + 1, ..below },
            "$inQuery" | "$notInQuery" | "$select" | "$dontSelect" => {
                Found { subqueries: below.subqueries + 1, ..below }
            }
            "$regex" => Found { has_regex: true, ..below },
            _ => below,
        }
    };
    map.iter().map(entry).fold(Found::default(), Found::and)
}

fn in_value(value: &Value) -> Found {
    match value {
        Value::Object(map) => in_map(map),
        Value::Array(items) => items.iter().map(in_value).fold(Found::default(), Found::and),
        _ => Found::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::json;

    #[test]
    fn what_goes_beyond_a_bound_is_refused_wherever_it_stands() {
        let bounds = Bounds { query_depth_max: Some(1), subquery_depth_max: Some(1), refuses_regex: true };
        for (text, taken) in [
            (r#"{"$or":[{"a":1}]}"#, true),
            (r#"{"$or":[{"$and":[{"a":1}]}]}"#, false),
            (r#"{"a":{"$elemMatch":{"$or":[{"b":{"$nor":[]}}]}}}"#, false),
            (r#"{"p":{"$inQuery":{"className":"C","where":{"$or":[{}]}}}}"#, true),
            (r#"{"p":{"$inQuery":{"className":"C","where":{"p":{"$select":{}}}}}}"#, false),
            (r#"{"p":{"$inQuery":{"className":"C","where":{"a":{"$regex":"x"}}}}}"#, false),
        ] {
            let conditions = json::read(text.as_bytes()).unwrap();
            let conditions = conditions.as_object().unwrap();
            assert_eq!(bounds.check(conditions).is_ok(), taken, "{text}");
            assert!(Bounds::default().check(conditions).is_ok());
        }
    }
}
