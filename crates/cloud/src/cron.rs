//! When is something due that stands in a cron expression, in a time zone?

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use parsimony_model::Date;

/// A cron expression in a time zone: five fields, or six with seconds before them.
///
/// Where a clock goes forward, what is due at an hour that does not exist is due right after it; where it goes back, what is
/// due at a fixed time is due once.
#[derive(Clone)]
pub struct Cron {
    expression: String,
    zone_name: String,
    pattern: croner::Cron,
    zone: TimeZone,
}

impl Cron {
    /// Reads an expression such as `30 3 * * MON-FRI`, and the name of a time zone such as `Europe/Vienna`. The error is a
    /// sentence.
    pub fn parse(expression: &str, zone: &str) -> Result<Self, String> {
        let pattern = expression.parse::<croner::Cron>();
        let pattern =
            pattern.map_err(|error| format!("the cron expression \"{expression}\" cannot be read: {error}"))?;
        let known = TimeZone::get(zone).map_err(|error| format!("there is no time zone \"{zone}\": {error}"))?;
        Ok(Self { expression: expression.to_owned(), zone_name: zone.to_owned(), pattern, zone: known })
    }

    /// The first moment after this one at which it is due; `None` if it never is again.
    pub fn next_after(&self, moment: Date) -> Option<Date> {
        let moment = Timestamp::from_millisecond(moment.millis()).ok()?.to_zoned(self.zone.clone());
        let next = self.pattern.find_next_occurrence(&moment, false).ok()?;
        Some(Date::from_millis(next.timestamp().as_millisecond()))
    }

    /// The expression, as it was written.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The name of the time zone.
    pub fn zone(&self) -> &str {
        &self.zone_name
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.expression, self.zone_name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(expression: &str, zone: &str, after: &str) -> String {
        let cron = Cron::parse(expression, zone).unwrap();
        cron.next_after(after.parse().unwrap()).map_or_else(|| "never".to_owned(), Date::to_iso)
    }

    #[test]
    fn an_expression_is_due_in_its_time_zone() {
        for (expression, zone, after, expected) in [
            ("*/15 * * * *", "UTC", "2026-01-01T00:00:00.000Z", "2026-01-01T00:15:00.000Z"),
            ("*/15 * * * *", "UTC", "2026-01-01T00:14:59.999Z", "2026-01-01T00:15:00.000Z"),
            ("30 3 * * *", "Europe/Vienna", "2026-01-10T12:00:00.000Z", "2026-01-11T02:30:00.000Z"),
            ("30 3 * * *", "Europe/Vienna", "2026-07-10T12:00:00.000Z", "2026-07-11T01:30:00.000Z"),
            ("0 9 * * MON", "America/New_York", "2026-11-21T00:00:00.000Z", "2026-11-23T14:00:00.000Z"),
            ("*/10 * * * * *", "UTC", "2026-01-01T00:00:01.000Z", "2026-01-01T00:00:10.000Z"),
            ("0 0 L * *", "UTC", "2028-02-01T00:00:00.000Z", "2028-02-29T00:00:00.000Z"),
            ("0 0 31 2 *", "UTC", "2026-01-01T00:00:00.000Z", "never"),
        ] {
            assert_eq!(next(expression, zone, after), expected, "{expression} {zone} after {after}");
        }
    }

    #[test]
    fn an_hour_that_is_missing_or_there_twice_counts_once() {
        // Vienna, 2026-03-29: two o'clock is followed by three o'clock.
        let missing = next("30 2 * * *", "Europe/Vienna", "2026-03-28T12:00:00.000Z");
        assert_eq!(missing, "2026-03-29T01:00:00.000Z");
        assert_eq!(next("30 2 * * *", "Europe/Vienna", &missing), "2026-03-30T00:30:00.000Z");
        // 2026-10-25: half past two is there twice.
        let first = next("30 2 * * *", "Europe/Vienna", "2026-10-24T12:00:00.000Z");
        assert_eq!(first, "2026-10-25T00:30:00.000Z");
        assert_eq!(next("30 2 * * *", "Europe/Vienna", &first), "2026-10-26T01:30:00.000Z");
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        assert!(Cron::parse("every day", "UTC").unwrap_err().contains("\"every day\""));
        assert!(Cron::parse("99 * * * *", "UTC").unwrap_err().contains("99 * * * *"));
        assert!(Cron::parse("* * * * *", "Mars/Olympus").unwrap_err().contains("Mars/Olympus"));
    }
}
