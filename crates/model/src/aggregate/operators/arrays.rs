//! Lists: their elements, parts, order and places.

use super::{Args, Made, Operator, Takes, any, at, exactly, kind, named, null, refused, shown, there, whole};
use crate::aggregate::datum::{Datum, Document};
use crate::aggregate::failure::Failure;
use crate::aggregate::run::{bounded, check_bytes, size};
use crate::aggregate::sort::order_of_optional;

const SOME: &[(&str, bool)] = &[("n", true), ("input", true)];

/// The longest list that `$range` makes.
const RANGE_MAX: usize = 500_000;

pub(super) const OPERATORS: &[Operator] = &[
    exactly("$arrayElemAt", 2, element),
    exactly("$size", 1, |args| match at(args, 0) {
        Some(Datum::Array(items)) => Ok(Some(Datum::whole(i64::try_from(items.len()).unwrap_or(i64::MAX)))),
        _ => refused(format!("The argument to $size must be an array, but was of type: {}", first_kind(args))),
    }),
    exactly("$isArray", 1, |args| Ok(Some(Datum::Bool(matches!(at(args, 0), Some(Datum::Array(_))))))),
    any("$concatArrays", concat),
    exactly("$reverseArray", 1, |args| match there(args, 0) {
        None => null(),
        Some(Datum::Array(items)) => Ok(Some(Datum::Array(items.iter().rev().cloned().collect()))),
        Some(other) => {
            refused(format!("The argument to $reverseArray must be an array, but was of type: {}", other.kind()))
        }
    }),
    exactly("$in", 2, |args| match at(args, 1) {
        Some(Datum::Array(items)) => {
            let found = items.iter().any(|item| order_of_optional(at(args, 0), Some(item)).is_eq());
            Ok(Some(Datum::Bool(found)))
        }
        _ => refused(format!(
            "$in requires an array as a second argument, found: {}",
            args.get(1).map_or("missing", kind)
        )),
    }),
    Operator { name: "$indexOfArray", takes: Takes::Between(2, 4), run: index },
    Operator { name: "$slice", takes: Takes::Between(2, 3), run: slice },
    Operator { name: "$range", takes: Takes::Between(2, 3), run: range },
    named("$zip", &[("inputs", true), ("useLongestLength", false), ("defaults", false)], zip),
    exactly("$objectToArray", 1, to_pairs),
    exactly("$arrayToObject", 1, from_pairs),
    named("$firstN", SOME, |args| some("$firstN", args, false)),
    named("$lastN", SOME, |args| some("$lastN", args, true)),
    named("$minN", SOME, |args| least("$minN", args, false)),
    named("$maxN", SOME, |args| least("$maxN", args, true)),
];

fn first_kind(args: &Args<'_>) -> &'static str {
    args.first().map_or("missing", kind)
}

fn element(args: &Args<'_>) -> Made {
    let (Some(list), Some(place)) = (there(args, 0), there(args, 1)) else { return null() };
    let Datum::Array(items) = list else {
        return refused(format!("$arrayElemAt's first argument must be an array, but is {}", list.kind()));
    };
    if place.as_f64().is_none() {
        return refused(format!("$arrayElemAt's second argument must be a numeric value, but is {}", place.kind()));
    }
    let Some(place) = whole(place) else {
        return refused(format!(
            "$arrayElemAt's second argument must be representable as a 32-bit integer: {}",
            shown(place)
        ));
    };
    Ok(place_in(place, items.len()).and_then(|place| items.get(place)).cloned())
}

/// A place from the start, or from the end if it is negative.
fn place_in(place: i64, length: usize) -> Option<usize> {
    match usize::try_from(place) {
        Ok(place) => Some(place),
        Err(_) => length.checked_sub(usize::try_from(place.unsigned_abs()).ok()?),
    }
}

fn concat(args: &Args<'_>) -> Made {
    let mut all = Vec::new();
    for arg in args.iter() {
        match arg.as_deref() {
            None | Some(Datum::Null) => return null(),
            Some(Datum::Array(items)) => all.extend_from_slice(items),
            Some(other) => return refused(format!("$concatArrays only supports arrays, not {}", other.kind())),
        }
    }
    bounded(Datum::Array(all)).map(Some)
}

fn index(args: &Args<'_>) -> Made {
    let Some(list) = there(args, 0) else { return null() };
    let Datum::Array(items) = list else {
        return refused(format!("$indexOfArray requires an array as a first argument, found: {}", list.kind()));
    };
    let bound = |place: usize, what: &str| match at(args, place) {
        None => Ok(None),
        Some(number) => match whole(number).map(usize::try_from) {
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => {
                refused(format!("$indexOfArray requires a nonnegative {what} index, found: {}", shown(number)))
            }
            None => refused(format!(
                "$indexOfArray requires an integral {what} index, found a value of type: {}",
                number.kind()
            )),
        },
    };
    let (start, end) = (bound(2, "starting")?.unwrap_or(0), bound(3, "ending")?.unwrap_or(usize::MAX));
    let found = items
        .iter()
        .enumerate()
        .take(end)
        .skip(start)
        .find(|(_, item)| order_of_optional(Some(item), at(args, 1)).is_eq());
    Ok(Some(Datum::whole(found.map_or(-1, |(place, _)| i64::try_from(place).unwrap_or(i64::MAX)))))
}

fn slice(args: &Args<'_>) -> Made {
    if args.iter().any(super::is_nullish) {
        return null();
    }
    let Some(Datum::Array(items)) = at(args, 0) else {
        return refused(format!("First argument to $slice must be an array, but is of type: {}", first_kind(args)));
    };
    let number = |place: usize, which: &str| match at(args, place) {
        Some(number) if number.as_f64().is_none() => {
            refused(format!("{which} argument to $slice must be a numeric value, but is of type: {}", number.kind()))
        }
        Some(number) => match whole(number) {
            Some(number) => Ok(number),
            None => refused(format!(
                "{which} argument to $slice can't be represented as a 32-bit integer: {}",
                shown(number)
            )),
        },
        None => Ok(0),
    };
    let second = number(1, "Second")?;
    let length = items.len();
    let (start, count) = if args.len() == 3 {
        let count = match usize::try_from(number(2, "Third")?) {
            Ok(count) if count > 0 => count,
            _ => {
                return refused(format!(
                    "Third argument to $slice must be positive: {}",
                    at(args, 2).map_or_else(String::new, shown)
                ));
            }
        };
        (place_in(second, length).unwrap_or(0), count)
    } else {
        match usize::try_from(second) {
            Ok(count) => (0, count),
            Err(_) => (place_in(second, length).unwrap_or(0), length),
        }
    };
    Ok(Some(Datum::Array(items.iter().skip(start).take(count).cloned().collect())))
}

fn range(args: &Args<'_>) -> Made {
    let number = |place: usize, what: &str| match at(args, place) {
        None => refused(format!("$range requires a numeric {what} value, found value of type: missing")),
        Some(number) if number.as_f64().is_none() => {
            refused(format!("$range requires a numeric {what} value, found value of type: {}", number.kind()))
        }
        Some(number) => match whole(number).and_then(|number| i32::try_from(number).ok()) {
            Some(number) => Ok(i64::from(number)),
            None => refused(format!(
                "$range requires a {what} value that can be represented as a 32-bit integer, found value: {}",
                shown(number)
            )),
        },
    };
    let (start, end) = (number(0, "starting")?, number(1, "ending")?);
    let step = if args.len() == 3 { number(2, "step")? } else { 1 };
    let Ok(stride) = usize::try_from(step.unsigned_abs()) else { return null() };
    if stride == 0 {
        return refused("$range requires a non-zero step value");
    }
    let numbers: Box<dyn Iterator<Item = i64>> = if step > 0 {
        Box::new((start..end).step_by(stride))
    } else {
        Box::new((end + 1..=start).rev().step_by(stride))
    };
    if usize::try_from((end - start).unsigned_abs()).unwrap_or(usize::MAX) / stride > RANGE_MAX {
        return refused(format!("$range would make a list of more than {RANGE_MAX} elements"));
    }
    Ok(Some(Datum::Array(numbers.map(Datum::whole).collect())))
}

fn zip(args: &Args<'_>) -> Made {
    let Some(inputs) = there(args, 0) else { return null() };
    let Some(inputs) = inputs.as_array() else {
        return refused(format!("inputs must be an array of expressions, found {}", inputs.kind()));
    };
    if inputs.is_empty() {
        return refused("at least one array must be provided to $zip");
    }
    let mut lists = Vec::with_capacity(inputs.len());
    for input in inputs {
        match input {
            Datum::Null => return null(),
            Datum::Array(items) => lists.push(items),
            other => return refused(format!("$zip found a non-array expression in input: {}", shown(other))),
        }
    }
    let longest = super::is_true(&args.get(1).cloned().flatten());
    let defaults = at(args, 2).and_then(Datum::as_array).unwrap_or_default();
    if !defaults.is_empty() && (!longest || defaults.len() != lists.len()) {
        return refused("defaults and inputs must have the same length, and useLongestLength must be true");
    }
    let lengths = lists.iter().map(|items| items.len());
    let length = if longest { lengths.max() } else { lengths.min() }.unwrap_or(0);
    let row = |place: usize| {
        let cell = |(column, items): (usize, &&Vec<Datum>)| {
            items.get(place).or_else(|| defaults.get(column)).cloned().unwrap_or_default()
        };
        Datum::Array(lists.iter().enumerate().map(cell).collect())
    };
    let mut rows = Vec::with_capacity(length);
    let mut bytes = 0;
    for place in 0..length {
        let row = row(place);
        bytes += size(&row);
        check_bytes(bytes)?;
        rows.push(row);
    }
    Ok(Some(Datum::Array(rows)))
}

fn to_pairs(args: &Args<'_>) -> Made {
    match there(args, 0) {
        None => null(),
        Some(Datum::Document(fields)) => {
            let pair = |(key, value): (&compact_str::CompactString, &Datum)| {
                let key = Datum::String(key.to_string());
                Datum::Document(Document::from_iter([("k".into(), key), ("v".into(), value.clone())]))
            };
            Ok(Some(Datum::Array(fields.iter().map(pair).collect())))
        }
        Some(other) => refused(format!("$objectToArray requires a document input, found: {}", other.kind())),
    }
}

fn from_pairs(args: &Args<'_>) -> Made {
    let Some(list) = there(args, 0) else { return null() };
    let Datum::Array(items) = list else {
        return refused(format!("$arrayToObject requires an array input, found: {}", list.kind()));
    };
    let mut document = Document::default();
    for item in items {
        let (key, value) = pair(item)?;
        document.insert(key.into(), value);
    }
    Ok(Some(Datum::Document(document)))
}

/// `{k, v}`, or a list of the two.
fn pair(item: &Datum) -> Result<(&str, Datum), Failure> {
    let (key, value) = match item {
        Datum::Array(pair) => match pair.as_slice() {
            [key, value] => (key, value),
            _ => {
                return refused(format!(
                    "$arrayToObject requires an array of size 2 arrays,found array of size: {}",
                    pair.len()
                ));
            }
        },
        Datum::Document(fields) => match (fields.get("k"), fields.get("v"), fields.len()) {
            (Some(key), Some(value), 2) => (key, value),
            (.., 2) => {
                return refused(
                    "$arrayToObject requires an object with keys 'k' and 'v'. Missing either or both keys from: {}",
                );
            }
            _ => {
                return refused(format!(
                    "$arrayToObject requires an object keys of 'k' and 'v'. Found incorrect number of keys:{}",
                    fields.len()
                ));
            }
        },
        other => return refused(format!("Unrecognised input type format for $arrayToObject: {}", other.kind())),
    };
    match key {
        Datum::String(key) if key.contains('\0') => refused("Key field cannot contain an embedded null byte"),
        Datum::String(key) => Ok((key, value.clone())),
        other => refused(format!(
            "$arrayToObject requires an object with keys 'k' and 'v', where the value of 'k' must be of type string. Found type: {}",
            other.kind()
        )),
    }
}

/// How many, for the operators that take the first or last of a list.
pub(crate) fn count(name: &str, datum: Option<&Datum>) -> Result<usize, Failure> {
    let Some(number) = datum else {
        return refused(format!("Value for 'n' must be of integral type, but found missing: {name}"));
    };
    match whole(number).map(usize::try_from) {
        Some(Ok(count)) if count > 0 => Ok(count),
        Some(_) => refused(format!("'n' must be greater than 0, found {}", shown(number))),
        None => refused(format!("Value for 'n' must be of integral type, but found {}", shown(number))),
    }
}

fn items_of<'a>(name: &str, args: &'a Args<'_>) -> Result<&'a [Datum], Failure> {
    match at(args, 1) {
        Some(Datum::Array(items)) => Ok(items),
        _ => refused(format!("Input must be an array: {name}")),
    }
}

fn some(name: &str, args: &Args<'_>, last: bool) -> Made {
    let (count, items) = (count(name, at(args, 0))?, items_of(name, args)?);
    let skipped = if last { items.len().saturating_sub(count) } else { 0 };
    Ok(Some(Datum::Array(items.iter().skip(skipped).take(count).cloned().collect())))
}

fn least(name: &str, args: &Args<'_>, greatest: bool) -> Made {
    let (count, items) = (count(name, at(args, 0))?, items_of(name, args)?);
    let mut items: Vec<Datum> = items.iter().filter(|item| !matches!(item, Datum::Null)).cloned().collect();
    items.sort_by(|a, b| if greatest { b.order(a) } else { a.order(b) });
    items.truncate(count);
    Ok(Some(Datum::Array(items)))
}
