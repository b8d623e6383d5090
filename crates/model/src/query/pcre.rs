//! Does a text match a regular expression? Parse's are PCRE's; those are translated to what takes linear time, or refused.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

use super::Pattern;

/// The size of one compiled expression.
const PATTERN_BYTES_MAX: usize = 1_048_576;

/// What is said of an expression that is none.
pub const UNREADABLE: &str = "The regular expression cannot be read.";

/// How deep groups may nest.
const NESTING_MAX: u32 = 64;

/// The text that every match begins with, if the expression is nothing but that: what the SDKs' `startsWith` sends.
pub fn literal_start(pattern: &Pattern) -> Option<&str> {
    let literal = pattern.source.strip_prefix(r"^\Q")?.strip_suffix(r"\E")?;
    let plain = !pattern.options.contains(['i', 'm', 'x']) && !literal.contains(r"\E") && !literal.is_empty();
    plain.then_some(literal)
}

/// Compiles an expression. The error is a sentence that says what is wrong with it.
pub fn compile(pattern: &Pattern) -> Result<Regex, String> {
    let has = |option| pattern.options.contains(option);
    let built = RegexBuilder::new(&translate(&pattern.source, &pattern.options))
        .case_insensitive(has('i'))
        .multi_line(has('m'))
        .dot_matches_new_line(has('s'))
        .ignore_whitespace(has('x'))
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(PATTERN_BYTES_MAX / 2)
        .nest_limit(NESTING_MAX)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "The regular expression is too large.".to_owned(),
        // The last line says what is wrong; those before it show where, over several lines.
        error => match error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ") {
            lacking if lacking.contains("not supported") => {
                format!("The regular expression is not one that can be used: {lacking}")
            }
            _ => UNREADABLE.to_owned(),
        },
    })
}

/// Writes a PCRE expression as the `regex` crate spells it.
fn translate(source: &str, options: &str) -> String {
    let (extended, lines) = (options.contains('x'), options.contains('m'));
    let mut out = String::with_capacity(source.len() + 8);
    let mut rest = source.chars().peekable();
    while let Some(char) = rest.next() {
        match char {
            '\\' => escape(&mut rest, extended, &mut out),
            '[' => class(&mut rest, &mut out),
            '(' if starts_remark(rest.clone()) => while rest.next().is_some_and(|char| char != ')') {},
            // PCRE: the end is also before a last line break.
            '$' if !lines => out.push_str("(?:\\n?\\z)"),
            // PCRE: a brace that is no repetition stands for itself.
            '{' if !is_repetition(rest.clone()) => out.push_str("\\{"),
            _ => out.push(char),
        }
    }
    out
}

fn starts_remark(mut rest: Peekable<Chars<'_>>) -> bool {
    rest.next() == Some('?') && rest.next() == Some('#')
}

/// What is in the braces after `\p` or `\x` belongs to it.
fn braces(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    if rest.peek() == Some(&'{') {
        for char in rest.by_ref() {
            out.push(char);
            if char == '}' {
                return;
            }
        }
    }
}

/// What follows a backslash outside a class.
fn escape(rest: &mut Peekable<Chars<'_>>, extended: bool, out: &mut String) {
    match rest.next() {
        Some('Q') => quoted(rest, extended, out),
        // PCRE: an end without a beginning is nothing.
        Some('E') => {}
        Some('Z') => out.push_str("\\n?\\z"),
        // PCRE: words end where ASCII's do.
        Some('b') => out.push_str("(?-u:\\b)"),
        Some('B') => out.push_str("(?-u:\\B)"),
        Some(char @ ('<' | '>')) => out.push(char),
        Some(char) => match set_of(char) {
            Some((set, not)) => out.extend(["[", not, set, "]"]),
            None => as_it_is(char, rest, out),
        },
        None => out.push('\\'),
    }
}

/// An escape that both dialects have.
fn as_it_is(char: char, rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.extend(['\\', char]);
    braces(rest, out);
}

/// The characters that a letter after a backslash stands for, and `^` if it stands for all others. PCRE: ASCII's only.
const fn set_of(letter: char) -> Option<(&'static str, &'static str)> {
    Some(match letter {
        'd' => ("0-9", ""),
        'D' => ("0-9", "^"),
        'w' => ("0-9A-Za-z_", ""),
        'W' => ("0-9A-Za-z_", "^"),
        's' => (r" \t\n\x0b\x0c\r", ""),
        'S' => (r" \t\n\x0b\x0c\r", "^"),
        'h' => (r" \t", ""),
        'H' => (r" \t", "^"),
        _ => return None,
    })
}

/// Everything up to `\E`, or the end, stands for itself.
fn quoted(rest: &mut Peekable<Chars<'_>>, extended: bool, out: &mut String) {
    let mut literal = String::new();
    while let Some(char) = rest.next() {
        if char == '\\' && rest.peek() == Some(&'E') {
            rest.next();
            break;
        }
        literal.push(char);
    }
    for char in literal.chars() {
        if extended && char.is_whitespace() {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\x{{{:x}}}", u32::from(char));
        } else {
            out.push_str(&regex::escape(char.encode_utf8(&mut [0; 4])));
        }
    }
}

/// The inside of `[...]`: there PCRE knows neither nested classes nor operations on them.
fn class(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('[');
    if rest.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    // PCRE: a bracket that comes first stands for itself.
    if rest.next_if_eq(&']').is_some() {
        out.push_str("\\]");
    }
    while let Some(char) = rest.next() {
        match char {
            ']' => {
                out.push(']');
                return;
            }
            '\\' => match rest.next() {
                Some(char @ ('<' | '>')) => out.push(char),
                Some('b') => out.push_str("\\x08"),
                Some(char) => match set_of(char) {
                    Some((set, "")) => out.push_str(set),
                    Some((set, not)) => out.extend(["[", not, set, "]"]),
                    None => as_it_is(char, rest, out),
                },
                None => out.push('\\'),
            },
            '[' if rest.peek() == Some(&':') => {
                out.push('[');
                for char in rest.by_ref() {
                    out.push(char);
                    if char == ']' {
                        break;
                    }
                }
            }
            '[' | '&' | '~' => {
                out.push('\\');
                out.push(char);
            }
            _ => out.push(char),
        }
    }
}

/// Whether what follows a brace is `n}`, `n,}` or `n,m}`.
fn is_repetition(rest: Peekable<Chars<'_>>) -> bool {
    let inside: String = rest.take_while(|char| *char != '}').take(16).collect();
    let (least, most) = inside.split_once(',').unwrap_or((&inside, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !least.is_empty() && is_number(least) && is_number(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(source: &str, options: &str) -> Pattern {
        Pattern { source: source.to_owned(), options: options.to_owned() }
    }

    #[test]
    fn expressions_mean_what_they_mean_in_pcre() {
        for (source, options, text, expected) in [
            (r"^\Qa.b\E", "", "a.bc", true),
            (r"^\Qa.b\E", "", "axbc", false),
            (r"\Qa\E\\E\Qb\E", "", r"a\Eb", true),
            (r"\Qopen [", "", "open [", true),
            (r"\Qa b\E c", "x", "a bc", true),
            (r"^b", "m", "a\nb", true),
            (r"a.b", "s", "a\nb", true),
            (r"a{b", "", "a{b", true),
            (r"a{2}", "", "aa", true),
            (r"[[]x", "", "[x", true),
            (r"[]a]+$", "", "]a", true),
            (r"[^]]", "", "]", false),
            (r"[[:alpha:]&&]", "", "&", true),
            (r"a\/b\<c", "", "a/b<c", true),
            (r"É", "i", "é", true),
            (r"a$", "", "a\n", true),
            (r"a$", "", "a\nb", false),
            (r"^[\p{Lu}]\x{e9}$", "", "Éé", true),
            (r"(?#no)a", "", "a", true),
            (r"^\w+$", "", "é", false),
            (r"^[\w-]+$", "", "a-b_1", true),
            (r"^[^\W\d]+$", "", "ab", true),
            (r"^[^\W\d]+$", "", "a1", false),
            (r"a\b", "", "aé", true),
            (r"\Ba", "", "ba", true),
            (r"^[\s\d]$", "", "\u{a0}", false),
        ] {
            assert_eq!(compile(&pattern(source, options)).unwrap().is_match(text), expected, "{source} on {text}");
        }
    }

    #[test]
    fn what_cannot_be_taken_is_refused() {
        for source in ["(", "(?=a)b", r"(a)\1", "a{1000}{1000}"] {
            assert!(compile(&pattern(source, "")).is_err(), "{source}");
        }
    }

    #[test]
    fn only_a_literal_start_is_one() {
        assert_eq!(literal_start(&pattern(r"^\Qab\E", "s")), Some("ab"));
        for (source, options) in [(r"^\Qab\E", "i"), (r"^\Qa\E|\Qb\E", ""), (r"^\Qab\E.", ""), (r"\Qab\E", "")] {
            assert_eq!(literal_start(&pattern(source, options)), None, "{source}");
        }
    }
}
