//! Do the parts of the application fit together: its state machines, and its class definitions.

use parsimony_cloud::Registry;
use parsimony_kit::notifications;
use parsimony_kit::state::{self, State};
use parsimony_model::permissions::{ClassPermissions, UserIds};
use parsimony_model::schema::Index;
use parsimony_model::value::json;
use parsimony_model::{ClassSchema, Field, FieldName, Operation, Value};

use crate::actions::ActionStatus;
use crate::application;
use crate::model::{CredentialStatus, DocumentStatus, IdentityStatus, VerificationStatus};

/// What may follow what; everything else is illegal.
const IDENTITY_STEPS: &[(&str, &str)] = &[
    ("DRAFT", "SUBMITTED"),
    ("SUBMITTED", "IN_REVIEW"),
    ("IN_REVIEW", "VERIFIED"),
    ("IN_REVIEW", "REJECTED"),
    ("IN_REVIEW", "SUBMITTED"),
    ("VERIFIED", "SUSPENDED"),
    ("VERIFIED", "EXPIRED"),
    ("REJECTED", "SUBMITTED"),
    ("REJECTED", "SUSPENDED"),
    ("REJECTED", "EXPIRED"),
    ("SUSPENDED", "VERIFIED"),
    ("SUSPENDED", "EXPIRED"),
    ("EXPIRED", "SUBMITTED"),
];

const VERIFICATION_STEPS: &[(&str, &str)] = &[
    ("PENDING", "IN_REVIEW"),
    ("PENDING", "EXPIRED"),
    ("IN_REVIEW", "APPROVED"),
    ("IN_REVIEW", "REJECTED"),
    ("IN_REVIEW", "RESUBMISSION_REQUIRED"),
    ("IN_REVIEW", "EXPIRED"),
    ("APPROVED", "EXPIRED"),
    ("APPROVED", "REJECTED"),
    ("RESUBMISSION_REQUIRED", "EXPIRED"),
];

const DOCUMENT_STEPS: &[(&str, &str)] =
    &[("PENDING", "ACCEPTED"), ("PENDING", "REJECTED"), ("PENDING", "EXPIRED"), ("ACCEPTED", "EXPIRED")];

const CREDENTIAL_STEPS: &[(&str, &str)] = &[("ACTIVE", "REVOKED"), ("ACTIVE", "EXPIRED")];

const ACTION_STEPS: &[(&str, &str)] = &[
    ("PENDING", "SUBMITTED"),
    ("PENDING", "DONE"),
    ("PENDING", "FAILED"),
    ("PENDING", "SKIPPED"),
    ("SUBMITTED", "PENDING"),
    ("SUBMITTED", "DONE"),
    ("SUBMITTED", "FAILED"),
    ("DONE", "PENDING"),
    ("FAILED", "PENDING"),
    ("SKIPPED", "PENDING"),
];

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
                    assert_eq!(error.number(), Some(142));
                    let text = format!("{} cannot go from {} to {}.", S::ENTITY, from.name(), to.name());
                    assert_eq!(error.message, text);
                }
            }
        }
    }
    assert_eq!(seen, legal.len(), "a legal step names a status that is not there");
}

#[test]
fn only_the_legal_steps_are_taken() {
    check_steps(IdentityStatus::ALL, IDENTITY_STEPS);
    check_steps(VerificationStatus::ALL, VERIFICATION_STEPS);
    check_steps(DocumentStatus::ALL, DOCUMENT_STEPS);
    check_steps(CredentialStatus::ALL, CREDENTIAL_STEPS);
    check_steps(ActionStatus::ALL, ACTION_STEPS);
}

/// Reads a definition as strictly as the server reads one from a client.
fn schema(text: &str) -> (ClassSchema, Value) {
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
    (schema, value)
}

fn schemas() -> Vec<(ClassSchema, Value)> {
    let registry = Registry::new([application()]).unwrap();
    registry.schemas().iter().map(|definition| schema(&definition.json)).collect()
}

#[test]
fn no_client_writes_and_every_index_is_on_fields_that_are_there() {
    let schemas = schemas();
    let names: Vec<&str> = schemas.iter().map(|(schema, _)| schema.name.as_str()).collect();
    for class in ["Identity", "IdentityVerification", "VerificationDocument", "VerifiableCredential", "AuditLog"] {
        assert!(names.contains(&class), "{class}");
    }
    for (schema, _) in &schemas {
        let permissions = schema.permissions.as_ref().unwrap();
        for operation in Operation::ALL {
            let rule = permissions.rule(operation).unwrap();
            assert!(!rule.grants.contains("*"), "{} {}", schema.name, operation.name());
            // A reader says of a notification that it was read; a hook holds it to that.
            let marks_as_read = schema.name == notifications::CLASS && operation == Operation::Update;
            // The words of letters are the administrators' to choose.
            let words = schema.name == "NotificationTemplate" && rule.grants.iter().all(|grant| grant == "role:admin");
            let by_nobody = operation.reads() || marks_as_read || words || rule.grants.is_empty();
            assert!(by_nobody, "{} {}", schema.name, operation.name());
        }
        for (name, index) in &schema.indexes {
            assert!(index.keys.keys().all(|field| schema.kind(field).is_some()), "{name}");
        }
    }
}

#[test]
fn what_is_sealed_is_hidden_from_strangers_support_and_auditors() {
    let mut sealed = 0;
    for (schema, value) in schemas() {
        let permissions = schema.permissions.unwrap();
        let fields = value.as_object().unwrap()["fields"].as_object().unwrap().clone();
        for (name, field) in &fields {
            let field = field.as_object().unwrap();
            if field.get("encrypted").is_none() && name != "digestSalt" {
                continue;
            }
            sealed += 1;
            assert!(permissions.protected_fields["*"].contains(name), "{} {name}", schema.name);
            let auditor = permissions.protected_fields.get("role:auditor");
            assert!(auditor.is_none_or(|hidden| hidden.contains(name)), "{} {name}", schema.name);
            assert!(!permissions.protected_fields.contains_key("role:support"), "{}", schema.name);
            if name == "digestSalt" {
                assert!(permissions.protected_fields.values().all(|hidden| hidden.contains(name)), "{}", schema.name);
            }
        }
    }
    assert!(sealed >= 10, "only {sealed} fields were looked at");
}

#[test]
fn the_audit_log_is_append_only_and_unique_by_place() {
    let (schema, value) = schemas().into_iter().find(|(schema, _)| schema.name == "AuditLog").unwrap();
    assert_eq!(value.as_object().unwrap()["appendOnly"], Value::Bool(true));
    assert!(schema.indexes["audit_chain"].unique);
    let keys: Vec<&str> = schema.indexes["audit_chain"].keys.keys().map(AsRef::as_ref).collect();
    assert_eq!(keys, ["application", "sequence"]);
}
