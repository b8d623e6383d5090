//! What does a pipeline give? Tables of cases, each answered by MongoDB, in its Extended JSON and with its names on disk.

use parsimony_model::aggregate::answer::Answer;
use parsimony_model::aggregate::asked;
use parsimony_model::aggregate::{Form, Pipeline, Question};
use parsimony_model::query::parse::Reading;
use parsimony_model::value::json;
use parsimony_model::{ClassSchema, Date, map};

use super::given::{Table, class, value};
use super::{Behaviours, Fresh, behaviours};
use crate::{Scope, Selection, StoreError};

/// The behaviours of this area.
pub(super) const BEHAVIOURS: Behaviours =
    behaviours![an_expression_is_worth_what_it_is_in_mongodb, a_pipeline_gives_what_it_gives_in_mongodb];

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
    let selection = Selection::new(table.class.clone(), parsimony_model::Filter::everything(), Scope::Everything);
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
