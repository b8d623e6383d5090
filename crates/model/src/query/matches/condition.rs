//! Does what is inside a value meet a condition? As MongoDB decides it: of a list its elements count too, types are kept apart,
//! and `null` is also what is missing.

use std::cmp::Ordering;
use std::sync::Arc;

use compact_str::CompactString;
use regex::Regex;

use super::order::{equal, order, rank};
use super::reach::{Purpose, Reached, reach};
use crate::query::{Constraint, Pattern};
use crate::value::Value;

/// A condition on what is at a path below a value.
#[derive(Debug)]
pub struct Condition {
    path: Vec<CompactString>,
    test: Test,
    opposite: bool,
}

#[derive(Debug)]
enum Test {
    Equals(Value),
    Compared(Value, fn(Ordering) -> bool),
    In(Vec<Value>),
    All(Vec<Value>),
    ContainedBy(Vec<Value>),
    Exists,
    Matches(Vec<Arc<Regex>>),
    SameText(String),
}

impl Condition {
    /// A constraint on what is at this path. `None` for those that are about more than one value: places, texts, other queries.
    pub fn new<E>(
        path: &[&str],
        constraint: &Constraint,
        mut compile: impl FnMut(&Pattern) -> Result<Arc<Regex>, E>,
    ) -> Result<Option<Self>, E> {
        let (test, opposite) = match constraint {
            Constraint::Equals(value) => (Test::Equals(value.clone()), false),
            Constraint::NotEquals(value) => (Test::Equals(value.clone()), true),
            Constraint::Less(value) => (Test::Compared(value.clone(), Ordering::is_lt), false),
            Constraint::LessOrEqual(value) => (Test::Compared(value.clone(), Ordering::is_le), false),
            Constraint::Greater(value) => (Test::Compared(value.clone(), Ordering::is_gt), false),
            Constraint::GreaterOrEqual(value) => (Test::Compared(value.clone(), Ordering::is_ge), false),
            Constraint::In(values) => (Test::In(values.clone()), false),
            Constraint::NotIn(values) => (Test::In(values.clone()), true),
            Constraint::All(values) => (Test::All(values.clone()), false),
            Constraint::AllMatch(patterns) => {
                (Test::Matches(patterns.iter().map(compile).collect::<Result<_, E>>()?), false)
            }
            Constraint::ContainedBy(values) => (Test::ContainedBy(values.clone()), false),
            Constraint::Exists(there) => (Test::Exists, !there),
            Constraint::Matches(pattern) => (Test::Matches(vec![compile(pattern)?]), false),
            Constraint::SameText(text) => (Test::SameText(text.to_lowercase()), false),
            Constraint::Text(_)
            | Constraint::Near { .. }
            | Constraint::WithinBox { .. }
            | Constraint::WithinPolygon(_)
            | Constraint::WithinSphere { .. }
            | Constraint::Intersects(_)
            | Constraint::InQuery(..)
            | Constraint::Select(..) => return Ok(None),
        };
        let path = path.iter().map(|part| CompactString::from(*part)).collect();
        Ok(Some(Self { path, test, opposite }))
    }

    /// Whether a value meets it; `None` is a value that is missing.
    pub fn is_met(&self, value: Option<&Value>) -> bool {
        let mut found = Vec::new();
        match value {
            Some(value) => reach(value, &self.path, Purpose::Match, &mut found),
            None => found.push(Reached::Missing),
        }
        self.test.holds(&found) != self.opposite
    }
}

impl Test {
    fn holds(&self, found: &[Reached<'_>]) -> bool {
        match self {
            Self::Equals(value) => is_there(found, value),
            Self::Compared(Value::Null, includes) => includes(Ordering::Equal) && is_there(found, &Value::Null),
            Self::Compared(value, fits) => {
                any(found, |candidate| candidate.is_some_and(|candidate| is_related(candidate, *fits, value)))
            }
            Self::In(values) => values.iter().any(|value| is_there(found, value)),
            Self::All(values) => !values.is_empty() && values.iter().all(|value| is_there(found, value)),
            Self::ContainedBy(values) => found.iter().all(|reached| {
                let items = reached.as_value().and_then(Value::as_array).unwrap_or_default();
                items.iter().all(|item| values.iter().any(|value| equal(item, value)))
            }),
            Self::Exists => found.iter().any(|reached| reached.as_value().is_some()),
            Self::Matches(all) => all.iter().all(|regex| has_text(found, |text| regex.is_match(text))),
            Self::SameText(lower) => has_text(found, |text| text.to_lowercase() == *lower),
        }
    }
}

/// Whether a test holds for something found, or for an element of a list found.
fn any(found: &[Reached<'_>], test: impl Fn(Option<&Value>) -> bool) -> bool {
    found.iter().any(|reached| {
        let items = match reached {
            Reached::Value(value) => value.as_array().unwrap_or_default(),
            Reached::Missing | Reached::Element(_) => &[],
        };
        test(reached.as_value()) || items.iter().any(|item| test(Some(item)))
    })
}

fn has_text(found: &[Reached<'_>], test: impl Fn(&str) -> bool) -> bool {
    any(found, |candidate| candidate.and_then(Value::as_str).is_some_and(&test))
}

fn is_there(found: &[Reached<'_>], value: &Value) -> bool {
    any(found, |candidate| candidate.map_or(value.is_null(), |candidate| equal(candidate, value)))
}

/// Values of different types are neither less nor greater, and what is no number is only equal to itself.
fn is_related(candidate: &Value, fits: fn(Ordering) -> bool, value: &Value) -> bool {
    let is_nan = |value: &Value| value.as_f64().is_some_and(f64::is_nan);
    if is_nan(candidate) || is_nan(value) {
        return is_nan(candidate) && is_nan(value) && fits(Ordering::Equal);
    }
    rank(candidate) == rank(value) && fits(order(candidate, value))
}
