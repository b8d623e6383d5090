//! In which order do documents come? `$sort` and its like.

use std::cmp::Ordering;

use super::datum::{Datum, Document};
use super::failure::Failure;
use super::path::{Path, Purpose};

/// An order of documents, or of values.
#[derive(Debug, Clone)]
pub(crate) struct SortBy {
    keys: Vec<SortKey>,
    /// Whether whole values are compared, and the greatest is first.
    whole: Option<bool>,
}

/// One key of an order.
#[derive(Debug, Clone)]
pub(crate) struct SortKey {
    /// The path.
    pub(crate) path: Path,
    /// Greatest first.
    pub(crate) descending: bool,
}

/// What a document is sorted by. Nothing stands for an empty list, which comes before null.
pub(crate) type Rank = Vec<Option<Datum>>;

impl SortBy {
    /// Reads the order of a stage.
    pub(crate) fn of_stage(datum: &Datum) -> Result<Self, Failure> {
        let Datum::Document(fields) = datum else {
            return Err(Failure::refused("the $sort key specification must be an object"));
        };
        if fields.is_empty() {
            return Err(Failure::refused("$sort stage must have at least one sort key"));
        }
        let keys = fields.iter().map(|(path, direction)| {
            if direction.as_document().is_some_and(|direction| direction.contains_key("$meta")) {
                return Err(Failure::OnlyMongo("$meta".to_owned()));
            }
            let Some(descending) = descending(direction) else {
                let text = "$sort key ordering must be 1 (for ascending) or -1 (for descending)";
                return Err(Failure::refused(text));
            };
            Ok(SortKey { path: Path::parse(path)?, descending })
        });
        Ok(Self { keys: keys.collect::<Result<_, _>>()?, whole: None })
    }

    /// Reads the order of values: of the values themselves, or of fields in them.
    pub(crate) fn of_values(datum: &Datum) -> Result<Self, Failure> {
        match datum {
            Datum::Document(_) => Self::of_stage(datum),
            _ => match descending(datum) {
                Some(descending) => Ok(Self { keys: Vec::new(), whole: Some(descending) }),
                None => Err(Failure::refused("The $sort element value must be either 1 or -1")),
            },
        }
    }

    /// Sorted by this path, smallest first or last.
    pub(crate) fn by(path: Path, descending: bool) -> Self {
        Self { keys: vec![SortKey { path, descending }], whole: None }
    }

    /// Its keys, in order.
    pub(crate) fn keys(&self) -> &[SortKey] {
        &self.keys
    }

    /// What a document is sorted by. Two of its lists at once have no order.
    pub(crate) fn rank(&self, document: &Document) -> Result<Rank, Failure> {
        if self.keys.len() > 1 {
            let mut lists = self.keys.iter().filter_map(|key| key.path.first_list(document));
            if let Some(first) = lists.next()
                && lists.any(|other| other != first)
            {
                return Err(Failure::refused("cannot sort with keys that are parallel arrays"));
            }
        }
        if let [only] = self.keys.as_slice()
            && only.path.only() == Some("_id")
        {
            // MongoDB: an id is no list, so one that a stage made is compared as a whole.
            return Ok(vec![Some(document.get("_id").cloned().unwrap_or_default())]);
        }
        Ok(self.keys.iter().map(|key| rank_at(key, document)).collect())
    }

    /// Which of two documents comes first.
    pub(crate) fn order(&self, a: &Rank, b: &Rank) -> Ordering {
        let pairs = self.keys.iter().zip(a.iter().zip(b));
        let each = pairs.map(|(key, (a, b))| {
            let order = order_of_optional(a.as_ref(), b.as_ref());
            if key.descending { order.reverse() } else { order }
        });
        each.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// Sorts values.
    pub(crate) fn sort_values(&self, items: &mut Vec<Datum>) -> Result<(), Failure> {
        if let Some(descending) = self.whole {
            items.sort_by(|a, b| if descending { b.order(a) } else { a.order(b) });
            return Ok(());
        }
        let empty = Document::default();
        let mut ranked: Vec<(Rank, Datum)> = std::mem::take(items)
            .into_iter()
            .map(|item| Ok((self.rank(item.as_document().unwrap_or(&empty))?, item)))
            .collect::<Result<_, Failure>>()?;
        ranked.sort_by(|(a, _), (b, _)| self.order(a, b));
        items.extend(ranked.into_iter().map(|(_, item)| item));
        Ok(())
    }
}

fn descending(direction: &Datum) -> Option<bool> {
    let direction = direction.as_f64()?;
    // Parse: MongoDB takes these numbers, and no others.
    [(1.0, false), (-1.0, true)].into_iter().find(|(number, _)| direction.total_cmp(number).is_eq()).map(|(_, way)| way)
}

/// Which of two values comes first, where one that is missing is before all others.
pub(crate) fn order_of_optional(a: Option<&Datum>, b: Option<&Datum>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => a.order(b),
        _ => a.is_some().cmp(&b.is_some()),
    }
}

/// Of a list, its least element, or its greatest where the greatest is first. What is missing counts as null.
fn rank_at(key: &SortKey, document: &Document) -> Option<Datum> {
    let mut best: Option<Option<&Datum>> = None;
    let null = Datum::Null;
    let reached = key.path.reach(document, Purpose::Sort);
    let candidates = reached.iter().flat_map(|found| match found {
        None => vec![Some(&null)],
        Some(Datum::Array(items)) if items.is_empty() => vec![None],
        Some(Datum::Array(items)) => items.iter().map(Some).collect(),
        Some(other) => vec![Some(*other)],
    });
    for candidate in candidates {
        let better = best.is_none_or(|best| {
            let order = order_of_optional(candidate, best);
            if key.descending { order.is_gt() } else { order.is_lt() }
        });
        if better {
            best = Some(candidate);
        }
    }
    best.unwrap_or(Some(&null)).cloned()
}

#[cfg(test)]
mod tests {
    use super::super::datum::document;
    use super::*;
    use crate::value::json;

    fn read(text: &str) -> Document {
        document(json::read(text.as_bytes()).unwrap().as_object().unwrap().clone())
    }

    #[test]
    fn a_list_is_sorted_by_its_least_or_greatest_element() {
        let texts = [
            r#"{"n":"e","a":[]}"#,
            r#"{"n":"m"}"#,
            r#"{"n":"0","a":null}"#,
            r#"{"n":"l","a":[1,9]}"#,
            r#"{"n":"4","a":4}"#,
        ];
        let documents: Vec<Document> = texts.iter().map(|text| read(text)).collect();
        for (direction, expected) in [(1, "em0l4"), (-1, "l4m0e")] {
            let by = SortBy::by(Path::parse("a").unwrap(), direction < 0);
            let mut ranked: Vec<_> =
                documents.iter().map(|document| (by.rank(document).unwrap(), &document["n"])).collect();
            ranked.sort_by(|(a, _), (b, _)| by.order(a, b));
            let found: String = ranked.iter().filter_map(|(_, name)| name.as_str()).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn an_order_is_one_or_minus_one() {
        for (text, sound) in
            [(r#"{"a":1,"b.c":-1}"#, true), (r#"{"a":2}"#, false), ("{}", false), (r#"{"a":"1"}"#, false)]
        {
            assert_eq!(SortBy::of_stage(&Datum::Document(read(text))).is_ok(), sound, "{text}");
        }
    }
}
