//! The store: one atomic change of one object, and its relations.

use std::sync::Arc;

use parsimony_model::builtin::Builtin;
use parsimony_model::permissions::Operation;
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Filter, Object, ObjectId, Op, ParseError, Pointer};
use parsimony_store::{Change, Join, Selection, StoreError};

use super::{Pending, Written};
use crate::access::rows;
use crate::classes::rules_for;
use crate::users::auth_data;
use crate::work::Work;

pub(super) async fn write(work: &Work, pending: Pending) -> Result<Written, ParseError> {
    let now = work.engine.clock.now();
    let after = if pending.creating {
        let (created_at, updated_at) = pending.internal.dates.unwrap_or((now, now));
        let mut internal = Map::default();
        pending.internal.update.apply(&mut internal)?;
        let fields = pending.update.0.iter().filter_map(|(field, op)| match op {
            Op::Set(value) => Some((field.clone(), value.clone())),
            _ => None,
        });
        let object = Object {
            class: pending.class.name.clone(),
            id: pending.id.clone(),
            created_at: Some(created_at),
            updated_at: Some(updated_at),
            acl: pending.acl.clone().flatten(),
            fields: fields.chain(internal).collect(),
        };
        work.objects.insert(&pending.class, &object).await.map_err(|error| duplicate(&pending, error))?;
        object
    } else {
        let mut update = pending.update.clone();
        update.0.extend(pending.internal.update.0.iter().map(|(field, op)| (field.clone(), op.clone())));
        let change = Change { update, acl: pending.acl.clone(), updated_at: now };
        let mut filter = Filter::id(&pending.id);
        if let Some(condition) = &pending.only_if {
            filter = filter.and(condition.clone());
        }
        for (leave, operation) in [(&pending.leave, Operation::Update), (&pending.leave_to_add, Operation::AddField)] {
            filter = rows::narrow(&work.caller, &pending.class, leave.clone(), operation, filter)?;
        }
        let still = pending.identity.as_deref().map(|identity| identity.still.as_slice()).unwrap_or_default();
        let filter = still.iter().cloned().fold(filter, Filter::and);
        let selection = Selection::new(Arc::clone(&pending.class), filter, work.caller.write_scope());
        let after = work.objects.update(&selection, &change).await.map_err(|error| duplicate(&pending, error))?;
        after.ok_or_else(|| match still {
            [] => rules_for(&pending.class.name).not_updatable(&work.caller),
            _ => auth_data::outrun(),
        })?
    };
    for related in &pending.related {
        let join = Join { class: pending.class.name.clone(), field: related.field.clone() };
        let ids = |pointers: &[Pointer]| pointers.iter().map(|pointer| pointer.id.clone()).collect::<Vec<ObjectId>>();
        if !related.add.is_empty() {
            work.objects.link(&join, &pending.id, &ids(&related.add)).await?;
        }
        if !related.remove.is_empty() {
            work.objects.unlink(&join, &pending.id, &ids(&related.remove)).await?;
        }
    }
    Ok(Written {
        class: pending.class,
        created: pending.creating,
        update: pending.update,
        before: pending.original,
        stored: pending.stored,
        computed: pending.computed,
        tell: pending.internal.told(&after),
        identity: pending.identity,
        answer: None,
        begins_verification: pending.begins_verification,
        refusal: None,
        after,
    })
}

/// Parse: a name or an address that another signup took in the same moment has errors of its own.
fn duplicate(pending: &Pending, error: StoreError) -> ParseError {
    if let (StoreError::Duplicate { index }, Some(Builtin::User)) = (&error, Builtin::of(&pending.class.name)) {
        if auth_data::is_of_provider(index) {
            return auth_data::used();
        }
        if index.contains("username") {
            return ParseError::new(ErrorCode::UsernameTaken, "Account already exists for this username.");
        }
        if index.contains("email") {
            return ParseError::new(ErrorCode::EmailTaken, "Account already exists for this email address.");
        }
    }
    error.into()
}
