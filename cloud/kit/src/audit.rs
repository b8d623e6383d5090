//! What was done, by whom, and has anybody changed the record: the audit trail, one hash chain per application.
//!
//! An entry gets its place in the chain in the [`take_place`] hook when it is saved, so it is chained whoever saves it.
//! The class is append-only: the engine refuses to change or delete an entry, for the master key too.

mod chain;
mod details;
mod verify;

use parsimony_cloud::{CONFLICT, Call, Host, Inbound, Job};
use parsimony_model::value::Map;
use parsimony_model::{Access, Acl, ErrorCode, Object, ObjectId, ParseError, Value};

use crate::{canonical, outbound, roles};

pub use chain::{Break, Fault, GENESIS, Walk, sequence, take_place, verify_chain};
pub use details::{DETAILS_BYTES_MAX, check as check_details};
pub use verify::{ENTRIES_MAX, Verdict, verify};

/// The class of the entries.
pub const CLASS: &str = "AuditLog";

crate::words! {
    /// How an action ended.
    pub enum Outcome {
        /// It was done.
        Success = "SUCCESS",
        /// The caller may not do it.
        Denied = "DENIED",
        /// It was refused for another reason, or went wrong.
        Failed = "FAILED",
    }
}

crate::words! {
    /// Who says that it happened.
    pub enum Origin {
        /// The server saw it happen.
        Server = "SERVER",
        /// A person reported it.
        Reported = "REPORTED",
    }
}

/// An entry that is not yet in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    fields: Map,
    details: Map,
}

impl AuditEntry {
    /// The call of a function on an entity, done by its caller, successful.
    pub fn of(call: &Call, entity: &str) -> Self {
        let mut entry = Self::done(&actor(call), &call.function, entity);
        if !call.who.request_id.is_empty() {
            entry.put("requestId", call.who.request_id.as_str());
        }
        if let Some(ip) = &call.who.ip {
            entry.put("ip", ip.as_str());
        }
        entry
    }

    /// What a job did to entities, successful.
    pub fn of_job(job: &Job, entity: &str) -> Self {
        Self::done(&format!("job:{}", job.name), &job.name, entity).detail("run", job.id.as_str())
    }

    /// What an event of an outside service did to entities, successful.
    pub fn of_event(event: &Inbound, entity: &str) -> Self {
        let actor = format!("webhook:{}", event.source);
        Self::done(&actor, &actor, entity).detail("event", event.id.as_str())
    }

    fn done(actor: &str, action: &str, entity: &str) -> Self {
        let mut entry = Self { fields: Map::default(), details: Map::default() };
        entry.put("actor", actor);
        entry.put("action", action);
        entry.put("origin", Origin::Server);
        entry.put("entityType", entity);
        entry.put("outcome", Outcome::Success);
        entry
    }

    /// Which object it is about.
    #[must_use]
    pub fn about(mut self, id: &ObjectId) -> Self {
        self.put("entityId", id.as_str());
        self
    }

    /// What the object was before and is now, as digests of their canonical JSON.
    #[must_use]
    pub fn changed(mut self, before: Option<&Object>, after: Option<&Object>) -> Self {
        for (field, object) in [("beforeDigest", before), ("afterDigest", after)] {
            if let Some(object) = object {
                self.put(field, canonical::object_digest(object));
                self.put("entityId", object.id.as_str());
            }
        }
        self
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.put("outcome", outcome);
        self
    }

    /// It is a person who says that this action happened.
    #[must_use]
    pub fn reported(mut self, action: &str) -> Self {
        self.put("action", action);
        self.put("origin", Origin::Reported);
        self
    }

    /// One more detail. Personal data does not belong here; [`check_details`] refuses what looks like it.
    #[must_use]
    pub fn detail(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.details.insert(key.into(), value.into());
        self
    }

    fn put(&mut self, field: &str, value: impl Into<Value>) {
        self.fields.insert(field.into(), value.into());
    }

    fn into_fields(self, application: &str) -> Map {
        let acl = [roles::AUDITOR, roles::ADMIN]
            .iter()
            .fold(Acl::default(), |acl, role| acl.with(&format!("role:{role}"), Access::READ));
        let mut fields = self.fields;
        fields.insert("application".into(), application.into());
        fields.insert("details".into(), self.details.into());
        fields.insert("ACL".into(), acl.to_value());
        fields
    }
}

/// Who acts, as the trail names them: `user:ID`, or `master` for the key alone; besides there are `job:NAME` and
/// `webhook:SOURCE`.
pub fn actor(call: &Call) -> String {
    match call.who.user_id() {
        Some(id) => format!("user:{id}"),
        None if call.who.master => "master".to_owned(),
        None => "anonymous".to_owned(),
    }
}

/// Writes an entry at the end of the application's chain.
///
/// It joins the transaction of its host, so that it stands or falls with the work it records; without one it opens its
/// own. When another writer takes the same place the error is a conflict (251), which [`Host::transaction`] retries.
pub async fn append(host: &Host, application: &str, entry: AuditEntry) -> Result<Object, ParseError> {
    let fields = &entry.into_fields(application);
    host.as_master()
        .transaction(|host| async move {
            let entry = host.create(CLASS, fields.clone()).await.map_err(place_taken)?;
            outbound::plan(&host, application, &entry).await?;
            Ok(entry)
        })
        .await
}

/// The only unique index of the class is the place in the chain.
fn place_taken(error: ParseError) -> ParseError {
    if error.number() == ErrorCode::DuplicateValue.number() {
        return ParseError::with_number(CONFLICT, "Another entry took this place in the audit trail.");
    }
    error
}
