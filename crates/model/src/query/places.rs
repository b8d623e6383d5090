//! Does a place or an area meet a condition? What MongoDB means by it: distances and areas are on the sphere, boxes and polygons
//! of a condition are flat, on the plane of degrees.

pub mod sphere;

use s2::point::Point;

use self::sphere::{Area, BORDER_RADIANS, Bounds, distance, vector};
use super::Constraint;
use crate::value::{GeoPoint, Polygon, Value};

/// What is somewhere.
#[derive(Debug, Clone)]
pub enum Spot {
    /// A place.
    Place(GeoPoint),
    /// An area.
    Area(Area),
}

impl Spot {
    /// What a value is to conditions on places; `None` for what is neither a place nor an area.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::GeoPoint(place) => Some(Self::Place(*place)),
            Value::Polygon(border) => Some(Self::Area(Area::unchecked(border))),
            _ => None,
        }
    }

    /// How far it is from a place, in radians.
    pub fn distance(&self, to: &Point) -> f64 {
        match self {
            Self::Place(place) => distance(&vector(*place), to),
            Self::Area(area) => area.distance(to),
        }
    }

    /// A box around it.
    pub fn bounds(&self) -> Bounds {
        match self {
            Self::Place(place) => Bounds::of_place(&vector(*place)),
            Self::Area(area) => area.bounds(),
        }
    }
}

/// A condition on places.
#[derive(Debug, Clone)]
pub enum Condition {
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
    pub fn of(constraint: &Constraint) -> Option<Self> {
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

    /// Whether what is there meets it.
    pub fn is_met(&self, spot: &Spot) -> bool {
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
    pub fn bounds(&self) -> Option<Bounds> {
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
pub fn is_area(border: &Polygon) -> bool {
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
}
