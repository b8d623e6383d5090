//! Which clock do the parts of a date belong to: a time zone, or so much time from UTC?

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{Args, at, refused};
use crate::aggregate::datum::Datum;
use crate::aggregate::failure::Failure;
use crate::value::Date;

/// When 1970 began.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// A time zone.
#[derive(Debug, Clone)]
pub(super) enum Zone {
    /// So many seconds east of UTC.
    Fixed(i32),
    /// One with a name, and a history.
    Named(TimeZone),
}

impl Zone {
    /// UTC.
    pub(super) const UTC: Self = Self::Fixed(0);

    /// The zone in an operand: UTC if there is none, nothing if it is null or missing although it was named.
    pub(super) fn of(args: &Args<'_>, place: usize) -> Result<Option<Self>, Failure> {
        match at(args, place) {
            None if !args.is_given(place) => Ok(Some(Self::UTC)),
            None | Some(Datum::Null) => Ok(None),
            Some(Datum::String(name)) => Self::parse(name).map(Some),
            Some(other) => refused(format!("timezone must evaluate to a string, found {}", other.kind())),
        }
    }

    fn parse(name: &str) -> Result<Self, Failure> {
        if matches!(name, "UTC" | "GMT" | "Z") {
            return Ok(Self::UTC);
        }
        if let Some(seconds) = offset(name) {
            return Ok(Self::Fixed(seconds));
        }
        match TimeZone::get(name) {
            Ok(zone) => Ok(Self::Named(zone)),
            Err(_) => refused(format!("unrecognized time zone identifier: \"{}\"", crate::names::shorten(name))),
        }
    }

    /// How many seconds its clocks are ahead of UTC's at a moment.
    pub(super) fn offset(&self, date: Date) -> i32 {
        match self {
            Self::Fixed(seconds) => *seconds,
            Self::Named(zone) => {
                Timestamp::from_millisecond(date.millis()).map_or(0, |moment| zone.to_offset(moment).seconds())
            }
        }
    }

    /// What its clocks show at a moment.
    pub(super) fn local(&self, date: Date) -> Result<DateTime, Failure> {
        let shown = date.millis().saturating_add(i64::from(self.offset(date)) * 1_000);
        match EPOCH.checked_add(SignedDuration::from_millis(shown)) {
            Ok(local) => Ok(local),
            Err(_) => refused("The year of a date must be between -9999 and 9999."),
        }
    }

    /// The moment at which its clocks show this.
    pub(super) fn moment(&self, local: DateTime) -> Date {
        if let Self::Named(zone) = self
            && let Ok(moment) = zone.to_ambiguous_timestamp(local).compatible()
        {
            return Date::from_millis(moment.as_millisecond());
        }
        let shown = i64::try_from(local.duration_since(EPOCH).as_millis()).unwrap_or_default();
        let ahead = if let Self::Fixed(seconds) = self { i64::from(*seconds) * 1_000 } else { 0 };
        Date::from_millis(shown.saturating_sub(ahead))
    }
}

/// `+hh`, `+hhmm` or `+hh:mm`, in seconds.
pub(super) fn offset(text: &str) -> Option<i32> {
    let (sign, digits) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(digits), _) => (1, digits),
        (_, Some(digits)) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replacen(':', "", 1);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || !matches!(digits.len(), 2 | 4) {
        return None;
    }
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { 0 } else { minutes.parse::<i32>().ok()? };
    Some(sign * (hours.parse::<i32>().ok()? * 3_600 + minutes * 60))
}
