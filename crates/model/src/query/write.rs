//! How is a query spelled on the wire? The way back from what `parse` reads, for cloud code that runs elsewhere.

use compact_str::CompactString;

use crate::query::{
    Constraint, Filter, Hint, Membership, Order, Pattern, Query, ReadPreference, SCORE_FIELD, SubQuery,
};
use crate::value::{GeoPoint, Map, Value};

/// The parameters of a find that asks this.
pub fn find(query: &Query) -> Map {
    let mut params = Map::default();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            params.insert(name.into(), value);
        }
    };
    put("where", Some(Value::Object(conditions(&query.filter))));
    put("order", listed(query.order.iter().map(order_key)));
    put("skip", (query.skip > 0).then(|| number(query.skip)));
    put("limit", query.limit.map(number));
    put("count", query.count.then_some(Value::Number(1.0)));
    let key = |key: &CompactString| if query.score && key == SCORE_FIELD { Order::SCORE } else { key }.to_owned();
    put("keys", listed(query.keys.iter().map(key)));
    put("excludeKeys", listed(query.exclude_keys.iter().map(ToString::to_string)));
    put("include", listed(query.include.iter().map(ToString::to_string)));
    put("includeAll", query.include_all.then_some(Value::Bool(true)));
    put("redirectClassNameForKey", query.redirect.as_ref().map(|field| field.as_str().into()));
    put(
        "hint",
        query.advice.hint.as_ref().map(|hint| match hint {
            Hint::Name(name) => name.as_str().into(),
            Hint::Keys(keys) => Value::Object(keys.clone()),
        }),
    );
    put("comment", query.advice.comment.as_deref().map(Value::from));
    put("explain", query.explain.map(|verbosity| verbosity.name().into()));
    let preference = |preference: Option<ReadPreference>| preference.map(|preference| preference.name().into());
    put("readPreference", preference(query.advice.read_preference));
    put("includeReadPreference", preference(query.include_read_preference));
    put("subqueryReadPreference", preference(query.subquery_read_preference));
    params
}

/// The `where` that asks this.
pub fn conditions(filter: &Filter) -> Map {
    let mut map = Map::default();
    match filter {
        Filter::And(parts) => parts.iter().for_each(|part| join(&mut map, conditions(part))),
        Filter::Or(parts) => drop(map.insert("$or".into(), branches(parts))),
        Filter::Nor(parts) => drop(map.insert("$nor".into(), branches(parts))),
        Filter::Field(path, Constraint::Equals(value)) => drop(map.insert(path.clone(), value.clone())),
        Filter::Field(path, constraint) => drop(map.insert(path.clone(), Value::Object(operators(constraint)))),
        Filter::RelatedTo(relatives) => {
            let owner = Value::Pointer(relatives.owner.clone());
            map.insert(
                "$relatedTo".into(),
                Value::Object(crate::map! { "object" => owner, "key" => relatives.field.as_str() }),
            );
        }
        Filter::Relates { field, members } => {
            let members = members.iter().map(|id| id.as_str().into()).collect();
            map.insert(field.as_str().into(), Value::Object(crate::map! { "$in" => Value::Array(members) }));
        }
    }
    map
}

fn branches(parts: &[Filter]) -> Value {
    Value::Array(parts.iter().map(|part| Value::Object(conditions(part))).collect())
}

/// Puts the conditions of one part beside those of the parts before: operators on one field in one object, and what would
/// take another's place under `$and`.
fn join(all: &mut Map, part: Map) {
    for (key, value) in part {
        match (all.get_mut(&key), value) {
            (None, value) => drop(all.insert(key, value)),
            (Some(Value::Object(before)), Value::Object(more))
                if is_operators(before)
                    && is_operators(&more)
                    && more.keys().all(|name| !before.contains_key(name)) =>
            {
                before.extend(more);
            }
            (Some(_), value) => {
                let single = Value::Object(std::iter::once((key, value)).collect());
                match all.get_mut("$and") {
                    Some(Value::Array(parts)) => parts.push(single),
                    _ => drop(all.insert("$and".into(), Value::Array(vec![single]))),
                }
            }
        }
    }
}

fn is_operators(map: &Map) -> bool {
    !map.is_empty() && map.keys().all(|name| name.starts_with('$'))
}

/// The operators of a condition on a field that is no plain equality.
fn operators(constraint: &Constraint) -> Map {
    let one = |name: &str, value: Value| std::iter::once((CompactString::from(name), value)).collect::<Map>();
    let list = |values: &[Value]| Value::Array(values.to_vec());
    match constraint {
        Constraint::Equals(value) => one("$eq", value.clone()),
        Constraint::NotEquals(value) => one("$ne", value.clone()),
        Constraint::Less(value) => one("$lt", moment(value)),
        Constraint::LessOrEqual(value) => one("$lte", moment(value)),
        Constraint::Greater(value) => one("$gt", moment(value)),
        Constraint::GreaterOrEqual(value) => one("$gte", moment(value)),
        Constraint::In(values) => one("$in", list(values)),
        Constraint::NotIn(values) => one("$nin", list(values)),
        Constraint::All(values) => one("$all", list(values)),
        Constraint::AllMatch(patterns) => {
            one("$all", Value::Array(patterns.iter().map(|pattern| Value::Object(regex(pattern))).collect()))
        }
        Constraint::ContainedBy(values) => one("$containedBy", list(values)),
        Constraint::Exists(exists) => one("$exists", Value::Bool(*exists)),
        Constraint::Matches(pattern) => regex(pattern),
        Constraint::SameText(text) => {
            crate::map! { "$regex" => format!("^{}$", regex::escape(text)), "$options" => "i" }
        }
        Constraint::Text(search) => {
            let search = crate::map! {
                "$term" => search.term.as_str(),
                "$language" => search.language.name(),
                "$caseSensitive" => search.case_sensitive,
                "$diacriticSensitive" => search.diacritic_sensitive,
            };
            one("$text", Value::Object(one("$search", Value::Object(search))))
        }
        Constraint::Near { center, radians_max } => {
            let mut near = one("$nearSphere", Value::GeoPoint(*center));
            if let Some(radians) = radians_max {
                near.insert("$maxDistance".into(), Value::Number(*radians));
            }
            near
        }
        Constraint::WithinBox { southwest, northeast } => {
            one("$within", Value::Object(one("$box", points(&[*southwest, *northeast]))))
        }
        Constraint::WithinPolygon(polygon) => {
            one("$geoWithin", Value::Object(one("$polygon", points(polygon.corners()))))
        }
        Constraint::WithinSphere { center, radians } => {
            let sphere = vec![Value::GeoPoint(*center), Value::Number(*radians)];
            one("$geoWithin", Value::Object(one("$centerSphere", Value::Array(sphere))))
        }
        Constraint::Intersects(point) => one("$geoIntersects", Value::Object(one("$point", Value::GeoPoint(*point)))),
        Constraint::InQuery(query, membership) => {
            one(membership_name("$inQuery", "$notInQuery", *membership), subquery(query))
        }
        Constraint::Select(query, key, membership) => {
            let select = crate::map! { "query" => subquery(query), "key" => key.as_str() };
            one(membership_name("$select", "$dontSelect", *membership), Value::Object(select))
        }
    }
}

const fn membership_name(inside: &'static str, outside: &'static str, membership: Membership) -> &'static str {
    match membership {
        Membership::Inside => inside,
        Membership::Outside => outside,
    }
}

fn subquery(query: &SubQuery) -> Value {
    let mut map =
        crate::map! { "className" => query.class.as_str(), "where" => Value::Object(conditions(&query.filter)) };
    if let Some(field) = &query.redirect {
        map.insert("redirectClassNameForKey".into(), field.as_str().into());
    }
    Value::Object(map)
}

fn regex(pattern: &Pattern) -> Map {
    let mut map = crate::map! { "$regex" => pattern.source.as_str() };
    if !pattern.options.is_empty() {
        map.insert("$options".into(), pattern.options.as_str().into());
    }
    map
}

/// The moment that a `$relativeTime` was read as, or the value.
fn moment(value: &Value) -> Value {
    let relative = value.as_object().and_then(|map| map.get("$relativeTime"));
    relative.unwrap_or(value).clone()
}

fn points(points: &[GeoPoint]) -> Value {
    Value::Array(points.iter().copied().map(Value::GeoPoint).collect())
}

fn order_key(order: &Order) -> String {
    format!("{}{}", if order.descending { "-" } else { "" }, order.path)
}

/// The parts with commas between them; nothing if there are none.
fn listed(parts: impl Iterator<Item = String>) -> Option<Value> {
    let parts: Vec<String> = parts.collect();
    (!parts.is_empty()).then(|| Value::String(parts.join(",")))
}

#[expect(clippy::cast_precision_loss, reason = "nobody asks for as many as a double cannot count")]
fn number(number: u64) -> Value {
    Value::Number(number as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::parse::{self, Reading};
    use crate::value::{Date, json};

    const READING: Reading = Reading { now: Date::EPOCH, internal_fields: false };

    fn read(text: &str) -> Query {
        let Ok(Value::Object(params)) = json::read(text.as_bytes()) else { panic!("{text}") };
        parse::find(&params, READING).unwrap()
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for text in [
            "{}",
            r#"{"where":{"a":1,"b.c":"x","d":null},"order":"a,-b","skip":3,"limit":0,"count":1}"#,
            r#"{"where":{"a":{"$gt":1,"$lte":5,"$ne":3},"b":{"$in":[1,"x"]},"c":{"$nin":[]},"d":{"$all":["x","y"]}}}"#,
            r#"{"where":{"a":{"$exists":false},"b":{"$regex":"^x","$options":"im"},"c":{"$containedBy":[1,2]}}}"#,
            r#"{"where":{"a":{"$all":[{"$regex":"^x"},{"$regex":"^y"}]}}}"#,
            r#"{"where":{"$or":[{"a":1},{"b":2,"c":3}],"$nor":[{"x":{"$lt":4}}]}}"#,
            r#"{"where":{"p":{"__type":"Pointer","className":"C","objectId":"x"},"d":{"$gt":{"__type":"Date","iso":"2020-01-01T00:00:00.000Z"}}}}"#,
            r#"{"where":{"g":{"$nearSphere":{"__type":"GeoPoint","latitude":1,"longitude":2},"$maxDistance":0.5}}}"#,
            r#"{"where":{"g":{"$within":{"$box":[{"__type":"GeoPoint","latitude":1,"longitude":2},{"__type":"GeoPoint","latitude":3,"longitude":4}]}}}}"#,
            r#"{"where":{"g":{"$geoWithin":{"$centerSphere":[{"__type":"GeoPoint","latitude":1,"longitude":2},0.1]}}}}"#,
            r#"{"where":{"g":{"$geoWithin":{"$polygon":[{"__type":"GeoPoint","latitude":0,"longitude":0},{"__type":"GeoPoint","latitude":0,"longitude":4},{"__type":"GeoPoint","latitude":4,"longitude":0}]}}}}"#,
            r#"{"where":{"g":{"$geoIntersects":{"$point":{"__type":"GeoPoint","latitude":1,"longitude":2}}}}}"#,
            r#"{"where":{"t":{"$text":{"$search":{"$term":"a b","$caseSensitive":true}}}},"order":"$score","keys":"$score,a"}"#,
            r#"{"where":{"p":{"$inQuery":{"className":"C","where":{"a":1}}},"q":{"$dontSelect":{"query":{"className":"C","where":{}},"key":"k"}}}}"#,
            r#"{"where":{"$relatedTo":{"object":{"__type":"Pointer","className":"C","objectId":"x"},"key":"r"}}}"#,
            r#"{"keys":"a,b.c","excludeKeys":"d","include":"b,e","includeAll":true,"redirectClassNameForKey":"r"}"#,
            r#"{"hint":"i","comment":"why","explain":"executionStats","readPreference":"SECONDARY"}"#,
            r#"{"hint":{"a":1}}"#,
        ] {
            let query = read(text);
            let written = find(&query);
            let again = parse::find(&written, READING).unwrap_or_else(|error| panic!("{text}: {written:?}: {error}"));
            assert_eq!(again, query, "{text}");
        }
    }

    #[test]
    fn a_condition_that_would_take_another_s_place_stands_under_and() {
        let one = Filter::equals("a", 1).and(Filter::Field("a".into(), Constraint::Greater(Value::Number(0.0))));
        let more = one.and(Filter::equals("a", 2));
        let text = String::from_utf8(json::write(&Value::Object(conditions(&more)))).unwrap();
        assert_eq!(text, r#"{"a":1,"$and":[{"a":{"$gt":0}},{"a":2}]}"#);
    }

    #[test]
    fn a_relative_time_is_written_as_its_moment() {
        let query = read(r#"{"where":{"d":{"$lt":{"$relativeTime":"now"}}}}"#);
        let text = String::from_utf8(json::write(&Value::Object(conditions(&query.filter)))).unwrap();
        assert_eq!(text, r#"{"d":{"$lt":{"__type":"Date","iso":"1970-01-01T00:00:00.000Z"}}}"#);
    }
}
