//! How is a plan told? The JSON of steps, of what stays and of what the data says, and the digest that stands for it.

use parsimony_model::value::json;
use parsimony_model::{ClassName, ClassSchema, Value, map};
use sha2::{Digest as _, Sha256};

use super::check::{Finding, Objection};
use super::file;
use super::plan::{Alteration, Kept, Plan, Step};

/// A digest of a value, in hexadecimal.
pub(crate) fn digest(value: &Value) -> String {
    hex::encode(Sha256::digest(json::write(value)))
}

/// The steps of a plan.
pub(crate) fn steps(plan: &Plan) -> Value {
    Value::Array(plan.steps.iter().map(step).collect())
}

fn step(step: &Step) -> Value {
    let Step { class, change } = step;
    let about = |kind: &str, name: Option<&str>, from: Option<Value>, to: Option<Value>| {
        let mut map = map! { "step" => kind, "class" => class.as_str() };
        let parts = [("name", name.map(Value::from)), ("from", from), ("to", to)];
        map.extend(parts.into_iter().filter_map(|(key, value)| Some((key.into(), value?))));
        Value::Object(map)
    };
    let index = file::index_to_value;
    match change {
        Alteration::CreateClass(class) => about("createClass", None, None, Some(definition(class))),
        Alteration::DropClass => about("dropClass", None, None, None),
        Alteration::AddField(name, to) => about("addField", Some(name.as_str()), None, Some(to.to_value())),
        Alteration::SetOptions { name, from, to } => {
            about("setOptions", Some(name.as_str()), Some(from.to_value()), Some(to.to_value()))
        }
        Alteration::RemakeField { name, from, to } => {
            about("remakeField", Some(name.as_str()), Some(from.to_value()), Some(to.to_value()))
        }
        Alteration::DropField(name, from) => about("dropField", Some(name.as_str()), Some(from.to_value()), None),
        Alteration::SetPermissions { from, to } => {
            about("setPermissions", None, Some(from.to_value()), Some(to.to_value()))
        }
        Alteration::SetAppendOnly(to) => about("setAppendOnly", None, None, Some((*to).into())),
        Alteration::AddIndex(name, to) => about("addIndex", Some(name), None, Some(index(to))),
        Alteration::RemakeIndex { name, from, to } => {
            about("remakeIndex", Some(name), Some(index(from)), Some(index(to)))
        }
        Alteration::DropIndex(name, from) => about("dropIndex", Some(name), Some(index(from)), None),
    }
}

/// A class as a definition file says it.
pub(crate) fn definition(class: &ClassSchema) -> Value {
    file::to_value(&file::of(class))
}

/// What stays although the definitions do not have it so.
pub(crate) fn kept(plan: &Plan) -> Value {
    let about = |kind: &str, class: &ClassName, name: Option<&str>, is: Option<Value>| {
        let mut map = map! { "kept" => kind, "class" => class.as_str() };
        let parts = [("name", name.map(Value::from)), ("is", is)];
        map.extend(parts.into_iter().filter_map(|(key, value)| Some((key.into(), value?))));
        map
    };
    let one = |kept: &Kept| match kept {
        Kept::Class(class) => about("class", class, None, None),
        Kept::Field(class, name, field) => about("field", class, Some(name.as_str()), Some(field.to_value())),
        Kept::Type { class, name, from, to } => {
            let mut map = about("type", class, Some(name.as_str()), Some(from.to_string().into()));
            map.insert("wanted".into(), to.to_string().into());
            map
        }
        Kept::Index(class, name, index) => about("index", class, Some(name), Some(file::index_to_value(index))),
    };
    Value::Array(plan.kept.iter().map(one).map(Value::Object).collect())
}

/// What the data says.
pub(crate) fn findings(findings: &[Finding]) -> Value {
    let one = |finding: &Finding| {
        let mut map = map! { "finding" => finding.what.name(), "class" => finding.class.as_str() };
        if let Some(name) = &finding.name {
            map.insert("name".into(), name.as_str().into());
        }
        map.insert("count".into(), (finding.count as f64).into());
        let samples = finding.samples.iter().map(|id| id.as_str().into()).collect();
        map.insert("samples".into(), Value::Array(samples));
        map.insert("unless".into(), finding.what.objection().flag().map(Value::from).into());
        map.insert("text".into(), finding.text().into());
        Value::Object(map)
    };
    Value::Array(findings.iter().map(one).collect())
}

/// The objections as texts, each once.
pub(crate) fn objections(findings: &[Finding], allowed: &[Objection]) -> Vec<String> {
    let open = findings.iter().filter(|finding| !allowed.contains(&finding.what.objection()));
    open.map(Finding::text).collect()
}
