//! `sendNotification`: a member of staff tells somebody something, in the application and by the ways they prefer.

use parsimony_cloud::Request;
use parsimony_kit::notifications::{self, Notice, notify};
use parsimony_kit::{Acting, params, permission, roles};
use parsimony_model::builtin::Builtin;
use parsimony_model::value::Map;
use parsimony_model::{ErrorCode, Filter, ParseError, Pointer, Query};
use serde::{Deserialize, Serialize};

use crate::APPLICATION;
use crate::model::IDENTITY;

/// Who may.
const STAFF: [&str; 4] = [roles::VERIFIER, roles::COMPLIANCE_OFFICER, roles::SUPPORT, roles::ADMIN];

/// How long the texts may be.
const TITLE_CHARS_MAX: usize = 200;
const BODY_CHARS_MAX: usize = 4_000;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SendNotification {
    /// The id of the user to tell; or else `identityId`.
    #[serde(default)]
    pub user_id: Option<String>,
    /// The id of the `Identity` whose owner to tell.
    #[serde(default)]
    pub identity_id: Option<String>,
    /// What kind of news it is: a code in capitals, by which templates are found.
    pub kind: String,
    /// In a few words.
    pub title: String,
    /// In full.
    #[serde(default)]
    pub body: Option<String>,
    /// What a client needs to lead its user there: ids and dates, no personal data.
    #[serde(default)]
    pub data: Map,
    /// Makes the request repeatable.
    #[serde(default, skip_serializing)]
    pub request_key: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotificationSent {
    /// The id of the `Notification`. What becomes of it on its ways is in `NotificationDelivery`.
    pub notification_id: String,
}

/// Tells somebody something.
pub async fn send_notification(request: Request<SendNotification>) -> Result<NotificationSent, ParseError> {
    let acting = Acting::new(APPLICATION, notifications::CLASS, &request);
    acting.user()?;
    let params = &request.params;
    params::request_key(params.request_key.as_deref())?;
    params.check()?;
    let done = async {
        permission::require_role(&request.who, &STAFF, "send a notification")?;
        let work = |host: parsimony_cloud::Host| {
            let acting = &acting;
            async move {
                let user = params.reader(&host).await?;
                let notice = Notice {
                    user,
                    kind: params.kind.clone().into(),
                    title: params.title.clone(),
                    body: params.body.clone(),
                    data: params.data.clone(),
                    about: params.identity_id.as_ref().map(|id| format!("{IDENTITY}:{id}")),
                    once: format!("sent:{}", host.random(22)),
                };
                let told = notify(&host, APPLICATION, notice).await?;
                let told =
                    told.ok_or_else(|| ParseError::internal("a notification with a name of its own was there"))?;
                acting.record(&host, acting.entry().about(&told.id).detail("kind", params.kind.as_str())).await?;
                Ok(NotificationSent { notification_id: told.id.to_string() })
            }
        };
        acting.once(params.request_key.as_deref(), params, work).await
    };
    acting.settle(None, done.await).await
}

impl SendNotification {
    fn check(&self) -> Result<(), ParseError> {
        match (&self.user_id, &self.identity_id) {
            (Some(id), None) => params::object_id("userId", id).map(drop)?,
            (None, Some(id)) => params::object_id("identityId", id).map(drop)?,
            _ => return Err(params::invalid("userId", "either it or identityId is needed, and not both")),
        }
        params::code("kind", &self.kind)?;
        params::text("title", &self.title, 1, TITLE_CHARS_MAX)?;
        if let Some(body) = &self.body {
            params::text("body", body, 1, BODY_CHARS_MAX)?;
        }
        params::metadata("data", &self.data)
    }

    /// Who is told.
    async fn reader(&self, host: &parsimony_cloud::Host) -> Result<Pointer, ParseError> {
        if let Some(id) = &self.identity_id {
            let identity = host.get(IDENTITY, &params::object_id("identityId", id)?).await?;
            return crate::model::pointer(&identity, "user");
        }
        let id = params::object_id("userId", self.user_id.as_deref().unwrap_or_default())?;
        if host.first("_User", Query::new(Filter::id(&id))).await?.is_none() {
            return Err(ParseError::new(ErrorCode::ObjectNotFound, "Object not found."));
        }
        Ok(Pointer::new(Builtin::User.name(), id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_names_its_field() {
        let sent = SendNotification {
            user_id: Some("u1".to_owned()),
            identity_id: None,
            kind: "NEWS".to_owned(),
            title: "t".to_owned(),
            body: None,
            data: Map::default(),
            request_key: None,
        };
        assert!(sent.check().is_ok());
        for (wrong, field) in [
            (SendNotification { identity_id: Some("i1".to_owned()), ..sent.clone() }, "userId"),
            (SendNotification { user_id: None, ..sent.clone() }, "userId"),
            (SendNotification { kind: "news".to_owned(), ..sent.clone() }, "kind"),
            (SendNotification { title: String::new(), ..sent.clone() }, "title"),
            (SendNotification { body: Some("x".repeat(4_001)), ..sent.clone() }, "body"),
        ] {
            let error = wrong.check().unwrap_err();
            assert!(error.message.contains(field), "{error:?}");
        }
    }
}
