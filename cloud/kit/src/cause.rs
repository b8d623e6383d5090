//! What goes on by itself, without a caller: a run of a job, or an event that an outside service told.

use parsimony_cloud::{Host, Inbound, Job};

use crate::AuditEntry;

/// Why something is done that nobody has called for.
#[derive(Clone, Copy)]
pub enum Cause<'a> {
    /// A run of a job.
    Job(&'a Job),
    /// An event that came in.
    Event(&'a Inbound),
}

impl Cause<'_> {
    /// What the work is done through, with the master's rights.
    pub fn host(&self) -> &Host {
        match self {
            Self::Job(job) => &job.host,
            Self::Event(event) => &event.host,
        }
    }

    /// Whether the work should end soon.
    pub fn is_ending(&self) -> bool {
        match self {
            Self::Job(job) => job.is_ending(),
            Self::Event(_) => false,
        }
    }

    /// A successful entry of the audit trail about an entity of this class.
    pub fn entry(&self, class: &str) -> AuditEntry {
        match self {
            Self::Job(job) => AuditEntry::of_job(job, class),
            Self::Event(event) => AuditEntry::of_event(event, class),
        }
    }
}
