//! What do Parse's names in a pipeline mean on disk? `$match`, `$project`, `$group` and `$geoNear` speak of Parse's fields; every
//! other stage, and every pipeline inside a stage, speaks of the rows as they are.

use compact_str::{CompactString, format_compact};

use super::Form;
use super::datum::{Datum, Document};
use crate::schema::{ClassSchema, FieldType};
use crate::value::Date;

/// A pipeline with Parse's names replaced.
pub(super) fn stages(stages: Vec<Document>, class: &ClassSchema, form: Form) -> Vec<Document> {
    let reader = Reader { class, form };
    stages
        .into_iter()
        .map(|stage| stage.into_iter().map(|(name, operand)| reader.stage(name, operand)).collect())
        .collect()
}

/// Whether a stage groups by a pointer, whose answer is then the bare id.
pub(super) fn groups_by_pointer(stages: &[Document]) -> bool {
    let key = |stage: &Document| stage.get("$group")?.as_document()?.get("_id")?.as_str().map(str::to_owned);
    stages.iter().filter_map(key).any(|key| key.contains("$_p_"))
}

struct Reader<'a> {
    class: &'a ClassSchema,
    form: Form,
}

impl Reader<'_> {
    fn stage(&self, name: CompactString, operand: Datum) -> (CompactString, Datum) {
        let operand = match (name.as_str(), operand) {
            ("$match", operand) => self.conditions(operand),
            ("$project", Datum::Document(fields)) => Datum::Document(self.projection(fields)),
            ("$group", operand) => self.expressions(operand),
            ("$geoNear", Datum::Document(mut options)) => {
                if let Some(conditions) = options.get_mut("query") {
                    *conditions = self.conditions(std::mem::take(conditions));
                }
                Datum::Document(options)
            }
            (_, operand) => operand,
        };
        (name, operand)
    }

    fn kind(&self, field: &str) -> Option<FieldType> {
        self.class.kind(field)
    }

    /// The name on disk of a field.
    fn column(&self, field: CompactString) -> CompactString {
        if self.form.raw_field_names {
            return field;
        }
        match field.as_str() {
            "objectId" => "_id".into(),
            "createdAt" => "_created_at".into(),
            "updatedAt" => "_updated_at".into(),
            name if matches!(self.kind(name), Some(FieldType::Pointer(_))) => format_compact!("_p_{name}"),
            _ => field,
        }
    }

    /// The fields of `$match`, wherever in it they stand, and their values.
    fn conditions(&self, datum: Datum) -> Datum {
        match datum {
            Datum::Array(items) => Datum::Array(items.into_iter().map(|item| self.conditions(item)).collect()),
            Datum::Document(fields) => {
                let each = |(field, value): (CompactString, Datum)| {
                    let value = self.value_of(&field, value);
                    (self.column(field), value)
                };
                Datum::Document(fields.into_iter().map(each).collect())
            }
            other => other,
        }
    }

    fn value_of(&self, field: &str, value: Datum) -> Datum {
        match self.kind(field) {
            Some(FieldType::Pointer(_)) if !self.form.raw_field_names && self.form.raw_values => value,
            Some(FieldType::Pointer(target)) if !self.form.raw_field_names => pointers(value, target.as_str(), true),
            Some(FieldType::Date) if !self.form.raw_values => dates(value),
            _ => self.conditions(value),
        }
    }

    fn projection(&self, fields: Document) -> Document {
        let field = |(field, value): (CompactString, Datum)| {
            let is_pointer = !self.form.raw_field_names && matches!(self.kind(&field), Some(FieldType::Pointer(_)));
            let value = if is_pointer { value } else { self.conditions(value) };
            (self.column(field), value)
        };
        fields.into_iter().map(field).collect()
    }

    /// The fields that `$group` names with a `$` before them, wherever in it they stand. Parse: `$objectId` is none of them.
    fn expressions(&self, datum: Datum) -> Datum {
        match datum {
            Datum::Array(items) => Datum::Array(items.into_iter().map(|item| self.expressions(item)).collect()),
            Datum::Document(fields) => {
                Datum::Document(fields.into_iter().map(|(key, value)| (key, self.expressions(value))).collect())
            }
            Datum::String(text) => match text.strip_prefix('$') {
                Some(field) if field != "objectId" => Datum::String(format!("${}", self.column(field.into()))),
                _ => Datum::String(text),
            },
            other => other,
        }
    }
}

/// The values of a pointer field: ids and pointers as they are on disk.
fn pointers(value: Datum, target: &str, direct: bool) -> Datum {
    match value {
        // Parse: in the operators of a field, what looks like the stored form is taken for it.
        Datum::String(text) if !direct && text.contains('$') => Datum::String(text),
        Datum::String(id) => Datum::String(format!("{target}${id}")),
        Datum::Array(items) => Datum::Array(items.into_iter().map(|item| pointers(item, target, false)).collect()),
        Datum::Document(fields) => {
            if let Some(stored) = pointer(&fields) {
                return Datum::String(stored);
            }
            let each = |(key, value): (CompactString, Datum)| {
                let pattern = matches!(key.as_str(), "$regex" | "$options" | "$type");
                let value = if pattern { value } else { pointers(value, target, false) };
                (key, value)
            };
            Datum::Document(fields.into_iter().map(each).collect())
        }
        other => other,
    }
}

fn pointer(fields: &Document) -> Option<String> {
    let text = |key: &str| fields.get(key).and_then(Datum::as_str);
    (text("__type") == Some("Pointer")).then_some(())?;
    Some(format!("{}${}", text("className")?, text("objectId")?))
}

/// The values of a date field: text that is a date becomes one.
fn dates(value: Datum) -> Datum {
    match value {
        Datum::String(text) => match date(&text) {
            Some(date) => Datum::Date(date),
            None => Datum::String(text),
        },
        Datum::Array(items) => Datum::Array(items.into_iter().map(dates).collect()),
        Datum::Document(fields) => {
            Datum::Document(fields.into_iter().map(|(key, value)| (key, dates(value))).collect())
        }
        other => other,
    }
}

/// ISO 8601, also a year or a month alone.
fn date(text: &str) -> Option<Date> {
    let is_number = |part: &str, digits| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
    let completed = match text.split_once('-') {
        None if is_number(text, 4) => format!("{text}-01-01"),
        Some((year, month)) if is_number(year, 4) && is_number(month, 2) => format!("{text}-01"),
        _ => text.to_owned(),
    };
    completed.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::ejson;
    use super::*;
    use crate::names::{ClassName, FieldName};
    use crate::schema::Field;
    use crate::value::json;

    fn class() -> ClassSchema {
        let mut class = ClassSchema::new(ClassName::parse("C").unwrap());
        let owner = FieldType::Pointer(ClassName::parse("_User").unwrap());
        for (name, kind) in [("owner", owner), ("due", FieldType::Date), ("n", FieldType::Number)] {
            class.fields.insert(FieldName::parse(name).unwrap(), Field::plain(kind));
        }
        class
    }

    fn translated(text: &str, form: Form) -> String {
        let stage = |value: &crate::value::Value| match Datum::inside(value.clone()) {
            Datum::Document(stage) => stage,
            other => panic!("{other:?}"),
        };
        let read = json::read(text.as_bytes()).unwrap();
        let found = stages(vec![stage(&read)], &class(), form);
        String::from_utf8(json::write(&ejson::written(found[0].clone()))).unwrap()
    }

    #[test]
    fn names_and_values_are_those_on_disk() {
        for (text, expected) in [
            (r#"{"$match":{"objectId":"x"}}"#, r#"{"$match":{"_id":"x"}}"#),
            (r#"{"$match":{"owner":"u1"}}"#, r#"{"$match":{"_p_owner":"_User$u1"}}"#),
            (
                r#"{"$match":{"owner":{"$in":["u1","_User$u2"]}}}"#,
                r#"{"$match":{"_p_owner":{"$in":["_User$u1","_User$u2"]}}}"#,
            ),
            (
                r#"{"$match":{"owner":{"__type":"Pointer","className":"_User","objectId":"u1"}}}"#,
                r#"{"$match":{"_p_owner":"_User$u1"}}"#,
            ),
            (r#"{"$match":{"owner":{"$exists":true}}}"#, r#"{"$match":{"_p_owner":{"$exists":true}}}"#),
            (
                r#"{"$match":{"$or":[{"createdAt":{"$gt":"2020-01-01T00:00:00.000Z"}},{"due":"2020"}]}}"#,
                r#"{"$match":{"$or":[{"_created_at":{"$gt":{"$date":"2020-01-01T00:00:00Z"}}},{"due":{"$date":"2020-01-01T00:00:00Z"}}]}}"#,
            ),
            (r#"{"$match":{"due":"soon","n":"2020-01-01"}}"#, r#"{"$match":{"due":"soon","n":"2020-01-01"}}"#),
            (
                r#"{"$project":{"owner":1,"createdAt":1,"x":"$owner"}}"#,
                r#"{"$project":{"_p_owner":1,"_created_at":1,"x":"$owner"}}"#,
            ),
            (
                r#"{"$group":{"_id":"$owner","d":{"$max":"$createdAt"},"o":{"$push":"$objectId"},"s":"owner"}}"#,
                r#"{"$group":{"_id":"$_p_owner","d":{"$max":"$_created_at"},"o":{"$push":"$objectId"},"s":"owner"}}"#,
            ),
            (
                r#"{"$geoNear":{"query":{"objectId":"x"},"near":[1,2]}}"#,
                r#"{"$geoNear":{"query":{"_id":"x"},"near":[1,2]}}"#,
            ),
            (r#"{"$sort":{"createdAt":1}}"#, r#"{"$sort":{"createdAt":1}}"#),
            (r#"{"$facet":{"a":[{"$match":{"objectId":"x"}}]}}"#, r#"{"$facet":{"a":[{"$match":{"objectId":"x"}}]}}"#),
        ] {
            assert_eq!(translated(text, Form::default()), expected, "{text}");
        }
    }

    #[test]
    fn raw_names_and_values_stay_as_they_are() {
        let names = Form { raw_field_names: true, raw_values: false };
        let values = Form { raw_field_names: false, raw_values: true };
        let text = r#"{"$match":{"owner":"u1","createdAt":"2020-01-01","n":1}}"#;
        assert_eq!(
            translated(text, names),
            r#"{"$match":{"owner":"u1","createdAt":{"$date":"2020-01-01T00:00:00Z"},"n":1}}"#
        );
        assert_eq!(translated(text, values), r#"{"$match":{"_p_owner":"u1","_created_at":"2020-01-01","n":1}}"#);
    }
}
