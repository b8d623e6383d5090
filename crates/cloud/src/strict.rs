//! What is an object, to a typed parameter? An object alone. By itself serde would take a list of its fields' values too.

use serde::Deserializer;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Error as _, IntoDeserializer, Unexpected, Visitor};
use serde_json::{Error, Value};

/// JSON that is read as what it is.
pub(crate) struct Strict(pub(crate) Value);

impl IntoDeserializer<'_, Error> for Strict {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Strict {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => {
                let mut items = SeqDeserializer::new(items.into_iter().map(Self));
                let read = visitor.visit_seq(&mut items)?;
                items.end().map(|()| read)
            }
            Value::Object(fields) => {
                let mut fields = MapDeserializer::new(fields.into_iter().map(|(name, value)| (name, Self(value))));
                let read = visitor.visit_map(&mut fields)?;
                fields.end().map(|()| read)
            }
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                plain.deserialize_any(visitor)
            }
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.0.is_array() {
            return Err(Error::invalid_type(Unexpected::Seq, &visitor));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
    }

    #[derive(Debug, PartialEq, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Inner {
        a: u8,
        colour: Option<Colour>,
        more: Vec<Inner>,
        wide: u64,
        pair: (i8, f64),
    }

    #[test]
    fn an_object_is_no_list_at_any_depth_and_all_else_is_as_ever() {
        let good = json!({ "a": 1, "colour": "red", "more": [{ "a": 2 }, {}], "wide": u64::MAX, "pair": [-1, 0.5] });
        let usual: Inner = serde_json::from_value(good.clone()).unwrap();
        assert_eq!(Inner::deserialize(Strict(good)).unwrap(), usual);
        for (wrong, expected) in [
            (json!([]), "invalid type: sequence, expected struct Inner"),
            (json!({ "more": [[3]] }), "invalid type: sequence, expected struct Inner"),
            (json!({ "a": 300 }), "invalid value: integer `300`, expected u8"),
            (json!({ "b": 1 }), "unknown field `b`"),
            (json!({ "colour": "blue" }), "unknown variant `blue`"),
            (json!({ "pair": [1, 2.0, 3] }), "invalid length 3"),
        ] {
            let error = Inner::deserialize(Strict(wrong)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
