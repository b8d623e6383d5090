//! Do the parts of the application fit together: its state machines, and its class definitions.

use parsimony_kit::testing::{check_closed, check_steps, definitions};
use parsimony_model::ClassSchema;

use crate::application;
use crate::model::{AssetStatus, DeploymentStatus, HoldingStatus, ListingStatus, PermissionStatus, TransactionStatus};

#[test]
fn only_the_legal_steps_are_taken() {
    let asset = [
        ("DRAFT", "DEPLOYING"),
        ("DRAFT", "RETIRED"),
        ("DEPLOYING", "ACTIVE"),
        ("DEPLOYING", "DRAFT"),
        ("ACTIVE", "PAUSED"),
        ("PAUSED", "ACTIVE"),
        ("PAUSED", "RETIRED"),
    ];
    check_steps(AssetStatus::ALL, &asset);
    check_steps(DeploymentStatus::ALL, &[("PENDING", "ACTIVE"), ("PENDING", "FAILED")]);
    let transaction = [
        ("CREATED", "SUBMITTED"),
        ("CREATED", "FAILED"),
        ("CREATED", "CONFIRMED"),
        ("SUBMITTED", "CONFIRMED"),
        ("SUBMITTED", "FAILED"),
        ("SUBMITTED", "REPLACED"),
    ];
    check_steps(TransactionStatus::ALL, &transaction);
    check_steps(HoldingStatus::ALL, &[("ACTIVE", "FROZEN"), ("FROZEN", "ACTIVE")]);
    check_steps(PermissionStatus::ALL, &[("ACTIVE", "REVOKED")]);
    let listing = [
        ("ACTIVE", "RESERVED"),
        ("ACTIVE", "CANCELLED"),
        ("ACTIVE", "EXPIRED"),
        ("RESERVED", "SOLD"),
        ("RESERVED", "ACTIVE"),
    ];
    check_steps(ListingStatus::ALL, &listing);
}

/// Our own definitions: those that are entities.
fn schemas() -> Vec<ClassSchema> {
    let own = |schema: &ClassSchema| {
        let name = schema.name.as_str();
        name.starts_with("Asset") || name == "DigitalAsset"
    };
    definitions(application()).into_iter().map(|(schema, _)| schema).filter(own).collect()
}

#[test]
fn no_client_writes_and_every_index_is_on_fields_that_are_there() {
    let schemas = schemas();
    assert_eq!(schemas.len(), 6);
    for schema in &schemas {
        check_closed(schema, None);
        let permissions = schema.permissions.as_ref().unwrap();
        assert!(permissions.protected_fields["*"].iter().any(|field| field == "digestSalt"), "{}", schema.name);
    }
}

#[test]
fn a_holding_is_there_once_a_nonce_is_given_once_and_a_payment_pays_once() {
    for (class, index, keys) in [
        ("AssetHolding", "holding_once", &["asset", "holder", "tokenId"][..]),
        ("AssetTransaction", "transaction_by_nonce", &["nonceKey"]),
        ("AssetTransaction", "transaction_by_payment", &["paymentKey"]),
    ] {
        let schema = schemas().into_iter().find(|schema| schema.name == class).unwrap();
        assert!(schema.indexes[index].unique, "{index}");
        assert_eq!(schema.indexes[index].keys.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), keys);
    }
}
