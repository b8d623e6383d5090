//! What do behaviours start from? Classes, objects and a table of them, in few words.

use std::sync::Arc;

use parsimony_model::query::{fit, parse};
use parsimony_model::schema::Field;
use parsimony_model::value::json;
use parsimony_model::{
    Acl, ClassName, ClassSchema, Date, FieldName, FieldType, Filter, Map, Object, ObjectId, Op, Order, Pointer, Update,
    Value,
};

use super::Fresh;
use crate::{Change, ClassChange, Join, Objects, Scope, Selection, Store, StoreError};

/// 2024-01-01T00:00:00.000Z: when objects are created unless they say otherwise.
pub(super) const CREATED_MILLIS: i64 = 1_704_067_200_000;

/// When changes happen: a day later.
pub(super) const CHANGED_MILLIS: i64 = CREATED_MILLIS + 86_400_000;

/// The name of a class.
pub(super) fn class_name(name: &str) -> ClassName {
    ClassName::parse(name).unwrap()
}

/// The name of a field.
pub(super) fn field_name(name: &str) -> FieldName {
    FieldName::parse(name).unwrap()
}

/// The id of an object.
pub(super) fn id(text: &str) -> ObjectId {
    ObjectId::parse(text).unwrap()
}

/// A pointer as a value.
pub(super) fn pointer(class: &str, to: &str) -> Value {
    Value::Pointer(Pointer::new(class_name(class), id(to)))
}

/// A moment.
pub(super) fn date(text: &str) -> Date {
    text.parse().unwrap()
}

/// The type written as `Number`, `*Target` for a pointer or `&Target` for a relation.
pub(super) fn kind(text: &str) -> FieldType {
    match (text.strip_prefix('*'), text.strip_prefix('&')) {
        (Some(target), _) => FieldType::Pointer(class_name(target)),
        (_, Some(target)) => FieldType::Relation(class_name(target)),
        _ => FieldType::parse(&parsimony_model::map! { "type" => text }).unwrap(),
    }
}

/// A class with fields written as `title:String`, `owner:*_User`, `likes:&_User`.
pub(super) fn class(name: &str, fields: &[&str]) -> ClassSchema {
    let mut class = ClassSchema::new(class_name(name));
    for field in fields {
        let (field, text) = field.split_once(':').unwrap();
        class.fields.insert(field_name(field), Field::plain(kind(text)));
    }
    class
}

/// JSON as a value.
pub(super) fn value(text: &str) -> Value {
    json::read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The fields of a JSON object.
pub(super) fn fields(text: &str) -> Map {
    value(text).as_object().unwrap_or_else(|| panic!("no object: {text}")).clone()
}

/// A condition in its wire form, fitted to a class.
pub(super) fn filter(class: &ClassSchema, text: &str) -> Filter {
    let reading = parse::Reading { now: Date::EPOCH, internal_fields: true };
    let filter = parse::filter(&fields(text), reading).unwrap_or_else(|error| panic!("{error}: {text}"));
    fit::filter(filter, class).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A sort order written as `a,-b`.
pub(super) fn order(text: &str) -> Vec<Order> {
    let key = |key: &str| Order { path: key.trim_start_matches('-').into(), descending: key.starts_with('-') };
    text.split(',').filter(|key| !key.is_empty()).map(key).collect()
}

/// A change in its wire form, such as `{"n": {"__op": "Increment", "amount": 1}}`.
pub(super) fn change(text: &str) -> Change {
    with(Update::parse(fields(text)).unwrap())
}

/// The change of one field.
pub(super) fn op(path: &str, op: Op) -> Change {
    with(std::iter::once((path.into(), op)).collect())
}

fn with(update: Update) -> Change {
    Change { update, acl: None, updated_at: Date::from_millis(CHANGED_MILLIS) }
}

/// Who is granted something, as a scope takes it.
pub(super) fn grants(names: &[&str]) -> Arc<[String]> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The ids of objects, in one text.
pub(super) fn ids(objects: &[Object]) -> String {
    objects.iter().map(|object| object.id.as_str()).collect::<Vec<_>>().join(" ")
}

/// The ids of objects in the order of ids, in one text.
pub(super) fn sorted_ids(objects: &[Object]) -> String {
    let mut ids: Vec<&str> = objects.iter().map(|object| object.id.as_str()).collect();
    ids.sort_unstable();
    ids.join(" ")
}

/// The values in an order of their own, for lists that come in none.
pub(super) fn sorted(mut values: Vec<Value>) -> Vec<Value> {
    values.sort_by_key(|value| format!("{value:?}"));
    values
}

/// The error of an outcome that must be one.
pub(super) fn refused<T: std::fmt::Debug>(outcome: Result<T, StoreError>, what: &str) -> StoreError {
    match outcome {
        Ok(value) => panic!("{what} must be refused, but gave {value:?}"),
        Err(error) => error,
    }
}

/// A class in a store, and the few things that most behaviours do with it.
#[derive(Clone)]
pub(super) struct Table {
    /// The store.
    pub(super) store: Arc<dyn Store>,
    /// The class as the store knows it.
    pub(super) class: Arc<ClassSchema>,
}

impl Table {
    /// A class in a new store.
    pub(super) async fn new(fresh: &dyn Fresh, name: &str, fields: &[&str]) -> Self {
        Self::of(fresh.store().await, class(name, fields)).await
    }

    /// One more class in a store.
    pub(super) async fn of(store: Arc<dyn Store>, class: ClassSchema) -> Self {
        assert!(store.create_class(&class).await.unwrap(), "the class {} is new", class.name);
        Self { store, class: Arc::new(class) }
    }

    /// An object of the class, not stored.
    pub(super) fn object(&self, id_text: &str, fields: Map) -> Object {
        let created = Date::from_millis(CREATED_MILLIS);
        Object {
            class: self.class.name.clone(),
            id: id(id_text),
            created_at: Some(created),
            updated_at: Some(created),
            acl: None,
            fields,
        }
    }

    /// Stores an object.
    pub(super) async fn insert(&self, object: &Object) {
        self.store.insert(&self.class, object).await.unwrap_or_else(|error| panic!("{error}: {object:?}"));
    }

    /// Stores an object with these fields, written in JSON.
    pub(super) async fn put(&self, id: &str, text: &str) {
        self.insert(&self.object(id, fields(text))).await;
    }

    /// Stores an object with an ACL.
    pub(super) async fn put_with_acl(&self, id: &str, text: &str, acl: Acl) {
        self.insert(&Object { acl: Some(acl), ..self.object(id, fields(text)) }).await;
    }

    /// What everyone may ask for with this condition in its wire form.
    pub(super) fn select(&self, text: &str) -> Selection {
        self.selection(filter(&self.class, text))
    }

    /// What everyone may ask for with this condition.
    pub(super) fn selection(&self, filter: Filter) -> Selection {
        Selection::new(self.class.clone(), filter, Scope::Everything)
    }

    /// The one object with this id.
    pub(super) fn one(&self, id_text: &str) -> Selection {
        self.selection(Filter::id(&id(id_text)))
    }

    /// What a selection finds.
    pub(super) async fn find(&self, selection: &Selection) -> Vec<Object> {
        self.store.find(selection).await.unwrap_or_else(|error| panic!("{error}: {selection:?}"))
    }

    /// The ids that a condition in its wire form finds, in the order of ids.
    pub(super) async fn found(&self, text: &str) -> String {
        sorted_ids(&self.find(&self.select(text)).await)
    }

    /// The object with this id, if there is one.
    pub(super) async fn get(&self, id: &str) -> Option<Object> {
        let mut found = self.find(&self.one(id)).await;
        assert!(found.len() <= 1, "an id is unique, but {id} is there {} times", found.len());
        found.pop()
    }

    /// The value of a field of a stored object, if it has one.
    pub(super) async fn field(&self, id: &str, field: &str) -> Option<Value> {
        self.get(id).await.unwrap_or_else(|| panic!("there is no {id}")).get(field).cloned()
    }

    /// Changes the object with this id and gives it as it is afterwards.
    pub(super) async fn update(&self, id: &str, change: &Change) -> Option<Object> {
        let selection = self.one(id);
        self.store.update(&selection, change).await.unwrap_or_else(|error| panic!("{error}: {change:?}"))
    }

    /// The many-to-many field of this class.
    pub(super) fn join(&self, field: &str) -> Join {
        Join { class: self.class.name.clone(), field: field_name(field) }
    }
}

/// How many objects there are of a class, asked of a store or a transaction.
pub(super) async fn count(objects: &(impl Objects + ?Sized), selection: &Selection) -> u64 {
    objects.count(selection).await.unwrap()
}

/// The class of this name as the store has it now.
pub(super) async fn known(store: &dyn Store, name: &str) -> Option<ClassSchema> {
    store.classes().await.unwrap().into_iter().find(|class| class.name == name)
}

/// Changes the class of a table, which from then on has it as it is afterwards.
pub(super) async fn alter(table: &mut Table, change: ClassChange) {
    table.class = table.store.change_class(&table.class.name, &change).await.unwrap().unwrap().into();
}
