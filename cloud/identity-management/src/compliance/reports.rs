//! How does a report become files, and who finds them?

use bytes::Bytes;
use parsimony_cloud::JobRequest;
use parsimony_kit::{AuditEntry, audit, params, roles};
use parsimony_model::value::{File, Map};
use parsimony_model::{Access, Acl, Date, ErrorCode, ParseError, Value, map};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::figures::{DECISIONS_MAX, Report};
use super::{csv, pdf};
use crate::APPLICATION;
use crate::ruling::DAY_MILLIS;

/// The class of the reports.
const REPORT: &str = "ComplianceReport";

/// How many days a report is about, unless told otherwise.
const DAYS: i64 = 30;

/// How many days it may be about.
const DAYS_MAX: i64 = 366;

/// What is asked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct GenerateReports {
    /// The beginning of the time; by default thirty days before its end.
    from: Option<Date>,
    /// Its end; by default now.
    to: Option<Date>,
}

impl GenerateReports {
    fn time(&self, now: Date) -> Result<(Date, Date), ParseError> {
        let to = self.to.unwrap_or(now);
        let from = self.from.unwrap_or_else(|| to.plus_millis(-DAYS * DAY_MILLIS));
        if to > now {
            return Err(params::invalid("to", "it must not be in the future"));
        }
        if from >= to || to.millis() - from.millis() > DAYS_MAX * DAY_MILLIS {
            return Err(params::invalid("from", format!("it must be before its end, by {DAYS_MAX} days at most")));
        }
        Ok((from, to))
    }
}

/// `generateComplianceReports`: writes a report of a time, in three formats, and an object by which its readers find them.
pub(crate) async fn generate(request: JobRequest<GenerateReports>) -> Result<String, ParseError> {
    let host = request.host.as_master();
    let (from, to) = request.params.time(host.now())?;
    let report = Report::make(&host, from, to).await?;
    let json = serde_json::to_vec_pretty(&report).map_err(ParseError::internal)?;
    let mut fields = map! {
        "from" => from,
        "to" => to,
        "generatedAt" => report.generated_at,
        "decisions" => report.decisions.len() as f64,
        "complete" => report.complete,
        "auditTrailIntact" => report.audit_trail.intact,
        "ACL" => readers(),
    };
    let mut digests = Map::default();
    let formats = [
        ("csv", "text/csv", csv::write(&report)?),
        ("json", "application/json", json),
        ("pdf", "application/pdf", pdf::write(&report)),
    ];
    // Before the transaction: a file that no object names is found by nobody.
    for (format, content_type, content) in formats {
        digests.insert(format.into(), hex::encode(Sha256::digest(&content)).into());
        let name = format!("compliance-report.{format}");
        let file = host.save_file(&name, Some(content_type), Bytes::from(content)).await?;
        fields.insert(format.into(), Value::File(File { name: file.name, url: None }));
    }
    fields.insert("sha256".into(), digests.clone().into());
    let (fields, job, digests) = (&fields, &request.job, &digests);
    host.transaction(|host| async move {
        let kept = host.create(REPORT, fields.clone()).await?;
        let told = AuditEntry::of_job(job, REPORT).about(&kept.id).detail("sha256", digests.clone());
        audit::append(&host, APPLICATION, told).await.map(drop)
    })
    .await?;
    if !report.complete {
        let text = format!("There are more than {DECISIONS_MAX} decisions: ask for a shorter time.");
        return Err(ParseError::new(ErrorCode::ScriptFailed, text));
    }
    Ok(format!("{} decisions from {from} to {to}", report.decisions.len()))
}

/// Who finds a report, and with it the names of its files, which nobody could guess.
fn readers() -> Value {
    [roles::COMPLIANCE_OFFICER, roles::AUDITOR, roles::ADMIN]
        .iter()
        .fold(Acl::default(), |acl, role| acl.with(&format!("role:{role}"), Access::READ))
        .to_value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_over_and_not_too_long() {
        let now = Date::from_millis(1_000 * DAY_MILLIS);
        let ago = |days: i64| Some(now.plus_millis(-days * DAY_MILLIS));
        let time = |from, to| GenerateReports { from, to }.time(now);
        assert_eq!(time(None, None).unwrap(), (now.plus_millis(-DAYS * DAY_MILLIS), now));
        assert!(time(ago(366), None).is_ok());
        for (from, to, field) in
            [(ago(367), None, "from"), (ago(1), ago(1), "from"), (ago(1), ago(2), "from"), (None, ago(-1), "to")]
        {
            let error = time(from, to).unwrap_err();
            assert!(error.message.contains(&format!("for {field}: ")), "{}", error.message);
        }
    }
}
