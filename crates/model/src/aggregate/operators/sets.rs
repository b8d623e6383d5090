//! Lists as sets: their elements count once, and in no order.

use std::borrow::Cow;

use super::{Args, Made, Operator, Takes, any, at, exactly, null, refused, there};
use crate::aggregate::datum::Datum;
use crate::aggregate::failure::Failure;
use crate::aggregate::run::bounded;

pub(super) const OPERATORS: &[Operator] = &[
    any("$setUnion", union),
    any("$setIntersection", intersection),
    exactly("$setDifference", 2, difference),
    Operator { name: "$setEquals", takes: Takes::Between(2, usize::MAX), run: equals },
    exactly("$setIsSubset", 2, subset),
    exactly("$anyElementTrue", 1, |args| truths("$anyElementTrue", args, true)),
    exactly("$allElementsTrue", 1, |args| truths("$allElementsTrue", args, false)),
];

/// The elements, each once, in order.
fn set(items: &[Datum]) -> Vec<&Datum> {
    let mut set: Vec<&Datum> = items.iter().collect();
    set.sort_by(|a, b| a.order(b));
    set.dedup_by(|a, b| a.order(b).is_eq());
    set
}

fn has(set: &[&Datum], item: &Datum) -> bool {
    set.binary_search_by(|known| known.order(item)).is_ok()
}

fn owned(set: Vec<&Datum>) -> Datum {
    Datum::Array(set.into_iter().cloned().collect())
}

/// The lists; nothing if one of them is null or missing.
fn lists<'a>(name: &str, args: &'a Args<'_>) -> Result<Option<Vec<&'a [Datum]>>, Failure> {
    let mut lists = Vec::with_capacity(args.len());
    for arg in args.iter() {
        match arg.as_deref() {
            None | Some(Datum::Null) => return Ok(None),
            Some(Datum::Array(items)) => lists.push(items.as_slice()),
            Some(other) => {
                return refused(format!(
                    "All operands of {name} must be arrays. One argument is of type: {}",
                    other.kind()
                ));
            }
        }
    }
    Ok(Some(lists))
}

fn union(args: &Args<'_>) -> Made {
    let Some(lists) = lists("$setUnion", args)? else { return null() };
    bounded(owned(set(&lists.concat()))).map(Some)
}

fn intersection(args: &Args<'_>) -> Made {
    let Some(lists) = lists("$setIntersection", args)? else { return null() };
    let Some((first, rest)) = lists.split_first() else { return Ok(Some(Datum::Array(Vec::new()))) };
    let mut common = set(first);
    for items in rest {
        let other = set(items);
        common.retain(|item| has(&other, item));
    }
    Ok(Some(owned(common)))
}

fn difference(args: &Args<'_>) -> Made {
    let (Some(first), Some(second)) = (there(args, 0), there(args, 1)) else { return null() };
    let (Some(first), Some(second)) = (first.as_array(), second.as_array()) else {
        let (which, wrong) = if first.as_array().is_none() { ("First", first) } else { ("Second", second) };
        return refused(format!(
            "both operands of $setDifference must be arrays. {which} argument is of type: {}",
            wrong.kind()
        ));
    };
    let gone = set(second);
    let mut left: Vec<&Datum> = Vec::new();
    let mut seen: Vec<&Datum> = Vec::new();
    for item in first {
        if let Err(place) = seen.binary_search_by(|known| known.order(item))
            && !has(&gone, item)
        {
            seen.insert(place, item);
            left.push(item);
        }
    }
    Ok(Some(owned(left)))
}

fn equals(args: &Args<'_>) -> Made {
    let mut sets = Vec::with_capacity(args.len());
    for (place, arg) in args.iter().enumerate() {
        match arg.as_deref() {
            Some(Datum::Array(items)) => sets.push(set(items)),
            other => {
                let found = other.map_or("missing", Datum::kind);
                let place = place + 1;
                return refused(format!(
                    "All operands of $setEquals must be arrays. {place}-th argument is of type: {found}"
                ));
            }
        }
    }
    let same = |pair: &[Vec<&Datum>]| match pair {
        [a, b] => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.order(b).is_eq()),
        _ => true,
    };
    Ok(Some(Datum::Bool(sets.windows(2).all(same))))
}

fn subset(args: &Args<'_>) -> Made {
    let list = |place: usize, which: &str| match at(args, place) {
        Some(Datum::Array(items)) => Ok(items),
        other => {
            let found = other.map_or("missing", Datum::kind);
            refused(format!("both operands of $setIsSubset must be arrays. {which} argument is of type: {found}"))
        }
    };
    let (part, whole) = (list(0, "First")?, set(list(1, "Second")?));
    Ok(Some(Datum::Bool(part.iter().all(|item| has(&whole, item)))))
}

/// Whether one element is true, or all of them.
fn truths(name: &str, args: &Args<'_>, one: bool) -> Made {
    match at(args, 0) {
        Some(Datum::Array(items)) => {
            let mut truths = items.iter().map(|item| super::is_true(&Some(Cow::Borrowed(item))));
            Ok(Some(Datum::Bool(if one { truths.any(|is_true| is_true) } else { truths.all(|is_true| is_true) })))
        }
        other => {
            let found = other.map_or("missing", Datum::kind);
            refused(format!("{name}'s argument must be an array, but is {found}"))
        }
    }
}
