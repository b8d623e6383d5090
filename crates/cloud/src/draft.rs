//! An object on its way to being saved: what was, what the client changes, and what a hook makes of it.

use std::sync::Arc;

use parsimony_model::value::Map;
use parsimony_model::{ClassName, Object, ObjectId, Op, ParseError, Update, Value};

/// An object before it is saved. Hooks read and change it.
#[derive(Debug, Clone)]
pub struct Draft {
    class: ClassName,
    id: Option<ObjectId>,
    original: Option<Arc<Object>>,
    update: Update,
}

impl Draft {
    /// A new object, or a change of an existing one.
    pub fn new(class: ClassName, id: Option<ObjectId>, original: Option<Arc<Object>>, update: Update) -> Self {
        Self { class, id, original, update }
    }

    /// Its class.
    pub fn class(&self) -> &ClassName {
        &self.class
    }

    /// Its id; a new object has none yet, unless the client chose it.
    pub fn id(&self) -> Option<&ObjectId> {
        self.id.as_ref()
    }

    /// Whether it is new.
    pub fn is_new(&self) -> bool {
        self.original.is_none()
    }

    /// The object as it is stored now; none for a new one.
    pub fn original(&self) -> Option<&Object> {
        self.original.as_deref()
    }

    /// As [`Self::original`], to be kept.
    pub fn shared_original(&self) -> Option<Arc<Object>> {
        self.original.clone()
    }

    /// Takes the changes out of it, and leaves it without any.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let update = std::mem::take(&mut self.update);
        Self { class: self.class.clone(), id: self.id.clone(), original: self.original.clone(), update }
    }

    /// The value a field would have.
    pub fn get(&self, field: &str) -> Option<Value> {
        if !self.update.touches_below(field) {
            match self.update.0.get(field) {
                None => return self.before(field),
                Some(Op::Set(value)) => return Some(value.clone()),
                Some(_) => {}
            }
        }
        let mut fields =
            self.before(field).map(|value| std::iter::once((field.into(), value)).collect()).unwrap_or_default();
        let mut one = Update::default();
        one.0.extend(
            self.update
                .0
                .iter()
                .filter(|(key, _)| parsimony_model::update::top(key) == field)
                .map(|(key, op)| (key.clone(), op.clone())),
        );
        // A change that does not fit its field is refused later, by `check`.
        one.apply(&mut fields).ok()?;
        fields.shift_remove(field)
    }

    /// The text a field would have.
    pub fn text(&self, field: &str) -> Option<String> {
        self.get(field)?.as_str().map(str::to_owned)
    }

    /// Sets a field.
    pub fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.forget_below(field);
        self.update.set(field, value);
    }

    /// Takes a field away.
    pub fn unset(&mut self, field: &str) {
        self.forget_below(field);
        self.update.0.insert(field.into(), Op::Delete);
    }

    /// Adds to a number.
    pub fn increment(&mut self, field: &str, amount: f64) {
        match self.update.0.get_mut(field) {
            Some(Op::Increment(before) | Op::Set(Value::Number(before))) => *before += amount,
            _ => {
                self.update.0.insert(field.into(), Op::Increment(amount));
            }
        }
    }

    /// Changes a field by an operation, on top of what changes already.
    pub fn apply(&mut self, field: &str, op: Op) -> Result<(), ParseError> {
        if !self.update.touches(field) {
            self.update.0.insert(field.into(), op);
            return Ok(());
        }
        match op.apply(self.get(field).as_ref())? {
            Some(value) => self.set(field, value),
            None => self.unset(field),
        }
        Ok(())
    }

    /// Drops the change of a field.
    pub fn revert(&mut self, field: &str) {
        self.forget_below(field);
        self.update.0.shift_remove(field);
    }

    /// Whether a field changes.
    pub fn is_dirty(&self, field: &str) -> bool {
        self.update.touches(field)
    }

    /// The fields that change.
    pub fn dirty_keys(&self) -> impl Iterator<Item = &str> {
        self.update.0.keys().map(|key| parsimony_model::update::top(key))
    }

    /// Every field as it would be.
    pub fn fields(&self) -> Result<Map, ParseError> {
        let mut fields = self.original.as_ref().map(|object| object.fields.clone()).unwrap_or_default();
        self.update.apply(&mut fields)?;
        Ok(fields)
    }

    /// The changes, field by field.
    pub fn update(&self) -> &Update {
        &self.update
    }

    /// Puts these changes in the place of all that were to be made.
    pub fn replace(&mut self, update: Update) {
        self.update = update;
    }

    /// Makes these changes besides those that were to be made.
    pub fn change(&mut self, update: Update) {
        for (field, op) in update.0 {
            self.forget_below(&field);
            self.update.0.insert(field, op);
        }
    }

    /// The changes, to go on with.
    pub fn into_update(self) -> Update {
        self.update
    }

    fn before(&self, field: &str) -> Option<Value> {
        self.original.as_ref()?.lookup(field)
    }

    /// A change of a whole field takes the place of the changes below it.
    fn forget_below(&mut self, field: &str) {
        if self.update.touches_below(field) {
            self.update.0.retain(|key, _| !parsimony_model::update::is_below(key, field));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsimony_model::map;

    #[test]
    fn a_hook_sees_the_object_as_it_would_be() {
        let class = ClassName::parse("C").unwrap();
        let original = Object {
            class: class.clone(),
            id: ObjectId::parse("x").unwrap(),
            created_at: None,
            updated_at: None,
            acl: None,
            fields: map! { "a" => 1, "b" => "old" },
        };
        let mut update = Update::default();
        update.0.insert("a".into(), Op::Increment(2.0));
        let mut draft = Draft::new(class, Some(original.id.clone()), Some(Arc::new(original)), update);
        assert_eq!((draft.get("a"), draft.text("b")), (Some(Value::Number(3.0)), Some("old".to_owned())));
        assert!(draft.is_dirty("a") && !draft.is_dirty("b"));
        draft.unset("b");
        draft.revert("a");
        assert_eq!((draft.get("a"), draft.get("b")), (Some(Value::Number(1.0)), None));
        assert_eq!(draft.dirty_keys().collect::<Vec<_>>(), ["b"]);
    }
}
