//! What does a client ask for: the query as a typed value.
//!
//! `query/parse.rs` reads it from the wire (its options in `parse/options.rs`), `query/write.rs` writes it, `query/fit.rs`
//! fits it to a class's fields, `query/advice.rs` is what it says about how to answer. `query/pcre.rs` is its regular
//! expressions, `query/places.rs` its places and `query/text.rs` its texts; `query/matches.rs` puts all of it to one object. A
//! store sees neither subqueries nor wire quirks.

pub mod advice;
pub mod fit;
mod language;
pub mod matches;
pub mod parse;
pub mod pcre;
pub mod places;
pub mod text;
pub mod write;

pub use advice::{Advice, Hint, ReadPreference, Verbosity};

use compact_str::CompactString;

use crate::names::{ClassName, FieldName, ObjectId};
use crate::value::{GeoPoint, Pointer, Polygon, Value};

pub use language::Language;
pub use matches::Matcher;

/// A condition on an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of them; none at all is met by everything.
    And(Vec<Filter>),
    /// At least one of them; none at all is met by nothing.
    Or(Vec<Filter>),
    /// None of them.
    Nor(Vec<Filter>),
    /// A condition on a field; the path may go below it, as in `address.city`.
    Field(CompactString, Constraint),
    /// It is a member of a relation of one object, on the wire `$relatedTo`.
    RelatedTo(Relatives),
    /// Its own relation has one of these as a member, on the wire an equality on a relation field.
    Relates {
        /// The relation field of the class that is queried.
        field: FieldName,
        /// The members asked for.
        members: Vec<ObjectId>,
    },
}

/// The members of a relation of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Relatives {
    /// The object that owns the relation.
    pub owner: Pointer,
    /// Its relation field.
    pub field: FieldName,
}

/// A condition on the value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Constraint {
    /// Equal; against an array, contained; `null` also means missing.
    Equals(Value),
    /// Not equal; also met by a missing value.
    NotEquals(Value),
    /// Less, within the type.
    Less(Value),
    /// Less or equal, within the type.
    LessOrEqual(Value),
    /// Greater, within the type.
    Greater(Value),
    /// Greater or equal, within the type.
    GreaterOrEqual(Value),
    /// One of these.
    In(Vec<Value>),
    /// None of these.
    NotIn(Vec<Value>),
    /// An array with all of these.
    All(Vec<Value>),
    /// An array where for each pattern an element matches.
    AllMatch(Vec<Pattern>),
    /// An array with nothing but these; also met by an empty or missing one.
    ContainedBy(Vec<Value>),
    /// Present or not; `null` is present.
    Exists(bool),
    /// Text that matches.
    Matches(Pattern),
    /// Text that differs in nothing but its case. For finds only; no client can ask it. It keeps user names unique.
    SameText(String),
    /// Text search.
    Text(TextSearch),
    /// Near a place; unless there is another order, the nearest comes first.
    Near {
        /// The place.
        center: GeoPoint,
        /// How far at most, in radians of the earth.
        radians_max: Option<f64>,
    },
    /// Inside a box.
    WithinBox {
        /// Its south-west corner.
        southwest: GeoPoint,
        /// Its north-east corner.
        northeast: GeoPoint,
    },
    /// Inside a polygon.
    WithinPolygon(Polygon),
    /// Inside a circle on the sphere.
    WithinSphere {
        /// Its centre.
        center: GeoPoint,
        /// Its radius, in radians of the earth.
        radians: f64,
    },
    /// An area that contains this place.
    Intersects(GeoPoint),
    /// A pointer to one of the objects that a query finds (`$inQuery`), or to none of them.
    InQuery(Box<SubQuery>, Membership),
    /// A value that a query finds in a field (`$select`), or none of them.
    Select(Box<SubQuery>, CompactString, Membership),
}

impl Constraint {
    /// Whether it asks where something is.
    pub const fn is_about_places(&self) -> bool {
        matches!(
            self,
            Self::Near { .. }
                | Self::WithinBox { .. }
                | Self::WithinPolygon(_)
                | Self::WithinSphere { .. }
                | Self::Intersects(_)
        )
    }
}

/// Whether membership is asked for, or its opposite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// One of them.
    Inside,
    /// None of them.
    Outside,
}

/// A regular expression and its options, of `i`, `m`, `s`, `x`, `u`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The expression, in PCRE's dialect.
    pub source: String,
    /// The options.
    pub options: String,
}

/// A text search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextSearch {
    /// What to look for: any of these words, all `"phrases"` among them, and none that has a `-` before it.
    pub term: String,
    /// The language whose stems and stop words count.
    pub language: Language,
    /// Whether case counts.
    pub case_sensitive: bool,
    /// Whether accents count.
    pub diacritic_sensitive: bool,
}

/// A query inside a query.
#[derive(Debug, Clone, PartialEq)]
pub struct SubQuery {
    /// The class it asks.
    pub class: ClassName,
    /// Ask the class this relation of it leads to instead.
    pub redirect: Option<FieldName>,
    /// What it asks for.
    pub filter: Filter,
}

/// One key of a sort order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The path of a field, or [`Order::SCORE`].
    pub path: CompactString,
    /// Greatest first.
    pub descending: bool,
}

impl Order {
    /// In the place of a path: the score of the text search, the best always first.
    pub const SCORE: &str = "$score";

    /// Whether it sorts by the score of the text search.
    pub fn is_by_score(&self) -> bool {
        self.path == Self::SCORE
    }
}

/// The field that carries the score of a text search, where that is asked for.
pub const SCORE_FIELD: &str = "score";

/// A query of a class, with its options.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// What to find.
    pub filter: Filter,
    /// In which order.
    pub order: Vec<Order>,
    /// How many to leave out first.
    pub skip: u64,
    /// How many at most; `None` leaves it to the server's default.
    pub limit: Option<u64>,
    /// Whether to count all that match.
    pub count: bool,
    /// Whether each object brings its score of the text search in the field [`SCORE_FIELD`].
    pub score: bool,
    /// The only fields wanted; empty means all.
    pub keys: Vec<CompactString>,
    /// Fields not wanted.
    pub exclude_keys: Vec<CompactString>,
    /// Paths of pointers to be replaced by their objects.
    pub include: Vec<CompactString>,
    /// Whether every pointer is to be replaced, one level deep.
    pub include_all: bool,
    /// Ask the class this relation leads to instead.
    pub redirect: Option<FieldName>,
    /// What to tell the database about how to answer.
    pub advice: Advice,
    /// Which member of a replica set to ask for included objects, if not the one for the objects.
    pub include_read_preference: Option<ReadPreference>,
    /// Which member of a replica set to ask in subqueries, if not the one for the objects.
    pub subquery_read_preference: Option<ReadPreference>,
    /// Whether a plan is asked for in the place of the objects.
    pub explain: Option<Verbosity>,
}

impl Filter {
    /// Met by every object.
    pub const fn everything() -> Self {
        Self::And(Vec::new())
    }

    /// Met by no object.
    pub const fn nothing() -> Self {
        Self::Or(Vec::new())
    }

    /// The object with this id.
    pub fn id(id: &ObjectId) -> Self {
        Self::Field("objectId".into(), Constraint::Equals(id.as_str().into()))
    }

    /// The objects with one of these ids.
    pub fn ids<'a>(ids: impl IntoIterator<Item = &'a ObjectId>) -> Self {
        Self::Field("objectId".into(), Constraint::In(ids.into_iter().map(|id| id.as_str().into()).collect()))
    }

    /// A field has this value.
    pub fn equals(path: &str, value: impl Into<Value>) -> Self {
        Self::Field(path.into(), Constraint::Equals(value.into()))
    }

    /// Both conditions.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::And(mut first), Self::And(second)) => {
                first.extend(second);
                Self::And(first)
            }
            (Self::And(mut parts), other) | (other, Self::And(mut parts)) => {
                parts.push(other);
                Self::And(parts)
            }
            (first, second) => Self::And(vec![first, second]),
        }
    }

    /// The field that is searched by distance, the place and the greatest distance in radians, if there is such a condition.
    ///
    /// It stands where all that is found meets it: `parse` refuses it elsewhere.
    pub fn near(&self) -> Option<(&str, GeoPoint, Option<f64>)> {
        self.search().and_then(|(path, constraint)| match constraint {
            Constraint::Near { center, radians_max } => Some((path, *center, *radians_max)),
            _ => None,
        })
    }

    /// The field and the words of a text search, if there is such a condition. It stands where [`Filter::near`] does.
    pub fn text(&self) -> Option<(&str, &TextSearch)> {
        self.search().and_then(|(path, constraint)| match constraint {
            Constraint::Text(search) => Some((path, search)),
            _ => None,
        })
    }

    /// The same filter, which looks no further than so many radians if it searches by distance.
    #[must_use]
    pub fn within(self, radians: f64) -> Self {
        let each = |parts: Vec<Self>| parts.into_iter().map(|part| part.within(radians)).collect();
        match self {
            Self::And(parts) => Self::And(each(parts)),
            Self::Or(parts) if parts.len() == 1 => Self::Or(each(parts)),
            Self::Field(path, Constraint::Near { center, radians_max }) => {
                let radians_max = Some(radians_max.map_or(radians, |max| max.min(radians)));
                Self::Field(path, Constraint::Near { center, radians_max })
            }
            other => other,
        }
    }

    /// The same condition without an order: what is searched by distance is what is within the distance.
    #[must_use]
    pub fn without_distances(self) -> Self {
        let each = |parts: Vec<Self>| parts.into_iter().map(Self::without_distances).collect();
        match self {
            Self::And(parts) => Self::And(each(parts)),
            Self::Or(parts) => Self::Or(each(parts)),
            Self::Nor(parts) => Self::Nor(each(parts)),
            Self::Field(path, Constraint::Near { center, radians_max }) => {
                // Nothing on earth is further away than half of its circumference.
                let radians = radians_max.unwrap_or(std::f64::consts::PI);
                Self::Field(path, Constraint::WithinSphere { center, radians })
            }
            other => other,
        }
    }

    fn search(&self) -> Option<(&str, &Constraint)> {
        match self {
            Self::And(parts) => parts.iter().find_map(Self::search),
            Self::Or(parts) => match parts.as_slice() {
                [only] => only.search(),
                _ => None,
            },
            Self::Field(path, constraint @ (Constraint::Near { .. } | Constraint::Text(_))) => Some((path, constraint)),
            Self::Nor(_) | Self::Field(..) | Self::RelatedTo(_) | Self::Relates { .. } => None,
        }
    }

    /// The id, if the condition is exactly "the object with this id".
    pub fn as_id(&self) -> Option<&str> {
        match self {
            Self::And(parts) => match parts.as_slice() {
                [only] => only.as_id(),
                _ => None,
            },
            Self::Field(path, Constraint::Equals(Value::String(id))) if path == "objectId" => Some(id),
            _ => None,
        }
    }
}

impl Default for Query {
    fn default() -> Self {
        Self {
            filter: Filter::everything(),
            order: Vec::new(),
            skip: 0,
            limit: None,
            count: false,
            score: false,
            keys: Vec::new(),
            exclude_keys: Vec::new(),
            include: Vec::new(),
            include_all: false,
            redirect: None,
            advice: Advice::default(),
            include_read_preference: None,
            subquery_read_preference: None,
            explain: None,
        }
    }
}

impl Query {
    /// A query for what meets this condition.
    pub fn new(filter: Filter) -> Self {
        Self { filter, ..Self::default() }
    }

    /// With at most so many results.
    #[must_use]
    pub fn limit(self, limit: u64) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Sorted by this path, smallest first, after the orders it has.
    #[must_use]
    pub fn ascending(mut self, path: &str) -> Self {
        self.order.push(Order { path: path.into(), descending: false });
        self
    }

    /// Sorted by this path, greatest first, after the orders it has.
    #[must_use]
    pub fn descending(mut self, path: &str) -> Self {
        self.order.push(Order { path: path.into(), descending: true });
        self
    }

    /// With the object in the place of the pointer at this path.
    #[must_use]
    pub fn include(mut self, path: &str) -> Self {
        self.include.push(path.into());
        self
    }
}
