//! Reading and writing objects, for the store and for a transaction alike: plan here, run on a connection's thread.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parsimony_model::aggregate::{Document, Pipeline};
use parsimony_model::query::Verbosity;
use parsimony_model::{ClassSchema, Object, ObjectId, Value};
use parsimony_store::{Answer, Change, Join, Objects, Selection};

use crate::aggregate::Aggregate;
use crate::explain::Explain;
use crate::find::{self, Distinct, Find};
use crate::open::Limits;
use crate::patterns::Patterns;
use crate::tables::Tables;
use crate::transaction::Lane;
use crate::write::{self, AmendEvery, AmendFirst, Insert, Members};

/// What the store and its transactions share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// The classes as they are now; changed by the writer's thread only.
    pub(crate) tables: ArcSwap<Tables>,
    /// Compiled expressions.
    pub(crate) patterns: Arc<Patterns>,
    /// The bounds.
    pub(crate) limits: Limits,
    /// What may stand before the names of classes in pipelines.
    pub(crate) prefix: String,
}

impl Shared {
    /// Makes other tables, if there are any, the ones of now.
    pub(crate) fn publish(&self, tables: Option<Tables>) {
        if let Some(tables) = tables {
            self.tables.store(Arc::new(tables));
        }
    }
}

/// Objects, asked for in one of two places.
#[derive(Debug)]
pub struct Asked<L> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) lane: L,
}

impl<L: Lane> Objects for Asked<L> {
    fn find<'a>(&'a self, selection: &'a Selection) -> Answer<'a, Vec<Object>> {
        Box::pin(async move {
            let plan = Find::plan(&self.shared.tables.load(), &self.shared.patterns, selection)?;
            let Some(plan) = plan else { return Ok(Vec::new()) };
            if plan.is_by_id() {
                return self.lane.glance(move |connection| plan.run(connection)).await;
            }
            self.lane.read(move |connection| plan.run(connection)).await
        })
    }

    fn count<'a>(&'a self, selection: &'a Selection) -> Answer<'a, u64> {
        Box::pin(async move {
            let plan = find::plan_count(&self.shared.tables.load(), &self.shared.patterns, selection)?;
            let Some(plan) = plan else { return Ok(0) };
            self.lane.read(move |connection| find::count(connection, &plan)).await
        })
    }

    fn distinct<'a>(&'a self, selection: &'a Selection, field: &'a str) -> Answer<'a, Vec<Value>> {
        Box::pin(async move {
            let plan = Distinct::plan(&self.shared.tables.load(), &self.shared.patterns, selection, field)?;
            let Some(plan) = plan else { return Ok(Vec::new()) };
            self.lane.read(move |connection| plan.run(connection)).await
        })
    }

    fn aggregate<'a>(&'a self, selection: &'a Selection, pipeline: &'a Pipeline) -> Answer<'a, Vec<Document>> {
        Box::pin(async move {
            let plan = Aggregate::plan(&self.shared, selection, pipeline)?;
            let Some(plan) = plan else { return Ok(Vec::new()) };
            self.lane.read(move |connection| plan.run(connection)).await
        })
    }

    fn explain<'a>(
        &'a self,
        selection: &'a Selection,
        pipeline: Option<&'a Pipeline>,
        verbosity: Verbosity,
    ) -> Answer<'a, Document> {
        Box::pin(async move {
            let plan = Explain::plan(&self.shared, selection, pipeline, verbosity)?;
            self.lane.read(move |connection| plan.run(connection)).await
        })
    }

    fn insert<'a>(&'a self, _class: &'a Arc<ClassSchema>, object: &'a Object) -> Answer<'a, ()> {
        Box::pin(async move {
            let plan = Insert::plan(&self.shared.tables.load(), object)?;
            self.lane.write(move |connection| plan.run(connection)).await
        })
    }

    fn update<'a>(&'a self, selection: &'a Selection, change: &'a Change) -> Answer<'a, Option<Object>> {
        Box::pin(async move {
            let plan = AmendFirst::plan(&self.shared.tables.load(), &self.shared.patterns, selection, change)?;
            let Some(plan) = plan else { return Ok(None) };
            self.lane.write(move |connection| plan.run(connection)).await
        })
    }

    fn update_all<'a>(&'a self, selection: &'a Selection, change: &'a Change) -> Answer<'a, u64> {
        Box::pin(async move {
            let plan = AmendEvery::plan(&self.shared.tables.load(), &self.shared.patterns, selection, change)?;
            let Some(plan) = plan else { return Ok(0) };
            self.lane.write(move |connection| plan.run(connection)).await
        })
    }

    fn delete<'a>(&'a self, selection: &'a Selection) -> Answer<'a, u64> {
        Box::pin(async move {
            let plan = write::plan_delete(&self.shared.tables.load(), &self.shared.patterns, selection)?;
            let Some(plan) = plan else { return Ok(0) };
            self.lane.write(move |connection| write::execute(connection, &plan)).await
        })
    }

    fn link<'a>(&'a self, join: &'a Join, owner: &'a ObjectId, members: &'a [ObjectId]) -> Answer<'a, ()> {
        Box::pin(async move {
            let plan = Members::enter(&self.shared.tables.load(), join, owner, members)?;
            self.lane.write(move |connection| plan.run(connection)).await
        })
    }

    fn unlink<'a>(&'a self, join: &'a Join, owner: &'a ObjectId, members: &'a [ObjectId]) -> Answer<'a, ()> {
        Box::pin(async move {
            let plan = Members::leave(&self.shared.tables.load(), join, owner, members)?;
            self.lane.write(move |connection| plan.run(connection)).await
        })
    }
}
