//! `logAuditEvent`: a member of staff puts on record what they did outside of the server.

use parsimony_cloud::Request;
use parsimony_kit::{Acting, Outcome, audit, params, permission, roles};
use parsimony_model::value::Map;
use parsimony_model::{ClassName, ObjectId, ParseError};
use serde::{Deserialize, Serialize};

use crate::APPLICATION;

/// Who may: staff who act. Auditors write nothing.
const STAFF: [&str; 5] = [roles::VERIFIER, roles::COMPLIANCE_OFFICER, roles::ISSUER, roles::SUPPORT, roles::ADMIN];

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogAuditEvent {
    /// What was done.
    pub action: String,
    /// The class of the object it was done to.
    pub entity_type: String,
    /// The id of that object.
    pub entity_id: String,
    /// How it ended; by default it was done.
    pub outcome: Option<Outcome>,
    /// More about it, without personal data.
    #[serde(default)]
    pub details: Map,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEventLogged {
    /// The id of the `AuditLog` entry.
    pub audit_log_id: String,
    /// Its place in the chain.
    pub sequence: u64,
    /// Its hash.
    pub hash: String,
}

/// Adds an entry that is marked `REPORTED`: it cannot be mistaken for one that the server wrote by itself.
pub async fn log_audit_event(request: Request<LogAuditEvent>) -> Result<AuditEventLogged, ParseError> {
    let acting = Acting::new(APPLICATION, audit::CLASS, &request);
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    let (class, id) = params.check()?;
    let done = async {
        permission::require_role(&request.who, &STAFF, "log an audit event")?;
        // One can only say something about what one can see; read with the caller's eyes (101).
        request.host.get(class.as_str(), &id).await?;
        let entry = params
            .details
            .iter()
            .fold(acting.entry_of(class.as_str()).about(&id).reported(&params.action), |entry, (key, value)| {
                entry.detail(key, value.clone())
            });
        let entry = &entry.outcome(params.outcome.unwrap_or(Outcome::Success));
        let work = |host| async move {
            let logged = audit::append(&host, APPLICATION, entry.clone()).await?;
            Ok(AuditEventLogged {
                audit_log_id: logged.id.to_string(),
                sequence: audit::sequence(&logged)?,
                hash: logged.text("hash").unwrap_or_default().to_owned(),
            })
        };
        acting.once(params.request_key.as_deref(), params, work).await
    };
    acting.settle(None, done.await).await
}

impl LogAuditEvent {
    fn check(&self) -> Result<(ClassName, ObjectId), ParseError> {
        params::word("action", &self.action, "_.-", 128)?;
        audit::check_details(&self.details)?;
        let class = ClassName::parse(&self.entity_type)
            .map_err(|_error| params::invalid("entityType", "it must be the name of a class"))?;
        Ok((class, params::object_id("entityId", &self.entity_id)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsimony_model::map;

    #[test]
    fn each_refusal_names_its_field() {
        let good = LogAuditEvent {
            action: "phoneCall".to_owned(),
            entity_type: "Identity".to_owned(),
            entity_id: "i".to_owned(),
            outcome: None,
            details: map! { "minutes" => 3 },
            request_key: None,
        };
        assert!(good.check().is_ok());
        for (params, field) in [
            (LogAuditEvent { action: "a b".to_owned(), ..good.clone() }, "action"),
            (LogAuditEvent { entity_type: "no class".to_owned(), ..good.clone() }, "entityType"),
            (LogAuditEvent { entity_id: String::new(), ..good.clone() }, "entityId"),
            (LogAuditEvent { details: map! { "legalName" => "Ada" }, ..good }, "details.legalName"),
        ] {
            let error = params.check().unwrap_err();
            assert!(error.message.contains(&format!("Invalid value for {field}:")), "{}", error.message);
        }
    }
}
