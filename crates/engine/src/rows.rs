//! How does the engine keep books of its own: rows of one class, seen whole, one atomic change at a time.

use std::sync::Arc;

use parsimony_model::builtin::Builtin;
use parsimony_model::value::Map;
use parsimony_model::{
    Acl, ClassName, ClassSchema, Constraint, Date, Filter, Object, ObjectId, Op, Order, ParseError, Update,
};
use parsimony_store::{Change, Scope, Selection, StoreError};
use sha2::{Digest, Sha256};

use crate::engine::Engine;

/// The rows of one class.
pub(crate) struct Rows<'a> {
    engine: &'a Engine,
    class: Arc<ClassSchema>,
}

impl<'a> Rows<'a> {
    /// Those of a class, which is made if it is not there.
    pub(crate) async fn of(engine: &'a Engine, class: Builtin) -> Result<Self, ParseError> {
        Ok(Self { engine, class: engine.schemas.require(&class.name()).await? })
    }

    /// Those of a class that is defined.
    pub(crate) async fn named(engine: &'a Engine, class: &ClassName) -> Result<Self, ParseError> {
        Ok(Self { engine, class: engine.schemas.require(class).await? })
    }

    /// Those of a class; `None` if there is no such class yet.
    pub(crate) async fn if_any(engine: &'a Engine, class: Builtin) -> Result<Option<Self>, ParseError> {
        let class = engine.schemas.find(&class.name()).await?;
        Ok(class.map(|class| Self { engine, class }))
    }

    fn select(&self, filter: Filter) -> Selection {
        Selection::new(Arc::clone(&self.class), filter, Scope::Everything)
    }

    /// Finds so many at most.
    pub(crate) async fn find(&self, filter: Filter, limit: u64) -> Result<Vec<Object>, ParseError> {
        Ok(self.engine.objects.find(&self.select(filter).range(0, Some(limit))).await?)
    }

    /// Finds the first so many in the order of a field.
    pub(crate) async fn first(&self, filter: Filter, field: &str, limit: u64) -> Result<Vec<Object>, ParseError> {
        let order = vec![Order { path: field.into(), descending: false }];
        Ok(self.engine.objects.find(&self.select(filter).ordered(order).range(0, Some(limit))).await?)
    }

    /// The one with this id.
    pub(crate) async fn get(&self, id: &ObjectId) -> Result<Option<Object>, ParseError> {
        Ok(self.find(Filter::id(id), 1).await?.pop())
    }

    /// Adds one that no client may see. `false` if there is one with this id.
    pub(crate) async fn insert(&self, id: &ObjectId, fields: Map) -> Result<bool, ParseError> {
        self.insert_with(id, Some(Acl::default()), fields).await
    }

    /// Adds one without an access control list, as Parse keeps those of its own classes.
    pub(crate) async fn insert_bare(&self, fields: Map) -> Result<bool, ParseError> {
        let id = self.engine.clock.object_id(self.engine.options.object_id_size);
        self.insert_with(&id, None, fields).await
    }

    async fn insert_with(&self, id: &ObjectId, acl: Option<Acl>, fields: Map) -> Result<bool, ParseError> {
        let now = self.engine.clock.now();
        let row = Object {
            class: self.class.name.clone(),
            id: id.clone(),
            created_at: Some(now),
            updated_at: Some(now),
            acl,
            fields,
        };
        match self.engine.objects.insert(&self.class, &row).await {
            Ok(()) => Ok(true),
            Err(StoreError::Duplicate { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes the first that is found, and gives it as it is then.
    pub(crate) async fn update(&self, filter: Filter, update: Update) -> Result<Option<Object>, ParseError> {
        let change = Change { update, acl: None, updated_at: self.engine.clock.now() };
        Ok(self.engine.objects.update(&self.select(filter), &change).await?)
    }

    /// As [`Rows::update`], for plain values.
    pub(crate) async fn set(&self, filter: Filter, fields: Map) -> Result<Option<Object>, ParseError> {
        self.update(filter, fields.into_iter().map(|(key, value)| (key, Op::Set(value))).collect()).await
    }

    /// Deletes what is found.
    pub(crate) async fn delete(&self, filter: Filter) -> Result<(), ParseError> {
        self.engine.objects.delete(&self.select(filter)).await?;
        Ok(())
    }
}

/// What is met where a date is before this one.
pub(crate) fn before(field: &str, date: Date) -> Filter {
    Filter::Field(field.into(), Constraint::Less(date.into()))
}

/// An id that is the same wherever the same is meant: of two who add the row, the database lets one pass.
pub(crate) fn id_of(parts: &[&str]) -> Result<ObjectId, ParseError> {
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
