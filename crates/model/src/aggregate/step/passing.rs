//! The steps that look at one document at a time.

use super::super::datum::{Datum, Document};
use super::super::expression::Expression;
use super::super::failure::Failure;
use super::super::matching::Condition;
use super::super::projection::Projection;
use super::super::run::Flow;
use super::super::stage::Unwind;
use super::{Step, Tools, at, put, remove};

/// `$match`
pub(super) struct Matching<'p>(pub(super) &'p Condition);

impl Step for Matching<'_> {
    fn take(&mut self, document: Document, tools: &mut Tools<'_>, out: &mut Vec<Document>) -> Result<Flow, Failure> {
        if self.0.is_met(&tools.env(&document))? {
            out.push(document);
        }
        Ok(Flow::More)
    }
}

/// `$project` and its like.
pub(super) struct Projecting<'p>(pub(super) &'p Projection);

impl Step for Projecting<'_> {
    fn take(&mut self, document: Document, tools: &mut Tools<'_>, out: &mut Vec<Document>) -> Result<Flow, Failure> {
        let computed = self.0.computed(&tools.env(&document))?;
        out.push(self.0.apply(document, &computed));
        Ok(Flow::More)
    }
}

/// `$replaceRoot`
pub(super) struct Replacing<'p>(pub(super) &'p Expression);

impl Step for Replacing<'_> {
    fn take(&mut self, document: Document, tools: &mut Tools<'_>, out: &mut Vec<Document>) -> Result<Flow, Failure> {
        match self.0.value(&tools.env(&document))? {
            Some(Datum::Document(root)) => out.push(root),
            other => {
                let found = other.as_ref().map_or("missing", Datum::kind);
                return Err(Failure::refused(format!(
                    "'newRoot' expression must evaluate to an object, but resulting value was of type '{found}'"
                )));
            }
        }
        Ok(Flow::More)
    }
}

/// `$skip`: how many are still to be left out.
pub(super) struct Skipping(pub(super) u64);

impl Step for Skipping {
    fn take(&mut self, document: Document, _tools: &mut Tools<'_>, out: &mut Vec<Document>) -> Result<Flow, Failure> {
        match self.0.checked_sub(1) {
            Some(left) => self.0 = left,
            None => out.push(document),
        }
        Ok(Flow::More)
    }
}

/// `$limit`: how many may still pass.
pub(super) struct Limiting(pub(super) u64);

impl Step for Limiting {
    fn take(&mut self, document: Document, _tools: &mut Tools<'_>, out: &mut Vec<Document>) -> Result<Flow, Failure> {
        if let Some(left) = self.0.checked_sub(1) {
            self.0 = left;
            out.push(document);
        }
        Ok(if self.0 == 0 { Flow::Enough } else { Flow::More })
    }
}

/// `$unwind`
pub(super) struct Unwinding<'p>(pub(super) &'p Unwind);

impl Unwinding<'_> {
    fn numbered(&self, mut document: Document, number: Option<usize>) -> Document {
        if let Some(index) = &self.0.index {
            let number = number.map_or(Datum::Null, |number| Datum::Long(i64::try_from(number).unwrap_or(i64::MAX)));
            put(&mut document, index.parts(), number);
        }
        document
    }
}

impl Step for Unwinding<'_> {
    fn take(
        &mut self,
        mut document: Document,
        tools: &mut Tools<'_>,
        out: &mut Vec<Document>,
    ) -> Result<Flow, Failure> {
        let path = self.0.path.parts();
        match at(&document, path) {
            Some(Datum::Array(items)) if items.is_empty() => {
                if self.0.keeps_empty {
                    remove(&mut document, path);
                    out.push(self.numbered(document, None));
                }
            }
            Some(Datum::Array(items)) => {
                let items = items.clone();
                // The rest of the document is copied for each element: not the list, too.
                put(&mut document, path, Datum::Null);
                for (number, item) in items.into_iter().enumerate() {
                    tools.run.tick()?;
                    let mut one = document.clone();
                    put(&mut one, path, item);
                    out.push(self.numbered(one, Some(number)));
                }
            }
            None | Some(Datum::Null) => {
                if self.0.keeps_empty {
                    out.push(self.numbered(document, None));
                }
            }
            Some(_) => out.push(self.numbered(document, None)),
        }
        Ok(Flow::More)
    }
}
