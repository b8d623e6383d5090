//! Which documents meet a condition? MongoDB's own language of conditions, as `$match` speaks it; `matching/parse.rs` reads it.

mod parse;

use std::cmp::Ordering;

use regex::Regex;

use super::datum::Datum;
use super::expression::{Env, Expression};
use super::failure::Failure;
use super::path::{Path, Purpose};

/// A condition on a document.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    /// All of them.
    All(Vec<Condition>),
    /// At least one of them.
    Any(Vec<Condition>),
    /// None of them.
    None(Vec<Condition>),
    /// An expression that holds.
    Holds(Expression),
    /// What is at a path.
    At(Path, Test),
}

/// A condition on what is at a path.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    /// The same value; null is also what is missing.
    Equals(Datum),
    /// Less or greater, among values of its kind.
    Compared(Relation, Datum),
    /// One of these, or a text that matches one of those.
    In(Vec<Datum>, Vec<Regex>),
    /// There.
    Exists,
    /// Of one of these types.
    Type(Vec<&'static str>),
    /// A list of so many elements.
    Size(usize),
    /// A number that leaves this rest.
    Modulo(i64, i64),
    /// A text that matches; and the expression as it was written.
    Matches(Regex),
    /// All of these.
    Every(Vec<Test>),
    /// A list with a document that meets this.
    Element(Box<Condition>),
    /// A list with an element that meets all of these.
    ElementIs(Vec<Test>),
    /// Not all of these.
    Not(Vec<Test>),
}

/// How two values stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    /// `$lt`
    Less,
    /// `$lte`
    LessOrEqual,
    /// `$gt`
    Greater,
    /// `$gte`
    GreaterOrEqual,
}

impl Relation {
    const fn includes_equal(self) -> bool {
        matches!(self, Self::LessOrEqual | Self::GreaterOrEqual)
    }

    const fn fits(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl Condition {
    /// Whether a document meets it.
    pub(crate) fn is_met(&self, env: &Env<'_>) -> Result<bool, Failure> {
        env.run.tick()?;
        match self {
            Self::All(parts) => all(parts, |part| part.is_met(env)),
            Self::Any(parts) => all(parts, |part| part.is_met(env).map(|met| !met)).map(|none| !none),
            Self::None(parts) => all(parts, |part| part.is_met(env).map(|met| !met)),
            Self::Holds(expression) => expression.holds(env),
            Self::At(path, test) => test.holds(&path.reach(env.root, Purpose::Match), env),
        }
    }
}

fn all<T>(parts: &[T], mut test: impl FnMut(&T) -> Result<bool, Failure>) -> Result<bool, Failure> {
    for part in parts {
        if !test(part)? {
            return Ok(false);
        }
    }
    Ok(true)
}

type Found<'d> = [Option<&'d Datum>];

impl Test {
    fn holds(&self, found: &Found<'_>, env: &Env<'_>) -> Result<bool, Failure> {
        Ok(match self {
            Self::Equals(value) => is_there(found, value),
            Self::Compared(relation, Datum::Null) => relation.includes_equal() && is_there(found, &Datum::Null),
            Self::Compared(relation, value) => any(found, |candidate| is_related(candidate, *relation, value)),
            Self::In(values, expressions) => {
                values.iter().any(|value| is_there(found, value))
                    || expressions.iter().any(|expression| any(found, |candidate| matches(candidate, expression)))
            }
            Self::Exists => found.iter().any(Option::is_some),
            Self::Type(kinds) => any(found, |candidate| kinds.contains(&candidate.kind())),
            Self::Size(size) => lists(found).any(|items| items.len() == *size),
            Self::Modulo(divisor, rest) => any(found, |candidate| leaves(candidate, *divisor, *rest)),
            Self::Matches(expression) => any(found, |candidate| matches(candidate, expression)),
            Self::Every(tests) => !tests.is_empty() && all(tests, |test| test.holds(found, env))?,
            Self::Element(condition) => {
                let mut documents = lists(found).flatten().filter_map(Datum::as_document);
                some(&mut documents, |root| condition.is_met(&Env { root, ..*env }))?
            }
            Self::ElementIs(tests) => {
                let mut items = lists(found).flatten();
                some(&mut items, |item| all(tests, |test| test.holds(&[Some(item)], env)))?
            }
            Self::Not(tests) => !all(tests, |test| test.holds(found, env))?,
        })
    }
}

fn some<T>(
    items: &mut dyn Iterator<Item = T>,
    mut test: impl FnMut(T) -> Result<bool, Failure>,
) -> Result<bool, Failure> {
    for item in items {
        if test(item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn lists<'f, 'd: 'f>(found: &'f Found<'d>) -> impl Iterator<Item = &'d [Datum]> + 'f {
    found.iter().filter_map(|candidate| candidate.and_then(Datum::as_array))
}

/// Whether a test holds for something found, or for an element of a list found.
fn any(found: &Found<'_>, test: impl Fn(&Datum) -> bool) -> bool {
    found.iter().flatten().any(|candidate| {
        let items = candidate.as_array().unwrap_or_default();
        test(candidate) || items.iter().any(&test)
    })
}

fn is_there(found: &Found<'_>, value: &Datum) -> bool {
    let missing = matches!(value, Datum::Null) && found.iter().any(Option::is_none);
    missing || any(found, |candidate| candidate == value)
}

fn is_related(candidate: &Datum, relation: Relation, value: &Datum) -> bool {
    let is_nan = |datum: &Datum| datum.as_f64().is_some_and(f64::is_nan);
    if is_nan(candidate) || is_nan(value) {
        // What is no number is equal to itself, and neither less nor greater than anything.
        return relation.includes_equal() && is_nan(candidate) && is_nan(value);
    }
    candidate.rank() == value.rank() && relation.fits(candidate.order(value))
}

fn matches(candidate: &Datum, expression: &Regex) -> bool {
    candidate.as_str().is_some_and(|text| expression.is_match(text))
}

fn leaves(candidate: &Datum, divisor: i64, rest: i64) -> bool {
    let whole = match candidate {
        Datum::Int(number) => Some(i64::from(*number)),
        Datum::Long(number) => Some(*number),
        Datum::Double(number) if number.abs() < 9_223_372_036_854_775_808.0 => Some(number.trunc() as i64),
        _ => None,
    };
    whole.and_then(|number| number.checked_rem(divisor)) == Some(rest)
}
