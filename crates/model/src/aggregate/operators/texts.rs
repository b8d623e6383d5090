//! Regular expressions in text: `$regexMatch`, `$regexFind`, `$regexFindAll`.

use compact_str::CompactString;
use regex::Regex;

use super::{Args, Operator, at, named, null, refused};
use crate::aggregate::datum::{Datum, Document};
use crate::aggregate::failure::Failure;
use crate::query::{Pattern, pcre};

const OPERANDS: &[(&str, bool)] = &[("input", true), ("regex", true), ("options", false)];

pub(super) const OPERATORS: &[Operator] = &[
    named("$regexMatch", OPERANDS, |args| {
        let found = search("$regexMatch", args)?;
        Ok(Some(Datum::Bool(found.is_some_and(|(text, regex)| regex.is_match(text)))))
    }),
    named("$regexFind", OPERANDS, |args| match search("$regexFind", args)? {
        Some((text, regex)) => Ok(Some(regex.captures(text).map_or(Datum::Null, |captures| told(text, &captures)))),
        None => null(),
    }),
    named("$regexFindAll", OPERANDS, |args| match search("$regexFindAll", args)? {
        Some((text, regex)) => {
            Ok(Some(Datum::Array(regex.captures_iter(text).map(|captures| told(text, &captures)).collect())))
        }
        None => Ok(Some(Datum::Array(Vec::new()))),
    }),
];

/// The text and the expression; nothing if either is null or missing.
fn search<'a>(name: &str, args: &'a Args<'_>) -> Result<Option<(&'a str, Regex)>, Failure> {
    let input = match at(args, 0) {
        None | Some(Datum::Null) => None,
        Some(Datum::String(text)) => Some(text.as_str()),
        Some(_) => return refused(format!("{name} needs 'input' to be of type string")),
    };
    let mut options = match at(args, 2) {
        None | Some(Datum::Null) => String::new(),
        Some(Datum::String(options)) => options.clone(),
        Some(_) => return refused(format!("{name} needs 'options' to be of type string")),
    };
    let source = match at(args, 1) {
        None | Some(Datum::Null) => None,
        Some(Datum::String(source)) => Some(source),
        Some(Datum::Regex(pattern)) => {
            if !options.is_empty() && !pattern.options.is_empty() {
                return refused(format!("{name}: found regex option(s) specified in both 'regex' and 'option' fields"));
            }
            options.push_str(&pattern.options);
            Some(&pattern.source)
        }
        Some(_) => return refused(format!("{name} needs 'regex' to be of type string or regex")),
    };
    if let Some(bad) = options.chars().find(|option| !"imsxu".contains(*option)) {
        return refused(format!("invalid flag in regex options: {bad}"));
    }
    let (Some(input), Some(source)) = (input, source) else { return Ok(None) };
    let pattern = Pattern { source: source.clone(), options };
    let regex = pcre::compile(&pattern).map_err(|text| Failure::refused(format!("Invalid Regex in {name}: {text}")))?;
    Ok(Some((input, regex)))
}

/// What was found, where, in characters, and the groups of it.
fn told(text: &str, captures: &regex::Captures<'_>) -> Datum {
    let whole = captures.get(0);
    let before = whole.and_then(|found| text.get(..found.start())).unwrap_or_default().chars().count();
    let part =
        |found: Option<regex::Match<'_>>| found.map_or(Datum::Null, |found| Datum::String(found.as_str().to_owned()));
    let groups = captures.iter().skip(1).map(part).collect();
    let fields = [
        ("match", part(whole)),
        ("idx", Datum::whole(i64::try_from(before).unwrap_or(i64::MAX))),
        ("captures", Datum::Array(groups)),
    ];
    Datum::Document(fields.into_iter().map(|(key, datum)| (CompactString::from(key), datum)).collect::<Document>())
}
