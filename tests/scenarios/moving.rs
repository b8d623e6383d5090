//! A whole database gets from one store into another, either way, and everything is as it was.

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use parsimony_model::builtin::Builtin;
use parsimony_model::schema::{Field, Index};
use parsimony_model::{
    ClassName, ClassSchema, FieldName, FieldType, Object, ObjectId, SystemClock, Value as Stored, map,
};
use parsimony_server::{Moved, Told, move_database};
use parsimony_store::{ClassChange, Join, NewFile, Store};
use parsimony_testkit::{App, Seen, StoreKind, everything, fresh};
use serde_json::{Value, json};
use tempfile::TempDir;

use StoreKind::{Mongo, Sqlite};

/// A store, with the folder that keeps its files.
type Side = (Arc<dyn Store>, Option<TempDir>);

const WAYS: [(StoreKind, StoreKind); 4] = [(Sqlite, Mongo), (Mongo, Sqlite), (Sqlite, Sqlite), (Mongo, Mongo)];

/// More than a few pieces.
const MANY: usize = 1_500;

async fn moved(from: &dyn Store, to: &dyn Store) -> Result<Moved, String> {
    move_database(from, to, &SystemClock, &mut |_told| {}).await
}

fn name(class: &str) -> ClassName {
    ClassName::parse(class).unwrap()
}

fn id(text: &str) -> ObjectId {
    ObjectId::parse(text).unwrap()
}

/// One value of every type, and what is special about some.
fn every_type(author: &str) -> Value {
    json!({
        "text": "Zoë \u{0} 🦉 \"quoted\"",
        "number": -1.5e-7,
        "whole": 9_007_199_254_740_991_u64,
        "yes": true,
        "when": {"__type": "Date", "iso": "1969-12-31T23:59:59.001Z"},
        "bytes": {"__type": "Bytes", "base64": "AAH/"},
        "file": {"__type": "File", "name": "a.txt"},
        "place": {"__type": "GeoPoint", "latitude": 51.5, "longitude": -0.125},
        "area": {"__type": "Polygon", "coordinates": [[0, 0], [0, 1], [1, 1], [1, 0]]},
        "author": {"__type": "Pointer", "className": "_User", "objectId": author},
        "list": [1, "two", null, {"b": 1, "a": {"__type": "Date", "iso": "2020-01-01T00:00:00.000Z"}},
            {"__type": "Pointer", "className": "_User", "objectId": author}, [[]]],
        "object": {"z": 1, "a": null, "deep": {"list": [{}], "bytes": {"__type": "Bytes", "base64": "/w=="}}},
        "nothing": null,
        "ACL": {author: {"read": true, "write": true}, "role:editors": {"read": true}},
    })
}

/// A database with people, a role, every type, relations and permissions.
async fn fill(app: &App) -> (String, String) {
    let (ann, token) = app.sign_up("ann").await;
    let (bob, _) = app.sign_up("bob").await;
    let master = app.as_master();
    let editors = json!({"name": "editors", "ACL": {"*": {"read": true}}, "users": {"__op": "AddRelation", "objects": [
        {"__type": "Pointer", "className": "_User", "objectId": bob}]}});
    assert_eq!(master.post("/roles", editors).await.status, 201);
    let schema = json!({"className": "Everything", "fields": {
        "text": {"type": "String"}, "whole": {"type": "Number"}, "nothing": {"type": "String"}, "wanted": {"type": "Number", "required": false, "defaultValue": 7}},
        "classLevelPermissions": {"find": {"*": true}, "get": {"*": true}, "create": {"role:editors": true},
            "protectedFields": {"*": ["whole"]}},
        "indexes": {"by_text": {"text": 1}}});
    assert_eq!(master.post("/schemas/Everything", schema).await.status, 200);
    let seen = master.post("/classes/Everything", every_type(&ann)).await;
    assert_eq!(seen.status, 201, "{}", seen.body);
    let likes = json!({"likes": {"__op": "AddRelation", "objects": [
        {"__type": "Pointer", "className": "Everything", "objectId": seen.id()}]}});
    assert_eq!(master.put(&format!("/users/{ann}"), likes).await.status, 200);
    (ann, token)
}

/// Rows beyond what clients can write: many, and with internal fields.
async fn fill_more(store: &dyn Store) {
    let mut class = ClassSchema::new(name("Row"));
    class.fields.insert(FieldName::parse("n").unwrap(), Field::plain(FieldType::Number));
    class.fields.insert(FieldName::parse("kin").unwrap(), Field::plain(FieldType::Relation(name("Row"))));
    let unique = Index { keys: std::iter::once(("n".into(), 1.0.into())).collect(), unique: true, ..Index::default() };
    class.indexes.insert("once".into(), unique);
    store.create_class(&class).await.unwrap();
    let row = |n: usize| Object {
        class: class.name.clone(),
        id: id(&format!("row{n}")),
        created_at: None,
        updated_at: None,
        acl: None,
        fields: map! { "n" => n as f64, "_tombstone" => n.is_multiple_of(2) },
    };
    let rows: Vec<Object> = (0..MANY).map(row).collect();
    let class = Arc::new(class);
    store.insert_all(&class, &rows).await.unwrap();
    let kin = Join { class: class.name.clone(), field: FieldName::parse("kin").unwrap() };
    let everybody: Vec<ObjectId> = rows.iter().map(|row| row.id.clone()).collect();
    store.link(&kin, &id("row1"), &everybody).await.unwrap();
}

/// What no client sees or writes: internal fields, login providers, and classes without a definition.
async fn fill_hidden(store: &dyn Store) {
    let date = Stored::Date("2031-02-03T04:05:06.007Z".parse().unwrap());
    let hidden = map! {
        "username" => "carl",
        "_hashed_password" => "$2b$04$abc",
        "_email_verify_token" => "token",
        "_email_verify_token_expires_at" => date.clone(),
        "_password_history" => Stored::Array(vec!["a".into(), "b".into()]),
        "_failed_login_count" => 3,
        "authData" => map! { "one" => map! { "id" => "1", "z" => 1, "a" => 2 }, "two" => map! { "id" => "2" } },
    };
    let config =
        map! { "params" => map! { "a" => 1, "when" => date.clone() }, "masterKeyOnly" => map! { "a" => true } };
    let audience = map! { "name" => "all", "query" => "{}", "timesUsed" => 3, "lastUsed" => date };
    let change = map! { "number" => 1, "state" => "done", "steps" => "[]", "author" => "ann" };
    for (builtin, id_text, fields) in [
        (Builtin::User, "carl", hidden),
        (Builtin::GlobalConfig, "1", config),
        (Builtin::Audience, "a1", audience),
        (Builtin::SchemaChange, "1", change),
    ] {
        let class = Arc::new(ClassSchema::new(builtin.name()));
        store.create_class(&class).await.unwrap();
        let object =
            Object { class: builtin.name(), id: id(id_text), created_at: None, updated_at: None, acl: None, fields };
        store.insert(&class, &object).await.unwrap();
    }
}

/// Every object of a class, as the store has it, in the order of ids.
async fn stored(store: &dyn Store, class: &ClassName) -> Vec<Object> {
    let class = store.class(class).await.unwrap().unwrap_or_else(|| panic!("there is no {class}"));
    let mut all = store.find(&everything(&Arc::new(class))).await.unwrap();
    all.sort_by(|one, other| one.id.cmp(&other.id));
    all
}

/// What the master key sees of a database.
async fn whole(app: &App) -> Vec<Value> {
    let master = app.as_master();
    let mut all = vec![sorted(&master.get("/schemas").await, "className")];
    for path in ["/classes/Everything", "/classes/Row", "/users", "/roles", "/sessions"] {
        all.push(sorted(&master.get(&format!("{path}?limit=2000")).await, "objectId"));
    }
    all
}

fn sorted(seen: &Seen, key: &str) -> Value {
    let mut results = seen.results().to_vec();
    results.sort_by_key(|result| result[key].to_string());
    results.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_and_people_can_still_log_in() {
    for (from, to) in WAYS {
        let source = App::start(from, []).await;
        let (ann, token) = fill(&source).await;
        fill_more(&**source.store()).await;
        fill_hidden(&**source.store()).await;
        let before = whole(&source).await;
        let (target, _files): Side = fresh(to).await;
        let moved = moved(&**source.store(), &*target).await.unwrap();
        assert_eq!(moved.warnings, Vec::<String>::new());
        for builtin in
            [Builtin::User, Builtin::Session, Builtin::GlobalConfig, Builtin::Audience, Builtin::SchemaChange]
        {
            let class = builtin.name();
            let (there, here) = (stored(&**source.store(), &class).await, stored(&*target, &class).await);
            assert!(!there.is_empty() && there == here, "{from:?} to {to:?}: {there:?} {here:?}");
        }
        let rows = moved.classes.iter().find(|class| class.name == "Row").unwrap();
        assert_eq!((rows.objects, rows.relations[0].members), (MANY as u64, MANY as u64));
        let app = App::on(target, []).await.unwrap();
        let after = whole(&app).await;
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(after, before, "{from:?} to {to:?}");
        }
        // Passwords, sessions, roles, permissions and relations are what they were.
        app.log_in("ann", "password of ann").await;
        assert_eq!(app.as_user(&token).get("/users/me").await.id(), ann);
        let bob = app.log_in("bob", "password of bob").await;
        for (client, count) in [(app.as_user(&token), 1), (app.as_user(&bob), 1), ((*app).clone(), 0)] {
            let seen = client.get("/classes/Everything").await;
            assert_eq!(seen.results().len(), count);
            assert!(seen.results().iter().all(|object| object.get("whole").is_none()), "it is protected");
        }
        assert_eq!(app.as_user(&token).post("/classes/Everything", json!({})).await.code(), 119);
        assert_eq!(app.as_user(&bob).post("/classes/Everything", json!({})).await.status, 201);
        let related = format!(
            r#"/classes/Everything?where={{"$relatedTo":{{"object":{{"__type":"Pointer","className":"_User","objectId":"{ann}"}},"key":"likes"}}}}"#
        );
        assert_eq!(app.as_user(&token).get(&related).await.results().len(), 1);
        let twice = app.as_master().post("/classes/Row", json!({"n": 1})).await;
        assert_eq!(twice.code(), 137, "a unique index refuses what it refused: {}", twice.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_an_empty_database_is_filled() {
    for (from, to) in [(Sqlite, Mongo), (Mongo, Sqlite)] {
        let ((source, _one), (target, _other)): (Side, Side) = (fresh(from).await, fresh(to).await);
        fill_more(&*source).await;
        target.create_class(&ClassSchema::new(name("Mine"))).await.unwrap();
        let refusal = moved(&*source, &*target).await.unwrap_err();
        assert!(refusal.contains("is not empty: it has Mine"), "{refusal}");
        let classes = target.classes().await.unwrap();
        assert_eq!(classes.len(), 1, "nothing was changed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_was_cut_off_is_told_and_begins_again() {
    for (from, to) in [(Sqlite, Mongo), (Mongo, Sqlite)] {
        let ((source, _one), (target, _other)): (Side, Side) = (fresh(from).await, fresh(to).await);
        fill_more(&*source).await;
        cut_off(&*source, &*target).await;
        // Half of it is there, and nobody takes it for the whole.
        let row = target.class(&name("Row")).await.unwrap().unwrap();
        let count = target.count(&everything(&Arc::new(row))).await.unwrap();
        assert!((1..MANY as u64).contains(&count), "{count}");
        let (stranger, _files): Side = fresh(Sqlite).await;
        let refusal = moved(&*stranger, &*target).await.unwrap_err();
        assert!(refusal.contains("is half of a copy of"), "{refusal}");
        let refusal = moved(&*target, &*stranger).await.unwrap_err();
        assert!(refusal.contains("is half of a copy of"), "{refusal}");
        let mut sentences = Vec::new();
        let mut ear = |told: Told<'_>| {
            if let Told::Sentence(sentence) = told {
                sentences.push(sentence.to_owned());
            }
        };
        let again = move_database(&*source, &*target, &SystemClock, &mut ear).await.unwrap();
        assert!(sentences[0].contains("it begins again"), "{sentences:?}");
        assert_eq!(again.classes.iter().map(|class| class.objects).sum::<u64>(), MANY as u64);
        // What is whole is not filled once more, but can be moved on.
        assert!(moved(&*source, &*target).await.unwrap_err().contains("is not empty"));
        let (next, _files): Side = fresh(to).await;
        assert_eq!(moved(&*target, &*next).await.unwrap().classes, again.classes);
    }
}

/// Begins a move, and drops it when some of a class is copied.
async fn cut_off(source: &dyn Store, target: &dyn Store) {
    let (sender, mut begun) = tokio::sync::mpsc::unbounded_channel();
    let mut ear = move |told: Told<'_>| {
        if let Told::Progress { done, .. } = told
            && done > 0
        {
            let _ = sender.send(());
        }
    };
    tokio::select! {
        biased;
        _ = begun.recv() => {}
        outcome = move_database(source, target, &SystemClock, &mut ear) => panic!("it ended: {outcome:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_named() {
    let ((source, _one), (target, _other)): (Side, Side) = (fresh(Mongo).await, fresh(Sqlite).await);
    let class = Arc::new(ClassSchema::new(name("Row")));
    source.create_class(&class).await.unwrap();
    let row = |text: &str, value: Stored| Object {
        class: class.name.clone(),
        id: id(text),
        created_at: None,
        updated_at: None,
        acl: None,
        fields: map! { "n" => value, "none" => Stored::Null },
    };
    // The class does not have the fields: they were written past the server.
    source.insert_all(&class, &[row("a", 1.into()), row("b", 2.into())]).await.unwrap();
    let done = moved(&*source, &*target).await.unwrap();
    assert_eq!(done.classes[0].objects, 2);
    let arrived = target.class(&name("Row")).await.unwrap().unwrap();
    assert_eq!(arrived.fields.get("n").map(|field| field.kind.clone()), Some(FieldType::Number));
    assert!(!arrived.fields.contains_key("none"));
    source.insert(&class, &row("c", "text".into())).await.unwrap();
    let (target, _files): Side = fresh(Sqlite).await;
    let refusal = moved(&*source, &*target).await.unwrap_err();
    assert!(refusal.contains("The object c of Row cannot be copied"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_changes_is_noticed() {
    let ((source, _one), (target, _other)): (Side, Side) = (fresh(Sqlite).await, fresh(Mongo).await);
    fill_more(&*source).await;
    let class = Arc::new(source.class(&name("Row")).await.unwrap().unwrap());
    let late = Object {
        class: class.name.clone(),
        id: id("late"),
        created_at: None,
        updated_at: None,
        acl: None,
        fields: map! { "n" => -1 },
    };
    let (sender, begun) = std::sync::mpsc::channel();
    let writer = Arc::clone(&source);
    let writing = std::thread::spawn(move || {
        begun.recv().unwrap();
        tokio::runtime::Runtime::new().unwrap().block_on(writer.insert(&class, &late)).unwrap();
    });
    let mut writing = Some(writing);
    let mut ear = |told: Told<'_>| {
        if let (Told::Progress { done, total, .. }, Some(writing)) = (told, writing.take_if(|_| true))
            && done <= total
        {
            sender.send(()).unwrap();
            writing.join().unwrap();
        }
    };
    let refusal = move_database(&*source, &*target, &SystemClock, &mut ear).await.unwrap_err();
    assert!(refusal.contains("Row has changed while it was copied"), "{refusal}");
    let change = ClassChange { drop_fields: vec![FieldName::parse("kin").unwrap()], ..ClassChange::default() };
    source.change_class(&name("Row"), &change).await.unwrap();
    moved(&*source, &*target).await.unwrap();
}

/// A file that is longer than any buffer on the way.
const LONG_BYTES: usize = 24 << 20;

/// The content of a file, and what is known of it.
async fn file(store: &dyn Store, name: &str) -> (Vec<u8>, Option<parsimony_model::Map>) {
    let files = store.files();
    let found = files.find_file(name).await.unwrap().unwrap_or_else(|| panic!("there is no {name}"));
    let mut bytes = Vec::with_capacity(found.length as usize);
    while (bytes.len() as u64) < found.length {
        bytes.extend_from_slice(&files.read(&found, bytes.len() as u64).await.unwrap());
    }
    (bytes, found.metadata)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_arrive_byte_by_byte_and_come_back() {
    let (first, _files): Side = fresh(Sqlite).await;
    let bytes = |count: usize| (0..count).map(|place| (place % 251) as u8 ^ (place >> 16) as u8).collect::<Vec<u8>>();
    let all = [("empty.txt", 0), ("a folder/ünï.bin", 1_000_003), ("long.bin", LONG_BYTES)].map(|(name, count)| {
        let metadata = map! { "of" => name, "n" => 1.5, "deep" => map! { "list" => Stored::Array(vec!["a".into()]) } };
        (name, bytes(count), metadata)
    });
    for (name, content, metadata) in &all {
        let new = NewFile {
            name: (*name).to_owned(),
            content_type: None,
            metadata: metadata.clone(),
            tags: parsimony_model::Map::default(),
            stored_at: parsimony_model::Date::EPOCH,
        };
        let parts: Vec<_> = content.chunks(1 << 20).map(|part| Ok(part.to_vec().into())).collect();
        first.files().put(&new, stream::iter(parts).boxed()).await.unwrap();
    }
    let (middle, _middle): Side = fresh(Mongo).await;
    let (last, _last): Side = fresh(Sqlite).await;
    for (from, to) in [(&first, &middle), (&middle, &last)] {
        let moved = moved(&**from, &**to).await.unwrap();
        assert_eq!((moved.files, moved.warnings), (3, Vec::new()));
        for (name, content, metadata) in &all {
            let (arrived, known) = file(&**to, name).await;
            assert!(arrived == *content, "{name} is what it was");
            assert_eq!(known.as_ref(), Some(metadata), "{name}");
        }
    }
}
