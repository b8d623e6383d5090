//! Dates as text, and back.

use std::borrow::Cow;
use std::fmt::Write as _;

use jiff::civil::{self, DateTime, Time};

use super::super::zone;
use super::{Args, Made, Zone, at, must_be_moment, null, refused, shown, there};
use crate::aggregate::datum::Datum;
use crate::aggregate::failure::Failure;
use crate::value::Date;

const FORMAT: &str = "%Y-%m-%dT%H:%M:%S.%LZ";

fn given(args: &Args<'_>, place: usize) -> Option<Datum> {
    args.get(place).cloned().flatten().map(Cow::into_owned)
}

pub(super) fn to_string(args: &Args<'_>) -> Made {
    let format = match at(args, 1) {
        None if !args.is_given(1) => FORMAT,
        None | Some(Datum::Null) => return null(),
        Some(Datum::String(format)) => format,
        Some(other) => {
            let (kind, value) = (other.kind(), shown(other));
            return refused(format!(
                "$dateToString requires that 'format' be a string, found: {kind} with value {value}"
            ));
        }
    };
    let Some(zone) = Zone::of(args, 2)? else { return null() };
    let Some(date) = there(args, 0) else { return Ok(given(args, 3).or(Some(Datum::Null))) };
    let date = must_be_moment(date)?;
    written(zone.local(date)?, zone.offset(date), format).map(|text| Some(Datum::String(text)))
}

fn written(local: DateTime, offset: i32, format: &str) -> Result<String, Failure> {
    let mut text = String::with_capacity(format.len() + 8);
    let mut rest = format.chars();
    while let Some(char) = rest.next() {
        if char != '%' {
            text.push(char);
            continue;
        }
        let Some(specifier) = rest.next() else { return refused("Unmatched '%' at end of format string") };
        // Writing to a string cannot fail.
        let _ = match specifier {
            '%' => write!(text, "%"),
            'Y' => write!(text, "{:04}", local.year()),
            'm' => write!(text, "{:02}", local.month()),
            'd' => write!(text, "{:02}", local.day()),
            'H' => write!(text, "{:02}", local.hour()),
            'M' => write!(text, "{:02}", local.minute()),
            'S' => write!(text, "{:02}", local.second()),
            'L' => write!(text, "{:03}", local.millisecond()),
            'j' => write!(text, "{:03}", local.day_of_year()),
            'w' => write!(text, "{}", local.weekday().to_sunday_one_offset()),
            'u' => write!(text, "{}", local.weekday().to_monday_one_offset()),
            'U' => write!(text, "{:02}", super::week(local)),
            'G' => write!(text, "{:04}", local.date().iso_week_date().year()),
            'V' => write!(text, "{:02}", local.date().iso_week_date().week()),
            'z' => {
                let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs() / 60);
                write!(text, "{sign}{:02}{:02}", minutes / 60, minutes % 60)
            }
            'Z' => write!(text, "{}", offset / 60),
            other => return refused(format!("Invalid format character '%{other}' in format string")),
        };
    }
    Ok(text)
}

pub(super) fn from_string(args: &Args<'_>) -> Made {
    let text = match at(args, 0) {
        None | Some(Datum::Null) => return Ok(given(args, 4).or(Some(Datum::Null))),
        Some(Datum::String(text)) => Ok(text.as_str()),
        Some(other) => {
            let (kind, value) = (other.kind(), shown(other));
            refused(format!("$dateFromString requires that 'dateString' be a string, found: {kind} with value {value}"))
        }
    };
    let format = match at(args, 1) {
        None if !args.is_given(1) => None,
        None | Some(Datum::Null) => return null(),
        Some(Datum::String(format)) => Some(format),
        Some(other) => {
            return refused(format!("$dateFromString requires that 'format' be a string, found: {}", other.kind()));
        }
    };
    let Some(zone) = Zone::of(args, 2)? else { return null() };
    let read = text.and_then(|text| {
        let found = match format {
            Some(format) => by_format(text, format),
            None => free(text),
        };
        let found = found.ok_or_else(|| unreadable(text))?;
        match found.offset {
            Some(_) if args.is_given(2) => refused(format!(
                "you cannot pass in a date/time string with time zone information ('{text}') together with a timezone argument"
            )),
            Some(seconds) => Ok(Zone::Fixed(seconds).moment(found.local)),
            None => Ok(zone.moment(found.local)),
        }
    });
    match read {
        Ok(date) => Ok(Some(Datum::Date(date))),
        Err(failure) => given(args, 3).map_or(Err(failure), |instead| Ok(Some(instead))),
    }
}

fn unreadable(text: &str) -> Failure {
    Failure::refused(format!("Error parsing date string '{}'", crate::names::shorten(text)))
}

/// The moment that a text means.
pub(in super::super) fn from_text(text: &str) -> Result<Date, Failure> {
    let found = free(text).ok_or_else(|| unreadable(text))?;
    Ok(Zone::Fixed(found.offset.unwrap_or(0)).moment(found.local))
}

/// What a text says.
struct Found {
    local: DateTime,
    /// In seconds, if it says how far from UTC it is.
    offset: Option<i32>,
}

/// Reads ISO 8601, with a blank for the `T` too.
fn free(text: &str) -> Option<Found> {
    let text = text.trim();
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time.trim_start())),
        None => (text, None),
    };
    let date: civil::Date = date.parse().ok()?;
    let Some(time) = time else { return Some(Found { local: date.to_datetime(Time::midnight()), offset: None }) };
    let (time, offset) = match time.strip_suffix(['Z', 'z']) {
        Some(time) => (time, Some(0)),
        None => match time.rfind(['+', '-']).and_then(|place| time.split_at_checked(place)) {
            Some((time, offset)) => (time.trim_end(), Some(zone::offset(offset)?)),
            None => (time, None),
        },
    };
    Some(Found { local: date.to_datetime(time.parse().ok()?), offset })
}

/// Reads a text by a format.
fn by_format(text: &str, format: &str) -> Option<Found> {
    let (mut year, mut month, mut day) = (None, 1_i8, 1_i8);
    let (mut hour, mut minute, mut second, mut millis) = (0_i8, 0_i8, 0_i8, 0_i32);
    let (mut day_of_year, mut week_year, mut week, mut week_day) = (None::<i16>, None::<i16>, 1_i8, 1_i8);
    let mut offset = None;
    let mut rest = text;
    let mut format = format.chars();
    while let Some(char) = format.next() {
        if char != '%' {
            rest = rest.strip_prefix(char)?;
            continue;
        }
        let specifier = format.next()?;
        match specifier {
            '%' => rest = rest.strip_prefix('%')?,
            'Y' => year = Some(number(&mut rest, 4)?.parse().ok()?),
            'm' => month = number(&mut rest, 2)?.parse().ok()?,
            'd' => day = number(&mut rest, 2)?.parse().ok()?,
            'H' => hour = number(&mut rest, 2)?.parse().ok()?,
            'M' => minute = number(&mut rest, 2)?.parse().ok()?,
            'S' => second = number(&mut rest, 2)?.parse().ok()?,
            'L' => millis = number(&mut rest, 3)?.parse().ok()?,
            'j' => day_of_year = Some(number(&mut rest, 3)?.parse().ok()?),
            'G' => week_year = Some(number(&mut rest, 4)?.parse().ok()?),
            'V' => week = number(&mut rest, 2)?.parse().ok()?,
            'u' => week_day = number(&mut rest, 1)?.parse().ok()?,
            'z' => offset = Some(zone_in(&mut rest)?),
            'Z' => {
                let sign = if let Some(after) = rest.strip_prefix('-') {
                    rest = after;
                    -1
                } else {
                    rest = rest.strip_prefix('+').unwrap_or(rest);
                    1
                };
                offset = Some(sign * number(&mut rest, 4)?.parse::<i32>().ok()? * 60);
            }
            _ => return None,
        }
    }
    if !rest.is_empty() {
        return None;
    }
    let date = match (year, week_year, day_of_year) {
        (Some(year), _, Some(day)) => civil::Date::new(year, 1, 1).ok()?.with().day_of_year(day).build().ok()?,
        (Some(year), ..) => civil::Date::new(year, month, day).ok()?,
        (None, Some(year), _) => {
            let day = civil::Weekday::from_monday_one_offset(week_day).ok()?;
            civil::ISOWeekDate::new(year, week, day).ok()?.date()
        }
        _ => return None,
    };
    let time = Time::new(hour, minute, second, millis.checked_mul(1_000_000)?).ok()?;
    Some(Found { local: date.to_datetime(time), offset })
}

/// Digits at the start of a text, so many at most.
fn number<'t>(rest: &mut &'t str, most: usize) -> Option<&'t str> {
    let digits = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let (number, after) = rest.split_at_checked(digits)?;
    *rest = after;
    (!number.is_empty()).then_some(number)
}

/// `Z`, or an offset such as `+0130`.
fn zone_in(rest: &mut &str) -> Option<i32> {
    if let Some(after) = rest.strip_prefix(['Z', 'z']) {
        *rest = after;
        return Some(0);
    }
    let length =
        rest.find(|char: char| !char.is_ascii_digit() && !matches!(char, '+' | '-' | ':')).unwrap_or(rest.len());
    let (offset, after) = rest.split_at_checked(length)?;
    *rest = after;
    zone::offset(offset)
}
