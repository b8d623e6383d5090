//! Dates: their parts, as text, and calculating with them.

mod calendar;
mod spelling;

use jiff::civil::DateTime;

use super::zone::Zone;
use super::{Args, Made, Operator, Takes, at, named, null, refused, shown, there, whole};
use crate::aggregate::datum::{Datum, Document};
use crate::aggregate::failure::Failure;
use crate::value::Date;

pub(super) use spelling::from_text;

const DATE: &[(&str, bool)] = &[("date", true), ("timezone", false)];

const fn part(name: &'static str, run: fn(&Args<'_>) -> Made) -> Operator {
    Operator { name, takes: Takes::OneOrNamed(DATE), run }
}

pub(super) const OPERATORS: &[Operator] = &[
    part("$year", |args| int(args, |local| i64::from(local.year()))),
    part("$month", |args| int(args, |local| i64::from(local.month()))),
    part("$dayOfMonth", |args| int(args, |local| i64::from(local.day()))),
    part("$dayOfYear", |args| int(args, |local| i64::from(local.day_of_year()))),
    part("$dayOfWeek", |args| int(args, |local| i64::from(local.weekday().to_sunday_one_offset()))),
    part("$hour", |args| int(args, |local| i64::from(local.hour()))),
    part("$minute", |args| int(args, |local| i64::from(local.minute()))),
    part("$second", |args| int(args, |local| i64::from(local.second()))),
    part("$millisecond", |args| int(args, |local| i64::from(local.millisecond()))),
    part("$week", |args| int(args, week)),
    part("$isoWeek", |args| int(args, |local| i64::from(local.date().iso_week_date().week()))),
    part("$isoDayOfWeek", |args| int(args, |local| i64::from(local.weekday().to_monday_one_offset()))),
    part("$isoWeekYear", |args| parted(args, |local| Datum::Long(i64::from(local.date().iso_week_date().year())))),
    named("$dateToParts", &[("date", true), ("timezone", false), ("iso8601", false)], to_parts),
    named(
        "$dateFromParts",
        &[
            ("year", false),
            ("month", false),
            ("day", false),
            ("hour", false),
            ("minute", false),
            ("second", false),
            ("millisecond", false),
            ("isoWeekYear", false),
            ("isoWeek", false),
            ("isoDayOfWeek", false),
            ("timezone", false),
        ],
        calendar::from_parts,
    ),
    named(
        "$dateToString",
        &[("date", true), ("format", false), ("timezone", false), ("onNull", false)],
        spelling::to_string,
    ),
    named(
        "$dateFromString",
        &[("dateString", true), ("format", false), ("timezone", false), ("onError", false), ("onNull", false)],
        spelling::from_string,
    ),
    named("$dateAdd", calendar::MOVE, |args| calendar::add("$dateAdd", args, 1)),
    named("$dateSubtract", calendar::MOVE, |args| calendar::add("$dateSubtract", args, -1)),
    named(
        "$dateDiff",
        &[("startDate", true), ("endDate", true), ("unit", true), ("timezone", false), ("startOfWeek", false)],
        calendar::difference,
    ),
    named(
        "$dateTrunc",
        &[("date", true), ("unit", true), ("binSize", false), ("timezone", false), ("startOfWeek", false)],
        calendar::truncate,
    ),
];

/// A moment, if a value is one; ids tell when they were made.
fn moment(datum: &Datum) -> Option<Date> {
    match datum {
        Datum::Date(date) => Some(*date),
        Datum::Id([a, b, c, d, ..]) => Some(Date::from_millis(i64::from(u32::from_be_bytes([*a, *b, *c, *d])) * 1_000)),
        _ => None,
    }
}

fn must_be_moment(datum: &Datum) -> Result<Date, Failure> {
    moment(datum).map_or_else(|| refused(format!("can't convert from BSON type {} to Date", datum.kind())), Ok)
}

/// A part of a date in a time zone.
fn parted(args: &Args<'_>, make: impl FnOnce(DateTime) -> Datum) -> Made {
    let Some(date) = there(args, 0) else { return null() };
    let Some(zone) = Zone::of(args, 1)? else { return null() };
    Ok(Some(make(zone.local(must_be_moment(date)?)?)))
}

fn int(args: &Args<'_>, make: impl FnOnce(DateTime) -> i64) -> Made {
    parted(args, |local| Datum::whole(make(local)))
}

/// The number of the week, which begins on Sunday; days before the first Sunday are in week 0.
fn week(local: DateTime) -> i64 {
    let day = i64::from(local.day_of_year()) - 1;
    (day + 7 - i64::from(local.weekday().to_sunday_zero_offset())) / 7
}

fn to_parts(args: &Args<'_>) -> Made {
    let Some(date) = there(args, 0) else { return null() };
    let Some(zone) = Zone::of(args, 1)? else { return null() };
    let by_week = match at(args, 2) {
        None => false,
        Some(Datum::Null) => return null(),
        Some(Datum::Bool(by_week)) => *by_week,
        Some(other) => return refused(format!("iso8601 must evaluate to a bool, found {}", other.kind())),
    };
    let local = zone.local(must_be_moment(date)?)?;
    let number = |number: i64| Datum::whole(number);
    let mut parts = Document::default();
    if by_week {
        let week = local.date().iso_week_date();
        parts.insert("isoWeekYear".into(), number(i64::from(week.year())));
        parts.insert("isoWeek".into(), number(i64::from(week.week())));
        parts.insert("isoDayOfWeek".into(), number(i64::from(week.weekday().to_monday_one_offset())));
    } else {
        parts.insert("year".into(), number(i64::from(local.year())));
        parts.insert("month".into(), number(i64::from(local.month())));
        parts.insert("day".into(), number(i64::from(local.day())));
    }
    parts.insert("hour".into(), number(i64::from(local.hour())));
    parts.insert("minute".into(), number(i64::from(local.minute())));
    parts.insert("second".into(), number(i64::from(local.second())));
    parts.insert("millisecond".into(), number(i64::from(local.millisecond())));
    Ok(Some(Datum::Document(parts)))
}
