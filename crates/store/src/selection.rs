//! Which objects of a class, seen through whose eyes: there is no query without a scope.

use std::sync::Arc;

use parsimony_model::acl::Acl;
use parsimony_model::query::{Advice, Filter, Order, Relatives};
use parsimony_model::{ClassSchema, Object};

/// Whose eyes a selection looks through. There is no default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every row: the master key, and the server's own housekeeping.
    Everything,
    /// Rows without an ACL, and rows whose ACL lets one of these read: `*`, `role:NAME`, a user id.
    ReadableBy(Arc<[String]>),
    /// Rows without an ACL, and rows whose ACL lets one of these write.
    WritableBy(Arc<[String]>),
}

impl Scope {
    /// Whether these eyes see an object.
    pub fn admits(&self, object: &Object) -> bool {
        fn names<'a>(grants: &[String], mut granted: impl Iterator<Item = &'a str>) -> bool {
            granted.any(|name| grants.iter().any(|grant| grant == name))
        }
        let Some(acl): Option<&Acl> = object.acl.as_ref() else { return true };
        match self {
            Self::Everything => true,
            Self::ReadableBy(grants) => names(grants, acl.readers()),
            Self::WritableBy(grants) => names(grants, acl.writers()),
        }
    }
}

/// What a store is asked for: class, condition, scope, order and range.
///
/// The filter has been fitted to the class (`model::query::fit`) and holds no subqueries. If it searches by distance and there
/// is no order, the nearest comes first.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Selection {
    /// The class as the engine knows it now.
    pub class: Arc<ClassSchema>,
    /// The condition.
    pub filter: Filter,
    /// Whose eyes.
    pub scope: Scope,
    /// The order; objects that are equal in it come in no particular order.
    pub order: Vec<Order>,
    /// How many to leave out first.
    pub skip: u64,
    /// How many at most; `None` is all.
    pub limit: Option<u64>,
    /// The only fields wanted, by their first path component; empty means all. The columns every class has come always.
    pub keys: Vec<String>,
    /// Whether each object brings its score of the text search, in the field `model::query::SCORE_FIELD`.
    pub score: bool,
    /// What the client says about how to answer; it changes no answer.
    pub advice: Advice,
}

impl Selection {
    /// The scope is an argument of the only constructor, so it cannot be forgotten.
    pub fn new(class: Arc<ClassSchema>, filter: Filter, scope: Scope) -> Self {
        let (order, keys) = (Vec::new(), Vec::new());
        let advice = Advice::default();
        Self { class, filter, scope, order, skip: 0, limit: None, keys, score: false, advice }
    }

    /// The one relation whose members it asks for, and the condition on them besides; `None` if it is not that simple.
    pub fn members(&self) -> Option<(&Relatives, Filter)> {
        let parts = if let Filter::And(parts) = &self.filter { parts } else { std::slice::from_ref(&self.filter) };
        let mut relations = parts
            .iter()
            .filter_map(|part| if let Filter::RelatedTo(relatives) = part { Some(relatives) } else { None });
        let (Some(relatives), None) = (relations.next(), relations.next()) else { return None };
        let besides = parts.iter().filter(|part| !matches!(part, Filter::RelatedTo(_))).cloned();
        Some((relatives, Filter::And(besides.collect())))
    }

    /// In this order.
    #[must_use]
    pub fn ordered(self, order: Vec<Order>) -> Self {
        Self { order, ..self }
    }

    /// This part of the results.
    #[must_use]
    pub fn range(self, skip: u64, limit: Option<u64>) -> Self {
        Self { skip, limit, ..self }
    }

    /// With the score of the text search, or without.
    #[must_use]
    pub fn scored(self, score: bool) -> Self {
        Self { score, ..self }
    }

    /// Only these fields.
    #[must_use]
    pub fn only(self, keys: Vec<String>) -> Self {
        Self { keys, ..self }
    }

    /// Answered so.
    #[must_use]
    pub fn advised(self, advice: Advice) -> Self {
        Self { advice, ..self }
    }
}
