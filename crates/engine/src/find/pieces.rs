//! What if an answer is too long to be held? The objects come in pieces, and each goes through the gate that every object
//! goes through.

use std::sync::Arc;

use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use parsimony_model::schema::ClassSchema;
use parsimony_model::{Object, ParseError, Query};
use parsimony_store::Selection;

use super::{Asking, hooks, include, redact};
use crate::access::fields::Hidden;
use crate::classes::rules_for;
use crate::work::Work;

/// Objects that come in pieces; an error is the last.
pub type Rest = BoxStream<'static, Result<Vec<Object>, ParseError>>;

/// What happens to objects after they were found.
pub(super) struct Finishing {
    class: Arc<ClassSchema>,
    hidden: Hidden,
    query: Query,
    /// What was asked, if a hook wants to know.
    asked: Option<Box<Query>>,
    /// Whether one object was asked for by its id.
    is_get: bool,
}

impl Finishing {
    /// What to ask of the store, and what happens to what it gives.
    pub(super) fn of(asking: Asking) -> (Selection, Self) {
        let Asking { selection, mut query, hidden, asked, is_get } = asking;
        query.advice = selection.advice.clone();
        let class = Arc::clone(&selection.class);
        (selection, Self { class, hidden, query, asked, is_get })
    }

    /// Whether what a selection finds may come in pieces: it may be much, and nobody needs all of it at once.
    pub(super) fn may_come(&self, work: &Work, selection: &Selection) -> bool {
        let many = selection.limit.is_none_or(|limit| limit > work.engine.options.limits.find_rows_held_max);
        // What was written in a transaction is seen through it alone, and a hook is given the whole list.
        many && work.transaction.is_none() && self.asked.is_none()
    }

    /// Takes out what the caller may not see, puts in what is included, and lets a hook change the outcome.
    pub(super) async fn finish(&self, work: &Work, mut objects: Vec<Object>) -> Result<Vec<Object>, ParseError> {
        let redaction = redact::Redaction::new(work, &self.class, &self.hidden, &self.query);
        for object in &mut objects {
            redaction.apply(object);
        }
        if let Some(shown) = rules_for(&self.class.name).show(work, &mut objects) {
            shown.await?;
        }
        if !self.query.include.is_empty() {
            include::include(work, &mut objects, &self.query).await?;
        }
        redact::shape_included(&mut objects, &self.query);
        match &self.asked {
            None => Ok(objects),
            Some(asked) => {
                let (name, asked) = (self.class.name.clone(), Query::clone(asked));
                hooks::after_find(work, name, asked, self.is_get, objects).await
            }
        }
    }
}

/// The first objects, and those that come after them, if there are any.
pub(super) async fn begin(
    work: &Work,
    selection: &Selection,
    finishing: Finishing,
) -> Result<(Vec<Object>, Option<Rest>), ParseError> {
    let mut found = work.engine.store.pieces(selection).await?;
    let Some(first) = found.try_next().await? else { return Ok((Vec::new(), None)) };
    let first = finishing.finish(work, first).await?;
    // Whoever asks for many and gets few need not know that there could have been more.
    let Some(second) = found.try_next().await? else { return Ok((first, None)) };
    let (work, finishing) = (work.clone(), Arc::new(finishing));
    let rest = futures::stream::once(async { Ok(second) }).chain(found).map_err(ParseError::from);
    let rest = rest.and_then(move |piece| {
        let (work, finishing) = (work.clone(), Arc::clone(&finishing));
        async move { finishing.finish(&work, piece).await }
    });
    Ok((first, Some(rest.boxed())))
}
