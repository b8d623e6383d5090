//! Which part of a pipeline can a plain query answer? Its first conditions, an order and a range, where they ask no more than a
//! query can; and the only fields that the rest looks at.

use super::Document;
use super::datum::Datum;
use super::failure::Failure;
use super::matching::{Condition, Relation, Test};
use super::needs;
use super::path::Path;
use super::run::{Rows, Run, Source};
use super::sort::SortBy;
use super::stage::Stage;
use super::step;
use crate::names::ObjectId;
use crate::query::{Constraint, Filter, Order};
use crate::schema::{ClassSchema, FieldType};
use crate::value::{Pointer, Value};

/// A pipeline, of which the beginning is a plain query.
#[derive(Debug)]
pub struct Prepared {
    /// The condition of the query.
    pub filter: Filter,
    /// Its order.
    pub order: Vec<Order>,
    /// How many it leaves out first.
    pub skip: u64,
    /// How many it finds at most.
    pub limit: Option<u64>,
    /// The only fields that are looked at; empty means all.
    pub keys: Vec<String>,
    stages: Vec<Stage>,
}

impl Prepared {
    /// Takes as much as possible off the beginning of the stages.
    pub(super) fn new(stages: &[Stage], class: &ClassSchema) -> Self {
        let mut prepared = Self {
            filter: Filter::everything(),
            order: Vec::new(),
            skip: 0,
            limit: None,
            keys: needs::fields(stages),
            stages: Vec::new(),
        };
        let mut taken = 0;
        for stage in stages {
            if !prepared.take(stage, class) {
                break;
            }
            taken += 1;
        }
        prepared.stages.extend(stages.iter().skip(taken).cloned());
        prepared
    }

    /// Takes a stage into the query, if all of it fits. A condition may fit in part; the rest of it stays the first stage.
    fn take(&mut self, stage: &Stage, class: &ClassSchema) -> bool {
        let has_range = self.skip > 0 || self.limit.is_some();
        match stage {
            Stage::Match(condition) if self.order.is_empty() && !has_range && self.stages.is_empty() => {
                let parts = match condition {
                    Condition::All(parts) => parts.as_slice(),
                    one => std::slice::from_ref(one),
                };
                let mut left = Vec::new();
                for part in parts {
                    match filter(part, class) {
                        Some(part) => self.filter = std::mem::replace(&mut self.filter, Filter::nothing()).and(part),
                        None => left.push(part.clone()),
                    }
                }
                if !left.is_empty() {
                    self.stages.push(Stage::Match(Condition::All(left)));
                }
                // What is left of it stands before the stages that follow.
                true
            }
            _ if !self.stages.is_empty() => false,
            Stage::Sort(by) if self.order.is_empty() && !has_range => match order(by, class) {
                Some(order) => {
                    self.order = order;
                    true
                }
                None => false,
            },
            Stage::Skip(count) => {
                self.skip = self.skip.saturating_add(*count);
                self.limit = self.limit.map(|limit| limit.saturating_sub(*count));
                true
            }
            Stage::Limit(count) => {
                self.limit = Some(self.limit.map_or(*count, |limit| limit.min(*count)));
                true
            }
            _ => false,
        }
    }

    /// Runs the rest on what the query finds.
    pub fn run(&self, rows: &mut Rows<'_>, source: &mut dyn Source, run: &Run<'_>) -> Result<Vec<Document>, Failure> {
        step::run(&self.stages, rows, source, run)
    }
}

/// The field that a path on disk leads to, if its values are of one plain type and mean the same to a query.
fn field(path: &Path, class: &ClassSchema) -> Option<(String, FieldType)> {
    let name = path.only()?;
    if let Some(field) = name.strip_prefix("_p_") {
        let kind = class.kind(field)?;
        return matches!(kind, FieldType::Pointer(_)).then(|| (field.to_owned(), kind));
    }
    let (field, kind) = match name {
        "_id" => ("objectId", FieldType::String),
        "_created_at" => ("createdAt", FieldType::Date),
        "_updated_at" => ("updatedAt", FieldType::Date),
        // These have other names on disk.
        "objectId" | "createdAt" | "updatedAt" | "sessionToken" | "lastUsed" | "timesUsed" => return None,
        field => (field, class.kind(field)?),
    };
    let plain = matches!(kind, FieldType::String | FieldType::Number | FieldType::Boolean | FieldType::Date);
    plain.then(|| (field.to_owned(), kind))
}

/// A value of a field, if it is of the field's type.
fn value(kind: &FieldType, datum: &Datum) -> Option<Value> {
    match (kind, datum) {
        (FieldType::String, Datum::String(text)) => Some(Value::String(text.clone())),
        (FieldType::Number, Datum::Int(number)) => Some(Value::Number(f64::from(*number))),
        (FieldType::Number, Datum::Double(number)) if !number.is_nan() => Some(Value::Number(*number)),
        (FieldType::Boolean, Datum::Bool(value)) => Some(Value::Bool(*value)),
        (FieldType::Date, Datum::Date(date)) => Some(Value::Date(*date)),
        (FieldType::Pointer(target), Datum::String(text)) => {
            let (class, id) = text.split_once('$')?;
            (target == class).then_some(())?;
            Some(Value::Pointer(Pointer::new(target.clone(), ObjectId::parse(id).ok()?)))
        }
        _ => None,
    }
}

fn filter(condition: &Condition, class: &ClassSchema) -> Option<Filter> {
    let all = |parts: &[Condition]| parts.iter().map(|part| filter(part, class)).collect::<Option<Vec<_>>>();
    match condition {
        Condition::All(parts) => all(parts).map(Filter::And),
        Condition::Any(parts) => all(parts).map(Filter::Or),
        Condition::None(parts) => all(parts).map(Filter::Nor),
        Condition::Holds(_) => None,
        Condition::At(path, test) => {
            let (field, kind) = field(path, class)?;
            constraint(&field, &kind, test)
        }
    }
}

fn constraint(field: &str, kind: &FieldType, test: &Test) -> Option<Filter> {
    let nullable = |datum: &Datum| match datum {
        Datum::Null => Some(Value::Null),
        other => value(kind, other),
    };
    let is_pointer = matches!(kind, FieldType::Pointer(_));
    Some(Filter::Field(
        field.into(),
        match test {
            Test::Equals(datum) => Constraint::Equals(nullable(datum)?),
            // Pointers are compared as text, which has a class in it.
            Test::Compared(..) if is_pointer => return None,
            Test::Compared(relation, datum) => {
                let value = value(kind, datum)?;
                match relation {
                    Relation::Less => Constraint::Less(value),
                    Relation::LessOrEqual => Constraint::LessOrEqual(value),
                    Relation::Greater => Constraint::Greater(value),
                    Relation::GreaterOrEqual => Constraint::GreaterOrEqual(value),
                }
            }
            Test::In(values, expressions) if expressions.is_empty() => {
                Constraint::In(values.iter().map(nullable).collect::<Option<_>>()?)
            }
            // The null of a pointer has another name on disk.
            Test::Exists if !is_pointer => Constraint::Exists(true),
            Test::Not(tests) => {
                let parts = tests.iter().map(|test| constraint(field, kind, test)).collect::<Option<Vec<_>>>()?;
                return Some(Filter::Nor(vec![Filter::And(parts)]));
            }
            _ => return None,
        },
    ))
}

fn order(by: &SortBy, class: &ClassSchema) -> Option<Vec<Order>> {
    let key = |key: &super::sort::SortKey| {
        let (field, _) = field(&key.path, class)?;
        Some(Order { path: field.into(), descending: key.descending })
    };
    // Whole values have no keys.
    (!by.keys().is_empty()).then(|| by.keys().iter().map(key).collect())?
}

#[cfg(test)]
mod tests {
    use super::super::{Form, Pipeline, asked};
    use super::*;
    use crate::map;
    use crate::names::{ClassName, FieldName};
    use crate::query::parse::Reading;
    use crate::schema::Field;
    use crate::value::{Date, json};

    fn class() -> ClassSchema {
        let mut class = ClassSchema::new(ClassName::parse("C").unwrap());
        let owner = FieldType::Pointer(ClassName::parse("_User").unwrap());
        for (name, kind) in [
            ("s", FieldType::String),
            ("n", FieldType::Number),
            ("list", FieldType::Array),
            ("owner", owner),
            ("lastUsed", FieldType::Date),
        ] {
            class.fields.insert(FieldName::parse(name).unwrap(), Field::plain(kind));
        }
        class
    }

    /// What is taken, how many stages are left, and which fields are read.
    fn prepared(text: &str) -> (Prepared, usize) {
        let params = map! { "pipeline" => json::read(text.as_bytes()).unwrap() };
        let reading = Reading { now: Date::EPOCH, internal_fields: true };
        let form = Form { raw_values: true, raw_field_names: true };
        let asked::Question::Pipeline { stages, .. } = asked::read(params, reading, form).unwrap().question else {
            panic!("{text}")
        };
        let prepared = Pipeline::read(stages, &class(), form).unwrap().prepared(&class()).unwrap();
        let left = prepared.stages.len();
        (prepared, left)
    }

    #[test]
    fn conditions_an_order_and_a_range_become_a_query() {
        let (taken, left) = prepared(
            r#"[{"$match":{"_id":"x","n":{"$gt":1,"$ne":5}}},{"$match":{"_p_owner":"_User$u"}},{"$sort":{"n":-1,"_id":1}},
                {"$skip":2},{"$limit":10},{"$skip":3}]"#,
        );
        assert_eq!((left, taken.skip, taken.limit), (0, 5, Some(7)));
        let Filter::And(parts) = &taken.filter else { panic!("{:?}", taken.filter) };
        assert_eq!(parts.len(), 4, "{parts:?}");
        assert!(matches!(&parts[3], Filter::Field(path, Constraint::Equals(Value::Pointer(_))) if path == "owner"));
        assert_eq!(taken.order.iter().map(|key| key.path.as_str()).collect::<Vec<_>>(), ["n", "objectId"]);
    }

    #[test]
    fn what_a_query_would_not_mean_alike_stays() {
        for (text, left) in [
            (r#"[{"$match":{"n":"1"}}]"#, 1),
            (r#"[{"$match":{"list":1}}]"#, 1),
            (r#"[{"$match":{"s.x":1}}]"#, 1),
            (r#"[{"$match":{"owner":"u"}}]"#, 1),
            (r#"[{"$match":{"_p_owner":{"$exists":true}}}]"#, 1),
            (r#"[{"$match":{"lastUsed":{"$gt":{"$date":"2020-01-01T00:00:00Z"}}}}]"#, 1),
            (r#"[{"$match":{"$expr":{"$gt":["$n",1]}}}]"#, 1),
            (r#"[{"$match":{"$or":[{"n":1},{"list":1}]}}]"#, 1),
            (r#"[{"$match":{"$or":[{"n":1},{"s":null}]}}]"#, 0),
            (r#"[{"$match":{"n":1,"list":1}},{"$limit":1}]"#, 2),
            (r#"[{"$limit":1},{"$match":{"n":1}}]"#, 1),
            (r#"[{"$limit":1},{"$sort":{"n":1}}]"#, 1),
            (r#"[{"$sort":{"list":1}},{"$limit":1}]"#, 2),
            (r#"[{"$project":{"n":1}},{"$limit":1}]"#, 2),
        ] {
            assert_eq!(prepared(text).1, left, "{text}");
        }
    }

    #[test]
    fn only_the_fields_that_are_looked_at_are_read() {
        for (text, keys) in [
            (r#"[{"$group":{"_id":"$s","n":{"$sum":"$n"}}}]"#, "n s"),
            (r#"[{"$group":{"_id":null,"n":{"$sum":1}}}]"#, "objectId"),
            (r#"[{"$match":{"list":1}},{"$count":"n"}]"#, "list"),
            (r#"[{"$match":{"n":1}},{"$project":{"s":1,"x":"$_p_owner"}}]"#, "n owner s"),
            (r#"[{"$match":{"n":1}},{"$project":{"s":0}}]"#, ""),
            (r#"[{"$match":{"n":1}}]"#, ""),
            (r#"[{"$group":{"_id":null,"all":{"$push":"$$ROOT"}}}]"#, ""),
            (r#"[{"$group":{"_id":"$$ROOT.s"}}]"#, "s"),
            (r#"[{"$unwind":"$list"},{"$set":{"x":"$n"}},{"$sort":{"s":1}},{"$group":{"_id":"$x"}}]"#, "list n s x"),
            (r#"[{"$facet":{"a":[{"$count":"n"}],"b":[{"$group":{"_id":"$n"}}]}}]"#, "n"),
            (r#"[{"$facet":{"a":[{"$count":"n"}],"b":[{"$limit":1}]}}]"#, ""),
            (r#"[{"$lookup":{"from":"D","localField":"s","foreignField":"n","as":"d"}},{"$count":"n"}]"#, "s"),
            (
                r#"[{"$lookup":{"from":"D","let":{"a":"$n"},"pipeline":[{"$match":{"s":1}}],"as":"d"}},{"$count":"n"}]"#,
                "n",
            ),
        ] {
            let mut found = prepared(text).0.keys;
            found.sort_unstable();
            assert_eq!(found.join(" "), keys, "{text}");
        }
    }
}
