//! What did the server log: its last lines, kept in memory for `/scriptlog`.

use std::collections::VecDeque;

use parking_lot::Mutex;
use parsimony_model::value::Map;
use parsimony_model::{Date, ParseError, Value};

use crate::work::Work;

/// How many lines are kept.
const LINES_MAX: usize = 10_000;

/// How many characters of a text are kept.
const CHARS_MAX: usize = 4_000;

/// How many lines are answered unless more are asked for.
const SIZE: usize = 10;

/// How far back is looked unless it is said: a week.
const BACK_MILLIS: i64 = 7 * 24 * 3_600 * 1_000;

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// When it was written.
    pub at: Date,
    /// How severe it is, as Parse calls it: `error`, `warn`, `info`, `verbose` or `silly`.
    pub level: &'static str,
    /// What it says.
    pub message: String,
    /// What else it says, by name.
    pub fields: Vec<(&'static str, String)>,
}

/// The last lines.
#[derive(Default)]
pub struct Logs(Mutex<VecDeque<LogLine>>);

impl Logs {
    /// Keeps a line; the oldest one goes if there are too many.
    pub fn push(&self, mut line: LogLine) {
        let texts = line.fields.iter_mut().map(|(_, text)| text).chain([&mut line.message]);
        for text in texts {
            if let Some((end, _)) = text.char_indices().nth(CHARS_MAX) {
                text.truncate(end);
            }
        }
        let mut lines = self.0.lock();
        if lines.len() >= LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// All of them, the oldest first.
    pub fn lines(&self) -> Vec<LogLine> {
        self.0.lock().iter().cloned().collect()
    }

    fn find(&self, asked: &Asked) -> Vec<LogLine> {
        let lines = self.0.lock();
        let wanted = |line: &&LogLine| {
            (asked.from..=asked.until).contains(&line.at) && (!asked.only_errors || line.level == "error")
        };
        if asked.ascending {
            lines.iter().filter(wanted).take(asked.size).cloned().collect()
        } else {
            lines.iter().rev().filter(wanted).take(asked.size).cloned().collect()
        }
    }
}

/// Which lines are asked for.
struct Asked {
    from: Date,
    until: Date,
    size: usize,
    ascending: bool,
    only_errors: bool,
}

impl Asked {
    /// Parse: what cannot be read is as good as nothing, and `n` goes before `size`.
    fn read(params: &Map, now: Date) -> Self {
        let date = |name: &str| match params.get(name) {
            Some(Value::Date(date)) => Some(*date),
            Some(Value::String(text)) => text.parse().ok(),
            Some(Value::Number(millis)) => Some(Date::from_millis(*millis as i64)),
            _ => None,
        };
        let size = params.get("n").filter(|n| n.is_truthy()).or_else(|| params.get("size"));
        let size = match size {
            Some(Value::Number(size)) => Some(*size),
            Some(Value::String(size)) => size.parse().ok(),
            _ => None,
        };
        let is = |name: &str, text: &str| params.get(name).and_then(Value::as_str) == Some(text);
        Self {
            from: date("from").unwrap_or_else(|| now.plus_millis(-BACK_MILLIS)),
            until: date("until").unwrap_or(now),
            size: size.and_then(|size| usize::try_from(size as i64).ok()).filter(|size| *size > 0).unwrap_or(SIZE),
            ascending: is("order", "asc"),
            only_errors: is("level", "error"),
        }
    }
}

/// The lines that are asked for, master only.
pub(crate) fn find(work: &Work, params: &Map) -> Result<Vec<Value>, ParseError> {
    work.require_master()?;
    let asked = Asked::read(params, work.engine.clock.now());
    Ok(work.engine.logs.find(&asked).into_iter().map(spelled).collect())
}

/// What a line says in one text: for people who see no other part of it, what a request was and how it was answered too.
fn message(line: &LogLine) -> String {
    let field = |name: &str| line.fields.iter().find(|(own, _)| *own == name).map(|(_, text)| text.as_str());
    match (field("method"), field("path"), field("status")) {
        (Some(method), Some(path), Some(status)) => {
            let reason = field("reason").map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{} {method} {path} {status}{reason}", line.message)
        }
        _ => line.message.clone(),
    }
}

fn spelled(line: LogLine) -> Value {
    let message = message(&line);
    let mut map: Map = line.fields.into_iter().map(|(name, text)| (name.into(), text.into())).collect();
    map.insert("timestamp".into(), line.at.to_iso().into());
    map.insert("level".into(), line.level.into());
    map.insert("message".into(), message.into());
    map.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsimony_model::map;

    fn line(at: i64, level: &'static str) -> LogLine {
        LogLine {
            at: Date::from_millis(at),
            level,
            message: format!("at {at}"),
            fields: vec![("path", "/x".to_owned())],
        }
    }

    fn found(logs: &Logs, params: &Map) -> Vec<i64> {
        let asked = Asked::read(params, Date::from_millis(1_000_000_000_000));
        logs.find(&asked).iter().map(|line| line.at.millis()).collect()
    }

    #[test]
    fn lines_are_found_by_time_and_severity() {
        let logs = Logs::default();
        let first = 1_000_000_000_000 - 20;
        for n in 0..20 {
            logs.push(line(first + n, if n % 5 == 0 { "error" } else { "info" }));
        }
        logs.push(line(1_000_000_000_000 - BACK_MILLIS - 1, "error"));
        let newest: Vec<i64> = (0..10).map(|n| first + 19 - n).collect();
        assert_eq!(found(&logs, &Map::default()), newest);
        assert_eq!(found(&logs, &map! { "size" => 2, "order" => "asc" }), [first, first + 1]);
        assert_eq!(found(&logs, &map! { "level" => "error", "n" => "2", "size" => 9 }), [first + 15, first + 10]);
        let until = Date::from_millis(first + 3).to_iso();
        assert_eq!(found(&logs, &map! { "until" => until.as_str(), "size" => 1 }), [first + 3]);
        assert_eq!(found(&logs, &map! { "from" => "2099-01-01", "until" => "nonsense" }), [0; 0]);
    }

    #[test]
    fn a_line_of_a_request_says_which() {
        let fields = |fields: &[(&'static str, &str)]| {
            let fields = fields.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
            let spelled = spelled(LogLine { fields, message: "request".to_owned(), ..line(0, "info") });
            spelled.as_object().unwrap().get("message").and_then(Value::as_str).unwrap().to_owned()
        };
        let asked = [("method", "GET"), ("path", "/parse/classes/A"), ("status", "403")];
        assert_eq!(fields(&asked), "request GET /parse/classes/A 403");
        let refused = [&asked[..], &[("reason", "no such key")]].concat();
        assert_eq!(fields(&refused), "request GET /parse/classes/A 403: no such key");
        assert_eq!(fields(&[("path", "/x")]), "request");
    }

    #[test]
    fn there_are_never_too_many_or_too_long() {
        let logs = Logs::default();
        for n in 0..=i64::try_from(LINES_MAX).unwrap() {
            logs.push(line(n, "info"));
        }
        logs.push(LogLine { message: "ü".repeat(CHARS_MAX + 1), ..line(1, "info") });
        let lines = logs.0.lock();
        assert_eq!((lines.len(), lines.front().unwrap().at.millis()), (LINES_MAX, 2));
        assert_eq!(lines.back().unwrap().message.chars().count(), CHARS_MAX);
    }
}
