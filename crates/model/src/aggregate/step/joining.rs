//! The steps that bring rows of other collections: `$lookup`, `$unionWith`.

use std::collections::HashMap;

use super::super::datum::{Datum, Document};
use super::super::expression::Scope;
use super::super::failure::Failure;
use super::super::key::key;
use super::super::path::{Path, Purpose};
use super::super::run::Flow;
use super::super::stage::{Lookup, Stage};
use super::{Step, Tools, put, run_on};

/// `$lookup`
pub(super) struct Joining<'p> {
    lookup: &'p Lookup,
    /// All rows of the collection, once they are needed.
    rows: Option<Rows>,
    /// What the stages give, if it is the same for every document.
    same: Option<Vec<Document>>,
}

/// Rows, and where each value is.
struct Rows {
    all: Vec<Document>,
    places: HashMap<Vec<u8>, Vec<usize>, crate::hashing::Keyed>,
}

impl Rows {
    fn load(lookup: &Lookup, tools: &mut Tools<'_>) -> Result<Self, Failure> {
        let all = tools.rows(&lookup.collection, None)?;
        let mut places: HashMap<Vec<u8>, Vec<usize>, _> = HashMap::default();
        let Some((_, foreign)) = &lookup.equal else { return Ok(Self { all, places }) };
        for (place, row) in all.iter().enumerate() {
            for key in keys(foreign, row) {
                tools.run.hold(key.len() + 2 * size_of::<usize>())?;
                let known = places.entry(key).or_default();
                if known.last() != Some(&place) {
                    known.push(place);
                }
            }
        }
        Ok(Self { all, places })
    }

    /// The rows that are equal to one of these values, in order.
    fn equal_to(&self, keys: impl Iterator<Item = Vec<u8>>) -> Vec<&Document> {
        let mut places: Vec<usize> = keys.filter_map(|key| self.places.get(&key)).flatten().copied().collect();
        places.sort_unstable();
        places.dedup();
        places.into_iter().filter_map(|place| self.all.get(place)).collect()
    }
}

/// The keys of what a row has at a path: of a list, of each element, too. What is missing is null.
fn keys(path: &Path, row: &Document) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    for found in path.reach(row, Purpose::Join) {
        keys.push(key(Some(found.unwrap_or(&Datum::Null))));
        keys.extend(found.and_then(Datum::as_array).into_iter().flatten().map(|item| key(Some(item))));
    }
    keys
}

impl<'p> Joining<'p> {
    pub(super) fn new(lookup: &'p Lookup) -> Self {
        Self { lookup, rows: None, same: None }
    }

    /// What a document is joined with.
    fn find(&mut self, document: &Document, tools: &mut Tools<'_>) -> Result<Vec<Document>, Failure> {
        if let Some(same) = &self.same {
            return Ok(same.clone());
        }
        let lookup = self.lookup;
        let values =
            lookup.variables.iter().map(|(name, value)| Ok((name.as_str(), value.value(&tools.env(document))?)));
        let values: Vec<(&str, Option<Datum>)> = values.collect::<Result<_, Failure>>()?;
        let variables: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_ref())).collect();
        let wanted = lookup.equal.as_ref().map(|(local, foreign)| (wanted(local, document), foreign));
        if let Some((wanted, foreign)) = &wanted
            && foreign.only() == Some("_id")
            && let [Datum::String(id)] = wanted.as_slice()
        {
            let rows = tools.rows(&lookup.collection, Some(id))?;
            let found = self.through(rows.iter().collect(), &variables, tools)?;
            for row in &rows {
                tools.run.release(super::super::run::size_of_document(row));
            }
            return Ok(found);
        }
        let rows = match self.rows.take() {
            Some(rows) => rows,
            None => Rows::load(lookup, tools)?,
        };
        let found = match &wanted {
            None => rows.all.iter().collect(),
            Some((wanted, _)) => rows.equal_to(wanted.iter().map(|value| key(Some(value)))),
        };
        let found = self.through(found, &variables, tools)?;
        self.rows = Some(rows);
        // The variables of pipelines around this one are the same for as long as this step lives.
        if wanted.is_none() && lookup.variables.is_empty() {
            self.rows = None;
            self.same = Some(found.clone());
        }
        Ok(found)
    }

    fn through(
        &self,
        rows: Vec<&Document>,
        variables: &[(&str, Option<&Datum>)],
        tools: &mut Tools<'_>,
    ) -> Result<Vec<Document>, Failure> {
        let scope = Scope { variables, outer: tools.scope };
        let mut inner = Tools { run: tools.run, scope: Some(&scope), source: &mut *tools.source };
        run_on(&self.lookup.stages, rows, &mut inner)
    }
}

/// The values to look for: of a list, each element. What is missing is null.
fn wanted(local: &Path, document: &Document) -> Vec<Datum> {
    match local.find(document).map(std::borrow::Cow::into_owned) {
        Some(Datum::Array(items)) => items,
        Some(value) => vec![value],
        None => vec![Datum::Null],
    }
}

impl Step for Joining<'_> {
    fn take(
        &mut self,
        mut document: Document,
        tools: &mut Tools<'_>,
        out: &mut Vec<Document>,
    ) -> Result<Flow, Failure> {
        let found = self.find(&document, tools)?;
        let found = Datum::Array(found.into_iter().map(Datum::Document).collect());
        put(&mut document, self.lookup.into.parts(), found);
        out.push(document);
        Ok(Flow::More)
    }
}

/// `$unionWith`
pub(super) struct Uniting<'p> {
    pub(super) collection: &'p str,
    pub(super) stages: &'p [Stage],
}

impl Step for Uniting<'_> {
    fn take(&mut self, document: Document, _tools: &mut Tools<'_>, out: &mut Vec<Document>) -> Result<Flow, Failure> {
        out.push(document);
        Ok(Flow::More)
    }

    fn finish(&mut self, tools: &mut Tools<'_>, out: &mut Vec<Document>) -> Result<(), Failure> {
        let rows = tools.rows(self.collection, None)?;
        let found = run_on(self.stages, &rows, tools)?;
        for row in &rows {
            tools.run.release(super::super::run::size_of_document(row));
        }
        out.extend(found);
        Ok(())
    }
}
