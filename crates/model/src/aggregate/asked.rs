//! Which request of `/aggregate` is it, and which stages does it have? The wire's quirks and refusals.

use compact_str::CompactString;

use super::datum::{Datum, Document};
use super::{Form, ejson};
use crate::error::{ErrorCode, ParseError};
use crate::names::shorten;
use crate::query::parse::{self, Reading};
use crate::query::{Advice, Filter, Hint, ReadPreference, Verbosity};
use crate::value::{Map, Value, json};

/// A request of `/aggregate`.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What it asks for.
    pub question: Question,
    /// How the answer is to be spelled.
    pub form: Form,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub enum Question {
    /// The distinct values of a field.
    Distinct {
        /// The path of the field.
        field: String,
        /// Among which objects.
        filter: Filter,
    },
    /// What a pipeline gives.
    Pipeline {
        /// Its stages as they were sent, one key each.
        stages: Vec<Document>,
        /// How to answer.
        advice: Advice,
        /// Whether a plan is asked for in the place of the answer.
        explain: Option<Verbosity>,
    },
}

fn refused(text: impl Into<String>) -> ParseError {
    ParseError::new(ErrorCode::InvalidQuery, text.into())
}

/// Reads a request. `form` is how answers are spelled unless the request says otherwise.
pub fn read(mut params: Map, reading: Reading, form: Form) -> Result<Asked, ParseError> {
    let distinct = params.get("distinct").filter(|field| field.is_truthy()).map(as_text);
    // Parse: what means something is taken out, and what is left are stages.
    let mut take =
        |name: &str| params.get(name).is_some_and(Value::is_truthy).then(|| params.shift_remove(name)).flatten();
    let (hint, explain, comment, read_preference) =
        (take("hint"), take("explain"), take("comment"), take("readPreference"));
    let form = Form {
        raw_values: flag(&mut params, "rawValues").unwrap_or(form.raw_values),
        raw_field_names: flag(&mut params, "rawFieldNames").unwrap_or(form.raw_field_names),
    };
    let filter = params.shift_remove("where");
    params.shift_remove("distinct");
    let stages = stages(params, form)?;
    let question = match distinct {
        // Parse: all other options are looked at only for a pipeline.
        Some(field) => {
            let filter = conditions(filter, reading)?;
            check_path(&field)?;
            Question::Distinct { field, filter }
        }
        None => Question::Pipeline {
            stages,
            advice: Advice {
                hint: hint.as_ref().map(index).transpose()?,
                comment: comment.as_ref().map(as_text),
                read_preference: read_preference
                    .map(|preference| ReadPreference::parse(preference.as_str().unwrap_or_default()))
                    .transpose()?,
            },
            explain: Verbosity::parse(explain.as_ref())?,
        },
    };
    Ok(Asked { question, form })
}

/// What MongoDB takes for the path of a field.
fn check_path(path: &str) -> Result<(), ParseError> {
    if path.split('.').any(str::is_empty) {
        return Err(refused("FieldPath field names may not be empty strings."));
    }
    if path.contains('\0') {
        return Err(refused("FieldPath field names may not contain '\\0'."));
    }
    if path.split('.').any(|part| part.starts_with('$')) {
        let text = "FieldPath field names may not start with '$'. Consider using $getField or $setField.";
        return Err(refused(text));
    }
    Ok(())
}

fn flag(params: &mut Map, name: &str) -> Option<bool> {
    let flag = params.get(name)?.as_bool()?;
    params.shift_remove(name);
    Some(flag)
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => String::from_utf8_lossy(&json::write(other)).into_owned(),
    }
}

fn index(hint: &Value) -> Result<Hint, ParseError> {
    Hint::of(hint).ok_or_else(|| refused("Hint must be a string or an object"))
}

/// The conditions beside `distinct`.
fn conditions(filter: Option<Value>, reading: Reading) -> Result<Filter, ParseError> {
    let bad = || ParseError::new(ErrorCode::InvalidJson, "where parameter is not valid JSON");
    match filter {
        None | Some(Value::Null) => Ok(Filter::everything()),
        Some(Value::Object(conditions)) => parse::filter(&conditions, reading),
        Some(Value::String(text)) => match json::read(text.as_bytes()) {
            Ok(Value::Object(conditions)) => parse::filter(&conditions, reading),
            _ => Err(bad()),
        },
        Some(_) => Err(bad()),
    }
}

/// The stages: a list of them, an object of them, or the parameters themselves.
fn stages(mut params: Map, form: Form) -> Result<Vec<Document>, ParseError> {
    let one = |name: &str, operand: &Value| stage(name, operand, form);
    let all = |map: &Map| map.iter().map(|(name, operand)| one(name, operand)).collect();
    let list = match params.get_mut("pipeline").filter(|pipeline| pipeline.is_truthy()).map(std::mem::take) {
        None => return all(&params),
        Some(Value::Object(map)) => return all(&map),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(refused("Invalid aggregate stage 'pipeline'.")),
    };
    let each = list.iter().map(|item| match item {
        Value::Object(map) if map.len() == 1 => all(map),
        Value::Object(map) => {
            let names: Vec<&str> = map.keys().map(CompactString::as_str).collect();
            Err(only_one_key(&names.join(", ")))
        }
        _ => Err(only_one_key("")),
    });
    let each: Vec<Vec<Document>> = each.collect::<Result<_, _>>()?;
    Ok(each.into_iter().flatten().collect())
}

fn only_one_key(found: &str) -> ParseError {
    refused(format!("Pipeline stages should only have one key but found {}.", shorten(found)))
}

fn stage(name: &str, operand: &Value, form: Form) -> Result<Document, ParseError> {
    if !name.starts_with('$') {
        return Err(refused(format!("Invalid aggregate stage '{}'.", shorten(name))));
    }
    if name == "$group" {
        let has = |key| operand.as_object().is_some_and(|map| map.contains_key(key));
        if has("objectId") {
            return Err(refused("Cannot use 'objectId' in aggregation stage $group."));
        }
        if !has("_id") {
            return Err(refused("Invalid parameter for query: group. Missing key _id"));
        }
    }
    let operand = if form.raw_values { ejson::read(operand)? } else { Datum::inside(operand.clone()) };
    Ok(Document::from_iter([(name.into(), operand)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Date;

    fn ask(text: &str) -> Result<Asked, ParseError> {
        let reading = Reading { now: Date::EPOCH, internal_fields: true };
        read(json::read(text.as_bytes()).unwrap().as_object().unwrap().clone(), reading, Form::default())
    }

    /// The names of the stages, in order.
    fn stages_of(text: &str) -> String {
        match ask(text).unwrap().question {
            Question::Pipeline { stages, .. } => {
                stages.iter().flat_map(|stage| stage.keys()).map(CompactString::as_str).collect::<Vec<_>>().join(" ")
            }
            Question::Distinct { .. } => panic!("{text}"),
        }
    }

    #[test]
    fn stages_come_in_three_forms() {
        for (text, stages) in [
            (r#"{"pipeline":[{"$match":{}},{"$limit":1}]}"#, "$match $limit"),
            (r#"{"pipeline":{"$match":{},"$limit":1}}"#, "$match $limit"),
            (r#"{"$match":{},"$limit":1}"#, "$match $limit"),
            (r#"{"$limit":1,"where":{},"hint":"a","explain":true,"comment":"b"}"#, "$limit"),
            (r#"{"pipeline":[],"$limit":1,"rawValues":"no"}"#, ""),
            ("{}", ""),
        ] {
            assert_eq!(stages_of(text), stages, "{text}");
        }
    }

    #[test]
    fn refusals_have_parse_s_numbers_and_texts() {
        for (text, code, message) in [
            (r#"{"pipeline":[{"a":1}]}"#, 102, "Invalid aggregate stage 'a'."),
            (r#"{"limit":1}"#, 102, "Invalid aggregate stage 'limit'."),
            (r#"{"rawValues":"yes"}"#, 102, "Invalid aggregate stage 'rawValues'."),
            (r#"{"pipeline":"x"}"#, 102, "Invalid aggregate stage 'pipeline'."),
            (r#"{"pipeline":[{"$a":1,"$b":2}]}"#, 102, "Pipeline stages should only have one key but found $a, $b."),
            (r#"{"pipeline":[{}]}"#, 102, "Pipeline stages should only have one key but found ."),
            (r#"{"pipeline":[null]}"#, 102, "Pipeline stages should only have one key but found ."),
            (r#"{"$group":{"objectId":"$a"}}"#, 102, "Cannot use 'objectId' in aggregation stage $group."),
            (r#"{"$group":{"n":1}}"#, 102, "Invalid parameter for query: group. Missing key _id"),
            (r#"{"$group":null}"#, 102, "Invalid parameter for query: group. Missing key _id"),
            (r#"{"explain":"foo"}"#, 102, "Invalid value for explain"),
            (r#"{"hint":5}"#, 102, "Hint must be a string or an object"),
            (r#"{"readPreference":"x"}"#, 102, "Not supported read preference."),
            (r#"{"readPreference":5}"#, 102, "Not supported read preference."),
            (r#"{"distinct":"a","where":"{"}"#, 107, "where parameter is not valid JSON"),
            (r#"{"distinct":"a","where":{"a b":1}}"#, 105, "Invalid key name: a b"),
            (r#"{"distinct":"a..b"}"#, 102, "FieldPath field names may not be empty strings."),
            (
                r#"{"distinct":"$a"}"#,
                102,
                "FieldPath field names may not start with '$'. Consider using $getField or $setField.",
            ),
            (r#"{"distinct":"a","limit":1}"#, 102, "Invalid aggregate stage 'limit'."),
        ] {
            let error = ask(text).unwrap_err();
            assert_eq!((error.number(), &*error.message), (Some(code), message), "{text}");
        }
    }

    #[test]
    fn distinct_looks_at_nothing_but_its_conditions() {
        let asked = ask(r#"{"distinct":5,"explain":"foo","hint":5,"where":"{\"a\":1}"}"#).unwrap();
        let Question::Distinct { field, filter } = asked.question else { panic!("{asked:?}") };
        assert_eq!((field.as_str(), filter), ("5", Filter::equals("a", 1)));
    }

    #[test]
    fn raw_values_are_extended_json() {
        let asked = ask(r#"{"rawValues":true,"$match":{"a":{"$date":"1970-01-01T00:00:00Z"}}}"#).unwrap();
        assert!(asked.form.raw_values && !asked.form.raw_field_names);
        let Question::Pipeline { stages, .. } = asked.question else { panic!("no pipeline") };
        let found = stages[0]["$match"].as_document().unwrap();
        assert!(matches!(found["a"], Datum::Date(Date::EPOCH)));
    }
}
