//! What may be asked of a sealed field? Whether it is there, and with a blind index whether it is equal.

use parsimony_model::update::top;
use parsimony_model::{ClassSchema, Constraint, Filter, Value};
use parsimony_store::{Selection, StoreError};

use crate::keys::KeyRing;
use crate::marks::{Marks, Sealing};

/// The selection as the inner store can answer it.
pub(crate) fn asked(selection: &Selection, marks: &Marks<'_>, ring: &KeyRing) -> Result<Selection, StoreError> {
    if let Some(order) = selection.order.iter().find(|order| marks.get(top(&order.path)).is_some()) {
        return Err(refused(top(&order.path), "nothing can be sorted by it"));
    }
    let filter = Asking { class: &selection.class, marks, ring }.filter(&selection.filter)?;
    let mut asked = selection.clone();
    asked.filter = filter;
    Ok(asked)
}

/// A refusal that names the field (102).
pub(crate) fn refused(field: &str, reason: &str) -> StoreError {
    StoreError::InvalidQuery(format!("{field} is encrypted: {reason}"))
}

struct Asking<'a> {
    class: &'a ClassSchema,
    marks: &'a Marks<'a>,
    ring: &'a KeyRing,
}

impl Asking<'_> {
    fn filter(&self, filter: &Filter) -> Result<Filter, StoreError> {
        let each = |parts: &[Filter]| parts.iter().map(|part| self.filter(part)).collect::<Result<Vec<_>, _>>();
        Ok(match filter {
            Filter::And(parts) => Filter::And(each(parts)?),
            Filter::Or(parts) => Filter::Or(each(parts)?),
            Filter::Nor(parts) => Filter::Nor(each(parts)?),
            Filter::Field(path, constraint) => match self.marks.get(top(path)) {
                Some(sealing) => self.field(path, constraint, sealing)?,
                None => filter.clone(),
            },
            Filter::RelatedTo(_) | Filter::Relates { .. } => filter.clone(),
        })
    }

    fn field(&self, path: &str, constraint: &Constraint, sealing: &Sealing<'_>) -> Result<Filter, StoreError> {
        let whole = path == sealing.field;
        let asks_presence = match constraint {
            Constraint::Exists(_) => true,
            Constraint::Equals(value) | Constraint::NotEquals(value) => value.is_null(),
            _ => false,
        };
        if asks_presence && whole {
            return Ok(Filter::Field(path.into(), constraint.clone()));
        }
        let Some(index) = sealing.index.filter(|_| whole) else {
            return Err(refused(sealing.field, "it can only be asked whether it is there"));
        };
        let equal = |values: &[Value]| self.indexed(sealing.field, values);
        let constraint = match constraint {
            Constraint::Equals(value) => Constraint::In(equal(std::slice::from_ref(value))),
            Constraint::NotEquals(value) => Constraint::NotIn(equal(std::slice::from_ref(value))),
            Constraint::In(values) => Constraint::In(equal(values)),
            Constraint::NotIn(values) => Constraint::NotIn(equal(values)),
            _ => return Err(refused(sealing.field, "it can only be asked what it is equal to")),
        };
        Ok(Filter::Field(index.into(), constraint))
    }

    /// What the index of these values may be; `null` stays what it is, and what is no text equals nothing.
    fn indexed(&self, field: &str, values: &[Value]) -> Vec<Value> {
        let mut indexed = Vec::with_capacity(values.len());
        for value in values {
            match value {
                Value::String(text) => {
                    indexed.extend(self.ring.indexed(self.class.name.as_str(), field, text).map(Value::from));
                }
                Value::Null => indexed.push(Value::Null),
                _ => {}
            }
        }
        indexed
    }
}
