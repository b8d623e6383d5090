//! What are the words of a text? Those that MongoDB's text index (version 3) has: stems, without stop words, case and accents.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use regex::Regex;
use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization as _;

use crate::query::Language;

/// What is between words.
static DELIMITERS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"[\p{Dash}\p{Hyphen}\p{Pattern_Syntax}\p{Quotation_Mark}\p{Terminal_Punctuation}\p{White_Space}]").ok()
});

/// The accents that a letter is taken apart into.
static ACCENTS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\p{Diacritic}").ok());

/// Words that a search leaves out, by language. They are the ones that MongoDB leaves out: it tells when it is asked to
/// explain a search.
static STOP_WORDS: LazyLock<HashMap<Language, HashSet<&'static str>>> = LazyLock::new(|| {
    let mut words: HashMap<Language, HashSet<&'static str>> = HashMap::new();
    let mut language = Language::None;
    for line in include_str!("stop_words.txt").lines() {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(name) => language = Language::named(name).unwrap_or(Language::None),
            None => words.entry(language).or_default().extend(line.split(' ')),
        }
    }
    words
});

/// What of a word counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kept {
    /// Its case.
    pub case: bool,
    /// Its accents.
    pub accents: bool,
}

/// How words are taken from a text.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    /// The language of stems and stop words.
    pub language: Language,
    /// What of them counts.
    pub kept: Kept,
    /// Whether stop words are left out.
    pub leaves_out: bool,
}

impl Reader {
    /// As an index reads the texts of objects.
    pub const INDEX: Self =
        Self { language: Language::English, kept: Kept { case: false, accents: false }, leaves_out: true };

    /// The words of a text, in its order.
    pub fn words(self, text: &str) -> impl Iterator<Item = String> {
        // MongoDB: in English, an apostrophe is a part of the word.
        let apostrophe = self.language == Language::English;
        let is_between = move |letter: char| match letter {
            '\'' => !apostrophe,
            '_' => false,
            // Most letters are of these, for which the expression would say the same.
            _ if letter.is_ascii() => letter.is_ascii_punctuation() || letter.is_whitespace(),
            _ => DELIMITERS.as_ref().is_some_and(|regex| regex.is_match(letter.encode_utf8(&mut [0; 4]))),
        };
        let stemmer = algorithm(self.language).map(Stemmer::create);
        let stop_words = STOP_WORDS.get(&self.language).filter(|_| self.leaves_out);
        let parts = text.split(is_between).filter(|part| !part.is_empty());
        parts.filter_map(move |part| {
            let lower = without_case(part);
            if stop_words.is_some_and(|words| words.contains(&*lower)) {
                return None;
            }
            let word = if self.kept.case { Cow::Borrowed(part) } else { lower };
            let stem = match &stemmer {
                Some(stemmer) => stemmer.stem(&word),
                None => Cow::Borrowed(&*word),
            };
            Some(if self.kept.accents { stem.into_owned() } else { without_accents(&stem).into_owned() })
        })
    }
}

/// A text of which only this counts.
pub fn reduced(text: &str, kept: Kept) -> Cow<'_, str> {
    let text = if kept.case { Cow::Borrowed(text) } else { without_case(text) };
    if kept.accents { text } else { Cow::Owned(without_accents(&text).into_owned()) }
}

/// Unicode's simple case folding: letters that are the same in capitals become the same.
fn without_case(text: &str) -> Cow<'_, str> {
    let is_lower = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase();
    if text.bytes().all(is_lower) { Cow::Borrowed(text) } else { Cow::Owned(text.chars().map(folded).collect()) }
}

fn folded(letter: char) -> char {
    fn one(mut letters: impl Iterator<Item = char>) -> Option<char> {
        let first = letters.next()?;
        letters.next().is_none().then_some(first)
    }
    // The Turkish letter has a capital that it does not share.
    let capital = if letter == 'ı' { letter } else { one(letter.to_uppercase()).unwrap_or(letter) };
    one(capital.to_lowercase()).unwrap_or(letter)
}

fn without_accents(text: &str) -> Cow<'_, str> {
    match ACCENTS.as_ref() {
        Some(accents) if !text.is_ascii() => {
            let apart: String = text.nfd().collect();
            Cow::Owned(accents.replace_all(&apart, "").nfc().collect())
        }
        _ => Cow::Borrowed(text),
    }
}

fn algorithm(language: Language) -> Option<Algorithm> {
    Some(match language {
        Language::Danish => Algorithm::Danish,
        Language::Dutch => Algorithm::Dutch,
        Language::English => Algorithm::English,
        Language::Finnish => Algorithm::Finnish,
        Language::French => Algorithm::French,
        Language::German => Algorithm::German,
        Language::Hungarian => Algorithm::Hungarian,
        Language::Italian => Algorithm::Italian,
        Language::Norwegian => Algorithm::Norwegian,
        Language::Portuguese => Algorithm::Portuguese,
        Language::Romanian => Algorithm::Romanian,
        Language::Russian => Algorithm::Russian,
        Language::Spanish => Algorithm::Spanish,
        Language::Swedish => Algorithm::Swedish,
        Language::Turkish => Algorithm::Turkish,
        Language::None => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reader: Reader, text: &str) -> String {
        reader.words(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_are_the_stems_that_mongodb_has() {
        for (text, words) in [
            ("The coffee is hot", "coffe hot"),
            ("Running runners run ran", "run runner run ran"),
            (
                "don't stop-believing foo_bar e-mail 3.14 C++ user@example.com",
                "stop believ foo_bar e mail 3 14 c user exampl com",
            ),
            ("CAFÉ naïve résumé", "cafe naiv resume"),
            ("日本語 テキスト", "日本語 テキスト"),
            ("über straße ſ", "uber straße s"),
            ("", ""),
        ] {
            assert_eq!(read(Reader::INDEX, text), words, "{text}");
        }
    }

    #[test]
    fn languages_have_their_own_stems_and_stop_words() {
        let of = |language, text| read(Reader { language, ..Reader::INDEX }, text);
        assert_eq!(of(Language::Spanish, "los perros corriendo"), "perr corr");
        assert_eq!(of(Language::None, "The running dogs' café"), "the running dogs cafe");
        assert_eq!(of(Language::German, "die Häuser"), "haus");
        let all = Reader { leaves_out: false, ..Reader::INDEX };
        assert_eq!(read(all, "The end"), "the end");
        let exact = Reader { kept: Kept { case: true, accents: true }, ..Reader::INDEX };
        assert_eq!(read(exact, "The Café"), "Café");
    }

    #[test]
    fn letters_of_ascii_are_told_apart_as_the_others_are() {
        let regex = DELIMITERS.as_ref().unwrap();
        for letter in (0..128_u8).map(char::from).filter(|letter| *letter != '\'') {
            let parts = Reader { language: Language::None, ..Reader::INDEX }.words(&format!("a{letter}b")).count();
            assert_eq!(parts == 2, regex.is_match(&letter.to_string()), "{letter:?}");
        }
    }

    #[test]
    fn every_language_but_none_has_stop_words() {
        for language in Language::all() {
            assert_eq!(STOP_WORDS.contains_key(&language), language != Language::None, "{language:?}");
        }
        assert_eq!(STOP_WORDS[&Language::English].len(), 174);
    }
}
