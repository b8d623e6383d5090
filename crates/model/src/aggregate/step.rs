//! How does a pipeline run? Each document goes through the steps as far as it comes; what a step keeps, it gives at the end.

mod gathering;
mod grouping;
mod joining;
mod passing;

use super::datum::{Datum, Document};
use super::expression::{Env, Scope};
use super::failure::Failure;
use super::run::{Flow, Rows, Run, Source, size_of_document};
use super::stage::Stage;

/// What a step may use.
pub(super) struct Tools<'t> {
    /// The run.
    pub(super) run: &'t Run<'t>,
    /// The variables of the pipelines around this one.
    pub(super) scope: Option<&'t Scope<'t>>,
    /// The rows of other collections.
    pub(super) source: &'t mut (dyn Source + 't),
}

impl Tools<'_> {
    /// What an expression sees of a document.
    fn env<'e>(&'e self, root: &'e Document) -> Env<'e> {
        Env { root, scope: self.scope, run: self.run }
    }

    /// The rows of a collection, held from now on.
    fn rows(&mut self, collection: &str, id: Option<&str>) -> Result<Vec<Document>, Failure> {
        let (run, mut rows) = (self.run, Vec::new());
        self.source.each(collection, id, &mut |row| {
            run.tick()?;
            run.hold(size_of_document(&row))?;
            rows.push(row);
            Ok(Flow::More)
        })?;
        Ok(rows)
    }
}

/// What becomes of documents at one stage.
trait Step {
    /// Takes a document, and gives what comes of it at once.
    fn take(&mut self, document: Document, tools: &mut Tools<'_>, out: &mut Vec<Document>) -> Result<Flow, Failure>;

    /// Gives what was kept.
    fn finish(&mut self, _tools: &mut Tools<'_>, _out: &mut Vec<Document>) -> Result<(), Failure> {
        Ok(())
    }
}

/// The steps of a pipeline, while it runs.
pub(super) struct Chain<'p> {
    steps: Vec<Box<dyn Step + 'p>>,
}

impl<'p> Chain<'p> {
    /// The steps for these stages.
    pub(super) fn new(stages: &'p [Stage]) -> Self {
        let mut steps: Vec<Box<dyn Step + 'p>> = Vec::with_capacity(stages.len());
        for (place, stage) in stages.iter().enumerate() {
            let rest = stages.get(place + 1..).unwrap_or_default();
            steps.push(match stage {
                Stage::Match(condition) => Box::new(passing::Matching(condition)),
                Stage::Project(projection) => Box::new(passing::Projecting(projection)),
                Stage::Replace(root) => Box::new(passing::Replacing(root)),
                Stage::Skip(count) => Box::new(passing::Skipping(*count)),
                Stage::Limit(count) => Box::new(passing::Limiting(*count)),
                Stage::Unwind(unwind) => Box::new(passing::Unwinding(unwind)),
                Stage::Sort(by) => Box::new(gathering::Sorting::new(by, wanted(rest))),
                Stage::Count(name) => Box::new(gathering::Counting { name, count: 0 }),
                Stage::Sample(size) => Box::new(gathering::Sampling::new(*size)),
                Stage::Facet(facets) => Box::new(gathering::Facets::new(facets)),
                Stage::Group(group) => Box::new(grouping::Grouping::new(group)),
                Stage::Buckets(buckets) => Box::new(grouping::Bucketing::new(buckets)),
                Stage::Lookup(lookup) => Box::new(joining::Joining::new(lookup)),
                Stage::Union { collection, stages } => Box::new(joining::Uniting { collection, stages }),
            });
        }
        Self { steps }
    }

    /// Takes a document.
    pub(super) fn take(
        &mut self,
        document: Document,
        tools: &mut Tools<'_>,
        out: &mut Vec<Document>,
    ) -> Result<Flow, Failure> {
        pass(&mut self.steps, document, tools, out)
    }

    /// Gives what the steps kept.
    pub(super) fn finish(&mut self, tools: &mut Tools<'_>, out: &mut Vec<Document>) -> Result<(), Failure> {
        let mut steps = self.steps.as_mut_slice();
        while let Some((first, rest)) = steps.split_first_mut() {
            let mut kept = Vec::new();
            first.finish(tools, &mut kept)?;
            for document in kept {
                if pass(rest, document, tools, out)? == Flow::Enough {
                    break;
                }
            }
            steps = rest;
        }
        Ok(())
    }
}

fn pass(
    steps: &mut [Box<dyn Step + '_>],
    document: Document,
    tools: &mut Tools<'_>,
    out: &mut Vec<Document>,
) -> Result<Flow, Failure> {
    let Some((first, rest)) = steps.split_first_mut() else {
        out.push(document);
        return Ok(Flow::More);
    };
    tools.run.tick()?;
    let mut made = Vec::new();
    let mut flow = first.take(document, tools, &mut made)?;
    for document in made {
        if pass(rest, document, tools, out)? == Flow::Enough {
            flow = Flow::Enough;
            break;
        }
    }
    Ok(flow)
}

/// How many documents the stages that follow a sort can use, if that is known.
fn wanted(rest: &[Stage]) -> Option<usize> {
    let mut skipped: u64 = 0;
    for stage in rest {
        match stage {
            Stage::Skip(count) => skipped = skipped.saturating_add(*count),
            Stage::Limit(count) => return usize::try_from(skipped.saturating_add(*count)).ok(),
            _ => return None,
        }
    }
    None
}

/// Runs stages on documents that are there already.
fn run_on<'d>(
    stages: &[Stage],
    documents: impl IntoIterator<Item = &'d Document>,
    tools: &mut Tools<'_>,
) -> Result<Vec<Document>, Failure> {
    // What the first condition refuses need not be copied.
    let (first, stages) = match stages.split_first() {
        Some((Stage::Match(condition), rest)) => (Some(condition), rest),
        _ => (None, stages),
    };
    let mut chain = Chain::new(stages);
    let mut out = Vec::new();
    for document in documents {
        tools.run.tick()?;
        let is_met = match first {
            None => true,
            Some(condition) => condition.is_met(&tools.env(document))?,
        };
        if is_met && chain.take(document.clone(), tools, &mut out)? == Flow::Enough {
            break;
        }
    }
    chain.finish(tools, &mut out)?;
    Ok(out)
}

/// Runs stages on all that `rows` gives.
pub(super) fn run(
    stages: &[Stage],
    rows: &mut Rows<'_>,
    source: &mut dyn Source,
    run: &Run<'_>,
) -> Result<Vec<Document>, Failure> {
    let mut chain = Chain::new(stages);
    let mut tools = Tools { run, scope: None, source };
    let mut out = Vec::new();
    rows(&mut |row| {
        let before = out.len();
        let flow = chain.take(row, &mut tools, &mut out)?;
        hold_new(&out, before, run)?;
        Ok(flow)
    })?;
    let before = out.len();
    chain.finish(&mut tools, &mut out)?;
    hold_new(&out, before, run)?;
    Ok(out)
}

fn hold_new(out: &[Document], before: usize, run: &Run<'_>) -> Result<(), Failure> {
    out.iter().skip(before).try_for_each(|document| run.hold(size_of_document(document)))
}

/// Puts a value at a path; what is in the way and no document gives way to one.
fn put(document: &mut Document, path: &[compact_str::CompactString], datum: Datum) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        document.insert(first.clone(), datum);
        return;
    }
    let slot = document.entry(first.clone()).or_default();
    if !matches!(slot, Datum::Document(_)) {
        *slot = Datum::Document(Document::default());
    }
    if let Datum::Document(inner) = slot {
        put(inner, rest, datum);
    }
}

/// What is at a path, where only documents are on the way.
fn at<'d>(document: &'d Document, path: &[compact_str::CompactString]) -> Option<&'d Datum> {
    let (first, rest) = path.split_first()?;
    let datum = document.get(first)?;
    if rest.is_empty() { Some(datum) } else { at(datum.as_document()?, rest) }
}

/// Takes away what is at a path.
fn remove(document: &mut Document, path: &[compact_str::CompactString]) {
    match path {
        [] => {}
        [only] => drop(document.shift_remove(only)),
        [first, rest @ ..] => {
            if let Some(Datum::Document(inner)) = document.get_mut(first) {
                remove(inner, rest);
            }
        }
    }
}
