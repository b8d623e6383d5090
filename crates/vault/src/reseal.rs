//! How are old values sealed anew? Object by object, in the order of ids, each under the condition that it is still the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use parsimony_model::query::Order;
use parsimony_model::{ClassSchema, Filter, Object, ObjectId, Update, Value};
use parsimony_store::{Change, Resealed, Scope, Selection, StoreError};

use crate::marks::{Marks, Sealing};
use crate::seal::{At, Sealed};
use crate::sealed::{Inner, after, person_of, still};

/// How many objects are looked at in one step.
const STEP_OBJECTS: u64 = 100;

impl Inner<'_> {
    /// Looks at the next objects of a class, and seals with the newest key what is in clear or sealed with an older one.
    /// Objects that change meanwhile are sealed by whoever changes them.
    pub(crate) async fn reseal(
        self,
        class: &Arc<ClassSchema>,
        from: Option<&ObjectId>,
    ) -> Result<Resealed, StoreError> {
        let (Some(marks), Some(newest)) = (Marks::of(class), self.means.ring.newest()) else {
            return Ok(Resealed::default());
        };
        let order = Order { path: "objectId".into(), descending: false };
        let step = Selection::new(Arc::clone(class), after(from), Scope::Everything)
            .ordered(vec![order])
            .range(0, Some(STEP_OBJECTS));
        let objects = self.objects.find(&step).await?;
        let mut done = Resealed { seen: objects.len() as u64, ..Resealed::default() };
        for object in &objects {
            let old = |sealing: &&Sealing<'_>| {
                let value = object.get(sealing.field).filter(|value| !value.is_null());
                value.is_some_and(|value| Sealed::of(value).is_none_or(|sealed| sealed.key != newest.id))
            };
            let old: Vec<&Sealing<'_>> = marks.iter().filter(old).collect();
            if !old.is_empty() && self.reseal_object(class, object, &old).await? {
                done.resealed += 1;
            }
        }
        if done.seen == STEP_OBJECTS {
            done.next = objects.last().map(|object| object.id.clone());
        }
        Ok(done)
    }

    async fn reseal_object(
        self,
        class: &Arc<ClassSchema>,
        object: &Object,
        old: &[&Sealing<'_>],
    ) -> Result<bool, StoreError> {
        let mut update = Update::default();
        let mut unchanged = vec![Filter::id(&object.id)];
        for sealing in old {
            let Some(stored) = object.get(sealing.field) else { continue };
            let at = At { class: object.class.as_str(), field: sealing.field, id: &object.id };
            let Some(clear) = self.clear(stored, at).await? else { continue };
            let value = self.seal(&clear, &person_of(object, sealing), at).await?;
            if let (Some(index), Some(text), Some(key)) = (sealing.index, clear.as_str(), self.means.ring.newest()) {
                update.set(index, key.indexed(at.class, at.field, text));
            }
            update.set(sealing.field, value);
            // An Object cannot be compared by every store; its sealed text can.
            unchanged.push(match (stored, Sealed::of(stored)) {
                (Value::Object(map), Some(_)) => map.iter().next().map_or_else(
                    || Filter::And(Vec::new()),
                    |(key, text)| still(&format!("{}.{key}", sealing.field), text),
                ),
                (Value::Object(_), None) => Filter::And(Vec::new()),
                _ => still(sealing.field, stored),
            });
        }
        let Some(updated_at) = object.updated_at.filter(|_| !update.0.is_empty()) else { return Ok(false) };
        let selection = Selection::new(Arc::clone(class), Filter::And(unchanged), Scope::Everything);
        let change = Change { update, acl: None, updated_at };
        Ok(self.objects.update(&selection, &change).await?.is_some())
    }

    /// A stored value in clear; `None` if it does not open.
    async fn clear(self, stored: &Value, at: At<'_>) -> Result<Option<Value>, StoreError> {
        let Some(sealed) = Sealed::of(stored) else { return Ok(Some(stored.clone())) };
        let secrets = self.means.persons.of(BTreeSet::from([sealed.person]), self.objects, self.made).await?;
        let secret: Option<&[u8]> = match sealed.person {
            "" => Some(&[]),
            person => secrets.get(person).map(|secret| &**secret),
        };
        Ok(secret.and_then(|secret| sealed.open(&self.means.ring, secret, at)))
    }
}
