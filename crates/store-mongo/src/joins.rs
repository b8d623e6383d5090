//! The many-to-many rows: `{relatedId, owningId}` in a collection for each relation.

use std::borrow::Cow;
use std::collections::HashSet;

use bson::{Bson, Document, RawBsonRef, RawDocumentBuf, doc, rawdoc};
use futures::TryStreamExt;
use mongodb::error::Error;
use mongodb::raw_batch_cursor::{RawBatch, RawBatchCursor};
use parsimony_model::query::{Constraint, Filter, Relatives};
use parsimony_model::{ClassSchema, ObjectId, Value};
use parsimony_store::{Join, Selection, StoreError};

use crate::error;
use crate::names;
use crate::open::{Session, Shared};

/// The condition of a selection with each relation in it replaced by the ids that it stands for.
pub(crate) async fn look_up<'a>(
    shared: &Shared,
    mut session: Session<'_>,
    selection: &'a Selection,
) -> Result<Cow<'a, Filter>, StoreError> {
    let mut questions = Vec::new();
    ask(&selection.filter, &selection.class, &mut questions);
    if questions.is_empty() {
        return Ok(Cow::Borrowed(&selection.filter));
    }
    let mut answers = Vec::with_capacity(questions.len());
    for question in questions {
        let found = ids(shared, session.as_deref_mut(), &question).await?;
        answers.push(Filter::Field("objectId".into(), Constraint::In(found)));
    }
    let mut answers = answers.into_iter();
    Ok(Cow::Owned(answered(&selection.filter, &mut answers)))
}

/// What to ask a join table.
struct Question {
    join: Join,
    /// Which rows.
    query: Document,
    /// Which end of them.
    end: &'static str,
}

impl Question {
    /// Who the members are.
    fn of(relatives: &Relatives) -> Self {
        Self {
            join: Join { class: relatives.owner.class.clone(), field: relatives.field.clone() },
            query: doc! { names::OWNING_ID: relatives.owner.id.as_str() },
            end: names::RELATED_ID,
        }
    }
}

/// The read of some members of a relation, in no particular order, with a condition on them besides.
pub(crate) struct Members {
    question: Question,
    besides: Filter,
}

/// The rows of a relation, some at a time.
pub(crate) struct Rows {
    batches: RawBatchCursor,
    end: &'static str,
}

/// The ids looked at in one go, of a relation of which not all members are wanted.
const PIECE_ROWS: u32 = 1_000;

/// Whether a selection wants some members of one relation in whatever order: then its ids need not all be read first.
pub(crate) fn some_members(selection: &Selection) -> Option<Members> {
    let few = selection.limit.is_some_and(|limit| limit <= u64::from(PIECE_ROWS));
    if !few || !selection.order.is_empty() || selection.skip > 0 || selection.filter.near().is_some() {
        return None;
    }
    let (relatives, besides) = selection.members()?;
    let mut others = Vec::new();
    ask(&besides, &selection.class, &mut others);
    others.is_empty().then(|| Members { question: Question::of(relatives), besides })
}

impl Members {
    /// Asks for the rows.
    pub(crate) async fn rows(&mut self, shared: &Shared) -> Result<Rows, StoreError> {
        let end = self.question.end;
        let table = shared.join(&self.question.join);
        let query = std::mem::take(&mut self.question.query);
        let find = table.find(query).projection(doc! { names::ID: 0, end: 1 }).batch_size(PIECE_ROWS);
        Ok(Rows { batches: find.batch().await.map_err(error::of_read)?, end })
    }

    /// The condition on the members with these ids.
    pub(crate) fn condition_for(&self, ids: Vec<Value>) -> Filter {
        self.besides.clone().and(Filter::Field("objectId".into(), Constraint::In(ids)))
    }
}

impl Rows {
    /// The next ids, until there are no more.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Value>>, StoreError> {
        let Some(batch) = self.batches.try_next().await.map_err(error::of_read)? else { return Ok(None) };
        let mut ids = Vec::new();
        read_ids(&batch, self.end, &mut ids)?;
        Ok(Some(ids))
    }
}

/// The questions in a condition, in the order in which [`answered`] takes the answers.
fn ask(filter: &Filter, class: &ClassSchema, questions: &mut Vec<Question>) {
    match filter {
        Filter::And(parts) | Filter::Or(parts) | Filter::Nor(parts) => {
            for part in parts {
                ask(part, class, questions);
            }
        }
        Filter::Field(..) => {}
        Filter::RelatedTo(relatives) => questions.push(Question::of(relatives)),
        Filter::Relates { field, members } => questions.push(Question {
            join: Join { class: class.name.clone(), field: field.clone() },
            query: doc! { names::RELATED_ID: { "$in": texts(members) } },
            end: names::OWNING_ID,
        }),
    }
}

fn answered(filter: &Filter, answers: &mut dyn Iterator<Item = Filter>) -> Filter {
    let mut each = |parts: &[Filter]| parts.iter().map(|part| answered(part, answers)).collect();
    match filter {
        Filter::And(parts) => Filter::And(each(parts)),
        Filter::Or(parts) => Filter::Or(each(parts)),
        Filter::Nor(parts) => Filter::Nor(each(parts)),
        Filter::Field(..) => filter.clone(),
        Filter::RelatedTo(_) | Filter::Relates { .. } => answers.next().unwrap_or_else(Filter::nothing),
    }
}

fn texts(ids: &[ObjectId]) -> Vec<Bson> {
    ids.iter().map(|id| Bson::String(id.as_str().to_owned())).collect()
}

/// The ids at one end of the rows.
async fn ids(shared: &Shared, session: Session<'_>, question: &Question) -> Result<Vec<Value>, StoreError> {
    let batches = rows(shared, session, question).await.map_err(error::of_read)?;
    let mut found = Vec::new();
    for batch in &batches {
        read_ids(batch, question.end, &mut found)?;
    }
    Ok(found)
}

fn read_ids(batch: &RawBatch, end: &str, found: &mut Vec<Value>) -> Result<(), StoreError> {
    for row in batch.doc_slices().map_err(error::of_read)? {
        if let Ok(RawBsonRef::Document(row)) = row
            && let Ok(id) = row.get_str(end)
        {
            found.push(Value::from(id));
        }
    }
    Ok(())
}

async fn rows(shared: &Shared, session: Session<'_>, question: &Question) -> Result<Vec<RawBatch>, Error> {
    let table = shared.join(&question.join);
    let find = table.find(question.query.clone()).projection(doc! { names::ID: 0, question.end: 1 });
    match session {
        None => find.batch().await?.try_collect().await,
        Some(session) => {
            let mut cursor = find.session(&mut *session).batch().await?;
            cursor.stream(session).try_collect().await
        }
    }
}

/// Puts members into a relation; those that are in it stay.
pub(crate) async fn link(
    shared: &Shared,
    mut session: Session<'_>,
    join: &Join,
    owner: &ObjectId,
    members: &[ObjectId],
) -> Result<(), StoreError> {
    let query = doc! { names::OWNING_ID: owner.as_str(), names::RELATED_ID: { "$in": texts(members) } };
    let question = Question { join: join.clone(), query, end: names::RELATED_ID };
    let there = ids(shared, session.as_deref_mut(), &question).await?;
    let mut seen: HashSet<&str> = there.iter().filter_map(Value::as_str).collect();
    let rows: Vec<RawDocumentBuf> = members
        .iter()
        .filter(|member| seen.insert(member.as_str()))
        .map(|member| rawdoc! { "relatedId": member.as_str(), "owningId": owner.as_str() })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let table = shared.join(join);
    let insert = table.insert_many(rows);
    let inserted = match session {
        None => insert.await,
        Some(session) => insert.session(session).await,
    };
    inserted.map(drop).map_err(error::of_write)
}

/// Takes members out of a relation.
pub(crate) async fn unlink(
    shared: &Shared,
    session: Session<'_>,
    join: &Join,
    owner: &ObjectId,
    members: &[ObjectId],
) -> Result<(), StoreError> {
    let query = doc! { names::OWNING_ID: owner.as_str(), names::RELATED_ID: { "$in": texts(members) } };
    let table = shared.join(join);
    let delete = table.delete_many(query);
    let deleted = match session {
        None => delete.await,
        Some(session) => delete.session(session).await,
    };
    deleted.map(drop).map_err(error::of_write)
}

/// How many members all objects together have in a relation.
pub(crate) async fn members(shared: &Shared, join: &Join) -> Result<u64, StoreError> {
    shared.join(join).count_documents(Document::new()).await.map_err(error::of_read)
}
