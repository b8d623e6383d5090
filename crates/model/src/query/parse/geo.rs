//! Which places does a condition ask for: `$nearSphere`, `$within`, `$geoWithin`, `$geoIntersects`.

use super::invalid_json;
use crate::error::ParseError;
use crate::query::Constraint;
use crate::value::{GeoPoint, Map, Polygon, Value};

const MILES_PER_RADIAN: f64 = 3959.0;
const KILOMETERS_PER_RADIAN: f64 = 6371.0;

/// What each greatest distance counts in, per radian. Parse: of several, the last of these counts.
const DISTANCES: [(&str, f64); 4] = [
    ("$maxDistanceInRadians", 1.0),
    ("$maxDistanceInMiles", MILES_PER_RADIAN),
    ("$maxDistanceInKilometers", KILOMETERS_PER_RADIAN),
    ("$maxDistance", 1.0),
];

/// Reads `$nearSphere`, with the greatest distance that stands beside it.
pub(super) fn near(operand: &Value, all: &Map) -> Result<Constraint, ParseError> {
    let center = point(operand).ok_or_else(|| invalid_json("bad $nearSphere value; should be a GeoPoint"))?;
    let mut radians_max = None;
    for (name, per_radian) in DISTANCES {
        if let Some(distance) = all.get(name) {
            let distance = distance.as_f64().filter(|distance| *distance >= 0.0);
            let distance = distance.ok_or_else(|| invalid_json(format!("bad {name} value; should be a number")))?;
            radians_max = Some(distance / per_radian);
        }
    }
    Ok(Constraint::Near { center, radians_max })
}

/// Reads `$within`, which has a `$box`.
pub(super) fn within(operand: &Value) -> Result<Constraint, ParseError> {
    let bad = || invalid_json("malformatted $within arg");
    let corners = operand.as_object().and_then(|map| map.get("$box")).and_then(Value::as_array);
    let Some([southwest, northeast]) = corners else { return Err(bad()) };
    let (southwest, northeast) = (point(southwest).ok_or_else(bad)?, point(northeast).ok_or_else(bad)?);
    Ok(Constraint::WithinBox { southwest, northeast })
}

/// A `GeoPoint`. Parse: in a condition it may lack its `__type`.
fn point(value: &Value) -> Option<GeoPoint> {
    match value {
        Value::GeoPoint(point) => Some(*point),
        Value::Object(map) => GeoPoint::new(map.get("latitude")?.as_f64()?, map.get("longitude")?.as_f64()?),
        _ => None,
    }
}

/// A place given as a `GeoPoint` or as a `[longitude, latitude]` pair.
fn place(value: &Value) -> Option<GeoPoint> {
    match value {
        Value::GeoPoint(point) => Some(*point),
        Value::Array(pair) => match pair.as_slice() {
            [Value::Number(longitude), Value::Number(latitude)] => GeoPoint::new(*latitude, *longitude),
            _ => None,
        },
        _ => None,
    }
}

fn bad_area(what: &str) -> ParseError {
    invalid_json(format!("bad $geoWithin value{what}"))
}

/// Reads `$geoWithin`, which has a `$polygon` or a `$centerSphere`.
pub(super) fn geo_within(operand: &Value) -> Result<Constraint, ParseError> {
    let map = operand.as_object().ok_or_else(|| bad_area(""))?;
    match (map.get("$polygon"), map.get("$centerSphere")) {
        // Parse: the polygon counts if there are both.
        (Some(area), _) => polygon(area),
        (None, Some(sphere)) => center_sphere(sphere),
        (None, None) => Err(bad_area("")),
    }
}

fn center_sphere(operand: &Value) -> Result<Constraint, ParseError> {
    let Some([center, distance, ..]) = operand.as_array() else {
        return Err(bad_area("; $centerSphere should be an array of Parse.GeoPoint and distance"));
    };
    let center = place(center).ok_or_else(|| bad_area("; $centerSphere geo point invalid"))?;
    let radians = distance.as_f64().filter(|radians| *radians >= 0.0);
    let radians = radians.ok_or_else(|| bad_area("; $centerSphere distance invalid"))?;
    Ok(Constraint::WithinSphere { center, radians })
}

fn polygon(operand: &Value) -> Result<Constraint, ParseError> {
    let few = "; $polygon should contain at least 3 GeoPoints";
    let corners = match operand {
        // Parse: here, and only here, the pairs of a Polygon are taken as longitude first.
        Value::Polygon(polygon) => {
            let swapped = polygon.corners().iter().map(|corner| GeoPoint::new(corner.longitude, corner.latitude));
            swapped.collect::<Option<Vec<_>>>()
        }
        // It is no Polygon elsewhere, because its pairs are longitude first.
        Value::Object(map) if map.get("__type").and_then(Value::as_str) == Some("Polygon") => {
            match map.get("coordinates").and_then(Value::as_array) {
                Some(corners) if corners.len() >= 3 => corners.iter().map(place).collect(),
                _ => return Err(bad_area("; Polygon.coordinates should contain at least 3 lon/lat pairs")),
            }
        }
        Value::Array(corners) if corners.len() < 3 => return Err(bad_area(few)),
        Value::Array(corners) => corners.iter().map(place).collect(),
        _ => return Err(bad_area("; $polygon should be Polygon object or Array of Parse.GeoPoint's")),
    };
    let corners = corners.ok_or_else(|| bad_area(""))?;
    Polygon::new(corners).map(Constraint::WithinPolygon).ok_or_else(|| bad_area(few))
}

/// Reads `$geoIntersects`, which has a `$point`.
pub(super) fn intersects(operand: &Value) -> Result<Constraint, ParseError> {
    match operand.as_object().and_then(|map| map.get("$point")) {
        Some(Value::GeoPoint(point)) => Ok(Constraint::Intersects(*point)),
        _ => Err(invalid_json("bad $geoIntersect value; $point should be GeoPoint")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Reading, filter};
    use super::*;
    use crate::query::Filter;
    use crate::value::json;

    fn read(text: &str) -> Result<Constraint, ParseError> {
        let text = format!(r#"{{"a":{text}}}"#);
        let reading = Reading { now: crate::value::Date::EPOCH, internal_fields: false };
        match filter(json::read(text.as_bytes()).unwrap().as_object().unwrap(), reading)? {
            Filter::Field(_, constraint) => Ok(constraint),
            other => panic!("{other:?}"),
        }
    }

    fn at(latitude: f64, longitude: f64) -> GeoPoint {
        GeoPoint::new(latitude, longitude).unwrap()
    }

    #[test]
    fn of_several_distances_parse_takes_one() {
        let point = r#"{"__type":"GeoPoint","latitude":1,"longitude":2}"#;
        for (more, radians) in [
            ("", None),
            (r#","$maxDistance":0.5"#, Some(0.5)),
            (r#","$maxDistanceInMiles":3959"#, Some(1.0)),
            (r#","$maxDistanceInKilometers":12742"#, Some(2.0)),
            (r#","$maxDistance":0.5,"$maxDistanceInMiles":3959,"$maxDistanceInRadians":3"#, Some(0.5)),
            (r#","$maxDistanceInKilometers":12742,"$maxDistanceInMiles":3959"#, Some(2.0)),
        ] {
            let read = read(&format!(r#"{{"$nearSphere":{point}{more}}}"#)).unwrap();
            assert_eq!(read, Constraint::Near { center: at(1.0, 2.0), radians_max: radians }, "{more}");
        }
        let bare = read(r#"{"$nearSphere":{"latitude":1,"longitude":2}}"#).unwrap();
        assert_eq!(bare, Constraint::Near { center: at(1.0, 2.0), radians_max: None });
    }

    #[test]
    fn areas_are_given_in_many_ways() {
        let triangle =
            Constraint::WithinPolygon(Polygon::new(vec![at(40.0, -120.0), at(40.0, 1.0), at(1.0, 1.0)]).unwrap());
        for text in [
            "[[-120,40],[1,40],[1,1]]",
            r#"[{"__type":"GeoPoint","latitude":40,"longitude":-120},[1,40],[1,1],[-120,40]]"#,
            r#"{"__type":"Polygon","coordinates":[[-120,40],[1,40],[1,1]]}"#,
        ] {
            assert_eq!(read(&format!(r#"{{"$geoWithin":{{"$polygon":{text}}}}}"#)).unwrap(), triangle, "{text}");
        }
        let swapped = read(r#"{"$geoWithin":{"$polygon":{"__type":"Polygon","coordinates":[[1,2],[3,4],[5,7]]}}}"#);
        let corners = vec![at(2.0, 1.0), at(4.0, 3.0), at(7.0, 5.0)];
        assert_eq!(swapped.unwrap(), Constraint::WithinPolygon(Polygon::new(corners).unwrap()));
        let both = r#"{"$geoWithin":{"$polygon":[[-120,40],[1,40],[1,1]],"$centerSphere":[[0,0],1]}}"#;
        assert_eq!(read(both).unwrap(), triangle);
        let sphere = read(r#"{"$geoWithin":{"$centerSphere":[[2,1],0.5,"more"]}}"#).unwrap();
        assert_eq!(sphere, Constraint::WithinSphere { center: at(1.0, 2.0), radians: 0.5 });
    }

    #[test]
    fn refusals_have_parse_s_texts() {
        let few = "bad $geoWithin value; $polygon should contain at least 3 GeoPoints";
        let kind = "bad $geoWithin value; $polygon should be Polygon object or Array of Parse.GeoPoint's";
        let pairs = "bad $geoWithin value; Polygon.coordinates should contain at least 3 lon/lat pairs";
        let sphere = "bad $geoWithin value; $centerSphere should be an array of Parse.GeoPoint and distance";
        let point = "bad $geoIntersect value; $point should be GeoPoint";
        for (text, message) in [
            (r#"{"$geoWithin":{"$polygon":[[0,0],[1,1]]}}"#, few),
            (r#"{"$geoWithin":{"$polygon":[1,2,3]}}"#, "bad $geoWithin value"),
            (r#"{"$geoWithin":{"$polygon":[[0,95],[1,1],[2,3]]}}"#, "bad $geoWithin value"),
            (r#"{"$geoWithin":{"$polygon":"x"}}"#, kind),
            (r#"{"$geoWithin":{"$polygon":{"a":1}}}"#, kind),
            (r#"{"$geoWithin":{"$polygon":{"__type":"Polygon"}}}"#, pairs),
            (r#"{"$geoWithin":{"$polygon":{"__type":"Polygon","coordinates":[[0,0],[0,10]]}}}"#, pairs),
            (r#"{"$geoWithin":{"$centerSphere":"x"}}"#, sphere),
            (r#"{"$geoWithin":{"$centerSphere":[[0,0]]}}"#, sphere),
            (r#"{"$geoWithin":{"$centerSphere":[{},1]}}"#, "bad $geoWithin value; $centerSphere geo point invalid"),
            (r#"{"$geoWithin":{"$centerSphere":[[0,0],-1]}}"#, "bad $geoWithin value; $centerSphere distance invalid"),
            (r#"{"$within":{"$box":[]}}"#, "malformatted $within arg"),
            (r#"{"$within":5}"#, "malformatted $within arg"),
            (r#"{"$geoIntersects":{"$point":[1,2]}}"#, point),
            (r#"{"$geoIntersects":{}}"#, point),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!((error.number(), &*error.message), (Some(107), message), "{text}");
        }
        for text in [
            r#"{"$nearSphere":5}"#,
            r#"{"$nearSphere":{"latitude":91,"longitude":0}}"#,
            r#"{"$nearSphere":{"latitude":1,"longitude":0},"$maxDistance":-1}"#,
            r#"{"$nearSphere":{"latitude":1,"longitude":0},"$maxDistanceInMiles":"x"}"#,
        ] {
            assert_eq!(read(text).unwrap_err().number(), Some(107), "{text}");
        }
    }
}
