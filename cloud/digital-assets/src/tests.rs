//! Do the parts of the application fit together: its state machines, and its class definitions.

use parsimony_cloud::Registry;
use parsimony_kit::state::{self, State};
use parsimony_model::permissions::{ClassPermissions, UserIds};
use parsimony_model::schema::Index;
use parsimony_model::value::json;
use parsimony_model::{ClassSchema, Field, FieldName, Operation};

use crate::application;
use crate::model::{AssetStatus, DeploymentStatus, HoldingStatus, PermissionStatus, TransactionStatus};

/// What may follow what; everything else is illegal.
fn check_steps<S: State>(all: &[S], legal: &[(&str, &str)]) {
    let mut seen = 0;
    for from in all {
        for to in all {
            let expected = legal.contains(&(from.name(), to.name()));
            seen += usize::from(expected);
            match state::step(*from, *to) {
                Ok(()) => assert!(expected, "{} to {}", from.name(), to.name()),
                Err(error) => {
                    assert!(!expected, "{} to {}", from.name(), to.name());
                    let text = format!("{} cannot go from {} to {}.", S::ENTITY, from.name(), to.name());
                    assert_eq!((error.number(), &*error.message), (Some(142), text.as_str()));
                }
            }
        }
    }
    assert_eq!(seen, legal.len(), "a legal step names a status that is not there");
}

#[test]
fn only_the_legal_steps_are_taken() {
    let asset = [
        ("DRAFT", "DEPLOYING"),
        ("DRAFT", "RETIRED"),
        ("DEPLOYING", "ACTIVE"),
        ("DEPLOYING", "DRAFT"),
        ("ACTIVE", "PAUSED"),
        ("ACTIVE", "RETIRED"),
        ("PAUSED", "ACTIVE"),
        ("PAUSED", "RETIRED"),
    ];
    check_steps(AssetStatus::ALL, &asset);
    check_steps(DeploymentStatus::ALL, &[("PENDING", "ACTIVE"), ("PENDING", "FAILED")]);
    let transaction = [
        ("CREATED", "SUBMITTED"),
        ("CREATED", "FAILED"),
        ("SUBMITTED", "CONFIRMED"),
        ("SUBMITTED", "FAILED"),
        ("SUBMITTED", "REPLACED"),
    ];
    check_steps(TransactionStatus::ALL, &transaction);
    check_steps(HoldingStatus::ALL, &[("ACTIVE", "FROZEN"), ("FROZEN", "ACTIVE")]);
    check_steps(PermissionStatus::ALL, &[("ACTIVE", "REVOKED")]);
}

/// Our own definitions, read as strictly as the server reads one from a client.
fn schemas() -> Vec<ClassSchema> {
    let registry = Registry::new([application()]).unwrap();
    let read = |text: &str| {
        let value = json::read(text.as_bytes()).unwrap();
        let map = value.as_object().unwrap();
        let class = map["className"].as_str().unwrap();
        let mut schema = ClassSchema::new(parsimony_model::ClassName::parse(class).unwrap());
        for (name, field) in map["fields"].as_object().unwrap() {
            let field = Field::parse(class, name, field.as_object().unwrap()).unwrap();
            schema.fields.insert(FieldName::parse(name).unwrap(), field);
        }
        let permissions = map["classLevelPermissions"].as_object().unwrap();
        schema.permissions = Some(ClassPermissions::validated(permissions, &schema.fields, UserIds::Made).unwrap());
        for (name, index) in map["indexes"].as_object().unwrap() {
            schema.indexes.insert(name.clone(), Index::parse(index.as_object().unwrap()));
        }
        schema
    };
    let own =
        |schema: &ClassSchema| schema.name.as_str().starts_with("Asset") || schema.name.as_str() == "DigitalAsset";
    registry.schemas().iter().map(|definition| read(&definition.json)).filter(own).collect()
}

#[test]
fn no_client_writes_and_every_index_is_on_fields_that_are_there() {
    let schemas = schemas();
    assert_eq!(schemas.len(), 5);
    for schema in &schemas {
        let permissions = schema.permissions.as_ref().unwrap();
        for operation in Operation::ALL {
            let rule = permissions.rule(operation).unwrap();
            assert!(!rule.grants.contains("*"), "{} {}", schema.name, operation.name());
            assert!(operation.reads() || rule.grants.is_empty(), "{} {}", schema.name, operation.name());
        }
        assert!(permissions.protected_fields["*"].iter().any(|field| field == "digestSalt"), "{}", schema.name);
        for (name, index) in &schema.indexes {
            assert!(index.keys.keys().all(|field| schema.kind(field).is_some()), "{name}");
        }
    }
}

#[test]
fn a_holding_is_there_once_and_a_nonce_is_given_once() {
    for (class, index, keys) in [
        ("AssetHolding", "holding_once", &["asset", "holder", "tokenId"][..]),
        ("AssetTransaction", "transaction_by_nonce", &["nonceKey"]),
    ] {
        let schema = schemas().into_iter().find(|schema| schema.name == class).unwrap();
        assert!(schema.indexes[index].unique, "{index}");
        assert_eq!(schema.indexes[index].keys.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), keys);
    }
}
