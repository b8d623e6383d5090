//! From the wire to a [`Query`]: every refusal names the key.

mod all_of;
mod bounds;
mod geo;
mod options;
mod text;

use std::str::FromStr;

use compact_str::CompactString;

use super::{Constraint, Filter, Membership, Pattern, Relatives, SubQuery};
use crate::error::{ErrorCode, ParseError};
use crate::internal::{self, InternalField};
use crate::names::{ClassName, FieldName, shorten};
use crate::value::{Date, Map, Value, json};

/// How deep conditions may nest in one another, also through subqueries.
pub const DEPTH_MAX: u8 = 32;

pub use bounds::Bounds;
pub use options::{find, find_within, get};

/// What the reader of a `where` has to know.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// The time that `$relativeTime` counts from.
    pub now: Date,
    /// Whether Parse's internal fields may be asked for: the master key only.
    pub internal_fields: bool,
}

fn invalid_json(text: impl Into<String>) -> ParseError {
    ParseError::new(ErrorCode::InvalidJson, text.into())
}

fn invalid_query(text: impl Into<String>) -> ParseError {
    ParseError::new(ErrorCode::InvalidQuery, text.into())
}

/// Reads a `where`.
pub fn filter(conditions: &Map, reading: Reading) -> Result<Filter, ParseError> {
    whole_filter(conditions, reading, 0)
}

/// Reads the `where` of a request that only counts: what is near is then as good as what is within, wherever it stands.
fn filter_to_count(conditions: &Map, reading: Reading) -> Result<Filter, ParseError> {
    let filter = filter_at(conditions, reading, 0)?.without_distances();
    check_searches(&filter, Within::All, &mut false)?;
    Ok(filter)
}

/// The condition of a query, or of a query inside it.
fn whole_filter(conditions: &Map, reading: Reading, depth: u8) -> Result<Filter, ParseError> {
    let filter = filter_at(conditions, reading, depth)?;
    check_searches(&filter, Within::All, &mut false)?;
    Ok(filter)
}

/// What the parts of a condition are to the whole of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    /// Whatever is found meets all of them.
    All,
    /// What is found may meet others.
    Some,
}

/// MongoDB: a query searches by distance or by text, once, and what it finds is what the search finds.
fn check_searches(filter: &Filter, within: Within, searching: &mut bool) -> Result<(), ParseError> {
    let (parts, within) = match filter {
        Filter::And(parts) => (parts, within),
        Filter::Or(parts) if parts.len() == 1 => (parts, within),
        Filter::Or(parts) | Filter::Nor(parts) => (parts, Within::Some),
        Filter::Field(_, Constraint::Near { .. } | Constraint::Text(_)) => {
            if within == Within::Some {
                return Err(invalid_query("$nearSphere and $text cannot stand in a branch of $or or $nor."));
            }
            if std::mem::replace(searching, true) {
                return Err(invalid_query("A query can have one $nearSphere or one $text."));
            }
            return Ok(());
        }
        Filter::Field(..) | Filter::RelatedTo(_) | Filter::Relates { .. } => return Ok(()),
    };
    parts.iter().try_for_each(|part| check_searches(part, within, searching))
}

fn filter_at(conditions: &Map, reading: Reading, depth: u8) -> Result<Filter, ParseError> {
    if depth > DEPTH_MAX {
        return Err(invalid_query(format!(
            "Query condition nesting depth exceeds maximum allowed depth of {DEPTH_MAX}"
        )));
    }
    let mut parts = Vec::with_capacity(conditions.len());
    for (key, value) in conditions {
        match key.as_str() {
            "$or" => parts.push(Filter::Or(branches(key, value, reading, depth)?)),
            "$and" => parts.push(Filter::And(branches(key, value, reading, depth)?)),
            "$nor" => parts.push(Filter::Nor(branches(key, value, reading, depth)?)),
            "$relatedTo" if value.is_truthy() => parts.push(Filter::RelatedTo(relatives(value)?)),
            "ACL" => return Err(invalid_query("Cannot query on ACL.")),
            _ => {
                check_key(key, reading.internal_fields)?;
                constraints(key, value, reading, depth, &mut parts)?;
            }
        }
    }
    Ok(match <[Filter; 1]>::try_from(parts) {
        Ok([only]) => only,
        Err(parts) => Filter::And(parts),
    })
}

/// Whether a key of a `where` may name a field: `^[a-zA-Z][a-zA-Z0-9_.]*$`, for everybody.
fn check_key(key: &str, internal_fields: bool) -> Result<(), ParseError> {
    let plain = key.len() <= 512
        && key.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
        && !key.ends_with('.')
        && !key.contains("..");
    if plain || (internal_fields && internal::field(key).is_some_and(InternalField::can_be_asked)) {
        Ok(())
    } else {
        Err(ParseError::new(ErrorCode::InvalidKeyName, format!("Invalid key name: {}", shorten(key))))
    }
}

fn branches(key: &str, value: &Value, reading: Reading, depth: u8) -> Result<Vec<Filter>, ParseError> {
    let branch = |value: &Value| match value {
        Value::Object(conditions) => filter_at(conditions, reading, depth + 1),
        _ => Err(invalid_query(format!("Bad {key} format - use an array value."))),
    };
    match value {
        Value::Array(list) if !list.is_empty() => list.iter().map(branch).collect(),
        // Parse: a client is refused before the query is read, and not told why.
        other if other.is_truthy() && other.as_array().is_none() && !reading.internal_fields => {
            Err(ParseError::denied(ErrorCode::InvalidQuery, format!("{key} must be an array")))
        }
        _ if key == "$nor" => Err(invalid_query("Bad $nor format - use an array of at least 1 value.")),
        _ => Err(invalid_query(format!("Bad {key} format - use an array value."))),
    }
}

fn relatives(value: &Value) -> Result<Relatives, ParseError> {
    let bad = || invalid_query("improper usage of $relatedTo");
    let map = value.as_object().ok_or_else(bad)?;
    let owner = map.get("object").and_then(Value::as_pointer).ok_or_else(bad)?;
    let field = map.get("key").and_then(Value::as_str).ok_or_else(bad)?;
    Ok(Relatives { owner, field: FieldName::parse(field)? })
}

fn constraints(
    key: &CompactString,
    value: &Value,
    reading: Reading,
    depth: u8,
    parts: &mut Vec<Filter>,
) -> Result<(), ParseError> {
    let mut push = |constraint| parts.push(Filter::Field(key.clone(), constraint));
    let Value::Object(map) = value else {
        push(Constraint::Equals(value.clone()));
        return Ok(());
    };
    let (operators, plain): (Vec<_>, Vec<_>) = map.iter().partition(|(name, _)| name.starts_with('$'));
    if operators.is_empty() {
        push(Constraint::Equals(value.clone()));
        return Ok(());
    }
    if !plain.is_empty() {
        // Parse: the plain part of a mixture is an `$eq`.
        let rest: Map = plain.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        push(Constraint::In(vec![json::typed(rest)]));
    }
    for (name, operand) in operators {
        if let Some(constraint) = constraint(name, operand, map, Level { reading, depth })? {
            push(constraint);
        } else if !accompanied(name, map) {
            return Err(invalid_query(format!("{name} needs the operator it belongs to")));
        }
    }
    Ok(())
}

/// Whether the operator that this one belongs to is there.
fn accompanied(name: &str, all: &Map) -> bool {
    all.contains_key(if name == "$options" { "$regex" } else { "$nearSphere" })
}

#[derive(Clone, Copy)]
struct Level {
    reading: Reading,
    depth: u8,
}

/// One operator. `None` for those that only accompany another, such as `$options`.
fn constraint(name: &str, operand: &Value, all: &Map, level: Level) -> Result<Option<Constraint>, ParseError> {
    Ok(Some(match name {
        "$eq" | "$ne" | "$exists" if relative_text(operand).is_some() => {
            let text = "$relativeTime can only be used with the $lt, $lte, $gt, and $gte operators";
            return Err(invalid_json(text));
        }
        // Parse: inside an operator a text may be the id of a pointer, and a list is one, which no plain equality allows.
        "$eq" => Constraint::In(vec![operand.clone()]),
        "$ne" => Constraint::NotEquals(operand.clone()),
        "$lt" => Constraint::Less(comparable(name, operand, level)?),
        "$lte" => Constraint::LessOrEqual(comparable(name, operand, level)?),
        "$gt" => Constraint::Greater(comparable(name, operand, level)?),
        "$gte" => Constraint::GreaterOrEqual(comparable(name, operand, level)?),
        "$in" => Constraint::In(list(name, operand)?),
        "$nin" => Constraint::NotIn(list(name, operand)?),
        "$all" => all_of::constraint(operand)?,
        "$containedBy" => match operand {
            Value::Array(items) => Constraint::ContainedBy(items.clone()),
            _ => return Err(invalid_json("bad $containedBy: should be an array")),
        },
        // Parse: MongoDB takes any truth here.
        "$exists" => Constraint::Exists(operand.is_truthy()),
        "$regex" => Constraint::Matches(pattern(operand, all)?),
        "$text" => Constraint::Text(text::search(operand)?),
        "$nearSphere" => geo::near(operand, all)?,
        "$within" => geo::within(operand)?,
        "$geoWithin" => geo::geo_within(operand)?,
        "$geoIntersects" => geo::intersects(operand)?,
        // Parse: what is null, zero, empty or false is as good as left out, and what is left over is not known.
        "$inQuery" | "$notInQuery" if !operand.is_truthy() => return Err(unknown(name)),
        "$select" | "$dontSelect" if !operand.is_truthy() => {
            let text = format!("the {name} constraint is not supported yet");
            return Err(ParseError::new(ErrorCode::CommandUnavailable, text));
        }
        "$inQuery" => Constraint::InQuery(Box::new(subquery(name, operand, level)?), Membership::Inside),
        "$notInQuery" => Constraint::InQuery(Box::new(subquery(name, operand, level)?), Membership::Outside),
        "$select" => select(name, operand, level, Membership::Inside)?,
        "$dontSelect" => select(name, operand, level, Membership::Outside)?,
        "$options" | "$maxDistance" | "$maxDistanceInRadians" | "$maxDistanceInMiles" | "$maxDistanceInKilometers" => {
            return Ok(None);
        }
        _ => return Err(unknown(name)),
    }))
}

fn unknown(operator: &str) -> ParseError {
    invalid_json(format!("bad constraint: {}", shorten(operator)))
}

/// What stands in `{"$relativeTime": …}`; Parse: unless it is null, zero, empty or false.
fn relative_text(operand: &Value) -> Option<&Value> {
    operand.as_object()?.get("$relativeTime").filter(|text| text.is_truthy())
}

fn comparable(name: &str, operand: &Value, level: Level) -> Result<Value, ParseError> {
    if let Some(text) = relative_text(operand) {
        return relative_time(text.as_str().unwrap_or_default(), level.reading.now)
            // What stands in its place is a moment only if the field is one, which `fit` knows.
            .map(|moment| Value::Object(crate::map! { "$relativeTime" => moment }))
            .map_err(|reason| invalid_json(format!("bad $relativeTime ({name}) value. {reason}")));
    }
    match operand {
        Value::Object(_) | Value::Array(_) | Value::Relation(_) => {
            Err(invalid_json(format!("bad atom: {}", shown(operand))))
        }
        _ => Ok(operand.clone()),
    }
}

fn list(name: &str, operand: &Value) -> Result<Vec<Value>, ParseError> {
    let Value::Array(items) = operand else { return Err(invalid_json(format!("bad {name} value"))) };
    // Parse: nested arrays are flattened one level.
    let flat = items.iter().flat_map(|item| match item {
        Value::Array(inner) => inner.as_slice(),
        other => std::slice::from_ref(other),
    });
    Ok(flat.cloned().collect())
}

fn pattern(source: &Value, all: &Map) -> Result<Pattern, ParseError> {
    let source = source.as_str().ok_or_else(|| invalid_query("$regex value must be a string"))?;
    let options = match all.get("$options") {
        None => "",
        Some(options) => options.as_str().ok_or_else(|| invalid_query("$options value must be a string"))?,
    };
    // Parse: where options are given, there is at least one.
    let known = options.chars().all(|option| "imxsu".contains(option));
    if !known || (options.is_empty() && all.contains_key("$options")) {
        return Err(invalid_query(format!("Bad $options value for query: {}", shorten(options))));
    }
    if source.contains('\0') {
        return Err(invalid_query("Invalid regular expression"));
    }
    Ok(Pattern { source: source.to_owned(), options: options.to_owned() })
}

fn subquery(name: &str, operand: &Value, level: Level) -> Result<SubQuery, ParseError> {
    let bad = || invalid_query(format!("improper usage of {name}"));
    let map = operand.as_object().ok_or_else(bad)?;
    let class = map.get("className").and_then(Value::as_str).ok_or_else(bad)?;
    let conditions = map.get("where").and_then(Value::as_object).ok_or_else(bad)?;
    let redirect = match map.get("redirectClassNameForKey") {
        None | Some(Value::Null) => None,
        Some(field) => Some(FieldName::parse(field.as_str().ok_or_else(bad)?)?),
    };
    let filter = whole_filter(conditions, level.reading, level.depth + 1)?;
    Ok(SubQuery { class: ClassName::parse(class)?, redirect, filter })
}

fn select(name: &str, operand: &Value, level: Level, membership: Membership) -> Result<Constraint, ParseError> {
    let bad = || invalid_query(format!("improper usage of {name}"));
    let map = operand.as_object().filter(|map| map.len() == 2).ok_or_else(bad)?;
    let key = map.get("key").and_then(Value::as_str).ok_or_else(bad)?;
    check_key(key, false)?;
    // The inner query may leave out its conditions.
    let mut query = map.get("query").and_then(Value::as_object).ok_or_else(bad)?.clone();
    query.entry("where".into()).or_insert_with(|| Value::Object(Map::default()));
    let query = subquery(name, &Value::Object(query), level)?;
    Ok(Constraint::Select(Box::new(query), key.into(), membership))
}

/// Reads `3 days ago`, `in 2 hrs 30 mins` or `now`.
fn relative_time(text: &str, now: Date) -> Result<Date, String> {
    let lower = text.to_lowercase();
    let mut words: Vec<&str> = lower.split_whitespace().collect();
    let future = words.first() == Some(&"in");
    let past = words.last() == Some(&"ago");
    match (future, past) {
        (false, false) if lower != "now" => {
            return Err("Time should either start with 'in' or end with 'ago'".to_owned());
        }
        (true, true) => return Err("Time cannot have both 'in' and 'ago'".to_owned()),
        (true, false) => drop(words.remove(0)),
        (false, true) => drop(words.pop()),
        (false, false) => return Ok(now),
    }
    let (pairs, rest) = words.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("Invalid time string. Dangling unit or number.".to_owned());
    }
    let mut seconds: i64 = 0;
    for [number, unit] in pairs {
        let Ok(number) = i64::from_str(number) else { return Err(format!("'{number}' is not an integer.")) };
        let unit = match *unit {
            "yr" | "yrs" | "year" | "years" => 31_536_000,
            "wk" | "wks" | "week" | "weeks" => 604_800,
            "d" | "day" | "days" => 86_400,
            "hr" | "hrs" | "hour" | "hours" => 3_600,
            "min" | "mins" | "minute" | "minutes" => 60,
            "sec" | "secs" | "second" | "seconds" => 1,
            _ => return Err(format!("Invalid interval: '{unit}'")),
        };
        seconds = seconds.saturating_add(number.saturating_mul(unit));
    }
    let millis = seconds.saturating_mul(1_000);
    Ok(now.plus_millis(if future { millis } else { millis.saturating_neg() }))
}

fn shown(value: &Value) -> String {
    shorten(&String::from_utf8_lossy(&json::write(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const READING: Reading = Reading { now: Date::EPOCH, internal_fields: false };

    fn parse(text: &str) -> Result<Filter, ParseError> {
        filter(json::read(text.as_bytes()).unwrap().as_object().unwrap(), READING)
    }

    #[test]
    fn refusals_have_parse_s_numbers_and_texts() {
        for (text, code, message) in [
            (r#"{"a b":1}"#, 105, "Invalid key name: a b"),
            (r#"{"_rperm":1}"#, 105, "Invalid key name: _rperm"),
            (r#"{"ACL":1}"#, 102, "Cannot query on ACL."),
            (r#"{"$or":1}"#, 102, "Permission denied"),
            (r#"{"$or":[1]}"#, 102, "Bad $or format - use an array value."),
            (r#"{"$nor":[]}"#, 102, "Bad $nor format - use an array of at least 1 value."),
            (r#"{"a":{"$nope":1}}"#, 107, "bad constraint: $nope"),
            (r#"{"a":{"$in":1}}"#, 107, "bad $in value"),
            (r#"{"a":{"$gt":{"a":1}}}"#, 107, r#"bad atom: {"a":1}"#),
            (r#"{"a":{"$regex":1}}"#, 102, "$regex value must be a string"),
            (r#"{"a":{"$regex":"x","$options":"q"}}"#, 102, "Bad $options value for query: q"),
            (r#"{"a":{"$regex":"x","$options":""}}"#, 102, "Bad $options value for query: "),
            (r#"{"a":{"$inQuery":null}}"#, 107, "bad constraint: $inQuery"),
            (r#"{"a":{"$select":0}}"#, 108, "the $select constraint is not supported yet"),
            (r#"{"$relatedTo":null}"#, 105, "Invalid key name: $relatedTo"),
            (
                r#"{"a":{"$eq":{"$relativeTime":"now"}}}"#,
                107,
                "$relativeTime can only be used with the $lt, $lte, $gt, and $gte operators",
            ),
            (r#"{"a":{"$containedBy":1}}"#, 107, "bad $containedBy: should be an array"),
            (r#"{"a":{"$text":1}}"#, 107, "bad $text: $search, should be object"),
            (r#"{"a":{"$within":1}}"#, 107, "malformatted $within arg"),
            (
                r#"{"a":{"$geoWithin":{"$polygon":[]}}}"#,
                107,
                "bad $geoWithin value; $polygon should contain at least 3 GeoPoints",
            ),
            (r#"{"a":{"$geoIntersects":{}}}"#, 107, "bad $geoIntersect value; $point should be GeoPoint"),
            (r#"{"a":{"$inQuery":{}}}"#, 102, "improper usage of $inQuery"),
            (r#"{"a":{"$select":{"key":"x","query":{"className":"A"},"z":1}}}"#, 102, "improper usage of $select"),
            (
                r#"{"a":{"$gt":{"$relativeTime":"3 days"}}}"#,
                107,
                "bad $relativeTime ($gt) value. Time should either start with 'in' or end with 'ago'",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.number(), &*error.message), (Some(code), message), "{text}");
        }
    }

    #[test]
    fn a_query_searches_once_and_for_all_it_finds() {
        let near = r#"{"a":{"$nearSphere":{"latitude":0,"longitude":0}}}"#;
        let text = r#"{"b":{"$text":{"$search":{"$term":"x"}}}}"#;
        for (given, taken) in [
            (near.to_owned(), true),
            (format!(r#"{{"$and":[{near},{{"c":1}}]}}"#), true),
            (format!(r#"{{"$or":[{text}],"c":1}}"#), true),
            (format!(r#"{{"$or":[{near},{{"c":1}}]}}"#), false),
            (format!(r#"{{"$nor":[{text}]}}"#), false),
            (format!(r#"{{"$and":[{near},{near}]}}"#), false),
            (format!(r#"{{"$and":[{near},{text}]}}"#), false),
            (format!(r#"{{"p":{{"$inQuery":{{"className":"C","where":{near}}}}},"b":{{"$exists":true}}}}"#), true),
            (format!(r#"{{"$or":[{{"p":{{"$inQuery":{{"className":"C","where":{near}}}}}}},{{"b":1}}]}}"#), true),
            (format!(r#"{{"p":{{"$inQuery":{{"className":"C","where":{{"$nor":[{near}]}}}}}}}}"#), false),
        ] {
            match parse(&given) {
                Ok(filter) => assert!(taken && (filter.near().is_some() || !given.starts_with(near)), "{given}"),
                Err(error) => assert!(!taken && error.number() == Some(102), "{given}: {error}"),
            }
        }
        assert_eq!(
            parse(&format!(r#"{{"$or":[{text}],"c":1}}"#)).unwrap().text().map(|(field, _)| field.to_owned()),
            Some("b".to_owned())
        );
    }

    #[test]
    fn who_only_counts_may_search_anywhere() {
        let near = r#"{"a":{"$nearSphere":{"latitude":0,"longitude":0},"$maxDistance":0.5}}"#;
        let far = r#"{"a":{"$nearSphere":{"latitude":0,"longitude":0}}}"#;
        let text = r#"{"b":{"$text":{"$search":{"$term":"x"}}}}"#;
        let asked = |limit: f64, condition: &str| {
            let params = crate::map! { "where" => condition, "limit" => limit, "count" => 1 };
            find(&params, READING).map(|query| query.filter)
        };
        let both = format!(r#"{{"$or":[{near},{far}]}}"#);
        assert_eq!(asked(1.0, &both).unwrap_err().number(), Some(102));
        let center = crate::value::GeoPoint { latitude: 0.0, longitude: 0.0 };
        let within = |radians| Filter::Field("a".into(), Constraint::WithinSphere { center, radians });
        let expected = Filter::Or(vec![within(0.5), within(std::f64::consts::PI)]);
        assert_eq!(asked(0.0, &both).unwrap(), expected);
        assert_eq!(asked(0.0, &format!(r#"{{"$nor":[{text}]}}"#)).unwrap_err().number(), Some(102));
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{}{{}}{}", r#"{"$or":["#.repeat(40), "]}".repeat(40));
        assert_eq!(parse(&deep).unwrap_err().number(), Some(102));
    }

    #[test]
    fn constraints_become_types() {
        let field = |text: &str| match parse(text).unwrap() {
            Filter::Field(_, constraint) => constraint,
            other => panic!("{other:?}"),
        };
        assert_eq!(field(r#"{"a":null}"#), Constraint::Equals(Value::Null));
        assert_eq!(field(r#"{"a":{"$in":[1,[2,3]]}}"#), Constraint::In(vec![1.into(), 2.into(), 3.into()]));
        assert_eq!(
            field(r#"{"a":{"$lt":{"$relativeTime":"in 1 min"}}}"#),
            Constraint::Less(Value::Object(crate::map! { "$relativeTime" => Date::from_millis(60_000) }))
        );
        let near =
            r#"{"a":{"$nearSphere":{"__type":"GeoPoint","latitude":0,"longitude":0},"$maxDistanceInMiles":3959}}"#;
        assert!(matches!(field(near), Constraint::Near { radians_max: Some(r), .. } if (r - 1.0).abs() < 1e-9));
        assert!(matches!(parse(r#"{"a":{"$gt":1,"$lt":3}}"#).unwrap(), Filter::And(parts) if parts.len() == 2));
    }
}
