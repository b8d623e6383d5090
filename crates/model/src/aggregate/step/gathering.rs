//! The steps that need all documents before they can give any: sorting, counting, drawing, and several pipelines at once.

use compact_str::CompactString;

use super::super::datum::{Datum, Document};
use super::super::failure::Failure;
use super::super::run::{Flow, size, size_of_document};
use super::super::sort::{Rank, SortBy};
use super::super::stage::Stage;
use super::{Chain, Step, Tools};

/// `$sort`, of which perhaps only the first are wanted.
pub(super) struct Sorting<'p> {
    by: &'p SortBy,
    wanted: Option<usize>,
    kept: Vec<(Rank, Document)>,
}

impl<'p> Sorting<'p> {
    pub(super) fn new(by: &'p SortBy, wanted: Option<usize>) -> Self {
        Self { by, wanted, kept: Vec::new() }
    }

    fn sort(&mut self) {
        self.kept.sort_by(|(a, _), (b, _)| self.by.order(a, b));
    }
}

fn weight((rank, document): &(Rank, Document)) -> usize {
    size_of_document(document) + rank.iter().flatten().map(size).sum::<usize>()
}

impl Step for Sorting<'_> {
    fn take(&mut self, document: Document, tools: &mut Tools<'_>, _out: &mut Vec<Document>) -> Result<Flow, Failure> {
        let entry = (self.by.rank(&document)?, document);
        tools.run.hold(weight(&entry))?;
        self.kept.push(entry);
        if let Some(wanted) = self.wanted
            && self.kept.len() >= wanted.saturating_mul(2).saturating_add(64)
        {
            self.sort();
            for gone in self.kept.drain(wanted..) {
                tools.run.release(weight(&gone));
            }
        }
        Ok(Flow::More)
    }

    fn finish(&mut self, tools: &mut Tools<'_>, out: &mut Vec<Document>) -> Result<(), Failure> {
        self.sort();
        for entry in self.kept.drain(..) {
            tools.run.release(weight(&entry));
            out.push(entry.1);
        }
        Ok(())
    }
}

/// `$count`
pub(super) struct Counting<'p> {
    pub(super) name: &'p CompactString,
    pub(super) count: i64,
}

impl Step for Counting<'_> {
    fn take(&mut self, _document: Document, _tools: &mut Tools<'_>, _out: &mut Vec<Document>) -> Result<Flow, Failure> {
        self.count += 1;
        Ok(Flow::More)
    }

    fn finish(&mut self, _tools: &mut Tools<'_>, out: &mut Vec<Document>) -> Result<(), Failure> {
        // MongoDB: of nothing, there is no count either.
        if self.count > 0 {
            out.push(Document::from_iter([(self.name.clone(), Datum::whole(self.count))]));
        }
        Ok(())
    }
}

/// `$sample`: of so many documents, each is as likely to be among those drawn.
pub(super) struct Sampling {
    size: usize,
    seen: u64,
    drawn: Vec<Document>,
}

impl Sampling {
    pub(super) fn new(size: usize) -> Self {
        Self { size, seen: 0, drawn: Vec::new() }
    }
}

impl Step for Sampling {
    fn take(&mut self, document: Document, tools: &mut Tools<'_>, _out: &mut Vec<Document>) -> Result<Flow, Failure> {
        self.seen += 1;
        if self.drawn.len() < self.size {
            tools.run.hold(size_of_document(&document))?;
            self.drawn.push(document);
            return Ok(Flow::More);
        }
        let place = usize::try_from(tools.run.draw(self.seen)).unwrap_or(usize::MAX);
        if let Some(slot) = self.drawn.get_mut(place) {
            tools.run.hold(size_of_document(&document))?;
            tools.run.release(size_of_document(slot));
            *slot = document;
        }
        Ok(Flow::More)
    }

    fn finish(&mut self, tools: &mut Tools<'_>, out: &mut Vec<Document>) -> Result<(), Failure> {
        while !self.drawn.is_empty() {
            let place = tools.run.draw(self.drawn.len() as u64);
            let document = self.drawn.swap_remove(usize::try_from(place).unwrap_or_default());
            tools.run.release(size_of_document(&document));
            out.push(document);
        }
        Ok(())
    }
}

/// `$facet`: pipelines on the same documents.
pub(super) struct Facets<'p> {
    facets: Vec<Facet<'p>>,
}

struct Facet<'p> {
    name: &'p CompactString,
    chain: Chain<'p>,
    out: Vec<Document>,
    flow: Flow,
}

impl<'p> Facets<'p> {
    pub(super) fn new(facets: &'p [(CompactString, Vec<Stage>)]) -> Self {
        let facet = |(name, stages): &'p (CompactString, Vec<Stage>)| Facet {
            name,
            chain: Chain::new(stages),
            out: Vec::new(),
            flow: Flow::More,
        };
        Self { facets: facets.iter().map(facet).collect() }
    }
}

impl Step for Facets<'_> {
    fn take(&mut self, document: Document, tools: &mut Tools<'_>, _out: &mut Vec<Document>) -> Result<Flow, Failure> {
        let mut flow = Flow::Enough;
        for facet in self.facets.iter_mut().filter(|facet| facet.flow == Flow::More) {
            let before = facet.out.len();
            facet.flow = facet.chain.take(document.clone(), tools, &mut facet.out)?;
            super::hold_new(&facet.out, before, tools.run)?;
            if facet.flow == Flow::More {
                flow = Flow::More;
            }
        }
        Ok(flow)
    }

    fn finish(&mut self, tools: &mut Tools<'_>, out: &mut Vec<Document>) -> Result<(), Failure> {
        let mut all = Document::default();
        for facet in &mut self.facets {
            let before = facet.out.len();
            facet.chain.finish(tools, &mut facet.out)?;
            super::hold_new(&facet.out, before, tools.run)?;
            let found = std::mem::take(&mut facet.out).into_iter().map(Datum::Document).collect();
            all.insert(facet.name.clone(), Datum::Array(found));
        }
        tools.run.release(size_of_document(&all));
        out.push(all);
        Ok(())
    }
}
