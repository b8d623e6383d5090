//! What do the tests of applications ask alike: do their state machines take the legal steps alone, and do their class definitions
//! hold together?
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "all of it is for tests, and a wrong definition fails them"
)]

use parsimony_cloud::{Application, Registry};
use parsimony_model::permissions::{ClassPermissions, UserIds};
use parsimony_model::schema::Index;
use parsimony_model::value::json;
use parsimony_model::{ClassName, ClassSchema, Field, FieldName, Operation, Value};

use crate::state::{self, State};

/// What may follow what; everything else has to be refused with error 142 that names both ends.
pub fn check_steps<S: State>(all: &[S], legal: &[(&str, &str)]) {
    let mut seen = 0;
    for from in all {
        for to in all {
            let (from_name, to_name) = (from.name(), to.name());
            let expected = legal.contains(&(from_name, to_name));
            seen += usize::from(expected);
            match state::step(*from, *to) {
                Ok(()) => assert!(expected, "{from_name} to {to_name}"),
                Err(error) => {
                    assert!(!expected, "{from_name} to {to_name}");
                    let text = format!("{} cannot go from {from_name} to {to_name}.", S::ENTITY);
                    assert_eq!((error.number(), &*error.message), (Some(142), text.as_str()));
                }
            }
        }
    }
    assert_eq!(seen, legal.len(), "a legal step names a status that is not there");
}

/// The definitions of an application's classes, each read as strictly as the server reads one from a client, and as it is written.
pub fn definitions(application: Application) -> Vec<(ClassSchema, Value)> {
    let registry = Registry::new([application]).unwrap();
    registry.schemas().iter().map(|definition| read(&definition.json)).collect()
}

fn read(text: &str) -> (ClassSchema, Value) {
    let value = json::read(text.as_bytes()).unwrap();
    let map = value.as_object().unwrap();
    let class = map["className"].as_str().unwrap();
    let mut schema = ClassSchema::new(ClassName::parse(class).unwrap());
    for (name, field) in map["fields"].as_object().unwrap() {
        let field = Field::parse(class, name, field.as_object().unwrap()).unwrap();
        schema.fields.insert(FieldName::parse(name).unwrap(), field);
    }
    let permissions = map["classLevelPermissions"].as_object().unwrap();
    schema.permissions = Some(ClassPermissions::validated(permissions, &schema.fields, UserIds::Made).unwrap());
    for (name, index) in map["indexes"].as_object().unwrap() {
        schema.indexes.insert(name.clone(), Index::parse(index.as_object().unwrap()));
    }
    (schema, value)
}

/// No client may write the class, but for this operation and for administrators; nobody who is not logged in may do anything; and each index is on fields
/// that are there.
pub fn check_closed(schema: &ClassSchema, but: Option<Operation>) {
    let permissions = schema.permissions.as_ref().unwrap();
    for operation in Operation::ALL {
        let rule = permissions.rule(operation).unwrap();
        assert!(!rule.grants.contains("*"), "{} {}", schema.name, operation.name());
        let by_nobody =
            operation.reads() || but == Some(operation) || rule.grants.iter().all(|grant| grant == "role:admin");
        assert!(by_nobody, "{} {}", schema.name, operation.name());
    }
    for (name, index) in &schema.indexes {
        assert!(index.keys.keys().all(|field| schema.kind(field).is_some()), "{name}");
    }
}
