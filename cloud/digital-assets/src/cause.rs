//! Who brings the ledger and the chain together: a job, or an event that an outside service told.

use parsimony_cloud::{Host, Inbound, Job};
use parsimony_kit::AuditEntry;

/// Why something is looked at.
#[derive(Clone, Copy)]
pub(crate) enum Cause<'a> {
    /// A run of a job.
    Job(&'a Job),
    /// An event that came in.
    Event(&'a Inbound),
}

impl Cause<'_> {
    /// What the work is done through, with the master's rights.
    pub(crate) fn host(&self) -> &Host {
        match self {
            Self::Job(job) => &job.host,
            Self::Event(event) => &event.host,
        }
    }

    /// Whether the work should end soon.
    pub(crate) fn is_ending(&self) -> bool {
        match self {
            Self::Job(job) => job.is_ending(),
            Self::Event(_) => false,
        }
    }

    /// A successful entry of the audit trail about an entity of this class.
    pub(crate) fn entry(&self, class: &str) -> AuditEntry {
        match self {
            Self::Job(job) => AuditEntry::of_job(job, class),
            Self::Event(event) => AuditEntry::of_event(event, class),
        }
    }
}
