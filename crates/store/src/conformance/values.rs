//! Does a value come back as it was stored? Each type, each odd value of it, and what surrounds an object.

use parsimony_model::value::Polygon;
use parsimony_model::{Access, Acl, ClassName, Date, File, GeoPoint, Map, Object, Value, map};

use super::given::{Table, date, fields, pointer, refused, value};
use super::{Behaviours, Fresh, behaviours};
use crate::StoreError;

/// The behaviours of this area.
pub(super) const BEHAVIOURS: Behaviours = behaviours![
    text_goes_round,
    numbers_go_round,
    booleans_go_round,
    dates_go_round,
    bytes_go_round,
    a_file_keeps_its_name_and_not_its_url,
    places_and_areas_go_round,
    pointers_go_round,
    lists_and_objects_go_round,
    values_inside_lists_and_objects_keep_their_types,
    null_is_kept_and_a_missing_field_stays_missing,
    a_long_text_and_a_long_list_go_round,
    dates_of_the_object_go_round,
    access_control_lists_go_round,
    internal_fields_go_round,
    auth_data_goes_round,
    odd_ids_go_round,
    a_second_object_with_an_id_is_a_duplicate,
    the_same_id_in_two_classes_is_two_objects,
];

/// Stores each value in the field and asks for it again, alone and among all.
async fn round(fresh: &dyn Fresh, field: &str, values: Vec<Value>) {
    let (name, _) = field.split_once(':').unwrap();
    let table = Table::new(fresh, "Thing", &[field]).await;
    for (index, value) in values.iter().enumerate() {
        table.insert(&table.object(&format!("i{index}"), map! { name => value.clone() })).await;
    }
    for (index, value) in values.iter().enumerate() {
        let found = table.field(&format!("i{index}"), name).await;
        assert_eq!(found.as_ref(), Some(value), "{field} number {index}");
    }
    assert_eq!(table.find(&table.select("{}")).await.len(), values.len(), "all of {field}");
}

async fn text_goes_round(fresh: &dyn Fresh) {
    let texts = [
        "",
        " ",
        "plain",
        "a\0b",
        "\0",
        "line\nline\r\n\ttab",
        "Grüße, 世界, \u{1f600}, e\u{301}",
        "\u{feff}bom \u{200b} \u{2028}",
        "\u{10ffff}",
        "'; DROP TABLE Thing; --",
        "\"quoted\" and \\escaped\\",
        "null",
        "1",
        "true",
        "$dollar",
        "{\"__type\": \"Date\"}",
        "Class$id",
    ];
    round(fresh, "text:String", texts.map(Value::from).into()).await;
}

async fn numbers_go_round(fresh: &dyn Fresh) {
    let numbers = [
        0.0,
        1.0,
        -1.0,
        0.1,
        -2.5,
        1.0 / 3.0,
        2_147_483_647.0,
        2_147_483_648.0,
        -2_147_483_649.0,
        9_007_199_254_740_991.0,
        -9_007_199_254_740_991.0,
        9_223_372_036_854_775_807.0,
        1e21,
        1e300,
        -1e-300,
        5e-324,
        f64::MAX,
        f64::MIN,
    ];
    round(fresh, "n:Number", numbers.map(Value::from).into()).await;
}

async fn booleans_go_round(fresh: &dyn Fresh) {
    round(fresh, "ok:Boolean", vec![true.into(), false.into()]).await;
}

async fn dates_go_round(fresh: &dyn Fresh) {
    let dates = [
        "1970-01-01T00:00:00.000Z",
        "1969-12-31T23:59:59.999Z",
        "1900-02-28T12:34:56.789Z",
        "0001-01-01T00:00:00.000Z",
        "2024-02-29T23:59:59.001Z",
        "9999-12-31T23:59:59.999Z",
    ];
    round(fresh, "when:Date", dates.map(|text| Value::Date(date(text))).into()).await;
}

async fn bytes_go_round(fresh: &dyn Fresh) {
    let all: Vec<u8> = (0..=255).collect();
    round(fresh, "raw:Bytes", [vec![], vec![0], vec![0, 0, 255], all].map(Value::Bytes).into()).await;
}

async fn a_file_keeps_its_name_and_not_its_url(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["file:File"]).await;
    for (id, url) in [("a", Some("http://files/x_é.txt".to_owned())), ("b", None)] {
        let file = File { name: "x_é.txt".to_owned(), url };
        table.insert(&table.object(id, std::iter::once(("file".into(), Value::File(file))).collect())).await;
        let Some(Value::File(found)) = table.field(id, "file").await else { panic!("no file in {id}") };
        assert_eq!(found.name, "x_é.txt", "the name of the file in {id}");
        assert_eq!(found.url, None, "the url of the file in {id} is built when it is read");
    }
}

async fn places_and_areas_go_round(fresh: &dyn Fresh) {
    let point = |latitude, longitude| GeoPoint::new(latitude, longitude).unwrap();
    let places = [(0.0, 0.0), (10.5, -20.25), (90.0, 180.0), (-90.0, -180.0), (-33.865_143, 151.209_9)];
    round(fresh, "place:GeoPoint", places.map(|(north, east)| Value::GeoPoint(point(north, east))).into()).await;
    let square = vec![point(0.0, 0.0), point(0.0, 10.0), point(10.0, 10.0), point(10.0, 0.0)];
    let triangle = vec![point(-1.5, 2.25), point(3.0, 4.0), point(5.0, -6.0)];
    let areas = [square, triangle].map(|corners| Value::Polygon(Polygon::new(corners).unwrap()));
    round(fresh, "area:Polygon", areas.into()).await;
}

async fn pointers_go_round(fresh: &dyn Fresh) {
    let pointers = ["x1", "a$b", "with space", "ünï"].map(|id| pointer("_User", id));
    round(fresh, "owner:*_User", pointers.into()).await;
}

async fn lists_and_objects_go_round(fresh: &dyn Fresh) {
    let lists = [
        "[]",
        "[[]]",
        "[{}]",
        "[null]",
        r#"[1, 2.5, "three", true, false, null, [4, [5]], {"six": 7}]"#,
        r#"["a\u0000b", "", "$x"]"#,
        "[9007199254740991, 1e300, -0.5]",
        r#"["same", "same"]"#,
    ];
    round(fresh, "list:Array", lists.map(value).into()).await;
    let objects = [
        "{}",
        r#"{"a": {}}"#,
        r#"{"a": [], "b": [{}]}"#,
        r#"{"z": 1, "a": 2, "m": null, "nested": {"deep": {"deeper": [1, {"x": "a\u0000b"}]}}}"#,
        r#"{"with space": 1, "ünï": 2, "quote'\"": 3, "0": 4, "": 5, "_x": 6}"#,
        r#"{"_id": 1, "objectId": 2, "createdAt": "x", "ACL": {}, "className": "C"}"#,
        r#"{"big": 9007199254740991, "small": 5e-324, "yes": true}"#,
    ];
    round(fresh, "data:Object", objects.map(value).into()).await;
}

async fn values_inside_lists_and_objects_keep_their_types(fresh: &dyn Fresh) {
    let inside = r#"{
        "date": {"__type": "Date", "iso": "1969-01-02T03:04:05.006Z"},
        "pointer": {"__type": "Pointer", "className": "_User", "objectId": "u1"},
        "bytes": {"__type": "Bytes", "base64": "AAECAwQ="},
        "place": {"__type": "GeoPoint", "latitude": 1.5, "longitude": -2},
        "area": {"__type": "Polygon", "coordinates": [[0, 0], [0, 1], [1, 1], [0, 0]]},
        "list": [{"__type": "Date", "iso": "2024-01-01T00:00:00.000Z"}, [{"__type": "Bytes", "base64": "AA=="}]],
        "deep": {"er": {"__type": "Pointer", "className": "Boss", "objectId": "b"}}
    }"#;
    let table = Table::new(fresh, "Thing", &["data:Object", "list:Array"]).await;
    let data = fields(inside);
    let list: Vec<Value> = data.values().cloned().collect();
    table.insert(&table.object("a", map! { "data" => data.clone(), "list" => list.clone() })).await;
    let found = table.get("a").await.unwrap();
    let Some(Value::Object(found_data)) = found.get("data") else { panic!("no object: {found:?}") };
    for (key, value) in &data {
        assert_eq!(found_data.get(key), Some(value), "{key} inside an object");
    }
    assert_eq!(found.get("list"), Some(&Value::Array(list)), "the same values inside a list");
    // The url of a file that is not a field of its own may be kept or not; its name is.
    let file = r#"{"data": {"file": {"__type": "File", "name": "n.txt", "url": "http://files/n.txt"}}}"#;
    table.put("b", file).await;
    let found = table.field("b", "data").await.unwrap();
    let Some(Value::File(file)) = found.as_object().unwrap().get("file") else { panic!("no file: {found:?}") };
    assert_eq!(file.name, "n.txt", "the name of a file inside an object");
}

async fn null_is_kept_and_a_missing_field_stays_missing(fresh: &dyn Fresh) {
    let kinds =
        ["s:String", "n:Number", "b:Boolean", "d:Date", "o:Object", "l:Array", "g:GeoPoint", "f:File", "r:Bytes"];
    let table = Table::new(fresh, "Thing", &kinds).await;
    let nulls: Map = kinds.iter().map(|kind| (kind.split(':').next().unwrap().into(), Value::Null)).collect();
    table.insert(&table.object("nulls", nulls.clone())).await;
    table.put("none", "{}").await;
    let found = table.get("nulls").await.unwrap();
    for name in nulls.keys() {
        assert_eq!(found.get(name), Some(&Value::Null), "{name} was stored as null");
    }
    assert_eq!(table.get("none").await.unwrap().fields, Map::default(), "nothing was stored");
}

async fn a_long_text_and_a_long_list_go_round(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["text:String", "list:Array"]).await;
    let text = "0123456789äöü".repeat(100_000);
    let list: Vec<Value> = (0..20_000).map(Value::from).collect();
    table.insert(&table.object("a", map! { "text" => text.clone(), "list" => list.clone() })).await;
    let found = table.get("a").await.unwrap();
    assert!(found.text("text") == Some(&text), "a text of {} bytes", text.len());
    assert!(found.get("list") == Some(&Value::Array(list)), "a list of 20,000 numbers");
}

async fn dates_of_the_object_go_round(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &[]).await;
    let created = date("1999-12-31T23:59:59.999Z");
    let updated = date("2000-01-01T00:00:00.001Z");
    let object = Object { created_at: Some(created), updated_at: Some(updated), ..table.object("a", Map::default()) };
    table.insert(&object).await;
    table.insert(&Object { created_at: None, updated_at: None, ..table.object("b", Map::default()) }).await;
    assert_eq!(table.get("a").await, Some(object), "an object without fields of its own");
    let found = table.get("b").await.unwrap();
    assert_eq!((found.created_at, found.updated_at), (None, None), "dates that are missing");
    let epoch = Object { created_at: Some(Date::EPOCH), updated_at: None, ..table.object("c", Map::default()) };
    table.insert(&epoch).await;
    assert_eq!(table.get("c").await, Some(epoch), "one date of two");
}

async fn access_control_lists_go_round(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["n:Number"]).await;
    let lists = [
        Acl::default(),
        Acl::default().with("*", Access::READ),
        Acl::default().with("u1", Access::BOTH),
        Acl::default()
            .with("*", Access::READ)
            .with("u1", Access::BOTH)
            .with("role:Ad min's", Access { read: false, write: true }),
    ];
    for (index, acl) in lists.iter().enumerate() {
        table.put_with_acl(&format!("i{index}"), r#"{"n": 1}"#, acl.clone()).await;
    }
    table.put("none", r#"{"n": 1}"#).await;
    for (index, acl) in lists.iter().enumerate() {
        let found = table.get(&format!("i{index}")).await.unwrap().acl;
        assert_eq!(found.as_ref(), Some(acl), "list number {index}");
    }
    assert_eq!(table.get("none").await.unwrap().acl, None, "no list is not an empty one");
}

async fn internal_fields_go_round(fresh: &dyn Fresh) {
    let users = Table::new(fresh, "_User", &["nick:String"]).await;
    let text = r#"{
        "username": "a", "nick": "n",
        "_hashed_password": "$2b$10$abcdefghijklmnopqrstuv",
        "_email_verify_token": "token",
        "_email_verify_token_expires_at": {"__type": "Date", "iso": "2030-01-01T00:00:00.000Z"},
        "_perishable_token": "token",
        "_perishable_token_expires_at": {"__type": "Date", "iso": "2030-01-01T00:00:00.000Z"},
        "_failed_login_count": 3,
        "_account_lockout_expires_at": {"__type": "Date", "iso": "2030-01-01T00:00:00.000Z"},
        "_password_changed_at": {"__type": "Date", "iso": "2020-01-01T00:00:00.000Z"},
        "_password_history": ["$2b$10$x", "$2b$10$y"]
    }"#;
    users.put("a", text).await;
    let found = users.get("a").await.unwrap();
    for (name, value) in fields(text) {
        assert_eq!(found.get(&name), Some(&value), "{name}");
    }
    assert_eq!(found.fields.len(), 11, "and no other field: {:?}", found.fields.keys());
}

async fn auth_data_goes_round(fresh: &dyn Fresh) {
    let users = Table::new(fresh, "_User", &[]).await;
    let text = r#"{"username": "a", "authData": {"anonymous": {"id": "1"},
        "other_one": {"id": "x", "token": {"a": [1, null]}, "at": {"__type": "Date", "iso": "2020-01-01T00:00:00.000Z"}}}}"#;
    users.put("a", text).await;
    users.put("b", r#"{"username": "b"}"#).await;
    assert_eq!(users.field("a", "authData").await.as_ref(), fields(text).get("authData"), "two providers");
    assert_eq!(users.field("b", "authData").await, None, "no provider");
}

async fn odd_ids_go_round(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["n:Number"]).await;
    let longest = "x".repeat(128);
    let ids = ["1", "01", "a b", "ünï", "a'b\"c", "$x", "a.b", "A", "a", "507f1f77bcf86cd799439011", "null", &longest];
    for (id, n) in ids.iter().zip(0..) {
        table.insert(&table.object(id, map! { "n" => n })).await;
    }
    for (id, n) in ids.iter().zip(0..) {
        assert_eq!(table.field(id, "n").await, Some(Value::from(n)), "the object with the id {id:?}");
    }
}

async fn a_second_object_with_an_id_is_a_duplicate(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["n:Number"]).await;
    table.put("a", r#"{"n": 1}"#).await;
    let error = refused(table.store.insert(&table.class, &table.object("a", map! { "n" => 2 })).await, "the same id");
    assert!(matches!(error, StoreError::Duplicate { .. }), "expected Duplicate, got {error:?}");
    assert_eq!(table.field("a", "n").await, Some(1.into()), "the first object stays as it is");
    assert_eq!(table.find(&table.select("{}")).await.len(), 1, "and stays alone");
}

async fn the_same_id_in_two_classes_is_two_objects(fresh: &dyn Fresh) {
    let first = Table::new(fresh, "First", &["n:Number"]).await;
    let second = Table::of(first.store.clone(), super::given::class("Second", &["n:Number"])).await;
    first.put("a", r#"{"n": 1}"#).await;
    second.put("a", r#"{"n": 2}"#).await;
    assert_eq!(first.field("a", "n").await, Some(1.into()));
    assert_eq!(second.field("a", "n").await, Some(2.into()));
    assert_eq!(second.get("a").await.map(|object| object.class), ClassName::parse("Second").ok());
}
