//! What does a push ask for: to whom, what, when and until when?

use parsimony_model::value::Map;
use parsimony_model::{Date, ErrorCode, ParseError, Value, map};

use super::api::no_query;
use super::zones::{Civil, PushTime};

/// A push that can be sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    /// The condition on devices, as it was sent.
    pub(crate) query: Map,
    /// What is handed to those who send.
    pub(crate) body: Map,
    /// When it is worth nothing any more.
    pub(crate) expires_at: Option<Date>,
    /// After how many seconds it is worth nothing any more.
    pub(crate) interval: Option<f64>,
    /// When it shall be sent, if not now.
    pub(crate) time: Option<PushTime>,
    /// The audience that is addressed.
    pub(crate) audience: Option<String>,
}

/// What happens to the badges of the devices before they are told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Badge {
    /// They grow, and each device is told its own.
    Grow(f64),
    /// They become this.
    Become(f64),
}

fn refused(text: impl Into<std::borrow::Cow<'static, str>>) -> ParseError {
    ParseError::new(ErrorCode::PushMisconfigured, text)
}

/// The condition on devices that a body holds.
pub(super) fn audience(body: &Map) -> Result<Map, ParseError> {
    match (body.get("where"), body.get("channels")) {
        (Some(_), Some(_)) => Err(refused("Channels and query can not be set at the same time.")),
        (Some(Value::Object(query)), None) => Ok(query.clone()),
        (Some(_), None) => Err(no_query()),
        (None, Some(channels)) => Ok(map! { "channels" => map! { "$in" => channels.clone() } }),
        (None, None) => Err(refused("Sending a push requires either \"channels\" or a \"where\" query.")),
    }
}

impl Asked {
    /// Reads the body of a request.
    pub(super) fn read(mut body: Map, query: Map, now: Date) -> Result<Self, ParseError> {
        let mut expires_at = body.get("expiration_time").map(moment).transpose()?;
        let interval = body.get("expiration_interval").map(interval).transpose()?;
        if expires_at.is_some() && interval.is_some() {
            return Err(refused("Both expiration_time and expiration_interval cannot be set"));
        }
        let time = body.get("push_time").map(push_time).transpose()?;
        if let (Some(seconds), None) = (interval, &time) {
            expires_at = Some(after(now, seconds));
        }
        badge(&body)?;
        let audience = body.get("audience_id").and_then(Value::as_str).map(str::to_owned);
        for field in ["where", "channels", "audience_id", "expiration_time", "expiration_interval", "push_time"] {
            body.shift_remove(field);
        }
        Ok(Self { query, body, expires_at, interval, time, audience })
    }
}

/// So many seconds after a moment.
pub(super) fn after(moment: Date, seconds: f64) -> Date {
    moment.plus_millis((seconds * 1_000.0) as i64)
}

fn not_valid(value: &Value) -> ParseError {
    refused(format!("{} is not valid time.", parsimony_model::names::shorten(&spelled(value))))
}

/// As JavaScript puts a value into a text.
fn spelled(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let spelled = items.iter().map(|item| if item.is_null() { String::new() } else { spelled(item) });
            spelled.collect::<Vec<_>>().join(",")
        }
        _ => "[object Object]".to_owned(),
    }
}

/// Seconds since 1970, or text.
fn moment(value: &Value) -> Result<Date, ParseError> {
    let moment = match value {
        Value::Number(seconds) if seconds.is_finite() => Some(Date::from_millis((seconds * 1_000.0) as i64)),
        Value::String(text) => match Civil::parse(text) {
            // Parse: what names no zone is meant as the server's, which is UTC.
            Some(civil) => Some(civil.in_utc()),
            None => text.parse().ok(),
        },
        _ => None,
    };
    moment.ok_or_else(|| not_valid(value))
}

fn push_time(value: &Value) -> Result<PushTime, ParseError> {
    if let Some(civil) = value.as_str().and_then(Civil::parse) {
        return Ok(PushTime::Local(civil));
    }
    let at = moment(value)?;
    // Parse: what was given as a number is kept as a local time is, but it is a moment.
    Ok(if value.as_f64().is_some() { PushTime::Seconds(at) } else { PushTime::At(at) })
}

fn interval(value: &Value) -> Result<f64, ParseError> {
    match value.as_f64().filter(|seconds| *seconds > 0.0) {
        Some(seconds) => Ok(seconds),
        None => Err(refused("expiration_interval must be a number greater than 0")),
    }
}

/// What a body says of badges. Parse: a badge that is zero or empty is told, and changes nothing.
pub(super) fn badge(body: &Map) -> Result<Option<Badge>, ParseError> {
    let badge = body.get("data").and_then(Value::as_object).and_then(|data| data.get("badge"));
    let Some(badge) = badge.filter(|badge| badge.is_truthy()) else { return Ok(None) };
    let known = match badge {
        Value::String(text) if text.eq_ignore_ascii_case("increment") => Some(Badge::Grow(1.0)),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()).map(Badge::Become),
        Value::Number(number) => Some(Badge::Become(*number)),
        Value::Object(op) => {
            let grows = op.get("__op").and_then(Value::as_str).is_some_and(|op| op.eq_ignore_ascii_case("increment"));
            let amount = op.get("amount").and_then(Value::as_f64).filter(|amount| *amount != 0.0);
            amount.filter(|_| grows).map(Badge::Grow)
        }
        _ => None,
    };
    let text = "Invalid value for badge, expected number or 'Increment' or {increment: number}";
    known.map(Some).ok_or_else(|| refused(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Date = Date::EPOCH;

    fn read(body: Map) -> Result<Asked, ParseError> {
        let query = audience(&body)?;
        Asked::read(body, query, NOW)
    }

    fn with(field: &str, value: impl Into<Value>) -> Map {
        map! { "channels" => vec!["a"], field => value.into() }
    }

    #[test]
    fn an_interval_counts_from_now_unless_the_push_is_for_later() {
        assert_eq!(read(with("expiration_interval", 1.5)).unwrap().expires_at, Some(Date::from_millis(1_500)));
        let mut later = with("expiration_interval", 1.5);
        later.insert("push_time".into(), "2099-01-01T00:00:00Z".into());
        let later = read(later).unwrap();
        assert_eq!((later.expires_at, later.interval), (None, Some(1.5)));
        assert_eq!(later.time, Some(PushTime::At("2099-01-01T00:00:00Z".parse().unwrap())));
    }

    #[test]
    fn a_time_without_a_zone_is_one_where_the_device_is() {
        for local in ["2099-01-01T10:00", "2099-01-01T10:00:00", "2099-01-01T10:00:00.000"] {
            let time = read(with("push_time", local)).unwrap().time;
            assert_eq!(time.map(|time| time.to_string()), Some("2099-01-01T10:00:00.000".to_owned()), "{local}");
        }
        for moment in ["2099-01-01T10:00:00Z", "2099-01-01T12:00:00+02:00", "2099-01-01T04:30:00-05:30"] {
            let time = read(with("push_time", moment)).unwrap().time;
            assert_eq!(time.map(|time| time.to_string()), Some("2099-01-01T10:00:00.000Z".to_owned()), "{moment}");
        }
    }

    #[test]
    fn badges_grow_or_become() {
        let badge_of = |badge: &Value| super::badge(&map! { "data" => map! { "badge" => badge.clone() } });
        let of = |badge: Value| badge_of(&badge).unwrap();
        assert_eq!(of("INCREMENT".into()), Some(Badge::Grow(1.0)));
        assert_eq!(of(map! { "__op" => "increment", "amount" => -2 }.into()), Some(Badge::Grow(-2.0)));
        assert_eq!(of(7.into()), Some(Badge::Become(7.0)));
        assert_eq!(of("7".into()), Some(Badge::Become(7.0)));
        assert_eq!(of(0.into()), None);
        for bad in [Value::from("more"), true.into(), map! { "__op" => "Increment" }.into(), Value::Array(Vec::new())] {
            assert_eq!(badge_of(&bad).unwrap_err().number(), Some(115), "{bad:?}");
        }
    }
}
