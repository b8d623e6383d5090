//! Does a condition fit the class it asks? Fits it to the types of the class's fields, once, before any store sees it.

use compact_str::CompactString;

use super::{Constraint, Filter};
use crate::error::{ErrorCode, ParseError};
use crate::names::ObjectId;
use crate::schema::{ClassSchema, FieldType};
use crate::update::top;
use crate::value::{Pointer, Value, json};

/// Fits a filter to a class: ids become pointers, text becomes dates, conditions on relations become [`Filter::Relates`].
///
/// Refuses plain objects and lists where Parse does (107 `You cannot use … as a query parameter.`).
pub fn filter(filter: Filter, class: &ClassSchema) -> Result<Filter, ParseError> {
    let all =
        |parts: Vec<Filter>| parts.into_iter().map(|part| self::filter(part, class)).collect::<Result<Vec<_>, _>>();
    Ok(match filter {
        Filter::And(parts) => Filter::And(all(parts)?),
        Filter::Or(parts) => Filter::Or(all(parts)?),
        Filter::Nor(parts) => Filter::Nor(all(parts)?),
        Filter::Field(path, constraint) => field(path, constraint, class)?,
        other @ (Filter::RelatedTo(_) | Filter::Relates { .. }) => other,
    })
}

fn field(path: CompactString, constraint: Constraint, class: &ClassSchema) -> Result<Filter, ParseError> {
    let nested = path.contains('.');
    let kind = class.kind(top(&path));
    let constraint = with_moment(constraint, kind.as_ref().filter(|_| !nested))?;
    if !nested && !matches!(kind, Some(FieldType::Array | FieldType::Relation(_))) {
        refuse_bad_atoms(&constraint)?;
    }
    refuse_nested_operators(&constraint)?;
    if constraint.is_about_places() && (nested || !has_places(kind.as_ref(), &constraint)) {
        return Ok(Filter::nothing());
    }
    match kind {
        Some(FieldType::Relation(_)) => relates(&path, &constraint),
        Some(FieldType::Pointer(target)) if !nested => {
            let to_pointer = |value: Value| match &value {
                Value::String(id) => match ObjectId::parse(id) {
                    Ok(id) => Value::Pointer(Pointer::new(target.clone(), id)),
                    Err(_) => value,
                },
                _ => value,
            };
            // Parse: a bare text never equals a pointer; inside an operator it is an id.
            Ok(Filter::Field(path, convert(constraint, &to_pointer)))
        }
        Some(FieldType::Date) => match constraint {
            // Parse: these, and only for equality, may be given as bare text.
            Constraint::Equals(Value::String(text))
                if ["createdAt", "updatedAt", "expiresAt"].contains(&path.as_str()) =>
            {
                let value = text.parse().map_or(Value::String(text), Value::Date);
                Ok(Filter::Field(path, Constraint::Equals(value)))
            }
            other => Ok(Filter::Field(path, other)),
        },
        kind => {
            // Parse: nothing equals an empty list, nor an object without keys.
            if !nested && is_empty(&constraint) {
                return Ok(Filter::nothing());
            }
            let refused = match &constraint {
                _ if nested => None,
                // Parse: against an array, a plain object is an element; a list never is.
                Constraint::Equals(value @ Value::Object(_)) if kind != Some(FieldType::Array) => Some(value),
                Constraint::Equals(value @ Value::Array(_)) => Some(value),
                _ => None,
            };
            if let Some(value) = refused {
                let shown = match value {
                    Value::Object(_) => "[object Object]".to_owned(),
                    other => String::from_utf8_lossy(&json::write(other)).trim_matches(['[', ']']).replace('"', ""),
                };
                return Err(ParseError::new(
                    ErrorCode::InvalidJson,
                    format!("You cannot use {} as a query parameter.", crate::names::shorten(&shown)),
                ));
            }
            Ok(Filter::Field(path, constraint))
        }
    }
}

fn is_empty(constraint: &Constraint) -> bool {
    match constraint {
        Constraint::Equals(Value::Array(items)) => items.is_empty(),
        Constraint::Equals(Value::Object(map)) => map.is_empty(),
        _ => false,
    }
}

/// Parse: inside an operator, a plain object or a list can only be compared with what is in a list.
fn refuse_bad_atoms(constraint: &Constraint) -> Result<(), ParseError> {
    let values = match constraint {
        Constraint::NotEquals(value) => std::slice::from_ref(value),
        Constraint::In(values) | Constraint::NotIn(values) => values.as_slice(),
        _ => return Ok(()),
    };
    match values.iter().find(|value| matches!(value, Value::Object(_) | Value::Array(_))) {
        None => Ok(()),
        Some(atom) => {
            let shown = crate::names::shorten(&String::from_utf8_lossy(&json::write(atom)));
            Err(ParseError::new(ErrorCode::InvalidJson, format!("bad atom: {shown}")))
        }
    }
}

/// MongoDB: in a list of values there are no operators. In that of `$all`, what is no operator is a value.
fn refuse_nested_operators(constraint: &Constraint) -> Result<(), ParseError> {
    let first_key = |value: &Value| value.as_object().and_then(|map| map.keys().next().cloned());
    let any = |values: &[Value], is_operator: fn(&str) -> bool| {
        values.iter().filter_map(first_key).any(|key| is_operator(&key))
    };
    let refused = match constraint {
        Constraint::In(values) | Constraint::NotIn(values) | Constraint::ContainedBy(values) => {
            any(values, |key| key.starts_with('$')).then_some("cannot nest $ under $in")
        }
        Constraint::All(values) => any(values, |key| OF_MONGODB.contains(&key)).then_some("no $ expressions in $all"),
        _ => None,
    };
    refused.map_or(Ok(()), |text| Err(ParseError::new(ErrorCode::InvalidQuery, text)))
}

/// What MongoDB takes for an operator.
const OF_MONGODB: [&str; 26] = [
    "$all",
    "$bitsAllClear",
    "$bitsAllSet",
    "$bitsAnyClear",
    "$bitsAnySet",
    "$elemMatch",
    "$eq",
    "$exists",
    "$geoIntersects",
    "$geoNear",
    "$geoWithin",
    "$gt",
    "$gte",
    "$in",
    "$lt",
    "$lte",
    "$mod",
    "$ne",
    "$near",
    "$nearSphere",
    "$nin",
    "$options",
    "$regex",
    "$size",
    "$type",
    "$within",
];

/// Whether a field of this type can meet a condition about places. MongoDB: an area is on the sphere, so it is in no flat
/// figure.
fn has_places(kind: Option<&FieldType>, constraint: &Constraint) -> bool {
    match kind {
        Some(FieldType::GeoPoint) => true,
        Some(FieldType::Polygon) => !matches!(constraint, Constraint::WithinBox { .. } | Constraint::WithinPolygon(_)),
        _ => false,
    }
}

/// A `$relativeTime` as the moment it means. Parse: only fields of dates, and fields the class does not have, take one.
fn with_moment(constraint: Constraint, kind: Option<&FieldType>) -> Result<Constraint, ParseError> {
    let moment = |value: Value| match value.as_object().and_then(|map| map.get("$relativeTime")) {
        None => Ok(value),
        Some(moment) if kind.is_none_or(|kind| *kind == FieldType::Date) => Ok(moment.clone()),
        Some(_) => Err(ParseError::new(ErrorCode::InvalidJson, "$relativeTime can only be used with Date field")),
    };
    Ok(match constraint {
        Constraint::Less(value) => Constraint::Less(moment(value)?),
        Constraint::LessOrEqual(value) => Constraint::LessOrEqual(moment(value)?),
        Constraint::Greater(value) => Constraint::Greater(moment(value)?),
        Constraint::GreaterOrEqual(value) => Constraint::GreaterOrEqual(moment(value)?),
        other => other,
    })
}

/// The constraint with each of its values converted.
fn convert(constraint: Constraint, to: &impl Fn(Value) -> Value) -> Constraint {
    let each = |values: Vec<Value>| values.into_iter().map(to).collect();
    match constraint {
        Constraint::NotEquals(value) => Constraint::NotEquals(to(value)),
        Constraint::Less(value) => Constraint::Less(to(value)),
        Constraint::LessOrEqual(value) => Constraint::LessOrEqual(to(value)),
        Constraint::Greater(value) => Constraint::Greater(to(value)),
        Constraint::GreaterOrEqual(value) => Constraint::GreaterOrEqual(to(value)),
        Constraint::In(values) => Constraint::In(each(values)),
        Constraint::NotIn(values) => Constraint::NotIn(each(values)),
        other => other,
    }
}

/// A condition on a relation field asks for the objects whose relation has such a member.
fn relates(path: &str, constraint: &Constraint) -> Result<Filter, ParseError> {
    let field = crate::names::FieldName::parse(path)?;
    let ids = |values: &[Value]| values.iter().filter_map(Value::as_pointer).map(|pointer| pointer.id).collect();
    let inside = |values: &[Value]| Filter::Relates { field: field.clone(), members: ids(values) };
    Ok(match constraint {
        Constraint::Equals(value) => inside(std::slice::from_ref(value)),
        Constraint::In(values) => inside(values),
        Constraint::NotEquals(value) => Filter::Nor(vec![inside(std::slice::from_ref(value))]),
        Constraint::NotIn(values) => Filter::Nor(vec![inside(values)]),
        // Parse: any other condition on a relation finds nothing.
        _ => Filter::nothing(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{ClassName, FieldName};
    use crate::schema::Field;

    fn class() -> ClassSchema {
        let mut class = ClassSchema::new(ClassName::parse("C").unwrap());
        let user = ClassName::parse("_User").unwrap();
        for (name, kind) in [
            ("owner", FieldType::Pointer(user.clone())),
            ("friends", FieldType::Relation(user)),
            ("list", FieldType::Array),
            ("name", FieldType::String),
            ("place", FieldType::GeoPoint),
            ("area", FieldType::Polygon),
        ] {
            class.fields.insert(FieldName::parse(name).unwrap(), Field::plain(kind));
        }
        class
    }

    fn plain_object() -> Value {
        Value::Object(crate::map! { "a" => 1 })
    }

    #[test]
    fn values_take_the_type_of_the_field() {
        let owner = |constraint| filter(Filter::Field("owner".into(), constraint), &class()).unwrap();
        assert!(matches!(
            owner(Constraint::NotEquals("u1".into())),
            Filter::Field(_, Constraint::NotEquals(Value::Pointer(_)))
        ));
        assert!(matches!(
            owner(Constraint::Equals("u1".into())),
            Filter::Field(_, Constraint::Equals(Value::String(_)))
        ));
        let fitted = filter(Filter::equals("createdAt", "2026-01-01T00:00:00.000Z"), &class()).unwrap();
        assert!(matches!(fitted, Filter::Field(_, Constraint::Equals(Value::Date(_)))));
        let user = Pointer::new(ClassName::parse("_User").unwrap(), ObjectId::parse("u1").unwrap());
        let fitted = filter(Filter::equals("friends", user), &class()).unwrap();
        assert!(matches!(fitted, Filter::Relates { members, .. } if members.len() == 1));
    }

    #[test]
    fn only_places_and_areas_are_somewhere() {
        let zero = crate::value::GeoPoint::new(0.0, 0.0).unwrap();
        let near = Constraint::Near { center: zero, radians_max: None };
        let flat = Constraint::WithinBox { southwest: zero, northeast: zero };
        for (path, constraint, kept) in [
            ("place", &near, true),
            ("area", &near, true),
            ("place", &flat, true),
            ("area", &flat, false),
            ("name", &near, false),
            ("place.latitude", &near, false),
            ("unheardOf", &near, false),
        ] {
            let asked = Filter::Field(path.into(), constraint.clone());
            let expected = if kept { asked.clone() } else { Filter::nothing() };
            assert_eq!(filter(asked, &class()).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn plain_objects_and_lists_are_no_query_parameters() {
        let list = Value::Array(vec![1.into(), 2.into()]);
        let error = filter(Filter::equals("name", list.clone()), &class()).unwrap_err();
        assert_eq!(error.message, "You cannot use 1,2 as a query parameter.");
        assert!(filter(Filter::equals("list", list), &class()).is_err());
        assert!(filter(Filter::equals("list", plain_object()), &class()).is_ok());
        assert!(filter(Filter::equals("name", plain_object()), &class()).is_err());
        let inside = |path: &str| filter(Filter::Field(path.into(), Constraint::In(vec![plain_object()])), &class());
        assert_eq!(inside("name").unwrap_err().message, r#"bad atom: {"a":1}"#);
        assert!(inside("list").is_ok() && inside("name.part").is_ok());
        for constraint in [Constraint::In, Constraint::NotIn, Constraint::ContainedBy, Constraint::All] {
            let operator = Value::Object(crate::map! { "$ne" => 1 });
            let error = filter(Filter::Field("list".into(), constraint(vec![operator])), &class()).unwrap_err();
            assert_eq!(error.number(), Some(102), "{error:?}");
        }
        let unknown = || vec![Value::Object(crate::map! { "$unknown" => 1 })];
        assert!(filter(Filter::Field("list".into(), Constraint::All(unknown())), &class()).is_ok());
        assert!(filter(Filter::Field("list".into(), Constraint::In(unknown())), &class()).is_err());
        for empty in [Value::Array(Vec::new()), Value::Object(crate::value::Map::default())] {
            assert_eq!(filter(Filter::equals("list", empty), &class()).unwrap(), Filter::nothing());
        }
    }
}
