//! What is a value inside a pipeline? BSON, as far as a pipeline sees it: rows on disk, not Parse's objects.

use std::cmp::Ordering;

use compact_str::CompactString;
use indexmap::IndexMap;

use crate::query::Pattern;
use crate::value::{Date, Map, Value, json};

/// The fields of a document, in order.
pub type Document = IndexMap<CompactString, Datum, crate::hashing::Keyed>;

/// A value of a document.
#[derive(Debug, Clone, Default)]
pub enum Datum {
    /// `null`; a field that is missing is no datum at all.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number of 32 bits.
    Int(i32),
    /// A whole number of 64 bits.
    Long(i64),
    /// Any other number.
    Double(f64),
    /// A decimal number, as text; only MongoDB counts with them.
    Decimal(String),
    /// Text.
    String(String),
    /// A moment.
    Date(Date),
    /// Bytes, and MongoDB's number for their kind.
    Bytes(Vec<u8>, u8),
    /// MongoDB's own kind of id.
    Id([u8; 12]),
    /// A regular expression.
    Regex(Pattern),
    /// A list.
    Array(Vec<Datum>),
    /// A document.
    Document(Document),
}

impl Datum {
    /// A number as JavaScript's driver writes it: whole and small is an Int, all else a Double.
    pub fn number(number: f64) -> Self {
        let whole = number as i32;
        // The bits tell 0 from -0, which stays a Double.
        if f64::from(whole).to_bits() == number.to_bits() { Self::Int(whole) } else { Self::Double(number) }
    }

    /// A whole number, as small as it fits.
    pub fn whole(number: i64) -> Self {
        i32::try_from(number).map_or(Self::Long(number), Self::Int)
    }

    /// A value as it stands inside a list or an object of a row: every type but dates and bytes spelled out.
    pub fn inside(value: Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => Self::number(number),
            Value::String(text) => Self::String(text),
            Value::Date(date) => Self::Date(date),
            Value::Bytes(bytes) => Self::Bytes(bytes, 0),
            Value::Array(items) => Self::Array(items.into_iter().map(Self::inside).collect()),
            Value::Object(map) => Self::Document(document(map)),
            Value::Included(object) => Self::inside(Value::Pointer(object.pointer())),
            spelled @ (Value::File(_)
            | Value::GeoPoint(_)
            | Value::Polygon(_)
            | Value::Pointer(_)
            | Value::Relation(_)) => Self::spelled(&spelled),
        }
    }

    /// A value as JSON spells it, its type among its fields.
    pub fn spelled(value: &Value) -> Self {
        // A value has text keys only and is written to memory, so neither step can fail.
        serde_json::from_slice::<serde_json::Value>(&json::write(value)).map_or(Self::Null, Self::from_json)
    }

    fn from_json(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => Self::number(number.as_f64().unwrap_or_default()),
            serde_json::Value::String(text) => Self::String(text),
            serde_json::Value::Array(items) => Self::Array(items.into_iter().map(Self::from_json).collect()),
            serde_json::Value::Object(map) => {
                Self::Document(map.into_iter().map(|(key, value)| (key.into(), Self::from_json(value))).collect())
            }
        }
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The number, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(f64::from(*number)),
            Self::Long(number) => Some(*number as f64),
            Self::Double(number) => Some(*number),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// The document, if it is one.
    pub fn as_document(&self) -> Option<&Document> {
        if let Self::Document(document) = self { Some(document) } else { None }
    }

    /// MongoDB's name for the type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Long(_) => "long",
            Self::Double(_) => "double",
            Self::Decimal(_) => "decimal",
            Self::String(_) => "string",
            Self::Date(_) => "date",
            Self::Bytes(..) => "binData",
            Self::Id(_) => "objectId",
            Self::Regex(_) => "regex",
            Self::Array(_) => "array",
            Self::Document(_) => "object",
        }
    }

    /// Which of two values comes first: first by type, then by value, as MongoDB sorts.
    pub fn order(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank()).then_with(|| self.order_of_same_kind(other))
    }

    /// The place of the type among the types. Values of different ranks are never compared by `$gt` and the like.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Null => 1,
            Self::Int(_) | Self::Long(_) | Self::Double(_) | Self::Decimal(_) => 2,
            Self::String(_) => 3,
            Self::Document(_) => 4,
            Self::Array(_) => 5,
            Self::Bytes(..) => 6,
            Self::Id(_) => 7,
            Self::Bool(_) => 8,
            Self::Date(_) => 9,
            Self::Regex(_) => 10,
        }
    }

    fn order_of_same_kind(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::String(a), Self::String(b)) => a.cmp(b),
            (Self::Date(a), Self::Date(b)) => a.cmp(b),
            (Self::Bytes(a, a_kind), Self::Bytes(b, b_kind)) => {
                a.len().cmp(&b.len()).then(a_kind.cmp(b_kind)).then_with(|| a.cmp(b))
            }
            (Self::Id(a), Self::Id(b)) => a.cmp(b),
            (Self::Regex(a), Self::Regex(b)) => a.source.cmp(&b.source).then_with(|| a.options.cmp(&b.options)),
            (Self::Array(a), Self::Array(b)) => order_of_lists(a, b),
            (Self::Document(a), Self::Document(b)) => order_of_documents(a, b),
            _ => order_of_numbers(self, other),
        }
    }
}

/// The same value, whatever the type of the number; the keys of documents in the same order.
impl PartialEq for Datum {
    fn eq(&self, other: &Self) -> bool {
        self.order(other).is_eq()
    }
}

/// A map as a document.
pub fn document(map: Map) -> Document {
    map.into_iter().map(|(key, value)| (key, Datum::inside(value))).collect()
}

fn order_of_lists(a: &[Datum], b: &[Datum]) -> Ordering {
    let pairs = a.iter().zip(b).map(|(a, b)| a.order(b));
    pairs.into_iter().find(|order| order.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
}

/// Type, then name, then value of each field, as MongoDB compares documents.
fn order_of_documents(a: &Document, b: &Document) -> Ordering {
    let pairs = a.iter().zip(b).map(|((a_key, a), (b_key, b))| {
        a.rank().cmp(&b.rank()).then_with(|| a_key.cmp(b_key)).then_with(|| a.order(b))
    });
    pairs.into_iter().find(|order| order.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
}

fn order_of_numbers(a: &Datum, b: &Datum) -> Ordering {
    let whole = |datum: &Datum| match datum {
        Datum::Int(number) => Some(i64::from(*number)),
        Datum::Long(number) => Some(*number),
        _ => None,
    };
    let any = |datum: &Datum| match datum {
        Datum::Decimal(text) => text.parse().unwrap_or(f64::NAN),
        other => other.as_f64().unwrap_or(f64::NAN),
    };
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(a), None) => order_of_mixed(a, any(b)),
        (None, Some(b)) => order_of_mixed(b, any(a)).reverse(),
        (None, None) => order_of_doubles(any(a), any(b)),
    }
}

/// NaN comes before every other number and is equal to itself; so is -0 to 0.
fn order_of_doubles(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// Exact where a double cannot hold the whole number.
fn order_of_mixed(whole: i64, double: f64) -> Ordering {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() || double < -BEYOND {
        return Ordering::Greater;
    }
    if double >= BEYOND {
        return Ordering::Less;
    }
    whole.cmp(&(double as i64)).then_with(|| order_of_doubles(0.0, double.fract()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map;

    #[test]
    fn values_are_in_mongodb_s_order() {
        let text = |text: &str| Datum::String(text.to_owned());
        let ascending = [
            Datum::Null,
            Datum::Double(f64::NAN),
            Datum::Double(f64::NEG_INFINITY),
            Datum::Int(-1),
            Datum::Double(0.5),
            Datum::Long(9_007_199_254_740_992),
            Datum::Long(9_007_199_254_740_993),
            Datum::Double(1e300),
            text(""),
            text("B"),
            text("a"),
            Datum::Document(document(map! { "a" => 1 })),
            Datum::Document(document(map! { "b" => 0 })),
            Datum::Document(document(map! { "a" => "x" })),
            Datum::Array(vec![]),
            Datum::Array(vec![Datum::Int(1)]),
            Datum::Array(vec![Datum::Int(1), Datum::Null]),
            Datum::Bytes(vec![2], 0),
            Datum::Bytes(vec![1, 1], 0),
            Datum::Bool(false),
            Datum::Bool(true),
            Datum::Date(Date::EPOCH),
        ];
        for (place, a) in ascending.iter().enumerate() {
            for (other, b) in ascending.iter().enumerate() {
                assert_eq!(a.order(b), place.cmp(&other), "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn numbers_are_equal_whatever_their_type() {
        assert_eq!(Datum::Int(1), Datum::Double(1.0));
        assert_eq!(Datum::Double(-0.0), Datum::Int(0));
        assert_eq!(Datum::Double(f64::NAN), Datum::Double(f64::NAN));
        assert_ne!(Datum::Long(9_007_199_254_740_993), Datum::Double(9_007_199_254_740_992.0));
    }

    #[test]
    fn the_order_of_keys_counts() {
        let a = Datum::Document(document(map! { "a" => 1, "b" => 2 }));
        let b = Datum::Document(document(map! { "b" => 2, "a" => 1 }));
        assert_ne!(a, b);
    }

    #[test]
    fn inside_a_row_types_are_spelled_out() {
        let pointer = r#"{"__type":"Pointer","className":"C","objectId":"x"}"#;
        let value = json::read(pointer.as_bytes()).unwrap();
        let expected = document(map! { "__type" => "Pointer", "className" => "C", "objectId" => "x" });
        assert_eq!(Datum::inside(value), Datum::Document(expected));
        assert!(matches!(Datum::inside(1.into()), Datum::Int(1)));
        assert!(matches!(Datum::inside(Value::Number(-0.0)), Datum::Double(_)));
    }
}
