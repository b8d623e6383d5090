//! When is it which time where a device is?

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use parsimony_model::Date;

/// How far east of UTC a place may be: there a local time is reached first.
const EAST_MAX_MILLIS: i64 = 14 * 3_600_000;

/// How far west of UTC a place may be: there it is reached last.
const WEST_MAX_MILLIS: i64 = 12 * 3_600_000;

/// All offsets from UTC are multiples of this.
const STEP_MILLIS: i64 = 15 * 60_000;

/// A date and a time, wherever it is read; kept as the milliseconds since 1970 that it would be in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil(Date);

impl Civil {
    /// Reads a date, or a date and a time, that names no zone.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let has_date = text.len() >= 10 && text.starts_with(|first: char| first.is_ascii_digit());
        if !has_date || text.ends_with(['Z', 'z']) || text.parse::<jiff::Timestamp>().is_ok() {
            return None;
        }
        let civil = text.parse::<DateTime>().ok()?;
        let millis = civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond();
        Some(Self(Date::from_millis(millis)))
    }

    /// The one that is kept as so many milliseconds.
    pub(super) fn from_millis(millis: i64) -> Self {
        Self(Date::from_millis(millis))
    }

    /// As it is kept.
    pub(super) fn millis(self) -> i64 {
        self.0.millis()
    }

    /// When it is this time in UTC.
    pub(super) fn in_utc(self) -> Date {
        self.0
    }

    /// When it is this time in a zone, and how many minutes that is east of UTC. What is no zone counts as UTC.
    pub(super) fn in_zone(self, zone: Option<&str>) -> (Date, i32) {
        let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
        let civil = Offset::UTC
            .to_datetime(jiff::Timestamp::from_millisecond(self.0.millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH));
        match civil.to_zoned(zone) {
            Ok(zoned) => (Date::from_millis(zoned.timestamp().as_millisecond()), zoned.offset().seconds() / 60),
            Err(_) => (self.0, 0),
        }
    }

    /// When it is first this time anywhere.
    pub(super) fn first(self) -> Date {
        self.0.plus_millis(-EAST_MAX_MILLIS)
    }

    /// When it is last this time anywhere.
    pub(super) fn last(self) -> Date {
        self.0.plus_millis(WEST_MAX_MILLIS)
    }

    /// The first moment after this one at which it may become this time somewhere; `None` if it was everywhere.
    pub(super) fn next_after(self, moment: Date) -> Option<Date> {
        let steps = (moment.millis() - self.first().millis()).div_euclid(STEP_MILLIS) + 1;
        let next = self.first().plus_millis(steps.max(0) * STEP_MILLIS);
        (next <= self.last()).then_some(next)
    }
}

/// When a push shall be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PushTime {
    /// At this moment.
    At(Date),
    /// At this moment, which was given in seconds.
    Seconds(Date),
    /// When it is this time where the device is.
    Local(Civil),
}

impl PushTime {
    /// When the first devices are due.
    pub(super) fn first(self) -> Date {
        match self {
            Self::At(moment) | Self::Seconds(moment) => moment,
            Self::Local(civil) => civil.first(),
        }
    }
}

/// As `_PushStatus` keeps it: without a Z where it is not a moment, and, as Parse has it, where it was given in seconds.
impl fmt::Display for PushTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(moment) => write!(f, "{moment}"),
            Self::Seconds(moment) => f.write_str(moment.to_iso().trim_end_matches('Z')),
            Self::Local(civil) => f.write_str(civil.in_utc().to_iso().trim_end_matches('Z')),
        }
    }
}

/// What an offset from UTC is called in the counters of a push: in hours, or in minutes where those do not do.
pub(super) fn offset_name(minutes: i32) -> String {
    if minutes % 60 == 0 { (minutes / 60).to_string() } else { minutes.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn civil(text: &str) -> Civil {
        Civil::parse(text).unwrap()
    }

    #[test]
    fn a_local_time_is_reached_when_it_is_there() {
        let noon = civil("2026-07-01T12:00");
        for (zone, expected, minutes) in [
            (Some("Europe/Vienna"), "2026-07-01T10:00:00.000Z", 120),
            (Some("Asia/Kolkata"), "2026-07-01T06:30:00.000Z", 330),
            (Some("America/New_York"), "2026-07-01T16:00:00.000Z", -240),
            (Some("Pacific/Kiritimati"), "2026-06-30T22:00:00.000Z", 840),
            (Some("nowhere"), "2026-07-01T12:00:00.000Z", 0),
            (None, "2026-07-01T12:00:00.000Z", 0),
        ] {
            let (moment, offset) = noon.in_zone(zone);
            assert_eq!((moment.to_iso().as_str(), offset), (expected, minutes), "{zone:?}");
            assert!(noon.first() <= moment && moment <= noon.last());
        }
        assert_eq!((offset_name(330), offset_name(-240)), ("330".to_owned(), "-4".to_owned()));
    }

    #[test]
    fn every_moment_at_which_it_may_be_due_is_looked_at_once() {
        let noon = civil("2026-07-01T12:00");
        let looks: Vec<Date> =
            std::iter::successors(noon.next_after(Date::EPOCH), |now| noon.next_after(*now)).collect();
        assert_eq!((looks.len(), looks[0], looks[looks.len() - 1]), (105, noon.first(), noon.last()));
        assert!(looks.contains(&noon.in_zone(Some("Asia/Kathmandu")).0));
    }

    #[test]
    fn what_names_a_zone_is_no_local_time() {
        for moment in ["2026-07-01T12:00:00Z", "2026-07-01T12:00:00+02:00", "noon", "", "1234567890"] {
            assert_eq!(Civil::parse(moment), None, "{moment}");
        }
        assert_eq!(civil("2026-07-01").in_utc().to_iso(), "2026-07-01T00:00:00.000Z");
    }
}
