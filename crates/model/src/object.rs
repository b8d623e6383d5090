//! What is a stored object: one type from the store's row to the wire.

use crate::acl::Acl;
use crate::error::{ErrorCode, ParseError};
use crate::names::{ClassName, ObjectId};
use crate::value::{Date, Map, Pointer, Value};

/// A stored object.
///
/// `fields` holds the class's own fields, and Parse's internal ones (`_hashed_password`, ...), whose names start with `_`
/// and never leave the server; the columns every class has are fields of this struct.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its class.
    pub class: ClassName,
    /// Its id, unique in the class.
    pub id: ObjectId,
    /// When it was created; missing only in rows written past Parse.
    pub created_at: Option<Date>,
    /// When it was last changed; missing only in rows written past Parse.
    pub updated_at: Option<Date>,
    /// Who may read and write it; `None` means everyone.
    pub acl: Option<Acl>,
    /// Its other fields.
    pub fields: Map,
}

impl Object {
    /// A reference to it.
    pub fn pointer(&self) -> Pointer {
        Pointer::new(self.class.clone(), self.id.clone())
    }

    /// One field of its own; the columns every class has are not among them.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.fields.get(field)
    }

    /// The text in a field.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.get(field)?.as_str()
    }

    /// Any field, also `objectId`, `createdAt`, `updatedAt` and `ACL`.
    pub fn lookup(&self, field: &str) -> Option<Value> {
        match field {
            "objectId" => self.id_value(),
            "createdAt" => self.created_at.map(Value::Date),
            "updatedAt" => self.updated_at.map(Value::Date),
            "ACL" => self.acl.as_ref().map(Acl::to_value),
            _ => self.fields.get(field).cloned(),
        }
    }

    /// Its fields and the columns every class has, as the wire shows them, with `className`.
    pub fn to_map(&self) -> Map {
        let date = |date: Option<Date>| date.map(|date| date.to_iso().into());
        let columns = [
            ("className", Some(self.class.as_str().into())),
            ("objectId", self.id_value()),
            ("createdAt", date(self.created_at)),
            ("updatedAt", date(self.updated_at)),
            ("ACL", self.acl.as_ref().map(Acl::to_value)),
        ];
        let columns = columns.into_iter().filter_map(|(name, value)| Some((name.into(), value?)));
        columns.chain(self.fields.clone()).collect()
    }

    fn id_value(&self) -> Option<Value> {
        (!self.id.is_none()).then(|| self.id.as_str().into())
    }

    /// As [`Self::from_map`], of an object that cloud code may have made up: then it has no id.
    pub fn made_up(class: &ClassName, mut map: Map) -> Result<Self, ParseError> {
        if map.contains_key("objectId") {
            return Self::from_map(class, map);
        }
        map.insert("objectId".into(), "none".into());
        Ok(Self { id: ObjectId::none(), ..Self::from_map(class, map)? })
    }

    /// Reads what [`Self::to_map`] gives; the class is given if `className` does not say another.
    pub fn from_map(class: &ClassName, mut map: Map) -> Result<Self, ParseError> {
        map.shift_remove("__type");
        let class = match map.shift_remove("className") {
            Some(Value::String(name)) => ClassName::parse(&name)?,
            _ => class.clone(),
        };
        let missing = || ParseError::new(ErrorCode::MissingObjectId, "An object without an objectId.");
        let id = map.shift_remove("objectId");
        let id = ObjectId::parse(id.as_ref().and_then(Value::as_str).ok_or_else(missing)?)?;
        let mut date = |name: &str| match map.shift_remove(name)? {
            Value::Date(date) => Some(date),
            Value::String(iso) => iso.parse().ok(),
            _ => None,
        };
        let (created_at, updated_at) = (date("createdAt"), date("updatedAt"));
        let acl = map.shift_remove("ACL").filter(|acl| !acl.is_null());
        let acl = acl.map(|acl| Acl::from_value(&acl)).transpose()?.flatten();
        Ok(Self { class, id, created_at, updated_at, acl, fields: map })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map;

    #[test]
    fn an_object_is_read_from_its_map() {
        let object = Object {
            class: ClassName::parse("C").unwrap(),
            id: ObjectId::parse("x").unwrap(),
            created_at: Some(Date::EPOCH),
            updated_at: None,
            acl: Some(Acl::default()),
            fields: map! { "a" => 1 },
        };
        let other = ClassName::parse("D").unwrap();
        assert_eq!(Object::from_map(&other, object.to_map()).unwrap(), object);
        assert_eq!(Object::from_map(&other, map! {}).unwrap_err().number(), Some(104));
    }
}
