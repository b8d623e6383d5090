//! Are classes kept as Parse Server keeps them?

use bson::{Document, doc};
use parsimony_model::permissions::ClassPermissions;
use parsimony_model::schema::{Field, FieldType, Index};
use parsimony_model::{ClassSchema, FieldName, Value};
use parsimony_store::{ClassChange, Store, StoreError};
use parsimony_store_mongo::MongoOptions;
use parsimony_testkit::mongod;

use crate::given::{class, class_name, fields, kind, object, open, single};
use parsimony_store::Objects;

fn set(name: &str, field: Field) -> (FieldName, Field) {
    (FieldName::parse(name).unwrap(), field)
}

#[tokio::test]
async fn a_class_is_a_document_as_parse_server_writes_it() {
    let given = single().await;
    let mut post = ClassSchema::clone(&class("Post", &["title:String", "owner:*_User", "likes:&_User", "n:Number"]));
    let title = post.fields.get_mut("title").unwrap();
    (title.required, title.default) = (true, Some("none".into()));
    post.permissions = Some(ClassPermissions::from_stored(&fields(r#"{"find":{"*":true},"get":{}}"#)));
    post.indexes.insert("by_owner".into(), Index::on(&["owner", "createdAt"]));
    assert!(given.store.create_class(&post).await.unwrap());
    assert!(!given.store.create_class(&post).await.unwrap());
    let expected = doc! {
        "_id": "Post", "objectId": "string", "updatedAt": "date", "createdAt": "date",
        "title": "string", "owner": "*_User", "likes": "relation<_User>", "n": "number",
        "_metadata": {
            "class_permissions": { "find": { "*": true }, "get": {} },
            "indexes": { "_id_": { "_id": 1 }, "by_owner": { "_p_owner": 1, "_created_at": 1 } },
            "fields_options": { "title": { "required": true, "defaultValue": "none" } },
        },
    };
    let found = given.only("_SCHEMA").await;
    assert_eq!(sorted(&found), sorted(&expected));
    assert_eq!(given.store.classes().await.unwrap(), [post]);
}

fn sorted(document: &Document) -> Document {
    let mut entries: Vec<_> = document
        .iter()
        .map(|(key, value)| {
            (
                key.clone(),
                match value.as_document() {
                    Some(inner) => sorted(inner).into(),
                    None => value.clone(),
                },
            )
        })
        .collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    entries.into_iter().collect()
}

#[tokio::test]
async fn classes_of_old_servers_are_read() {
    let given = single().await;
    given.plant("_SCHEMA", doc! {
        "_id": "Post", "objectId": "string", "createdAt": "string", "updatedAt": "string", "_client_permissions": {},
        "m": "map", "g": "geopoint", "owner": "*_User", "likes": "relation<_User>", "odd": "nonsense",
        "_metadata": {
            "class_permissions": { "get": { "*": true }, "protectedFields": { "*": ["m"] } },
            "indexes": { "_id_": { "_id": 1 }, "place": { "g": "2dsphere" }, "_p_owner_1": { "_p_owner": 1 } },
            "fields_options": { "m": { "required": true, "defaultValue": { "__type": "Date", "iso": "2024-01-01T00:00:00.000Z" } } },
        },
    }).await;
    given.plant("_SCHEMA", doc! { "_id": "_User", "username": "string", "extra": "number" }).await;
    given.plant("_SCHEMA", doc! { "_id": "_JobStatus", "extra": "number" }).await;
    given.plant("_SCHEMA", doc! { "_id": "not a name", "extra": "number" }).await;
    let classes = given.store.classes().await.unwrap();
    assert_eq!(classes.iter().map(|class| class.name.as_str()).collect::<Vec<_>>(), ["Post", "_User"]);
    let post = &classes[0];
    assert_eq!(post.fields.keys().map(FieldName::as_str).collect::<Vec<_>>(), ["m", "g", "owner", "likes"]);
    assert_eq!(post.fields["m"].kind, FieldType::Object);
    assert!(post.fields["m"].required && matches!(post.fields["m"].default, Some(Value::Date(_))));
    assert_eq!(post.fields["likes"].kind, kind("&_User"));
    assert_eq!(post.permissions.as_ref().unwrap().protected_fields["*"], ["m"]);
    assert_eq!(post.indexes["_p_owner_1"], Index::on(&["owner"]));
    assert_eq!(post.indexes["place"].keys["g"], Value::from("2dsphere"));
    assert!(classes[1].permissions.is_none() && classes[1].fields.contains_key("extra"));
    assert!(classes[1].fields.contains_key("authData"));
}

#[tokio::test]
async fn a_user_class_has_no_password() {
    let given = single().await;
    given.store.create_class(&class("_User", &[])).await.unwrap();
    let found = given.only("_SCHEMA").await;
    assert!(found.contains_key("authData") && !found.contains_key("password"), "{found}");
}

#[tokio::test]
async fn fields_come_and_go() {
    let given = single().await;
    let post = class("Post", &["owner:*_User", "likes:&_User"]);
    given.store.create_class(&post).await.unwrap();
    given.plant("Post", doc! { "_id": "p", "_p_owner": "_User$u", "a": 1 }).await;
    given.plant("_Join:likes:Post", doc! { "owningId": "p", "relatedId": "u" }).await;
    let required = Field { required: true, ..Field::plain(FieldType::Polygon) };
    let change = ClassChange {
        set_fields: vec![set("area", required), set("n", Field::plain(FieldType::Number))],
        drop_fields: vec![FieldName::parse("owner").unwrap(), FieldName::parse("likes").unwrap()],
        ..ClassChange::default()
    };
    let after = given.store.change_class(&post.name, &change).await.unwrap().unwrap();
    assert_eq!(after.fields.keys().map(FieldName::as_str).collect::<Vec<_>>(), ["area", "n"]);
    let expected = doc! {
        "_id": "Post", "objectId": "string", "updatedAt": "date", "createdAt": "date", "area": "polygon", "n": "number",
        "_metadata": { "fields_options": { "area": { "required": true } } },
    };
    assert_eq!(sorted(&given.only("_SCHEMA").await), sorted(&expected));
    assert_eq!(given.only("Post").await, doc! { "_id": "p", "a": 1 });
    let names = given.raw.list_collection_names().await.unwrap();
    assert!(!names.iter().any(|name| name.starts_with("_Join")), "{names:?}");
    let indexes = given.raw.collection::<Document>("Post").list_index_names().await.unwrap();
    assert_eq!(indexes, ["_id_", "area_2dsphere"]);
    // The same again is no error, another type is.
    let again = ClassChange { set_fields: change.set_fields.clone(), ..ClassChange::default() };
    assert_eq!(given.store.change_class(&post.name, &again).await.unwrap(), Some(after));
    let other = ClassChange { set_fields: vec![set("n", Field::plain(FieldType::String))], ..ClassChange::default() };
    assert!(matches!(given.store.change_class(&post.name, &other).await, Err(StoreError::Unfit(_))));
    assert_eq!(given.store.change_class(&class_name("Nope"), &other).await.unwrap(), None);
}

#[tokio::test]
async fn a_unique_index_that_the_data_refuse_changes_nothing() {
    let given = single().await;
    let post = class("Post", &["n:Number"]);
    given.store.create_class(&post).await.unwrap();
    for id in ["a", "b"] {
        given.store.insert(&post, &object(&post, id, r#"{"n":1}"#)).await.unwrap();
    }
    let before = given.only("_SCHEMA").await;
    let change = ClassChange {
        set_fields: vec![set("m", Field::plain(FieldType::Number))],
        add_indexes: vec![("plain".to_owned(), Index::on(&["m"])), ("one".to_owned(), Index::on(&["n"]).unique())],
        ..ClassChange::default()
    };
    let refused = given.store.change_class(&post.name, &change).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Duplicate { index } if index == "one"), "{refused:?}");
    assert_eq!(given.only("_SCHEMA").await, before);
    let indexes = given.raw.collection::<Document>("Post").list_index_names().await.unwrap();
    assert_eq!(indexes, ["_id_"]);
}

#[tokio::test]
async fn indexes_keep_their_options() {
    let given = single().await;
    let post = class("Post", &["n:Number", "owner:*_User"]);
    given.store.create_class(&post).await.unwrap();
    let one = ("one".to_owned(), Index::on(&["n", "owner"]).unique().sparse());
    let change = ClassChange { add_indexes: vec![one.clone()], ..ClassChange::default() };
    for _ in 0..2 {
        let after = given.store.change_class(&post.name, &change).await.unwrap().unwrap();
        assert_eq!(after.indexes["one"], one.1);
    }
    given.store.insert(&post, &object(&post, "a", r#"{"n":1}"#)).await.unwrap();
    let refused = given.store.insert(&post, &object(&post, "b", r#"{"n":1}"#)).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Duplicate { index } if index == "one"), "{refused:?}");
    let drop = ClassChange { drop_indexes: vec!["one".to_owned(), "never".to_owned()], ..ClassChange::default() };
    let after = given.store.change_class(&post.name, &drop).await.unwrap().unwrap();
    assert!(after.indexes.is_empty());
    given.store.insert(&post, &object(&post, "b", r#"{"n":1}"#)).await.unwrap();
}

#[tokio::test]
async fn a_prefix_stands_before_every_collection() {
    let uri = mongod::given_standalone().expect("needs a mongod: run `cargo xtask test`");
    let given = open(&uri, MongoOptions { collection_prefix: "app_".to_owned(), ..MongoOptions::default() }).await;
    let post = class("Post", &["likes:&_User"]);
    given.store.create_class(&post).await.unwrap();
    given.store.insert(&post, &object(&post, "p", "{}")).await.unwrap();
    let join = parsimony_store::Join { class: post.name.clone(), field: FieldName::parse("likes").unwrap() };
    let id = |text| parsimony_model::ObjectId::parse(text).unwrap();
    given.store.link(&join, &id("p"), &[id("u")]).await.unwrap();
    let mut names = given.raw.list_collection_names().await.unwrap();
    names.sort();
    assert_eq!(names, ["app_Post", "app__Join:likes:Post", "app__SCHEMA"]);
    given.store.drop_class(&post).await.unwrap();
    assert_eq!(given.raw.list_collection_names().await.unwrap(), ["app__SCHEMA"]);
    assert!(given.store.classes().await.unwrap().is_empty());
}

#[tokio::test]
async fn parse_s_own_classes_get_indexes_and_no_document() {
    let given = single().await;
    let idempotency = class("_Idempotency", &[]);
    let change = ClassChange {
        add_indexes: vec![
            ("reqId_1".to_owned(), Index::on(&["reqId"]).unique().sparse()),
            ("ttl".to_owned(), Index::on(&["expire"]).sparse().expiring_after(0)),
        ],
        ..ClassChange::default()
    };
    let after = given.store.change_class(&idempotency.name, &change).await.unwrap().unwrap();
    assert_eq!(after.indexes["reqId_1"], change.add_indexes[0].1);
    assert_eq!(after.indexes["ttl"], change.add_indexes[1].1);
    assert_eq!(given.raw.list_collection_names().await.unwrap(), ["_Idempotency"]);
    let options = index_options(&given, "_Idempotency", "ttl").await;
    assert_eq!(options.expire_after, Some(std::time::Duration::ZERO));
}

async fn index_options(given: &crate::given::Given, collection: &str, name: &str) -> mongodb::options::IndexOptions {
    let mut cursor = given.raw.collection::<Document>(collection).list_indexes().await.unwrap();
    while cursor.advance().await.unwrap() {
        let options = cursor.deserialize_current().unwrap().options.unwrap();
        if options.name.as_deref() == Some(name) {
            return options;
        }
    }
    panic!("{collection} has no index {name}")
}

#[tokio::test]
async fn parse_s_own_indexes_have_parse_s_options() {
    let given = single().await;
    let mut user = ClassSchema::clone(&class("_User", &[]));
    user.indexes.insert("username_1".into(), Index::on(&["username"]).unique().sparse());
    user.indexes.insert("case_insensitive_username".into(), Index::on(&["username"]).sparse());
    given.store.create_class(&user).await.unwrap();
    let collation = index_options(&given, "_User", "case_insensitive_username").await.collation.unwrap();
    assert_eq!(collation.locale, "en_US");
    assert!(matches!(collation.strength, Some(mongodb::options::CollationStrength::Secondary)));
    assert!(index_options(&given, "_User", "username_1").await.collation.is_none());
}

/// An index as somebody makes it in the database's own shell.
async fn plant_index(given: &crate::given::Given, class: &str, keys: Document, unique: bool) {
    let options = mongodb::options::IndexOptions::builder().unique(unique.then_some(true)).build();
    let model = mongodb::IndexModel::builder().keys(keys).options(options).build();
    given.raw.collection::<Document>(class).create_index(model).await.unwrap();
}

#[tokio::test]
async fn indexes_that_were_made_past_the_server_are_listed_from_the_next_start_on() {
    let given = single().await;
    let post = class("Post", &["title:String", "text:String", "owner:*_User", "place:GeoPoint", "area:Polygon"]);
    given.store.create_class(&post).await.unwrap();
    for (keys, unique) in [
        (doc! { "_p_owner": 1, "title": -1 }, false),
        (doc! { "title": 1 }, true),
        (doc! { "title": "text", "text": "text" }, false),
        (doc! { "place": "2d" }, false),
    ] {
        plant_index(&given, "Post", keys, unique).await;
    }
    assert_eq!(given.store.classes().await.unwrap()[0].indexes.len(), 0);
    let uri = mongod::uri_for(&mongod::given_standalone().unwrap(), given.raw.name());
    let again = parsimony_store_mongo::MongoStore::open(&uri, MongoOptions::default()).await.unwrap();
    let known = again.classes().await.unwrap().remove(0);
    let keys = |name: &str| {
        let index = &known.indexes[name];
        index.keys.iter().map(|(path, kind)| format!("{path}:{}", crate::given::shown(kind))).collect::<Vec<_>>()
    };
    assert_eq!(known.indexes.len(), 3, "what the server makes for places is not listed: {:?}", known.indexes);
    assert_eq!(keys("_p_owner_1_title_-1"), ["owner:1", "title:-1"]);
    assert!(known.indexes["title_1"].unique);
    let mut text = keys("title_text_text_text");
    text.sort();
    assert_eq!(text, [r#"text:"text""#, r#"title:"text""#]);
    let stored = given.only("_SCHEMA").await;
    let listed = stored.get_document("_metadata").unwrap().get_document("indexes").unwrap();
    assert_eq!(listed.get_document("_id_").unwrap(), &doc! { "_id": 1 }, "as Parse Server lists them");
    assert_eq!(listed.get_document("title_1").unwrap(), &doc! { "title": 1 });
}

#[tokio::test]
async fn a_text_index_that_was_made_past_the_server_is_the_one_of_the_class() {
    let given = single().await;
    let post = class("Post", &["title:String", "text:String"]);
    given.store.create_class(&post).await.unwrap();
    plant_index(&given, "Post", doc! { "title": "text", "text": "text" }, false).await;
    let wanted = ("title_text".to_owned(), Index::for_text("title"));
    let change = ClassChange { add_indexes: vec![wanted.clone()], ..ClassChange::default() };
    let known = given.store.change_class(&post.name, &change).await.unwrap().unwrap();
    assert_eq!(known.indexes.keys().collect::<Vec<_>>(), ["title_text_text_text"]);
    let refused = given.store.change_class(&post.name, &change).await;
    assert!(matches!(refused, Err(StoreError::Unfit(_))), "a second one is refused");
}
