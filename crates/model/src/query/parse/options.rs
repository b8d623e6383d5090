//! What else does a read ask for besides its conditions: order, range, keys, includes.

use compact_str::CompactString;

use super::{Bounds, Reading, filter, filter_to_count, invalid_json, invalid_query};
use crate::error::{ErrorCode, ParseError};
use crate::names::{FieldName, is_plain, shorten};
use crate::query::{Advice, Filter, Order, Query, ReadPreference, SCORE_FIELD, Verbosity};
use crate::value::{Map, Value, json};

/// The options a find understands.
const FIND_OPTIONS: [&str; 18] = [
    "where",
    "limit",
    "skip",
    "order",
    "count",
    "keys",
    "excludeKeys",
    "include",
    "includeAll",
    "redirectClassNameForKey",
    "readPreference",
    "includeReadPreference",
    "subqueryReadPreference",
    "hint",
    "explain",
    "comment",
    "watch",
    "ACL",
];

/// The options a read of one object understands.
const GET_OPTIONS: [&str; 6] =
    ["keys", "include", "excludeKeys", "readPreference", "includeReadPreference", "subqueryReadPreference"];

/// Reads the options of a find.
pub fn find(params: &Map, reading: Reading) -> Result<Query, ParseError> {
    find_within(params, reading, Bounds::default())
}

/// Reads the options of a find whose conditions may not go beyond these bounds.
pub fn find_within(params: &Map, reading: Reading, bounds: Bounds) -> Result<Query, ParseError> {
    let limit = whole(params, "limit")?;
    let filter = |conditions: &Map| {
        bounds.check(conditions)?;
        if limit == Some(0) { filter_to_count(conditions, reading) } else { filter(conditions, reading) }
    };
    if let Some(unknown) = params.keys().find(|key| !FIND_OPTIONS.contains(&key.as_str())) {
        return Err(invalid_query(format!("Invalid parameter for query: {}", shorten(unknown))));
    }
    let filter = match params.get("where") {
        None | Some(Value::Null) => Filter::everything(),
        Some(Value::Object(conditions)) => filter(conditions)?,
        Some(Value::String(text)) => {
            let bad = || invalid_json("where parameter is not valid JSON");
            match json::read(text.as_bytes()) {
                Ok(Value::Object(conditions)) => filter(&conditions)?,
                _ => return Err(bad()),
            }
        }
        Some(_) => return Err(invalid_json("where parameter is not valid JSON")),
    };
    let mut query = Query { filter, ..Query::default() };
    query.limit = limit;
    query.skip = whole(params, "skip")?.unwrap_or(0);
    query.count = params.get("count").is_some_and(Value::is_truthy);
    query.order = order(params.get("order"))?;
    query.explain = Verbosity::parse(params.get("explain"))?;
    query.redirect = match params.get("redirectClassNameForKey") {
        None | Some(Value::Null) => None,
        Some(field) => Some(FieldName::parse(field.as_str().unwrap_or_default())?),
    };
    shape(params, &mut query)?;
    check_score(&query)?;
    Ok(query)
}

/// Only a text search gives a score.
fn check_score(query: &Query) -> Result<(), ParseError> {
    if (query.score || query.order.iter().any(Order::is_by_score)) && query.filter.text().is_none() {
        return Err(invalid_query("$score needs a $text condition."));
    }
    Ok(())
}

/// Reads the options of a read of one object into a query without conditions.
pub fn get(params: &Map) -> Result<Query, ParseError> {
    if params.keys().any(|key| !GET_OPTIONS.contains(&key.as_str())) {
        return Err(invalid_query("Improper encode of parameter"));
    }
    let mut query = Query::default();
    shape(params, &mut query)?;
    check_score(&query)?;
    Ok(query)
}

/// `keys`, `excludeKeys`, `include`, `includeAll`, and the advice to the database.
fn shape(params: &Map, query: &mut Query) -> Result<(), ParseError> {
    query.advice = Advice::of_find(params)?;
    query.include_read_preference = ReadPreference::in_params(params, "includeReadPreference")?;
    query.subquery_read_preference = ReadPreference::in_params(params, "subqueryReadPreference")?;
    query.keys = paths("keys", params.get("keys"))?;
    if query.keys.is_empty()
        && params.get("keys").is_some_and(|keys| keys.as_array().is_none_or(|keys| !keys.is_empty()))
    {
        // Parse: an empty list of keys asks for what every object has.
        query.keys.push("objectId".into());
    }
    for key in query.keys.iter_mut().filter(|key| *key == Order::SCORE) {
        query.score = true;
        *key = SCORE_FIELD.into();
    }
    query.exclude_keys = paths("excludeKeys", params.get("excludeKeys"))?;
    query.include = paths("include", params.get("include"))?;
    query.include_all =
        params.get("includeAll").is_some_and(Value::is_truthy) || query.include.iter().any(|path| path == "*");
    query.include.retain(|path| path != "*");
    // Parse: wanting a part of a pointed-at object, or all but a part of it, implies including it.
    for key in query.keys.iter().chain(&query.exclude_keys) {
        if let Some((parent, _)) = key.rsplit_once('.')
            && !query.include.iter().any(|path| path == parent)
        {
            query.include.push(parent.into());
        }
    }
    Ok(())
}

fn whole(params: &Map, name: &str) -> Result<Option<u64>, ParseError> {
    match params.get(name) {
        None | Some(Value::Null) => Ok(None),
        #[expect(clippy::cast_sign_loss, reason = "it is not negative")]
        Some(Value::Number(number)) if *number >= 0.0 => Ok(Some(*number as u64)),
        // Parse: MongoDB takes a negative limit for so many in one piece.
        #[expect(clippy::cast_sign_loss, reason = "it has none")]
        Some(Value::Number(number)) if name == "limit" => Ok(Some(number.abs() as u64)),
        Some(Value::String(text)) => match text.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(invalid_query(format!("{name} must be a number"))),
        },
        Some(_) => Err(invalid_query(format!("{name} must be a number"))),
    }
}

/// The paths of a list with commas. Parse: blanks are part of a path.
fn paths(name: &str, value: Option<&Value>) -> Result<Vec<CompactString>, ParseError> {
    let split = |text: &str| -> Vec<CompactString> {
        text.split(',').filter(|path| !path.is_empty()).map(Into::into).collect()
    };
    let bad = || invalid_query(format!("Invalid {name}: must be a comma separated list"));
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(split(text)),
        Some(Value::Array(items)) => {
            let mut all = Vec::new();
            for item in items {
                all.extend(split(item.as_str().ok_or_else(bad)?));
            }
            Ok(all)
        }
        Some(_) => Err(bad()),
    }
}

fn order(value: Option<&Value>) -> Result<Vec<Order>, ParseError> {
    // Parse: `order=1` is read as a number, and meant as a text.
    let text = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) if items.iter().all(|item| item.as_str().is_some()) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
        }
        Some(other @ (Value::Number(_) | Value::Bool(_))) => String::from_utf8_lossy(&json::write(other)).into_owned(),
        Some(_) => return Err(invalid_query("Invalid order: must be a comma separated list")),
    };
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut keys: Vec<Order> = Vec::new();
    for key in text.split(',').map(str::trim) {
        let key = order_key(key)?;
        // Parse: a path that comes twice keeps its place, and goes the way that was said last.
        match keys.iter_mut().find(|known| known.path == key.path) {
            Some(known) => *known = key,
            None => keys.push(key),
        }
    }
    Ok(keys)
}

fn order_key(key: &str) -> Result<Order, ParseError> {
    let (path, descending) = match key.strip_prefix('-') {
        Some(path) => (path, true),
        None => (key, false),
    };
    // Parse: the columns' own names sort as well.
    let path = match path {
        "_created_at" => "createdAt",
        "_updated_at" => "updatedAt",
        path => path,
    };
    if path.starts_with("authData.") {
        return Err(ParseError::new(ErrorCode::InvalidKeyName, format!("Cannot sort by {}", shorten(path))));
    }
    // MongoDB: what is inside a field has a name, and no operator's.
    let leads_nowhere = |part: &str| part.is_empty() || part.starts_with('$') || part.contains('\0');
    if path != Order::SCORE && (!is_plain(crate::update::top(path)) || path.split('.').any(leads_nowhere)) {
        return Err(ParseError::new(ErrorCode::InvalidKeyName, format!("Invalid field name: {}.", shorten(path))));
    }
    Ok(Order { path: path.into(), descending })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_a_find() {
        let reading = Reading { now: crate::value::Date::EPOCH, internal_fields: false };
        let find = |text: &str| find(json::read(text.as_bytes()).unwrap().as_object().unwrap(), reading);
        let query = find(r#"{"where":"{\"a\":1}","limit":5,"order":"-a, b","keys":"a,b.c","count":1}"#).unwrap();
        assert_eq!((query.limit, query.count, query.order.len()), (Some(5), true, 2));
        assert_eq!(query.include, ["b"]);
        assert_eq!(find(r#"{"nope":1}"#).unwrap_err().message, "Invalid parameter for query: nope");
        assert_eq!(find(r#"{"where":"{"}"#).unwrap_err().message, "where parameter is not valid JSON");
        let twice = find(r#"{"order":"a,b,-a"}"#).unwrap();
        assert_eq!(twice.order, Query::default().descending("a").ascending("b").order);
        assert_eq!(find(r#"{"order":"a.b c,-d"}"#).unwrap().order.len(), 2);
        for order in ["a b", "a.$b", "a..b", "-a.", "a.b\\u0000"] {
            let refused = find(&format!(r#"{{"order":"{order}"}}"#)).unwrap_err();
            assert_eq!(refused.number(), Some(105), "{order}");
        }
    }

    #[test]
    fn the_score_comes_with_a_text_search_only() {
        let reading = Reading { now: crate::value::Date::EPOCH, internal_fields: false };
        let find = |text: &str| find(json::read(text.as_bytes()).unwrap().as_object().unwrap(), reading);
        let text = r#""where":{"a":{"$text":{"$search":{"$term":"x"}}}}"#;
        let query = find(&format!(r#"{{{text},"keys":"$score,a","order":"-$score,a"}}"#)).unwrap();
        assert!(query.score && query.order.first().is_some_and(Order::is_by_score));
        assert_eq!(query.keys, ["score", "a"]);
        assert!(!find(&format!(r#"{{{text},"order":"$score"}}"#)).unwrap().score);
        for refused in [r#"{"keys":"$score"}"#, r#"{"order":"$score","where":{"a":1}}"#] {
            assert_eq!(find(refused).unwrap_err().number(), Some(102), "{refused}");
        }
        assert_eq!(
            get(json::read(br#"{"keys":"$score"}"#).unwrap().as_object().unwrap()).unwrap_err().number(),
            Some(102)
        );
    }
}
