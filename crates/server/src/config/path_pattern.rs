//! Which paths does a pattern mean, as `path-to-regexp` 8 reads it: `:name` is one segment, `*name` is anything, what stands in
//! braces may be missing, a backslash makes the next character plain. Neither case nor a slash at the end matters.

use std::iter::Peekable;
use std::str::CharIndices;

use regex::{Regex, RegexBuilder};

/// What has a meaning of its own, now or in a version to come.
const RESERVED: &str = "()[]+?!";

/// Reads a pattern. The error says what is wrong, as the original does.
pub(super) fn read(pattern: &str) -> Result<Regex, String> {
    let mut text = String::from("^(?:");
    let mut characters = pattern.char_indices().peekable();
    let mut open = 0_usize;
    while let Some((index, character)) = characters.next() {
        match character {
            '{' => {
                open += 1;
                text.push_str("(?:");
            }
            '}' if open > 0 => {
                open -= 1;
                text.push_str(")?");
            }
            ':' | '*' => {
                name(&mut characters, pattern)?;
                text.push_str(if character == ':' { "[^/]+" } else { "(?s:.+)" });
            }
            '\\' => match characters.next() {
                Some((_, plain)) => text.push_str(&regex::escape(plain.encode_utf8(&mut [0; 4]))),
                None => return Err(format!("Unexpected end after \\ at index {}: {pattern}", index + 1)),
            },
            reserved if reserved == '}' || RESERVED.contains(reserved) => {
                return Err(format!("Unexpected {reserved} at index {index}: {pattern}"));
            }
            plain => text.push_str(&regex::escape(plain.encode_utf8(&mut [0; 4]))),
        }
    }
    if open > 0 {
        return Err(format!("Unexpected end at index {}, expected }}: {pattern}", pattern.len()));
    }
    text.push_str(")/?$");
    RegexBuilder::new(&text).case_insensitive(true).build().map_err(|error| error.to_string())
}

/// The name of a part: as in JavaScript, or in quotes.
fn name(characters: &mut Peekable<CharIndices<'_>>, pattern: &str) -> Result<(), String> {
    let start = characters.peek().map_or(pattern.len(), |(index, _)| *index);
    let mut found = false;
    if characters.next_if(|(_, character)| *character == '"').is_some() {
        while let Some((_, character)) = characters.next() {
            match character {
                '"' if found => return Ok(()),
                '"' => break,
                '\\' => drop(characters.next()),
                _ => {}
            }
            found = true;
        }
        return Err(format!("Unterminated quote at index {start}: {pattern}"));
    }
    while let Some((_, character)) = characters.peek() {
        let begins = character.is_alphabetic() || matches!(character, '_' | '$');
        if !(begins || found && character.is_alphanumeric()) {
            break;
        }
        found = true;
        characters.next();
    }
    if found { Ok(()) } else { Err(format!("Missing parameter name at index {start}: {pattern}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_to_parse_server() {
        for (pattern, covered, others) in [
            (
                "/functions/*path",
                &["/functions/a", "/functions/a/b", "/FUNCTIONS/a/"][..],
                &["/functions", "/functions/"][..],
            ),
            ("/*path", &["/a", "/a/b"], &["/"]),
            ("{*path}", &["", "/a/b"], &[]),
            ("/classes/Post{/*id}", &["/classes/Post", "/classes/post/", "/classes/Post/1"], &["/classes/Poster"]),
            ("/classes/:class", &["/classes/A"], &["/classes/A/b", "/classes/"]),
            ("/a/:\"the id\"/b", &["/a/1/b"], &["/a/b"]),
            ("/login", &["/login", "/LOGIN/"], &["/login/x", "/xlogin"]),
            ("/a.b\\*", &["/a.b*"], &["/axb*", "/a.bc"]),
        ] {
            let read = read(pattern).unwrap();
            for path in covered {
                assert!(read.is_match(path), "{pattern} {path}");
            }
            for path in others {
                assert!(!read.is_match(path), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn patterns_that_cannot_be_are_told() {
        for (pattern, expected) in [
            ("*", "Missing parameter name at index 1: *"),
            ("/functions/*", "Missing parameter name at index 12: /functions/*"),
            ("/a/:", "Missing parameter name at index 4: /a/:"),
            ("/a/(b)", "Unexpected ( at index 3: /a/(b)"),
            ("/a{/b", "Unexpected end at index 5, expected }: /a{/b"),
            ("/a}", "Unexpected } at index 2: /a}"),
            ("/:\"a", "Unterminated quote at index 2: /:\"a"),
            ("/a\\", "Unexpected end after \\ at index 3: /a\\"),
        ] {
            assert_eq!(read(pattern).err().as_deref(), Some(expected));
        }
    }
}
