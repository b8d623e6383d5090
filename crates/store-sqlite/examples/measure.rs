//! How many durable inserts and point gets per second, through the store and with rusqlite alone?
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "it is there to print, and may stop at anything")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use parsimony_model::schema::Field;
use parsimony_model::{ClassName, ClassSchema, Date, FieldName, FieldType, Filter, Object, ObjectId, map};
use parsimony_store::{Objects as _, Scope, Selection, Store as _};
use parsimony_store_sqlite::SqliteStore;
use rusqlite::Connection;

const OBJECTS: usize = 64_000;
const CLIENTS: usize = 32;

fn class() -> ClassSchema {
    let mut class = ClassSchema::new(ClassName::parse("Thing").unwrap());
    for number in 0..12 {
        let kind = if number % 2 == 0 { FieldType::String } else { FieldType::Number };
        class.fields.insert(FieldName::parse(&format!("f{number}")).unwrap(), Field::plain(kind));
    }
    class
}

fn object(class: &ClassSchema, number: usize) -> Object {
    let now = Some(Date::from_millis(1_700_000_000_000));
    let mut fields = map! {};
    for field in 0..12 {
        let value = if field % 2 == 0 { format!("value {number} of {field}").into() } else { f64::from(field).into() };
        fields.insert(format!("f{field}").into(), value);
    }
    let id = ObjectId::parse(&id(number)).unwrap();
    Object { class: class.name.clone(), id, created_at: now, updated_at: now, acl: None, fields }
}

fn id(number: usize) -> String {
    format!("{:010x}", number.wrapping_mul(0x9E37_79B9) & 0xff_ffff_ffff)
}

fn report(what: &str, count: usize, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{what:<58}{:>10.0} /s{:>9.2} µs each", count as f64 / seconds, seconds * 1e6 / count as f64);
}

/// Runs a task for each client at once.
async fn clients<F: Future<Output = ()> + Send + 'static>(count: usize, task: impl Fn(usize) -> F) {
    let mut set = tokio::task::JoinSet::new();
    for client in 0..count {
        set.spawn(task(client));
    }
    while let Some(done) = set.join_next().await {
        done.unwrap();
    }
}

async fn through_the_store(path: &Path) {
    let store = Arc::new(SqliteStore::open(path).unwrap());
    let class = Arc::new(class());
    store.create_class(&class).await.unwrap();
    let each = OBJECTS / CLIENTS;
    let start = Instant::now();
    clients(CLIENTS, |client| {
        let (store, class) = (Arc::clone(&store), Arc::clone(&class));
        async move {
            for number in client * each..(client + 1) * each {
                store.insert(&class, &object(&class, number)).await.unwrap();
            }
        }
    })
    .await;
    report("insert, durable, 32 clients", OBJECTS, start);
    let start = Instant::now();
    for number in OBJECTS..OBJECTS + 1_000 {
        store.insert(&class, &object(&class, number)).await.unwrap();
    }
    report("insert, durable, 1 client", 1_000, start);
    for count in [1, CLIENTS] {
        let each = OBJECTS / count;
        let start = Instant::now();
        clients(count, |client| {
            let (store, class) = (Arc::clone(&store), Arc::clone(&class));
            async move {
                for number in client * each..(client + 1) * each {
                    let id = ObjectId::parse(&id(number)).unwrap();
                    let selection = Selection::new(Arc::clone(&class), Filter::id(&id), Scope::Everything);
                    assert_eq!(store.find(&selection).await.unwrap().len(), 1);
                }
            }
        })
        .await;
        report(&format!("get by id, {count} clients"), OBJECTS, start);
    }
    let start = Instant::now();
    let mut hundred =
        Selection::new(Arc::clone(&class), Filter::everything(), Scope::ReadableBy(["*".to_owned()].into()));
    hundred.limit = Some(100);
    for _ in 0..500 {
        assert_eq!(store.find(&hundred).await.unwrap().len(), 100);
    }
    report("find 100 objects, 1 client", 500, start);
    store.close().await.unwrap();
}

fn directly(path: &Path) {
    let connection = Connection::open(path).unwrap();
    let class = class();
    connection.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-8192;").unwrap();
    let columns: Vec<String> = (0..12).map(|n| format!("f{n} {}", if n % 2 == 0 { "TEXT" } else { "REAL" })).collect();
    let columns = columns.join(",");
    connection
        .execute_batch(&format!("CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL,c INTEGER,u INTEGER,{columns})"))
        .unwrap();
    let insert = format!("INSERT INTO t VALUES (?,?,?{})", ",?".repeat(12));
    let write = |number: usize| {
        let object = object(&class, number);
        let mut statement = connection.prepare_cached(&insert).unwrap();
        statement.raw_bind_parameter(1, object.id.as_str()).unwrap();
        statement.raw_bind_parameter(2, 1_700_000_000_000_i64).unwrap();
        statement.raw_bind_parameter(3, 1_700_000_000_000_i64).unwrap();
        for (place, value) in object.fields.values().enumerate() {
            match value.as_str() {
                Some(text) => statement.raw_bind_parameter(place + 4, text).unwrap(),
                None => statement.raw_bind_parameter(place + 4, value.as_f64().unwrap()).unwrap(),
            }
        }
        statement.raw_execute().unwrap();
    };
    let start = Instant::now();
    for first in (0..OBJECTS).step_by(CLIENTS) {
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        (first..first + CLIENTS).for_each(write);
        connection.execute_batch("COMMIT").unwrap();
    }
    report("rusqlite alone: insert, 32 in a commit", OBJECTS, start);
    let start = Instant::now();
    (OBJECTS..OBJECTS + 1_000).for_each(write);
    report("rusqlite alone: insert, 1 in a commit", 1_000, start);
    let start = Instant::now();
    for number in 0..OBJECTS {
        let mut statement = connection.prepare_cached("SELECT * FROM t WHERE id=?").unwrap();
        let mut rows = statement.query([id(number)]).unwrap();
        let row = rows.next().unwrap().unwrap();
        let mut bytes = 0;
        for place in 0..15 {
            // What any caller does with a row: take its values.
            bytes += match row.get_ref(place).unwrap() {
                rusqlite::types::ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap().len(),
                _ => 8,
            };
        }
        assert!(bytes > 0);
    }
    report("rusqlite alone: get by id", OBJECTS, start);
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    directly(&folder.path().join("direct.db"));
    through_the_store(&folder.path().join("store.db")).await;
}
