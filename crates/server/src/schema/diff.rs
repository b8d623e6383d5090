//! How do a plan, a push and the history look on a terminal? Like a diff: `+` comes, `-` goes, `~` changes.

use std::fmt::Write as _;

use serde_json::Value;

/// A line's sign, which is also its color.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Comes,
    Goes,
    Changes,
    Stays,
    Warns,
}

impl Sign {
    const fn text(self) -> &'static str {
        match self {
            Self::Comes => "+",
            Self::Goes => "-",
            Self::Changes => "~",
            Self::Stays => " ",
            Self::Warns => "!",
        }
    }

    const fn color(self) -> &'static str {
        match self {
            Self::Comes => "\u{1b}[32m",
            Self::Goes | Self::Warns => "\u{1b}[31m",
            Self::Changes => "\u{1b}[33m",
            Self::Stays => "\u{1b}[2m",
        }
    }
}

struct Page {
    text: String,
    colors: bool,
}

impl Page {
    fn line(&mut self, indent: usize, sign: Sign, text: &str) {
        let (color, end) = if self.colors { (sign.color(), "\u{1b}[0m") } else { ("", "") };
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{color}{:indent$}{} {text}{end}", "", sign.text());
    }
}

fn list<'a>(told: &'a Value, key: &str) -> &'a [Value] {
    told.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(told: &'a Value, key: &str) -> &'a str {
    told.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A plan.
pub(super) fn plan(told: &Value, colors: bool) -> String {
    let mut page = Page { text: String::new(), colors };
    steps(&mut page, told);
    let kept = list(told, "kept");
    if !kept.is_empty() {
        page.text.push_str("Stays, although the files do not have it so:\n");
        for one in kept {
            page.line(0, Sign::Stays, &stays(one));
        }
    }
    let findings = list(told, "findings");
    if !findings.is_empty() {
        page.text.push_str("The data:\n");
        for finding in findings {
            let unless = match text(finding, "unless") {
                "allowDestructive" => " (--allow-destructive)",
                "allowMissing" => " (--allow-missing)",
                _ => "",
            };
            page.line(0, Sign::Warns, &format!("{}{unless}", text(finding, "text")));
        }
    }
    let (steps, refusals) = (list(told, "steps").len(), list(told, "refusals").len());
    let end = match (steps, refusals) {
        (0, _) => "Nothing is to change.".to_owned(),
        (_, 0) => format!("{steps} to change.", steps = count(steps, "step")),
        _ => format!("{}, and the data stands in the way: nothing is changed.", count(steps, "step")),
    };
    let _ = writeln!(page.text, "{end}");
    page.text
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn steps(page: &mut Page, told: &Value) {
    let mut class = "";
    for step in list(told, "steps") {
        let kind = text(step, "step");
        if kind == "createClass" {
            class = text(step, "class");
            page.line(0, Sign::Comes, &format!("class {class}"));
            created(page, step.get("to").unwrap_or(&Value::Null));
            continue;
        }
        if kind == "dropClass" {
            page.line(0, Sign::Goes, &format!("class {}", text(step, "class")));
            continue;
        }
        if text(step, "class") != class {
            class = text(step, "class");
            page.line(0, Sign::Changes, &format!("class {class}"));
        }
        changed(page, kind, step);
    }
}

/// What a new class has.
fn created(page: &mut Page, class: &Value) {
    for (part, noun) in [("fields", "field"), ("indexes", "index"), ("classLevelPermissions", "permission")] {
        for (name, is) in class.get(part).and_then(Value::as_object).into_iter().flatten() {
            page.line(4, Sign::Comes, &format!("{noun} {name} {}", said(is)));
        }
    }
    if class.get("appendOnly") == Some(&Value::Bool(true)) {
        page.line(4, Sign::Comes, "append-only");
    }
}

fn changed(page: &mut Page, kind: &str, step: &Value) {
    let null = Value::Null;
    let (name, from, to) = (text(step, "name"), step.get("from").unwrap_or(&null), step.get("to").unwrap_or(&null));
    match kind {
        "addField" => page.line(4, Sign::Comes, &format!("field {name} {}", said(to))),
        "dropField" => page.line(4, Sign::Goes, &format!("field {name} {}", said(from))),
        "setOptions" => page.line(4, Sign::Changes, &format!("field {name} {} → {}", said(from), said(to))),
        "remakeField" => {
            page.line(4, Sign::Goes, &format!("field {name} {}", said(from)));
            page.line(4, Sign::Comes, &format!("field {name} {}", said(to)));
        }
        "addIndex" => page.line(4, Sign::Comes, &format!("index {name} {}", said(to))),
        "dropIndex" => page.line(4, Sign::Goes, &format!("index {name} {}", said(from))),
        "remakeIndex" => {
            page.line(4, Sign::Goes, &format!("index {name} {}", said(from)));
            page.line(4, Sign::Comes, &format!("index {name} {}", said(to)));
        }
        "setAppendOnly" => {
            let (sign, now) = if *to == Value::Bool(true) { (Sign::Comes, "") } else { (Sign::Goes, "no longer ") };
            page.line(4, sign, &format!("{now}append-only"));
        }
        "setPermissions" => permissions(page, from, to),
        other => page.line(4, Sign::Changes, other),
    }
}

/// The operations whose permissions change.
fn permissions(page: &mut Page, from: &Value, to: &Value) {
    let keys = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let mut all = keys(from);
    all.extend(keys(to));
    all.sort();
    all.dedup();
    for key in all {
        match (from.get(&key), to.get(&key)) {
            (one, other) if one == other => {}
            (None, Some(to)) => page.line(4, Sign::Comes, &format!("permission {key} {}", said(to))),
            (Some(from), None) => page.line(4, Sign::Goes, &format!("permission {key} {}", said(from))),
            (from, to) => {
                let said = |value: Option<&Value>| value.map(said).unwrap_or_default();
                page.line(4, Sign::Changes, &format!("permission {key} {} → {}", said(from), said(to)));
            }
        }
    }
}

/// A field, an index or a permission in few words.
fn said(value: &Value) -> String {
    let Some(map) = value.as_object() else { return value.to_string() };
    let Some(kind) = map.get("type").and_then(Value::as_str) else { return value.to_string() };
    let mut text = kind.to_owned();
    if let Some(target) = map.get("targetClass").and_then(Value::as_str) {
        let _ = write!(text, "<{target}>");
    }
    for (key, value) in map.iter().filter(|(key, _)| !["type", "targetClass"].contains(&key.as_str())) {
        match value {
            Value::Bool(true) => text.extend([" ", key]),
            other => {
                let _ = write!(text, " {key}={other}");
            }
        }
    }
    text
}

fn stays(kept: &Value) -> String {
    let (class, name) = (text(kept, "class"), text(kept, "name"));
    match text(kept, "kept") {
        "class" => format!("class {class}"),
        "field" => format!("field {class}.{name} {}", kept.get("is").map(said).unwrap_or_default()),
        "index" => format!("index {name} of {class} {}", kept.get("is").map(said).unwrap_or_default()),
        _ => format!("field {class}.{name} is {}, not {}", text(kept, "is"), text(kept, "wanted")),
    }
}

/// What was done.
pub(super) fn done(told: &Value) -> String {
    match told.get("number") {
        Some(number) => format!("Done: push {number}, {}.\n", count(list(told, "steps").len(), "step")),
        None => "Nothing was to change.\n".to_owned(),
    }
}

/// A push.
pub(super) fn push(told: &Value, colors: bool) -> String {
    let mut page = Page { text: String::new(), colors };
    let _ = writeln!(page.text, "{}", summary(told));
    steps(&mut page, told);
    page.text
}

/// The history.
pub(super) fn history(told: &Value) -> String {
    let pushes = list(told, "results");
    if pushes.is_empty() {
        return "Nothing was pushed yet.\n".to_owned();
    }
    pushes.iter().fold(String::new(), |mut page, push| {
        let _ = writeln!(page, "{}", summary(push));
        page
    })
}

fn summary(push: &Value) -> String {
    let number = push.get("number").and_then(Value::as_f64).unwrap_or_default();
    let kind = match push.get("undoes") {
        Some(undone) => format!("rollback to before {undone}"),
        None => text(push, "kind").to_owned(),
    };
    let digest: String = text(push, "digest").chars().take(12).collect();
    let mut line = format!(
        "{number:>5}  {begun}  {state:<11}  {steps:>9}  {kind} by {author}",
        begun = text(push, "begunAt"),
        state = text(push, "state"),
        steps = count(list(push, "steps").len(), "step"),
        author = text(push, "author"),
    );
    if !digest.is_empty() {
        line.extend(["  ", &digest]);
    }
    match text(push, "message") {
        "" => line,
        message => format!("{line}\n       {message}"),
    }
}
