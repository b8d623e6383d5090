//! What is a value: the types a field can hold, each once, whatever door or store it came through.

pub mod json;

use std::fmt;
use std::str::FromStr;

use compact_str::CompactString;
use indexmap::IndexMap;

use crate::error::{ErrorCode, ParseError};
use crate::names::{ClassName, ObjectId};
use crate::object::Object;

/// Fields by name, in the order they were written.
pub type Map = IndexMap<CompactString, Value, crate::hashing::Keyed>;

/// A value of a field, a parameter or a result.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// JSON `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Parse's Number is a double.
    Number(f64),
    /// Text.
    String(String),
    /// A moment, to the millisecond.
    Date(Date),
    /// Raw bytes.
    Bytes(Vec<u8>),
    /// A reference to a stored file.
    File(File),
    /// A place on earth.
    GeoPoint(GeoPoint),
    /// An area on earth.
    Polygon(Polygon),
    /// A reference to an object.
    Pointer(Pointer),
    /// The other side of a many-to-many field; the members live in a join table.
    Relation(ClassName),
    /// A list.
    Array(Vec<Value>),
    /// A plain JSON object.
    Object(Map),
    /// A whole object that an `include` put in the place of its pointer. Never stored.
    Included(Box<Object>),
}

impl Value {
    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The number, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// The date, if it is one.
    pub fn as_date(&self) -> Option<Date> {
        if let Self::Date(date) = self { Some(*date) } else { None }
    }

    /// The list, if it is one.
    pub fn as_array(&self) -> Option<&[Value]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// The plain object, if it is one.
    pub fn as_object(&self) -> Option<&Map> {
        if let Self::Object(map) = self { Some(map) } else { None }
    }

    /// What it points at: a pointer, or an object that was put in its place.
    pub fn as_pointer(&self) -> Option<Pointer> {
        match self {
            Self::Pointer(pointer) => Some(pointer.clone()),
            Self::Included(object) => Some(object.pointer()),
            _ => None,
        }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// JavaScript's idea of true: everything but null, false, 0, NaN and the empty text.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(value) => *value,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::String(text) => !text.is_empty(),
            _ => true,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}
impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}
impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Number(f64::from(number))
    }
}
impl From<Date> for Value {
    fn from(date: Date) -> Self {
        Self::Date(date)
    }
}
impl From<Pointer> for Value {
    fn from(pointer: Pointer) -> Self {
        Self::Pointer(pointer)
    }
}
impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Object(map)
    }
}
impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::Array(items.into_iter().map(Into::into).collect())
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Builds a [`Map`] from `"key" => value` pairs.
#[macro_export]
macro_rules! map {
    ($($key:expr => $value:expr),* $(,)?) => {{
        #[allow(unused_mut, clippy::allow_attributes, reason = "an empty map is never changed")]
        let mut map = $crate::value::Map::default();
        $( map.insert(::std::convert::From::from($key), $crate::value::Value::from($value)); )*
        map
    }};
}

/// A moment in UTC: milliseconds since 1970, within the years that ISO 8601 spells with four digits and around them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Date(i64);

/// When 1970 began in UTC.
const EPOCH: jiff::civil::DateTime = jiff::civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// JavaScript's last moment; nothing beyond it has a text form.
const MILLIS_MAX: i64 = 8_640_000_000_000_000;

impl Date {
    /// 1970-01-01T00:00:00.000Z.
    pub const EPOCH: Self = Self(0);

    /// A moment, given in milliseconds since 1970. Clamped to what JavaScript can express.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(-MILLIS_MAX, MILLIS_MAX))
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// This moment, moved.
    #[must_use]
    pub fn plus_millis(self, millis: i64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// Parse's text form, `2026-01-31T12:00:00.000Z`.
    pub fn to_iso(self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(civil) = EPOCH.checked_add(jiff::SignedDuration::from_millis(self.0)) else {
            return f.write_str("Invalid date");
        };
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            civil.year(),
            civil.month(),
            civil.day(),
            civil.hour(),
            civil.minute(),
            civil.second(),
            civil.millisecond()
        )
    }
}

impl FromStr for Date {
    type Err = ParseError;

    /// Reads ISO 8601: a date, or a date and a time with `Z` or an offset.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let millis = text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond).or_else(|error| {
            // A timestamp leaves room for time zones at the end of the year 9999, which many use to mean "never".
            let civil = match text.strip_suffix('Z') {
                Some(utc) => utc.parse::<jiff::civil::DateTime>().ok(),
                None => text.parse::<jiff::civil::Date>().ok().map(jiff::civil::Date::into),
            };
            let millis = civil.map(|civil| civil.duration_since(EPOCH).as_millis());
            millis.and_then(|millis| i64::try_from(millis).ok()).ok_or(error)
        });
        match millis {
            Ok(millis) => Ok(Self::from_millis(millis)),
            Err(_) => Err(ParseError::new(
                ErrorCode::IncorrectType,
                format!("This is not a valid Date: {}", crate::names::shorten(text)),
            )),
        }
    }
}

/// A reference to a stored file. Stores keep the name; the URL is built when it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The name it is stored under.
    pub name: String,
    /// Where it can be read, if known.
    pub url: Option<String>,
}

/// A place on earth, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GeoPoint {
    /// North is positive; -90 to 90.
    pub latitude: f64,
    /// East is positive; -180 to 180.
    pub longitude: f64,
}

impl GeoPoint {
    /// A place, if the degrees are ones of the earth.
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        ((-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude))
            .then_some(Self { latitude, longitude })
    }
}

/// An area: its corners in order, without the closing repetition of the first.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon(Vec<GeoPoint>);

/// How many corners an area may have: whatever is done with it takes its time for each of them.
const CORNERS_MAX: usize = 10_000;

impl Polygon {
    /// An area of at least three distinct corners, and at most 10,000. A closing repetition of the first corner is dropped.
    pub fn new(mut corners: Vec<GeoPoint>) -> Option<Self> {
        if corners.len() > 1 && corners.first() == corners.last() {
            corners.pop();
        }
        let mut distinct: Vec<&GeoPoint> = Vec::with_capacity(3);
        for corner in &corners {
            if distinct.len() < 3 && !distinct.contains(&corner) {
                distinct.push(corner);
            }
        }
        (distinct.len() >= 3 && corners.len() <= CORNERS_MAX).then_some(Self(corners))
    }

    /// The corners, each once.
    pub fn corners(&self) -> &[GeoPoint] {
        &self.0
    }

    /// The corners with the first repeated at the end, as JSON and `GeoJSON` want them.
    pub fn closed(&self) -> impl Iterator<Item = &GeoPoint> {
        self.0.iter().chain(self.0.first())
    }
}

/// A reference to an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pointer {
    /// The class of the object.
    pub class: ClassName,
    /// The id of the object.
    pub id: ObjectId,
}

impl Pointer {
    /// A reference to the object of this class with this id.
    pub fn new(class: ClassName, id: ObjectId) -> Self {
        Self { class, id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_written_as_parse_does() {
        for (text, expected) in [
            ("2026-01-31T12:00:00.000Z", "2026-01-31T12:00:00.000Z"),
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"),
            ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00.000Z"),
            ("2026-01-31", "2026-01-31T00:00:00.000Z"),
            ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
            ("0001-01-01T00:00:00.000Z", "0001-01-01T00:00:00.000Z"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(text.parse::<Date>().unwrap().to_iso(), expected, "{text}");
        }
        for text in ["yesterday", "Z", "", "2026-13-01T00:00:00.000Z", "2026-01-31T25:00:00Z"] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_polygon_needs_three_distinct_corners() {
        let at = |latitude, longitude| GeoPoint { latitude, longitude };
        assert!(Polygon::new(vec![at(0.0, 0.0), at(0.0, 1.0), at(0.0, 0.0)]).is_none());
        let area = Polygon::new(vec![at(0.0, 0.0), at(0.0, 1.0), at(1.0, 1.0), at(0.0, 0.0)]).unwrap();
        assert_eq!((area.corners().len(), area.closed().count()), (3, 4));
        let many = |count: u32| (0..count).map(|number| at(f64::from(number) / 1e3, 0.0)).collect();
        assert!(Polygon::new(many(10_000)).is_some() && Polygon::new(many(10_001)).is_none());
    }
}
