//! How are words found quickly? Beside a class with a text index is a table of the words of its objects (FTS5), which triggers
//! keep up to date.

use std::collections::BTreeSet;

use parsimony_model::query::text::texts;
use parsimony_model::query::text::words::Reader;
use parsimony_model::value::json;
use parsimony_store::StoreError;
use rusqlite::Connection;

use crate::sql::quote;

/// `text_terms(kind, column, …)`: the words of columns, as the table of words has them.
pub(crate) const TEXT_TERMS: &str = "text_terms";
/// `text_finds(search, kind, column, …)`: whether a search finds an object with these columns.
pub(crate) const TEXT_FINDS: &str = "text_finds";
/// `text_score(search, kind, column, …)`: how well they fit.
pub(crate) const TEXT_SCORE: &str = "text_score";

/// A column that a text search looks into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text.
    Text,
    /// A list, of which the texts count.
    List,
}

impl Kind {
    const fn code(self) -> &'static str {
        match self {
            Self::Text => "'t'",
            Self::List => "'l'",
        }
    }

    /// The texts in a column of the kind with this code.
    pub(crate) fn texts(code: &str, text: &str) -> Result<Vec<String>, StoreError> {
        if code == "t" {
            return Ok(vec![text.to_owned()]);
        }
        match json::read(text.as_bytes()) {
            Ok(list) if list.as_array().is_some() => Ok(texts(&list)),
            _ => Err(StoreError::Corrupt("a list in a column cannot be read".to_owned())),
        }
    }
}

/// Columns as arguments of these functions; each with its name as SQL text.
pub(crate) fn arguments<'a>(columns: impl IntoIterator<Item = (&'a str, Kind)>, owner: &str) -> String {
    let each = columns.into_iter().map(|(column, kind)| format!("{},{owner}{column}", kind.code()));
    each.collect::<Vec<_>>().join(",")
}

/// The name of the table of words beside the table of a class. See `geo::tables::name`.
pub(crate) fn name(table: &str) -> String {
    format!("{table}@@")
}

/// The words of texts, each once.
pub(crate) fn terms(texts: &[String]) -> String {
    let words: BTreeSet<String> = texts.iter().flat_map(|text| Reader::INDEX.words(text)).collect();
    words.iter().map(|word| term(word)).collect::<Vec<_>>().join(" ")
}

/// A word as the table of words has it: nothing in it may end it.
pub(crate) fn term(word: &str) -> String {
    let is_part = |letter: char| !letter.is_ascii() || letter.is_ascii_alphanumeric() || letter == '\'';
    word.chars().map(|letter| if is_part(letter) { letter } else { '_' }).collect()
}

/// Makes the table of words beside the table of a class, and fills it. Each column comes with its name as SQL text.
pub(crate) fn create(connection: &Connection, table: &str, columns: &[(String, Kind)]) -> rusqlite::Result<()> {
    let words = name(table);
    let (row, quoted) = (quote(table), quote(&words));
    let columns = || columns.iter().map(|(column, kind)| (column.as_str(), *kind));
    let names = columns().map(|(column, _)| column).collect::<Vec<_>>().join(",");
    let terms = |owner: &str| format!("{TEXT_TERMS}({})", arguments(columns(), owner));
    let insert = format!("INSERT INTO {quoted} (rowid,terms)");
    let remove = format!("DELETE FROM {quoted} WHERE rowid=old.rowid");
    let trigger = |event: &str| quote(&format!("{words}{event}"));
    connection.execute_batch(&format!(
        "CREATE VIRTUAL TABLE {quoted} USING fts5(terms, content='', contentless_delete=1, detail=none,
             tokenize=\"ascii tokenchars '_'''\");
         CREATE TRIGGER {} AFTER INSERT ON {row} BEGIN {insert} VALUES (new.rowid,{}); END;
         CREATE TRIGGER {} AFTER UPDATE OF {names} ON {row} BEGIN
             {remove}; {insert} VALUES (new.rowid,{}); END;
         CREATE TRIGGER {} AFTER DELETE ON {row} BEGIN {remove}; END;
         {insert} SELECT rowid,{} FROM {row};",
        trigger("insert"),
        terms("new."),
        trigger("update"),
        terms("new."),
        trigger("delete"),
        terms(""),
    ))
}

/// Drops the table of words beside the table of a class, before a column of it goes.
pub(crate) fn drop(connection: &Connection, table: &str) -> rusqlite::Result<()> {
    let words = name(table);
    for event in ["insert", "update", "delete"] {
        connection.execute_batch(&format!("DROP TRIGGER IF EXISTS {}", quote(&format!("{words}{event}"))))?;
    }
    connection.execute_batch(&format!("DROP TABLE {}", quote(&words)))
}
