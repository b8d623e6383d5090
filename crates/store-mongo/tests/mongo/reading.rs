//! Is everything read that any Parse Server wrote?

use std::sync::Arc;

use bson::oid::ObjectId as MongoId;
use bson::{Bson, Decimal128, doc};
use parsimony_model::ClassSchema;
use parsimony_model::Filter;
use parsimony_model::builtin::Builtin;
use parsimony_store::Objects;
use parsimony_store::{Scope, Selection};

use crate::given::{CREATED, class, date, one, shown, single};

#[tokio::test]
async fn old_spellings_are_read() {
    let given = single().await;
    let class =
        class("Old", &["owner:*_User", "gone:*_User", "bytes:Bytes", "place:GeoPoint", "area:Polygon", "file:File"]);
    let planted = doc! {
        "_id": "o1", "createdAt": date(CREATED), "updatedAt": "2024-01-01T00:00:00.000Z",
        "long": 5_000_000_000_i64, "decimal": Bson::Decimal128("2.5".parse::<Decimal128>().unwrap()), "double": 3.0,
        "_p_owner": "_User$u1", "_p_gone": null, "_p_new": "Thing$t1",
        "bytes": "AQID", "place": [-20.5, 10_i64], "file": "a.txt",
        "area": { "type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]] },
        "_expiresAt": date(CREATED), "lastUsed": date(0), "_last_used": date(CREATED), "times_used": 4,
        "nested": {
            "date": { "__type": "Date", "iso": date(CREATED) },
            "text": { "__type": "Date", "iso": "2024-01-01T00:00:00.000Z" },
            "bare": date(CREATED),
            "pointer": { "__type": "Pointer", "className": "A", "objectId": "a" },
        },
        "_rperm": ["*"],
    };
    given.plant("Old", planted).await;
    let found = given.find(&class, "{}").await;
    let date = r#"{"__type":"Date","iso":"2024-01-01T00:00:00.000Z"}"#;
    let expected = format!(
        concat!(
            r#"{{"objectId":"o1","createdAt":"2024-01-01T00:00:00.000Z","updatedAt":"2024-01-01T00:00:00.000Z","#,
            r#""long":5000000000,"decimal":2.5,"double":3,"#,
            r#""owner":{{"__type":"Pointer","className":"_User","objectId":"u1"}},"#,
            r#""new":{{"__type":"Pointer","className":"Thing","objectId":"t1"}},"#,
            r#""bytes":{{"__type":"Bytes","base64":"AQID"}},"#,
            r#""place":{{"__type":"GeoPoint","latitude":10,"longitude":-20.5}},"#,
            r#""file":{{"__type":"File","name":"a.txt"}},"#,
            r#""area":{{"__type":"Polygon","coordinates":[[0,0],[0,1],[1,1],[0,0]]}},"#,
            r#""expiresAt":{date},"lastUsed":{date},"timesUsed":4,"#,
            r#""nested":{{"date":{date},"text":{date},"bare":{date},"#,
            r#""pointer":{{"__type":"Pointer","className":"A","objectId":"a"}}}},"#,
            r#""ACL":{{"*":{{"read":true}}}}}}"#
        ),
        date = date
    );
    assert_eq!(shown(&found[0]), expected);
}

#[tokio::test]
async fn a_driver_s_own_id_is_text_and_can_be_asked_for() {
    let given = single().await;
    let hooks = Arc::new(ClassSchema::new(Builtin::Hooks.name()));
    let id = MongoId::new();
    given.plant("_Hooks", doc! { "_id": id, "functionName": "f", "url": "http://x" }).await;
    let found = given.store.find(&one(&hooks, &id.to_hex())).await.unwrap();
    assert_eq!(found[0].id.as_str(), id.to_hex());
    assert_eq!(given.ids(&hooks, &format!(r#"{{"objectId":{{"$in":["x","{id}"]}}}}"#)).await, [id.to_hex()]);
    assert_eq!(given.ids(&hooks, &format!(r#"{{"objectId":{{"$ne":"{id}"}}}}"#)).await, Vec::<String>::new());
    assert_eq!(given.store.delete(&one(&hooks, &id.to_hex())).await.unwrap(), 1);
}

#[tokio::test]
async fn users_come_with_their_login_providers_and_secrets() {
    let given = single().await;
    let user = Arc::new(ClassSchema::new(Builtin::User.name()));
    let planted = doc! {
        "_id": "u1", "username": "ann", "_hashed_password": "$2b$10$x", "_auth_data_facebook": { "id": "1" },
        "authData": { "forged": { "id": "2" } }, "_session_token": "legacy", "_wperm": ["u1"],
        "_failed_login_count": 2, "_password_history": ["a"],
    };
    given.plant("_User", planted).await;
    let found = given.find(&user, "{}").await.remove(0);
    assert_eq!(
        shown(&found.fields),
        concat!(
            r#"{"username":"ann","_hashed_password":"$2b$10$x","_session_token":"legacy","_failed_login_count":2,"#,
            r#""_password_history":["a"],"authData":{"facebook":{"id":"1"}}}"#
        )
    );
    assert_eq!(shown(&found.acl.unwrap()), r#"{"u1":{"write":true}}"#);
}

#[tokio::test]
async fn keys_leave_out_the_rest() {
    let given = single().await;
    let class = class("Post", &["owner:*_User"]);
    given
        .plant(
            "Post",
            doc! { "_id": "p", "_created_at": date(1), "_updated_at": date(2), "_rperm": [], "_wperm": [],
            "_p_owner": "_User$u", "a": 1, "b": { "c": 1 } },
        )
        .await;
    let everything = Selection::new(Arc::clone(&class), Filter::everything(), Scope::Everything);
    let some = everything.only(vec!["owner".to_owned(), "b".to_owned()]);
    let found = given.store.find(&some).await.unwrap().remove(0);
    assert_eq!(found.fields.keys().collect::<Vec<_>>(), ["owner", "b"]);
    assert!(found.created_at.is_some() && found.updated_at.is_some() && found.acl.is_some());
    let user = Arc::new(ClassSchema::new(Builtin::User.name()));
    given
        .plant("_User", doc! { "_id": "u", "username": "ann", "_hashed_password": "x", "_auth_data_a": { "id": "1" } })
        .await;
    let everything = Selection::new(user, Filter::everything(), Scope::Everything);
    let found = given.store.find(&everything.only(vec!["authData".to_owned()])).await.unwrap().remove(0);
    assert_eq!(shown(&found.fields), r#"{"authData":{"a":{"id":"1"}}}"#);
}
