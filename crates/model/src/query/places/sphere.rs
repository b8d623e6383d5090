//! Where on the sphere is something: places, areas, how far apart they are, and the box around them.
//!
//! Places are unit vectors, so neither a pole nor the antimeridian is anything special.

use std::collections::HashSet;
use std::f64::consts::PI;

use s2::edge_crossings::{Crossing, EdgeCrosser, angle_contains_vertex, crossing_sign};
use s2::edgeutil::distance_from_segment;
use s2::latlng::LatLng;
use s2::point::Point;

use crate::value::{GeoPoint, Polygon};

/// What is as near as this to a border is on it, in radians: the size of MongoDB's smallest cell, about a centimetre.
pub const BORDER_RADIANS: f64 = 1e-9;

/// The vector of a place.
pub fn vector(place: GeoPoint) -> Point {
    Point::from(LatLng::from_degrees(place.latitude, place.longitude))
}

/// How far apart two places are, in radians.
pub fn distance(a: &Point, b: &Point) -> f64 {
    a.distance(b).rad()
}

fn opposite(place: &Point) -> Point {
    *place * -1.0
}

/// An area: the smaller side of its border, whichever way round that goes.
#[derive(Debug, Clone)]
pub struct Area {
    corners: Vec<Point>,
    /// Whether the place that all are compared with, [`Point::origin`], is inside.
    origin_is_inside: bool,
}

impl Area {
    /// The area inside a border; `None` if its edges cross or it comes to a corner twice.
    pub fn new(border: &Polygon) -> Option<Self> {
        let area = Self::unchecked(border);
        (area.has_no_corner_twice() && !area.crosses_itself()).then_some(area)
    }

    /// The area inside a border that was checked before.
    pub fn unchecked(border: &Polygon) -> Self {
        let mut corners: Vec<Point> = border.corners().iter().map(|corner| vector(*corner)).collect();
        corners.dedup();
        while corners.len() > 1 && corners.first() == corners.last() {
            corners.pop();
        }
        let mut area = Self { corners, origin_is_inside: false };
        if let [first, second, third, ..] = area.corners.as_slice() {
            let second_is_inside = angle_contains_vertex(first, second, third);
            let turned = second_is_inside != area.is_inside(second);
            area.origin_is_inside = turned;
            if area.size_to_the_left() > 2.0 * PI {
                area.origin_is_inside = !turned;
            }
        }
        area
    }

    fn edges(&self) -> impl Iterator<Item = (&Point, &Point)> {
        self.corners.iter().zip(self.corners.iter().cycle().skip(1))
    }

    /// The size of what is to the left of the border, as seen by one who walks along it: 0 to 4π.
    fn size_to_the_left(&self) -> f64 {
        let Some((first, rest)) = self.corners.split_first() else { return 0.0 };
        let triangles = rest.iter().zip(rest.iter().skip(1));
        let size: f64 = triangles.map(|(second, third)| signed_size(first, second, third)).sum();
        size.rem_euclid(4.0 * PI)
    }

    /// Whether a place is inside. On the border, it may be either.
    fn is_inside(&self, place: &Point) -> bool {
        let Some(last) = self.corners.last() else { return false };
        let mut crosser = EdgeCrosser::new_with_c(&Point::origin(), place, last);
        let crossings = self.corners.iter().filter(|corner| crosser.chain_edge_or_vertex_crossing(corner)).count();
        (crossings % 2 == 1) != self.origin_is_inside
    }

    /// How far a place is from the border, in radians.
    fn distance_to_border(&self, place: &Point) -> f64 {
        self.edges().map(|(a, b)| distance_from_segment(place, a, b).rad()).fold(f64::INFINITY, f64::min)
    }

    /// How far a place is from the area, in radians; 0 inside.
    pub fn distance(&self, place: &Point) -> f64 {
        if self.is_inside(place) { 0.0 } else { self.distance_to_border(place) }
    }

    /// Whether a place is in the area or on its border.
    pub fn contains(&self, place: &Point) -> bool {
        self.is_inside(place) || self.distance_to_border(place) <= BORDER_RADIANS
    }

    /// Whether all of the area is in a circle: none of it in the circle around the opposite place that is the rest.
    pub fn is_within(&self, center: &Point, radians: f64) -> bool {
        self.distance(&opposite(center)) >= PI - radians
    }

    fn has_no_corner_twice(&self) -> bool {
        let bits = |corner: &Point| [corner.0.x, corner.0.y, corner.0.z].map(f64::to_bits);
        let distinct: HashSet<_> = self.corners.iter().map(bits).collect();
        distinct.len() == self.corners.len() && self.corners.len() >= 3
    }

    fn crosses_itself(&self) -> bool {
        let mut edges: Vec<(Bounds, &Point, &Point)> =
            self.edges().map(|(a, b)| (Bounds::of_edge(a, b), a, b)).collect();
        // By where they begin: an edge is compared only with those that begin before it ends.
        edges.sort_by(|(a, ..), (b, ..)| a.x.low.total_cmp(&b.x.low));
        edges.iter().enumerate().any(|(place, (bounds, a, b))| {
            let others = edges.iter().skip(place + 1).take_while(|(other, ..)| other.x.low <= bounds.x.high);
            let near = others.filter(|(other, ..)| other.meets(bounds));
            near.into_iter().any(|(_, c, d)| crossing_sign(a, b, c, d) == Crossing::Cross)
        })
    }

    /// A box around it.
    pub fn bounds(&self) -> Bounds {
        let mut bounds = self.edges().map(|(a, b)| Bounds::of_edge(a, b)).fold(Bounds::NOTHING, Bounds::with);
        // What is inside reaches further than its border only where it reaches the end of an axis.
        for (x, y, z) in [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)] {
            let end = Point::from_coords(x, y, z);
            for end in [end, opposite(&end)] {
                if self.is_inside(&end) {
                    bounds = bounds.with(Bounds::of_place(&end));
                }
            }
        }
        bounds
    }
}

/// The size of a triangle, below 0 if its corners go clockwise.
fn signed_size(a: &Point, b: &Point, c: &Point) -> f64 {
    let volume = a.0.dot(&b.0.cross(&c.0));
    let cosines = 1.0 + a.0.dot(&b.0) + b.0.dot(&c.0) + c.0.dot(&a.0);
    2.0 * volume.atan2(cosines)
}

/// From a number to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// The least.
    pub low: f64,
    /// The greatest.
    pub high: f64,
}

impl Span {
    const NOTHING: Self = Self { low: f64::INFINITY, high: f64::NEG_INFINITY };

    fn at(place: f64) -> Self {
        Self { low: place, high: place }
    }

    /// What holds both.
    fn with(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    fn wider(self, by: f64) -> Self {
        Self { low: self.low - by, high: self.high + by }
    }

    fn meets(self, other: Self) -> bool {
        self.low <= other.high && self.high >= other.low
    }

    /// What products of numbers in both are in.
    fn times(self, other: Self) -> Self {
        let products = [self.low * other.low, self.low * other.high, self.high * other.low, self.high * other.high];
        products.into_iter().map(Self::at).fold(Self::NOTHING, Self::with)
    }
}

/// A box in the space that the sphere is in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Along the axis through 0° north 0° east.
    pub x: Span,
    /// Along the axis through 0° north 90° east.
    pub y: Span,
    /// Along the axis through the north pole.
    pub z: Span,
}

impl Bounds {
    const NOTHING: Self = Self { x: Span::NOTHING, y: Span::NOTHING, z: Span::NOTHING };

    /// The box around a place.
    pub fn of_place(place: &Point) -> Self {
        Self { x: Span::at(place.0.x), y: Span::at(place.0.y), z: Span::at(place.0.z) }
    }

    /// A box around the shortest way between two places.
    fn of_edge(a: &Point, b: &Point) -> Self {
        // The way rises above the straight line by no more than this.
        let rise = 1.0 - (distance(a, b) / 2.0).cos();
        Self::of_place(a).with(Self::of_place(b)).wider(rise)
    }

    /// A box around a circle; `None` if that is the whole sphere.
    pub fn of_circle(center: &Point, radians: f64) -> Option<Self> {
        if radians >= PI {
            return None;
        }
        let span = |coordinate: f64| {
            let angle = coordinate.clamp(-1.0, 1.0).acos();
            Span { low: (angle + radians).min(PI).cos(), high: (angle - radians).max(0.0).cos() }
        };
        Some(Self { x: span(center.0.x), y: span(center.0.y), z: span(center.0.z) })
    }

    /// A box around all places between these degrees.
    pub fn of_degrees((south, north): (f64, f64), (west, east): (f64, f64)) -> Self {
        let (south, north, west, east) = (south.to_radians(), north.to_radians(), west.to_radians(), east.to_radians());
        let widest = if south <= 0.0 && north >= 0.0 { 1.0 } else { south.cos().max(north.cos()) };
        let out = Span { low: south.cos().min(north.cos()).max(0.0), high: widest };
        Self {
            x: out.times(cosines(west, east)),
            y: out.times(cosines(west - PI / 2.0, east - PI / 2.0)),
            z: Span { low: south.sin(), high: north.sin() },
        }
    }

    /// The box around both.
    fn with(self, other: Self) -> Self {
        Self { x: self.x.with(other.x), y: self.y.with(other.y), z: self.z.with(other.z) }
    }

    /// The box, wider by this on all sides.
    #[must_use]
    pub fn wider(self, by: f64) -> Self {
        Self { x: self.x.wider(by), y: self.y.wider(by), z: self.z.wider(by) }
    }

    fn meets(&self, other: &Self) -> bool {
        self.x.meets(other.x) && self.y.meets(other.y) && self.z.meets(other.z)
    }
}

/// What the cosines of the angles from one to another are in; both are between -3π and 3π.
fn cosines(from: f64, to: f64) -> Span {
    let passes = |angle: f64| {
        (-2..=2).any(|turn| {
            let place = angle + f64::from(turn) * 2.0 * PI;
            from <= place && place <= to
        })
    };
    let ends = Span::at(from.cos()).with(Span::at(to.cos()));
    Span { low: if passes(PI) { -1.0 } else { ends.low }, high: if passes(0.0) { 1.0 } else { ends.high } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(latitude: f64, longitude: f64) -> GeoPoint {
        GeoPoint { latitude, longitude }
    }

    fn area(corners: &[(f64, f64)]) -> Option<Area> {
        Area::new(
            &Polygon::new(corners.iter().map(|(latitude, longitude)| at(*latitude, *longitude)).collect()).unwrap(),
        )
    }

    const SQUARE: [(f64, f64); 4] = [(0.0, 0.0), (0.0, 10.0), (10.0, 10.0), (10.0, 0.0)];

    #[test]
    fn an_area_is_the_smaller_side_of_its_border_whichever_way_round() {
        let backwards: Vec<_> = SQUARE.into_iter().rev().collect();
        for area in [area(&SQUARE).unwrap(), area(&backwards).unwrap()] {
            for (latitude, longitude, inside) in [
                (5.0, 5.0, true),
                (5.0, 15.0, false),
                (-5.0, -175.0, false),
                (90.0, 0.0, false),
                // Borders and corners are inside; and the border to the north is the shortest way, not a parallel.
                (0.0, 5.0, true),
                (5.0, 0.0, true),
                (10.0, 10.0, true),
                (10.02, 5.0, true),
                (10.05, 5.0, false),
                (5.0, -1e-8, true),
                (5.0, -1e-7, false),
            ] {
                assert_eq!(area.contains(&vector(at(latitude, longitude))), inside, "{latitude} {longitude}");
            }
        }
    }

    #[test]
    fn neither_the_antimeridian_nor_a_pole_is_special() {
        let dateline = area(&[(20.0, 170.0), (20.0, -170.0), (-20.0, -170.0), (-20.0, 170.0)]).unwrap();
        let cap = area(&[(80.0, 0.0), (80.0, 90.0), (80.0, 180.0), (80.0, -90.0)]).unwrap();
        for (area, latitude, longitude, inside) in [
            (&dateline, 0.0, 179.0, true),
            (&dateline, 0.0, -179.0, true),
            (&dateline, 0.0, 160.0, false),
            (&dateline, 0.0, 0.0, false),
            (&cap, 90.0, 123.0, true),
            (&cap, 85.0, 45.0, true),
            (&cap, 70.0, 45.0, false),
            (&cap, -90.0, 0.0, false),
        ] {
            let place = vector(at(latitude, longitude));
            assert_eq!(area.contains(&place), inside, "{latitude} {longitude}");
            let around = Bounds::of_place(&place).wider(1e-9);
            assert!(!inside || area.bounds().meets(&around), "{latitude} {longitude} is in the box");
        }
        assert!((cap.bounds().z.high - 1.0).abs() < 1e-9, "the pole is in the box of what is around it");
    }

    #[test]
    fn what_is_no_area_is_told() {
        for (corners, fine) in [
            (vec![(0.0, 0.0), (10.0, 10.0), (0.0, 10.0), (10.0, 0.0)], false),
            (vec![(0.0, 0.0), (0.0, 10.0), (10.0, 10.0), (0.0, 0.0), (-10.0, -10.0), (0.0, -10.0)], false),
            (vec![(0.0, 0.0), (0.0, 10.0), (10.0, 10.0), (0.0, 10.0)], false),
            (vec![(0.0, 0.0), (0.0, 0.0), (0.0, 10.0), (10.0, 10.0)], true),
            (vec![(0.0, 0.0), (0.0, 5.0), (0.0, 10.0)], true),
        ] {
            assert_eq!(area(&corners).is_some(), fine, "{corners:?}");
        }
    }

    #[test]
    fn distances_are_along_the_sphere() {
        let square = area(&SQUARE).unwrap();
        let quarter = distance(&vector(at(0.0, 0.0)), &vector(at(90.0, 0.0)));
        assert!((quarter - PI / 2.0).abs() < 1e-12);
        assert!(square.distance(&vector(at(5.0, 5.0))) < 1e-12);
        assert!((square.distance(&vector(at(-10.0, 5.0))) - 10_f64.to_radians()).abs() < 1e-9);
        let center = vector(at(5.0, 5.0));
        assert!(square.is_within(&center, 0.2) && !square.is_within(&center, 0.1) && square.is_within(&center, 4.0));
    }

    #[test]
    fn a_box_of_degrees_holds_every_place_in_it() {
        for ((south, north), (west, east)) in [
            ((-10.0, 20.0), (30.0, 40.0)),
            ((50.0, 90.0), (-180.0, 180.0)),
            ((-90.0, -80.0), (100.0, 170.0)),
            ((5.0, 6.0), (-100.0, 120.0)),
        ] {
            let bounds = Bounds::of_degrees((south, north), (west, east));
            for step in 0..=100 {
                for other in 0..=100 {
                    let part = |from: f64, to: f64, step: i32| from + (to - from) * f64::from(step) / 100.0;
                    let place = vector(at(part(south, north, step), part(west, east, other)));
                    assert!(bounds.wider(1e-12).meets(&Bounds::of_place(&place)), "{south} {north} {west} {east}");
                }
            }
        }
    }
}
