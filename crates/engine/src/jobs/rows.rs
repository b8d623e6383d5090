//! How are the rows of jobs read and written: one class, seen whole, one atomic change at a time.

use std::sync::Arc;

use parsimony_model::builtin::Builtin;
use parsimony_model::value::Map;
use parsimony_model::{Acl, ClassSchema, Constraint, Date, Filter, Object, ObjectId, Op, ParseError, Update};
use parsimony_store::{Change, Scope, Selection, StoreError};
use sha2::{Digest, Sha256};

use crate::engine::Engine;

/// The rows of one class.
pub(super) struct Rows<'a> {
    engine: &'a Engine,
    class: Arc<ClassSchema>,
}

impl<'a> Rows<'a> {
    /// Those of a class, which is made if it is not there.
    pub(super) async fn of(engine: &'a Engine, class: Builtin) -> Result<Self, ParseError> {
        Ok(Self { engine, class: engine.schemas.require(&class.name()).await? })
    }

    /// Those of a class; `None` if there is no such class yet.
    pub(super) async fn if_any(engine: &'a Engine, class: Builtin) -> Result<Option<Self>, ParseError> {
        let class = engine.schemas.find(&class.name()).await?;
        Ok(class.map(|class| Self { engine, class }))
    }

    fn select(&self, filter: Filter) -> Selection {
        Selection::new(Arc::clone(&self.class), filter, Scope::Everything)
    }

    /// Finds so many at most.
    pub(super) async fn find(&self, filter: Filter, limit: u64) -> Result<Vec<Object>, ParseError> {
        Ok(self.engine.objects.find(&self.select(filter).range(0, Some(limit))).await?)
    }

    /// The one with this id.
    pub(super) async fn get(&self, id: &ObjectId) -> Result<Option<Object>, ParseError> {
        Ok(self.find(Filter::id(id), 1).await?.pop())
    }

    /// Adds one that no client may see. `false` if there is one with this id.
    pub(super) async fn insert(&self, id: &ObjectId, fields: Map) -> Result<bool, ParseError> {
        let now = self.engine.clock.now();
        let row = Object {
            class: self.class.name.clone(),
            id: id.clone(),
            created_at: Some(now),
            updated_at: Some(now),
            acl: Some(Acl::default()),
            fields,
        };
        match self.engine.objects.insert(&self.class, &row).await {
            Ok(()) => Ok(true),
            Err(StoreError::Duplicate { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes the first that is found, and gives it as it is then.
    pub(super) async fn update(&self, filter: Filter, update: Update) -> Result<Option<Object>, ParseError> {
        let change = Change { update, acl: None, updated_at: self.engine.clock.now() };
        Ok(self.engine.objects.update(&self.select(filter), &change).await?)
    }

    /// As [`Rows::update`], for plain values.
    pub(super) async fn set(&self, filter: Filter, fields: Map) -> Result<Option<Object>, ParseError> {
        self.update(filter, fields.into_iter().map(|(key, value)| (key, Op::Set(value))).collect()).await
    }

    /// Deletes what is found.
    pub(super) async fn delete(&self, filter: Filter) -> Result<(), ParseError> {
        self.engine.objects.delete(&self.select(filter)).await?;
        Ok(())
    }
}

/// What is met where a date is before this one.
pub(super) fn before(field: &str, date: Date) -> Filter {
    Filter::Field(field.into(), Constraint::Less(date.into()))
}

/// An id that is the same wherever the same is meant: of two who add the row, the database lets one pass.
pub(super) fn id_of(parts: &[&str]) -> Result<ObjectId, ParseError> {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    }
    let text: String = hex::encode(digest.finalize()).chars().take(ID_CHARS).collect();
    ObjectId::parse(&text)
}

/// How long such an id is: long enough that no two are the same by chance.
const ID_CHARS: usize = 32;
