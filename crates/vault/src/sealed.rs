//! What happens to what is written and read? It is sealed on its way in and opened on its way out, in a transaction or not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parsimony_model::update::top;
use parsimony_model::{ClassSchema, Clock, Constraint, Filter, Object, ObjectId, Op, Update, Value};
use parsimony_store::{Change, Objects, Selection, StoreError};

use crate::keys::{Key, KeyRing};
use crate::marks::{Marks, Sealing};
use crate::persons::{Made, PERSON_KEYS, Persons};
use crate::questions::{asked, refused};
use crate::seal::{At, Sealed, seal};

/// What every door of a vault has.
pub(crate) struct Means {
    pub(crate) ring: KeyRing,
    pub(crate) persons: Persons,
    pub(crate) clock: Arc<dyn Clock>,
}

/// An inner store or transaction, and what is needed to seal and open.
#[derive(Clone, Copy)]
pub(crate) struct Inner<'a> {
    pub(crate) means: &'a Means,
    pub(crate) objects: &'a dyn Objects,
    /// The secrets that the transaction has made, if it is one.
    pub(crate) made: Option<&'a Made>,
}

impl<'a> Inner<'a> {
    pub(crate) async fn find(self, selection: &Selection, marks: Marks<'_>) -> Result<Vec<Object>, StoreError> {
        let asked = asked(selection, &marks, &self.means.ring)?;
        let mut found = self.objects.find(&asked).await?;
        self.open(&mut found, &marks).await?;
        Ok(found)
    }

    pub(crate) async fn insert(
        self,
        class: &Arc<ClassSchema>,
        object: &Object,
        marks: Marks<'_>,
    ) -> Result<(), StoreError> {
        let object = self.sealed(object, &marks).await?;
        self.objects.insert(class, &object).await
    }

    /// A new object as the inner store may see it.
    pub(crate) async fn sealed(self, object: &Object, marks: &Marks<'_>) -> Result<Object, StoreError> {
        let mut sealed = object.clone();
        sealed.fields.retain(|field, _| !marks.is_index(field));
        for sealing in marks.iter() {
            let Some(value) = object.get(sealing.field).filter(|value| !value.is_null()) else { continue };
            let person = person_of(object, sealing);
            let at = At { class: object.class.as_str(), field: sealing.field, id: &object.id };
            sealed.fields.insert(sealing.field.into(), self.seal(value, &person, at).await?);
            if let Some((index, value)) = self.indexed(value, sealing, at)? {
                sealed.fields.insert(index.into(), value);
            }
        }
        Ok(sealed)
    }

    pub(crate) async fn update(
        self,
        selection: &Selection,
        change: &Change,
        marks: Marks<'_>,
    ) -> Result<Option<Object>, StoreError> {
        let mut asked = asked(selection, &marks, &self.means.ring)?;
        let mut change = without_indexes(change, &marks);
        if marks.iter().any(|sealing| change.update.touches(sealing.field)) {
            // A value is sealed for one object and one person, so it has to be known which.
            let first = asked.clone().range(0, Some(1));
            let Some(object) = self.objects.find(&first).await?.pop() else { return Ok(None) };
            change.update = self.sealed_update(&change.update, &object, &marks).await?;
            asked.filter = Filter::And(vec![asked.filter, Filter::id(&object.id)]);
        }
        let Some(updated) = self.objects.update(&asked, &change).await? else { return Ok(None) };
        let mut updated = [updated];
        self.open(&mut updated, &marks).await?;
        Ok(updated.into_iter().next())
    }

    async fn sealed_update(self, update: &Update, object: &Object, marks: &Marks<'_>) -> Result<Update, StoreError> {
        // The person may change in the same breath.
        let mut after = object.clone();
        for (path, op) in &update.0 {
            if let Op::Set(value) = op
                && marks.iter().any(|sealing| sealing.person == Some(path.as_str()))
            {
                after.fields.insert(path.clone(), value.clone());
            }
        }
        let mut sealed = Update::default();
        for (path, op) in &update.0 {
            let Some(sealing) = marks.get(top(path)) else {
                sealed.0.insert(path.clone(), op.clone());
                continue;
            };
            let index = |op: Op| sealing.index.map(|index| (index.into(), op));
            match op {
                Op::Set(value) if path == sealing.field && !value.is_null() => {
                    let at = At { class: object.class.as_str(), field: sealing.field, id: &object.id };
                    let value_sealed = self.seal(value, &person_of(&after, sealing), at).await?;
                    sealed.set(sealing.field, value_sealed);
                    let indexed = self.indexed(value, sealing, at)?.map(|(_, value)| Op::Set(value));
                    sealed.0.extend(index(indexed.unwrap_or(Op::Delete)));
                }
                Op::Set(_) | Op::Delete if path == sealing.field => {
                    sealed.0.insert(path.clone(), op.clone());
                    sealed.0.extend(index(Op::Delete));
                }
                _ => return Err(unfit(sealing.field)),
            }
        }
        Ok(sealed)
    }

    /// Changes many at once: their sealed fields can be taken away, and not set, since each is sealed for itself.
    pub(crate) async fn update_all(
        self,
        selection: &Selection,
        change: &Change,
        marks: Marks<'_>,
    ) -> Result<u64, StoreError> {
        let asked = asked(selection, &marks, &self.means.ring)?;
        let mut change = without_indexes(change, &marks);
        for sealing in marks.iter().filter(|sealing| change.update.touches(sealing.field)).copied().collect::<Vec<_>>()
        {
            if change.update.get(sealing.field) != Some(&Op::Delete) {
                return Err(unfit(sealing.field));
            }
            change.update.0.extend(sealing.index.map(|index| (index.into(), Op::Delete)));
        }
        self.objects.update_all(&asked, &change).await
    }

    pub(crate) async fn distinct(
        self,
        selection: &Selection,
        field: &str,
        marks: Marks<'_>,
    ) -> Result<Vec<Value>, StoreError> {
        if marks.get(top(field)).is_some() {
            return Err(refused(top(field), "its values cannot be listed"));
        }
        self.objects.distinct(&asked(selection, &marks, &self.means.ring)?, field).await
    }

    /// Opens what the inner store gave. What cannot be opened is not there: its person was erased, or somebody altered it.
    pub(crate) async fn open(self, objects: &mut [Object], marks: &Marks<'_>) -> Result<(), StoreError> {
        let mut persons = BTreeSet::new();
        for object in &*objects {
            let values = marks.iter().filter_map(|sealing| object.get(sealing.field)).filter_map(Sealed::of);
            persons.extend(values.map(|sealed| sealed.person));
        }
        let secrets = self.means.persons.of(persons, self.objects, self.made).await?;
        for object in objects {
            object.fields.retain(|field, _| !marks.is_index(field));
            marks.iter().for_each(|sealing| self.open_field(object, sealing.field, &secrets));
        }
        Ok(())
    }

    fn open_field(self, object: &mut Object, field: &str, secrets: &BTreeMap<String, Arc<[u8]>>) {
        let Some(sealed) = object.get(field).and_then(Sealed::of) else { return };
        let secret: Option<&[u8]> = match sealed.person {
            "" => Some(&[]),
            person => secrets.get(person).map(|secret| &**secret),
        };
        let at = At { class: object.class.as_str(), field, id: &object.id };
        let opened = secret.and_then(|secret| sealed.open(&self.means.ring, secret, at));
        if opened.is_none() && secret.is_some() {
            tracing::error!(class = at.class, field, id = %at.id, key = sealed.key, "a sealed value does not open");
        }
        match opened {
            Some(value) => object.fields.insert(field.into(), value),
            None => object.fields.shift_remove(field),
        };
    }

    pub(crate) async fn seal(self, value: &Value, person: &str, at: At<'_>) -> Result<Value, StoreError> {
        let key = self.key(at)?;
        let secret = match person {
            "" => Arc::default(),
            person => self.means.persons.of_one(person, self.objects, self.made, &*self.means.clock).await?,
        };
        seal(value, key, (person, &secret), at, &*self.means.clock)
            .map_err(|_cause_untold| StoreError::Unfit(format!("{} is too long to be encrypted", at.field)))
    }

    /// The blind index of a value, and the field it goes to.
    fn indexed<'s>(
        self,
        value: &Value,
        sealing: &Sealing<'s>,
        at: At<'_>,
    ) -> Result<Option<(&'s str, Value)>, StoreError> {
        let (Some(index), Some(text)) = (sealing.index, value.as_str()) else { return Ok(None) };
        Ok(Some((index, self.key(at)?.indexed(at.class, at.field, text).into())))
    }

    fn key(self, at: At<'_>) -> Result<&'a Key, StoreError> {
        // Nothing that should be sealed is ever stored in clear.
        self.means.ring.newest().ok_or_else(|| {
            StoreError::Unsupported(format!("{}.{} is encrypted, and parsimony.pii has no key", at.class, at.field))
        })
    }
}

/// Whose data the value is; empty if it is nobody's.
pub(crate) fn person_of(object: &Object, sealing: &Sealing<'_>) -> String {
    match sealing.person {
        None => String::new(),
        Some("objectId") => object.id.to_string(),
        Some(field) => {
            object.get(field).and_then(Value::as_pointer).map(|pointer| pointer.id.to_string()).unwrap_or_default()
        }
    }
}

fn without_indexes(change: &Change, marks: &Marks<'_>) -> Change {
    let mut change = change.clone();
    change.update.0.retain(|path, _| !marks.is_index(top(path)));
    change
}

fn unfit(field: &str) -> StoreError {
    StoreError::Unfit(format!("{field} is encrypted: it can only be set as a whole, or deleted"))
}

/// Whether a selection is about the secrets of persons.
pub(crate) fn is_about_persons(selection: &Selection) -> bool {
    selection.class.name == PERSON_KEYS
}

/// The condition that a field still has this value.
pub(crate) fn still(field: &str, value: &Value) -> Filter {
    Filter::Field(field.into(), Constraint::Equals(value.clone()))
}

/// The condition that an object comes after this one, in the order of ids.
pub(crate) fn after(id: Option<&ObjectId>) -> Filter {
    match id {
        Some(id) => Filter::Field("objectId".into(), Constraint::Greater(id.as_str().into())),
        None => Filter::And(Vec::new()),
    }
}
