//! Answers that are too long to be held come in pieces, and say the same as if they had not.

use std::sync::Arc;

use parsimony_model::schema::Field;
use parsimony_model::{
    Acl, ClassName, ClassPermissions, ClassSchema, FieldName, FieldType, Map, Object, ObjectId, Pointer,
    Value as Stored, map,
};
use parsimony_store::Store;
use reqwest::Method;
use serde_json::{Value, json};

use crate::shop::Shop;

crate::on_both_stores!(
    a_great_answer_says_what_small_ones_say,
    a_great_answer_comes_without_a_length_and_a_small_one_with_it,
    what_is_refused_is_refused_before_the_first_piece,
    a_part_of_a_batch_comes_whole,
    an_answer_that_breaks_off_is_not_taken_for_the_whole,
);

const ROWS: usize = 2_300;
const AUTHORS: usize = 7;

fn object(class: &ClassSchema, id: &str, fields: Map) -> Object {
    let id = ObjectId::parse(id).unwrap();
    Object { class: class.name.clone(), id, created_at: None, updated_at: None, acl: None, fields }
}

/// Many rows, each with an author; every tenth is for nobody's eyes.
async fn fill(store: &dyn Store, text_bytes: usize) {
    let mut authors = ClassSchema::new(ClassName::parse("Author").unwrap());
    authors.fields.insert(FieldName::parse("name").unwrap(), Field::plain(FieldType::String));
    let mut rows = ClassSchema::new(ClassName::parse("Row").unwrap());
    let kinds = [
        ("n", FieldType::Number),
        ("text", FieldType::String),
        ("secret", FieldType::String),
        ("author", FieldType::Pointer(authors.name.clone())),
    ];
    rows.fields.extend(kinds.map(|(name, kind)| (FieldName::parse(name).unwrap(), Field::plain(kind))));
    let permissions = map! { "find" => map! { "*" => true }, "count" => map! { "*" => true },
    "protectedFields" => map! { "*" => Stored::Array(vec!["secret".into()]) } };
    rows.permissions = Some(ClassPermissions::from_stored(&permissions));
    for class in [&authors, &rows] {
        store.create_class(class).await.unwrap();
    }
    let (authors, rows) = (Arc::new(authors), Arc::new(rows));
    let name = |n: usize| format!("author {n}");
    let all: Vec<Object> =
        (0..AUTHORS).map(|n| object(&authors, &format!("a{n}"), map! { "name" => name(n) })).collect();
    store.insert_all(&authors, &all).await.unwrap();
    let author = |n: usize| {
        let id = ObjectId::parse(&format!("a{}", n % AUTHORS)).unwrap();
        Stored::Pointer(Pointer::new(authors.name.clone(), id))
    };
    let row = |n: usize| {
        let fields = map! { "n" => n as f64, "text" => "x".repeat(text_bytes), "secret" => "s", "author" => author(n) };
        let acl = n.is_multiple_of(10).then(Acl::default);
        Object { acl, ..object(&rows, &format!("r{n:05}"), fields) }
    };
    let all: Vec<Object> = (0..ROWS).map(row).collect();
    for piece in all.chunks(500) {
        store.insert_all(&rows, piece).await.unwrap();
    }
}

/// The same in pages that are small enough to be held.
async fn in_pages(shop: &Shop, options: &str) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let page = shop.get(&format!("/classes/Row?limit=500&skip={}{options}", all.len())).await;
        if page.results().is_empty() {
            return all;
        }
        all.extend_from_slice(page.results());
    }
}

async fn a_great_answer_says_what_small_ones_say(shop: Shop) {
    fill(&**shop.store(), 20).await;
    let seen_by_all = ROWS - ROWS.div_ceil(10);
    for options in [
        "&order=n",
        "&order=-n&include=author",
        "&order=n&include=author&keys=author.name,n",
        "&order=n&excludeKeys=text",
        r#"&order=n&where={"n":{"$gte":0}}"#,
    ] {
        let whole = shop.get(&format!("/classes/Row?limit=10000{options}")).await;
        assert_eq!((whole.status, whole.results().len()), (200, seen_by_all), "{options}");
        assert_eq!(whole.results(), in_pages(&shop, options).await, "{options}");
    }
    let seen = shop.get("/classes/Row?limit=10000&include=author").await;
    let first = &seen.results()[0];
    assert_eq!(first["author"]["name"], format!("author {}", first["n"].as_u64().unwrap() as usize % AUTHORS));
    assert!(seen.results().iter().all(|row| row.get("secret").is_none()), "it is protected in every piece");
    let counted = shop.get("/classes/Row?limit=10000&count=1&skip=5").await;
    assert_eq!((counted.results().len(), &counted.body["count"]), (seen_by_all - 5, &json!(seen_by_all)));
    let all = shop.as_master().get("/classes/Row?limit=10000").await;
    assert_eq!((all.results().len(), &all.results()[0]["secret"]), (ROWS, &json!("s")));
    let some = shop.as_master().get("/classes/Row?limit=1700&order=n").await;
    assert_eq!(some.results().len(), 1_700);
    let led = shop.as_master().get("/classes/Row?limit=10000&redirectClassNameForKey=n").await;
    assert!(led.results().iter().all(|row| row["className"] == "Row"), "each object says what it is of");
}

async fn a_great_answer_comes_without_a_length_and_a_small_one_with_it(shop: Shop) {
    fill(&**shop.store(), 20).await;
    for (path, long) in [
        ("/classes/Row?limit=10000", true),
        ("/classes/Row?limit=1000", false),
        ("/classes/Author?limit=10000", false),
        (r#"/classes/Row?limit=10000&where={"n":-1}"#, false),
        ("/classes/Nowhere?limit=10000", false),
    ] {
        let seen = shop.get(path).await;
        assert_eq!(seen.headers.contains_key("content-length"), !long, "{path}");
        assert_eq!(seen.headers["content-type"], "application/json; charset=utf-8", "{path}");
        assert!(seen.headers.contains_key("x-request-id") && seen.headers.contains_key("access-control-allow-origin"));
    }
}

async fn what_is_refused_is_refused_before_the_first_piece(shop: Shop) {
    fill(&**shop.store(), 20).await;
    for (path, code) in [
        (r#"/classes/Row?limit=10000&where={"text":{"$regex":"("}}"#, 102),
        (r#"/classes/Row?limit=10000&where={"secret":"s"}"#, 119),
        ("/classes/Row?limit=10000&order=secret", 119),
        ("/classes/Row?limit=10000&hint=nothing", 102),
    ] {
        let seen = shop.get(path).await;
        assert_eq!((seen.status, seen.code()), (400, code), "{path}: {}", seen.body);
    }
}

async fn a_part_of_a_batch_comes_whole(shop: Shop) {
    fill(&**shop.store(), 20).await;
    let part = json!({"method": "GET", "path": "/parse/classes/Row", "body": {"limit": 10_000}});
    let seen = shop.as_master().post("/batch", json!({"requests": [part]})).await;
    assert_eq!(seen.body[0]["success"]["results"].as_array().map(Vec::len), Some(ROWS), "{}", seen.status);
}

async fn an_answer_that_breaks_off_is_not_taken_for_the_whole(shop: Shop) {
    // More than sockets hold, so that the server waits with most of it.
    fill(&**shop.store(), 20_000).await;
    let mut answer = shop.as_master().begin(Method::GET, "/classes/Row?limit=10000", None).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.chunk().await.unwrap().is_some());
    // Gone under the reader's hands: on SQLite with the store, on MongoDB with the collection.
    let class = shop.store().class(&ClassName::parse("Row").unwrap()).await.unwrap().unwrap();
    shop.store().drop_class(&class).await.unwrap();
    if shop.store().describe().starts_with("SQLite") {
        shop.store().close().await.unwrap();
    }
    let outcome = loop {
        match answer.chunk().await {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert!(outcome.is_err(), "the connection breaks");
}
