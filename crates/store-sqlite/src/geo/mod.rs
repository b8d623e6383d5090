//! Does what is in a column of places or areas meet a condition? What MongoDB means by it: distances and areas are on the
//! sphere, boxes and polygons of a condition are flat, on the plane of degrees.

pub(crate) mod functions;
mod sphere;
pub(crate) mod tables;

use parsimony_model::query::Constraint;
use parsimony_model::value::json;
use parsimony_model::{GeoPoint, Polygon, Value};
use parsimony_store::StoreError;
use s2::point::Point;

use self::sphere::{Area, BORDER_RADIANS, Bounds, distance, vector};

/// What a column holds.
pub(crate) enum Spot {
    /// A place.
    Place(GeoPoint),
    /// An area.
    Area(Area),
}

impl Spot {
    /// Reads a column's text.
    pub(crate) fn read(text: &str) -> Result<Self, StoreError> {
        if let Some(place) = place(text) {
            return Ok(Self::Place(place));
        }
        match json::read(text.as_bytes()) {
            Ok(Value::GeoPoint(place)) => Ok(Self::Place(place)),
            Ok(Value::Polygon(border)) => Ok(Self::Area(Area::unchecked(&border))),
            _ => Err(StoreError::Corrupt("a column of places holds something else".to_owned())),
        }
    }

    /// How far it is from a place, in radians.
    pub(crate) fn distance(&self, to: &Point) -> f64 {
        match self {
            Self::Place(place) => distance(&vector(*place), to),
            Self::Area(area) => area.distance(to),
        }
    }

    /// A box around it.
    pub(crate) fn bounds(&self) -> Bounds {
        match self {
            Self::Place(place) => Bounds::of_place(&vector(*place)),
            Self::Area(area) => area.bounds(),
        }
    }
}

/// The place in a text as this store writes it. Reading JSON in general takes ten times as long.
fn place(text: &str) -> Option<GeoPoint> {
    let rest = text.strip_prefix(r#"{"__type":"GeoPoint","latitude":"#)?.strip_suffix('}')?;
    let (latitude, longitude) = rest.split_once(r#","longitude":"#)?;
    GeoPoint::new(latitude.parse().ok()?, longitude.parse().ok()?)
}

/// A condition on places.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    /// Not further from a place than so many radians.
    Near(Point, f64),
    /// In a circle, with all of itself.
    Circle(Point, f64),
    /// Between these degrees: south and north, west and east.
    Box((f64, f64), (f64, f64)),
    /// In a flat figure with these corners, longitude first.
    Figure(Vec<(f64, f64)>),
    /// At this place, or around it.
    Around(Point),
}

impl Condition {
    /// What a constraint asks for; `None` for those that are not about places, and for a distance without a bound.
    pub(crate) fn of(constraint: &Constraint) -> Option<Self> {
        Some(match constraint {
            Constraint::Near { center, radians_max } => Self::Near(vector(*center), (*radians_max)?),
            Constraint::WithinSphere { center, radians } => Self::Circle(vector(*center), *radians),
            Constraint::WithinBox { southwest, northeast } => {
                // MongoDB: any two opposite corners make a box.
                let range = |a: f64, b: f64| (a.min(b), a.max(b));
                let degrees = range(southwest.latitude, northeast.latitude);
                Self::Box(degrees, range(southwest.longitude, northeast.longitude))
            }
            Constraint::WithinPolygon(border) => {
                Self::Figure(border.corners().iter().map(|corner| (corner.longitude, corner.latitude)).collect())
            }
            Constraint::Intersects(place) => Self::Around(vector(*place)),
            _ => return None,
        })
    }

    /// The constraint as a text that a statement can bind.
    pub(crate) fn encode(constraint: &Constraint) -> Option<String> {
        let pair = |place: &GeoPoint| Value::GeoPoint(*place);
        let (name, first, second) = match constraint {
            Constraint::Near { center, radians_max } => ("near", pair(center), (*radians_max)?.into()),
            Constraint::WithinSphere { center, radians } => ("sphere", pair(center), (*radians).into()),
            Constraint::WithinBox { southwest, northeast } => ("box", pair(southwest), pair(northeast)),
            Constraint::WithinPolygon(border) => ("polygon", Value::Polygon(border.clone()), Value::Null),
            Constraint::Intersects(place) => ("intersects", pair(place), Value::Null),
            _ => return None,
        };
        String::from_utf8(json::write(&Value::Array(vec![name.into(), first, second]))).ok()
    }

    /// Reads what [`Self::encode`] wrote.
    pub(crate) fn decode(encoded: &str) -> Result<Self, StoreError> {
        let broken = || StoreError::Corrupt("a condition on places cannot be read".to_owned());
        let Ok(Value::Array(parts)) = json::read(encoded.as_bytes()) else { return Err(broken()) };
        let [name, first, second] = parts.as_slice() else { return Err(broken()) };
        let constraint = match (name.as_str(), first, second) {
            (Some("near"), Value::GeoPoint(center), Value::Number(radians)) => {
                Constraint::Near { center: *center, radians_max: Some(*radians) }
            }
            (Some("sphere"), Value::GeoPoint(center), Value::Number(radians)) => {
                Constraint::WithinSphere { center: *center, radians: *radians }
            }
            (Some("box"), Value::GeoPoint(southwest), Value::GeoPoint(northeast)) => {
                Constraint::WithinBox { southwest: *southwest, northeast: *northeast }
            }
            (Some("polygon"), Value::Polygon(border), _) => Constraint::WithinPolygon(border.clone()),
            (Some("intersects"), Value::GeoPoint(place), _) => Constraint::Intersects(*place),
            _ => return Err(broken()),
        };
        Self::of(&constraint).ok_or_else(broken)
    }

    /// Whether what a column holds meets it.
    pub(crate) fn is_met(&self, spot: &Spot) -> bool {
        match (self, spot) {
            (Self::Near(center, radians), spot) => spot.distance(center) <= *radians,
            (Self::Circle(center, radians), Spot::Place(place)) => distance(&vector(*place), center) <= *radians,
            (Self::Circle(center, radians), Spot::Area(area)) => area.is_within(center, *radians),
            (Self::Box((south, north), (west, east)), Spot::Place(place)) => {
                (*south..=*north).contains(&place.latitude) && (*west..=*east).contains(&place.longitude)
            }
            (Self::Figure(corners), Spot::Place(place)) => is_in_figure(corners, (place.longitude, place.latitude)),
            (Self::Around(center), Spot::Place(place)) => distance(&vector(*place), center) <= BORDER_RADIANS,
            (Self::Around(center), Spot::Area(area)) => area.contains(center),
            (Self::Box(..) | Self::Figure(_), Spot::Area(_)) => false,
        }
    }

    /// A box around all that can meet it; `None` if that can be anywhere.
    pub(crate) fn bounds(&self) -> Option<Bounds> {
        // Wider than numbers are wrong.
        const SLACK: f64 = 1e-9;
        let bounds = match self {
            Self::Near(center, radians) | Self::Circle(center, radians) => Bounds::of_circle(center, *radians)?,
            Self::Box(latitudes, longitudes) => Bounds::of_degrees(*latitudes, *longitudes),
            Self::Figure(corners) => {
                let range = |degrees: fn(&(f64, f64)) -> f64| {
                    let all = corners.iter().map(degrees);
                    (all.clone().fold(f64::INFINITY, f64::min), all.fold(f64::NEG_INFINITY, f64::max))
                };
                Bounds::of_degrees(range(|corner| corner.1), range(|corner| corner.0))
            }
            Self::Around(center) => Bounds::of_place(center).wider(BORDER_RADIANS),
        };
        Some(bounds.wider(SLACK))
    }
}

/// Whether a border is one of an area: no two of its edges cross.
pub(crate) fn is_area(border: &Polygon) -> bool {
    Area::new(border).is_some()
}

/// Whether a place is in a flat figure. MongoDB: corners and edges along an axis belong to it; of the others, those do that
/// have the figure to their west.
fn is_in_figure(corners: &[(f64, f64)], (x, y): (f64, f64)) -> bool {
    let mut crossings = 0_u32;
    for (a, b) in corners.iter().zip(corners.iter().cycle().skip(1)) {
        let (low, high) = if a.1 <= b.1 { (a, b) } else { (b, a) };
        let between = (a.0.min(b.0)..=a.0.max(b.0)).contains(&x) && (low.1..=high.1).contains(&y);
        #[expect(clippy::float_cmp, reason = "an edge is along an axis, or it is not")]
        let is_straight = a.0 == b.0 || a.1 == b.1;
        if between && (is_straight || (x, y) == *a || (x, y) == *b) {
            return true;
        }
        // A ray to the east meets an edge that begins below it and does not end there.
        if low.1 < y && y <= high.1 {
            let at = low.0 + (y - low.1) * (high.0 - low.0) / (high.1 - low.1);
            crossings += u32::from(x <= at);
        }
    }
    crossings % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_of_flat_figures_are_as_mongodb_has_them() {
        let triangle = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0)];
        for (place, inside) in [
            ((9.0, 1.0), true),
            ((5.0, 0.0), true),
            ((10.0, 5.0), true),
            ((0.0, 0.0), true),
            ((10.0, 10.0), true),
            // The slanting edge has the figure to its east.
            ((5.0, 5.0), false),
            ((5.1, 5.0), true),
            ((11.0, 5.0), false),
        ] {
            assert_eq!(is_in_figure(&triangle, place), inside, "{place:?}");
        }
        let other = [(0.0, 0.0), (10.0, 0.0), (0.0, 10.0)];
        assert!(is_in_figure(&other, (5.0, 5.0)), "this one has it to its west");
    }

    #[test]
    fn a_condition_goes_round() {
        let place = GeoPoint { latitude: 1.0, longitude: 2.5 };
        let other = GeoPoint { latitude: -3.0, longitude: 170.0 };
        let border = Polygon::new(vec![place, other, GeoPoint { latitude: 0.0, longitude: 0.0 }]).unwrap();
        for constraint in [
            Constraint::Near { center: place, radians_max: Some(0.1) },
            Constraint::WithinSphere { center: place, radians: 0.5 },
            Constraint::WithinBox { southwest: place, northeast: other },
            Constraint::WithinPolygon(border),
            Constraint::Intersects(place),
        ] {
            let back = Condition::decode(&Condition::encode(&constraint).unwrap()).unwrap();
            assert_eq!(format!("{back:?}"), format!("{:?}", Condition::of(&constraint).unwrap()));
        }
        assert!(Condition::encode(&Constraint::Near { center: place, radians_max: None }).is_none());
    }

    #[test]
    fn a_place_is_read_as_it_is_written() {
        for (latitude, longitude) in [(0.0, -0.5), (-33.865_143, 151.2099), (1e-7, 180.0)] {
            let written = String::from_utf8(json::write(&Value::GeoPoint(GeoPoint { latitude, longitude }))).unwrap();
            assert_eq!(place(&written), Some(GeoPoint { latitude, longitude }), "{written}");
        }
        assert!(place(r#"{"__type":"GeoPoint","latitude":1,"longitude":2,"more":3}"#).is_none());
    }
}
