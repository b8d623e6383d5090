//! Does a text match a regular expression? Parse's are PCRE's; those are translated to what takes linear time, or refused.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;
use std::sync::Arc;

use parking_lot::Mutex;
use parsimony_model::query::Pattern;
use parsimony_store::StoreError;
use regex::{Regex, RegexBuilder};

/// Compiled expressions that are kept.
const PATTERNS_MAX: usize = 32;

/// The size of one compiled expression.
const PATTERN_BYTES_MAX: usize = 1_048_576;

/// How deep groups may nest.
const NESTING_MAX: u32 = 64;

/// The compiled expressions of a store, by [`key`].
#[derive(Debug, Default)]
pub(crate) struct Patterns(Mutex<HashMap<String, Arc<Regex>, ahash::RandomState>>);

impl Patterns {
    /// The compiled expression with this key.
    pub(crate) fn get(&self, key: &str) -> Result<Arc<Regex>, StoreError> {
        if let Some(known) = self.0.lock().get(key) {
            return Ok(Arc::clone(known));
        }
        let (options, source) = key.split_once('/').unwrap_or(("", key));
        let compiled = Arc::new(compile(source, options)?);
        let mut known = self.0.lock();
        // Rarely reached: an application has few expressions, and a stranger's many push out each other.
        if known.len() >= PATTERNS_MAX {
            let oldest = known.keys().next().cloned();
            oldest.map(|oldest| known.remove(&oldest));
        }
        known.insert(key.to_owned(), Arc::clone(&compiled));
        Ok(compiled)
    }

    /// Compiles an expression, unless it is known, and gives its key.
    pub(crate) fn check(&self, pattern: &Pattern) -> Result<String, StoreError> {
        let key = key(pattern);
        self.get(&key)?;
        Ok(key)
    }
}

/// The expression with its options as one text, which a statement can bind.
fn key(pattern: &Pattern) -> String {
    format!("{}/{}", pattern.options, pattern.source)
}

/// The text that every match begins with, if the expression is nothing but that: what the SDKs' `startsWith` sends.
pub(crate) fn literal_start(pattern: &Pattern) -> Option<&str> {
    let literal = pattern.source.strip_prefix(r"^\Q")?.strip_suffix(r"\E")?;
    let plain = !pattern.options.contains(['i', 'm', 'x']) && !literal.contains(r"\E") && !literal.is_empty();
    plain.then_some(literal)
}

fn compile(source: &str, options: &str) -> Result<Regex, StoreError> {
    let has = |option| options.contains(option);
    let built = RegexBuilder::new(&translate(source, options))
        .case_insensitive(has('i'))
        .multi_line(has('m'))
        .dot_matches_new_line(has('s'))
        .ignore_whitespace(has('x'))
        .size_limit(PATTERN_BYTES_MAX)
        .dfa_size_limit(PATTERN_BYTES_MAX / 2)
        .nest_limit(NESTING_MAX)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => StoreError::InvalidQuery("The regular expression is too large.".to_owned()),
        // The last line says what is wrong; those before it show where, over several lines.
        error => match error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ") {
            lacking if lacking.contains("not supported") => {
                StoreError::InvalidQuery(format!("The regular expression is not one that can be used: {lacking}"))
            }
            _ => StoreError::unreadable_pattern(),
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
        let patterns = Patterns::default();
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
            let key = patterns.check(&pattern(source, options)).unwrap();
            assert_eq!(patterns.get(&key).unwrap().is_match(text), expected, "{source} on {text}");
        }
    }

    #[test]
    fn what_cannot_be_taken_is_an_invalid_query() {
        for source in ["(", "(?=a)b", r"(a)\1", "a{1000}{1000}"] {
            let error = Patterns::default().check(&pattern(source, "")).unwrap_err();
            assert!(matches!(error, StoreError::InvalidQuery(_)), "{source}: {error}");
        }
    }

    #[test]
    fn compiled_expressions_are_bounded() {
        let patterns = Patterns::default();
        for number in 0..PATTERNS_MAX * 2 {
            patterns.check(&pattern(&number.to_string(), "")).unwrap();
        }
        assert_eq!(patterns.0.lock().len(), PATTERNS_MAX);
    }

    #[test]
    fn only_a_literal_start_is_one() {
        assert_eq!(literal_start(&pattern(r"^\Qab\E", "s")), Some("ab"));
        for (source, options) in [(r"^\Qab\E", "i"), (r"^\Qa\E|\Qb\E", ""), (r"^\Qab\E.", ""), (r"\Qab\E", "")] {
            assert_eq!(literal_start(&pattern(source, options)), None, "{source}");
        }
    }
}
