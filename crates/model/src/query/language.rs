//! Which languages does a text search know: those that MongoDB does, by its names and codes.

/// A language, whose stems and stop words count in a text search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Language {
    /// `danish`, `da`.
    Danish,
    /// `dutch`, `nl`.
    Dutch,
    /// `english`, `en`: what MongoDB takes unless it is told.
    #[default]
    English,
    /// `finnish`, `fi`.
    Finnish,
    /// `french`, `fr`.
    French,
    /// `german`, `de`.
    German,
    /// `hungarian`, `hu`.
    Hungarian,
    /// `italian`, `it`.
    Italian,
    /// `norwegian`, `nb`.
    Norwegian,
    /// `portuguese`, `pt`.
    Portuguese,
    /// `romanian`, `ro`.
    Romanian,
    /// `russian`, `ru`.
    Russian,
    /// `spanish`, `es`.
    Spanish,
    /// `swedish`, `sv`.
    Swedish,
    /// `turkish`, `tr`.
    Turkish,
    /// `none`: every word is its own stem, and none is a stop word.
    None,
}

/// Every language, with its name and its other name.
const NAMES: [(Language, &str, &str); 16] = [
    (Language::Danish, "danish", "da"),
    (Language::Dutch, "dutch", "nl"),
    (Language::English, "english", "en"),
    (Language::Finnish, "finnish", "fi"),
    (Language::French, "french", "fr"),
    (Language::German, "german", "de"),
    (Language::Hungarian, "hungarian", "hu"),
    (Language::Italian, "italian", "it"),
    (Language::Norwegian, "norwegian", "nb"),
    (Language::Portuguese, "portuguese", "pt"),
    (Language::Romanian, "romanian", "ro"),
    (Language::Russian, "russian", "ru"),
    (Language::Spanish, "spanish", "es"),
    (Language::Swedish, "swedish", "sv"),
    (Language::Turkish, "turkish", "tr"),
    (Language::None, "none", "none"),
];

impl Language {
    /// Every language.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(language, ..)| *language)
    }

    /// The language of this name or code, in any case.
    pub fn named(name: &str) -> Option<Self> {
        let is_it = |known: &str| known.eq_ignore_ascii_case(name);
        NAMES.iter().find(|(_, long, short)| is_it(long) || is_it(short)).map(|(language, ..)| *language)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(language, ..)| *language == self).map_or("none", |(_, name, _)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_goes_round_by_its_name() {
        for language in Language::all() {
            assert_eq!(Language::named(language.name()), Some(language));
        }
        assert_eq!(Language::named("EN"), Some(Language::English));
        assert_eq!(Language::named("klingon"), None);
    }
}
