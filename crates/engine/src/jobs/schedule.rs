//! When is a schedule of the dashboard due, a row of `_JobSchedule`?
//!
//! It is due at `startAfter`. With `repeatMinutes` it is due again, from then on, on each of `daysOfWeek` (Sunday first; none
//! means all) at `timeOfDay`, and every so many minutes after that until the day ends. All of it is in UTC.

use parsimony_model::value::{Map, json};
use parsimony_model::{Date, Object, ParseError, Value};

/// A row, read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Schedule {
    /// Which job.
    pub(super) job: String,
    /// With which parameters.
    pub(super) params: Map,
    start: i64,
    /// Whether it is due on a Sunday, a Monday and so on.
    days: [bool; 7],
    /// In milliseconds since the day began.
    time_of_day: i64,
    /// In milliseconds; none if it is due once.
    every: Option<i64>,
    /// Up to when its runs are done.
    pub(super) done: Date,
}

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// 1970-01-01 was a Thursday, the fifth day of a week that begins on Sunday.
const FIRST_WEEKDAY: i64 = 4;

impl Schedule {
    /// Reads a row. The error says what cannot be read.
    pub(super) fn read(row: &Object) -> Result<Self, String> {
        let job = row.text("jobName").filter(|name| !name.is_empty()).ok_or("it names no job")?.to_owned();
        let start = match row.text("startAfter") {
            Some(text) => text.parse::<Date>().map_err(|_error| format!("startAfter is no date: {text}"))?,
            None => row.created_at.unwrap_or(Date::EPOCH),
        };
        let start = start.millis();
        let minutes = row.get("repeatMinutes").and_then(Value::as_f64).filter(|minutes| *minutes >= 1.0);
        let every = minutes.map(|minutes| (minutes.min(1e9) as i64).saturating_mul(MINUTE));
        let time_of_day = match row.text("timeOfDay") {
            Some(text) => time_of_day(text).ok_or_else(|| format!("timeOfDay is no time: {text}"))?,
            // Without one, the times of each day are those of the day on which it starts.
            None => start.rem_euclid(DAY) % every.unwrap_or(DAY).min(DAY),
        };
        let done = match row.get("lastRun").and_then(Value::as_f64) {
            Some(millis) => Date::from_millis(millis as i64),
            None => Date::from_millis(start - 1),
        };
        Ok(Self {
            job,
            params: params(row.text("params"))?,
            start,
            days: days(row.get("daysOfWeek")),
            time_of_day,
            every,
            done,
        })
    }

    /// Whether it is due at one moment only.
    pub(super) fn is_due_once(&self) -> bool {
        self.every.is_none()
    }

    /// The first moment after this one at which it is due.
    pub(super) fn next_after(&self, moment: Date) -> Option<Date> {
        let moment = moment.millis();
        if moment < self.start {
            return Some(Date::from_millis(self.start));
        }
        let every = self.every?;
        let first_day = self.start.div_euclid(DAY);
        // Whole days apart: some days are left out.
        let step = (every + DAY - 1) / DAY;
        let today = moment.div_euclid(DAY);
        let behind = (today - first_day).rem_euclid(step);
        let mut day = if behind == 0 { today } else { today + step - behind };
        // After seven steps every day of the week has had its turn.
        for _ in 0..=7 {
            if self.is_due_on(day) {
                let begin = day.checked_mul(DAY)?;
                let passed = moment - begin - self.time_of_day;
                let times = if passed < 0 { 0 } else { passed / every + 1 };
                let time = self.time_of_day.checked_add(times.checked_mul(every)?)?;
                if time < DAY {
                    return Some(Date::from_millis(begin + time));
                }
            }
            day += step;
        }
        None
    }

    fn is_due_on(&self, day: i64) -> bool {
        usize::try_from((day + FIRST_WEEKDAY).rem_euclid(7))
            .ok()
            .and_then(|weekday| self.days.get(weekday))
            .is_some_and(|due| *due)
    }
}

/// `HH:MM:SS.000Z`, of which the minutes and what follows may be missing.
fn time_of_day(text: &str) -> Option<i64> {
    let mut parts = text.trim_end_matches('Z').split(':');
    let hours: i64 = parts.next()?.parse().ok().filter(|hours| (0..24).contains(hours))?;
    let minutes: i64 = parts.next().unwrap_or("0").parse().ok().filter(|minutes| (0..60).contains(minutes))?;
    let seconds: f64 = parts.next().unwrap_or("0").parse().ok().filter(|seconds| (0.0..60.0).contains(seconds))?;
    Some((hours * 60 + minutes) * MINUTE + (seconds * 1_000.0) as i64)
}

/// The dashboard writes numbers; Parse's own documentation had texts.
fn days(list: Option<&Value>) -> [bool; 7] {
    let is_due = |value: &Value| match value {
        Value::String(text) => !matches!(text.as_str(), "" | "0" | "false"),
        other => other.is_truthy(),
    };
    let Some(list) = list.and_then(Value::as_array).filter(|list| list.iter().any(is_due)) else { return [true; 7] };
    let mut days = [false; 7];
    for (day, value) in days.iter_mut().zip(list) {
        *day = is_due(value);
    }
    days
}

/// The dashboard keeps the parameters as JSON text.
fn params(text: Option<&str>) -> Result<Map, String> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(Map::default()) };
    match json::read(text.as_bytes()) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err("params is no JSON object".to_owned()),
        Err(error @ ParseError { .. }) => Err(format!("params is no JSON: {}", error.message)),
    }
}

#[cfg(test)]
mod tests {
    use parsimony_model::builtin::Builtin;
    use parsimony_model::{ObjectId, map};

    use super::*;

    fn schedule(fields: Map) -> Result<Schedule, String> {
        let mut row = Object {
            class: Builtin::JobSchedule.name(),
            id: ObjectId::parse("s").unwrap(),
            created_at: None,
            updated_at: None,
            acl: None,
            fields,
        };
        row.fields.insert("jobName".into(), "clean".into());
        Schedule::read(&row)
    }

    /// Each moment at which it is due, from its start on.
    fn moments(fields: Map, count: usize) -> Vec<String> {
        let schedule = schedule(fields).unwrap();
        let next = |after: &Date| schedule.next_after(*after);
        std::iter::successors(next(&schedule.done), next).take(count).map(Date::to_iso).collect()
    }

    #[test]
    fn without_repetition_it_is_due_once() {
        let start = "2026-03-04T05:06:07.000Z";
        assert_eq!(moments(map! { "startAfter" => start, "daysOfWeek" => vec![1; 7] }, 3), [start]);
        let done = schedule(map! { "startAfter" => start, "lastRun" => 1_772_600_767_000.0 }).unwrap();
        assert_eq!(done.next_after(done.done), None);
    }

    #[test]
    fn each_day_at_a_time() {
        let daily = map! {
            "startAfter" => "2026-03-04T15:00:00.000Z", "repeatMinutes" => 1440, "timeOfDay" => "12:30:00.000Z",
            "daysOfWeek" => vec![1; 7],
        };
        let expected = ["2026-03-04T15:00:00.000Z", "2026-03-05T12:30:00.000Z", "2026-03-06T12:30:00.000Z"];
        assert_eq!(moments(daily, 3), expected);
    }

    #[test]
    fn every_so_many_minutes_after_a_time_of_each_day() {
        let often = map! {
            "startAfter" => "2026-03-04T22:00:00.000Z", "repeatMinutes" => 360, "timeOfDay" => "08:00:00.000Z",
        };
        let expected = [
            "2026-03-04T22:00:00.000Z",
            "2026-03-05T08:00:00.000Z",
            "2026-03-05T14:00:00.000Z",
            "2026-03-05T20:00:00.000Z",
            "2026-03-06T08:00:00.000Z",
        ];
        assert_eq!(moments(often, 5), expected);
    }

    #[test]
    fn on_some_days_of_the_week_only() {
        // 2026-03-04 is a Wednesday; Sundays and Mondays are chosen, as numbers and as texts.
        for days in [
            vec![Value::from(1), 1.into(), 0.into(), 0.into(), 0.into(), 0.into(), 0.into()],
            vec!["1".into(), "1".into(), "0".into(), "0".into(), "0".into(), "0".into(), "0".into()],
        ] {
            let chosen = map! {
                "startAfter" => "2026-03-04T00:00:00.000Z", "repeatMinutes" => 1440, "timeOfDay" => "09:00:00.000Z",
                "daysOfWeek" => Value::Array(days),
            };
            let expected = [
                "2026-03-04T00:00:00.000Z",
                "2026-03-08T09:00:00.000Z",
                "2026-03-09T09:00:00.000Z",
                "2026-03-15T09:00:00.000Z",
            ];
            assert_eq!(moments(chosen, 4), expected);
        }
    }

    #[test]
    fn longer_than_a_day_apart_and_without_a_time_of_day() {
        let weekly = map! { "startAfter" => "2026-03-04T05:00:00.000Z", "repeatMinutes" => 7 * 1440 };
        assert_eq!(
            moments(weekly, 3),
            ["2026-03-04T05:00:00.000Z", "2026-03-11T05:00:00.000Z", "2026-03-18T05:00:00.000Z"]
        );
        let often = map! { "startAfter" => "2026-03-04T23:40:00.000Z", "repeatMinutes" => 15 };
        assert_eq!(
            moments(often, 3),
            ["2026-03-04T23:40:00.000Z", "2026-03-04T23:55:00.000Z", "2026-03-05T00:10:00.000Z"]
        );
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for (fields, expected) in [
            (map! { "startAfter" => "soon" }, "startAfter"),
            (map! { "timeOfDay" => "25:00" }, "timeOfDay"),
            (map! { "params" => "{" }, "params"),
            (map! { "params" => "[]" }, "params"),
        ] {
            assert!(schedule(fields).unwrap_err().contains(expected));
        }
        assert_eq!(schedule(map! { "params" => r#"{"a":1}"# }).unwrap().params, map! { "a" => 1 });
    }
}
