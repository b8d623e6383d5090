//! Which stages does a pipeline have? Each as a typed value; `stage/parse.rs` reads them.

mod grouping;
mod joining;
mod parse;

use compact_str::CompactString;

use super::accumulate::Accumulator;
use super::expression::Expression;
use super::matching::Condition;
use super::path::Path;
use super::projection::Projection;
use super::sort::SortBy;

pub(crate) use parse::stages;

/// A stage.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    /// `$match`
    Match(Condition),
    /// `$project`, `$addFields`, `$set`, `$unset`
    Project(Projection),
    /// `$replaceRoot`, `$replaceWith`
    Replace(Expression),
    /// `$sort`
    Sort(SortBy),
    /// `$skip`
    Skip(u64),
    /// `$limit`
    Limit(u64),
    /// `$unwind`
    Unwind(Unwind),
    /// `$group`
    Group(Group),
    /// `$bucketAuto`
    Buckets(Buckets),
    /// `$count`
    Count(CompactString),
    /// `$sample`
    Sample(usize),
    /// `$facet`
    Facet(Vec<(CompactString, Vec<Stage>)>),
    /// `$lookup`
    Lookup(Box<Lookup>),
    /// `$unionWith`
    Union {
        /// The collection, by its name on disk.
        collection: String,
        /// What becomes of its rows first.
        stages: Vec<Stage>,
    },
}

/// `$unwind`
#[derive(Debug, Clone)]
pub(crate) struct Unwind {
    /// Where the list is.
    pub(crate) path: Path,
    /// Where the place of the element goes.
    pub(crate) index: Option<Path>,
    /// Whether a document without a list, or with an empty one, stays.
    pub(crate) keeps_empty: bool,
}

/// `$group`
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// What the documents of a group have in common.
    pub(crate) key: Expression,
    /// What is made of them.
    pub(crate) fields: Vec<(CompactString, Accumulator)>,
}

/// `$bucketAuto`
#[derive(Debug, Clone)]
pub(crate) struct Buckets {
    /// What they are sorted by.
    pub(crate) key: Expression,
    /// How many buckets at most.
    pub(crate) count: usize,
    /// What is made of each.
    pub(crate) fields: Vec<(CompactString, Accumulator)>,
}

/// `$lookup`
#[derive(Debug, Clone)]
pub(crate) struct Lookup {
    /// The collection, by its name on disk.
    pub(crate) collection: String,
    /// What has to be equal: here, and there.
    pub(crate) equal: Option<(Path, Path)>,
    /// The variables that the stages see.
    pub(crate) variables: Vec<(CompactString, Expression)>,
    /// What becomes of the rows that are found.
    pub(crate) stages: Vec<Stage>,
    /// Where they go.
    pub(crate) into: Path,
}
