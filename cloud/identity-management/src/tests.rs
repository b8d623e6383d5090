//! Do the parts of the application fit together: its state machines, and its class definitions.

use parsimony_kit::notifications;
use parsimony_kit::testing::{check_closed, check_steps, definitions};
use parsimony_model::{ClassSchema, Operation, Value};

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

#[test]
fn only_the_legal_steps_are_taken() {
    check_steps(IdentityStatus::ALL, IDENTITY_STEPS);
    check_steps(VerificationStatus::ALL, VERIFICATION_STEPS);
    check_steps(DocumentStatus::ALL, DOCUMENT_STEPS);
    check_steps(CredentialStatus::ALL, CREDENTIAL_STEPS);
    check_steps(ActionStatus::ALL, ACTION_STEPS);
}

fn schemas() -> Vec<(ClassSchema, Value)> {
    definitions(application())
}

#[test]
fn no_client_writes_and_every_index_is_on_fields_that_are_there() {
    let schemas = schemas();
    let names: Vec<&str> = schemas.iter().map(|(schema, _)| schema.name.as_str()).collect();
    for class in ["Identity", "IdentityVerification", "VerificationDocument", "VerifiableCredential", "AuditLog"] {
        assert!(names.contains(&class), "{class}");
    }
    for (schema, _) in &schemas {
        // A reader says of a notification that it was read; a hook holds it to that.
        check_closed(schema, (schema.name == notifications::CLASS).then_some(Operation::Update));
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
