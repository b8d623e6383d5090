//! How are scenario files written, so that they read well and a change of a reply is a change of few lines?

use std::fmt::Write as _;

use super::json::Json;

const COLUMNS_MAX: usize = 120;
const INDENT: usize = 2;

/// JSON, each value on one line if it fits there.
pub(super) fn pretty(value: &Json) -> String {
    let mut text = String::new();
    write(&mut text, value, 0, 0);
    text.push('\n');
    text
}

/// Writes a value that begins at the end of the text; `after` is what will still stand behind it on its last line.
fn write(text: &mut String, value: &Json, depth: usize, after: usize) {
    let column = text.rsplit('\n').next().map_or(0, |line| line.chars().count());
    let line = one_line(value);
    let leaf = !matches!(value, Json::List(_) | Json::Object(_));
    if leaf || column + line.chars().count() + after <= COLUMNS_MAX {
        text.push_str(&line);
        return;
    }
    let (open, close) = if matches!(value, Json::List(_)) { ('[', ']') } else { ('{', '}') };
    let items: Vec<(Option<&String>, &Json)> = match value {
        Json::List(items) => items.iter().map(|item| (None, item)).collect(),
        Json::Object(map) => map.iter().map(|(key, item)| (Some(key), item)).collect(),
        _ => Vec::new(),
    };
    text.push(open);
    let last = items.len().saturating_sub(1);
    for (position, (key, item)) in items.into_iter().enumerate() {
        let indent = (depth + 1) * INDENT;
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{:indent$}", "");
        if let Some(key) = key {
            let _ = write!(text, "{}: ", quoted(key));
        }
        write(text, item, depth + 1, usize::from(position < last));
        if position < last {
            text.push(',');
        }
    }
    let indent = depth * INDENT;
    let _ = write!(text, "\n{:indent$}{close}", "");
}

fn one_line(value: &Json) -> String {
    match value {
        Json::List(items) => {
            let items: Vec<String> = items.iter().map(one_line).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(map) => {
            let items: Vec<String> =
                map.iter().map(|(key, item)| format!("{}: {}", quoted(key), one_line(item))).collect();
            format!("{{{}}}", items.join(", "))
        }
        leaf => leaf.text(),
    }
}

fn quoted(key: &str) -> String {
    Json::Text(key.to_owned()).text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stands_on_one_line() {
        let json = |text: &str| serde_json::from_str::<Json>(text).unwrap();
        let short = r#"{"c": [1, {"b": null}], "a": "x"}"#;
        assert_eq!(pretty(&json(short)), format!("{short}\n"));
        let long = "x".repeat(70);
        let value = json(&format!(r#"{{"a":["{long}","{long}"],"b":{{}}}}"#));
        let text = pretty(&value);
        assert_eq!(text, format!("{{\n  \"a\": [\n    \"{long}\",\n    \"{long}\"\n  ],\n  \"b\": {{}}\n}}\n"));
        assert_eq!(json(&text), value);
    }
}
