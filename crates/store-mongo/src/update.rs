//! How does a change become an update document?

use bson::{Bson, DateTime, Document};
use parsimony_model::schema::FieldType;
use parsimony_model::{Acl, ClassSchema, Op, Value};
use parsimony_store::{Change, StoreError};

use crate::documents::{self, Place};
use crate::names;

/// The update document of a change. `providers` are the login providers that the objects have now; they are asked for
/// only if [`replaces_auth_data`].
pub(crate) fn document(class: &ClassSchema, change: &Change, providers: &[String]) -> Result<Document, StoreError> {
    let mut update = Writer { class, update: Document::new() };
    for (path, op) in &change.update.0 {
        update.op(path, op, providers)?;
    }
    match &change.acl {
        Some(Some(acl)) => update.acl(acl)?,
        Some(None) => {
            for column in [names::READERS, names::WRITERS, names::LEGACY_ACL] {
                update.put("$unset", column.to_owned(), Bson::Boolean(true));
            }
        }
        None => {}
    }
    let updated_at = DateTime::from_millis(change.updated_at.millis());
    update.put("$set", names::UPDATED_AT.to_owned(), Bson::DateTime(updated_at));
    Ok(update.update)
}

/// Whether a change gives a user other login providers as a whole: those that are not named then go.
pub(crate) fn replaces_auth_data(class: &ClassSchema, change: &Change) -> bool {
    names::has_auth_data(&class.name) && change.update.get(names::AUTH_DATA_FIELD).is_some()
}

struct Writer<'a> {
    class: &'a ClassSchema,
    update: Document,
}

impl Writer<'_> {
    fn put(&mut self, operator: &'static str, column: String, value: Bson) {
        match self.update.get_mut(operator) {
            Some(Bson::Document(columns)) => drop(columns.insert(column, value)),
            _ => drop(self.update.insert(operator, Document::from_iter([(column, value)]))),
        }
    }

    fn op(&mut self, path: &str, op: &Op, providers: &[String]) -> Result<(), StoreError> {
        let is_user = names::has_auth_data(&self.class.name);
        if is_user && path == names::PASSWORD {
            return Err(names::password_refused());
        }
        if is_user && path == names::AUTH_DATA_FIELD {
            return self.auth_data(op, providers);
        }
        let mut column = names::column(self.class, path).into_owned();
        if column.contains('\0') {
            return Err(names::key_refused());
        }
        // Parse: what is set below the top of a document is stored in its inner form.
        let place = if path.contains('.') { Place::Inside } else { Place::Column };
        match op {
            // The members of a relation are in its join table.
            Op::Set(Value::Relation(_)) => {}
            Op::Set(Value::Null) if column.starts_with(names::AUTH_DATA) => {
                self.put("$unset", column, Bson::Boolean(true));
            }
            Op::Set(value) => {
                // A pointer finds its column by itself, even if the class as it is known here lacks the field.
                let known = self.class.fields.contains_key(path);
                if place == Place::Column && !known && matches!(value, Value::Pointer(_) | Value::Included(_)) {
                    column = format!("{}{path}", names::POINTER);
                }
                self.put("$set", column, documents::bson(value, place)?);
            }
            Op::Delete => {
                self.put("$unset", column.clone(), Bson::Boolean(true));
                // Parse: the null of a pointer field may be under the field's own name.
                let kind = self.class.fields.get(path).map(|field| &field.kind);
                if matches!(kind, Some(FieldType::Pointer(_))) {
                    self.put("$unset", path.to_owned(), Bson::Boolean(true));
                }
            }
            Op::Increment(amount) => {
                self.put("$inc", column, documents::bson(&Value::Number(*amount), place)?);
            }
            Op::Add(items) => self.put("$push", column, each(items)?),
            Op::AddUnique(items) => self.put("$addToSet", column, each(items)?),
            Op::Remove(items) => self.put("$pullAll", column, documents::list(items, Place::Inside)?),
            Op::Relate { .. } => {
                return Err(StoreError::Unfit("A relation is not changed by an update.".to_owned()));
            }
        }
        Ok(())
    }

    fn auth_data(&mut self, op: &Op, providers: &[String]) -> Result<(), StoreError> {
        let wanted = match op {
            Op::Set(Value::Object(wanted)) => Some(wanted),
            Op::Set(Value::Null) | Op::Delete => None,
            _ => return Err(StoreError::Unfit("Authentication data is an object.".to_owned())),
        };
        let wanted = || wanted.into_iter().flatten().filter(|(_, data)| !data.is_null());
        for (provider, data) in wanted() {
            self.put("$set", format!("{}{provider}", names::AUTH_DATA), documents::bson(data, Place::Inside)?);
        }
        for gone in providers.iter().filter(|have| wanted().all(|(provider, _)| provider != have.as_str())) {
            self.put("$unset", format!("{}{gone}", names::AUTH_DATA), Bson::Boolean(true));
        }
        Ok(())
    }

    fn acl(&mut self, acl: &Acl) -> Result<(), StoreError> {
        let list = |grants: &mut dyn Iterator<Item = &str>| Bson::Array(grants.map(Bson::from).collect());
        self.put("$set", names::READERS.to_owned(), list(&mut acl.readers()));
        self.put("$set", names::WRITERS.to_owned(), list(&mut acl.writers()));
        let legacy = documents::legacy_acl(acl)?;
        let legacy = Document::try_from(legacy).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        self.put("$set", names::LEGACY_ACL.to_owned(), Bson::Document(legacy));
        Ok(())
    }
}

fn each(items: &[Value]) -> Result<Bson, StoreError> {
    Ok(Bson::Document(Document::from_iter([("$each".to_owned(), documents::list(items, Place::Inside)?)])))
}

#[cfg(test)]
mod tests {
    use bson::doc;
    use parsimony_model::schema::Field;
    use parsimony_model::value::json;
    use parsimony_model::{Access, ClassName, Date, FieldName, Update};

    use super::*;

    fn update(class: &str, body: &str, acl: Option<Option<Acl>>) -> Document {
        let mut class = ClassSchema::new(ClassName::parse(class).unwrap());
        let user = FieldType::Pointer(ClassName::parse("_User").unwrap());
        class.fields.insert(FieldName::parse("owner").unwrap(), Field::plain(user));
        let body = json::read(body.as_bytes()).unwrap().as_object().unwrap().clone();
        let change = Change { update: Update::parse(body).unwrap(), acl, updated_at: Date::EPOCH };
        let providers = ["old".to_owned(), "facebook".to_owned()];
        let mut found = document(&class, &change, &providers).unwrap();
        let set = found.get_document_mut("$set").unwrap();
        assert_eq!(set.remove("_updated_at"), Some(Bson::DateTime(DateTime::from_millis(0))));
        if set.is_empty() {
            found.remove("$set");
        }
        found
    }

    #[test]
    fn ops_become_operators() {
        let pointer = r#"{"__type":"Pointer","className":"_User","objectId":"u"}"#;
        let inner = doc! { "__type": "Pointer", "className": "_User", "objectId": "u" };
        for (body, expected) in [
            (r#"{"a":1,"b.c":"x"}"#.to_owned(), doc! { "$set": { "a": 1, "b.c": "x" } }),
            (
                format!(r#"{{"owner":{pointer},"b.c":{pointer}}}"#),
                doc! { "$set": { "_p_owner": "_User$u", "b.c": &inner } },
            ),
            (r#"{"owner":null}"#.to_owned(), doc! { "$set": { "_p_owner": null } }),
            (
                r#"{"a":{"__op":"Delete"},"owner":{"__op":"Delete"}}"#.to_owned(),
                doc! { "$unset": { "a": true, "_p_owner": true, "owner": true } },
            ),
            (r#"{"a.b":{"__op":"Increment","amount":2}}"#.to_owned(), doc! { "$inc": { "a.b": 2 } }),
            (
                format!(r#"{{"a":{{"__op":"Add","objects":[{pointer}]}}}}"#),
                doc! { "$push": { "a": { "$each": [&inner] } } },
            ),
            (r#"{"a":{"__op":"AddUnique","objects":[1]}}"#.to_owned(), doc! { "$addToSet": { "a": { "$each": [1] } } }),
            (r#"{"a":{"__op":"Remove","objects":[1.5]}}"#.to_owned(), doc! { "$pullAll": { "a": [1.5] } }),
        ] {
            assert_eq!(update("C", &body, None), expected, "{body}");
        }
    }

    #[test]
    fn an_acl_is_stored_three_times_and_taken_away_whole() {
        let acl = Acl::default().with("*", Access::READ).with("u", Access::BOTH);
        let expected = doc! { "$set": {
            "_rperm": ["*", "u"], "_wperm": ["u"], "_acl": { "*": { "r": true }, "u": { "r": true, "w": true } }
        } };
        assert_eq!(update("C", "{}", Some(Some(acl))), expected);
        let expected = doc! { "$unset": { "_rperm": true, "_wperm": true, "_acl": true } };
        assert_eq!(update("C", "{}", Some(None)), expected);
    }

    #[test]
    fn login_providers_are_columns() {
        let body = r#"{"authData":{"facebook":{"id":"1"},"gone":null}}"#;
        let expected = doc! { "$set": { "_auth_data_facebook": { "id": "1" } }, "$unset": { "_auth_data_old": true } };
        assert_eq!(update("_User", body, None), expected);
        let body = r#"{"authData.x":{"id":"1"},"authData.y":null,"authData.z":{"__op":"Delete"}}"#;
        let expected = doc! { "$set": { "_auth_data_x": { "id": "1" } }, "$unset": { "_auth_data_y": true, "_auth_data_z": true } };
        assert_eq!(update("_User", body, None), expected);
    }

    #[test]
    fn a_password_in_the_clear_is_refused() {
        let class = ClassSchema::new(ClassName::parse("_User").unwrap());
        let mut change = Change { update: Update::default(), acl: None, updated_at: Date::EPOCH };
        change.update.set("password", "secret");
        assert!(matches!(document(&class, &change, &[]), Err(StoreError::Unfit(_))));
    }
}
