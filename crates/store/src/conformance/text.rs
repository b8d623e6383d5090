//! What does a text search find, and how well does it fit? What MongoDB's finds under Parse Server, to the score.

use parsimony_model::query::SCORE_FIELD;
use parsimony_model::schema::Index;
use parsimony_model::value::json;
use parsimony_model::{Object, Order, Value, map};

use super::given::{Table, alter, change, class, field_name, ids, order, sorted_ids};
use super::{Behaviours, Fresh, behaviours};
use crate::{ClassChange, Selection};

/// The behaviours of this area.
pub(super) const BEHAVIOURS: Behaviours = behaviours![
    words_and_phrases_are_found,
    case_and_accents_count_if_asked,
    languages_have_their_stems_and_stop_words,
    scores_are_mongodb_s,
    the_score_is_a_field_and_an_order,
    one_index_serves_every_search,
    lists_and_several_fields_are_searched,
    what_is_said_anew_is_found,
    a_search_is_one_condition_among_others,
    searches_may_be_strange,
    an_index_for_text_comes_and_goes,
    a_field_called_language_is_a_field,
];

const TEXTS: [(&str, &str); 15] = [
    ("a", "The coffee is hot"),
    ("b", "Coffee and coffees; coffee shop"),
    ("c", "tea without milk"),
    ("d", "café au lait"),
    ("e", "CAFÉ noir"),
    ("f", "running runners run ran"),
    ("g", "coffee shop with tea"),
    ("h", "shop coffee"),
    ("i", "the and is of"),
    ("j", "naïve résumé"),
    ("k", "don't stop-believing foo_bar e-mail 3.14 C++ user@example.com"),
    ("l", "日本語 テキスト"),
    ("m", "über straße"),
    ("n", ""),
    ("o", "a coffee-shop"),
];

async fn texts(fresh: &dyn Fresh) -> Table {
    let mut made = class("Text", &["s:String", "other:String", "n:Number"]);
    made.indexes.insert("s_text".into(), Index::for_text("s"));
    let table = Table::of(fresh.store().await, made).await;
    for (number, (id, text)) in TEXTS.into_iter().enumerate() {
        table.insert(&table.object(id, map! { "s" => text, "other" => "zzz", "n" => number as f64 })).await;
    }
    table.put("p", "{}").await;
    table
}

/// A search of a field, with options such as `,"$language":"es"`.
fn searching(field: &str, term: &str, options: &str) -> String {
    let term = String::from_utf8(json::write(&Value::from(term))).unwrap();
    format!(r#"{{"{field}":{{"$text":{{"$search":{{"$term":{term}{options}}}}}}}}}"#)
}

async fn check(table: &Table, term: &str, options: &str, expected: &str) {
    let selection = table.select(&searching("s", term, options));
    let found = sorted_ids(&table.find(&selection).await);
    assert_eq!(found, expected, "{term} {options}");
    let count = expected.split(' ').filter(|id| !id.is_empty()).count() as u64;
    assert_eq!(table.store.count(&selection).await.unwrap(), count, "{term} {options}");
}

async fn words_and_phrases_are_found(fresh: &dyn Fresh) {
    let table = texts(fresh).await;
    for (term, expected) in [
        ("coffee", "a b g h o"),
        ("COFFEES", "a b g h o"),
        ("coffee shop", "a b g h o"),
        ("tea nonsense", "c g"),
        (r#""coffee shop""#, "b g"),
        (r#""coffee shop" tea"#, "b g"),
        (r#""shop" "tea""#, "g"),
        (r#""coffee sho""#, "b g"),
        (r#""offee sho""#, ""),
        (r#""Coffee and""#, "b"),
        ("coffee -shop", "a"),
        (r#"coffee -"coffee shop""#, "a h o"),
        ("-shop", ""),
        ("coffee - shop", "a b g h o"),
        ("coffee-shop", "a b g h o"),
        ("--shop coffee", "a"),
        ("the", ""),
        (" ", ""),
        ("!?", ""),
        ("run", "f"),
        ("running", "f"),
        ("don't", ""),
        ("dont", ""),
        ("foo", ""),
        ("foo_bar", "k"),
        ("mail", "k"),
        ("3.14", "k"),
        ("c", "k"),
        ("user@example.com", "k"),
        ("日本語", "l"),
        ("日本", ""),
        ("strasse", ""),
    ] {
        check(&table, term, "", expected).await;
    }
}

async fn case_and_accents_count_if_asked(fresh: &dyn Fresh) {
    let table = texts(fresh).await;
    let (case, accents) = (r#","$caseSensitive":true"#, r#","$diacriticSensitive":true"#);
    let both = format!("{case}{accents}");
    for (term, options, expected) in [
        ("cafe", "", "d e"),
        ("café", "", "d e"),
        ("cafe", accents, ""),
        ("café", accents, "d e"),
        ("café", &both, "d"),
        ("CAFÉ", case, "e"),
        ("Coffee", case, "b"),
        ("coffee", case, "a b g h o"),
        (r#""Coffee and""#, case, "b"),
        (r#""coffee and""#, case, ""),
        ("naive", "", "j"),
        ("naive", accents, ""),
        ("uber", "", "m"),
        ("coffee -Coffee", case, "a g h o"),
        // The stem is taken before the accents go.
        ("resume", "", ""),
        ("résumé", "", "j"),
    ] {
        check(&table, term, options, expected).await;
    }
}

async fn languages_have_their_stems_and_stop_words(fresh: &dyn Fresh) {
    let table = texts(fresh).await;
    for (term, language, expected) in [
        ("runs", "en", "f"),
        ("runs", "none", ""),
        ("run", "none", "f"),
        ("coffees", "none", ""),
        ("the", "none", ""),
        ("coffe", "none", "a b g h o"),
        ("sin tea", "spanish", "c g"),
        ("mit shop", "German", "b g h o"),
        ("l'lait", "french", "d"),
        ("l'lait", "english", ""),
    ] {
        check(&table, term, &format!(r#","$language":"{language}""#), expected).await;
    }
}

fn scores(objects: &[Object]) -> Vec<String> {
    let score = |object: &Object| object.get(SCORE_FIELD).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let mut scores: Vec<String> = objects.iter().map(|object| format!("{}:{:.4}", object.id, score(object))).collect();
    scores.sort_unstable();
    scores
}

async fn scores_are_mongodb_s(fresh: &dyn Fresh) {
    let table = texts(fresh).await;
    for (term, expected) in [
        ("coffee", "a:0.7500 b:1.5312 g:0.6667 h:0.7500 o:0.7500"),
        ("coffee shop", "a:0.7500 b:2.1562 g:1.3333 h:1.5000 o:1.5000"),
        (r#""coffee shop" tea"#, "b:2.1562 g:2.0000"),
        ("running", "f:1.1250"),
        ("3.14", "k:1.0909"),
        ("user@example.com", "k:1.6364"),
    ] {
        let found = table.find(&table.select(&searching("s", term, "")).scored(true)).await;
        assert_eq!(scores(&found).join(" "), expected, "{term}");
    }
    table.insert(&table.object("whole", map! { "s" => "Milk" })).await;
    let found = table.find(&table.select(&searching("s", "milk", "")).scored(true)).await;
    assert_eq!(scores(&found).join(" "), "c:0.6667 whole:1.1000");
}

async fn the_score_is_a_field_and_an_order(fresh: &dyn Fresh) {
    let mut made = class("Post", &["s:String", "score:Number", "n:Number"]);
    made.indexes.insert("s_text".into(), Index::for_text("s"));
    let table = Table::of(fresh.store().await, made).await;
    for (id, text, n) in [("a", "x y z", 1), ("b", "x x", 2), ("c", "x y z", 0), ("d", "nothing", 5)] {
        table.insert(&table.object(id, map! { "s" => text, "score" => 100, "n" => n })).await;
    }
    let asked = || table.select(&searching("s", "x", ""));
    let by_score = |then: &str| {
        let mut keys = vec![Order { path: Order::SCORE.into(), descending: false }];
        keys.extend(order(then));
        keys
    };
    let found = table.find(&asked().ordered(by_score("n")).scored(true)).await;
    assert_eq!(ids(&found), "b c a");
    assert_eq!(scores(&found).join(" "), "a:0.6667 b:1.5000 c:0.6667", "in the place of the field of that name");
    assert_eq!(found[0].fields.len(), 3);
    // The best is always first.
    let backwards = vec![Order { path: Order::SCORE.into(), descending: true }, order("-n")[0].clone()];
    let found = table.find(&asked().ordered(backwards)).await;
    assert_eq!((ids(&found).as_str(), found[0].get(SCORE_FIELD)), ("b a c", Some(&Value::Number(100.0))));
    let found = table.find(&asked().ordered(by_score("")).range(0, Some(1))).await;
    assert_eq!(ids(&found), "b");
    let found =
        table.find(&asked().ordered(order("n")).only(vec!["n".to_owned(), "score".to_owned()]).scored(true)).await;
    assert_eq!(ids(&found), "c a b");
    assert!(found.iter().all(|object| object.fields.len() == 2 && object.get("s").is_none()), "{found:?}");
    assert_eq!(scores(&found).join(" "), "a:0.6667 b:1.5000 c:0.6667");
}

async fn one_index_serves_every_search(fresh: &dyn Fresh) {
    let table = texts(fresh).await;
    // Parse, and MongoDB: whatever field a search names, it looks into those of the index.
    for (field, term, expected) in [("other", "tea", "c g"), ("other", "zzz", ""), ("n", "tea", "c g")] {
        let found = table.find(&table.select(&searching(field, term, ""))).await;
        assert_eq!(sorted_ids(&found), expected, "{field} {term}");
    }
}

async fn lists_and_several_fields_are_searched(fresh: &dyn Fresh) {
    let mut made = class("Post", &["title:String", "tags:Array", "n:Number"]);
    let keys = [("title".into(), "text".into()), ("tags".into(), "text".into())].into_iter().collect();
    made.indexes.insert("both".into(), Index { keys, ..Index::default() });
    let table = Table::of(fresh.store().await, made).await;
    table.put("a", r#"{"title":"red apples","tags":["fruit","sweet stuff"]}"#).await;
    table.put("b", r#"{"title":"fruit salad","tags":["red","fruit"]}"#).await;
    table.put("c", r#"{"tags":["nothing", 5, {"a":"fruit"}, ["fruit"]]}"#).await;
    for (term, expected) in [
        ("fruit", "a b"),
        ("apple", "a"),
        ("red -apple", "b"),
        (r#""sweet stuff""#, "a"),
        // A phrase is in one text.
        (r#""fruit sweet""#, ""),
        ("nothing", "c"),
    ] {
        let found = table.find(&table.select(&searching("title", term, ""))).await;
        assert_eq!(sorted_ids(&found), expected, "{term}");
    }
    let found = table.find(&table.select(&searching("tags", "fruit red", "")).scored(true)).await;
    assert_eq!(scores(&found).join(" "), "a:1.8500 b:2.9500");
}

async fn what_is_said_anew_is_found(fresh: &dyn Fresh) {
    let table = texts(fresh).await;
    table.update("c", &change(r#"{"s":"lemonade"}"#)).await.unwrap();
    check(&table, "tea", "", "g").await;
    check(&table, "lemonade", "", "c").await;
    table.update("c", &change(r#"{"n":50}"#)).await.unwrap();
    check(&table, "lemonade", "", "c").await;
    table.update("c", &change(r#"{"s":{"__op":"Delete"}}"#)).await.unwrap();
    check(&table, "lemonade", "", "").await;
    table
        .store
        .update_all(&table.select(r#"{"objectId":{"$in":["c","p"]}}"#), &change(r#"{"s":"lemonade"}"#))
        .await
        .unwrap();
    check(&table, "lemonade", "", "c p").await;
    table.store.delete(&table.one("c")).await.unwrap();
    check(&table, "lemonade", "", "p").await;
    table.put("c", r#"{"s":"lemonade again"}"#).await;
    check(&table, "lemonade", "", "c p").await;
    if fresh.has_transactions() {
        let transaction = table.store.begin().await.unwrap();
        transaction.update(&table.one("p"), &change(r#"{"s":"cider"}"#)).await.unwrap();
        let found = transaction.find(&table.select(&searching("s", "cider", ""))).await.unwrap();
        assert_eq!(ids(&found), "p", "inside the transaction");
        transaction.roll_back().await.unwrap();
        check(&table, "cider", "", "").await;
        check(&table, "lemonade", "", "c p").await;
    }
}

async fn a_search_is_one_condition_among_others(fresh: &dyn Fresh) {
    let table = texts(fresh).await;
    let coffee = r#""s":{"$text":{"$search":{"$term":"coffee"}}}"#;
    for (text, expected) in [
        (format!(r#"{{{coffee},"n":0}}"#), "a"),
        (format!(r#"{{"$and":[{{{coffee}}},{{"n":{{"$gt":1}}}}]}}"#), "g h o"),
        (format!(r#"{{"$or":[{{{coffee}}}],"n":{{"$lt":2}}}}"#), "a b"),
        (format!(r#"{{{coffee},"$nor":[{{"n":{{"$lt":2}}}}]}}"#), "g h o"),
        (r#"{"s":{"$text":{"$search":{"$term":"coffee"}},"$ne":"shop coffee"}}"#.to_owned(), "a b g o"),
        (r#"{"s":{"$text":{"$search":{"$term":"coffee"}},"$regex":"^shop"}}"#.to_owned(), "h"),
    ] {
        assert_eq!(table.found(&text).await, expected, "{text}");
    }
    let sorted = table.select(&format!("{{{coffee}}}")).ordered(order("-n")).range(1, Some(2));
    assert_eq!(ids(&table.find(&sorted).await), "h g");
    let distinct = table.store.distinct(&table.select(&format!("{{{coffee}}}")), "other").await.unwrap();
    assert_eq!(distinct, [Value::from("zzz")]);
}

async fn searches_may_be_strange(fresh: &dyn Fresh) {
    let table = texts(fresh).await;
    let long = format!("{} tea", "word".repeat(2_000));
    let many = (0..3_000).map(|number| format!("w{number}")).collect::<Vec<_>>().join(" ");
    for (term, expected) in [
        (r#"tea" OR "x"#, ""),
        ("tea AND OR NOT NEAR(", "c g"),
        ("tea*", "c g"),
        ("s:tea ^tea {s}", "c g"),
        ("'tea' \\ tea", "c g"),
        ("tea\u{1}x", ""),
        (&long, "c g"),
        (&format!("{many} tea"), "c g"),
        (r#""""#, ""),
        (r#"tea """#, "c g"),
        ("\u{1F600} tea", "c g"),
    ] {
        let shown: String = term.chars().take(40).collect();
        let found = table.find(&table.select(&searching("s", term, ""))).await;
        assert_eq!(sorted_ids(&found), expected, "{shown:?}");
    }
}

async fn an_index_for_text_comes_and_goes(fresh: &dyn Fresh) {
    let mut table = Table::of(fresh.store().await, class("Text", &["s:String", "other:String"])).await;
    table.put("a", r#"{"s":"tea","other":"milk"}"#).await;
    let adding = |field: &str| ClassChange {
        add_indexes: vec![(format!("{field}_text"), Index::for_text(field))],
        ..ClassChange::default()
    };
    alter(&mut table, adding("s")).await;
    assert_eq!(table.class.indexes.get("s_text"), Some(&Index::for_text("s")));
    table.put("b", r#"{"s":"tea"}"#).await;
    check(&table, "tea", "", "a b").await;
    alter(&mut table, ClassChange { drop_indexes: vec!["s_text".to_owned()], ..ClassChange::default() }).await;
    table.put("c", r#"{"s":"tea","other":"milk"}"#).await;
    alter(&mut table, adding("other")).await;
    check(&table, "tea", "", "").await;
    check(&table, "milk", "", "a c").await;
    let without = ClassChange {
        drop_fields: vec![field_name("other")],
        drop_indexes: vec!["other_text".to_owned()],
        ..ClassChange::default()
    };
    alter(&mut table, without).await;
    alter(&mut table, adding("s")).await;
    check(&table, "tea", "", "a b c").await;
    table.store.drop_class(&table.class).await.unwrap();
    let again = Table::of(table.store.clone(), Selection::clone(&table.select("{}")).class.as_ref().clone()).await;
    check(&again, "tea", "", "").await;
    again.put("d", r#"{"s":"tea"}"#).await;
    check(&again, "tea", "", "d").await;
}

async fn a_field_called_language_is_a_field(fresh: &dyn Fresh) {
    let mut made = class("Book", &["s:String", "language:String"]);
    made.indexes.insert("s_text".into(), Index::for_text("s"));
    let table = Table::of(fresh.store().await, made).await;
    for (id, language) in [("a", "english"), ("b", "spanish"), ("c", "klingon")] {
        table.insert(&table.object(id, map! { "s" => "running dogs", "language" => language })).await;
    }
    check(&table, "run", "", "a b c").await;
}
