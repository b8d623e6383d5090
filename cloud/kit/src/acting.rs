//! Who acts, and what is kept of it when it fails: what every function of an application needs around its work.

use std::future::Future;

use parsimony_cloud::{Call, Host};
use parsimony_model::{ErrorCode, ObjectId, ParseError, Pointer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::audit::{self, AuditEntry, Outcome};
use crate::request_key;

/// One call of a function of an application, about entities of one class.
pub struct Acting<'a> {
    application: &'static str,
    entity: &'static str,
    call: &'a Call,
}

impl<'a> Acting<'a> {
    /// The call of a function that is about entities of this class.
    pub fn new(application: &'static str, entity: &'static str, call: &'a Call) -> Self {
        Self { application, entity, call }
    }

    /// The caller, who must be a user; in Parse's words otherwise.
    pub fn user(&self) -> Result<Pointer, ParseError> {
        self.call
            .who
            .user_pointer()
            .ok_or_else(|| ParseError::new(ErrorCode::ValidationError, "Validation failed. Please login to continue."))
    }

    /// A successful entry of the audit trail about this call.
    pub fn entry(&self) -> AuditEntry {
        AuditEntry::of(self.call, self.entity)
    }

    /// The same about an entity of another class.
    pub fn entry_of(&self, entity: &str) -> AuditEntry {
        AuditEntry::of(self.call, entity)
    }

    /// Writes an entry, in the transaction of this host.
    pub async fn record(&self, host: &Host, entry: AuditEntry) -> Result<(), ParseError> {
        audit::append(host, self.application, entry).await.map(drop)
    }

    /// Does the work as the master in one transaction; with a request key, once. See [`request_key::once`].
    pub async fn once<P, R, F, A>(&self, key: Option<&str>, params: &P, work: F) -> Result<R, ParseError>
    where
        P: Serialize + Sync,
        R: Serialize + DeserializeOwned + Send + Sync,
        F: Fn(Host) -> A + Send + Sync,
        A: Future<Output = Result<R, ParseError>> + Send,
    {
        request_key::once(self.application, self.call, key, params, work).await
    }

    /// Hands on the result. A refusal leaves its own entry first, outside of the transaction that was rolled back.
    ///
    /// Error 119 and 101 are `DENIED`: an object that is hidden from the caller looks like one that is not there. Every
    /// other error is `FAILED`.
    pub async fn settle<T: Send>(&self, id: Option<&ObjectId>, done: Result<T, ParseError>) -> Result<T, ParseError> {
        let mut error = match done {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let denied = [ErrorCode::OperationForbidden.number(), ErrorCode::ObjectNotFound.number()];
        let outcome = if denied.contains(&error.number()) { Outcome::Denied } else { Outcome::Failed };
        let entry = self.entry().outcome(outcome).detail("code", error.number().map(f64::from));
        let entry = id.into_iter().fold(entry, AuditEntry::about);
        if let Err(unwritten) = self.record(&self.call.host, entry).await {
            // The caller is refused either way; that the refusal left no entry is for the log.
            let detail = error.detail.take().unwrap_or_else(|| error.message.to_string());
            error.detail = Some(format!("{detail}; and its audit entry was not written: {unwritten}"));
        }
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, call};
    use parsimony_model::{Query, Value};

    #[tokio::test]
    async fn a_refusal_leaves_its_entry_and_its_work_does_not() {
        for (error, outcome) in [
            (ParseError::new(ErrorCode::OperationForbidden, "No."), "DENIED"),
            (ParseError::not_found(), "DENIED"),
            (ParseError::new(ErrorCode::ValidationError, "Wrong."), "FAILED"),
            (ParseError::internal("disk"), "FAILED"),
        ] {
            let host = Fake::default().host();
            let call = call(&host, "f");
            let acting = Acting::new("a", "Thing", &call);
            let refusal = &error;
            let work = |host: Host| async move {
                host.create("Thing", parsimony_model::map! {}).await?;
                Err::<(), _>(refusal.clone())
            };
            let done = acting.once(None, &(), work).await;
            let id = ObjectId::parse("t").unwrap();
            assert_eq!(acting.settle(Some(&id), done).await.unwrap_err(), error);
            assert_eq!(host.count("Thing", Query::default()).await.unwrap(), 0);
            let entries = host.find(audit::CLASS, Query::default()).await.unwrap();
            let entry = entries.first().unwrap();
            let seen = ["outcome", "action", "actor", "entityType", "entityId"].map(|field| entry.text(field).unwrap());
            assert_eq!(seen, [outcome, "f", "user:ada", "Thing", "t"]);
            let code = entry.get("details").and_then(Value::as_object).and_then(|details| details.get("code"));
            assert_eq!(code.and_then(Value::as_f64), error.number().map(f64::from));
        }
    }
}
