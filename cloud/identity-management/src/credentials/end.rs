//! How does a credential end? It is revoked for a reason, with its bit in the list, or its time is over.

use parsimony_cloud::{Host, JobRequest};
use parsimony_kit::notifications::{Notice, notify};
use parsimony_kit::{AuditEntry, audit, state};
use parsimony_model::query::Constraint;
use parsimony_model::{Date, Filter, Object, ObjectId, ParseError, Pointer, Query, Value, map};

use super::issue::IN_FORCE_MAX;
use super::list;
use crate::APPLICATION;
use crate::jobs;
use crate::model::{CREDENTIAL, CredentialStatus, pointer};

/// How many credentials one step of the job takes.
const STEP_OBJECTS: u64 = 100;

/// Revokes a credential, in the transaction of the host: its status, its bit, the entry of the audit trail, and word to its owner.
pub(crate) async fn revoke(
    host: &Host,
    id: &ObjectId,
    (reason, by): (&str, Option<&Pointer>),
    entry: &(dyn Fn(&str) -> AuditEntry + Sync),
) -> Result<Object, ParseError> {
    let before = host.get(CREDENTIAL, id).await?;
    state::step::<CredentialStatus>(state::of(&before)?, CredentialStatus::Revoked)?;
    list::set(host, &before).await?;
    let mut changes = map! {
        "status" => CredentialStatus::Revoked,
        "revokedAt" => host.now(),
        "revocationReason" => reason,
    };
    changes.extend(by.map(|by| ("lastModifiedBy".into(), by.clone().into())));
    let after = host.update(CREDENTIAL, id, changes).await?;
    let told = entry(CREDENTIAL).changed(Some(&before), Some(&after)).detail("reason", reason);
    audit::append(host, APPLICATION, told).await?;
    let notice = Notice {
        user: pointer(&before, "user")?,
        kind: "CREDENTIAL_REVOKED".into(),
        title: "A credential of yours was revoked.".to_owned(),
        body: None,
        data: map! { "credentialId" => id.as_str(), "reason" => reason },
        about: Some(format!("{CREDENTIAL}:{id}")),
        once: format!("credential-revoked:{id}"),
    };
    notify(host, APPLICATION, notice).await?;
    Ok(after)
}

/// Revokes every credential of an identity that is in force, in the transaction of the host; tells how many.
pub(crate) async fn end_all(
    host: &Host,
    identity: &Object,
    (reason, by): (&str, Option<&Pointer>),
    entry: &(dyn Fn(&str) -> AuditEntry + Sync),
) -> Result<usize, ParseError> {
    let filter = Filter::equals("identity", identity.pointer()).and(Filter::equals("status", CredentialStatus::Active));
    let found = host.find(CREDENTIAL, Query::new(filter).limit(IN_FORCE_MAX)).await?;
    for credential in &found {
        revoke(host, &credential.id, (reason, by), entry).await?;
    }
    Ok(found.len())
}

/// `cleanupExpiredCredentials`: those whose time is over have expired, and of those that ended long ago the text goes.
pub(crate) async fn expire(request: JobRequest, kept_millis: i64) -> Result<String, ParseError> {
    let now = request.host.now();
    let over = Filter::equals("status", CredentialStatus::Active).and(before("validUntil", now));
    let expired = jobs::expire(&request, CREDENTIAL, over, CredentialStatus::Expired).await?;
    let mut gone = 0;
    for (status, field) in [(CredentialStatus::Expired, "validUntil"), (CredentialStatus::Revoked, "revokedAt")] {
        let old = Filter::equals("status", status)
            .and(before(field, now.plus_millis(-kept_millis)))
            .and(Filter::Field("jwt".into(), Constraint::Exists(true)));
        gone += forget(&request, old).await?;
    }
    Ok(format!("{expired} credentials have expired, the text of {gone} is gone"))
}

fn before(field: &str, moment: Date) -> Filter {
    Filter::Field(field.into(), Constraint::LessOrEqual(Value::Date(moment)))
}

/// Takes the texts away: that there was a credential, and when, is all that is left.
async fn forget(request: &JobRequest, filter: Filter) -> Result<u64, ParseError> {
    let mut gone = 0;
    loop {
        let found = request.host.find(CREDENTIAL, Query::new(filter.clone()).limit(STEP_OBJECTS)).await?;
        for credential in &found {
            let deleted = || map! { "__op" => "Delete" };
            request
                .host
                .as_master()
                .update(CREDENTIAL, &credential.id, map! { "jwt" => deleted(), "subject" => deleted() })
                .await?;
        }
        gone += found.len() as u64;
        if (found.len() as u64) < STEP_OBJECTS || request.is_ending() {
            return Ok(gone);
        }
        request.message(format!("the text of {gone} credentials is gone")).await?;
    }
}
