//! Where does a path below a value lead? Through objects, and through the lists on its way, as in MongoDB.

use std::borrow::Cow;

use compact_str::CompactString;

use crate::value::{Map, Value};

/// Collects what is at a path; `None` stands for an object on the way that does not have it.
///
/// MongoDB: a path goes through lists, both by number and into each object in them.
pub fn reach<'v>(value: &'v Value, path: &[CompactString], found: &mut Vec<Option<Cow<'v, Value>>>) {
    let Some((key, rest)) = path.split_first() else {
        found.push(Some(Cow::Borrowed(value)));
        return;
    };
    match value {
        Value::Array(items) => {
            let before = found.len();
            if let Some(item) = index(key).and_then(|index| items.get(index)) {
                reach(item, rest, found);
            }
            for item in items.iter().filter(|item| has_parts(item)) {
                reach(item, path, found);
            }
            if found.len() == before {
                found.push(None);
            }
        }
        Value::Object(map) => match map.get(key) {
            Some(value) => reach(value, rest, found),
            None => found.push(None),
        },
        other => match parts(other).swap_remove(key) {
            Some(part) => {
                let mut below = Vec::new();
                reach(&part, rest, &mut below);
                found.extend(below.into_iter().map(|value| value.map(|value| Cow::Owned(value.into_owned()))));
            }
            None => found.push(None),
        },
    }
}

/// The number that a key is. MongoDB: it is one only as it is usually written.
fn index(key: &str) -> Option<usize> {
    let is_plain = key == "0" || (!key.starts_with('0') && key.bytes().all(|byte| byte.is_ascii_digit()));
    if is_plain { key.parse().ok() } else { None }
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
