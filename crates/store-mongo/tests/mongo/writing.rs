//! Does what is written look as Parse Server writes it?

use std::sync::Arc;

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, Document, doc};
use parsimony_model::builtin::Builtin;
use parsimony_model::{Access, Acl, ClassSchema, FieldName, ObjectId};
use parsimony_store::{Change, Join, Objects};

use crate::given::{CHANGED, CREATED, change, class, date, object, one, single};

const EVERY_TYPE: &str = r#"{
    "text": "a", "yes": true, "small": 3, "large": 3000000000, "half": 0.5, "negative": -0.0, "nothing": null,
    "when": {"__type":"Date","iso":"2024-02-01T00:00:00.000Z"},
    "bytes": {"__type":"Bytes","base64":"AQID"},
    "file": {"__type":"File","name":"abc_a.txt","url":"http://x/abc_a.txt"},
    "place": {"__type":"GeoPoint","latitude":10,"longitude":-20.5},
    "area": {"__type":"Polygon","coordinates":[[0,0],[0,1],[1,1]]},
    "owner": {"__type":"Pointer","className":"_User","objectId":"u1"},
    "likes": {"__type":"Relation","className":"_User"},
    "list": [1, 2.5, {"__type":"Pointer","className":"_User","objectId":"u1"}, {"__type":"Date","iso":"2024-02-01T00:00:00.000Z"}],
    "nested": {
        "file": {"__type":"File","name":"abc_a.txt","url":"http://x/abc_a.txt"},
        "place": {"__type":"GeoPoint","latitude":10,"longitude":-20.5},
        "area": {"__type":"Polygon","coordinates":[[0,0],[0,1],[1,1]]},
        "bytes": {"__type":"Bytes","base64":"AQID"},
        "deep": {"list": [[], {}]}
    }
}"#;

fn bytes() -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: vec![1, 2, 3] })
}

fn post() -> Arc<ClassSchema> {
    class("Post", &["owner:*_User", "likes:&_User", "place:GeoPoint", "area:Polygon", "file:File", "list:Array"])
}

#[tokio::test]
async fn every_type_has_its_place_in_a_document() {
    let given = single().await;
    let class = post();
    let acl = Acl::default().with("*", Access::READ).with("u1", Access::BOTH).with("role:Admin", WRITE);
    let mut post = object(&class, "abcdefghij", EVERY_TYPE);
    post.acl = Some(acl);
    given.store.insert(&class, &post).await.unwrap();
    let inner_pointer = doc! { "__type": "Pointer", "className": "_User", "objectId": "u1" };
    let expected = doc! {
        "_id": "abcdefghij",
        "text": "a", "yes": true, "small": 3, "large": 3_000_000_000.0, "half": 0.5, "negative": -0.0, "nothing": null,
        "when": date(1_706_745_600_000),
        "bytes": bytes(),
        "file": "abc_a.txt",
        "place": [-20.5, 10],
        "area": { "type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]] },
        "_p_owner": "_User$u1",
        "list": [1, 2.5, inner_pointer, date(1_706_745_600_000)],
        "nested": {
            "file": { "__type": "File", "name": "abc_a.txt", "url": "http://x/abc_a.txt" },
            "place": { "__type": "GeoPoint", "latitude": 10, "longitude": -20.5 },
            "area": { "__type": "Polygon", "coordinates": [[0, 0], [0, 1], [1, 1], [0, 0]] },
            "bytes": bytes(),
            "deep": { "list": [[], {}] },
        },
        "_created_at": date(CREATED),
        "_updated_at": date(CREATED),
        "_rperm": ["*", "u1"],
        "_wperm": ["u1", "role:Admin"],
        "_acl": { "*": { "r": true }, "u1": { "r": true, "w": true }, "role:Admin": { "w": true } },
    };
    let written = given.only("Post").await;
    assert_eq!(written, expected);
    // Equal documents may differ in the sign of a zero.
    assert!(written.get_f64("negative").unwrap().is_sign_negative());
}

const WRITE: Access = Access { read: false, write: true };

#[tokio::test]
async fn what_was_written_is_read_back() {
    let given = single().await;
    let class = post();
    let mut post = object(&class, "abcdefghij", EVERY_TYPE);
    post.acl = Some(Acl::default());
    given.store.insert(&class, &post).await.unwrap();
    let found = given.find(&class, "{}").await;
    // The engine shows relations, and builds the address of a file.
    post.fields.shift_remove("likes");
    let file = parsimony_model::File { name: "abc_a.txt".to_owned(), url: None };
    post.fields.insert("file".into(), parsimony_model::Value::File(file));
    assert_eq!(found, [post]);
}

#[tokio::test]
async fn users_and_sessions_have_their_columns() {
    let given = single().await;
    let user = Arc::new(ClassSchema::new(Builtin::User.name()));
    let ann = object(
        &user,
        "u1",
        r#"{"username":"ann","_hashed_password":"$2b$10$x","authData":{"facebook":{"id":"1"},"gone":null},"emailVerified":true}"#,
    );
    given.store.insert(&user, &ann).await.unwrap();
    let expected = doc! {
        "_id": "u1", "username": "ann", "_hashed_password": "$2b$10$x", "_auth_data_facebook": { "id": "1" },
        "emailVerified": true, "_created_at": date(CREATED), "_updated_at": date(CREATED),
    };
    assert_eq!(given.only("_User").await, expected);
    let session = Arc::new(ClassSchema::new(Builtin::Session.name()));
    let token = object(
        &session,
        "s1",
        r#"{"sessionToken":"r:abc","user":{"__type":"Pointer","className":"_User","objectId":"u1"},
            "createdWith":{"action":"login","authProvider":"password"},
            "expiresAt":{"__type":"Date","iso":"2024-02-01T00:00:00.000Z"}}"#,
    );
    given.store.insert(&session, &token).await.unwrap();
    let expected = doc! {
        "_id": "s1", "_session_token": "r:abc", "_p_user": "_User$u1",
        "createdWith": { "action": "login", "authProvider": "password" }, "expiresAt": date(1_706_745_600_000),
        "_created_at": date(CREATED), "_updated_at": date(CREATED),
    };
    assert_eq!(given.only("_Session").await, expected);
    assert_eq!(given.find(&session, r#"{"sessionToken":"r:abc"}"#).await, [token]);
    assert_eq!(given.ids(&user, r#"{"authData.facebook.id":"1"}"#).await, ["u1"]);
}

#[tokio::test]
async fn a_password_in_the_clear_is_refused() {
    let given = single().await;
    let user = Arc::new(ClassSchema::new(Builtin::User.name()));
    let ann = object(&user, "u1", r#"{"username":"ann","password":"secret"}"#);
    assert!(given.store.insert(&user, &ann).await.is_err());
    assert!(given.find(&user, "{}").await.is_empty());
}

async fn after(before: Document, change: &Change) -> Document {
    let given = single().await;
    let class = post();
    given.plant("Post", before).await;
    given.store.update(&one(&class, "p"), change).await.unwrap().unwrap();
    let mut found = given.only("Post").await;
    assert_eq!(found.remove("_id"), Some("p".into()));
    assert_eq!(found.remove("_updated_at"), Some(date(CHANGED).into()));
    found
}

#[tokio::test]
async fn changes_keep_the_layout() {
    let pointer = r#"{"__type":"Pointer","className":"_User","objectId":"u2"}"#;
    let inner = doc! { "__type": "Pointer", "className": "_User", "objectId": "u2" };
    for (before, text, expected) in [
        (doc! { "_id": "p" }, format!(r#"{{"owner":{pointer}}}"#), doc! { "_p_owner": "_User$u2" }),
        (doc! { "_id": "p", "_p_owner": "_User$u1" }, r#"{"owner":null}"#.to_owned(), doc! { "_p_owner": null }),
        (doc! { "_id": "p", "_p_owner": "_User$u1" }, r#"{"owner":{"__op":"Delete"}}"#.to_owned(), doc! {}),
        (
            doc! { "_id": "p", "list": [] },
            format!(r#"{{"list":{{"__op":"AddUnique","objects":[{pointer}]}}}}"#),
            doc! { "list": [&inner] },
        ),
        (
            doc! { "_id": "p", "list": [&inner, 1] },
            format!(r#"{{"list":{{"__op":"Remove","objects":[{pointer}]}}}}"#),
            doc! { "list": [1] },
        ),
        (
            doc! { "_id": "p", "o": { "a": 1 } },
            r#"{"o.b":{"__type":"Date","iso":"2024-01-01T00:00:00.000Z"},"o.a":{"__op":"Increment","amount":0.5}}"#
                .to_owned(),
            doc! { "o": { "a": 1.5, "b": date(CREATED) } },
        ),
        (
            doc! { "_id": "p" },
            r#"{"place":{"__type":"GeoPoint","latitude":1,"longitude":2}}"#.to_owned(),
            doc! { "place": [2, 1] },
        ),
    ] {
        assert_eq!(after(before, &change(&text)).await, expected, "{text}");
    }
}

#[tokio::test]
async fn an_acl_is_changed_in_all_three_places() {
    let acl = Acl::default().with("u2", Access::BOTH);
    let before = doc! { "_id": "p", "_rperm": ["u1"], "_wperm": ["u1"], "_acl": { "u1": { "r": true, "w": true } } };
    let given = Change { acl: Some(Some(acl)), ..change("{}") };
    let expected = doc! { "_rperm": ["u2"], "_wperm": ["u2"], "_acl": { "u2": { "r": true, "w": true } } };
    assert_eq!(after(before.clone(), &given).await, expected);
    let taken = Change { acl: Some(None), ..change("{}") };
    assert_eq!(after(before, &taken).await, doc! {});
}

#[tokio::test]
async fn login_providers_that_are_not_named_go() {
    let given = single().await;
    let user = Arc::new(ClassSchema::new(Builtin::User.name()));
    given.plant("_User", doc! { "_id": "u", "_auth_data_a": { "id": "1" }, "_auth_data_b": { "id": "2" } }).await;
    given.store.update(&one(&user, "u"), &change(r#"{"authData":{"b":{"id":"3"}}}"#)).await.unwrap();
    assert_eq!(given.only("_User").await.keys().filter(|key| key.starts_with("_auth")).count(), 1);
    given.store.update(&one(&user, "u"), &change(r#"{"authData.c":{"id":"4"},"authData.b":null}"#)).await.unwrap();
    let expected = doc! { "_id": "u", "_auth_data_c": { "id": "4" }, "_updated_at": date(CHANGED) };
    assert_eq!(given.only("_User").await, expected);
}

#[tokio::test]
async fn join_rows_name_both_ends() {
    let given = single().await;
    let join = Join { class: Builtin::Role.name(), field: FieldName::parse("users").unwrap() };
    let (role, member) = (ObjectId::parse("r1").unwrap(), ObjectId::parse("u1").unwrap());
    for _ in 0..2 {
        given.store.link(&join, &role, std::slice::from_ref(&member)).await.unwrap();
    }
    let row = given.only("_Join:users:_Role").await;
    assert!(row.get_object_id("_id").is_ok());
    assert_eq!((row.get_str("owningId").unwrap(), row.get_str("relatedId").unwrap()), ("r1", "u1"));
    assert_eq!(row.len(), 3);
}

#[tokio::test]
async fn configuration_has_a_number_for_an_id() {
    let given = single().await;
    let config = Arc::new(ClassSchema::new(Builtin::GlobalConfig.name()));
    given.store.insert(&config, &object(&config, "1", r#"{"params":{"a":1}}"#)).await.unwrap();
    given.store.update(&one(&config, "1"), &change(r#"{"params.b":"x"}"#)).await.unwrap().unwrap();
    let found = given.only("_GlobalConfig").await;
    assert_eq!(found.get("_id"), Some(&Bson::Int32(1)));
    assert_eq!(found.get_document("params").unwrap(), &doc! { "a": 1, "b": "x" });
}
