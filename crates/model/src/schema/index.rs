//! What is an index of a class: its keys, its options, and their JSON.

use compact_str::{CompactString, format_compact};
use indexmap::IndexMap;

use super::ClassSchema;
use crate::error::{ErrorCode, ParseError};
use crate::names::shorten;
use crate::query::parse::{self, Reading};
use crate::query::{Constraint, Filter, fit};
use crate::value::{Date, Map, Value};

/// An index of a class.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Index {
    /// Fields in order, each with `1`, `-1`, or text such as `"text"` or `"2dsphere"`.
    pub keys: IndexMap<CompactString, Value>,
    /// Whether two objects may not have the same values.
    pub unique: bool,
    /// Whether objects without the fields are left out of it.
    pub sparse: bool,
    /// Whether text that differs in its case alone is the same to it.
    pub ignore_case: bool,
    /// How long after the moment in its field an object is removed.
    pub expire_after_seconds: Option<u64>,
    /// The `where` of the objects that are in it; it is unique among those.
    pub partial_filter: Option<Map>,
}

/// The kinds of a key that are no direction.
const KINDS: [&str; 4] = ["text", "2dsphere", "2d", "hashed"];

/// As far ahead as MongoDB counts.
const EXPIRE_AFTER_SECONDS_MAX: u64 = 2_147_483_647;

impl Index {
    /// An ascending index on these fields.
    pub fn on(fields: &[&str]) -> Self {
        let keys = fields.iter().map(|field| ((*field).into(), Value::from(1))).collect();
        Self { keys, ..Self::default() }
    }

    /// An index on this field for text searches.
    pub fn for_text(field: &str) -> Self {
        Self { keys: std::iter::once((field.into(), "text".into())).collect(), ..Self::default() }
    }

    /// The same index, refusing equal values.
    #[must_use]
    pub fn unique(self) -> Self {
        Self { unique: true, ..self }
    }

    /// The same index, without the objects that lack its fields.
    #[must_use]
    pub fn sparse(self) -> Self {
        Self { sparse: true, ..self }
    }

    /// The same index, to which text that differs in its case alone is the same.
    #[must_use]
    pub fn ignoring_case(self) -> Self {
        Self { ignore_case: true, ..self }
    }

    /// The same index; objects are removed so many seconds after the moment in its field.
    #[must_use]
    pub fn expiring_after(self, seconds: u64) -> Self {
        Self { expire_after_seconds: Some(seconds), ..self }
    }

    /// The same index, over the objects that meet this `where` alone.
    #[must_use]
    pub fn only_where(self, condition: Map) -> Self {
        Self { partial_filter: Some(condition), ..self }
    }

    /// Whether it is for text searches.
    pub fn is_for_text(&self) -> bool {
        self.keys.values().any(|kind| kind.as_str() == Some("text"))
    }

    /// The fields that a text search looks into.
    pub fn text_fields(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter(|(_, kind)| kind.as_str() == Some("text")).map(|(field, _)| field.as_str())
    }

    /// Reads Parse's form, `{"field": 1}`, or ours with options: `{"keys": {"field": 1}, "unique": true, "sparse": true,
    /// "ignoreCase": true, "expireAfterSeconds": 60, "partialFilterExpression": {"field": {"$exists": true}}}`.
    pub fn parse(map: &Map) -> Self {
        let entries = |map: &Map| map.iter().map(|(key, value)| (path(key), value.clone())).collect();
        let is = |option: &str| map.get(option).is_some_and(Value::is_truthy);
        #[expect(clippy::cast_sign_loss, reason = "it is not negative")]
        let seconds = |number: f64| (number >= 0.0).then_some(number as u64);
        match map.get("keys").and_then(Value::as_object) {
            Some(keys) => Self {
                keys: entries(keys),
                unique: is("unique"),
                sparse: is("sparse"),
                ignore_case: is("ignoreCase"),
                expire_after_seconds: map.get("expireAfterSeconds").and_then(Value::as_f64).and_then(seconds),
                partial_filter: map.get("partialFilterExpression").and_then(Value::as_object).cloned(),
            },
            None => Self { keys: entries(map), ..Self::default() },
        }
    }

    /// The wire form, which has no options. Parse: login providers are shown as MongoDB calls them.
    pub(super) fn shown(&self) -> Value {
        let shown = |key: &CompactString| match key.strip_prefix("authData.") {
            Some(rest) => format_compact!("{PROVIDER}{rest}"),
            None => key.clone(),
        };
        Value::Object(self.keys.iter().map(|(key, kind)| (shown(key), kind.clone())).collect())
    }

    /// Parse's form, which has no options.
    pub fn keys_to_value(&self) -> Value {
        Value::Object(self.keys.iter().map(|(key, kind)| (key.clone(), kind.clone())).collect())
    }

    /// The form with options.
    pub fn to_value(&self) -> Value {
        let mut map = Map::default();
        map.insert("keys".into(), self.keys_to_value());
        let flags = [("unique", self.unique), ("sparse", self.sparse), ("ignoreCase", self.ignore_case)];
        map.extend(flags.into_iter().filter(|(_, is)| *is).map(|(option, is)| (option.into(), is.into())));
        if let Some(seconds) = self.expire_after_seconds {
            map.insert("expireAfterSeconds".into(), (seconds as f64).into());
        }
        if let Some(condition) = &self.partial_filter {
            map.insert("partialFilterExpression".into(), Value::Object(condition.clone()));
        }
        Value::Object(map)
    }

    /// Refuses what no store can keep: kinds of keys that do not exist, options that do not go together (102).
    pub fn check(&self, name: &str, class: &ClassSchema) -> Result<(), ParseError> {
        let name = shorten(name);
        let refuse = |why: &str| Err(invalid(format!("Index {name} cannot be added: {why}.")));
        if name.is_empty() || name.starts_with('$') || name.contains('\0') {
            return refuse("its name is not valid");
        }
        if self.keys.is_empty() {
            return refuse("it has no fields");
        }
        let is_kind = |kind: &Value| match kind {
            Value::Number(number) => *number != 0.0 && number.is_finite(),
            Value::String(kind) => KINDS.contains(&kind.as_str()),
            _ => false,
        };
        if !self.keys.values().all(is_kind) {
            return refuse("a field is indexed by 1, -1, \"text\", \"2dsphere\", \"2d\" or \"hashed\"");
        }
        if self.unique && self.keys.values().any(|kind| kind.as_str().is_some()) {
            return refuse("only an index by 1 or -1 can be unique");
        }
        if let Some(seconds) = self.expire_after_seconds
            && (self.keys.len() != 1 || seconds > EXPIRE_AFTER_SECONDS_MAX)
        {
            return refuse("one that removes objects has one field, and counts to 2147483647 seconds");
        }
        if self.partial_filter.is_some() && self.sparse {
            return refuse("it can be sparse or partial, not both");
        }
        self.condition(class).map(drop)
    }

    /// The condition of a partial index, fitted to its class.
    pub fn condition(&self, class: &ClassSchema) -> Result<Option<Filter>, ParseError> {
        let Some(conditions) = &self.partial_filter else { return Ok(None) };
        let reading = Reading { now: Date::EPOCH, internal_fields: true };
        let filter = fit::filter(parse::filter(conditions, reading)?, class)?;
        check_partial(&filter)?;
        Ok(Some(filter))
    }
}

/// Before the name of a login provider, in Parse's name of its index.
const PROVIDER: &str = "_auth_data_";

/// The path that a key stands for; in Parse's own indexes it may be what MongoDB calls it.
fn path(key: &CompactString) -> CompactString {
    match (key.strip_prefix("_p_"), key.strip_prefix(PROVIDER)) {
        (Some(field), _) => field.into(),
        (_, Some(rest)) => format_compact!("authData.{rest}"),
        _ => key.clone(),
    }
}

fn invalid(text: String) -> ParseError {
    ParseError::new(ErrorCode::InvalidQuery, text)
}

/// What MongoDB takes as the condition of a partial index.
fn check_partial(filter: &Filter) -> Result<(), ParseError> {
    let compared = |value: &Value| !matches!(value, Value::Null | Value::Object(_) | Value::Array(_));
    let is_possible = match filter {
        Filter::And(parts) => return parts.iter().try_for_each(check_partial),
        Filter::Field(_, constraint) => match constraint {
            Constraint::Exists(there) => *there,
            Constraint::In(values) => values.len() == 1 && values.iter().all(compared),
            Constraint::Equals(value)
            | Constraint::Less(value)
            | Constraint::LessOrEqual(value)
            | Constraint::Greater(value)
            | Constraint::GreaterOrEqual(value) => compared(value),
            _ => false,
        },
        _ => false,
    };
    if is_possible {
        return Ok(());
    }
    Err(invalid(
        "The condition of a partial index has $eq, $gt, $gte, $lt, $lte and $exists: true, joined by $and.".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{ClassName, FieldName};
    use crate::schema::{Field, FieldType};
    use crate::value::json;

    fn read(text: &str) -> Index {
        Index::parse(json::read(text.as_bytes()).unwrap().as_object().unwrap())
    }

    fn class() -> ClassSchema {
        let mut class = ClassSchema::new(ClassName::parse("C").unwrap());
        for (name, kind) in [("a", FieldType::String), ("at", FieldType::Date)] {
            class.fields.insert(FieldName::parse(name).unwrap(), Field::plain(kind));
        }
        class
    }

    #[test]
    fn an_index_goes_round_with_its_options() {
        for text in [
            r#"{"keys":{"a":1,"b":-1}}"#,
            r#"{"keys":{"a":1},"unique":true,"sparse":true}"#,
            r#"{"keys":{"a":"text"}}"#,
            r#"{"keys":{"at":1},"expireAfterSeconds":3600}"#,
            r#"{"keys":{"a":1},"unique":true,"partialFilterExpression":{"at":{"$exists":true}}}"#,
        ] {
            assert_eq!(String::from_utf8(json::write(&read(text).to_value())).unwrap(), text);
            read(text).check("i", &class()).unwrap();
        }
        assert_eq!(read(r#"{"a":1}"#), Index::on(&["a"]));
        assert_eq!(read(r#"{"_p_a":1,"_auth_data_x.id":-1}"#).keys.keys().collect::<Vec<_>>(), ["a", "authData.x.id"]);
        assert_eq!(read(r#"{"a":"text"}"#).text_fields().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn what_no_store_can_keep_is_refused() {
        for (name, text) in [
            ("i", r"{}"),
            ("", r#"{"a":1}"#),
            ("$i", r#"{"a":1}"#),
            ("i", r#"{"a":"nope"}"#),
            ("i", r#"{"a":0}"#),
            ("i", r#"{"a":true}"#),
            ("i", r#"{"keys":{"a":"text"},"unique":true}"#),
            ("i", r#"{"keys":{"a":1,"at":1},"expireAfterSeconds":1}"#),
            ("i", r#"{"keys":{"a":1},"sparse":true,"partialFilterExpression":{"a":"x"}}"#),
            ("i", r#"{"keys":{"a":1},"partialFilterExpression":{"a":{"$ne":"x"}}}"#),
            ("i", r#"{"keys":{"a":1},"partialFilterExpression":{"$or":[{"a":"x"}]}}"#),
            ("i", r#"{"keys":{"a":1},"partialFilterExpression":{"a":null}}"#),
        ] {
            assert_eq!(read(text).check(name, &class()).unwrap_err().number(), Some(102), "{name} {text}");
        }
    }
}
