//! Text: joining, cutting, looking into it, replacing.

use super::{Arg, Args, Made, Operator, Takes, any, at, exactly, kind, named, null, refused, shown, there, whole};
use crate::aggregate::datum::Datum;
use crate::aggregate::failure::Failure;
use crate::aggregate::run::check_bytes;

const TRIM: &[(&str, bool)] = &[("input", true), ("chars", false)];
const REPLACE: &[(&str, bool)] = &[("input", true), ("find", true), ("replacement", true)];

pub(super) const OPERATORS: &[Operator] = &[
    any("$concat", concat),
    exactly("$toUpper", 1, |args| cased(args, str::to_ascii_uppercase)),
    exactly("$toLower", 1, |args| cased(args, str::to_ascii_lowercase)),
    exactly("$strcasecmp", 2, compare_without_case),
    exactly("$strLenBytes", 1, |args| length("$strLenBytes", args, str::len)),
    exactly("$strLenCP", 1, |args| length("$strLenCP", args, |text| text.chars().count())),
    exactly("$substr", 3, substring_of_bytes),
    exactly("$substrBytes", 3, substring_of_bytes),
    exactly("$substrCP", 3, substring_of_characters),
    exactly("$split", 2, split),
    named("$trim", TRIM, |args| trim("$trim", args, Ends::Both)),
    named("$ltrim", TRIM, |args| trim("$ltrim", args, Ends::Start)),
    named("$rtrim", TRIM, |args| trim("$rtrim", args, Ends::End)),
    Operator { name: "$indexOfBytes", takes: Takes::Between(2, 4), run: |args| index("$indexOfBytes", args, false) },
    Operator { name: "$indexOfCP", takes: Takes::Between(2, 4), run: |args| index("$indexOfCP", args, true) },
    named("$replaceOne", REPLACE, |args| replace("$replaceOne", args, 1)),
    named("$replaceAll", REPLACE, |args| replace("$replaceAll", args, usize::MAX)),
];

fn concat(args: &Args<'_>) -> Made {
    let mut all = String::new();
    for arg in args.iter() {
        match arg.as_deref() {
            None | Some(Datum::Null) => return null(),
            Some(Datum::String(text)) => all.push_str(text),
            Some(other) => return refused(format!("$concat only supports strings, not {}", other.kind())),
        }
        check_bytes(all.len())?;
    }
    Ok(Some(Datum::String(all)))
}

/// A value as text, where MongoDB takes it for text.
fn as_text(arg: &Arg<'_>) -> Result<String, Failure> {
    Ok(match arg.as_deref() {
        None | Some(Datum::Null) => String::new(),
        Some(Datum::String(text)) => text.clone(),
        Some(Datum::Date(date)) => date.to_iso(),
        Some(number @ (Datum::Int(_) | Datum::Long(_) | Datum::Double(_))) => super::types::number_text(number),
        Some(other) => return refused(format!("can't convert from BSON type {} to String", other.kind())),
    })
}

fn cased(args: &Args<'_>, make: fn(&str) -> String) -> Made {
    let text = args.first().map_or(Ok(String::new()), as_text)?;
    Ok(Some(Datum::String(make(&text))))
}

fn compare_without_case(args: &Args<'_>) -> Made {
    let texts: Vec<String> = args.iter().map(as_text).collect::<Result<_, _>>()?;
    let upper = |place: usize| texts.get(place).map(|text| text.to_ascii_uppercase());
    Ok(Some(Datum::Int(upper(0).cmp(&upper(1)) as i32)))
}

fn length(name: &str, args: &Args<'_>, count: fn(&str) -> usize) -> Made {
    match at(args, 0) {
        Some(Datum::String(text)) => Ok(Some(Datum::whole(i64::try_from(count(text)).unwrap_or(i64::MAX)))),
        other => {
            let found = other.map_or("missing", Datum::kind);
            refused(format!("{name} requires a string argument, found: {found}"))
        }
    }
}

fn number_at(args: &Args<'_>, place: usize, refusal: &str) -> Result<i64, Failure> {
    match at(args, place).and_then(Datum::as_f64) {
        Some(number) => Ok(number as i64),
        None => refused(format!("{refusal} (is BSON type {})", args.get(place).map_or("missing", kind))),
    }
}

fn substring_of_bytes(args: &Args<'_>) -> Made {
    let text = args.first().map_or(Ok(String::new()), as_text)?;
    let start = number_at(args, 1, "$substrBytes:  starting index must be a numeric type")?;
    let length = number_at(args, 2, "$substrBytes:  length must be a numeric type")?;
    let Ok(start) = usize::try_from(start) else {
        return refused(format!("$substrBytes:  starting index must be non-negative (got: {start})"));
    };
    let start = start.min(text.len());
    // A negative length is all that follows.
    let end = usize::try_from(length).map_or(text.len(), |length| start.saturating_add(length).min(text.len()));
    if !text.is_char_boundary(start) {
        return refused("$substrBytes:  Invalid range, starting index is a UTF-8 continuation byte.");
    }
    match text.get(start..end) {
        Some(part) => Ok(Some(Datum::String(part.to_owned()))),
        None => refused("$substrBytes:  Invalid range, ending index is in the middle of a UTF-8 character."),
    }
}

fn substring_of_characters(args: &Args<'_>) -> Made {
    let text = args.first().map_or(Ok(String::new()), as_text)?;
    let whole_at = |place: usize, what: &str| match at(args, place) {
        Some(number) if number.as_f64().is_none() => {
            refused(format!("$substrCP: {what} must be a numeric type (is BSON type {})", number.kind()))
        }
        None => refused(format!("$substrCP: {what} must be a numeric type (is BSON type missing)")),
        Some(number) => match whole(number).map(usize::try_from) {
            Some(Ok(number)) => Ok(number),
            Some(Err(_)) if place == 1 => refused("$substrCP: the starting index must be nonnegative integer."),
            Some(Err(_)) => refused("$substrCP: length must be a nonnegative integer."),
            None => refused(format!(
                "$substrCP: {what} cannot be represented as a 32-bit integral value: {}",
                shown(number)
            )),
        },
    };
    let (start, length) = (whole_at(1, "starting index")?, whole_at(2, "length")?);
    Ok(Some(Datum::String(text.chars().skip(start).take(length).collect())))
}

fn split(args: &Args<'_>) -> Made {
    let ordinal = ["first", "second"];
    if args.iter().any(super::is_nullish) {
        return null();
    }
    let mut texts = [""; 2];
    for (place, (text, which)) in texts.iter_mut().zip(ordinal).enumerate() {
        match at(args, place) {
            Some(Datum::String(found)) => *text = found,
            other => {
                let found = other.map_or("missing", Datum::kind);
                return refused(format!(
                    "$split requires an expression that evaluates to a string as a {which} argument, found: {found}"
                ));
            }
        }
    }
    let [text, separator] = texts;
    if separator.is_empty() {
        return refused("$split requires a non-empty separator");
    }
    Ok(Some(Datum::Array(text.split(separator).map(|part| Datum::String(part.to_owned())).collect())))
}

/// What MongoDB takes for white space.
fn is_white(char: char) -> bool {
    matches!(char, '\0' | '\t'..='\r' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}')
}

/// Where a text is trimmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Start,
    End,
    Both,
}

fn trim(name: &str, args: &Args<'_>, ends: Ends) -> Made {
    let Some(input) = there(args, 0) else { return null() };
    let Some(text) = input.as_str() else {
        return refused(format!(
            "{name} requires its input to be a string, got {} (of type {}) instead.",
            shown(input),
            input.kind()
        ));
    };
    let chars = match args.get(1) {
        Some(None) | None => None,
        Some(chars) => match chars.as_deref() {
            None | Some(Datum::Null) => return null(),
            Some(Datum::String(chars)) => Some(chars.as_str()),
            Some(other) => {
                return refused(format!(
                    "{name} requires 'chars' to be a string, got {} (of type {}) instead.",
                    shown(other),
                    other.kind()
                ));
            }
        },
    };
    let goes = |char: char| chars.map_or_else(|| is_white(char), |chars| chars.contains(char));
    let text = if ends == Ends::End { text } else { text.trim_start_matches(goes) };
    let text = if ends == Ends::Start { text } else { text.trim_end_matches(goes) };
    Ok(Some(Datum::String(text.to_owned())))
}

fn index(name: &str, args: &Args<'_>, characters: bool) -> Made {
    let Some(input) = there(args, 0) else { return null() };
    let Some(text) = input.as_str() else {
        return refused(format!("{name} requires a string as the first argument, found: {}", input.kind()));
    };
    let Some(Datum::String(token)) = at(args, 1) else {
        let found = args.get(1).map_or("missing", kind);
        return refused(format!("{name} requires a string as the second argument, found: {found}"));
    };
    let bound = |place: usize, what: &str| match at(args, place) {
        None => Ok(None),
        Some(number) => match whole(number).map(usize::try_from) {
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => refused(format!("{name} requires a nonnegative {what} index, found: {}", shown(number))),
            None => {
                refused(format!("{name} requires an integral {what} index, found a value of type: {}", number.kind()))
            }
        },
    };
    let (start, end) = (bound(2, "starting")?.unwrap_or(0), bound(3, "ending")?.unwrap_or(usize::MAX));
    let length = if characters { token.chars().count() } else { token.len() };
    let mut places = text.char_indices().map(|(place, _)| place).chain([text.len()]).enumerate();
    let found = places.find_map(|(number, place)| {
        let number = if characters { number } else { place };
        let begins = text.get(place..).is_some_and(|rest| rest.starts_with(token.as_str()));
        (begins && number >= start && number.saturating_add(length) <= end).then_some(number)
    });
    Ok(Some(Datum::whole(found.map_or(-1, |number| i64::try_from(number).unwrap_or(i64::MAX)))))
}

fn replace(name: &str, args: &Args<'_>, count: usize) -> Made {
    let mut texts = [""; 3];
    for (place, (text, which)) in texts.iter_mut().zip(["input", "find", "replacement"]).enumerate() {
        match there(args, place) {
            None => return null_unless_wrong(name, args),
            Some(Datum::String(found)) => *text = found,
            Some(other) => {
                return refused(format!("{name} requires that '{which}' be a string, found: {}", shown(other)));
            }
        }
    }
    let [text, find, replacement] = texts;
    let times = if find.is_empty() { text.len() + 1 } else { text.len() / find.len() };
    check_bytes(text.len().saturating_add(times.min(count).saturating_mul(replacement.len())))?;
    Ok(Some(Datum::String(text.replacen(find, replacement, count))))
}

/// Null, but not if another operand is of a wrong type.
fn null_unless_wrong(name: &str, args: &Args<'_>) -> Made {
    for (arg, which) in args.iter().zip(["input", "find", "replacement"]) {
        if let Some(other) = arg.as_deref()
            && !matches!(other, Datum::Null | Datum::String(_))
        {
            return refused(format!("{name} requires that '{which}' be a string, found: {}", shown(other)));
        }
    }
    null()
}
