//! The steps that put documents together: `$group`, `$bucketAuto`.

use indexmap::IndexMap;

use super::super::accumulate::State;
use super::super::datum::{Datum, Document};
use super::super::failure::Failure;
use super::super::key::key;
use super::super::run::{Flow, size, size_of_document};
use super::super::stage::{Buckets, Group};
use super::{Step, Tools};

/// About how many bytes the state of one field of a group takes.
const STATE_BYTES: usize = 128;

/// `$group`
pub(super) struct Grouping<'p> {
    group: &'p Group,
    groups: IndexMap<Vec<u8>, (Datum, Vec<State>), crate::hashing::Keyed>,
}

impl<'p> Grouping<'p> {
    pub(super) fn new(group: &'p Group) -> Self {
        Self { group, groups: IndexMap::default() }
    }
}

impl Step for Grouping<'_> {
    fn take(&mut self, document: Document, tools: &mut Tools<'_>, _out: &mut Vec<Document>) -> Result<Flow, Failure> {
        let env = tools.env(&document);
        // MongoDB: what is missing is null here.
        let id = self.group.key.value(&env)?.unwrap_or_default();
        let fields = &self.group.fields;
        let (_, states) = match self.groups.entry(key(Some(&id))) {
            indexmap::map::Entry::Occupied(entry) => entry.into_mut(),
            indexmap::map::Entry::Vacant(entry) => {
                env.run.hold(2 * size(&id) + fields.len() * STATE_BYTES)?;
                let states = fields.iter().map(|(_, field)| field.start(&env)).collect::<Result<_, _>>()?;
                entry.insert((id, states))
            }
        };
        for ((_, field), state) in fields.iter().zip(states) {
            field.take(state, &env)?;
        }
        Ok(Flow::More)
    }

    fn finish(&mut self, tools: &mut Tools<'_>, out: &mut Vec<Document>) -> Result<(), Failure> {
        for (_, (id, states)) in std::mem::take(&mut self.groups) {
            let bytes = 2 * size(&id) + states.len() * STATE_BYTES;
            let mut document = Document::from_iter([("_id".into(), id)]);
            for ((name, field), state) in self.group.fields.iter().zip(states) {
                document.insert(name.clone(), field.finish(state));
            }
            tools.run.release(bytes.min(size_of_document(&document)));
            out.push(document);
        }
        Ok(())
    }
}

/// `$bucketAuto`
pub(super) struct Bucketing<'p> {
    buckets: &'p Buckets,
    kept: Vec<(Datum, Document)>,
}

impl<'p> Bucketing<'p> {
    pub(super) fn new(buckets: &'p Buckets) -> Self {
        Self { buckets, kept: Vec::new() }
    }

    fn finished(&self, (low, high): (Datum, Datum), states: Vec<State>) -> Document {
        let bounds = Document::from_iter([("min".into(), low), ("max".into(), high)]);
        let mut document = Document::from_iter([("_id".into(), Datum::Document(bounds))]);
        for ((name, field), state) in self.buckets.fields.iter().zip(states) {
            document.insert(name.clone(), field.finish(state));
        }
        document
    }
}

impl Step for Bucketing<'_> {
    fn take(&mut self, document: Document, tools: &mut Tools<'_>, _out: &mut Vec<Document>) -> Result<Flow, Failure> {
        let value = self.buckets.key.value(&tools.env(&document))?.unwrap_or_default();
        tools.run.hold(size(&value) + size_of_document(&document))?;
        self.kept.push((value, document));
        Ok(Flow::More)
    }

    fn finish(&mut self, tools: &mut Tools<'_>, out: &mut Vec<Document>) -> Result<(), Failure> {
        let mut kept = std::mem::take(&mut self.kept);
        kept.sort_by(|(a, _), (b, _)| a.order(b));
        // As many in each as come out even, but equal values are in the same.
        let count = self.buckets.count.max(1);
        let share = ((kept.len() + count / 2) / count).max(1);
        let mut rest = kept.into_iter().peekable();
        for number in 1..=self.buckets.count {
            let Some((low, first)) = rest.next() else { break };
            let mut high = low.clone();
            let env = tools.env(&first);
            let fields = &self.buckets.fields;
            let mut states = fields.iter().map(|(_, field)| field.start(&env)).collect::<Result<Vec<_>, _>>()?;
            let mut add = |document: &Document| -> Result<(), Failure> {
                let env = tools.env(document);
                fields.iter().zip(&mut states).try_for_each(|((_, field), state)| field.take(state, &env))
            };
            add(&first)?;
            let mut size = 1;
            while let Some((value, _)) = rest.peek() {
                if size >= share && number < self.buckets.count && value.order(&high).is_ne() {
                    break;
                }
                let Some((value, document)) = rest.next() else { break };
                add(&document)?;
                high = value;
                size += 1;
            }
            // A bucket ends where the next begins.
            let high = rest.peek().map_or(high, |(next, _)| next.clone());
            out.push(self.finished((low, high), states));
        }
        Ok(())
    }
}
