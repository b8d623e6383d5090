//! What do the tests start from? A store in a new database, and the same database as the driver sees it.

use std::sync::Arc;

use bson::oid::ObjectId as MongoId;
use bson::{DateTime, Document, doc};
use mongodb::Client;
use parsimony_model::query::{fit, parse};
use parsimony_model::schema::{Field, FieldType};
use parsimony_model::value::json;
use parsimony_model::{ClassName, ClassSchema, Date, FieldName, Filter, Map, Object, ObjectId, Update};
use parsimony_store::{Change, Objects, Scope, Selection};
use parsimony_store_mongo::{MongoOptions, MongoStore};
use parsimony_testkit::mongod;

/// 2024-01-01T00:00:00.000Z.
pub(crate) const CREATED: i64 = 1_704_067_200_000;
/// A day later.
pub(crate) const CHANGED: i64 = CREATED + 86_400_000;

pub(crate) struct Given {
    pub(crate) store: MongoStore,
    pub(crate) raw: mongodb::Database,
}

pub(crate) async fn single() -> Given {
    let uri = mongod::given_standalone().expect("needs a mongod: run `cargo xtask test`");
    open(&uri, MongoOptions::default()).await
}

pub(crate) async fn replica_set(options: MongoOptions) -> Given {
    let uri = mongod::given_replica_set().expect("needs a replica set: run `cargo xtask test`");
    open(&uri, options).await
}

pub(crate) async fn open(uri: &str, options: MongoOptions) -> Given {
    let name = format!("layout-{}", MongoId::new());
    let uri = mongod::uri_for(uri, &name);
    let raw = Client::with_uri_str(&uri).await.unwrap().database(&name);
    Given { store: MongoStore::open(&uri, options).await.unwrap(), raw }
}

impl Given {
    /// The one document of a collection.
    pub(crate) async fn only(&self, collection: &str) -> Document {
        let mut cursor = self.raw.collection::<Document>(collection).find(doc! {}).await.unwrap();
        assert!(cursor.advance().await.unwrap(), "{collection} is empty");
        let document = cursor.deserialize_current().unwrap();
        assert!(!cursor.advance().await.unwrap(), "{collection} has more than one document");
        document
    }

    /// Puts a document where Parse Server would have.
    pub(crate) async fn plant(&self, collection: &str, document: Document) {
        self.raw.collection(collection).insert_one(document).await.unwrap();
    }

    pub(crate) async fn find(&self, class: &Arc<ClassSchema>, text: &str) -> Vec<Object> {
        self.store.find(&select(class, text)).await.unwrap()
    }

    /// The ids that a condition finds.
    pub(crate) async fn ids(&self, class: &Arc<ClassSchema>, text: &str) -> Vec<String> {
        let found = self.find(class, text).await;
        let mut ids: Vec<String> = found.iter().map(|object| object.id.to_string()).collect();
        ids.sort();
        ids
    }
}

pub(crate) fn date(millis: i64) -> DateTime {
    DateTime::from_millis(millis)
}

pub(crate) fn class_name(name: &str) -> ClassName {
    ClassName::parse(name).unwrap()
}

pub(crate) fn kind(text: &str) -> FieldType {
    match (text.strip_prefix('*'), text.strip_prefix('&')) {
        (Some(target), _) => FieldType::Pointer(class_name(target)),
        (_, Some(target)) => FieldType::Relation(class_name(target)),
        _ => FieldType::parse(&parsimony_model::map! { "type" => text }).unwrap(),
    }
}

/// A class with fields written as `title:String`, `owner:*_User`, `likes:&_User`.
pub(crate) fn class(name: &str, fields: &[&str]) -> Arc<ClassSchema> {
    let mut class = ClassSchema::new(class_name(name));
    for field in fields {
        let (field, text) = field.split_once(':').unwrap();
        class.fields.insert(FieldName::parse(field).unwrap(), Field::plain(kind(text)));
    }
    Arc::new(class)
}

pub(crate) fn fields(text: &str) -> Map {
    json::read(text.as_bytes()).unwrap().as_object().unwrap().clone()
}

pub(crate) fn object(class: &Arc<ClassSchema>, id: &str, text: &str) -> Object {
    let created = Some(Date::from_millis(CREATED));
    Object {
        class: class.name.clone(),
        id: ObjectId::parse(id).unwrap(),
        created_at: created,
        updated_at: created,
        acl: None,
        fields: fields(text),
    }
}

pub(crate) fn select(class: &Arc<ClassSchema>, text: &str) -> Selection {
    let reading = parse::Reading { now: Date::EPOCH, internal_fields: true };
    let filter = fit::filter(parse::filter(&fields(text), reading).unwrap(), class).unwrap();
    Selection::new(Arc::clone(class), filter, Scope::Everything)
}

pub(crate) fn one(class: &Arc<ClassSchema>, id: &str) -> Selection {
    Selection::new(Arc::clone(class), Filter::id(&ObjectId::parse(id).unwrap()), Scope::Everything)
}

pub(crate) fn change(text: &str) -> Change {
    Change { update: Update::parse(fields(text)).unwrap(), acl: None, updated_at: Date::from_millis(CHANGED) }
}

/// The JSON of a value or object.
pub(crate) fn shown(value: &(impl serde::Serialize + ?Sized)) -> String {
    String::from_utf8(json::write(value)).unwrap()
}
