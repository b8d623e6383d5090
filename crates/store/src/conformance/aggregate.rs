//! What does a pipeline give? Tables of cases, each answered by MongoDB, in its Extended JSON and with its names on disk.

use parsimony_model::aggregate::answer::{self, Answer};
use parsimony_model::aggregate::{Datum, Form, Pipeline, Question, asked};
use parsimony_model::query::parse::Reading;
use parsimony_model::query::{Advice, Hint, Verbosity};
use parsimony_model::schema::Index;
use parsimony_model::value::json;
use parsimony_model::{Access, Acl, ClassSchema, Date, Filter, Value, map};

use super::given::{Table, alter, class, fields, grants, id, refused, sorted_ids, value};
use super::{Behaviours, Fresh, behaviours};
use crate::{ClassChange, Scope, Selection, StoreError};

/// The behaviours of this area.
pub(super) const BEHAVIOURS: Behaviours = behaviours![
    an_expression_is_worth_what_it_is_in_mongodb,
    a_pipeline_gives_what_it_gives_in_mongodb,
    a_pipeline_sees_what_the_selection_finds,
    a_pipeline_in_a_transaction_sees_its_writes,
    a_pipeline_reaches_the_members_of_a_relation,
    a_hint_names_an_index,
    a_plan_tells_which_index_is_used,
    distinct_values_come_in_order,
];

const RAW: Form = Form { raw_values: true, raw_field_names: true };

/// The object that the expressions look at: its fields, and their values.
const FIELDS: &[&str] = &[
    "n:Number",
    "f:Number",
    "neg:Number",
    "big:Number",
    "zero:Number",
    "s:String",
    "u:String",
    "empty:String",
    "num:String",
    "t:Boolean",
    "no:Boolean",
    "d:Date",
    "e:Date",
    "old:Date",
    "arr:Array",
    "words:Array",
    "mix:Array",
    "docs:Array",
    "lists:Array",
    "none:Array",
    "obj:Object",
    "nul:Number",
    "raw:Bytes",
];

const OBJECT: &str = r#"{"n": 5, "f": 2.5, "neg": -3, "big": 3000000000, "zero": 0, "s": "Hello", "u": "Zoë ünï", "empty": "",
    "num": "42", "t": true, "no": false, "d": {"__type": "Date", "iso": "2020-02-29T23:04:05.006Z"},
    "e": {"__type": "Date", "iso": "2021-04-01T01:00:00.000Z"}, "old": {"__type": "Date", "iso": "1969-07-20T20:17:40.000Z"},
    "arr": [3, 1, 2], "words": ["b", "a", "b"], "mix": [1, "a", null, true, {"k": 1}],
    "docs": [{"k": 1, "v": "a"}, {"k": 2, "v": "b"}, {"v": "c"}], "lists": [[1, 2], [3]], "none": [],
    "obj": {"a": 1, "b": {"c": "x"}}, "nul": null, "raw": {"__type": "Bytes", "base64": "AAEC"}}"#;

/// A pipeline in Extended JSON, with the names on disk.
fn pipeline(class: &ClassSchema, text: &str) -> Result<Pipeline, String> {
    let reading = Reading { now: Date::EPOCH, internal_fields: true };
    let params = map! { "pipeline" => value(text) };
    let asked = asked::read(params, reading, RAW).map_err(|error| error.to_string())?;
    let Question::Pipeline { stages, .. } = asked.question else { return Err("no pipeline".to_owned()) };
    Pipeline::read(stages, class, RAW).map_err(|error| error.to_string())
}

/// What a pipeline gives, each document as text; or `refused`, and why.
async fn given(table: &Table, text: &str) -> Result<Vec<String>, String> {
    let pipeline = pipeline(&table.class, text)?;
    let selection = Selection::new(table.class.clone(), Filter::everything(), Scope::Everything);
    let found = match table.store.aggregate(&selection, &pipeline).await {
        Ok(found) => found,
        Err(StoreError::InvalidQuery(text)) => return Err(text),
        Err(error) => panic!("{text}: {error:?}"),
    };
    let answer = Answer { class: &table.class, form: RAW, groups_by_pointer: false };
    let written = |document| String::from_utf8(json::write(&answer.write(document).unwrap())).unwrap();
    Ok(found.into_iter().map(written).collect())
}

/// The same JSON, with its numbers as we write them.
fn as_we_write(text: &str) -> String {
    String::from_utf8(json::write(&value(text))).unwrap()
}

async fn an_expression_is_worth_what_it_is_in_mongodb(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", FIELDS).await;
    table.put("x", OBJECT).await;
    let cases = include_str!("aggregate/expressions.txt");
    let (mut wrong, mut count) = (Vec::new(), 0);
    for line in cases.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (expression, expected) = line.rsplit_once(" => ").unwrap();
        count += 1;
        let expected = match expected {
            "refused" => None,
            "missing" => Some("{}".to_owned()),
            value => Some(as_we_write(&format!(r#"{{"r":{value}}}"#))),
        };
        let found = given(&table, &format!(r#"[{{"$replaceWith": {{"r": {expression}}}}}]"#)).await;
        if found.as_ref().ok().and_then(|found| found.first()) != expected.as_ref() {
            wrong.push(format!("{line}\n    found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {count} expressions:\n{}", wrong.len(), wrong.join("\n"));
}

async fn a_pipeline_gives_what_it_gives_in_mongodb(fresh: &dyn Fresh) {
    let things = super::filters::things(fresh).await;
    let bosses = Table::of(things.store.clone(), class("Boss", &["title:String", "grade:Number", "tags:Array"])).await;
    for (id, text) in [
        ("u1", r#"{"title": "Chief", "grade": 1, "tags": ["x", "red"]}"#),
        ("b1", r#"{"title": "Head", "grade": 2, "tags": ["y"]}"#),
        ("b2", r#"{"title": "Lead", "grade": 2}"#),
        ("b3", r#"{"title": null, "grade": 3, "tags": ["red", "blue"]}"#),
    ] {
        bosses.put(id, text).await;
    }
    let (mut wrong, mut count) = (Vec::new(), 0);
    let mut lines = include_str!("aggregate/pipelines.txt").lines().peekable();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        count += 1;
        let mut expected = Vec::new();
        while let Some(answer) = lines.peek().and_then(|line| line.strip_prefix("=> ")) {
            expected.push(if answer == "refused" { answer.to_owned() } else { as_we_write(answer) });
            lines.next();
        }
        let expected = if expected == ["refused"] { None } else { Some(in_order(line, expected)) };
        let found = given(&things, line).await.map(|found| in_order(line, found));
        if found.as_ref().ok() != expected.as_ref() {
            wrong.push(format!("{line}\n    expected {expected:?}\n    found    {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {count} pipelines:\n{}", wrong.len(), wrong.join("\n"));
}

/// The documents as they come, if the pipeline says in which order, and else in an order of their own.
fn in_order(pipeline: &str, mut documents: Vec<String>) -> Vec<String> {
    if !pipeline.contains("$sort") {
        documents.sort_unstable();
    }
    documents
}

async fn a_pipeline_sees_what_the_selection_finds(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["n:Number"]).await;
    table.put_with_acl("a", r#"{"n": 1}"#, Acl::default().with("u1", Access::READ)).await;
    table.put_with_acl("b", r#"{"n": 2}"#, Acl::default().with("u2", Access::READ)).await;
    table.put("c", r#"{"n": 3}"#).await;
    let sum = pipeline(&table.class, r#"[{"$group": {"_id": null, "n": {"$sum": "$n"}}}]"#).unwrap();
    for (filter, scope, expected) in [
        (Filter::everything(), Scope::Everything, 6),
        (Filter::everything(), Scope::ReadableBy(grants(&["u1"])), 4),
        (Filter::equals("n", 2), Scope::Everything, 2),
        (Filter::equals("n", 3), Scope::ReadableBy(grants(&["u2"])), 3),
    ] {
        let selection = Selection::new(table.class.clone(), filter, scope);
        let found = table.store.aggregate(&selection, &sum).await.unwrap();
        assert_eq!(found[0]["n"], Datum::Int(expected), "{selection:?}");
    }
}

async fn a_pipeline_in_a_transaction_sees_its_writes(fresh: &dyn Fresh) {
    if !fresh.has_transactions() {
        return;
    }
    let table = Table::new(fresh, "Thing", &["n:Number"]).await;
    table.put("a", r#"{"n": 1}"#).await;
    let count = pipeline(&table.class, r#"[{"$count": "n"}]"#).unwrap();
    let transaction = table.store.begin().await.unwrap();
    transaction.insert(&table.class, &table.object("b", fields(r#"{"n": 2}"#))).await.unwrap();
    let everything = table.selection(Filter::everything());
    let inside = transaction.aggregate(&everything, &count).await.unwrap();
    let outside = table.store.aggregate(&everything, &count).await.unwrap();
    transaction.roll_back().await.unwrap();
    assert_eq!((&inside[0]["n"], &outside[0]["n"]), (&Datum::Int(2), &Datum::Int(1)));
}

async fn a_pipeline_reaches_the_members_of_a_relation(fresh: &dyn Fresh) {
    let table = Table::new(fresh, "Thing", &["fans:&_User"]).await;
    for id in ["a", "b"] {
        table.put(id, "{}").await;
    }
    table.store.link(&table.join("fans"), &id("a"), &[id("u1"), id("u2")]).await.unwrap();
    let text = r#"[{"$lookup": {"from": "_Join:fans:Thing", "localField": "_id", "foreignField": "owningId", "as": "fans"}},
        {"$sort": {"_id": 1}}, {"$project": {"n": {"$size": "$fans"}, "fans.relatedId": 1}}]"#;
    let found = given(&table, text).await.unwrap();
    let expected =
        [r#"{"_id":"a","fans":[{"relatedId":"u1"},{"relatedId":"u2"}],"n":2}"#, r#"{"_id":"b","fans":[],"n":0}"#];
    assert_eq!(found, expected);
}

/// Everything, with this index advised.
fn hinted(table: &Table, hint: Hint) -> Selection {
    let advice = Advice { hint: Some(hint), comment: Some("a remark".to_owned()), read_preference: None };
    table.select(r#"{"n": {"$gt": 0}}"#).advised(advice)
}

async fn with_index(fresh: &dyn Fresh) -> Table {
    let mut table = Table::new(fresh, "Thing", &["n:Number", "s:String"]).await;
    let change = ClassChange {
        add_indexes: vec![("by_n".into(), Index::on(&["n"])), ("by_s".into(), Index::on(&["s", "n"]))],
        ..ClassChange::default()
    };
    alter(&mut table, change).await;
    table.put("a", r#"{"n": 1, "s": "x"}"#).await;
    table.put("b", r#"{"n": 2}"#).await;
    table
}

async fn a_hint_names_an_index(fresh: &dyn Fresh) {
    let table = with_index(fresh).await;
    let count = pipeline(&table.class, r#"[{"$count": "n"}]"#).unwrap();
    let name = |name: &str| Hint::Name(name.to_owned());
    for (hint, known) in [
        (name("by_n"), true),
        (name("by_s"), true),
        (name("_id_"), true),
        (Hint::Keys(map! { "n" => 1 }), true),
        (Hint::Keys(map! { "s" => 1, "n" => 1 }), true),
        (Hint::Keys(map! { "_id" => 1 }), true),
        (Hint::Keys(map! { "$natural" => 1 }), true),
        (name("nope"), false),
        (Hint::Keys(map! { "n" => -1 }), false),
        (Hint::Keys(map! { "n" => 1, "s" => 1 }), false),
    ] {
        let selection = hinted(&table, hint.clone());
        let found = table.store.find(&selection).await;
        let counted = table.store.count(&selection).await;
        let piped = table.store.aggregate(&selection, &count).await;
        if known {
            assert_eq!(sorted_ids(&found.unwrap()), "a b", "{hint:?}");
            assert_eq!((counted.unwrap(), &piped.unwrap()[0]["n"]), (2, &Datum::Int(2)), "{hint:?}");
        } else {
            for error in [refused(found, "a find"), refused(counted, "a count"), refused(piped, "a pipeline")] {
                let text = "hint provided does not correspond to an existing index";
                assert!(matches!(&error, StoreError::InvalidQuery(told) if told == text), "{hint:?}: {error:?}");
            }
        }
    }
}

async fn a_plan_tells_which_index_is_used(fresh: &dyn Fresh) {
    let table = with_index(fresh).await;
    let told = async |selection: &Selection, pipeline: Option<&Pipeline>, verbosity: Verbosity| {
        let plan = table.store.explain(selection, pipeline, verbosity).await.unwrap();
        String::from_utf8(json::write(&answer::bare(plan))).unwrap()
    };
    let matching = pipeline(&table.class, r#"[{"$match": {"n": {"$gt": 0}}}]"#).unwrap();
    let scan = table.select(r#"{"nosuch": 1}"#);
    let by_index = hinted(&table, Hint::Name("by_n".to_owned()));
    let everything = Selection { filter: Filter::everything(), ..by_index.clone() };
    for (plan, parts) in [
        (told(&scan, None, Verbosity::QueryPlanner).await, vec!["\"queryPlanner\":", "\"COLLSCAN\""]),
        (told(&by_index, None, Verbosity::QueryPlanner).await, vec!["\"IXSCAN\"", "\"indexName\":\"by_n\""]),
        (told(&by_index, None, Verbosity::ExecutionStats).await, vec!["\"executionStats\":", "\"nReturned\":2"]),
        (
            told(&everything, Some(&matching), Verbosity::QueryPlanner).await,
            vec!["\"IXSCAN\"", "\"by_n\"", "\"$match\""],
        ),
    ] {
        for part in parts {
            assert!(plan.contains(part), "{part} is missing in {plan}");
        }
    }
    let unknown = hinted(&table, Hint::Name("nope".to_owned()));
    let error = refused(table.store.explain(&unknown, None, Verbosity::QueryPlanner).await, "an unknown index");
    assert!(matches!(error, StoreError::InvalidQuery(_)), "{error:?}");
}

async fn distinct_values_come_in_order(fresh: &dyn Fresh) {
    let things = super::filters::things(fresh).await;
    let everything = things.selection(Filter::everything());
    for (field, expected) in [
        ("n", "[-3,0,0.1,1,2,2.5,42,9007199254740991,1e+21]"),
        ("tags", r#"[7,"","50%_a","RED","Red","blue","green","o'n","red",{"k":1}]"#),
        ("stats.wins", r#"[3,5,"3"]"#),
        ("items.price", "[5,10,20]"),
        ("objectId", r#"["a","b","c","d","e","f","g","h","i","j","k","l","m","n","o","p","q","r","s","t"]"#),
        ("ok", "[false,true]"),
        (
            "owner",
            r#"[{"__type":"Pointer","className":"_User","objectId":"u1"},{"__type":"Pointer","className":"_User","objectId":"u2"}]"#,
        ),
        ("nosuch", "[]"),
    ] {
        let found = things.store.distinct(&everything, field).await.unwrap();
        assert_eq!(String::from_utf8(json::write(&Value::Array(found))).unwrap(), as_we_write(expected), "{field}");
    }
}
