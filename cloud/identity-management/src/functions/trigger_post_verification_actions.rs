//! `triggerPostVerificationActions`: what follows from an approval is begun by hand, or begun again where it failed.

use parsimony_cloud::{Host, Request};
use parsimony_kit::{Acting, params, permission, roles, state};
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Filter, Object, ObjectId, ParseError, Query, Value};
use serde::{Deserialize, Serialize};

use crate::APPLICATION;
use crate::actions::{self, ACTION, Action, ActionStatus};
use crate::model::{IDENTITY, IdentityStatus, VERIFICATION, VerificationStatus};

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TriggerPostVerificationActions {
    /// The id of the `Identity`.
    pub identity_id: String,
    /// Which of the steps are begun again; all that failed or were skipped without them.
    pub actions: Option<Vec<Action>>,
    /// Makes the request repeatable.
    #[serde(skip_serializing)]
    pub request_key: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionsTriggered {
    /// The id of the `Identity`.
    pub identity_id: String,
    /// The id of the `IdentityVerification` that the steps follow from.
    pub verification_id: String,
    /// The steps.
    pub actions: Vec<Step>,
}

/// A step, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The id of the `PostVerificationAction`.
    pub action_id: String,
    /// Which one it is.
    pub action: Action,
    /// Where it stands.
    pub status: ActionStatus,
}

/// Makes the steps that are missing, and begins those again that failed or were skipped. The job takes them at once.
pub async fn trigger_post_verification_actions(
    request: Request<TriggerPostVerificationActions>,
) -> Result<ActionsTriggered, ParseError> {
    let acting = Acting::new(APPLICATION, IDENTITY, &request);
    acting.user()?;
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    let id = params::object_id("identityId", &params.identity_id)?;
    if let Some(actions) = &params.actions {
        params::list("actions", actions, Action::ALL.len())?;
    }
    let done = async {
        permission::require_role(&request.who, &[roles::COMPLIANCE_OFFICER], "trigger what follows a verification")?;
        request.host.get(IDENTITY, &id).await?;
        let work = |host| work(host, &acting, params, &id);
        let triggered = acting.once(params.request_key.as_deref(), params, work).await?;
        if let Err(error) = request.host.as_master().start_job(RUN, Map::default()).await {
            // Its next turn comes by itself.
            tracing::warn!(cause = error.detail.as_deref(), "{RUN} was not started: {}", error.message);
        }
        Ok(triggered)
    };
    acting.settle(Some(&id), done.await).await
}

/// The job that takes the steps.
pub(crate) const RUN: &str = "runPostVerificationActions";

async fn work(
    host: Host,
    acting: &Acting<'_>,
    params: &TriggerPostVerificationActions,
    id: &ObjectId,
) -> Result<ActionsTriggered, ParseError> {
    let identity = host.get(IDENTITY, id).await?;
    let status: IdentityStatus = state::of(&identity)?;
    let approved =
        Filter::equals("identity", identity.pointer()).and(Filter::equals("status", VerificationStatus::Approved));
    let approved = host.first(VERIFICATION, Query::new(approved).descending("reviewedAt")).await?;
    let Some(verification) = approved.filter(|_| status == IdentityStatus::Verified) else {
        let text = format!("The identity is {status}; nothing follows but from a verification that was approved.");
        return Err(ParseError::new(ErrorCode::ValidationError, text));
    };
    actions::plan(&host, &identity, &verification).await?;
    let mut steps = Vec::new();
    for step in actions::planned(&host, &verification).await? {
        steps.push(begin(&host, params, step).await?);
    }
    let entry = (acting.entry().about(id)).detail("verificationId", verification.id.as_str());
    let begun: Vec<Value> = steps.iter().map(|step| format!("{}:{}", step.action, step.status).into()).collect();
    acting.record(&host, entry.detail("steps", begun)).await?;
    steps.sort_by_key(|step| step.action);
    Ok(ActionsTriggered { identity_id: id.to_string(), verification_id: verification.id.to_string(), actions: steps })
}

/// Begins a step again that ended without being done, if it is asked for.
async fn begin(host: &Host, params: &TriggerPostVerificationActions, step: Object) -> Result<Step, ParseError> {
    let action = step.text("action").and_then(Action::parse);
    let action = action.ok_or_else(|| ParseError::internal(format!("{ACTION} {} is no step", step.id)))?;
    let status: ActionStatus = state::of(&step)?;
    let asked = params.actions.as_ref().is_none_or(|asked| asked.contains(&action));
    let over = [ActionStatus::Failed, ActionStatus::Skipped].contains(&status);
    let step = if asked && over { host.update(ACTION, &step.id, actions::begun_anew(host)).await? } else { step };
    Ok(Step { action_id: step.id.to_string(), action, status: state::of(&step)? })
}
