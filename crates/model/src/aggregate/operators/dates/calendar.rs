//! Calculating with dates: from parts, so much later, how far apart, the start of a span.

use jiff::Span;
use jiff::civil::{self, DateTime, Time, Weekday};

use super::{Args, Made, Zone, at, moment, must_be_moment, null, refused, shown, there, whole};
use crate::aggregate::datum::Datum;
use crate::aggregate::failure::Failure;
use crate::value::Date;

pub(super) const MOVE: &[(&str, bool)] = &[("startDate", true), ("unit", true), ("amount", true), ("timezone", false)];

const HOUR_MILLIS: i64 = 3_600_000;

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    /// One that is always as long, in milliseconds.
    Fixed(i64),
}

impl Unit {
    /// The unit in an operand; nothing if it is null or missing.
    fn of(name: &str, args: &Args<'_>, place: usize) -> Result<Option<Self>, Failure> {
        let unit = match at(args, place) {
            None | Some(Datum::Null) => return Ok(None),
            Some(Datum::String(unit)) => unit,
            Some(other) => {
                return refused(format!("{name} expects string defining a time unit, found {}", other.kind()));
            }
        };
        Ok(Some(match unit.as_str() {
            "year" => Self::Year,
            "quarter" => Self::Quarter,
            "month" => Self::Month,
            "week" => Self::Week,
            "day" => Self::Day,
            "hour" => Self::Fixed(HOUR_MILLIS),
            "minute" => Self::Fixed(60_000),
            "second" => Self::Fixed(1_000),
            "millisecond" => Self::Fixed(1),
            other => return refused(format!("unknown time unit value: {}", crate::names::shorten(other))),
        }))
    }
}

/// The first day of a week in an operand: Sunday unless it says otherwise. Nothing if it is null.
fn start_of_week(name: &str, args: &Args<'_>, place: usize) -> Result<Option<Weekday>, Failure> {
    let text = match at(args, place) {
        None if !args.is_given(place) => return Ok(Some(Weekday::Sunday)),
        None | Some(Datum::Null) => return Ok(None),
        Some(Datum::String(text)) => text,
        Some(other) => return refused(format!("{name} requires 'startOfWeek' to be a string, found {}", other.kind())),
    };
    let days = [
        ("sunday", "sun", Weekday::Sunday),
        ("monday", "mon", Weekday::Monday),
        ("tuesday", "tue", Weekday::Tuesday),
        ("wednesday", "wed", Weekday::Wednesday),
        ("thursday", "thu", Weekday::Thursday),
        ("friday", "fri", Weekday::Friday),
        ("saturday", "sat", Weekday::Saturday),
    ];
    let text = text.to_ascii_lowercase();
    match days.iter().find(|(long, short, _)| text == *long || text == *short) {
        Some((.., day)) => Ok(Some(*day)),
        None => {
            refused(format!("{name} parameter 'startOfWeek' value cannot be recognized as a day of a week: {text}"))
        }
    }
}

fn out_of_range<E>(_error: E) -> Failure {
    Failure::refused("The year of a date must be between -9999 and 9999.")
}

/// The days from the start of 1970.
fn day_number(date: civil::Date) -> i64 {
    let epoch = civil::Date::constant(1970, 1, 1);
    date.duration_since(epoch).as_hours() / 24
}

fn day_of_number(number: i64) -> Result<civil::Date, Failure> {
    let span = Span::new().try_days(number).map_err(out_of_range)?;
    civil::Date::constant(1970, 1, 1).checked_add(span).map_err(out_of_range)
}

/// The months from the start of year 0.
fn month_number(date: civil::Date) -> i64 {
    i64::from(date.year()) * 12 + i64::from(date.month()) - 1
}

/// The first day of a month, by its number.
fn day_of_month_number(number: i64) -> Result<civil::Date, Failure> {
    let year = i16::try_from(number.div_euclid(12)).map_err(out_of_range)?;
    let month = i8::try_from(number.rem_euclid(12) + 1).map_err(out_of_range)?;
    civil::Date::new(year, month, 1).map_err(out_of_range)
}

pub(super) fn from_parts(args: &Args<'_>) -> Made {
    const NAMES: [&str; 10] =
        ["year", "month", "day", "hour", "minute", "second", "millisecond", "isoWeekYear", "isoWeek", "isoDayOfWeek"];
    let by_week = args.is_given(7);
    if !args.is_given(0) && !by_week {
        return refused("$dateFromParts requires either 'year' or 'isoWeekYear' to be present");
    }
    let mut parts = [0_i64; 10];
    for (place, (part, name)) in parts.iter_mut().zip(NAMES).enumerate() {
        *part = match at(args, place) {
            None if !args.is_given(place) => i64::from(matches!(name, "month" | "day" | "isoWeek" | "isoDayOfWeek")),
            None | Some(Datum::Null) => return null(),
            Some(datum) => {
                let Some(number) = whole(datum) else {
                    let (kind, value) = (datum.kind(), shown(datum));
                    return refused(format!("'{name}' must evaluate to an integer, found {kind} with value {value}"));
                };
                number
            }
        };
    }
    let Some(zone) = Zone::of(args, 10)? else { return null() };
    let [year, month, day, hour, minute, second, millis, week_year, week, week_day] = parts;
    let (name, shown_year) = if by_week { ("isoWeekYear", week_year) } else { ("year", year) };
    if !(1..=9_999).contains(&shown_year) {
        return refused(format!("'{name}' must evaluate to an integer in the range 1 to 9999, found {shown_year}"));
    }
    let small = |name: &str, part: i64| match i16::try_from(part) {
        Ok(_) => Ok(part),
        Err(_) => refused(format!(
            "'{name}' must evaluate to a value in the range [-32768, 32767]; value {part} is not in range"
        )),
    };
    let date = if by_week {
        // The fourth of January is always in the first week.
        let fourth = civil::Date::new(i16::try_from(week_year).map_err(out_of_range)?, 1, 4).map_err(out_of_range)?;
        let monday = day_number(fourth) - i64::from(fourth.weekday().to_monday_zero_offset());
        monday + (small("isoWeek", week)? - 1) * 7 + small("isoDayOfWeek", week_day)? - 1
    } else {
        let first = day_of_month_number(year * 12 + small("month", month)? - 1)?;
        day_number(first) + small("day", day)? - 1
    };
    let midnight = day_of_number(date)?.to_datetime(Time::midnight());
    // Hours and less may be more than a day has, and are then counted on.
    let time = small("hour", hour)? * HOUR_MILLIS + small("minute", minute)? * 60_000;
    let later = midnight
        .checked_add(jiff::SignedDuration::from_millis(time + second.saturating_mul(1_000) + millis))
        .map_err(out_of_range)?;
    Ok(Some(Datum::Date(zone.moment(later))))
}

pub(super) fn add(name: &str, args: &Args<'_>, sign: i64) -> Made {
    let (Some(start), Some(amount)) = (there(args, 0), there(args, 2)) else { return null() };
    let Some(unit) = Unit::of(name, args, 1)? else { return null() };
    let Some(zone) = Zone::of(args, 3)? else { return null() };
    let Some(start) = moment(start) else {
        return refused(format!("{name} requires startDate to be convertible to a date"));
    };
    let Some(amount) = whole(amount) else {
        return refused(format!("{name} expects integer amount of time units"));
    };
    let amount = amount.saturating_mul(sign);
    let months = |months: i64| -> Result<Date, Failure> {
        let local = zone.local(start)?;
        let first = day_of_month_number(month_number(local.date()).saturating_add(months))?;
        let day = local.day().min(first.days_in_month());
        let date = civil::Date::new(first.year(), first.month(), day).map_err(out_of_range)?;
        Ok(zone.moment(date.to_datetime(local.time())))
    };
    let days = |days: i64| -> Result<Date, Failure> {
        let local = zone.local(start)?;
        Ok(zone.moment(day_of_number(day_number(local.date()).saturating_add(days))?.to_datetime(local.time())))
    };
    Ok(Some(Datum::Date(match unit {
        Unit::Year => months(amount.saturating_mul(12))?,
        Unit::Quarter => months(amount.saturating_mul(3))?,
        Unit::Month => months(amount)?,
        Unit::Week => days(amount.saturating_mul(7))?,
        Unit::Day => days(amount)?,
        Unit::Fixed(millis) => start.plus_millis(amount.saturating_mul(millis)),
    })))
}

/// How many boundaries of a unit are between two dates.
pub(super) fn difference(args: &Args<'_>) -> Made {
    let (Some(start), Some(end)) = (there(args, 0), there(args, 1)) else { return null() };
    let Some(unit) = Unit::of("$dateDiff", args, 2)? else { return null() };
    let Some(zone) = Zone::of(args, 3)? else { return null() };
    let first = if unit == Unit::Week { start_of_week("$dateDiff", args, 4)? } else { Some(Weekday::Sunday) };
    let Some(first) = first else { return null() };
    let (Some(start), Some(end)) = (moment(start), moment(end)) else {
        let (which, wrong) = if moment(start).is_none() { ("startDate", start) } else { ("endDate", end) };
        return refused(format!("$dateDiff requires '{which}' to be a date, but got {}", wrong.kind()));
    };
    let number = |date: Date| -> Result<i64, Failure> {
        let local = zone.local(date)?.date();
        Ok(match unit {
            Unit::Year => i64::from(local.year()),
            Unit::Quarter => month_number(local).div_euclid(3),
            Unit::Month => month_number(local),
            Unit::Week => (day_number(local) - days_into_week(local, first)).div_euclid(7),
            Unit::Day => day_number(local),
            Unit::Fixed(millis) => {
                // Clocks that are half an hour ahead begin their hours then.
                let ahead = i64::from(zone.offset(date)) * 1_000 % HOUR_MILLIS;
                (date.millis() + ahead).div_euclid(millis)
            }
        })
    };
    Ok(Some(Datum::Long(number(end)? - number(start)?)))
}

fn days_into_week(date: civil::Date, first: Weekday) -> i64 {
    i64::from(date.weekday().to_monday_zero_offset() - first.to_monday_zero_offset()).rem_euclid(7)
}

/// The start of the span of time that a date is in; spans are counted from the start of 2000.
pub(super) fn truncate(args: &Args<'_>) -> Made {
    let Some(date) = there(args, 0) else { return null() };
    let Some(unit) = Unit::of("$dateTrunc", args, 1)? else { return null() };
    let size = match at(args, 2) {
        None if !args.is_given(2) => 1,
        None | Some(Datum::Null) => return null(),
        Some(size) => match whole(size) {
            Some(size) if size > 0 => size,
            Some(size) => {
                return refused(format!("$dateTrunc requires 'binSize' to be greater than 0, but got value {size}"));
            }
            None => return refused("$dateTrunc requires 'binSize' to be a 64-bit integer"),
        },
    };
    let Some(zone) = Zone::of(args, 3)? else { return null() };
    let first = if unit == Unit::Week { start_of_week("$dateTrunc", args, 4)? } else { Some(Weekday::Sunday) };
    let Some(first) = first else { return null() };
    let date = must_be_moment(date)?;
    let local = zone.local(date)?;
    let origin = civil::Date::constant(2000, 1, 1);
    let floor = |number: i64, origin: i64, size: i64| origin + (number - origin).div_euclid(size) * size;
    let months = |months: i64| -> Result<Date, Failure> {
        let size = size.saturating_mul(months);
        let start = day_of_month_number(floor(month_number(local.date()), month_number(origin), size))?;
        Ok(zone.moment(midnight(start)))
    };
    let days = |days: i64, origin: i64| -> Result<Date, Failure> {
        let start = floor(day_number(local.date()), origin, size.saturating_mul(days));
        Ok(zone.moment(midnight(day_of_number(start)?)))
    };
    Ok(Some(Datum::Date(match unit {
        Unit::Year => months(12)?,
        Unit::Quarter => months(3)?,
        Unit::Month => months(1)?,
        Unit::Week => days(7, day_number(origin) + (7 - days_into_week(origin, first)) % 7)?,
        Unit::Day => days(1, day_number(origin))?,
        Unit::Fixed(millis) => {
            let origin = zone.moment(midnight(origin)).millis();
            Date::from_millis(floor(date.millis(), origin, size.saturating_mul(millis)))
        }
    })))
}

fn midnight(date: civil::Date) -> DateTime {
    date.to_datetime(Time::midnight())
}
