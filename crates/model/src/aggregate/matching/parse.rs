//! From a value of a pipeline to a [`Condition`].

use compact_str::CompactString;
use regex::Regex;

use super::super::datum::{Datum, Document};
use super::super::expression::Parser;
use super::super::failure::Failure;
use super::super::path::Path;
use super::{Condition, Relation, Test};
use crate::query::{Pattern, pcre};

/// MongoDB's names for types, and its numbers for them.
const TYPES: [(&str, i64); 20] = [
    ("double", 1),
    ("string", 2),
    ("object", 3),
    ("array", 4),
    ("binData", 5),
    ("undefined", 6),
    ("objectId", 7),
    ("bool", 8),
    ("date", 9),
    ("null", 10),
    ("regex", 11),
    ("dbPointer", 12),
    ("javascript", 13),
    ("symbol", 14),
    ("javascriptWithScope", 15),
    ("int", 16),
    ("timestamp", 17),
    ("long", 18),
    ("decimal", 19),
    ("minKey", -1),
];

impl Condition {
    /// Reads a condition.
    pub(crate) fn read(parser: &Parser, datum: &Datum) -> Result<Self, Failure> {
        let Datum::Document(fields) = datum else {
            return Err(Failure::refused("the match filter must be an expression in an object"));
        };
        let mut parts = Vec::with_capacity(fields.len());
        for (key, value) in fields {
            match key.as_str() {
                "$and" => parts.push(Self::All(branches(parser, key, value)?)),
                "$or" => parts.push(Self::Any(branches(parser, key, value)?)),
                "$nor" => parts.push(Self::None(branches(parser, key, value)?)),
                "$expr" => parts.push(Self::Holds(parser.read(value)?)),
                "$comment" | "$alwaysTrue" => {}
                "$text" | "$jsonSchema" | "$sampleRate" => return Err(Failure::OnlyMongo(key.to_string())),
                name if name.starts_with('$') => {
                    return Err(Failure::refused(format!("unknown top level operator: {name}")));
                }
                path => {
                    let path = Path::parse(path)?;
                    parts.extend(tests(parser, value)?.into_iter().map(|test| Self::At(path.clone(), test)));
                }
            }
        }
        Ok(match <[Self; 1]>::try_from(parts) {
            Ok([only]) => only,
            Err(parts) => Self::All(parts),
        })
    }
}

fn branches(parser: &Parser, key: &str, value: &Datum) -> Result<Vec<Condition>, Failure> {
    let Some(items) = value.as_array().filter(|items| !items.is_empty()) else {
        return Err(Failure::refused(format!("{key} must be a nonempty array")));
    };
    let branch = |item: &Datum| match item {
        Datum::Document(_) => Condition::read(parser, item),
        _ => Err(Failure::refused("$or/$and/$nor entries need to be full objects")),
    };
    items.iter().map(branch).collect()
}

/// The tests of one field: its operators, or a value that it is to be equal to.
fn tests(parser: &Parser, value: &Datum) -> Result<Vec<Test>, Failure> {
    match value {
        Datum::Document(operators) if operators.first().is_some_and(|(key, _)| key.starts_with('$')) => {
            if operators.contains_key("$options") && !operators.contains_key("$regex") {
                return Err(Failure::refused("$options needs a $regex"));
            }
            let each = operators.iter().filter(|(name, _)| *name != "$options" && *name != "$comment");
            each.map(|(name, operand)| test(parser, name, operand, operators)).collect()
        }
        Datum::Regex(pattern) => Ok(vec![Test::Matches(compiled(pattern)?)]),
        Datum::Decimal(_) => Err(Failure::OnlyMongo("a decimal number".to_owned())),
        other => Ok(vec![Test::Equals(other.clone())]),
    }
}

fn test(parser: &Parser, name: &str, operand: &Datum, all: &Document) -> Result<Test, Failure> {
    if let Datum::Decimal(_) = operand {
        return Err(Failure::OnlyMongo("a decimal number".to_owned()));
    }
    let relation = |relation| Ok(Test::Compared(relation, no_expression(name, operand)?));
    Ok(match name {
        "$eq" => Test::Equals(no_expression(name, operand)?),
        "$ne" => match operand {
            Datum::Regex(_) => return Err(Failure::refused("Can't have regex as arg to $ne.")),
            _ => Test::Not(vec![Test::Equals(operand.clone())]),
        },
        "$lt" => relation(Relation::Less)?,
        "$lte" => relation(Relation::LessOrEqual)?,
        "$gt" => relation(Relation::Greater)?,
        "$gte" => relation(Relation::GreaterOrEqual)?,
        "$in" => one_of(name, operand)?,
        "$nin" => Test::Not(vec![one_of(name, operand)?]),
        "$exists" => {
            let there = super::super::operators::is_true(&Some(std::borrow::Cow::Borrowed(operand)));
            if there { Test::Exists } else { Test::Not(vec![Test::Exists]) }
        }
        "$type" => Test::Type(types(operand)?),
        "$size" => Test::Size(size(operand)?),
        "$mod" => modulo(operand)?,
        "$regex" => Test::Matches(regex(operand, all)?),
        "$all" => every(parser, operand)?,
        "$elemMatch" => element(parser, operand)?,
        "$not" => match operand {
            Datum::Document(operators) if operators.first().is_some_and(|(key, _)| key.starts_with('$')) => {
                Test::Not(tests(parser, operand)?)
            }
            Datum::Regex(pattern) => Test::Not(vec![Test::Matches(compiled(pattern)?)]),
            _ => return Err(Failure::refused("$not needs a regex or a document")),
        },
        "$near" | "$nearSphere" | "$geoNear" => {
            return Err(Failure::refused("$geoNear, $near, and $nearSphere are not allowed in this context"));
        }
        "$geoWithin" | "$within" | "$geoIntersects" | "$bitsAllSet" | "$bitsAllClear" | "$bitsAnySet"
        | "$bitsAnyClear" => return Err(Failure::OnlyMongo(name.to_owned())),
        _ => return Err(Failure::refused(format!("unknown operator: {name}"))),
    })
}

fn no_expression(name: &str, operand: &Datum) -> Result<Datum, Failure> {
    match operand {
        Datum::Regex(_) => {
            Err(Failure::refused(format!("Can't have RegEx as arg to predicate over field with {name}.")))
        }
        other => Ok(other.clone()),
    }
}

fn one_of(name: &str, operand: &Datum) -> Result<Test, Failure> {
    let Some(items) = operand.as_array() else { return Err(Failure::refused(format!("{name} needs an array"))) };
    let (mut values, mut expressions) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Datum::Regex(pattern) => expressions.push(compiled(pattern)?),
            Datum::Decimal(_) => return Err(Failure::OnlyMongo("a decimal number".to_owned())),
            Datum::Document(map) if map.first().is_some_and(|(key, _)| key.starts_with('$')) => {
                return Err(Failure::refused(format!("cannot nest $ under {name}")));
            }
            other => values.push(other.clone()),
        }
    }
    Ok(Test::In(values, expressions))
}

fn types(operand: &Datum) -> Result<Vec<&'static str>, Failure> {
    let items = match operand {
        Datum::Array(items) if items.is_empty() => {
            return Err(Failure::refused("type must match at least one type"));
        }
        Datum::Array(items) => items.iter().collect(),
        one => vec![one],
    };
    let mut kinds = Vec::new();
    for item in items {
        let known = match item {
            Datum::String(name) if name == "number" => {
                kinds.extend(["int", "long", "double", "decimal"]);
                continue;
            }
            Datum::String(name) => TYPES.iter().find(|(known, _)| known == name),
            number => match number.as_f64() {
                Some(number) => TYPES.iter().find(|(_, known)| (*known as f64 - number).abs() < f64::EPSILON),
                None => return Err(Failure::refused("type must be represented as a number or a string")),
            },
        };
        let Some((name, _)) = known else {
            let shown = crate::value::json::write(&super::super::ejson::write(item.clone()));
            let shown = String::from_utf8(shown).unwrap_or_default();
            return Err(Failure::refused(format!("Unknown type name alias: {}", shown.trim_matches('"'))));
        };
        kinds.push(*name);
    }
    Ok(kinds)
}

fn size(operand: &Datum) -> Result<usize, Failure> {
    let bad = |why: &str| Failure::refused(format!("Failed to parse $size. {why}"));
    let number = operand.as_f64().ok_or_else(|| bad("Expected a number"))?;
    if number.fract() != 0.0 {
        return Err(bad("Expected an integer"));
    }
    if number < 0.0 {
        return Err(bad("Expected a non-negative number"));
    }
    #[expect(clippy::cast_sign_loss, reason = "it is not negative")]
    Ok(number as usize)
}

fn modulo(operand: &Datum) -> Result<Test, Failure> {
    let Some(items) = operand.as_array() else { return Err(Failure::refused("malformed mod, needs to be an array")) };
    match items {
        [] | [_] => Err(Failure::refused("malformed mod, not enough elements")),
        [divisor, rest] => match (divisor.as_f64(), rest.as_f64()) {
            (Some(divisor), _) if divisor.trunc() == 0.0 => Err(Failure::refused("divisor cannot be 0")),
            (Some(divisor), Some(rest)) => Ok(Test::Modulo(divisor as i64, rest as i64)),
            (None, _) => Err(Failure::refused("malformed mod, divisor not a number")),
            _ => Err(Failure::refused("malformed mod, remainder not a number")),
        },
        _ => Err(Failure::refused("malformed mod, too many elements")),
    }
}

fn compiled(pattern: &Pattern) -> Result<Regex, Failure> {
    if let Some(bad) = pattern.options.chars().find(|option| !"imsxu".contains(*option)) {
        return Err(Failure::refused(format!("invalid flag in regex options: {bad}")));
    }
    pcre::compile(pattern).map_err(|text| Failure::refused(format!("Regular expression is invalid: {text}")))
}

fn regex(operand: &Datum, all: &Document) -> Result<Regex, Failure> {
    let options = match all.get("$options") {
        None => "",
        Some(Datum::String(options)) => options,
        Some(_) => return Err(Failure::refused("$options has to be a string")),
    };
    match operand {
        Datum::String(source) => compiled(&Pattern { source: source.clone(), options: options.to_owned() }),
        Datum::Regex(pattern) if options.is_empty() => compiled(pattern),
        Datum::Regex(pattern) => compiled(&Pattern { source: pattern.source.clone(), options: options.to_owned() }),
        _ => Err(Failure::refused("$regex has to be a string")),
    }
}

fn every(parser: &Parser, operand: &Datum) -> Result<Test, Failure> {
    let Some(items) = operand.as_array() else { return Err(Failure::refused("$all needs an array")) };
    let test = |item: &Datum| match item {
        Datum::Document(map) => match map.first() {
            Some((key, operand)) if key == "$elemMatch" => element(parser, operand),
            Some((key, _)) if key.starts_with('$') => Err(Failure::refused("no $ expressions in $all")),
            _ => Ok(Test::Equals(item.clone())),
        },
        Datum::Regex(pattern) => compiled(pattern).map(Test::Matches),
        other => Ok(Test::Equals(other.clone())),
    };
    items.iter().map(test).collect::<Result<_, _>>().map(Test::Every)
}

fn element(parser: &Parser, operand: &Datum) -> Result<Test, Failure> {
    let Datum::Document(map) = operand else { return Err(Failure::refused("$elemMatch needs an Object")) };
    let logical = |key: &CompactString| matches!(key.as_str(), "$and" | "$or" | "$nor" | "$expr" | "$where");
    match map.first() {
        Some((key, _)) if key.starts_with('$') && !logical(key) => tests(parser, operand).map(Test::ElementIs),
        _ => Condition::read(parser, operand).map(Box::new).map(Test::Element),
    }
}
