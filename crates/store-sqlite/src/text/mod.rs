//! How does a statement ask about texts? A search is bound as text; what it means is `model::query::text`.

pub(crate) mod functions;
pub(crate) mod tables;

use parsimony_model::Value;
pub(crate) use parsimony_model::query::text::Search;
use parsimony_model::query::{Language, TextSearch};
use parsimony_model::value::json;
use parsimony_store::StoreError;

/// A search as a text that a statement can bind.
pub(crate) fn encode(search: &TextSearch) -> String {
    let parts: [Value; 4] = [
        search.term.as_str().into(),
        search.language.name().into(),
        search.case_sensitive.into(),
        search.diacritic_sensitive.into(),
    ];
    String::from_utf8(json::write(&parts[..])).unwrap_or_default()
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode(encoded: &str) -> Result<Search, StoreError> {
    let broken = || StoreError::Corrupt("a text search cannot be read".to_owned());
    let Ok(Value::Array(parts)) = json::read(encoded.as_bytes()) else { return Err(broken()) };
    let [Value::String(term), Value::String(language), Value::Bool(case), Value::Bool(accents)] = parts.as_slice()
    else {
        return Err(broken());
    };
    Ok(Search::new(&TextSearch {
        term: term.clone(),
        language: Language::named(language).ok_or_else(broken)?,
        case_sensitive: *case,
        diacritic_sensitive: *accents,
    }))
}

/// The objects that may be found, as the index is asked for them; `None` if there are none.
pub(crate) fn candidates(search: &Search) -> Option<String> {
    let stems: Vec<String> = search.stems().into_iter().map(|stem| format!("\"{}\"", tables::term(stem))).collect();
    (!stems.is_empty()).then(|| stems.join(" OR "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_goes_round() {
        let asked = TextSearch {
            term: r#"a "b" -c"#.to_owned(),
            language: Language::Spanish,
            case_sensitive: true,
            diacritic_sensitive: true,
        };
        let back = decode(&encode(&asked)).unwrap();
        for (text, found) in [("b", true), ("B", false), ("b c", false)] {
            assert_eq!(back.finds(&[text.to_owned()]), found, "{text}");
        }
    }
}
