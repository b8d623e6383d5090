//! Cloud code may change or refuse a query, answer it by itself, and change what it found.

use std::collections::HashMap;

use parsimony_cloud::{AfterFind, BeforeFind, Finding};
use parsimony_model::permissions::Operation;
use parsimony_model::{ClassName, Filter, Object, ObjectId, ParseError, Query};

use super::{Purpose, admit, run};
use crate::access::class;
use crate::triggers;
use crate::work::Work;

/// A query after the hook.
#[expect(clippy::large_enum_variant, reason = "nearly all are queries, and none is kept")]
pub(super) enum Hooked {
    /// What is to be asked.
    Query(Query),
    /// What the hook answers in its place.
    Objects(Vec<Object>),
}

/// Lets the hook before a find see what a client or cloud code asks.
pub(super) async fn before_find(
    work: &Work,
    name: &ClassName,
    mut query: Query,
    is_get: bool,
) -> Result<Hooked, ParseError> {
    if !work.registry.has::<BeforeFind>(name.as_str()) {
        return Ok(Hooked::Query(query));
    }
    class::refuse_master_only(&work.caller, name, if is_get { Operation::Get } else { Operation::Find })?;
    if !is_get {
        // The hook is to know how many there will be at most.
        query.limit.get_or_insert(work.engine.options.default_limit);
    }
    let kept = query.clone();
    let asked = |origin| BeforeFind { class: name.clone(), query, is_get, origin };
    // Boxed, because a hook may ask the same class.
    match Box::pin(triggers::run(work, name.as_str(), asked)).await? {
        None => Ok(Hooked::Query(kept)),
        Some(Finding::Query(query)) => Ok(Hooked::Query(*query)),
        Some(Finding::Objects(objects)) => {
            let objects = if work.caller.is_privileged() { objects } else { visible(work, name, objects).await? };
            after_find(work, name.clone(), kept, is_get, objects).await.map(Hooked::Objects)
        }
    }
}

/// As [`before_find`], for what an `include` or a subquery asks. Parse: objects in the place of a query count where a client
/// asked for it, and not here.
pub(super) async fn before_lookup(work: &Work, name: &ClassName, query: Query) -> Result<Query, ParseError> {
    if !work.registry.has::<BeforeFind>(name.as_str()) {
        return Ok(query);
    }
    let kept = query.clone();
    let asked = |origin| BeforeFind { class: name.clone(), query, is_get: false, origin };
    match triggers::run(work, name.as_str(), asked).await? {
        Some(Finding::Query(query)) => Ok(*query),
        None | Some(Finding::Objects(_)) => Ok(kept),
    }
}

/// Of the objects that a hook answers, those that the caller may see, as they are stored.
async fn visible(work: &Work, name: &ClassName, objects: Vec<Object>) -> Result<Vec<Object>, ParseError> {
    let query = Query::new(Filter::ids(objects.iter().map(|object| &object.id)));
    let Some(mut admitted) = admit(work, name, query, Operation::Find).await? else { return Ok(Vec::new()) };
    admitted.asked = None;
    let found = run(work, admitted, Purpose::Lookup).await?;
    let mut found: HashMap<ObjectId, Object> = found.into_iter().map(|object| (object.id.clone(), object)).collect();
    Ok(objects.into_iter().filter_map(|object| found.remove(&object.id)).collect())
}

/// Lets the hook after a find change what was found.
pub(super) async fn after_find(
    work: &Work,
    class: ClassName,
    query: Query,
    is_get: bool,
    objects: Vec<Object>,
) -> Result<Vec<Object>, ParseError> {
    if !work.registry.has::<AfterFind>(class.as_str()) {
        return Ok(objects);
    }
    let kept = objects.clone();
    let name = class.clone();
    let found = |origin| AfterFind { class, objects, query, is_get, origin };
    // Boxed, because a hook may ask the same class.
    Ok(Box::pin(triggers::run(work, name.as_str(), found)).await?.unwrap_or(kept))
}
