//! Who wants to be told of the objects of one class? Subscriptions by query, and queries by the values they ask for.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use compact_str::CompactString;
use parsimony_model::query::matches::Matcher;
use parsimony_model::query::{Filter, fit};
use parsimony_model::value::json;
use parsimony_model::{ClassSchema, FieldType, Object, ParseError, Value};

use super::wire::Wire;

/// With whose rights somebody listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Listener {
    /// The session, if there is one.
    pub(super) session_token: Option<String>,
    /// Whether the master key was sent.
    pub(super) master: bool,
}

/// One subscription.
#[derive(Clone)]
pub(super) struct Subscriber {
    pub(super) wire: Arc<Wire>,
    pub(super) request_id: f64,
    pub(super) listener: Listener,
    pub(super) keys: Arc<[CompactString]>,
    pub(super) watch: Arc<[CompactString]>,
}

/// Subscriptions that ask the same.
pub(super) struct Group {
    pub(super) filter: Filter,
    /// The condition, made ready for the class as it was then; `None` if it does not fit.
    matcher: Option<(Arc<ClassSchema>, Option<Matcher>)>,
    /// A field and the value that all it finds have.
    anchor: Option<(CompactString, String)>,
    pub(super) subscribers: Vec<Subscriber>,
}

impl Group {
    /// Makes its condition ready for the class as it is now.
    fn matcher(&mut self, class: &Arc<ClassSchema>) -> Option<&Matcher> {
        if !self.matcher.as_ref().is_some_and(|(built_for, _)| Arc::ptr_eq(built_for, class)) {
            self.matcher = Some((Arc::clone(class), ready(&self.filter, class).ok().map(|(matcher, _)| matcher)));
        }
        self.matcher.as_ref().and_then(|(_, matcher)| matcher.as_ref())
    }
}

/// A condition made ready for a class, and fitted to it.
pub(super) fn ready(filter: &Filter, class: &ClassSchema) -> Result<(Matcher, Filter), ParseError> {
    let fitted = fit::filter(filter.clone(), class)?;
    Ok((Matcher::new(&fitted, class)?, fitted))
}

/// The subscriptions to a class.
#[derive(Default)]
pub(super) struct Room {
    /// By the text of their conditions.
    groups: HashMap<String, Group>,
    /// Groups with an anchor: by its field and its value.
    anchored: HashMap<CompactString, HashMap<String, Vec<String>>>,
    /// Groups without one.
    adrift: HashSet<String>,
}

impl Room {
    /// Takes a subscription in. `fitted` is the condition fitted to the class, and the class, if there is such a class yet.
    pub(super) fn enter(
        &mut self,
        key: String,
        filter: &Filter,
        fitted: Option<(&Filter, &ClassSchema)>,
        subscriber: Subscriber,
    ) {
        if let Some(group) = self.groups.get_mut(&key) {
            group.subscribers.push(subscriber);
            return;
        }
        let anchor: Option<(CompactString, String)> = fitted.and_then(|(fitted, class)| {
            let mut equalities = fitted.equalities().into_iter().filter(|(path, _)| can_anchor(path, class));
            equalities.find_map(|(path, value)| Some((path.into(), anchor_of(value)?)))
        });
        match &anchor {
            Some((field, value)) => {
                self.anchored.entry(field.clone()).or_default().entry(value.clone()).or_default().push(key.clone());
            }
            None => {
                self.adrift.insert(key.clone());
            }
        }
        let filter = filter.clone();
        self.groups.insert(key, Group { filter, matcher: None, anchor, subscribers: vec![subscriber] });
    }

    /// Lets a subscription go.
    pub(super) fn leave(&mut self, key: &str, wire: &Arc<Wire>, request_id: f64) {
        let Some(group) = self.groups.get_mut(key) else { return };
        group
            .subscribers
            .retain(|own| !(Arc::ptr_eq(&own.wire, wire) && own.request_id.to_bits() == request_id.to_bits()));
        if !group.subscribers.is_empty() {
            return;
        }
        match self.groups.remove(key).and_then(|group| group.anchor) {
            None => drop(self.adrift.remove(key)),
            Some((field, value)) => {
                let Some(values) = self.anchored.get_mut(&field) else { return };
                if let Some(keys) = values.get_mut(&value) {
                    keys.retain(|own| own != key);
                    if keys.is_empty() {
                        values.remove(&value);
                    }
                }
                if values.is_empty() {
                    self.anchored.remove(&field);
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The groups whose condition one of two images of an object meets: which, and whether before, and whether after.
    ///
    /// Each condition is put to each image once, however many subscribed to it; conditions that ask for a value that neither
    /// has are not looked at.
    pub(super) fn met(
        &mut self,
        class: &Arc<ClassSchema>,
        before: Option<&Object>,
        after: Option<&Object>,
    ) -> Vec<(String, bool, bool)> {
        let mut candidates: HashSet<&String> = self.adrift.iter().collect();
        for (field, values) in &self.anchored {
            for object in [before, after].into_iter().flatten() {
                for value in anchors_in(object, field) {
                    candidates.extend(values.get(&value).into_iter().flatten());
                }
            }
        }
        let candidates: Vec<String> = candidates.into_iter().cloned().collect();
        let mut met = Vec::new();
        for key in candidates {
            let Some(matcher) = self.groups.get_mut(&key).and_then(|group| group.matcher(class)) else { continue };
            let meets = |object: Option<&Object>| object.is_some_and(|object| matcher.matches(object));
            let (then, now) = (meets(before), meets(after));
            if then || now {
                met.push((key, then, now));
            }
        }
        met
    }

    pub(super) fn group(&self, key: &str) -> Option<&Group> {
        self.groups.get(key)
    }
}

/// Whether a field is of a type whose values are equal in one spelling only.
fn can_anchor(field: &str, class: &ClassSchema) -> bool {
    use FieldType::{Array, Boolean, Pointer, String};
    matches!(class.kind(field), Some(String | Boolean | Pointer(_) | Array))
}

/// What an equality with this value is found by; `None` for values that are equal in more than one spelling.
fn anchor_of(value: &Value) -> Option<String> {
    match value {
        Value::String(_) | Value::Bool(_) | Value::Pointer(_) => String::from_utf8(json::write(value)).ok(),
        _ => None,
    }
}

/// What equalities with a field of an object are found by: of a list, each of its elements.
fn anchors_in(object: &Object, field: &str) -> Vec<String> {
    match object.lookup(field) {
        Some(Value::Array(items)) => items.iter().filter_map(anchor_of).collect(),
        Some(value) => anchor_of(&value).into_iter().collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use parsimony_model::query::parse::{self, Reading};
    use parsimony_model::schema::Field;
    use parsimony_model::{ClassName, Date, FieldName, Map, ObjectId, map};

    use super::*;

    fn class() -> Arc<ClassSchema> {
        let mut class = ClassSchema::new(ClassName::parse("Message").unwrap());
        for (name, kind) in [("room", FieldType::String), ("size", FieldType::Number), ("tags", FieldType::Array)] {
            class.fields.insert(FieldName::parse(name).unwrap(), Field::plain(kind));
        }
        Arc::new(class)
    }

    fn message(fields: Map) -> Object {
        Object {
            class: ClassName::parse("Message").unwrap(),
            id: ObjectId::parse("m").unwrap(),
            created_at: None,
            updated_at: None,
            acl: None,
            fields,
        }
    }

    fn enter(room: &mut Room, class: &ClassSchema, conditions: &str, wire: &Arc<Wire>) {
        let Ok(Value::Object(map)) = json::read(conditions.as_bytes()) else { panic!("{conditions}") };
        let filter = parse::filter(&map, Reading { now: Date::EPOCH, internal_fields: false }).unwrap();
        let fitted = fit::filter(filter.clone(), class).unwrap();
        let listener = Listener { session_token: None, master: false };
        let none: Arc<[CompactString]> = Arc::from([]);
        let subscriber =
            Subscriber { wire: Arc::clone(wire), request_id: 1.0, listener, keys: Arc::clone(&none), watch: none };
        room.enter(conditions.to_owned(), &filter, Some((&fitted, class)), subscriber);
    }

    #[test]
    fn a_change_is_put_to_the_conditions_it_may_meet() {
        let (class, mut room) = (class(), Room::default());
        let (wire, _frames) = Wire::new(1);
        for conditions in [r#"{"room":"a"}"#, r#"{"room":"b"}"#, r#"{"tags":"x"}"#, r#"{"size":{"$gt":3}}"#, "{}"] {
            enter(&mut room, &class, conditions, &wire);
        }
        let (a, b) = (message(map! { "room" => "a", "size" => 1 }), message(map! { "room" => "b", "size" => 5 }));
        let mut met = room.met(&class, Some(&a), Some(&b));
        met.sort();
        let met: Vec<_> = met.iter().map(|(key, then, now)| (key.as_str(), *then, *now)).collect();
        let expected = [
            (r#"{"room":"a"}"#, true, false),
            (r#"{"room":"b"}"#, false, true),
            (r#"{"size":{"$gt":3}}"#, false, true),
            ("{}", true, true),
        ];
        assert_eq!(met, expected);
        let tagged = message(map! { "tags" => vec!["x", "y"] });
        assert_eq!(room.met(&class, None, Some(&tagged)).len(), 2);
    }

    #[test]
    fn a_room_that_all_left_is_empty() {
        let (class, mut room) = (class(), Room::default());
        let (wire, _frames) = Wire::new(1);
        let conditions = [r#"{"room":"a"}"#, "{}"];
        for conditions in conditions {
            enter(&mut room, &class, conditions, &wire);
            enter(&mut room, &class, conditions, &wire);
        }
        for conditions in conditions {
            room.leave(conditions, &wire, 2.0);
            assert!(!room.is_empty());
            room.leave(conditions, &wire, 1.0);
        }
        assert!(room.is_empty() && room.anchored.is_empty() && room.adrift.is_empty());
    }
}
