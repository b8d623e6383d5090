//! Does one object meet a condition? Decided from the object alone, with the answer that both stores give.
//!
//! `matches/condition.rs` decides what is inside a value, which the embedded store asks too; `matches/reach.rs` follows paths,
//! `matches/order.rs` compares values.

mod condition;
mod order;
mod reach;

use std::borrow::Cow;
use std::sync::Arc;

use compact_str::CompactString;

pub use condition::Condition;
pub use order::{equal, order};
pub use reach::{Purpose, Reached, parts, reach};

use super::text::{self, Search};
use super::{Constraint, Filter, pcre, places};
use crate::error::{ErrorCode, ParseError};
use crate::object::Object;
use crate::schema::{ClassSchema, FieldType};
use crate::value::{GeoPoint, Map, Polygon, Value};

/// A condition made ready to be put to many objects: expressions are compiled, searches taken apart.
#[derive(Debug)]
pub struct Matcher(Node);

#[derive(Debug)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    None(Vec<Node>),
    /// What is in a field, as it is kept.
    Field(CompactString, Condition),
    /// Where a field is; nothing asked for is met by every place.
    Place(CompactString, Option<places::Condition>),
    /// What is said in these fields.
    Text(Vec<CompactString>, Search),
}

impl Matcher {
    /// Prepares a filter that was fitted to the class (`query::fit`).
    ///
    /// Refuses what one object does not tell: subqueries, and the members of relations.
    pub fn new(filter: &Filter, class: &ClassSchema) -> Result<Self, ParseError> {
        node(filter, class).map(Self)
    }

    /// Whether an object of the class meets it.
    pub fn matches(&self, object: &Object) -> bool {
        self.0.is_met(object)
    }
}

fn node(filter: &Filter, class: &ClassSchema) -> Result<Node, ParseError> {
    let each = |parts: &[Filter]| parts.iter().map(|part| node(part, class)).collect::<Result<Vec<_>, _>>();
    Ok(match filter {
        Filter::And(parts) => Node::All(each(parts)?),
        Filter::Or(parts) => Node::Any(each(parts)?),
        Filter::Nor(parts) => Node::None(each(parts)?),
        Filter::RelatedTo(_) | Filter::Relates { .. } => return Err(refusal("a relation")),
        Filter::Field(path, Constraint::Text(search)) => Node::Text(text_fields(path, class), Search::new(search)),
        Filter::Field(path, constraint) if constraint.is_about_places() => {
            Node::Place(path.clone(), places::Condition::of(constraint))
        }
        Filter::Field(path, constraint) => {
            let (field, below) =
                path.split_once('.').map_or((path.as_str(), None), |(field, rest)| (field, Some(rest)));
            let below: Vec<&str> = below.map(|below| below.split('.').collect()).unwrap_or_default();
            let is_list = class.fields.get(field).is_some_and(|field| field.kind == FieldType::Array);
            let compile = |pattern: &_| {
                pcre::compile(pattern).map(Arc::new).map_err(|text| ParseError::new(ErrorCode::InvalidQuery, text))
            };
            // Lists and objects hold values in their inner form.
            let constraint =
                if is_list || !below.is_empty() { Cow::Borrowed(constraint) } else { in_column(constraint) };
            let condition = Condition::new(&below, &constraint, compile)?;
            Node::Field(field.into(), condition.ok_or_else(|| refusal("another query"))?)
        }
    })
}

fn refusal(what: &str) -> ParseError {
    ParseError::new(ErrorCode::InvalidQuery, format!("A condition on {what} cannot be decided from one object."))
}

/// The fields that a search looks into: those of the class's text index, or the one that is named if there is none.
fn text_fields(path: &CompactString, class: &ClassSchema) -> Vec<CompactString> {
    match class.text_index() {
        Some((_, index)) => index.text_fields().map(CompactString::from).collect(),
        None => vec![path.clone()],
    }
}

impl Node {
    fn is_met(&self, object: &Object) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.is_met(object)),
            Self::Any(parts) => parts.iter().any(|part| part.is_met(object)),
            Self::None(parts) => !parts.iter().any(|part| part.is_met(object)),
            Self::Field(field, condition) => condition.is_met(kept(object, field).as_deref()),
            Self::Place(field, condition) => object.get(field).and_then(places::Spot::of).is_some_and(|spot| {
                // Anything that has a place is near enough.
                condition.as_ref().is_none_or(|condition| condition.is_met(&spot))
            }),
            Self::Text(fields, search) => {
                let texts: Vec<String> =
                    fields.iter().filter_map(|field| object.get(field)).flat_map(text::texts).collect();
                search.finds(&texts)
            }
        }
    }
}

/// What a field holds, as it is kept; `None` if it is missing.
fn kept<'o>(object: &'o Object, field: &str) -> Option<Cow<'o, Value>> {
    let names = |names: Vec<&str>| Value::Array(names.into_iter().map(Value::from).collect());
    match field {
        "objectId" => Some(Cow::Owned(object.id.as_str().into())),
        "createdAt" => object.created_at.map(|date| Cow::Owned(Value::Date(date))),
        "updatedAt" => object.updated_at.map(|date| Cow::Owned(Value::Date(date))),
        "_rperm" => object.acl.as_ref().map(|acl| Cow::Owned(names(acl.readers().collect()))),
        "_wperm" => object.acl.as_ref().map(|acl| Cow::Owned(names(acl.writers().collect()))),
        _ => match object.get(field)? {
            Value::Relation(_) => None,
            value => Some(column(value)),
        },
    }
}

/// A value as it is kept in a column of its own, where the types that BSON lacks are what Parse made them: a pointer is
/// `Class$id`, a file its name, a place a pair of numbers, an area what `GeoJSON` calls one.
pub fn column(value: &Value) -> Cow<'_, Value> {
    Cow::Owned(match value {
        Value::Pointer(pointer) => Value::String(format!("{}${}", pointer.class, pointer.id)),
        Value::Included(object) => Value::String(format!("{}${}", object.class, object.id)),
        Value::File(file) => Value::String(file.name.clone()),
        Value::GeoPoint(place) => pair(place),
        Value::Polygon(area) => area_in_column(area),
        _ => return Cow::Borrowed(value),
    })
}

/// A pair is longitude first.
fn pair(place: &GeoPoint) -> Value {
    Value::Array(vec![place.longitude.into(), place.latitude.into()])
}

fn area_in_column(area: &Polygon) -> Value {
    let ring = Value::Array(area.closed().map(pair).collect());
    let mut map = Map::default();
    map.insert("type".into(), "Polygon".into());
    map.insert("coordinates".into(), Value::Array(vec![ring]));
    Value::Object(map)
}

/// The constraint with its values as a column keeps them. What is asked of a list of all, or of nothing but these, stays as it
/// is inside a list.
pub fn in_column(constraint: &Constraint) -> Cow<'_, Constraint> {
    let one = |value: &Value| column(value).into_owned();
    let each = |values: &[Value]| values.iter().map(one).collect();
    Cow::Owned(match constraint {
        Constraint::Equals(value) => Constraint::Equals(one(value)),
        Constraint::NotEquals(value) => Constraint::NotEquals(one(value)),
        Constraint::Less(value) => Constraint::Less(one(value)),
        Constraint::LessOrEqual(value) => Constraint::LessOrEqual(one(value)),
        Constraint::Greater(value) => Constraint::Greater(one(value)),
        Constraint::GreaterOrEqual(value) => Constraint::GreaterOrEqual(one(value)),
        Constraint::In(values) => Constraint::In(each(values)),
        Constraint::NotIn(values) => Constraint::NotIn(each(values)),
        _ => return Cow::Borrowed(constraint),
    })
}

impl Filter {
    /// The values that everything it finds has: what stands at its top level as an equality. Of a list, it is an element.
    pub fn equalities(&self) -> Vec<(&str, &Value)> {
        match self {
            Self::And(parts) => parts.iter().flat_map(Self::equalities).collect(),
            Self::Or(parts) if parts.len() == 1 => parts.iter().flat_map(Self::equalities).collect(),
            Self::Field(path, Constraint::Equals(value)) if !value.is_null() => vec![(path, value)],
            Self::Field(path, Constraint::In(values)) => match values.as_slice() {
                [only] if !only.is_null() => vec![(path, only)],
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
#[path = "matches/tests.rs"]
mod tests;
