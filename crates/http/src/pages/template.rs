//! How do values get into a page? By Mustache's rules, as Parse's pages have them: `{{name}}` escaped, `{{{name}}}` as it is,
//! `{{#name}}…{{/name}}` where there is one, `{{^name}}…{{/name}}` where there is none, `{{! … }}` nothing.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// How deep sections may stand within each other; what is deeper is left out.
const DEPTH_MAX: usize = 32;

/// Fills a page.
pub(super) fn render(template: &str, values: &Map<String, Value>) -> String {
    let mut page = String::with_capacity(template.len());
    part(template, Filling { values, escapes: true }, &mut page, 0);
    page
}

/// Fills a text that goes into a page later, and is escaped then.
pub(super) fn render_text(template: &str, values: &Map<String, Value>) -> String {
    let mut text = String::with_capacity(template.len());
    part(template, Filling { values, escapes: false }, &mut text, 0);
    text
}

/// What a page is filled with, and how.
#[derive(Clone, Copy)]
struct Filling<'a> {
    values: &'a Map<String, Value>,
    escapes: bool,
}

/// A tag, and what stands behind it.
enum Tag<'a> {
    Escaped(&'a str),
    Raw(&'a str),
    Section(&'a str),
    Inverted(&'a str),
    End(&'a str),
    Nothing,
}

/// The text before the next tag, the tag, and the text behind it.
fn next_tag(text: &str) -> Option<(&str, Tag<'_>, &str)> {
    let (before, rest) = text.split_once("{{")?;
    if let Some(raw) = rest.strip_prefix('{') {
        let (name, after) = raw.split_once("}}}")?;
        return Some((before, Tag::Raw(name.trim()), after));
    }
    let (tag, after) = rest.split_once("}}")?;
    let tag = tag.trim();
    let mut letters = tag.chars();
    let kind = letters.next();
    let name = letters.as_str().trim();
    let tag = match kind {
        Some('#') => Tag::Section(name),
        Some('^') => Tag::Inverted(name),
        Some('/') => Tag::End(name),
        Some('&') => Tag::Raw(name),
        Some('!') | None => Tag::Nothing,
        Some(_) => Tag::Escaped(tag),
    };
    Some((before, tag, after))
}

fn part(mut text: &str, filling: Filling<'_>, page: &mut String, depth: usize) {
    let values = filling.values;
    while let Some((before, tag, after)) = next_tag(text) {
        page.push_str(before);
        text = after;
        match tag {
            Tag::Escaped(name) if filling.escapes => page.push_str(&escaped(&told(find(values, name)))),
            Tag::Raw(name) | Tag::Escaped(name) => page.push_str(&told(find(values, name))),
            Tag::Section(name) | Tag::Inverted(name) => {
                let wanted = matches!(tag, Tag::Section(_)) == is_there(find(values, name));
                let (inside, behind) = section(after, name);
                if wanted && depth < DEPTH_MAX {
                    part(inside, filling, page, depth + 1);
                }
                text = behind;
            }
            Tag::End(_) | Tag::Nothing => {}
        }
    }
    page.push_str(text);
}

/// What stands in a section, and what behind it. One that does not end goes to the end of the page.
fn section<'a>(text: &'a str, name: &str) -> (&'a str, &'a str) {
    let (mut open, mut rest) = (1_usize, text);
    while let Some((before, tag, after)) = next_tag(rest) {
        match tag {
            Tag::Section(other) | Tag::Inverted(other) if other == name => open += 1,
            Tag::End(other) if other == name => open -= 1,
            _ => {}
        }
        if open == 0 {
            let end = text.len() - rest.len() + before.len();
            return (text.get(..end).unwrap_or(text), after);
        }
        rest = after;
    }
    (text, "")
}

/// The value of a name; dots lead into objects.
fn find<'a>(values: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(value) = values.get(name) {
        return Some(value);
    }
    let mut parts = name.split('.');
    let first = values.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

fn is_there(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(_) => true,
    }
}

fn told(value: Option<&Value>) -> Cow<'_, str> {
    match value {
        None | Some(Value::Null) => Cow::Borrowed(""),
        Some(Value::String(text)) => Cow::Borrowed(text),
        Some(other) => Cow::Owned(other.to_string()),
    }
}

/// Text that says the same in HTML, in the value of an attribute too.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut html, letter| {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '/' => html.push_str("&#x2F;"),
            '`' => html.push_str("&#x60;"),
            '=' => html.push_str("&#x3D;"),
            other => html.push(other),
        }
        html
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pages_are_filled_as_mustache_does() {
        let values = json!({"a": "<b>'\"&", "n": 7, "empty": "", "no": false, "in": {"side": "x"}, "list": []});
        for (template, page) in [
            ("{{a}}|{{ a }}", "&lt;b&gt;&#39;&quot;&amp;|&lt;b&gt;&#39;&quot;&amp;"),
            ("{{{a}}}|{{&a}}", "<b>'\"&|<b>'\"&"),
            ("{{n}} {{in.side}} {{in.other}} {{nope}}.", "7 x  ."),
            ("{{#a}}yes {{n}}{{/a}}{{^a}}no{{/a}}", "yes 7"),
            ("{{#empty}}yes{{/empty}}{{^empty}}no{{/empty}}{{^list}}none{{/list}}{{^no}}!{{/no}}", "nonone!"),
            ("{{#n}}a{{#n}}b{{/n}}c{{/n}}d", "abcd"),
            ("{{^n}}a{{#n}}b{{/n}}c{{/n}}d", "d"),
            ("{{! {{n}} }}x", " }}x"),
            ("{{#n}}open", "open"),
            ("{{/n}}{{}}", ""),
            ("{{n", "{{n"),
            ("{ {n} }", "{ {n} }"),
        ] {
            assert_eq!(render(template, values.as_object().unwrap()), page, "{template}");
        }
    }

    #[test]
    fn sections_without_end_do_not_overflow_the_stack() {
        let template = "{{#n}}".repeat(10_000);
        let values = json!({"n": 1});
        assert_eq!(render(&template, values.as_object().unwrap()), "");
    }
}
