//! `verifyAuditTrail`: does the audit trail of an application hold together, and if not, where does it break?

use parsimony_cloud::Request;
use parsimony_model::ParseError;
use serde::{Deserialize, Serialize};

use crate::application::APPLICATION;
use crate::audit::{self, Verdict};
use crate::{Acting, Outcome, params, permission, roles};

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyAuditTrail {
    /// The application.
    pub application: String,
    /// The first place in the chain to look at; by default 1.
    pub from: Option<u64>,
    /// The last one; by default the end.
    pub to: Option<u64>,
}

/// Walks the trail. That it was walked, and what was found, is an entry of its own.
pub async fn verify_audit_trail(request: Request<VerifyAuditTrail>) -> Result<Verdict, ParseError> {
    let acting = Acting::new(APPLICATION, audit::CLASS, &request);
    let (application, from) = request.params.check()?;
    let done = async {
        permission::require_role(&request.who, &[roles::AUDITOR, roles::ADMIN], "verify the audit trail")?;
        let verdict = audit::verify(&request.host, application, from, request.params.to).await?;
        let outcome = if verdict.intact { Outcome::Success } else { Outcome::Failed };
        let entry = (acting.entry().outcome(outcome))
            .detail("application", application)
            .detail("from", verdict.from as f64)
            .detail("to", verdict.to as f64)
            .detail("intact", verdict.intact);
        acting.record(&request.host, entry).await?;
        Ok(verdict)
    };
    acting.settle(None, done.await).await
}

impl VerifyAuditTrail {
    fn check(&self) -> Result<(&str, u64), ParseError> {
        let application = self.application.as_str();
        params::word("application", application, "-_", 128)?;
        let from = self.from.unwrap_or(1);
        if from == 0 {
            return Err(params::invalid("from", "the first entry is number 1"));
        }
        if self.to.is_some_and(|to| to < from) {
            return Err(params::invalid("to", "it must not be before from"));
        }
        Ok((application, from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_runs_forward_from_the_first_entry() {
        for (from, to, expected) in [
            (None, None, Ok(1)),
            (Some(3), Some(3), Ok(3)),
            (Some(0), None, Err("from")),
            (Some(4), Some(3), Err("to")),
            (None, Some(0), Err("to")),
        ] {
            let params = VerifyAuditTrail { application: "books".to_owned(), from, to };
            match (params.check(), expected) {
                (Ok((_, from)), Ok(expected)) => assert_eq!(from, expected),
                (Err(error), Err(field)) => assert!(error.message.contains(&format!("for {field}:"))),
                (checked, expected) => panic!("{checked:?} is not {expected:?}"),
            }
        }
    }
}
