//! What becomes of personal data that is sealed: the job that seals it with a new key, and what erases a person's.

use parsimony_cloud::{Host, JobRequest};
use parsimony_model::{ErrorCode, ObjectId, ParseError};

use crate::audit::{self, AuditEntry};

/// The class of the persons' secrets. Without its secret nothing of a person can be read again.
pub const PERSON_KEYS: &str = "PersonKey";

/// How many steps pass between two messages of the job.
const STEPS_PER_MESSAGE: u64 = 10;

/// `rotatePiiKeys`: seals with the newest key what was sealed with an older one, or is in clear. When it is done, the older
/// keys can be taken out of the configuration.
pub async fn rotate_keys(request: JobRequest) -> Result<String, ParseError> {
    let host = request.host.as_master();
    let (mut from, mut seen, mut resealed, mut steps) = (None, 0, 0, 0_u64);
    loop {
        let step = host.reseal(from).await?;
        (seen, resealed, steps) = (seen + step.seen, resealed + step.resealed, steps + 1);
        from = step.next;
        let Some(next) = &from else { break };
        if request.is_ending() {
            return Err(ParseError::new(ErrorCode::ScriptFailed, format!("Stopped in {}; run it again.", next.class)));
        }
        if steps.is_multiple_of(STEPS_PER_MESSAGE) {
            request.message(format!("{seen} objects seen, {resealed} sealed anew, now in {}", next.class)).await?;
        }
    }
    let entry =
        AuditEntry::of_job(&request, PERSON_KEYS).detail("seen", seen as f64).detail("resealed", resealed as f64);
    audit::append(&host, crate::application::APPLICATION, entry).await?;
    Ok(format!("{seen} objects seen, {resealed} sealed anew"))
}

/// Destroys the secret of a person; tells whether there was one. What was sealed for them can never be read again, in
/// backups neither.
pub async fn destroy_secret(host: &Host, person: &ObjectId) -> Result<bool, ParseError> {
    match host.as_master().delete(PERSON_KEYS, person).await {
        Ok(()) => Ok(true),
        Err(error) if error.number() == ErrorCode::ObjectNotFound.number() => Ok(false),
        Err(error) => Err(error),
    }
}
