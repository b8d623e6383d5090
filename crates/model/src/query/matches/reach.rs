//! Where does a path below a value lead? Through objects, and through the lists on its way, as in MongoDB.

use std::borrow::Cow;

use compact_str::CompactString;

use crate::aggregate::index;
use crate::value::{Map, Value};

/// What for a path is followed. MongoDB has a way for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A condition: it goes through a list both by number and into each object in it. Where neither leads further there is
    /// nothing, not even something that is missing.
    Match,
    /// A sort: an index that is there leads to one element only, and each element that is no object has nothing there.
    Sort,
    /// Distinct values: a number leads to one element only, whether it is there or not.
    Distinct,
}

/// What is at a path.
#[derive(Debug, Clone)]
pub enum Reached<'v> {
    /// Nothing: an object on the way does not have it.
    Missing,
    /// A value; if it is a list, its elements are there too.
    Value(Cow<'v, Value>),
    /// The element that a number at the end of the path leads to; to a condition it is just itself, even if it is a list.
    Element(Cow<'v, Value>),
}

impl<'v> Reached<'v> {
    pub(super) fn as_value(&self) -> Option<&Value> {
        match self {
            Self::Missing => None,
            Self::Value(value) | Self::Element(value) => Some(value),
        }
    }

    /// The value, if there is one.
    pub fn value(self) -> Option<Cow<'v, Value>> {
        match self {
            Self::Missing => None,
            Self::Value(value) | Self::Element(value) => Some(value),
        }
    }

    /// The same, on its own.
    pub fn into_owned<'o>(self) -> Reached<'o> {
        match self {
            Self::Missing => Reached::Missing,
            Self::Value(value) => Reached::Value(Cow::Owned(value.into_owned())),
            Self::Element(value) => Reached::Element(Cow::Owned(value.into_owned())),
        }
    }
}

/// Collects what is at a path.
pub fn reach<'v>(value: &'v Value, path: &[CompactString], purpose: Purpose, found: &mut Vec<Reached<'v>>) {
    let Some((key, rest)) = path.split_first() else {
        found.push(Reached::Value(Cow::Borrowed(value)));
        return;
    };
    match value {
        Value::Array(items) => {
            let item = index(key).and_then(|index| items.get(index));
            match item {
                Some(item) if rest.is_empty() => found.push(Reached::Element(Cow::Borrowed(item))),
                Some(item) if purpose != Purpose::Match || item.as_array().is_some() || has_parts(item) => {
                    reach(item, rest, purpose, found);
                }
                _ => {}
            }
            let leads_to_one = match purpose {
                Purpose::Match => false,
                Purpose::Sort => item.is_some(),
                Purpose::Distinct => key.bytes().all(|byte| byte.is_ascii_digit()),
            };
            if !leads_to_one {
                into_each(items, path, purpose, found);
            }
        }
        Value::Object(map) => match map.get(key) {
            Some(value) => reach(value, rest, purpose, found),
            None => found.push(Reached::Missing),
        },
        other => match parts(other).swap_remove(key) {
            Some(part) => {
                let mut below = Vec::new();
                reach(&part, rest, purpose, &mut below);
                found.extend(below.into_iter().map(Reached::into_owned));
            }
            None => found.push(Reached::Missing),
        },
    }
}

fn into_each<'v>(items: &'v [Value], path: &[CompactString], purpose: Purpose, found: &mut Vec<Reached<'v>>) {
    for item in items {
        if has_parts(item) {
            reach(item, path, purpose, found);
        } else if purpose == Purpose::Sort {
            found.push(Reached::Missing);
        }
    }
    if items.is_empty() && purpose == Purpose::Sort {
        found.push(Reached::Missing);
    }
}

fn has_parts(value: &Value) -> bool {
    matches!(
        value,
        Value::Object(_)
            | Value::Pointer(_)
            | Value::Included(_)
            | Value::File(_)
            | Value::GeoPoint(_)
            | Value::Polygon(_)
            | Value::Relation(_)
    )
}

/// The parts of a value of a type that MongoDB does not have, which is an object there.
pub fn parts(value: &Value) -> Map {
    let mut map = Map::default();
    let mut part = |key: &str, value: Value| drop(map.insert(key.into(), value));
    match value {
        Value::Pointer(pointer) => {
            part("__type", "Pointer".into());
            part("className", pointer.class.as_str().into());
            part("objectId", pointer.id.as_str().into());
        }
        Value::Included(object) => return parts(&Value::Pointer(object.pointer())),
        Value::File(file) => {
            part("__type", "File".into());
            part("name", file.name.as_str().into());
            if let Some(url) = &file.url {
                part("url", url.as_str().into());
            }
        }
        Value::GeoPoint(point) => {
            part("__type", "GeoPoint".into());
            part("latitude", point.latitude.into());
            part("longitude", point.longitude.into());
        }
        Value::Polygon(area) => {
            let corner = |corner: &crate::value::GeoPoint| vec![corner.latitude, corner.longitude];
            part("__type", "Polygon".into());
            part("coordinates", area.closed().map(corner).collect::<Vec<_>>().into());
        }
        Value::Relation(class) => {
            part("__type", "Relation".into());
            part("className", class.as_str().into());
        }
        _ => {}
    }
    map
}
