//! What does a text search find, and how well does it fit? As MongoDB's does, to the last digit of the score.

pub mod words;

use std::collections::{HashMap, HashSet};

use self::words::{Kept, Reader, reduced};
use super::TextSearch;
use crate::value::Value;

/// A text search, taken apart.
#[derive(Debug)]
pub struct Search {
    /// Stems of which an object has at least one.
    stems: HashSet<String>,
    /// The words of which it has at least one, where case or accents count.
    wanted: HashSet<String>,
    /// Words that it has none of.
    unwanted: HashSet<String>,
    /// Parts of its texts that must all be there.
    phrases: Vec<String>,
    /// Parts of its texts that must not be there.
    unwanted_phrases: Vec<String>,
    kept: Kept,
}

impl Search {
    /// Takes a search apart.
    pub fn new(search: &TextSearch) -> Self {
        let kept = Kept { case: search.case_sensitive, accents: search.diacritic_sensitive };
        let parts = Parts::of(&search.term);
        let read =
            |text: &str, kept| Reader { language: search.language, kept, leaves_out: true }.words(text).collect();
        let phrases =
            |phrases: Vec<&str>| phrases.into_iter().map(|phrase| reduced(phrase, kept).into_owned()).collect();
        Self {
            stems: read(&parts.wanted, Kept::default()),
            wanted: read(&parts.wanted, kept),
            unwanted: read(&parts.unwanted, kept),
            phrases: phrases(parts.phrases),
            unwanted_phrases: phrases(parts.unwanted_phrases),
            kept,
        }
    }

    /// The stems of which an object has at least one, in their order.
    pub fn stems(&self) -> Vec<&str> {
        let mut stems: Vec<&str> = self.stems.iter().map(String::as_str).collect();
        stems.sort_unstable();
        stems
    }

    /// Whether every candidate is found.
    pub fn takes_every_candidate(&self) -> bool {
        self.kept == Kept::default()
            && self.unwanted.is_empty()
            && self.phrases.is_empty()
            && self.unwanted_phrases.is_empty()
    }

    /// Whether an object with these texts is found.
    pub fn finds(&self, texts: &[String]) -> bool {
        let has = |kept, words: &HashSet<String>| {
            let reader = Reader { kept, leaves_out: false, ..Reader::INDEX };
            !words.is_empty() && texts.iter().any(|text| reader.words(text).any(|word| words.contains(&word)))
        };
        let is_there = |phrase: &String| texts.iter().any(|text| reduced(text, self.kept).contains(phrase.as_str()));
        texts.iter().any(|text| Reader::INDEX.words(text).any(|word| self.stems.contains(&word)))
            && (self.kept == Kept::default() || has(self.kept, &self.wanted))
            && !has(self.kept, &self.unwanted)
            && self.phrases.iter().all(is_there)
            && !self.unwanted_phrases.iter().any(is_there)
    }

    /// How well an object with these texts fits.
    pub fn score(&self, texts: &[String]) -> f64 {
        texts.iter().map(|text| self.score_of(text)).sum()
    }

    /// Parse, and MongoDB: the more of a text's words it is, the better; each time a word comes again it counts half as much;
    /// and a word that is all of the text counts a little more.
    fn score_of(&self, text: &str) -> f64 {
        let mut words_of_text = 0_u32;
        let mut found: HashMap<String, u32> = HashMap::new();
        for word in Reader::INDEX.words(text) {
            words_of_text += 1;
            if self.stems.contains(&word) {
                *found.entry(word).or_default() += 1;
            }
        }
        let one = |(word, count): (String, u32)| {
            let often = 2.0 - 2.0 * 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
            let share = 0.5 * f64::from(count) / f64::from(words_of_text) + 0.5;
            let whole = if text.eq_ignore_ascii_case(&word) { 1.1 } else { 1.0 };
            often * share * whole
        };
        found.into_iter().map(one).sum()
    }
}

/// The texts in a value that a search looks into: of a list, its texts.
pub fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// MongoDB: what ends the reach of a `-`; no tab is among it.
fn is_space(sign: char) -> bool {
    matches!(sign, ' ' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

/// What is written in a search.
#[derive(Debug, Default, PartialEq)]
struct Parts<'t> {
    wanted: String,
    unwanted: String,
    phrases: Vec<&'t str>,
    unwanted_phrases: Vec<&'t str>,
}

impl<'t> Parts<'t> {
    /// MongoDB: a `-` at the beginning of a word or of a `"phrase"` means that it is not wanted, as far as the next space.
    /// The words of a phrase that is wanted are wanted too.
    fn of(term: &'t str) -> Self {
        let mut parts = Self::default();
        let (mut after_space, mut unwanted) = (true, false);
        let mut rest = term;
        let mut phrase = None;
        while let Some(sign) = rest.chars().next() {
            match sign {
                '-' => {
                    unwanted |= phrase.is_none() && after_space;
                    rest = rest.get(1..).unwrap_or_default();
                }
                '"' => {
                    rest = rest.get(1..).unwrap_or_default();
                    phrase = match phrase.take() {
                        None => {
                            unwanted &= !after_space;
                            Some(rest)
                        }
                        Some(begin) => {
                            parts.end_phrase(begin, rest, unwanted);
                            None
                        }
                    };
                }
                space if is_space(space) => rest = rest.trim_start_matches(is_space),
                _ => {
                    let end = rest.find(|sign: char| sign == '-' || sign == '"' || is_space(sign));
                    let (word, after) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, ""));
                    rest = after;
                    unwanted &= phrase.is_some() || !after_space;
                    if !unwanted {
                        parts.wanted.extend([word, " "]);
                    } else if phrase.is_none() {
                        parts.unwanted.extend([word, " "]);
                    }
                }
            }
            after_space = is_space(sign);
        }
        parts
    }

    /// The phrase that begins there and has just ended before what is left.
    fn end_phrase(&mut self, begin: &'t str, left: &str, unwanted: bool) {
        let with_quote = begin.len().saturating_sub(left.len());
        let phrase = begin.get(..with_quote.saturating_sub(1)).unwrap_or_default();
        if unwanted { self.unwanted_phrases.push(phrase) } else { self.phrases.push(phrase) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Language;

    fn search(term: &str) -> Search {
        Search::new(&TextSearch {
            term: term.to_owned(),
            language: Language::English,
            case_sensitive: false,
            diacritic_sensitive: false,
        })
    }

    #[test]
    fn a_search_is_taken_apart_as_mongodb_does() {
        for (term, wanted, unwanted, phrases, unwanted_phrases) in [
            ("coffee shop", "coffee shop ", "", vec![], vec![]),
            ("coffee -shop", "coffee ", "shop ", vec![], vec![]),
            ("coffee - shop", "coffee shop ", "", vec![], vec![]),
            ("coffee-shop", "coffee shop ", "", vec![], vec![]),
            ("-foo-bar x", "x ", "foo bar ", vec![], vec![]),
            ("--shop coffee", "coffee ", "shop ", vec![], vec![]),
            (r#""coffee shop" tea"#, "coffee shop tea ", "", vec!["coffee shop"], vec![]),
            (r#"coffee -"tea shop" x"#, "coffee x ", "", vec![], vec!["tea shop"]),
            (r#"a "not closed"#, "a not closed ", "", vec![], vec![]),
            (r#"x -"not closed"#, "x ", "", vec![], vec![]),
            (r#"-foo "bar baz" x"#, "bar baz x ", "foo ", vec!["bar baz"], vec![]),
            (r#"-foo"bar baz" x"#, "x ", "foo ", vec![], vec!["bar baz"]),
            (r#"-"a b"c d"#, "d ", "c ", vec![], vec!["a b"]),
            (r#"foo -"bar -baz" x"#, "foo x ", "", vec![], vec!["bar -baz"]),
            (r#"x-"neg" y"#, "x neg y ", "", vec!["neg"], vec![]),
            ("-a\tb", "", "a\tb ", vec![], vec![]),
            (r#""a-b" "" c"#, "a b c ", "", vec!["a-b", ""], vec![]),
        ] {
            let expected =
                Parts { wanted: wanted.to_owned(), unwanted: unwanted.to_owned(), phrases, unwanted_phrases };
            assert_eq!(Parts::of(term), expected, "{term}");
        }
    }

    #[test]
    fn scores_are_mongodb_s() {
        for (term, text, score) in [
            ("coffee", "The coffee is hot", 0.75),
            ("coffee", "Coffee and coffees; coffee shop", 1.53125),
            ("coffee", "coffee shop with tea", 2.0 / 3.0),
            ("coffee shop", "Coffee and coffees; coffee shop", 2.15625),
            ("coffee", "coffee", 1.0),
            ("tea", "Tea", 1.1),
            ("run", "running runners run ran", 1.125),
        ] {
            assert!((search(term).score(&[text.to_owned()]) - score).abs() < 1e-12, "{term} in {text}");
        }
        let twice = ["tea".to_owned(), "no tea".to_owned()];
        assert!((search("tea").score(&twice) - 2.1).abs() < 1e-12, "texts are scored one by one");
    }
}
