//! How does a statement ask about places? A condition is bound as text; what it means is `model::query::places`.

pub(crate) mod functions;
pub(crate) mod tables;

use parsimony_model::query::Constraint;
pub(crate) use parsimony_model::query::places::{Condition, Spot, is_area};
use parsimony_model::value::json;
use parsimony_model::{GeoPoint, Value};
use parsimony_store::StoreError;

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

/// Reads what [`encode`] wrote.
pub(crate) fn decode(encoded: &str) -> Result<Condition, StoreError> {
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
    Condition::of(&constraint).ok_or_else(broken)
}

/// Reads a column's text.
pub(crate) fn spot(text: &str) -> Result<Spot, StoreError> {
    if let Some(place) = place(text) {
        return Ok(Spot::Place(place));
    }
    let value = json::read(text.as_bytes()).ok();
    value
        .as_ref()
        .and_then(Spot::of)
        .ok_or_else(|| StoreError::Corrupt("a column of places holds something else".to_owned()))
}

/// The place in a text as this store writes it. Reading JSON in general takes ten times as long.
fn place(text: &str) -> Option<GeoPoint> {
    let rest = text.strip_prefix(r#"{"__type":"GeoPoint","latitude":"#)?.strip_suffix('}')?;
    let (latitude, longitude) = rest.split_once(r#","longitude":"#)?;
    GeoPoint::new(latitude.parse().ok()?, longitude.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use parsimony_model::Polygon;

    use super::*;

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
            let back = decode(&encode(&constraint).unwrap()).unwrap();
            assert_eq!(format!("{back:?}"), format!("{:?}", Condition::of(&constraint).unwrap()));
        }
        assert!(encode(&Constraint::Near { center: place, radians_max: None }).is_none());
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
