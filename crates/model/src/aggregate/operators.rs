//! The operators of expressions that look at nothing but the values of their operands, by subject.

mod arithmetic;
mod arrays;
mod compare;
mod dates;
mod objects;
mod sets;
mod strings;
mod texts;
mod types;
mod zone;

use std::borrow::Cow;

use super::datum::Datum;
use super::failure::Failure;

pub(crate) use arithmetic::{Sum, plain_sum};
pub(crate) use arrays::count;

/// The value of an operand, if it is not missing.
pub(crate) type Arg<'a> = Option<Cow<'a, Datum>>;

/// The values of the operands: in order, or in the order of their names.
#[derive(Debug)]
pub(crate) struct Args<'a> {
    values: Vec<Arg<'a>>,
    /// Which of them were written at all; one that was may still be missing.
    given: Vec<bool>,
}

impl<'a> Args<'a> {
    /// Values, with whether each was written.
    pub(crate) fn new(all: impl Iterator<Item = Result<(Arg<'a>, bool), Failure>>) -> Result<Self, Failure> {
        let (values, given) = all.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        Ok(Self { values, given })
    }

    /// Whether an operand was written.
    fn is_given(&self, place: usize) -> bool {
        self.given.get(place).copied().unwrap_or(false)
    }
}

impl<'a> std::ops::Deref for Args<'a> {
    type Target = [Arg<'a>];

    fn deref(&self) -> &[Arg<'a>] {
        &self.values
    }
}

/// What an operator makes; nothing if that is missing.
pub(crate) type Made = Result<Option<Datum>, Failure>;

/// An operator.
#[derive(Debug)]
pub(crate) struct Operator {
    /// Its name, with the `$`.
    pub(crate) name: &'static str,
    /// Which operands it takes.
    pub(crate) takes: Takes,
    /// What it makes of them: as many as it takes, or in the order of their names.
    pub(crate) run: fn(&Args<'_>) -> Made,
}

/// Which operands an operator takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Takes {
    /// So many at least and at most.
    Between(usize, usize),
    /// By these names, and whether each has to be there.
    Named(&'static [(&'static str, bool)]),
    /// One, or several by these names.
    OneOrNamed(&'static [(&'static str, bool)]),
}

/// An operator that takes exactly so many operands.
const fn exactly(name: &'static str, count: usize, run: fn(&Args<'_>) -> Made) -> Operator {
    Operator { name, takes: Takes::Between(count, count), run }
}

/// An operator that takes any number of operands.
const fn any(name: &'static str, run: fn(&Args<'_>) -> Made) -> Operator {
    Operator { name, takes: Takes::Between(0, usize::MAX), run }
}

/// An operator that takes its operands by name.
const fn named(name: &'static str, names: &'static [(&'static str, bool)], run: fn(&Args<'_>) -> Made) -> Operator {
    Operator { name, takes: Takes::Named(names), run }
}

/// The operator of this name.
pub(crate) fn find(name: &str) -> Option<&'static Operator> {
    let subjects = [
        arithmetic::OPERATORS,
        arrays::OPERATORS,
        compare::OPERATORS,
        dates::OPERATORS,
        objects::OPERATORS,
        sets::OPERATORS,
        strings::OPERATORS,
        texts::OPERATORS,
        types::OPERATORS,
        super::accumulate::OPERATORS,
    ];
    subjects.into_iter().flatten().find(|operator| operator.name == name)
}

/// Whether a value is null or missing.
pub(crate) fn is_nullish(arg: &Arg<'_>) -> bool {
    matches!(arg.as_deref(), None | Some(Datum::Null))
}

/// Whether a value counts as true: everything but false, zero, null and what is missing.
pub(crate) fn is_true(arg: &Arg<'_>) -> bool {
    match arg.as_deref() {
        None | Some(Datum::Null) => false,
        Some(Datum::Bool(value)) => *value,
        Some(number) => number.as_f64().is_none_or(|number| number != 0.0),
    }
}

/// MongoDB's name for the type of a value.
pub(crate) fn kind(arg: &Arg<'_>) -> &'static str {
    arg.as_deref().map_or("missing", Datum::kind)
}

/// An operand, by its place.
fn at<'b>(args: &'b Args<'_>, place: usize) -> Option<&'b Datum> {
    args.get(place).and_then(|arg| arg.as_deref())
}

/// An operand, by its place; nothing if it is null or missing.
fn there<'b>(args: &'b Args<'_>, place: usize) -> Option<&'b Datum> {
    at(args, place).filter(|datum| !matches!(datum, Datum::Null))
}

fn refused<T>(text: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::refused(text))
}

#[expect(clippy::unnecessary_wraps, reason = "what an operator makes")]
fn null() -> Made {
    Ok(Some(Datum::Null))
}

/// A whole number, if it is one, whatever its type.
fn whole(datum: &Datum) -> Option<i64> {
    match datum {
        Datum::Int(number) => Some(i64::from(*number)),
        Datum::Long(number) => Some(*number),
        Datum::Double(number) if number.fract() == 0.0 && number.abs() < 9.0e18 => Some(*number as i64),
        _ => None,
    }
}

/// A value as MongoDB shows it in its refusals.
fn shown(datum: &Datum) -> String {
    let text = String::from_utf8(crate::value::json::write(&super::ejson::write(datum.clone()))).unwrap_or_default();
    crate::names::shorten(&text)
}
