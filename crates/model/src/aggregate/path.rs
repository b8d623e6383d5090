//! Where does a path lead? Through documents, and through the lists on its way.

use std::borrow::Cow;

use compact_str::CompactString;

use super::datum::{Datum, Document};
use super::failure::Failure;

/// The path of a field: at least one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(Vec<CompactString>);

impl Path {
    /// Reads a path such as `a.b`.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let parts: Vec<CompactString> = text.split('.').map(CompactString::from).collect();
        for part in &parts {
            if part.is_empty() {
                return Err(Failure::refused(if text.is_empty() {
                    "FieldPath cannot be constructed with empty string"
                } else {
                    "FieldPath field names may not be empty strings."
                }));
            }
            if part.starts_with('$') {
                return Err(Failure::refused(
                    "FieldPath field names may not start with '$'. Consider using $getField or $setField.",
                ));
            }
        }
        Ok(Self(parts))
    }

    /// The names, in order.
    pub(crate) fn parts(&self) -> &[CompactString] {
        &self.0
    }

    /// The first name.
    pub(crate) fn top(&self) -> &str {
        self.0.first().map_or("", CompactString::as_str)
    }

    /// The only name, if there is just one.
    pub(crate) fn only(&self) -> Option<&str> {
        if let [only] = self.0.as_slice() { Some(only) } else { None }
    }

    /// What an expression finds at the path: of a list on the way, the list of what is in its documents.
    pub(crate) fn find<'d>(&self, document: &'d Document) -> Option<Cow<'d, Datum>> {
        find_below(&self.0, document)
    }

    /// What is at the path: everything that is there, of each list on the way, by number too. A `None` stands for a document on
    /// the way that has nothing there.
    pub(crate) fn reach<'d>(&self, document: &'d Document, purpose: Purpose) -> Vec<Option<&'d Datum>> {
        let mut found = Vec::new();
        reach_document(&self.0, document, purpose, &mut found);
        found
    }
}

/// What for a path is followed: what a list without documents on the way has there is not the same for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A condition: it has nothing there, not even something that is missing.
    Match,
    /// A join: of several elements that have nothing there, one is missing.
    Join,
    /// A sort: each element that is no document has nothing there, and an index in the path leads to one element only.
    Sort,
}

impl Path {
    /// The part of the path that leads to the first list on it, its end included.
    pub(crate) fn first_list<'p>(&'p self, document: &Document) -> Option<&'p [CompactString]> {
        let mut document = document;
        for (place, part) in self.0.iter().enumerate() {
            match document.get(part)? {
                Datum::Array(_) => return self.0.get(..=place),
                Datum::Document(below) => document = below,
                _ => return None,
            }
        }
        None
    }
}

/// What is at a path below a document.
pub(crate) fn find_below<'d>(parts: &[CompactString], document: &'d Document) -> Option<Cow<'d, Datum>> {
    let (first, rest) = parts.split_first()?;
    find_in(rest, document.get(first)?)
}

/// What is at a path below a value; no path at all leads to the value itself.
pub(crate) fn find_in<'d>(parts: &[CompactString], datum: &'d Datum) -> Option<Cow<'d, Datum>> {
    if parts.is_empty() {
        return Some(Cow::Borrowed(datum));
    }
    match datum {
        Datum::Document(document) => find_below(parts, document),
        Datum::Array(items) => {
            let documents = items.iter().filter_map(Datum::as_document);
            let found = documents.filter_map(|document| find_below(parts, document).map(Cow::into_owned));
            Some(Cow::Owned(Datum::Array(found.collect())))
        }
        _ => None,
    }
}

fn reach_document<'d>(
    parts: &[CompactString],
    document: &'d Document,
    purpose: Purpose,
    found: &mut Vec<Option<&'d Datum>>,
) {
    let Some((first, rest)) = parts.split_first() else { return };
    match document.get(first) {
        Some(datum) => reach_datum(rest, datum, purpose, found),
        None => found.push(None),
    }
}

fn reach_datum<'d>(parts: &[CompactString], datum: &'d Datum, purpose: Purpose, found: &mut Vec<Option<&'d Datum>>) {
    let Some((first, rest)) = parts.split_first() else {
        found.push(Some(datum));
        return;
    };
    match datum {
        Datum::Document(document) => reach_document(parts, document, purpose, found),
        Datum::Array(items) => {
            let before = found.len();
            let leads_on = |item: &Datum| rest.is_empty() || item.as_array().is_some() || item.as_document().is_some();
            let item = index(first).and_then(|index| items.get(index));
            if let Some(item) = item.filter(|item| purpose != Purpose::Match || leads_on(item)) {
                reach_datum(rest, item, purpose, found);
                if purpose == Purpose::Sort {
                    return;
                }
            }
            for item in items {
                match item {
                    Datum::Document(document) => reach_document(parts, document, purpose, found),
                    _ if purpose == Purpose::Sort => found.push(None),
                    _ => {}
                }
            }
            if found.len() == before && purpose != Purpose::Match {
                found.push(None);
            }
        }
        _ => found.push(None),
    }
}

/// The number that a part of a path is. MongoDB: it is one only as it is usually written.
pub(crate) fn index(part: &str) -> Option<usize> {
    let is_plain = part == "0" || (!part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit()));
    if is_plain { part.parse().ok() } else { None }
}
